"""Intervals, paired tests and adjusted p values; the tests themselves are SciPy's and statsmodels'.

All randomness comes from a generator with a fixed seed, made anew in every call, so tables are the
same bytes every time and one cell never changes another's interval. See docs/results.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BOOTSTRAP_FROM = 8
"""Fewer units than this get a t interval instead of a bootstrap."""

RESAMPLES = 10_000
LEVEL = 0.95
ALPHA = 0.05
_SEED = 20230711
_AT_ONCE = 500  # samples: their resampled means take 40 MB; how many never changes an interval
_EXACT_WITH_TIES = 13  # SciPy's own limit for the exact permutation distribution


@dataclass(frozen=True)
class Comparison:
    """A paired comparison over n units.

    Attributes:
        n: units in which both sides ran.
        mean: mean paired difference.
        low, high: 95 % interval of the mean difference.
        p: two-sided Wilcoxon signed-rank p value (Pratt's zeros); NaN without units.
        effect: matched-pairs rank-biserial correlation, -1 … 1.
    """

    n: int
    mean: float
    low: float
    high: float
    p: float
    effect: float


def mean_intervals(samples: Sequence[FloatArray]) -> FloatArray:
    """95 % intervals of the means, (k, 2), NaN where a sample has fewer than two units.

    Samples of at least ``BOOTSTRAP_FROM`` units: BCa bootstrap (Efron 1987) with 10,000 resamples;
    samples of equal size share the resampled positions and go through SciPy in one call. Smaller
    ones: t interval.
    """
    found = np.full((len(samples), 2), np.nan)
    sizes = np.array([len(sample) for sample in samples], dtype=int)
    for size in np.unique(sizes[sizes >= 2]):
        rows = np.flatnonzero(sizes == size)
        values = np.array([samples[int(row)] for row in rows], dtype=np.float64)
        method = _bca if size >= BOOTSTRAP_FROM else _t_interval
        for first in range(0, len(rows), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            found[rows[part]] = method(values[part])
    return found


def _bca(values: FloatArray) -> FloatArray:
    from scipy.stats import bootstrap

    centre = values.mean(axis=1)
    result = np.stack([centre, centre], axis=1)
    varies = np.ptp(values, axis=1) > 0  # BCa has no answer for a constant sample
    if varies.any():
        interval = bootstrap(
            (values[varies],),
            _rounded_mean,
            axis=-1,
            vectorized=True,
            n_resamples=RESAMPLES,
            confidence_level=LEVEL,
            method="BCa",
            batch=100,
            rng=np.random.default_rng(_SEED),
        ).confidence_interval
        result[varies] = np.stack([interval.low, interval.high], axis=1)
    return result


def _rounded_mean(values: FloatArray, axis: int) -> FloatArray:
    """Means to 12 decimals: a resample that equals the sample must not differ in its last bits.

    BCa counts resamples below the sample's mean, and summation order depends on the array's shape.
    """
    return values.mean(axis=axis).round(12)


def _t_interval(values: FloatArray) -> FloatArray:
    from scipy.stats import t

    n = values.shape[1]
    half = t.ppf((1 + LEVEL) / 2, n - 1) * values.std(axis=1, ddof=1) / np.sqrt(n)
    centre = values.mean(axis=1)
    return np.stack([centre - half, centre + half], axis=1)


def median_interval(sample: FloatArray) -> tuple[float, float]:
    """Two order statistics around the median, at least 95 % whatever the distribution.

    The k-th smallest and the k-th largest of n values, with the largest k such that fewer than k
    of n fair coins show heads with a probability of at most 2.5 % (the sign test turned round).
    Values may be infinite: censored times need no other treatment. NaN with fewer than six values,
    whose smallest and largest are not far enough apart.
    """
    from scipy.stats import binom

    n = len(sample)
    counts = np.arange(n + 1)
    k = int((binom.cdf(counts, n, 0.5) <= (1 - LEVEL) / 2).sum())
    if k == 0:
        return float("nan"), float("nan")
    ordered = np.sort(sample)
    return float(ordered[k - 1]), float(ordered[n - k])


def compare(differences: Sequence[FloatArray]) -> list[Comparison]:
    """One paired comparison per array of differences (``summaries.paired_differences``)."""
    intervals = mean_intervals(differences)
    return [
        Comparison(
            n=len(sample),
            mean=float(np.mean(sample)) if len(sample) else float("nan"),
            low=float(low),
            high=float(high),
            p=signed_rank(sample),
            effect=rank_biserial(sample),
        )
        for sample, (low, high) in zip(differences, intervals, strict=True)
    ]


def signed_rank(differences: FloatArray) -> float:
    """Two-sided p of the Wilcoxon signed-rank test with Pratt's zeros; NaN without differences.

    Equal to ``scipy.stats.wilcoxon(…, zero_method="pratt")``: exact for n ≤ 50 without ties, exact
    by all sign changes for n ≤ 13 with ties, else normal with tie correction. The second case is
    done here by convolution (SciPy enumerates, a second per test).
    """
    from scipy.stats import wilcoxon

    sample = np.asarray(differences, dtype=float)
    if not len(sample):
        return float("nan")
    if not np.any(sample):
        return 1.0
    ties = len(np.unique(np.abs(sample))) < len(sample) or np.any(sample == 0)
    if ties and len(sample) <= _EXACT_WITH_TIES:
        return _exact_p(*_signed_ranks(sample))
    with warnings.catch_warnings():
        # the normal statistic is computed even where the exact one is used
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(wilcoxon(sample, zero_method="pratt").pvalue)


def rank_biserial(differences: FloatArray) -> float:
    """Matched-pairs rank-biserial correlation (Kerby 2014): (R₊ - R₋) / (R₊ + R₋)."""
    ranks, positive = _signed_ranks(np.asarray(differences, dtype=float))
    total = ranks.sum()
    if not len(differences):
        return float("nan")
    return float((ranks[positive].sum() - ranks[~positive].sum()) / total) if total else 0.0


def _signed_ranks(sample: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Ranks of the absolute values, zeros ranked too and then dropped (Pratt 1959); signs."""
    from scipy.stats import rankdata

    ranks = rankdata(np.abs(sample)) if len(sample) else np.empty(0)
    keep = sample != 0
    return ranks[keep], sample[keep] > 0


def _exact_p(ranks: FloatArray, positive: NDArray[np.bool_]) -> float:
    """Two-sided p of R₊ under all sign changes; mid-ranks are halves, so everything is doubled."""
    doubled = np.round(2 * ranks).astype(int)
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] += ways[: len(ways) - rank].copy()
    chance = ways / ways.sum()
    observed = int(doubled[positive].sum())
    return float(min(1.0, 2 * min(chance[: observed + 1].sum(), chance[observed:].sum())))


