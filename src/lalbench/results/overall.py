"""Over all data sets: ranks, interquartile means, Friedman's test, matrices, robustness."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench.results import rankings
from lalbench.results.analysis import Analysis
from lalbench.results.matrices import MultiComparison, multi_comparison, penalties
from lalbench.results.statistics import interquartile_mean, stratified_interval
from lalbench.results.summaries import unit_means

FloatArray = NDArray[np.float64]
METRIC = "objective"

OTHER_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "rare_recall")
"""Metrics under which the ranking is checked again."""


def ran_everywhere(analysis: Analysis, classifier: str, setting: str) -> list[str]:
    """Strategies with a mean at every data set that has any: ranks need complete rows."""
    means = analysis.means(classifier, setting, METRIC).dropna(how="all")
    return [label for label in analysis.strategies if len(means) and means[label].notna().all()]


def rank_table(analysis: Analysis) -> pd.DataFrame:
    """Ranks of the AUAC per classifier, setting and strategy, 1 = best, bounds included.

    ``rank`` ± ``std``: over data sets, from the mean AUACs (Bakker et al. 2023, Figs 4 and 13;
    ddof of the protocol). ``unit_rank`` in [``low``, ``high``]: over paired units, bootstrap inside
    each data set. ``iqm`` in [``iqm_low``, ``iqm_high``]: interquartile mean of the AUAC divided by
    the number of steps, over all units. Strategies that lack a data set have no rank.
    """
    return analysis.cached("ranks", partial(_rank_table, analysis))


def _rank_table(analysis: Analysis) -> pd.DataFrame:
    parts = []
    for classifier in analysis.classifiers:
        for setting in analysis.settings:
            complete = ran_everywhere(analysis, classifier, setting)
            part = pd.DataFrame(index=pd.Index(analysis.strategies, name="strategy"))
            if complete:
                part = part.join(_ranks(analysis, classifier, setting, complete))
                part = part.join(_interquartile(analysis, classifier, setting))
            part = part.reset_index().assign(classifier=classifier, setting=setting)
            parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["role"] = table["strategy"].map(analysis.roles)
    columns = ["classifier", "setting", "strategy", "role", "datasets", "rank", "std"]
    columns += ["units", "unit_rank", "low", "high", "iqm", "iqm_low", "iqm_high"]
    return table.reindex(columns=columns)


def _ranks(
    analysis: Analysis, classifier: str, setting: str, strategies: list[str]
) -> pd.DataFrame:
    means = analysis.means(classifier, setting, METRIC)[strategies]
    by_set = rankings.mean_ranks(means, ddof=analysis.protocol.ddof)
    units = [
        analysis.units((classifier, name, setting), METRIC, "auac")[strategies]
        for name in analysis.datasets
    ]
    by_unit = rankings.unit_ranks(units).rename(columns={"rank": "unit_rank", "n": "units"})
    return by_set.rename(columns={"n": "datasets"}).join(by_unit)


def _interquartile(analysis: Analysis, classifier: str, setting: str) -> pd.DataFrame:
    rows = {}
    for label in analysis.strategies:
        strata = [
            analysis.units((classifier, name, setting), METRIC, "auac")[label].dropna().to_numpy()
            / analysis.study.steps
            for name in analysis.datasets
        ]
        values = np.concatenate(strata)
        centre = float(interquartile_mean(values)) if len(values) else float("nan")
        rows[label] = (centre, *stratified_interval(strata, trimmed=True))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["iqm", "iqm_low", "iqm_high"])


def relative_table(analysis: Analysis) -> pd.DataFrame:
    """AUAC against random per place and strategy (bounds and random itself left out).

    ``percent``: mean paired difference to random divided by the mean AUAC of random in the same
    pairs, in percent, so that data sets of different difficulty share an axis; ``pairs`` are units
    in which both ran. Empty without random.
    """
    rows = []
    for place in analysis.places if analysis.random is not None else []:
        units = analysis.units(place, METRIC, "auac")
        for label in analysis.contenders:
            both = units[[label, analysis.random]].dropna()
            if label == analysis.random or both.empty:
                continue
            random = both[analysis.random].mean()
            percent = 100 * (both[label].mean() - random) / random
            rows.append((*place, label, len(both), percent))
    names = ["classifier", "dataset", "setting", "strategy", "pairs", "percent"]
    return pd.DataFrame(rows, columns=names)


def grid_means(analysis: Analysis, classifier: str, metric: str = METRIC) -> pd.DataFrame:
    """(setting, data set) × strategies mean AUAC / steps; strategies without any run left out."""
    parts = {s: analysis.means(classifier, s, metric) for s in analysis.settings}
    table = pd.concat(parts) / analysis.study.steps
    return table.dropna(how="all").dropna(axis="columns", how="all")


def comparison(analysis: Analysis, classifier: str) -> MultiComparison:
    """The multi-comparison matrix of a classifier over (data set, setting) units."""
    return multi_comparison(grid_means(analysis, classifier))


def comparison_table(analysis: Analysis) -> pd.DataFrame:
    """All pairs over (data set, setting) units: difference, wins, ties, losses, p, Holm p."""
    rows = []
    for classifier in analysis.classifiers:
        found = comparison(analysis, classifier)
        for i, first in enumerate(found.strategies):
            for j in range(i + 1, len(found.strategies)):
                rows.append(
                    {
                        "classifier": classifier,
                        "first": first,
                        "second": found.strategies[j],
                        "units": found.n,
                        "difference": found.difference[i, j],
                        "wins": found.wins[i, j],
                        "ties": found.ties[i, j],
                        "losses": found.losses[i, j],
                        "p": found.p[i, j],
                        "p_holm": found.p_holm[i, j],
                    }
                )
    columns = ["classifier", "first", "second", "units", "difference", "wins", "ties", "losses"]
    return pd.DataFrame(rows, columns=[*columns, "p", "p_holm"])


def penalty(analysis: Analysis, classifier: str) -> pd.DataFrame:
    """The pairwise penalty matrix of a classifier (row beats column), strategies × strategies."""
    return analysis.cached(f"penalty {classifier}", partial(_penalty, analysis, classifier))


def _penalty(analysis: Analysis, classifier: str) -> pd.DataFrame:
    curves = []
    for place in analysis.places:
        runs = analysis.at(place)
        if place[0] != classifier or runs is None:
            continue
        steps = [
            unit_means(runs.wide(column)).reindex(columns=analysis.strategies).to_numpy()
            for column in runs.scores[METRIC].T[1:]
        ]
        curves.append(np.stack(steps, axis=2))
    if not curves:
        return pd.DataFrame()
    return pd.DataFrame(penalties(curves), analysis.strategies, analysis.strategies)


def penalty_table(analysis: Analysis) -> pd.DataFrame:
    """The penalty matrices of all classifiers, with the column means (how often one is beaten)."""
    parts = []
    for classifier in analysis.classifiers:
        matrix = penalty(analysis, classifier)
        others = matrix.mask(np.eye(len(matrix), dtype=bool))
        matrix.loc["mean (beaten)"] = others.mean()
        parts.append(matrix.rename_axis("strategy").reset_index().assign(classifier=classifier))
    table = pd.concat(parts, ignore_index=True)
    return table[["classifier", *[name for name in table.columns if name != "classifier"]]]


LEAST_UNITS = 3
"""Fewer combinations of data set and setting rank nobody: one alone is always certain."""


def across_table(analysis: Analysis) -> pd.DataFrame:
    """Per classifier: Friedman's test over (data set, setting), and how firm the ranking is.

    ``first``: who leads by mean rank (bounds apart), or ``tie`` where no strategy leads in 95 % of
    the resamples of the data sets. ``tau_…``: Kendall's τ with the ranking by another metric.
    """
    return analysis.cached("across", partial(_across_table, analysis))


def _across_table(analysis: Analysis) -> pd.DataFrame:
    rows = []
    for classifier in analysis.classifiers:
        table = grid_means(analysis, classifier)
        kept = [name for name in table.columns if analysis.roles[name] != "bound"]
        means = table[kept].dropna()
        row: dict[str, object] = {
            "classifier": classifier,
            "units": len(means),
            "strategies": len(kept),
            "friedman_p": rankings.friedman(means),
        }
        if len(means) and len(kept) > 1:
            row |= _firmness(analysis, classifier, means)
        rows.append(row)
    return pd.DataFrame(rows)


def _firmness(analysis: Analysis, classifier: str, means: pd.DataFrame) -> dict[str, object]:
    firm = rankings.robustness(means)
    too_few = len(means) < LEAST_UNITS
    leader = max(firm.leaders, key=lambda name: firm.leaders[name])
    found: dict[str, object] = {
        "first": "tie" if firm.tie or too_few else leader,
        "leads_most": leader,
        "leads_share": firm.leaders[leader],
        "tau": firm.tau,
        "tau_low": firm.tau_low,
        "tau_high": firm.tau_high,
    }
    overall = rankings.ranks(means.to_numpy()).mean(axis=0)
    for metric in OTHER_METRICS:
        other = grid_means(analysis, classifier, metric).reindex(
            index=means.index, columns=means.columns
        )
        ranks = rankings.ranks(other.to_numpy()).mean(axis=0)
        found[f"tau_{metric}"] = float(rankings.kendall(overall, ranks[None])[0])
    return found


def metric_table(analysis: Analysis) -> pd.DataFrame:
    """Mean last score of every metric per cell, over units; NaN where a metric has no value."""
    from lalbench.records import METRICS

    names = [name for name in METRICS if name != METRIC]
    parts = []
    for classifier, dataset, setting in analysis.places:
        place = (classifier, dataset, setting)
        means = {name: analysis.units(place, name, "final").mean() for name in (METRIC, *names)}
        part = pd.DataFrame(means).rename_axis("strategy").reset_index()
        parts.append(part.assign(classifier=classifier, dataset=dataset, setting=setting))
    table = pd.concat(parts, ignore_index=True)
    return table[["classifier", "dataset", "setting", "strategy", METRIC, *names]]
