"""Where each strategy stands over all places: who is first, by how much, and how sure that is.

A place is a data set in a setting. The unit is one data split of all places at once: the scores of
the same seeds are averaged over the places first, so that settings which share rows of a data set
count no more than once. What follows holds for the data sets of the study, not for others.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from lalbench.results.analysis import Analysis
from lalbench.results.scores import score_table
from lalbench.results.statistics import ALPHA, Comparison, compare, holm
from lalbench.results.summaries import all_differences, unit_means

METRIC = "objective"

_NOTHING = Comparison(0, *[float("nan")] * 5)


def standing_table(analysis: Analysis) -> pd.DataFrame:
    """One row per classifier and strategy: strategies from the best down, then the bounds.

    Columns:
        ``classifier``, ``strategy``, ``role``; ``places`` that the mean is over and ``units``.
        ``mean``: AUAC / steps, over places and those units in which all strategies finished
        everywhere; NaN for a strategy that did not finish at every place with the same seeds.
        ``difference`` in [``low``, ``high``], ``p``, ``p_holm``, ``pairs``: minus random, paired;
        Holm over the strategies of the classifier, bounds apart.
        ``behind`` in [``behind_low``, ``behind_high``], ``behind_p``: the first strategy's score
        minus this one's; ``behind_p`` is Holm-adjusted over all pairs of strategies.
        ``better``, ``worse`` of ``cells``: places at which the strategy differs significantly from
        random in the table of scores (AUAC).
    """
    return analysis.cached("standing", partial(_standing_table, analysis))


def leader(analysis: Analysis, classifier: str) -> str | None:
    """The first strategy of a classifier over all places; None if none has a score."""
    table = standing_table(analysis)
    own = table[(table["classifier"] == classifier) & (table["role"] != "bound")]
    scored = own[own["mean"].notna()]
    return None if scored.empty else str(scored.iloc[0]["strategy"])


def _standing_table(analysis: Analysis) -> pd.DataFrame:
    parts = []
    for classifier in analysis.classifiers:
        scores = overall_scores(analysis, classifier)
        part = _order(analysis, scores)
        part["places"] = len(_frames(analysis, classifier))
        _add_random(part, scores, analysis.random)
        _add_first(part, scores)
        _add_cells(part, analysis, classifier)
        parts.append(part.assign(classifier=classifier))
    table = pd.concat(parts, ignore_index=True)
    columns = ["classifier", "strategy", "role", "places", "units", "mean", "pairs", "difference"]
    columns += ["low", "high", "p", "p_holm", "behind", "behind_low", "behind_high", "behind_p"]
    return table[[*columns, "better", "worse", "cells"]]


def overall_scores(analysis: Analysis, classifier: str) -> pd.DataFrame:
    """Runs × strategies of the study: AUAC / steps, mean over all places at which anything ran.

    Index (unit, data_seed, seed) as of ``Runs.wide``; the unit is that of all places together. NaN
    where a strategy did not finish with these seeds at one of the places.
    """
    frames = _frames(analysis, classifier)
    seeds = ["data_seed", "seed"]
    if not frames:
        index = pd.MultiIndex.from_arrays([[], [], []], names=["unit", *seeds])
        return pd.DataFrame(index=index, columns=pd.Index(analysis.strategies), dtype=float)
    runs = pd.concat([frame.droplevel("unit") for frame in frames]).groupby(level=seeds)
    means = runs.mean().where(runs.count() == len(frames)) / analysis.study.steps
    names = pd.concat([frame.index.to_frame(index=False) for frame in frames])
    units = names.groupby(seeds)["unit"].agg("|".join)
    return means.assign(unit=units).set_index("unit", append=True).reorder_levels(["unit", *seeds])


def _frames(analysis: Analysis, classifier: str) -> list[pd.DataFrame]:
    here = [place for place in analysis.places if place[0] == classifier]
    ran = [place for place in here if analysis.at(place) is not None]
    return [analysis.wide(place, METRIC, "auac") for place in ran]


def _order(analysis: Analysis, scores: pd.DataFrame) -> pd.DataFrame:
    """Strategies by their mean, best first; then those without one; then the bounds."""
    own = unit_means(scores)
    everywhere = [name for name in analysis.contenders if own[name].notna().any()]
    common = unit_means(scores[everywhere].dropna())
    means = (common if len(common) else own).mean().reindex(analysis.strategies)
    means = means.fillna(own.mean())
    table = pd.DataFrame({"strategy": analysis.strategies, "mean": means.to_numpy()})
    table["role"] = table["strategy"].map(analysis.roles)
    table["units"] = own.notna().sum().reindex(analysis.strategies).to_numpy()
    # nine decimals: equal scores may differ in their last bits; the study's order decides then
    keys = pd.DataFrame({"bound": table["role"] == "bound", "mean": -table["mean"].round(9)})
    order = keys.sort_values(["bound", "mean"], kind="stable", na_position="last").index
    return table.loc[order].reset_index(drop=True)


def _add_random(table: pd.DataFrame, scores: pd.DataFrame, random: str | None) -> None:
    pairs = [(name, random or name) for name in table["strategy"]]
    known = [name != random and random is not None for name in table["strategy"]]
    results = [
        result if use and result.n else _NOTHING
        for result, use in zip(compare(all_differences(scores, pairs)), known, strict=True)
    ]
    table["pairs"] = [result.n for result in results]
    table["difference"] = [result.mean for result in results]
    table["low"], table["high"] = [r.low for r in results], [r.high for r in results]
    tested = (table["role"] != "bound").to_numpy()
    table["p"] = np.where(tested, [result.p for result in results], np.nan)
    table["p_holm"] = holm(table["p"].to_numpy())


def _add_first(table: pd.DataFrame, scores: pd.DataFrame) -> None:
    ranked = list(table.loc[(table["role"] != "bound") & table["mean"].notna(), "strategy"])
    pairs = list(combinations(ranked, 2))
    results = compare(all_differences(scores, pairs)) if pairs else []
    adjusted = holm([result.p for result in results])
    behind = {
        second: (result, p)
        for (first, second), result, p in zip(pairs, results, adjusted, strict=True)
        if first == ranked[0]
    }
    found = [behind.get(name, (_NOTHING, float("nan"))) for name in table["strategy"]]
    table["behind"] = [result.mean for result, _ in found]
    table["behind_low"] = [result.low for result, _ in found]
    table["behind_high"] = [result.high for result, _ in found]
    table["behind_p"] = [p for _, p in found]


def _add_cells(table: pd.DataFrame, analysis: Analysis, classifier: str) -> None:
    scores = score_table(analysis, METRIC, "auac")
    scores = scores[(scores["classifier"] == classifier) & (scores["pairs"] > 0)]
    clear = scores[scores["p_holm"] < ALPHA]
    for name, rows in {
        "better": clear[clear["difference"] > 0],
        "worse": clear[clear["difference"] < 0],
        "cells": scores,
    }.items():
        counts = rows["strategy"].value_counts().reindex(table["strategy"])
        table[name] = counts.fillna(0).astype(int).to_numpy()


def ranked(part: pd.DataFrame) -> pd.DataFrame:
    """The rows of one classifier that have a mean, bounds apart, best first."""
    return part[(part["role"] != "bound") & part["mean"].notna()]


def smallest_p(units: int) -> float:
    """The smallest two-sided p that the signed-rank test can give with so many units."""
    return float(min(1.0, 2.0 ** (1 - units)))
