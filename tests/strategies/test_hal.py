"""HAL: coin, directions, Gaussian sums, released numbers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lalbench import protocols, strategies
from lalbench.config import StrategySpec
from lalbench.errors import UserError
from lalbench.seeds import PublishedGenerator
from lalbench.strategies.base import LearningState
from lalbench.strategies.gaussian_cover import log_gaussian_sums
from lalbench.strategies.hal import HalGauss, HalUniform, median_squared_distance

BOTH = pytest.mark.parametrize("make", [HalUniform, HalGauss])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gaussian_sums(points: Any, centres: Any, delta: float) -> Any:
    """The plain double loop."""
    return np.array([sum(np.exp(-((x - c) ** 2).sum() / delta) for c in centres) for x in points])


def median(state: LearningState, generator: np.random.Generator) -> float:
    ids = np.concatenate([state.annotated_ids, state.pool_ids])
    return median_squared_distance(state.annotated_embeddings, state.embeddings, ids, generator)


def spread_pool(planted: Callable[..., LearningState]) -> LearningState:
    """Position 0 is certain, 1 ambiguous, 2 far from the annotated points, 3 among them."""
    p = [[0.99, 0.01], [0.5, 0.5], [0.7, 0.3], [0.8, 0.2]]
    state = planted(p)
    X_pool = state.X_pool.copy()
    X_pool[:, 1:] = [[2.0, 2.0], [3.0, 2.0], [40.0, 0.0], [0.0, 0.0]]
    near = np.column_stack([np.full(5, 3.0), np.linspace(-0.1, 0.1, 5), np.zeros(5)])
    known = {"X_annotated": near, "y_annotated": np.arange(5) % 2, "annotated_ids": -np.arange(5)}
    return replace(state, X_pool=X_pool, **known)


@BOTH
def test_exploiting_takes_the_ambiguous_point(
    make: Any, planted: Callable[..., LearningState]
) -> None:
    state = spread_pool(planted)
    assert make(p_exploit=1.0).select(state, 4, rng()).indices.tolist() == [1, 2, 3, 0]
    released = make(p_exploit=1.0, directions="released").select(state, 4, rng())
    assert released.indices.tolist() == [0, 3, 2, 1]


def test_exploring_takes_the_point_that_is_covered_least(
    planted: Callable[..., LearningState],
) -> None:
    state = spread_pool(planted)
    explore = HalGauss(p_exploit=0.0, delta=10.0)
    assert explore.select(state, 1, rng()).indices.tolist() == [2]
    released = replace(explore, directions="released").select(state, 1, rng())
    assert released.indices.tolist() == [3]


def test_exploring_equals_the_definition(make_state: Callable[..., LearningState]) -> None:
    state = make_state(n_pool=25)
    centres, expected = list(state.X_annotated), []
    for _ in range(25):
        sums = gaussian_sums(state.X_pool, centres, 2.0)
        sums[expected] = np.inf
        expected.append(int(sums.argmin()))
        centres.append(state.X_pool[expected[-1]])
    found = HalGauss(p_exploit=0.0, delta=2.0).select(state, 25, rng())
    assert found.indices.tolist() == expected
    first = gaussian_sums(state.X_pool, state.X_annotated, 2.0)
    np.testing.assert_allclose(found.scores, -np.log(first), rtol=1e-12)


def test_fast_sums_equal_the_loop() -> None:
    points, centres = rng(1).normal(size=(40, 6)), rng(2).normal(size=(9, 6))
    expected = np.log(gaussian_sums(points, centres, 3.0))
    np.testing.assert_allclose(log_gaussian_sums(points, centres, 3.0), expected, rtol=1e-12)
    assert np.all(log_gaussian_sums(points, centres[:0], 3.0) == -np.inf)


def test_sums_that_underflow_keep_their_order(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    far = replace(state, X_pool=state.X_pool + np.arange(1, 31)[:, None] * 1e3)
    assert np.all(gaussian_sums(far.X_pool, far.X_annotated, 10.0) == 0)
    found = HalGauss(p_exploit=0.0, delta=10.0).select(far, 3, rng())
    assert found.indices[0] == 29


def test_median_distance(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    points = np.concatenate([state.X_annotated, state.X_pool, state.X_pool])
    state = replace(state, X_pool=points[20:], pool_ids=np.arange(60) + 100)
    gaps = [((a - b) ** 2).sum() for i, a in enumerate(points) for b in points[:i]]
    expected = np.median([gap for gap in gaps if gap > 0])
    assert median(state, rng()) == pytest.approx(expected, rel=1e-12)
    flat = replace(state, X_annotated=np.ones((20, 3)), X_pool=np.ones((60, 3)))
    assert median(flat, rng()) == 1.0
    found = HalGauss(p_exploit=0.0).select(state, 5, rng(3)).indices
    fixed = HalGauss(p_exploit=0.0, delta=float(expected)).select(state, 5, rng(3)).indices
    assert found[0] == fixed[0]


def test_the_median_of_a_sample_is_close_and_goes_with_the_ids(
    make_state: Callable[..., LearningState],
) -> None:
    state = make_state(n_pool=3000)
    order = rng(5).permutation(3000)
    other = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    sampled = median(state, rng(1))
    assert sampled == median(other, rng(1))
    from scipy.spatial.distance import pdist

    assert sampled == pytest.approx(np.median(pdist(state.X_pool) ** 2), rel=0.1)


@BOTH
def test_the_coin_is_fair(make: Any, planted: Callable[..., LearningState]) -> None:
    p = np.full((200, 2), 0.5)
    p[:100] = [0.9, 0.1]  # exploiting takes the second half
    state = planted(p)
    X_pool = np.column_stack([np.arange(200), np.zeros((200, 2))])
    X_pool[:100, 1] = 1000.0  # exploring by the Gaussian rule takes the first half
    state = replace(state, X_pool=X_pool, X_annotated=np.zeros((20, 3)))
    first = np.array([make().select(state, 1, rng(seed)).indices[0] for seed in range(400)])
    share = np.mean(first < 100)
    expected = 0.5 if make is HalGauss else 0.25
    assert abs(share - expected) < 0.08  # more than three standard errors


class Literal:
    """One pick per step with the released conventions (docs/protocols.md [5, 6, 7, 19])."""

    def __init__(self, rule: str, seed: int) -> None:
        self.rule, self.numpy, self.python = rule, np.random.RandomState(seed), random.Random(seed)

    def pick(self, p: Any, X_pool: Any, X_annotated: Any) -> int:
        if self.rule == "uniform":
            explore = self.numpy.uniform(size=len(p))
        else:
            explore = gaussian_sums(X_pool, X_annotated, 10.0)
        ordered = np.sort(p, axis=1)
        exploit = ordered[:, -1] - ordered[:, -2]
        value = exploit if self.python.uniform(0, 1) < 0.5 else explore
        return int(np.argsort(value)[-1])


@pytest.mark.parametrize("rule", ["uniform", "gauss"])
def test_released_options_equal_a_literal_version(
    rule: str, make_state: Callable[..., LearningState]
) -> None:
    spec = StrategySpec(name=f"hal_{rule}")
    strategy = strategies.resolve(spec, protocols.PUBLISHED)
    state = make_state(n_pool=40)
    ours, literal = PublishedGenerator(44), Literal(rule, 44)
    for _ in range(25):
        expected = literal.pick(state.probabilities, state.X_pool, state.X_annotated)
        found = strategy.select(state, 1, ours)
        assert found.indices.tolist() == [expected]
        state = replace(
            state,
            X_annotated=np.concatenate([state.X_annotated, state.X_pool[expected][None]]),
            X_pool=np.delete(state.X_pool, expected, axis=0),
            pool_ids=np.delete(state.pool_ids, expected),
        )


def test_released_batches_draw_per_pick_and_take_no_point_twice(
    make_state: Callable[..., LearningState],
) -> None:
    strategy = HalUniform(draws="released", directions="released", ties="first")
    state = make_state()
    numpy, python = np.random.RandomState(7), random.Random(7)
    ordered = np.sort(state.probabilities, axis=1)
    expected: list[int] = []
    for _ in range(10):
        explore = numpy.uniform(size=30)
        exploits = python.uniform(0, 1) < 0.5
        value = (ordered[:, 1] - ordered[:, 0] if exploits else explore).copy()
        value[expected] = -1.0
        expected.append(int(value.argmax()))
    found = strategy.select(state, 10, PublishedGenerator(7)).indices
    assert found.tolist() == expected


@BOTH
def test_released_draws_need_their_generator(
    make: Any, make_state: Callable[..., LearningState]
) -> None:
    with pytest.raises(UserError, match="no legacy streams"):
        make(draws="released").select(make_state(), 1, rng())


@pytest.mark.parametrize("delta", [0, -1.0, float("nan"), float("inf"), "mean", True])
def test_widths_that_cannot_be_used(delta: Any) -> None:
    with pytest.raises(UserError, match="delta: cannot use"):
        HalGauss(delta=delta)


@pytest.mark.parametrize("share", [-0.1, 1.1, "half", None])
def test_probabilities_that_cannot_be_used(share: Any) -> None:
    with pytest.raises(UserError, match="p_exploit: cannot use"):
        HalUniform(p_exploit=share)
