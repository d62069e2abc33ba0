"""LAL's strategies: planted regressors, several classes, options."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lalbench import strategies
from lalbench.classifiers.random_forest import RandomForest
from lalbench.errors import UserError
from lalbench.learners.lal import RegressionData, Regressor, RegressorOptions, fit_regressor, states
from lalbench.learners.lal.states import FOREST
from lalbench.strategies.base import LearningState


def planted(column: str) -> Regressor:
    """A regressor that predicts a column of the state."""
    rng = np.random.default_rng(0)
    known = rng.random((500, 8))
    known[:, 7] = rng.integers(2, 50, 500)
    data = RegressionData(FOREST, known, known[:, FOREST.index(column)])
    return fit_regressor(data, RegressorOptions(30, 30, 8), seed=0)


def learning_state(learned: Regressor | None, n_classes: int = 2, n: int = 9) -> LearningState:
    rng = np.random.default_rng(4)
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n - n_classes))
    X = rng.normal(size=(n, 2)) + y[:, None]
    return LearningState(
        X_annotated=X,
        y_annotated=y,
        X_pool=rng.normal(size=(40, 2)),
        n_classes=n_classes,
        classifier=RandomForest(random_state=0).fit(X, y),
        class_weights=np.ones(n_classes),
        fit_weights=None,
        pool_ids=np.arange(100, 140),
        annotated_ids=np.arange(n),
        learned=learned,
    )


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", ["lal_independent", "lal_iterative"])
def test_the_largest_planted_column_is_chosen(name: str) -> None:
    state = learning_state(planted("deviation"))
    found = strategies.get(name).select(state, 5, rng())
    assert found.scores is not None
    deviation = states(state.classifier, state.y_annotated, state.X_pool, 2)[:, 1]
    assert deviation[found.indices[0]] == deviation.max()
    assert np.array_equal(np.sort(deviation[found.indices])[::-1], deviation[found.indices])


def test_more_classes_average_their_states() -> None:
    learned = planted("probability")
    state = learning_state(learned, n_classes=3)
    scores = strategies.get("lal_independent").select(state, 1, rng()).scores
    wanted = np.mean(
        [
            learned.predict(
                states(state.classifier, state.y_annotated, state.X_pool, 3, positive=label)
            )
            for label in range(3)
        ],
        axis=0,
    )
    assert np.allclose(scores, wanted)


def test_relabelling_three_classes_changes_no_score() -> None:
    learned, state = planted("probability"), learning_state(None, n_classes=3)
    state = replace(state, learned=learned)
    order = np.array([2, 0, 1])

    turned_classifier = RandomForest(random_state=0).fit(state.X_annotated, state.y_annotated)
    turned_classifier.classes_ = order[turned_classifier.classes_]
    turned = replace(state, y_annotated=order[state.y_annotated], classifier=turned_classifier)
    strategy = strategies.get("lal_independent")
    assert np.allclose(
        strategy.select(turned, 1, rng()).scores, strategy.select(state, 1, rng()).scores
    )


def test_permuting_the_pool_permutes_the_choice() -> None:
    state = learning_state(planted("deviation"))
    order = np.random.default_rng(8).permutation(40)
    turned = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    strategy = strategies.get("lal_independent")
    first = state.pool_ids[strategy.select(state, 6, rng()).indices]
    second = turned.pool_ids[strategy.select(turned, 6, rng()).indices]
    assert np.array_equal(first, second)


def test_what_is_missing_is_said() -> None:
    strategy = strategies.get("lal_independent")
    with pytest.raises(UserError, match="LAL needs its regressor"):
        strategy.select(learning_state(None), 1, rng())
    data = RegressionData(("probability", "share", "size"), np.ones((5, 3)), np.ones(5))
    other = fit_regressor(data, RegressorOptions(3, 3, 3), seed=0)
    with pytest.raises(UserError, match="probability, share, size beside the classifier RandomF"):
        strategy.select(learning_state(other), 1, rng())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"last_size": 5, "first_size": 9}, "options.last_size: 5 is below first_size; use 9"),
        ({"repetitions": 0}, "options.repetitions: cannot use 0"),
        ({"ties": "frist"}, 'options.ties: cannot use "frist"; did you mean "first"'),
        ({"mean_over": "all"}, "options.mean_over"),
        (
            {"max_features": 9},
            "options.max_features: cannot use 9; input should be less than or eq",
        ),
        ({"candidates": 1}, "options.candidates: 1 has no advantage .*; use 2 or more, or targets"),
        ({"last_size": 391}, "options.last_size: 391 annotated points and 10 candidates are more"),
        ({"objective": "iuo"}, 'options.objective: unknown objective "iuo"; did you mean "iou"'),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        strategies.get("lal_independent", **options)


@pytest.mark.parametrize("name", ["step_trees", "step_depths", "step_features"])
def test_a_grid_without_points_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"options.{name}: cannot use \[\]"):
        strategies.get("lal_iterative", **{name: []})


def test_the_regressors_of_single_sizes_have_the_depths_of_the_grid() -> None:
    options = {"step_trees": [7], "step_depths": [2, 9], "step_features": [3, 5], "min_leaf": 4}
    strategy = strategies.get("lal_iterative", **options)
    assert strategy.step_grid() == [
        RegressorOptions(7, depth, n_features, 4) for depth in (2, 9) for n_features in (3, 5)
    ]


@pytest.mark.parametrize("depth", [1, 2])
def test_the_trees_that_choose_next_are_as_deep_as_asked(depth: int) -> None:
    known = np.random.default_rng(0).random((400, 8))
    data = RegressionData(FOREST, known, known.sum(axis=1))
    options = {"step_trees": [30], "step_depths": [depth], "min_leaf": 1, "max_depth": 30}
    found = strategies.get("lal_iterative", **options).step_regressor(data, size=5)
    # every column tells something, so that each tree has all nodes that it may
    assert np.diff(found.forest.starts).tolist() == [2 ** (depth + 1) - 1] * 30


def test_one_candidate_has_a_change() -> None:
    strategies.get("lal_independent", candidates=1, targets="change")
