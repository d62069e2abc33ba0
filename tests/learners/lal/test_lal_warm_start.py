"""The warm start: halves, sizes, and rows against a plain loop."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench import objectives, strategies
from lalbench.classifiers.random_forest import RandomForest
from lalbench.errors import UserError
from lalbench.learners.lal import MonteCarlo, WarmStart, states, viewpoints
from lalbench.learners.lal.collection import random_annotated
from lalbench.learners.lal.warm_start import halves
from lalbench.strategies.base import LearningState, Need


def start(
    candidates: int = 10, n_classes: int = 2, fit_weights: np.ndarray | None = None
) -> WarmStart:
    weights = np.linspace(1.0, 2.0, n_classes)
    return WarmStart(
        MonteCarlo(RandomForest(8), candidates), "weighted_accuracy", weights, fit_weights, 2
    )


def labelled(n: int = 40, n_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n - n_classes))
    return rng.normal(size=(n, 3)) + y[:, None], y


@given(st.lists(st.integers(2, 30), min_size=2, max_size=4), st.integers(0, 99))
def test_halves_hold_half_of_every_class(counts: list[int], seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    inside = halves(y, np.random.default_rng(seed))
    for label, count in enumerate(counts):
        assert inside[y == label].sum() in (count // 2, (count + 1) // 2)


def test_every_point_is_as_often_inside() -> None:
    y, rng = np.repeat([0, 1], [5, 8]), np.random.default_rng(0)
    share = np.mean([halves(y, rng) for _ in range(4000)], axis=0)
    assert np.abs(share - 0.5).max() < 5 * np.sqrt(0.25 / 4000)


def test_sizes_of_the_paper_and_of_small_sets() -> None:
    # half of 100 points less ten candidates
    assert start().sizes(np.repeat([0, 1], 50)) == range(2, 41)
    # half of 20 points has fewer than twenty: half of it stays in the pool
    assert start().sizes(np.repeat([0, 1], 10)) == range(2, 6)
    assert start().sizes(np.repeat([0, 1], [4, 2])) == range(2, 3)
    assert start().sizes(np.repeat([0, 2], 50)) == range(2, 41)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1] * 30, "all 30 points are of one class"),
        ([0] * 30 + [1], "class 1 \\(counted from 0\\) has one point of 31"),
        ([0, 0, 1, 1], "4 points are too few for a warm start; annotate at least 7"),
    ],
)
def test_sets_that_cannot_be_halved(y: list[int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        start().collect(np.zeros((len(y), 1)), np.array(y), np.random.default_rng(0))


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_as_many_points_as_the_message_says_are_enough(n_classes: int) -> None:
    least = 5 * n_classes - 3
    for counts in product(range(2, least), repeat=n_classes):
        if sum(counts) == least:
            assert len(start().sizes(np.repeat(np.arange(n_classes), counts)))
    short = [3] * (n_classes - 1) + [2 * n_classes - 1]
    assert sum(short) == least - 1
    with pytest.raises(UserError, match=f"annotate at least {least}"):
        start().sizes(np.repeat(np.arange(n_classes), short))


def test_rows_of_a_collection() -> None:
    X, y = labelled()
    found = start(candidates=4).collect(X, y, np.random.default_rng(0))
    sizes = start(candidates=4).sizes(y)
    assert found.states.shape == (len(sizes) * 2 * 4, 8)
    assert np.array_equal(found.states[:, 7], np.repeat([float(size) for size in sizes], 8))
    # changes of the weighted accuracy on the other half of the points
    assert np.abs(found.improvements).max() <= 1
    assert found.improvements.std() > 0


def test_a_state_by_a_plain_loop() -> None:
    X, y = labelled()
    method = start(candidates=3)
    task = method.task(X, y, np.random.default_rng(1))
    assert len(task.y) + len(task.scorer.y) == len(y)
    rng = np.random.default_rng(5)
    annotated = random_annotated(task.y, 6, rng)
    apart = MonteCarlo(RandomForest(8), 3, random_numbers="independent")
    found = apart.rows(task, annotated, rng)
    rng = np.random.default_rng(5)
    annotated = random_annotated(task.y, 6, rng)
    pool = np.setdiff1d(np.arange(len(task.y)), annotated)
    chosen = pool[rng.choice(len(pool), size=3, replace=False)]
    seeds = [int(rng.integers(2**31 - 1)) for _ in range(4)]

    def score(rows: np.ndarray, seed: int) -> float:
        fitted = RandomForest(8, random_state=seed).fit(task.X[rows], task.y[rows])
        weights = np.array([1.0, 2.0])[task.scorer.y]
        right = fitted.predict(task.scorer.X) == task.scorer.y
        return float(weights[right].sum() / weights.sum())

    after = [score(np.append(annotated, c), s) for c, s in zip(chosen, seeds[1:], strict=True)]
    assert np.allclose(found.improvements, np.array(after) - score(annotated, seeds[0]))


def test_fit_weights_reach_the_forests() -> None:
    X, y = labelled(n=60)
    plain = start().collect(X, y, np.random.default_rng(0))
    ones = start(fit_weights=np.ones(2)).collect(X, y, np.random.default_rng(0))
    heavy = start(fit_weights=np.array([1.0, 50.0])).collect(X, y, np.random.default_rng(0))
    assert np.array_equal(plain.improvements, ones.improvements)
    assert not np.array_equal(plain.improvements, heavy.improvements)


def test_each_class_of_three_is_a_viewpoint() -> None:
    assert [*viewpoints(2)] == [0]
    assert [*viewpoints(3)] == [0, 1, 2]
    X, y = labelled(n=60, n_classes=3)
    method = start(candidates=5, n_classes=3)
    task = method.task(X, y, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    annotated = random_annotated(task.y, 9, rng)
    found = method.monte_carlo.rows(task, annotated, rng)
    assert found.states.shape == (15, 8)
    per_class = found.states.reshape(3, 5, 8)
    # probabilities of the classes sum to 1, and so do the shares
    assert np.allclose(per_class[:, :, 0].sum(axis=0), 1.0)
    assert np.allclose((1 - per_class[:, 0, 2]).sum(), 1.0)
    assert np.array_equal(found.improvements, np.tile(found.improvements[:5], 3))


def learning_state(n: int = 60, n_classes: int = 2, seed: int = 0) -> LearningState:
    X, y = labelled(n, n_classes, seed)
    new = np.random.default_rng(9).normal(size=(80, 3))
    return LearningState(
        X_annotated=X,
        y_annotated=y,
        X_pool=new,
        n_classes=n_classes,
        classifier=RandomForest(20, random_state=0).fit(X, y),
        class_weights=np.ones(n_classes),
        fit_weights=None,
        pool_ids=np.arange(80),
        annotated_ids=np.arange(100, 100 + n),
        new_classifier=lambda: RandomForest(20, random_state=0),
        objective=objectives.get("weighted_accuracy"),
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_from_labels_to_a_choice(n_classes: int) -> None:
    strategy = strategies.get("lal_warm_start", repetitions=3, trees=20)
    assert Need.REWARD_SET not in strategy.needs
    state = learning_state(n_classes=n_classes)
    rows = strategy.simulate(state, np.random.default_rng(0))
    again = strategy.episodes_from_arrays(rows.to_arrays())
    regressor = strategy.fit(state, again, np.random.default_rng(1))
    kept = strategy.learned_from_arrays(regressor.to_arrays())
    found = strategy.select(replace(state, learned=kept), 5, np.random.default_rng(2))
    by_hand = np.mean(
        [
            regressor.predict(
                states(state.classifier, state.y_annotated, state.X_pool, n_classes, positive=label)
            )
            for label in viewpoints(n_classes)
        ],
        axis=0,
    )
    assert np.allclose(found.scores, by_hand)
    assert np.array_equal(found.scores[found.indices], np.sort(by_hand)[::-1][:5])


def test_without_an_objective_it_says_so() -> None:
    with pytest.raises(UserError, match="needs new_classifier and objective"):
        strategies.get("lal_warm_start").simulate(
            replace(learning_state(), objective=None), np.random.default_rng(0)
        )
