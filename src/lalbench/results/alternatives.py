"""What each figure shows, in words: for readers who cannot see it, and where it is not displayed.

A text says what kind of figure it is, what its axes are, and the main thing that can be read off
it. Every number in it is that of the figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lalbench.results import acquired, balance, curve_figures, overall, regressors, standing_figure
from lalbench.results.analysis import Analysis, Place
from lalbench.results.render import interval, number
from lalbench.results.scores import PLACE
from lalbench.results.statistics import ALPHA
from lalbench.results.style import pretty
from lalbench.results.summaries import paired_curves, strategy_curves, unit_means

METRIC = "objective"
NAMED = 4
"""Entries of a list that are named before the others are left out."""


def standing(analysis: Analysis) -> str:
    """Differences to random with intervals."""
    parts = []
    for classifier, part in standing_figure.shown(analysis).items():
        rows = [
            f"{pretty(row['strategy'])} {number(row['difference'], 4)} "
            f"{interval(row['low'], row['high'], 4)}".strip()
            + (" (told apart from random)" if row["p_holm"] < ALPHA else "")
            for _, row in part.iterrows()
        ]
        parts.append(f"{pretty(classifier)}: {', '.join(rows)}.")
    return (
        f"Points with intervals: mean difference of {analysis.objective} to random, one row per "
        f"strategy, best on top. {' '.join(parts)}"
    )


def score_curves(analysis: Analysis, classifier: str, metric: str) -> str:
    """Learning curves of one metric."""
    name = analysis.objective if metric == METRIC else pretty(metric)
    last = _at_places(analysis, classifier, metric)
    ends = [value for values in last.values() for value in values]
    span = f" They end between {number(min(ends), 3)} and {number(max(ends), 3)}." if ends else ""
    return (
        f"Lines: mean {name} against annotated points, one line per strategy, "
        f"{_panels(analysis)}.{span} After the last step the highest line, "
        f"bounds apart: {_leaders(list(last.values()))}."
    )


def relative_curves(analysis: Analysis, classifier: str) -> str:
    """Differences to the AL average."""
    above: Counter[str] = Counter()
    panels = 0
    for place in _places(analysis, classifier):
        runs = analysis.at(place)
        average = curve_figures.al_average(analysis, runs) if runs is not None else None
        if runs is None or average is None:
            continue
        panels += 1
        for label in curve_figures.shown(analysis, runs):
            mine = strategy_curves(runs, runs.scores[METRIC], label)
            gaps = paired_curves(mine, average)
            above[label] += bool(len(gaps) and gaps[:, -1].mean() > 0)
    return (
        f"Lines: {analysis.objective} minus the average of the AL strategies, against annotated "
        f"points, {_panels(analysis)}. Above the average after the last step: "
        f"{_counted(above, panels)}."
    )


def random_curves(analysis: Analysis, classifier: str) -> str:
    """Differences to random."""
    above: Counter[str] = Counter()
    panels = 0
    for place in _places(analysis, classifier):
        runs = analysis.at(place)
        if runs is None:
            continue
        scores = runs.scores[METRIC]
        random = strategy_curves(runs, scores, analysis.random or "")
        panels += len(random) > 0
        for label in analysis.contenders:
            gaps = paired_curves(strategy_curves(runs, scores, label), random)
            above[label] += bool(len(gaps) and gaps[:, -1].mean() > 0)
    return (
        f"Lines: {analysis.objective} minus that of random, against annotated points, one line per "
        f"strategy, {_panels(analysis)}. Above random after the last step: "
        f"{_counted(above, panels)}."
    )


def dataset_curves(analysis: Analysis, classifier: str, dataset: str) -> str:
    """All strategies on one data set."""
    last = _at_places(analysis, classifier, METRIC)
    ends = [
        f"{place[2]}: {pretty(str(values.idxmax()))} {number(values.max(), 3)}"
        for place, values in last.items()
        if place[1] == dataset
    ]
    return (
        f"Lines: mean {analysis.objective} on {pretty(dataset)} against annotated points, and its "
        "difference to random below, one line per strategy, one column per setting. The highest "
        f"after the last step, bounds apart: {'; '.join(ends) or 'none'}."
    )


def ranks(analysis: Analysis, classifier: str) -> str:
    """Mean ranks."""
    table = overall.rank_table(analysis)
    table = table[table["classifier"] == classifier].dropna(subset="rank")
    parts = []
    for setting, rows in table.groupby("setting", sort=False):
        ordered = rows.sort_values("rank", kind="stable")
        best = [f"{pretty(r['strategy'])} {r['rank']:.1f}" for _, r in ordered.iterrows()]
        parts.append(f"{setting}: {', '.join(best[:NAMED])}, last {best[-1]}")
    return (
        "Bars: mean rank of the AUAC of each strategy, bounds ranked too, one panel per setting. "
        f"Lowest ranks: {'; '.join(parts) or 'none'}."
    )


def relative_overview(analysis: Analysis, classifier: str) -> str:
    """AUAC against random in percent."""
    table = overall.relative_table(analysis)
    table = table[table["classifier"] == classifier]
    means = table.groupby(["setting", "strategy"], sort=False)["percent"].mean()
    parts = []
    for setting, rows in means.groupby(level="setting", sort=False):
        values = rows.droplevel("setting")
        ends = [f"{pretty(at)} {number(values[at], 1)} %" for at in _ends(values)]
        parts.append(f"{setting}: from {ends[0]} to {ends[1]}")
    return (
        "Markers: AUAC against random in percent, one row per strategy, one marker per data set, "
        f"one panel per setting. Means over the data sets: {'; '.join(parts) or 'none'}."
    )


def comparison_matrix(analysis: Analysis, classifier: str) -> str:
    """All strategies against all."""
    found = overall.comparison(analysis, classifier)
    names = [
        f"{pretty(name)} {mean:.3f}"
        for name, mean in zip(found.strategies, found.means, strict=True)
    ]
    k = len(names)
    clear = int((found.p_holm[np.triu_indices(k, 1)] < ALPHA).sum()) if k else 0
    return (
        f"Matrix of {k} strategies against each other over {found.n} data sets and settings. "
        f"Ordered by their mean: {_some(names)}. {clear} of {k * (k - 1) // 2} pairs differ "
        "significantly after Holm's correction."
    )


def penalty_matrix(analysis: Analysis, classifier: str) -> str:
    """Who is beaten how often."""
    matrix = overall.penalty(analysis, classifier)
    matrix = matrix.mask(np.eye(len(matrix), dtype=bool))
    beaten = matrix.mean().dropna().sort_values(kind="stable")
    names = [f"{pretty(str(name))} {value:.2f}" for name, value in beaten.items()]
    return (
        "Matrix: share of label counts at which the row beats the column. Beaten least often, on "
        f"average: {_some(names)}{f'; most often: {names[-1]}' if names else ''}."
    )


def class_balance(analysis: Analysis, classifier: str) -> str:
    """Rare classes among the acquired points."""
    last = []
    for place in _places(analysis, classifier):
        runs = analysis.at(place)
        if runs is not None:
            share = balance.acquired_rare_share(analysis, place, analysis.class_counts(place))
            ends = unit_means(runs.wide(share[:, -1])).mean()
            last.append(ends.reindex(analysis.contenders).dropna())
    return (
        "Lines: share of the rare classes among the acquired points, against annotated points, one "
        f"line per strategy, {_panels(analysis)}. The highest share after the last step, bounds "
        f"apart: {_leaders(last)}."
    )


def balance_curves(analysis: Analysis, classifier: str) -> str:
    """Normalised entropy of the annotated classes."""
    table = balance.reached_table(analysis)
    table = table[table["classifier"] == classifier]
    last = [
        rows.set_index("strategy")["last"].reindex(analysis.contenders).dropna()
        for _, rows in table.groupby(PLACE, sort=False)
    ]
    return (
        "Lines: normalised entropy of the classes of the annotated set, against annotated points, "
        f"one line per strategy, {_panels(analysis)}. The most balanced after the last step, "
        f"bounds apart: {_leaders(last)}."
    )


def acquired_histograms(analysis: Analysis, classifier: str) -> str:
    """Probabilities of the chosen points."""
    table = acquired.acquired_data(analysis)
    near = table[table["classifier"] == classifier].groupby("strategy", sort=False)["near"].mean()
    names = [f"{pretty(str(name))} {100 * value:.0f} %" for name, value in near.items()]
    return (
        "Histograms: probability of class 0 that the classifier gave the chosen points, one row "
        f"per strategy, {_panels(analysis)}. Share from 0.4 to 0.6, mean over the panels: "
        f"{', '.join(names)}."
    )


def training_loss(analysis: Analysis, classifier: str, strategy: str) -> str:
    """Training loss of a learned strategy."""
    curves = analysis.records.curves
    curves = curves[(curves["classifier"] == classifier) & (curves["strategy"] == strategy)]
    last = curves[curves["step"] == curves["step"].max()]
    means = last.groupby("epoch")["loss"].mean()
    change = f"from {number(means.iloc[0], 2)} to {number(means.iloc[-1], 2)}" if len(means) else ""
    return (
        f"Lines: training loss of {pretty(strategy)} per epoch at the first and the last step at "
        f"which it was trained, {_panels(analysis)}. At the last step its mean over all panels "
        f"goes {change} in {len(means)} epochs."
    )


def importance_bars(analysis: Analysis) -> str:
    """Importances of the columns of the state."""
    data = regressors.regressor_data(analysis).dropna(subset="trees")
    parts = []
    for _, row in data.iterrows():
        values = row[[c for c in data.columns if c.startswith(regressors.IMPORTANCE)]]
        values = values.astype(float).dropna()
        if len(values):
            top = str(values.idxmax()).removeprefix(regressors.IMPORTANCE)
            share = f"{pretty(top)} {values.max():.2f}"
            parts.append(f"{pretty(row['strategy'])} with {pretty(row['classifier'])}: {share}")
    return (
        "Bars: importance of each column of the state for the regressors of LAL, one panel per "
        f"classifier. The largest: {'; '.join(parts) or 'none'}."
    )


def _places(analysis: Analysis, classifier: str) -> list[Place]:
    return [place for place in analysis.places if place[0] == classifier]


def _at_places(analysis: Analysis, classifier: str, metric: str) -> dict[Place, pd.Series]:
    """Place → mean last scores of the strategies that ran, bounds apart."""
    found = {}
    for place in _places(analysis, classifier):
        means = analysis.units(place, metric, "final")[analysis.contenders].mean().dropna()
        if len(means):
            found[place] = means
    return found


def _panels(analysis: Analysis) -> str:
    sets, settings = _named(analysis.datasets, "data sets"), _named(analysis.settings, "settings")
    return f"one row of panels per data set ({sets}), one column per setting ({settings})"


def _named(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}" if len(names) > 2 * NAMED else ", ".join(map(pretty, names))


def _leaders(panels: Sequence[pd.Series]) -> str:
    """``entropy in 4 of 9 panels, cbal in 3``."""
    filled = [values for values in panels if len(values)]
    tops = Counter(str(values.idxmax()) for values in filled)
    return _counted(tops, len(filled))


def _counted(counts: Mapping[str, int], panels: int) -> str:
    ordered = sorted(counts.items(), key=lambda entry: -entry[1])
    texts = [f"{pretty(name)} in {count}" for name, count in ordered if count]
    if not texts:
        return f"none in {panels} {'panels' if panels != 1 else 'panel'}"
    return f"{', '.join(texts)} of {panels} {'panels' if panels != 1 else 'panel'}"


def _ends(values: pd.Series) -> tuple[str, str]:
    return str(values.idxmin()), str(values.idxmax())


def _some(names: Sequence[str]) -> str:
    more = f", then {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
