"""Scores of every cell with intervals, paired differences to random, all pairs, and best marks."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from lalbench.results.analysis import Analysis, Summary
from lalbench.results.records import CELL
from lalbench.results.statistics import (
    ALPHA,
    BOOTSTRAP_FROM,
    Comparison,
    FloatArray,
    compare,
    holm,
    mean_intervals,
)
from lalbench.results.summaries import all_differences

PLACE = ["classifier", "dataset", "setting"]


def score_table(analysis: Analysis, metric: str, summary: Summary) -> pd.DataFrame:
    """One row per planned cell: n of n, mean, spread, interval, difference to random, best mark.

    Columns: those of ``PLACE``, ``strategy``, ``role``, ``planned``, ``finished``, ``failed``,
    ``timed_out``, ``missing``, ``units``, ``mean``, ``std``, ``low``, ``high``, ``values`` (the
    single units where there are few), ``pairs``, ``difference``, ``difference_low``,
    ``difference_high``, ``p``, ``p_holm``, ``effect``, ``best``.

    ``p_holm`` is over all comparisons with random of one (classifier, setting): that is the family.
    """
    build = partial(_score_table, analysis, metric, summary)
    return analysis.cached(f"score_table {metric} {summary}", build)


def _score_table(analysis: Analysis, metric: str, summary: Summary) -> pd.DataFrame:
    rows, differences = [], []
    for place in analysis.places:
        wide = analysis.wide(place, metric, summary)
        units = analysis.units(place, metric, summary)
        pairs = [(label, analysis.random or label) for label in analysis.strategies]
        differences += all_differences(wide, pairs)
        for label in analysis.strategies:
            sample = units[label].dropna().to_numpy()
            rows.append(
                {**dict(zip(PLACE, place, strict=True)), "strategy": label, "sample": sample}
            )
    table = pd.DataFrame(rows)
    _add_summary(table, analysis.protocol.ddof)
    table["role"] = table["strategy"].map(analysis.roles)
    table = table.merge(analysis.records.coverage.drop(columns="message"), on=CELL, how="left")
    _add_comparisons(table, differences, analysis.random)
    table["best"] = _best(table, analysis, metric, summary)
    order = [*PLACE, "strategy", "role", "planned", "finished", "failed", "timed_out", "missing"]
    order += ["units", "mean", "std", "low", "high", "values", "pairs", "difference"]
    return table[[*order, "difference_low", "difference_high", "p", "p_holm", "effect", "best"]]


def all_pairs(analysis: Analysis, metric: str, summary: Summary) -> pd.DataFrame:
    """Every pair of strategies at every place: paired difference, interval, p, Holm p, effect.

    ``p_holm`` is over all pairs at all data sets of one (classifier, setting), bounds included.
    """
    build = partial(_all_pairs, analysis, metric, summary)
    return analysis.cached(f"all_pairs {metric} {summary}", build)


def _all_pairs(analysis: Analysis, metric: str, summary: Summary) -> pd.DataFrame:
    rows, differences = [], []
    pairs = list(combinations(analysis.strategies, 2))
    for place in analysis.places:
        differences += all_differences(analysis.wide(place, metric, summary), pairs)
        rows += [(*place, *pair) for pair in pairs]
    table = pd.DataFrame(rows, columns=[*PLACE, "first", "second"])
    results = compare(differences)
    for name, field in _COMPARISON.items():
        table[name] = [getattr(result, field) for result in results]
    table["p_holm"] = _holm_by_family(table)
    return table


_COMPARISON = {
    "pairs": "n",
    "difference": "mean",
    "difference_low": "low",
    "difference_high": "high",
    "p": "p",
    "effect": "effect",
}


def _add_summary(table: pd.DataFrame, ddof: int) -> None:
    samples = list(table.pop("sample"))
    intervals = mean_intervals(samples)
    table["units"] = [len(sample) for sample in samples]
    table["mean"] = [sample.mean() if len(sample) else np.nan for sample in samples]
    table["std"] = [sample.std(ddof=ddof) if len(sample) > ddof else np.nan for sample in samples]
    table["low"], table["high"] = intervals[:, 0], intervals[:, 1]
    table["values"] = [
        " ".join(f"{value:.6g}" for value in sample) if len(sample) < BOOTSTRAP_FROM else ""
        for sample in samples
    ]


def _add_comparisons(
    table: pd.DataFrame, differences: list[FloatArray], random: str | None
) -> None:
    nothing = Comparison(0, *[float("nan")] * 5)
    results = compare(differences)
    compared = [label != random and random is not None for label in table["strategy"]]
    kept = [r if use else nothing for r, use in zip(results, compared, strict=True)]
    for name, field in _COMPARISON.items():
        table[name] = [getattr(result, field) for result in kept]
    table["p_holm"] = _holm_by_family(table)


def _holm_by_family(table: pd.DataFrame) -> pd.Series:
    adjusted = pd.Series(np.nan, index=table.index)
    for _, rows in table.groupby(["classifier", "setting"], sort=False):
        adjusted.loc[rows.index] = holm(rows["p"].to_numpy())
    return adjusted


def _best(table: pd.DataFrame, analysis: Analysis, metric: str, summary: Summary) -> pd.Series:
    """Marks the best strategies of each place by the rule of the protocol; never a bound."""
    marked = pd.Series(False, index=table.index)
    pairs = all_pairs(analysis, metric, summary) if analysis.protocol.best == "test" else None
    for place, rows in table.groupby(PLACE, sort=False):
        ranked = rows[(rows["role"] != "bound") & rows["mean"].notna()]
        if ranked.empty:
            continue
        best = ranked.iloc[int(ranked["mean"].to_numpy().argmax())]
        if pairs is None:
            near = ranked["mean"] + ranked["std"].fillna(0) >= best["mean"]
        else:
            here = pairs[(pairs[PLACE] == list(place)).all(axis=1)]
            near = ranked["strategy"].isin(_not_told_apart(here, best["strategy"]))
        marked.loc[ranked.index[near | (ranked["strategy"] == best["strategy"])]] = True
    return marked


def _not_told_apart(pairs: pd.DataFrame, best: str) -> set[str]:
    """Strategies that were compared with ``best`` and that the test does not separate from it."""
    close = pairs[pairs["p_holm"] >= ALPHA]
    first = close.loc[close["second"] == best, "first"]
    second = close.loc[close["first"] == best, "second"]
    return {*first, *second}


def out_of_reach(table: pd.DataFrame) -> tuple[int, float, int] | None:
    """The largest family with too few units for any Holm-adjusted p against random below 5 %.

    Args:
        table: rows of :func:`score_table`.

    Returns:
        Units, smallest possible p (2 / 2ⁿ) and number of comparisons; None where every family has
        enough units.
    """
    compared = table[table["p"].notna()]
    families = compared.groupby(["classifier", "setting"])["pairs"].agg(["max", "size"])
    beyond = [
        (int(size), int(units))
        for units, size in families.itertuples(index=False, name=None)
        if 2.0 ** (1 - units) * size > ALPHA
    ]
    if not beyond:
        return None
    size, units = max(beyond)
    return units, 2.0 ** (1 - units), size


BEST_RULES = {
    "band": "the highest mean (bounds apart) and every strategy whose band of one standard "
    "deviation contains it, as in the paper; not a test",
    "test": "the highest mean (bounds apart) and every strategy that the paired signed-rank test "
    "(Holm-adjusted over all pairs of the same classifier and setting) does not tell from it",
}
