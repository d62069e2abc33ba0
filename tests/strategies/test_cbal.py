"""CBAL: greedy and released rules literally, the exact batch by enumeration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench import protocols, strategies
from lalbench.config import StrategySpec
from lalbench.seeds import PublishedGenerator
from lalbench.strategies.base import LearningState
from lalbench.strategies.cbal import Cbal, balancing_counts
from lalbench.strategies.cbal_exact import _relaxation, best_batch
from lalbench.strategies.uncertainty import entropies


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def draw(seed: int, n: int, n_classes: int, budget: int, n_annotated: int = 30) -> Any:
    """Probabilities and a target, as they come in a step."""
    p = rng(seed).dirichlet(np.full(n_classes, 0.5), size=n)
    counts = rng(seed + 1).multinomial(n_annotated, rng(seed + 2).dirichlet(np.ones(n_classes)))
    return p, balancing_counts(counts, budget)


def objective(p: Any, target: Any, batch: Any, penalty: float) -> float:
    chosen = p[list(batch)]
    entropy = -(chosen * np.log(chosen)).sum()
    return float(-entropy + penalty * np.abs(target - chosen.sum(axis=0)).sum())


def state_of(planted: Callable[..., LearningState], p: Any, counts: Any) -> LearningState:
    y = np.repeat(np.arange(len(counts)), counts)
    X = rng(9).normal(size=(len(y), 3))
    return planted(p, X_annotated=X, y_annotated=y, annotated_ids=np.arange(len(y)) + 10**6)


def test_target() -> None:
    assert balancing_counts(np.array([9, 91]), 0).tolist() == [41.0, 0.0]
    assert balancing_counts(np.array([9, 91]), 10).tolist() == [46.0, 0.0]
    assert balancing_counts(np.array([3, 0, 1]), 2).tolist() == [0.0, 2.0, 1.0]


@pytest.mark.parametrize("counts", [[3, 20], [12, 12], [8, 0, 4]])
@pytest.mark.parametrize("penalty", [0.0, 0.6, 5.0])
def test_greedy_equals_the_definition(
    counts: list[int], penalty: float, planted: Callable[..., LearningState]
) -> None:
    p = rng(1).dirichlet(np.full(len(counts), 0.5), size=25)
    budget, chosen = 8, []
    target = [max(0.0, (sum(counts) + budget) / len(counts) - n) for n in counts]
    for _ in range(budget):
        values = [
            objective(p, np.array(target), [*chosen, i], penalty) if i not in chosen else np.inf
            for i in range(25)
        ]
        chosen.append(int(np.argmin(values)))
    state = state_of(planted, p, counts)
    assert Cbal(penalty=penalty).select(state, budget, rng()).indices.tolist() == chosen


@pytest.mark.parametrize("counts", [[9, 91], [50, 50], [30, 20, 50]])
def test_released_options_equal_a_literal_version(
    counts: list[int], planted: Callable[..., LearningState]
) -> None:
    strategy = strategies.resolve(StrategySpec(name="cbal"), protocols.PUBLISHED)
    n_classes, total = len(counts), sum(counts)
    for seed in range(20):
        p = rng(seed).dirichlet(np.ones(n_classes), size=30)
        p[17] = p[4]  # the first of equal points
        values = []
        for row in p:
            value = sum(x * np.log(x + 1e-8) for x in row)
            wanted = [max(0.0, total / n_classes - count) for count in counts]
            value += sum(abs(w - x) for w, x in zip(wanted, row, strict=True))
            values.append(value)
        found = strategy.select(state_of(planted, p, counts), 1, PublishedGenerator(42))
        assert found.indices.tolist() == [int(np.argmin(values))]
        np.testing.assert_allclose(found.scores, -np.array(values), rtol=1e-13)


def test_released_batches_have_a_growing_target(planted: Callable[..., LearningState]) -> None:
    p, counts, chosen = rng(3).dirichlet(np.ones(3), size=20), np.array([5, 2, 9]), []
    for already in range(6):
        target = np.maximum(0.0, (16 + already) / 3 - counts)
        values = [objective(p, target, [i], 1.0) for i in range(20)]
        values = [np.inf if i in chosen else value for i, value in enumerate(values)]
        chosen.append(int(np.argmin(values)))
    state = state_of(planted, p, counts)
    for budget in (1, 3, 6):
        found = Cbal(variant="npal").select(state, budget, rng()).indices
        assert found.tolist() == chosen[:budget]


@pytest.mark.parametrize("variant", ["greedy", "npal", "exact"])
def test_the_scarce_class_is_preferred(variant: Any, planted: Callable[..., LearningState]) -> None:
    p = [[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.8, 0.2]]
    state = state_of(planted, p, [2, 18])
    found = Cbal(variant=variant, penalty=5.0).select(state, 2, rng())
    assert sorted(found.indices.tolist()) == [0, 3]
    other = state_of(planted, p, [18, 2])
    assert sorted(Cbal(variant=variant, penalty=5.0).select(other, 2, rng()).indices) == [1, 2]


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 12),
    n_classes=st.integers(2, 4),
    penalty=st.sampled_from([0.0, 0.3, 1.0, 5.0]),
    data=st.data(),
)
@settings(max_examples=60)
def test_exact_equals_enumeration(
    seed: int, n: int, n_classes: int, penalty: float, data: Any
) -> None:
    budget = data.draw(st.integers(1, n))
    p, target = draw(seed, n, n_classes, budget, n_annotated=8)
    best = min(objective(p, target, c, penalty) for c in combinations(range(n), budget))
    found = best_batch(entropies(p), p, target, budget, penalty)
    assert len(set(found.tolist())) == budget
    assert objective(p, target, found, penalty) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize(("n_classes", "n", "budget"), [(2, 300, 20), (3, 600, 350), (10, 500, 40)])
def test_exact_in_large_pools_is_within_the_rounding_of_the_relaxation(
    n_classes: int, n: int, budget: int
) -> None:
    p, target = draw(5, n, n_classes, budget, n_annotated=60)
    share, _ = _relaxation(entropies(p), p, target, budget, 1.0)
    assert share.sum() == pytest.approx(budget)
    assert np.sum((share > 1e-9) & (share < 1 - 1e-9)) <= n_classes + 1
    bound = -share @ entropies(p) + np.abs(target - share @ p).sum()
    found = objective(p, target, best_batch(entropies(p), p, target, budget, 1.0), 1.0)
    chosen: list[int] = []
    for _ in range(budget):
        rest = [i for i in range(n) if i not in chosen]
        values = [objective(p, target, [*chosen, i], 1.0) for i in rest]
        chosen.append(rest[int(np.argmin(values))])
    assert bound - 1e-9 <= found < bound + 0.1
    assert found <= objective(p, target, chosen, 1.0) + 1e-9


def mixed_integer_optimum(p: Any, target: Any, budget: int, penalty: float) -> float:
    """HiGHS on the whole problem: entries, then deviations above and below the target."""
    from scipy.optimize import LinearConstraint, milp

    n, n_classes = p.shape
    rows = np.block(
        [
            [p.T, np.eye(n_classes), -np.eye(n_classes)],
            [np.ones((1, n)), np.zeros((1, 2 * n_classes))],
        ]
    )
    wanted = np.append(target, budget)
    found = milp(
        np.concatenate([-entropies(p), np.full(2 * n_classes, penalty)]),
        integrality=np.append(np.ones(n), np.zeros(2 * n_classes)),
        bounds=(0, np.append(np.ones(n), np.full(2 * n_classes, np.inf))),
        constraints=LinearConstraint(rows, wanted, wanted),
        options={"mip_rel_gap": 1e-12},
    )
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize(("n", "n_classes", "budget"), [(60, 3, 9), (150, 4, 20), (200, 2, 31)])
@pytest.mark.parametrize("penalty", [0.5, 2.0])
def test_exact_equals_the_mixed_integer_programme(
    n: int, n_classes: int, budget: int, penalty: float
) -> None:
    p, target = draw(n, n, n_classes, budget)
    found = objective(p, target, best_batch(entropies(p), p, target, budget, penalty), penalty)
    best = mixed_integer_optimum(p, target, budget, penalty)
    assert found == pytest.approx(best, abs=1e-6)


def whole_relaxation(p: Any, target: Any, budget: int, penalty: float) -> float:
    """The linear programme over all points at once."""
    from scipy.optimize import linprog

    n, n_classes = p.shape
    found = linprog(
        np.concatenate([-entropies(p), np.full(2 * n_classes, penalty)]),
        A_eq=np.block(
            [
                [p.T, np.eye(n_classes), -np.eye(n_classes)],
                [np.ones((1, n)), np.zeros((1, 2 * n_classes))],
            ]
        ),
        b_eq=np.append(target, budget),
        bounds=[(0, 1)] * n + [(0, None)] * (2 * n_classes),
    )
    return float(found.fun)


@pytest.mark.parametrize(
    ("n", "n_classes", "budget"),
    [(2500, 3, 100), (6000, 10, 900), (6000, 10, 5500), (4000, 30, 50)],
)
@pytest.mark.parametrize("kind", ["sharp", "flat", "copies"])
def test_relaxation_by_its_dual_equals_the_whole_programme(
    n: int, n_classes: int, budget: int, kind: str
) -> None:
    p = rng(n).dirichlet(np.full(n_classes, 5.0 if kind == "flat" else 0.1), size=n) + 1e-9
    if kind == "copies":
        p = np.round(p[:, :], 1) + 1e-6
    p /= p.sum(axis=1, keepdims=True)
    counts = rng(1).multinomial(500, rng(2).dirichlet(np.ones(n_classes)))
    target = balancing_counts(counts, budget)
    share, _ = _relaxation(entropies(p), p, target, budget, 1.0)
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.sum() == pytest.approx(budget, abs=1e-6)
    found = -share @ entropies(p) + np.abs(target - share @ p).sum()
    expected = whole_relaxation(p, target, budget, 1.0)
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-5)


def test_exact_in_a_large_pool_is_the_optimum_where_it_can_be_checked() -> None:
    p, target = draw(8, 260, 2, 2)
    best = min(objective(p, target, pair, 1.0) for pair in combinations(range(260), 2))
    found = best_batch(entropies(p), p, target, 2, 1.0)
    assert objective(p, target, found, 1.0) == pytest.approx(best, abs=1e-9)


def test_a_relaxation_without_a_solution_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is that of HiGHS, and no batch is made up."""
    without = SimpleNamespace(x=None, message="Time limit reached.")
    monkeypatch.setattr("scipy.optimize.linprog", lambda *args, **options: without)
    p, target = draw(5, 300, 2, 20)
    with pytest.raises(ArithmeticError, match=r"no solution of CBAL's relaxation: Time limit re"):
        best_batch(entropies(p), p, target, 20, 1.0)


def test_exact_with_equal_points(planted: Callable[..., LearningState]) -> None:
    state = state_of(planted, np.full((300, 2), 0.5), [10, 10])
    first = set()
    for seed in range(5):
        found = Cbal(variant="exact").select(state, 7, rng(seed)).indices
        assert len(set(found.tolist())) == 7
        first.add(int(found[0]))
    assert len(first) > 1


def test_exact_goes_with_the_ids(planted: Callable[..., LearningState]) -> None:
    p = np.round(rng(2).dirichlet(np.ones(3), size=40), 1)
    p /= p.sum(axis=1, keepdims=True)
    state = state_of(planted, p, [3, 9, 4])
    order = rng(4).permutation(40)
    other = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    one = Cbal(variant="exact").select(state, 6, rng(1)).indices
    two = Cbal(variant="exact").select(other, 6, rng(1)).indices
    assert state.pool_ids[one].tolist() == other.pool_ids[two].tolist()
