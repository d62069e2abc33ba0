"""K-center greedy against the plain definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench.strategies.base import LearningState
from lalbench.strategies.k_center_greedy import KCenterGreedy


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def literal(points: Any, annotated: Any, budget: int) -> list[int]:
    """All distances anew for every pick; the first of equally far points."""
    centres, chosen = list(annotated), []
    for _ in range(budget):
        gaps = [min(float(((x - c) ** 2).sum()) for c in centres) for x in points]
        for taken in chosen:
            gaps[taken] = -1.0
        chosen.append(int(np.argmax(gaps)))
        centres.append(points[chosen[-1]])
    return chosen


def with_points(state: LearningState, X_annotated: Any, X_pool: Any) -> LearningState:
    ids = np.arange(len(X_pool)) + 500
    return replace(state, X_annotated=X_annotated, X_pool=X_pool, pool_ids=ids)


@pytest.mark.parametrize("which", ["differences", "expanded"])
def test_picks_equal_the_definition(which: Any, make_state: Callable[..., LearningState]) -> None:
    state = make_state(n_pool=35)
    expected = literal(state.X_pool, state.X_annotated, 35)
    found = KCenterGreedy(ties="first", distances=which).select(state, 35, rng())
    assert found.indices.tolist() == expected
    assert KCenterGreedy(distances=which).select(state, 35, rng()).indices.tolist() == expected


@given(seed=st.integers(0, 10_000), width=st.integers(1, 3))
@settings(max_examples=30)
def test_exact_ties_go_to_the_first(seed: int, width: int) -> None:
    cloud = rng(seed).integers(-2, 3, size=(25, width)).astype(float)
    state = LearningState(
        cloud[:5],
        np.zeros(5, int),
        cloud[5:],
        2,
        None,
        np.ones(2),
        None,
        np.arange(20),
        np.arange(5),
    )
    found = KCenterGreedy(ties="first").select(state, 12, rng())
    assert found.indices.tolist() == literal(cloud[5:], cloud[:5], 12)


def test_the_outlier_is_first(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    X_pool = state.X_pool.copy()
    X_pool[17] += 50.0
    found = KCenterGreedy().select(replace(state, X_pool=X_pool), 3, rng())
    assert found.indices[0] == 17
    assert 17 not in found.indices[1:]
    assert np.argmax(found.scores) == 17


def test_no_annotated_points(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    empty = replace(state, X_annotated=state.X_annotated[:0], y_annotated=state.y_annotated[:0])
    starts = set()
    for seed in range(40):
        found = KCenterGreedy(ties="first").select(empty, 4, rng(seed)).indices.tolist()
        assert found[1:] == literal(state.X_pool, state.X_pool[found[:1]], 4)[:3]
        starts.add(found[0])
    assert len(starts) > 15


def test_ties_after_a_random_start(make_state: Callable[..., LearningState]) -> None:
    corners = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    empty = replace(
        make_state(n_pool=8),
        X_annotated=corners[:0],
        y_annotated=np.empty(0, dtype=np.int64),
        annotated_ids=np.empty(0, dtype=np.int64),
        X_pool=corners,
    )
    for seed in range(10):
        found = KCenterGreedy(ties="first").select(empty, 8, rng(seed)).indices.tolist()
        assert found[1:] == literal(corners, corners[found[:1]], 8)[:7]


def test_equal_to_scikit_activeml(make_state: Callable[..., LearningState]) -> None:
    pytest.importorskip("skactiveml")
    from skactiveml.pool import CoreSet

    for seed in range(5):
        state = make_state(seed=seed, n_pool=60)
        X = np.concatenate([state.X_annotated, state.X_pool])
        y = np.concatenate([state.y_annotated, np.full(60, np.nan)])
        theirs = CoreSet(random_state=0).query(X, y, batch_size=20) - len(state.y_annotated)
        assert KCenterGreedy().select(state, 20, rng()).indices.tolist() == theirs.tolist()
