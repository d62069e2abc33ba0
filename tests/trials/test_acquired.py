"""What the classifier said of acquired points: against its own predict_proba, fit by fit."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lalbench
from lalbench import classifiers, files, interrupts, trials
from lalbench.classifiers.networks.classifier import NetworkClassifier
from lalbench.classifiers.random_forest import RandomForest
from lalbench.config import ClassifierSpec, DatasetSpec, Sizes, StrategySpec
from lalbench.interrupts import StoppedError
from lalbench.problems import Problem
from lalbench.seeds import Streams
from lalbench.trials import loop
from lalbench.trials.acquired import acquired_probabilities
from lalbench.trials.trial import Trial

NETWORK = ClassifierSpec(
    name="small_cnn", label="small_cnn", options={"recipe": "fast", "epochs": 2, "width": 4}
)
COLUMN = "acquired_probability"


def waves(n_classes: int = 2) -> Problem:
    spec = DatasetSpec(
        name="waveform_generator", label="waves", options={"n": 300, "classes": n_classes}
    )
    sizes = Sizes(test=60, reward=0, annotated=12)
    return lalbench.build_problem(spec, "balanced", data_seed=0, seed=3, sizes=sizes)


def two_digits() -> Problem:
    spec = DatasetSpec(name="digits", label="digits", relabel=[[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]])
    sizes = {"annotated": 40, "reward": 0, "test": 60, "pool": 150}
    return lalbench.build_problem(spec, "balanced", data_seed=0, seed=0, sizes=sizes)


def run(problem: Problem, classifier: Any, strategy: str, **options: Any) -> Trial:
    spec = StrategySpec(name=strategy, label=strategy)
    steps = {"steps": 3, "budget": 4} | options
    return trials.simulate_trial(problem, classifier, spec, **steps)


def replayed(
    problem: Problem, classifier: Any, trial: Trial, *, after: bool = False
) -> list[list[float]]:
    """Refits on what was annotated before each step (or after it), and asks for all of the pool."""
    place = {int(row): position for position, row in enumerate(problem.row_ids)}
    inputs = problem.images if classifier is NETWORK else problem.X
    seed = Streams(problem.data_seed, problem.seed, problem.study_seed).integer("model")
    annotated, found = list(problem.annotated), []
    for row in trial.records:
        chosen = [place[identity] for identity in row["acquired"]]
        model = classifiers.for_problem(classifier, problem, seed)
        known = annotated + chosen if after else annotated
        model.fit(inputs[np.array(known)], problem.y[known])
        assert list(model.classes_) == [0, 1]
        said = model.predict_proba(inputs[problem.pool])[:, 0]
        of_row = dict(zip(problem.pool.tolist(), said.tolist(), strict=True))
        found.append([of_row[position] for position in chosen])
        annotated += chosen
    return found


@pytest.mark.parametrize("strategy", ["random", "margin", "k_center_greedy"])
@pytest.mark.parametrize("classifier", ["random_forest", "logistic_regression"])
def test_it_is_what_the_classifier_before_the_step_says(classifier: str, strategy: str) -> None:
    problem = waves()
    trial = run(problem, classifier, strategy)
    expected = replayed(problem, classifier, trial)
    later = replayed(problem, classifier, trial, after=True)
    assert [len(row[COLUMN]) for row in trial.records] == [0, 4, 4, 4]
    for row, numbers, others in zip(trial.records, expected, later, strict=True):
        assert row[COLUMN] == pytest.approx(numbers, abs=1e-12)
        assert not others or row[COLUMN] != pytest.approx(others, abs=1e-3)


def test_margin_takes_the_point_closest_to_one_half() -> None:
    problem = waves()
    trial = run(problem, "logistic_regression", "margin", budget=1)
    model = classifiers.for_problem("logistic_regression", problem, 0)
    model.fit(problem.X[problem.annotated], problem.y[problem.annotated])
    said = model.predict_proba(problem.X[problem.pool])[:, 0]
    assert trial.records[1][COLUMN] == pytest.approx([said[np.abs(said - 0.5).argmin()]])


@pytest.mark.parametrize(
    ("n_classes", "classifier"), [(2, "svm"), (3, "random_forest"), (3, "logistic_regression")]
)
def test_empty_without_probabilities_and_for_three_classes(n_classes: int, classifier: str) -> None:
    trial = run(waves(n_classes), classifier, "random")
    assert [len(row["acquired"]) for row in trial.records] == [0, 4, 4, 4]
    assert all(row[COLUMN] == [] for row in trial.records)


@pytest.mark.parametrize("classifier", ["random_forest", "logistic_regression", NETWORK])
@pytest.mark.parametrize("protocol", ["clean", "published"])
def test_asking_twice_or_not_at_all_changes_nothing_else(
    monkeypatch: pytest.MonkeyPatch, classifier: Any, protocol: str
) -> None:
    problem = two_digits() if classifier is NETWORK else waves()
    problem = replace(problem, protocol=protocol)
    strategy = "hal_uniform"  # draws random numbers at every step
    once = run(problem, classifier, strategy).records

    def twice(*arguments: Any) -> list[float]:
        acquired_probabilities(*arguments)
        return acquired_probabilities(*arguments)

    monkeypatch.setattr(loop, "acquired_probabilities", twice)
    assert run(problem, classifier, strategy).records == once
    monkeypatch.setattr(loop, "acquired_probabilities", lambda *_: [])
    silent = run(problem, classifier, strategy).records
    assert silent == [row | {COLUMN: []} for row in once]


def test_the_order_of_the_pool_does_not_matter() -> None:
    problem = waves()
    shuffled = np.random.default_rng(0).permutation(problem.pool)
    for classifier in ("random_forest", "logistic_regression"):
        one = run(problem, classifier, "entropy").records
        other = run(replace(problem, pool=shuffled), classifier, "entropy").records
        assert other == one


def test_only_the_chosen_points_are_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = RandomForest.predict_proba

    def counted(self: Any, X: Any) -> Any:
        asked.append(len(X))
        return original(self, X)

    monkeypatch.setattr(RandomForest, "predict_proba", counted)
    problem = waves()
    run(problem, "random_forest", "random")
    assert asked.count(4) == 3  # one for each step; all other calls are about the test set
    assert set(asked) == {4, len(problem.test)}


def test_its_seconds_are_none_of_the_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any) -> list[float]:
        time.sleep(0.2)
        return acquired_probabilities(*arguments)

    monkeypatch.setattr(loop, "acquired_probabilities", slow)
    for row in run(waves(), "logistic_regression", "random").timings:
        assert sum(row[f"seconds_{part}"] for part in ("select", "fit", "learn", "signals")) < 0.2


@pytest.mark.parametrize("strategy", ["margin", "random"])
def test_networks(monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    passes: list[int] = []
    original = NetworkClassifier.signals

    def counted(self: Any, X: Any, **options: Any) -> Any:
        passes.append(len(X))
        return original(self, X, **options)

    problem = two_digits()
    with monkeypatch.context() as patched:
        patched.setattr(NetworkClassifier, "signals", counted)
        trial = run(problem, NETWORK, strategy)
    for row, numbers in zip(trial.records, replayed(problem, NETWORK, trial), strict=True):
        assert row[COLUMN] == pytest.approx(numbers, abs=1e-6)
    over_pool = [150, 146, 142] if strategy == "margin" else []
    assert [n for n in passes if n > 60] == over_pool  # no pass over the pool but the strategy's
    assert passes.count(4) == (0 if strategy == "margin" else 3)


def test_a_checkpoint_carries_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, path = two_digits(), tmp_path / "trial.npz"
    whole = run(problem, NETWORK, "margin")
    assert all(row[COLUMN] for row in whole.records[1:])
    chosen: list[Any] = []

    def noted(*arguments: Any) -> list[float]:
        chosen.append(acquired_probabilities(*arguments))
        return list(chosen[-1])

    monkeypatch.setattr(loop, "acquired_probabilities", noted)
    # SIGTERM comes inside the training that follows the first choice
    monkeypatch.setattr(interrupts, "requested", lambda: bool(chosen))
    with pytest.raises(StoppedError):
        run(problem, NETWORK, "margin", checkpoint=path)
    monkeypatch.undo()
    choice = json.loads(str(files.read_npz(path)["about"]))["choice"]
    assert choice[COLUMN] == whole.records[1][COLUMN]
    # it is read from the file, not asked again
    monkeypatch.setattr(loop, "acquired_probabilities", lambda *_: [-1.0])
    resumed = run(problem, NETWORK, "margin", checkpoint=path).records
    assert resumed[1] == whole.records[1]
    assert [row[COLUMN] for row in resumed[2:]] == [[-1.0], [-1.0]]
