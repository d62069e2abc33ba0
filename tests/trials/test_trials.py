"""The active-learning loop: published curves, replay, hidden labels, determinism, errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from sklearn.svm import SVC

import lalbench
from lalbench.config import Sizes, StrategySpec
from lalbench.errors import LalbenchError, UserError
from lalbench.problems import Problem
from lalbench.records import COLUMNS
from lalbench.strategies.base import LearningState, Need, Selection
from lalbench.trials import Names, check_selection, failed_trial, simulate_trial

CURVES = Path(__file__).parents[2] / "studies" / "reference" / "npal_curves_waveform.csv"


@pytest.fixture(scope="module")
def problem() -> Problem:
    return lalbench.build_problem(
        "breast_cancer",
        "imbalanced_weighted",
        data_seed=1,
        seed=2,
        sizes=Sizes(test=80, reward=60, annotated=40),
    )


@dataclass(frozen=True)
class Recorder:
    """Takes the first points of the pool and keeps the states it saw."""

    seen: list[LearningState]
    needs: frozenset[Need] = frozenset()

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        self.seen.append(state)
        return Selection(np.arange(min(budget, state.n_pool)))


def test_every_column_of_the_record_is_there(problem: Problem) -> None:
    frame = lalbench.run_trial(
        problem, classifier="logistic_regression", strategy="random", steps=3
    )
    assert set(COLUMNS["records"]) | set(COLUMNS["timings"]) == set(frame.columns)
    assert list(frame["step"]) == [0, 1, 2, 3]
    assert list(frame["n_annotated"]) == [40, 41, 42, 43]
    assert [len(ids) for ids in frame["acquired"]] == [0, 1, 1, 1]


@pytest.mark.parametrize("classifier", ["logistic_regression", "svm"])
def test_a_trial_can_be_replayed_from_its_acquired_ids(problem: Problem, classifier: str) -> None:
    frame = lalbench.run_trial(
        problem, classifier=classifier, strategy="entropy", steps=4, budget=3
    )
    place = {int(row): position for position, row in enumerate(problem.row_ids)}
    annotated = list(problem.annotated)
    for _, row in frame.iterrows():
        annotated += [place[int(identity)] for identity in row["acquired"]]
        assert len(set(annotated)) == len(annotated) == row["n_annotated"]
        model = lalbench.classifiers.get(classifier, protocol="clean")
        y = problem.y[annotated]
        assert problem.fit_weights is not None
        model.fit(problem.X[annotated], y, sample_weight=problem.fit_weights[y])
        predictions = model.predict(problem.X[problem.test])
        truth = problem.y[problem.test]
        weights = problem.class_weights[truth]
        assert row["weighted_accuracy"] == pytest.approx(
            weights[predictions == truth].sum() / weights.sum(), abs=1e-12
        )
        assert list(row["class_counts"]) == list(np.bincount(y, minlength=2))


def test_hidden_things_stay_hidden(problem: Problem) -> None:
    recorder = Recorder([])
    lalbench.run_trial(problem, classifier="svm", strategy=recorder, steps=2)
    for state in recorder.seen:
        assert state.labels is None
        assert state.test_scorer is None
        assert state.reward_scorer is None
        assert not hasattr(state, "y_pool")
    needy = Recorder([], frozenset({Need.LABEL_ORACLE, Need.REWARD_SET, Need.TEST_SET}))
    frame = lalbench.run_trial(problem, classifier="svm", strategy=needy, steps=1)
    state = needy.seen[0]
    assert state.labels is not None
    assert state.reward_scorer is not None
    assert len(state.reward_scorer.y) == 60
    assert state.test_scorer is not None
    assert len(state.test_scorer.y) == 80
    assert list(frame["labels_asked"]) == [0, 0]
    assert list(frame["label_budget"]) == [100, 101]


def test_same_seeds_same_trial_other_seed_other_trial(problem: Problem) -> None:
    def acquired(seed: int) -> list[Any]:
        made = lalbench.build_problem(
            "breast_cancer", "balanced", data_seed=1, seed=seed, sizes=Sizes(test=80, annotated=40)
        )
        frame = lalbench.run_trial(
            made, classifier="logistic_regression", strategy="random", steps=5
        )
        return [tuple(ids) for ids in frame["acquired"]]

    assert acquired(3) == acquired(3)
    assert acquired(3) != acquired(4)


def test_objects_work_as_well_as_names(problem: Problem) -> None:
    by_name = lalbench.run_trial(problem, classifier="svm", strategy="k_center_greedy", steps=3)
    by_object = lalbench.run_trial(
        problem,
        classifier=SVC(tol=1e-8),
        strategy=lalbench.strategies.get("k_center_greedy"),
        steps=3,
    )
    pd.testing.assert_series_equal(by_name["objective"], by_object["objective"])
    assert list(map(list, by_name["acquired"])) == list(map(list, by_object["acquired"]))


def test_oracle_on_the_test_set_never_loses_a_step_to_another_first_choice(
    problem: Problem,
) -> None:
    """The oracle takes the best single point, so after one step no other choice is better."""
    oracle = lalbench.run_trial(
        problem, classifier="logistic_regression", strategy="oracle", steps=1
    )
    best = oracle["objective"].iloc[1]
    for strategy in ("random", "entropy", "k_center_greedy", "cbal"):
        other = lalbench.run_trial(
            problem, classifier="logistic_regression", strategy=strategy, steps=1
        )
        assert other["objective"].iloc[1] <= best + 1e-12
    assert oracle["engine"].iloc[1] == "logistic"
    assert oracle["labels_asked"].iloc[1] == len(problem.pool)


@pytest.mark.parametrize(
    ("strategy", "engine"),
    [
        ("random", ""),
        ("expected_error_reduction", "logistic"),
        ({"name": "reward_oracle", "options": {"engine": "reference"}}, "reference"),
    ],
)
def test_the_engine_is_recorded(problem: Problem, strategy: Any, engine: str) -> None:
    from lalbench.config import StrategySpec

    given = strategy if isinstance(strategy, str) else StrategySpec(**strategy)
    found = lalbench.run_trial(problem, classifier="logistic_regression", strategy=given, steps=1)
    assert found["engine"].tolist() == [engine, engine]


def test_the_objective_of_the_study_is_what_is_recorded(problem: Problem) -> None:
    from lalbench.config import ObjectiveSpec

    made = lalbench.build_problem(
        "breast_cancer",
        "imbalanced",
        data_seed=0,
        seed=0,
        objective=ObjectiveSpec(name="rare_recall"),
        sizes=Sizes(test=80, reward=60, annotated=40),
    )
    frame = lalbench.run_trial(made, classifier="logistic_regression", strategy="oracle", steps=2)
    np.testing.assert_allclose(frame["objective"], frame["rare_recall"], atol=1e-12)


def test_too_many_steps_is_one_sentence(problem: Problem) -> None:
    with pytest.raises(UserError, match=r"steps: 9999 steps of 1 acquire 9999 points, but"):
        lalbench.run_trial(problem, classifier="svm", strategy="random", steps=9999)


def test_the_whole_pool_can_be_acquired(problem: Problem) -> None:
    frame = lalbench.run_trial(
        problem,
        classifier="logistic_regression",
        strategy="entropy",
        steps=1,
        budget=len(problem.pool),
    )
    assert frame["n_pool"].iloc[1] == 0


@pytest.mark.parametrize(
    "indices",
    [[0, 0], [0], [0, 99], [-1, 0], [0.0, 1.0]],
    ids=["twice", "few", "far", "neg", "float"],
)
def test_a_strategy_that_breaks_the_contract_is_refused(indices: list[float]) -> None:
    with pytest.raises(LalbenchError, match="strategy returned"):
        check_selection(Selection(np.array(indices)), 2, 10)


def test_a_failed_trial_is_a_row_with_every_column(problem: Problem) -> None:
    row = failed_trial(problem, Names("s", "c", "x"), "ValueError: no").records[0]
    assert set(row) == set(COLUMNS["records"])
    assert row["status"] == "error"


def test_neural_process_once_and_every_step(problem: Problem) -> None:
    def trial(refit: str) -> Any:
        spec = StrategySpec(
            name="neural_process", options={"refit": refit, "n_simulations": 9, "epochs": 3}
        )
        return simulate_trial(problem, "logistic_regression", spec, steps=2, budget=1)

    once, every = trial("once"), trial("every_step")
    assert once.records[1]["acquired"] == every.records[1]["acquired"]
    assert {row["step"] for row in once.curves} == {1}
    assert {row["step"] for row in every.curves} == {1, 2}
    assert [row["epoch"] for row in once.curves] == [1, 2, 3]
    assert once.records[1]["label_budget"] == 41 + 60


def published_runs() -> list[tuple[str, str, str]]:
    """(setting, classifier, strategy) of the published single runs."""
    frame = pd.read_csv(CURVES)
    keys = frame[["setting", "classifier", "strategy"]].drop_duplicates()
    return [tuple(row) for row in keys.itertuples(index=False)]  # type: ignore[misc]


@pytest.mark.parametrize(("setting", "classifier", "strategy"), published_runs())
def test_published_curves_come_out_run_by_run(
    mirror: Path, setting: str, classifier: str, strategy: str
) -> None:
    """Single runs of strategies that draw no random numbers; k-center up to distance ties."""
    frame = pd.read_csv(CURVES)
    wanted = frame[
        (frame["setting"] == setting)
        & (frame["classifier"] == classifier)
        & (frame["strategy"] == strategy)
    ]
    assert len(wanted) == 9
    equal = []
    for _, run in wanted.iterrows():
        made = lalbench.build_problem(
            "waveform",
            setting,
            data_seed=int(run["data_seed"]),
            seed=int(run["seed"]),
            protocol="published",
            mirror=mirror,
        )
        found = lalbench.run_trial(made, classifier=classifier, strategy=strategy)
        curve = run[[f"step_{step}" for step in range(11)]].to_numpy(dtype=float)
        equal.append(np.abs(found["weighted_accuracy"].to_numpy() - curve) < 1e-6)
    assert np.mean(equal) >= 0.97
