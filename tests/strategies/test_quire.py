"""QUIRE: the closed form is the min-max criterion, whatever the order, the blocks, the classes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lalbench import strategies
from lalbench.errors import UserError
from lalbench.strategies import quire
from lalbench.strategies.base import LearningState
from lalbench.strategies.quire import KernelRidge, Quire

Make = Callable[..., LearningState]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gaussian_kernel(X: Any, gamma: float) -> Any:
    """The plain double loop."""
    return np.array([[np.exp(-gamma * ((a - b) ** 2).sum()) for b in X] for a in X])


def value(inverse: Any, y_known: Any, s: int, y_s: float) -> float:
    """``min over real y_u`` of the quadratic form: annotated points first, ``s`` counted in all."""
    fixed = np.append(np.arange(len(y_known)), s)
    free = np.setdiff1d(np.arange(len(inverse)), fixed)
    y = np.zeros(len(inverse))
    y[fixed] = np.append(y_known, y_s)
    y[free] = np.linalg.solve(inverse[np.ix_(free, free)], -inverse[np.ix_(free, fixed)] @ y[fixed])
    return float(y @ inverse @ y)


def brute_force(state: LearningState, regularisation: float, gamma: float) -> Any:
    """(n_pool,) the criterion; for more classes the largest with +1 for a class, also of s."""
    X = np.concatenate([state.X_annotated, state.X_pool])
    inverse = np.linalg.inv(gaussian_kernel(X, gamma) + regularisation * np.eye(len(X)))
    known = len(state.y_annotated)
    found = []
    for s in range(known, len(X)):
        if state.n_classes == 2:
            y = 2.0 * state.y_annotated - 1.0
            found.append(max(value(inverse, y, s, sign) for sign in (-1.0, 1.0)))
        else:
            rest = [np.where(state.y_annotated == c, 1.0, -1.0) for c in range(state.n_classes)]
            found.append(max(value(inverse, y, s, 1.0) for y in rest))
    return np.array(found)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("regularisation", "gamma"), [(1.0, 1 / 3), (0.1, 2.0), (10.0, 0.05)])
@pytest.mark.parametrize("n_annotated", [1, 4, 12])
def test_the_closed_form_is_the_min_max_criterion(
    regularisation: float, gamma: float, n_annotated: int, n_classes: int, make_state: Make
) -> None:
    state = make_state(n_pool=40, n_annotated=12, n_classes=n_classes, seed=n_annotated)
    part = {"X_annotated": state.X_annotated, "y_annotated": state.y_annotated}
    part["annotated_ids"] = state.annotated_ids
    state = replace(state, **{name: array[:n_annotated] for name, array in part.items()})
    expected = brute_force(state, regularisation, gamma)
    found = Quire(regularisation=regularisation, gamma=gamma).select(state, 40, rng())
    gap = -found.scores - expected
    np.testing.assert_allclose(gap, gap[0], atol=1e-9)
    assert found.indices.tolist() == np.argsort(expected).tolist()


def test_one_annotated_point_by_hand(make_state: Make) -> None:
    state = make_state(n_pool=2, n_annotated=2)
    X_pool = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
    one = {"X_annotated": X_pool[:1], "y_annotated": np.array([1]), "annotated_ids": np.array([7])}
    found = Quire().scores(replace(state, X_pool=X_pool, **one))
    # K = 2 with λ, so f = 1/2 and v = 3/2 at the point itself, f = 0 and v = 2 far away
    np.testing.assert_allclose(found, [-(1.5**2) / 1.5, -1 / 2], rtol=1e-14)


def test_the_default_width_is_one_over_the_number_of_features(make_state: Make) -> None:
    state = make_state()
    same, other = Quire(gamma=1 / 3).scores(state), Quire(gamma=0.5).scores(state)
    np.testing.assert_array_equal(Quire().scores(state), same)
    assert not np.allclose(Quire().scores(state), other)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scikit_activeml_has_the_same_ranking(n_classes: int, make_state: Make) -> None:
    pool = pytest.importorskip("skactiveml.pool")
    for seed in range(3):
        state = make_state(n_pool=50, n_annotated=15, n_classes=n_classes, seed=seed)
        X = np.concatenate([state.X_annotated, state.X_pool])
        y = np.append(state.y_annotated.astype(float), np.full(50, np.nan))
        theirs = pool.Quire(classes=list(range(n_classes)), random_state=0)
        _, utilities = theirs.query(X, y, return_utilities=True)
        ours = Quire().select(state, 50, rng())
        gap = ours.scores - utilities[0, 15:]
        np.testing.assert_allclose(gap, gap[0], atol=1e-8)
        assert ours.indices.tolist() == np.argsort(-utilities[0, 15:]).tolist()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_order_and_names_of_classes_change_nothing(n_classes: int, make_state: Make) -> None:
    state = make_state(n_pool=60, n_annotated=21, n_classes=n_classes)
    expected = Quire().scores(state)
    order = rng(1).permutation(21)
    shuffled = replace(
        state,
        X_annotated=state.X_annotated[order],
        y_annotated=state.y_annotated[order],
        annotated_ids=state.annotated_ids[order],
    )
    np.testing.assert_array_equal(Quire().scores(shuffled), expected)
    renamed = replace(state, y_annotated=n_classes - 1 - state.y_annotated)
    np.testing.assert_allclose(Quire().scores(renamed), expected, rtol=1e-13)
    order = rng(2).permutation(60)
    moved = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    np.testing.assert_array_equal(Quire().scores(moved), expected[order])


def test_blocks_and_copies_change_nothing(
    make_state: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = make_state(n_pool=700)
    X_pool = np.concatenate([state.X_pool[:350]] * 2)
    state = replace(state, X_pool=X_pool)
    whole = Quire().scores(state)
    np.testing.assert_array_equal(whole[:350], whole[350:])

    def thirteen(n: int, width: int) -> list[slice]:
        return [slice(start, start + 13) for start in range(0, n, 13)]

    monkeypatch.setattr(quire, "row_blocks", thirteen)
    np.testing.assert_allclose(Quire().scores(state), whole, rtol=1e-13)


def test_rounding_follows_the_ids_and_not_the_places(
    make_state: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products may round a row by its place in them; here they do, and by far too much."""
    exact = KernelRidge._predict

    def rounded(self: KernelRidge, points: Any) -> tuple[Any, Any]:
        means, variances = exact(self, points)
        return means, variances * (1.0 + 1e-3 * np.arange(len(points)))

    monkeypatch.setattr(KernelRidge, "_predict", rounded)
    state = make_state(n_pool=60)
    same = replace(state, X_pool=np.repeat(state.X_pool[:1], 60, axis=0))
    assert len(np.unique(Quire().scores(same))) == 1
    expected, order = Quire().scores(state), rng(2).permutation(60)
    moved = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    np.testing.assert_array_equal(Quire().scores(moved), expected[order])


def test_memory_stays_that_of_a_block(make_state: Make) -> None:
    state = make_state(n_pool=60_000, n_annotated=200)
    tracemalloc.start()
    try:
        Quire().scores(state)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60e6  # one matrix of 60,000 × 200 numbers takes 96 MB, and several are needed


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_embeddings_of_networks_count_as_double(
    dtype: Any, given_signals: Callable[..., LearningState], make_state: Make
) -> None:
    z = rng(3).normal(size=(50, 4)).astype(dtype)
    y = np.arange(20) % 2
    state = given_signals(np.zeros((50, 2)), z, y_annotated=y)
    plain = make_state(n_pool=30)
    same = {"X_annotated": z[:20].astype(float), "X_pool": z[20:].astype(float), "y_annotated": y}
    same |= {"pool_ids": state.pool_ids, "annotated_ids": state.annotated_ids}
    np.testing.assert_array_equal(Quire().scores(state), Quire().scores(replace(plain, **same)))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("regularisation", 0.0),
        ("regularisation", float("nan")),
        ("gamma", -1.0),
        ("gamma", "scale"),
    ],
)
def test_options_that_cannot_be_used(option: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"options.{option}: cannot use"):
        strategies.get("quire", **{option: value})
