"""Strategies against strategies: penalty matrix and multi-comparison matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench.results.statistics import ALPHA, holm, signed_rank

FloatArray = NDArray[np.float64]


def penalties(curves: Sequence[FloatArray]) -> FloatArray:
    """Pairwise penalty matrix (Ash et al. 2020, section 5), divided by the number of experiments.

    Entry (i, j) is the mean share of label counts at which strategy i beats strategy j by a paired
    t test on the 5 % level; column means say how often a strategy is beaten.

    Args:
        curves: one array per experiment (data set, setting, classifier), (n_units, k, T): scores
            of k strategies at T label counts without the initial one; NaN where a strategy did not
            run.

    Returns:
        (k, k) float64 in 0 … 1; NaN where two strategies never ran together.
    """
    wins = [_wins(experiment) for experiment in curves]
    counted = np.isfinite(wins).sum(axis=0)
    total = np.nansum(wins, axis=0)
    return np.divide(total, counted, out=np.full_like(total, np.nan), where=counted > 0)


def _wins(scores: FloatArray) -> FloatArray:
    """(k, k) share of label counts at which the row beats the column; NaN with < 2 common units."""
    k = scores.shape[1]
    found = np.full((k, k), np.nan)
    np.fill_diagonal(found, 0.0)
    for i in range(k):
        for j in range(i + 1, k):
            difference = (scores[:, i] - scores[:, j]).round(10)
            difference = difference[np.isfinite(difference).all(axis=1)]
            if len(difference) >= 2:
                found[i, j], found[j, i] = _beats(difference)
    return found


def _beats(difference: FloatArray) -> tuple[float, float]:
    """Shares of the columns of (n, T) paired differences that are significantly > 0 and < 0."""
    from scipy.stats import t

    n = len(difference)
    mean, deviation = difference.mean(axis=0), difference.std(axis=0, ddof=1)
    statistic = np.sqrt(n) * mean
    # a gap without any spread is a win; equal scores are none
    clear = np.abs(statistic) > t.ppf(1 - ALPHA / 2, n - 1) * deviation
    return float(np.mean(clear & (mean > 0))), float(np.mean(clear & (mean < 0)))


@dataclass(frozen=True)
class MultiComparison:
    """All strategies against all, over (data set, setting) units; ordered by their mean.

    Attributes:
        strategies: best mean first.
        means: (k,) mean over the units in which all ran.
        difference: (k, k) mean of row minus column.
        wins, ties, losses: (k, k) units in which the row is better, equal, worse.
        p, p_holm: (k, k) Wilcoxon over the units; Holm over all pairs.
        n: number of units.
    """

    strategies: list[str]
    means: FloatArray
    difference: FloatArray
    wins: NDArray[np.int64]
    ties: NDArray[np.int64]
    losses: NDArray[np.int64]
    p: FloatArray
    p_holm: FloatArray
    n: int


def multi_comparison(means: pd.DataFrame) -> MultiComparison:
    """Multi-comparison matrix (Ismail-Fawaz et al. 2023).

    Args:
        means: (data set, setting) × strategies, mean score; units that lack one are left out.
    """
    complete = means.dropna()
    order = complete.mean().sort_values(ascending=False, kind="stable").index
    values = complete[order].to_numpy().T
    gaps = (values[:, None, :] - values[None, :, :]).round(10)
    k = len(order)
    rows, columns = np.triu_indices(k, 1)
    raw = [signed_rank(gaps[i, j]) for i, j in zip(rows, columns, strict=True)]
    p, adjusted = np.full((k, k), np.nan), np.full((k, k), np.nan)
    p[rows, columns] = p[columns, rows] = raw
    adjusted[rows, columns] = adjusted[columns, rows] = holm(raw)
    return MultiComparison(
        strategies=[str(name) for name in order],
        means=values.mean(axis=1),
        difference=gaps.mean(axis=2) if len(complete) else np.full((k, k), np.nan),
        wins=(gaps > 0).sum(axis=2),
        ties=(gaps == 0).sum(axis=2),
        losses=(gaps < 0).sum(axis=2),
        p=p,
        p_holm=adjusted,
        n=len(complete),
    )