def holm(p_values: Sequence[float] | FloatArray) -> FloatArray:
    """Holm-adjusted p values of one family; NaN (no comparison) stays NaN and does not count."""
    from statsmodels.stats.multitest import multipletests

    raw = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(raw), np.nan)
    known = np.isfinite(raw)
    if known.any():
        adjusted[known] = multipletests(raw[known], method="holm")[1]
    return adjusted


def detectable_difference(deviation: float, n: int, power: float = 0.8) -> float:
    """Smallest mean paired difference that a two-sided 5 % t test finds with ``power``.

    Args:
        deviation: standard deviation of the paired differences.
        n: number of units.
        power: chance to find it.
    """
    from scipy.stats import t

    if n < 2:
        return float("nan")
    return float((t.ppf(1 - ALPHA / 2, n - 1) + t.ppf(power, n - 1)) * deviation / np.sqrt(n))


def interquartile_mean(values: FloatArray) -> FloatArray:
    """Mean of the middle half along the last axis (Agarwal et al. 2021)."""
    from scipy.stats import trim_mean

    return trim_mean(values, 0.25, axis=-1)


def stratified_interval(strata: Sequence[FloatArray], *, trimmed: bool) -> tuple[float, float]:
    """95 % percentile bootstrap interval over units resampled inside each stratum (data set).

    Args:
        strata: values of the units of each data set.
        trimmed: interval of the interquartile mean of all values, instead of that of the mean of
            the strata's means.
    """
    rng = np.random.default_rng(_SEED)
    filled = [np.asarray(values, dtype=float) for values in strata if len(values)]
    if not filled or all(len(values) < 2 for values in filled):
        return float("nan"), float("nan")
    drawn = [
        values[rng.integers(0, len(values), (RESAMPLES // 5, len(values)))] for values in filled
    ]
    if trimmed:
        estimates = interquartile_mean(np.concatenate(drawn, axis=1))
    else:
        estimates = np.mean([sample.mean(axis=1) for sample in drawn], axis=0)
    low, high = np.quantile(estimates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
