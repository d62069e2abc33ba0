"""Ranks of strategies: per data set (Bakker et al. 2023, Figs 4 and 13), per unit, and how firm.

Rank 1 is best; equal values share the mean of their ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench.results.statistics import stratified_interval

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Robustness:
    """How firm an overall ranking is.

    Attributes:
        leaders: strategy → share of the resamples in which it comes first.
        tau, tau_low, tau_high: Kendall's τ between the ranking and the resampled ones: mean and
            95 % range.
        tie: no strategy leads in 95 % of the resamples: the first place is reported as a tie.
    """

    leaders: dict[str, float]
    tau: float
    tau_low: float
    tau_high: float
    tie: bool


def ranks(values: FloatArray) -> FloatArray:
    """Ranks along the last axis, 1 = largest value; ties share their mean rank; NaN stays NaN."""
    from scipy.stats import rankdata

    # nine decimals: equal means of scores may differ in their last bits
    return rankdata(-np.round(values, 9), axis=-1, nan_policy="omit")


def mean_ranks(means: pd.DataFrame, *, ddof: int) -> pd.DataFrame:
    """Mean and standard deviation of each strategy's rank over data sets.

    Args:
        means: data sets × strategies, mean AUAC; only complete data sets (no NaN) are ranked.
        ddof: of the standard deviation (0 mirrors the paper).

    Returns:
        Index strategy; columns ``rank``, ``std``, ``n`` (data sets ranked).
    """
    complete = means.dropna()
    table = ranks(complete.to_numpy()) if len(complete) else np.empty((0, means.shape[1]))
    spread = table.std(axis=0, ddof=ddof) if len(table) > ddof else np.nan
    return pd.DataFrame(
        {"rank": table.mean(axis=0) if len(table) else np.nan, "std": spread, "n": len(table)},
        index=means.columns,
    )


def unit_ranks(units: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean rank over paired units, with 95 % bootstrap intervals over the units of each data set.

    Args:
        units: one units × strategies frame per data set; units that lack a strategy are left out.

    Returns:
        Index strategy; columns ``rank``, ``low``, ``high``, ``n`` (units ranked).
    """
    complete = [frame.dropna() for frame in units]
    tables = [ranks(frame.to_numpy()) for frame in complete if len(frame)]
    columns = units[0].columns
    rows = []
    for place in range(len(columns)):
        strata = [table[:, place] for table in tables]
        centre = float(np.mean([column.mean() for column in strata])) if strata else np.nan
        rows.append((centre, *stratified_interval(strata, trimmed=False)))
    found = pd.DataFrame(rows, index=columns, columns=["rank", "low", "high"])
    return found.assign(n=sum(len(table) for table in tables))


def robustness(means: pd.DataFrame, *, resamples: int = 2000) -> Robustness:
    """The overall ranking by mean rank against those under a bootstrap of the data sets.

    Args:
        means: data sets (or data set and setting) × strategies, mean AUAC, without NaN.
        resamples: of the data sets; all of them are enumerated where that is fewer.
    """
    table = ranks(means.to_numpy())
    overall = table.mean(axis=0)
    n = len(table)
    if n**n <= resamples:
        draws = np.array(list(product(range(n), repeat=n)))
    else:
        draws = np.random.default_rng(0).integers(0, n, (resamples, n))
    drawn = table[draws].mean(axis=1)
    taus = kendall(overall, drawn)
    taus = taus[np.isfinite(taus)]
    first = np.isclose(drawn, drawn.min(axis=1, keepdims=True))
    shares = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    low, high = np.quantile(taus, [0.025, 0.975]) if len(taus) else (np.nan, np.nan)
    return Robustness(
        leaders=dict(zip(means.columns, (float(share) for share in shares), strict=True)),
        tau=float(taus.mean()) if len(taus) else float("nan"),
        tau_low=float(low),
        tau_high=float(high),
        tie=bool(shares.max() < 0.95),
    )


def kendall(one: FloatArray, many: FloatArray) -> FloatArray:
    """Kendall's τ-b between (k,) and each row of (m, k); NaN where a side is constant.

    Equal to ``scipy.stats.kendalltau``, for thousands of rows at once.
    """
    rows, columns = np.triu_indices(len(one), 1)
    mine = np.sign((one[rows] - one[columns]).round(9))
    theirs = np.sign((many[:, rows] - many[:, columns]).round(9))
    scale = np.sqrt(np.sum(mine**2) * np.sum(theirs**2, axis=1))
    return np.divide(theirs @ mine, scale, out=np.full(len(many), np.nan), where=scale > 0)


def friedman(means: pd.DataFrame) -> float:
    """The p value of Friedman's test over data sets × strategies; NaN with < 3 of either."""
    from scipy.stats import friedmanchisquare

    complete = means.dropna().round(9)
    if len(complete) < 3 or complete.shape[1] < 3 or np.ptp(complete.to_numpy(), axis=1).max() == 0:
        return float("nan")
    return float(friedmanchisquare(*complete.to_numpy().T).pvalue)
