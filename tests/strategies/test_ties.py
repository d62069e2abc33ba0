"""Ranking with ties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench import protocols, strategies
from lalbench.config import StrategySpec
from lalbench.errors import UserError
from lalbench.strategies.base import LearningState
from lalbench.strategies.ties import Ranking, scalar_argsort

few_values = st.lists(st.sampled_from([0.0, 0.5, 1.0, -np.inf]), min_size=1, max_size=40)
RULES = ["random", "first", "argsort_first", "argsort_last"]


def draw(rule: Any, n: int, seed: int = 0) -> Ranking:
    return Ranking.draw(rule, np.arange(n) + 7, np.random.default_rng(seed))


@given(few_values, st.sampled_from(RULES), st.integers(0, 50))
def test_the_largest_scores_in_order(values: list[float], rule: str, budget: int) -> None:
    scores = np.array(values)
    chosen = draw(rule, len(scores)).top(scores, budget)
    assert len(set(chosen.tolist())) == len(chosen) == min(budget, len(scores))
    assert scores[chosen].tolist() == sorted(values, reverse=True)[:budget]


@given(few_values, st.sampled_from(RULES))
def test_a_short_ranking_is_the_beginning_of_a_long_one(values: list[float], rule: str) -> None:
    scores = np.array(values)
    ranking = draw(rule, len(scores))
    everything = ranking.top(scores, len(scores)).tolist()
    assert all(ranking.top(scores, k).tolist() == everything[:k] for k in range(len(scores)))
    assert ranking.best(scores) == everything[0]


@given(few_values)
def test_first_is_the_lowest_position(values: list[float]) -> None:
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))
    assert draw("first", len(values)).top(np.array(values), 99).tolist() == expected


@given(few_values, st.integers(0, 2**32 - 1))
def test_random_order_goes_with_the_ids(values: list[float], seed: int) -> None:
    scores, ids = np.array(values), np.arange(len(values)) + 100
    order = np.random.default_rng(seed).permutation(len(values))
    one = Ranking.draw("random", ids, np.random.default_rng(seed)).top(scores, 5)
    other = Ranking.draw("random", ids[order], np.random.default_rng(seed)).top(scores[order], 5)
    assert ids[one].tolist() == ids[order][other].tolist()


def test_every_order_of_ties_is_equally_likely() -> None:
    scores, counts = np.array([1.0, 1.0, 0.0, 1.0]), {}
    for seed in range(3000):
        order = tuple(draw("random", 4, seed).top(scores, 3).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert sorted(map(sorted, counts)) == [[0, 1, 3]] * 6
    chi_squared = sum((count - 500) ** 2 / 500 for count in counts.values())
    assert chi_squared < 20.5  # 0.999 quantile for 5 degrees of freedom


def quicksort(values: Any) -> list[int]:  # noqa: C901
    """Positions by quicksort as in NumPy's scalar code: median of three, insertion up to 16."""
    at = list(range(len(values)))
    parts = [(0, len(at) - 1)]

    def swap(i: int, j: int) -> None:
        at[i], at[j] = at[j], at[i]

    def less(i: int, j: int) -> bool:
        return bool(values[at[i]] < values[at[j]])

    while parts:
        low, high = parts.pop()
        while high - low > 15:
            middle = low + (high - low) // 2
            for i, j in ((middle, low), (high, middle), (middle, low)):
                if less(i, j):
                    swap(i, j)
            pivot, left, right = values[at[middle]], low, high - 1
            swap(middle, right)
            while True:
                left += 1
                while values[at[left]] < pivot:
                    left += 1
                right -= 1
                while pivot < values[at[right]]:
                    right -= 1
                if left >= right:
                    break
                swap(left, right)
            swap(left, high - 1)
            if left - low < high - left:
                parts.append((left + 1, high))
                high = left - 1
            else:
                parts.append((low, left - 1))
                low = left + 1
        for end in range(low + 1, high + 1):
            moved, place = at[end], end
            while place > low and values[moved] < values[at[place - 1]]:
                at[place] = at[place - 1]
                place -= 1
            at[place] = moved
    return at


@pytest.mark.parametrize("n", [1, 16, 17, 18, 50, 333, 2000])
@pytest.mark.parametrize("n_values", [1, 2, 7, 10**6])
def test_argsort_is_the_one_without_vector_instructions(n: int, n_values: int) -> None:
    values = np.random.default_rng(n).integers(0, n_values, n) / 7.0
    assert scalar_argsort(values).tolist() == quicksort(values)
    assert draw("argsort_last", n).top(values, n).tolist() == quicksort(values)[::-1]
    assert draw("argsort_first", n).top(values, n).tolist() == quicksort(-values)


def test_nan_is_an_error() -> None:
    with pytest.raises(UserError, match=r"1 of 3 pool points have the score NaN"):
        draw("random", 3).top(np.array([0.0, np.nan, 1.0]), 1)


@pytest.mark.parametrize("name", ["kapoor", "quire"])
def test_equal_points_by_protocol(name: str, make_state: Callable[..., LearningState]) -> None:
    """Five points, each six times: published takes the first of them, clean any."""
    state = make_state(n_pool=30)
    state = replace(state, X_pool=np.repeat(state.X_pool[:5], 6, axis=0))

    def best(protocol: protocols.Protocol, seed: int) -> int:
        chosen = strategies.resolve(StrategySpec(name=name), protocol)
        return int(chosen.select(state, 1, np.random.default_rng(seed)).indices[0])

    seeds = range(20)
    scores = strategies.get(name).select(state, 1, np.random.default_rng(0)).scores
    place = int(np.argmax(scores))
    assert place % 6 == 0
    assert {best(protocols.PUBLISHED, seed) for seed in seeds} == {place}
    clean = {best(protocols.CLEAN, seed) for seed in seeds}
    assert clean <= set(range(place, place + 6))
    assert len(clean) > 2
