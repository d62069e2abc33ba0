"""Penalty and multi-comparison matrices: planted gaps, noise, symmetry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lalbench.results.matrices import multi_comparison, penalties
from lalbench.results.statistics import holm, signed_rank


@pytest.mark.parametrize("n", [2, 3, 9, 50])
def test_a_constant_gap_wins_everywhere(n: int) -> None:
    base = np.random.default_rng(n).random((n, 1, 10))
    scores = np.concatenate([base + 0.01, base], axis=1)
    assert penalties([scores]).tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_equal_scores_win_nothing() -> None:
    base = np.random.default_rng(0).random((9, 1, 10))
    assert penalties([np.concatenate([base, base], axis=1)]).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("n", [3, 9])
def test_noise_wins_five_percent(n: int) -> None:
    draws = np.random.default_rng(n).normal(size=(1000, n, 2, 10))
    matrix = penalties(list(draws))
    assert matrix[0, 1] + matrix[1, 0] == pytest.approx(0.05, abs=0.01)


def test_swapping_strategies_transposes_the_matrix() -> None:
    scores = np.random.default_rng(4).normal([[0], [0.5], [1]], 1, (9, 3, 10))
    matrix = penalties([scores])
    order = [2, 0, 1]
    assert np.array_equal(penalties([scores[:, order]]), matrix[np.ix_(order, order)])


def test_experiments_are_averaged_and_missing_pairs_left_out() -> None:
    base = np.random.default_rng(0).random((5, 1, 4))
    wins = np.concatenate([base + 0.1, base], axis=1)
    loses = np.concatenate([base - 0.1, base], axis=1)
    lacks = wins.copy()
    lacks[:, 1] = np.nan
    assert penalties([wins, loses, lacks])[0, 1] == pytest.approx(0.5)
    assert np.isnan(penalties([lacks])[0, 1])


def test_quantile_depends_on_the_number_of_units() -> None:
    # t = 3 is beyond the quantile for 9 units (2.306) and not for 3 (4.303)
    for n, wins in ((9, 1.0), (3, 0.0)):
        pattern = np.linspace(-1, 1, n)
        difference = pattern / pattern.std(ddof=1) + 3 / np.sqrt(n)
        scores = np.stack([difference, np.zeros(n)], axis=1)[:, :, None]
        assert penalties([scores])[0, 1] == wins


def means() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(rng.random((8, 4)).round(1), columns=["a", "b", "c", "d"])


def test_wins_ties_and_losses_add_up_and_differences_are_antisymmetric() -> None:
    found = multi_comparison(means())
    assert np.all(found.wins + found.ties + found.losses == 8)
    assert np.array_equal(found.wins, found.losses.T)
    assert np.allclose(found.difference, -found.difference.T)
    assert np.all(np.diff(found.means) <= 0)


def test_comparison_entries_by_plain_loops() -> None:
    table = means()
    found = multi_comparison(table)
    raw = {}
    for i, first in enumerate(found.strategies):
        for j, second in enumerate(found.strategies):
            gap = (table[first] - table[second]).round(10)
            assert found.difference[i, j] == pytest.approx(gap.mean())
            assert found.wins[i, j] == (gap > 0).sum()
            if i < j:
                raw[i, j] = signed_rank(gap.to_numpy())
    adjusted = dict(zip(raw, holm(list(raw.values())), strict=True))
    for (i, j), p in raw.items():
        assert found.p[i, j] == found.p[j, i] == p
        assert found.p_holm[i, j] == pytest.approx(adjusted[i, j])


def test_units_that_lack_a_strategy_are_left_out() -> None:
    table = means()
    table.loc[0, "a"] = np.nan
    assert multi_comparison(table).n == 7
