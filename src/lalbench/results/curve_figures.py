"""Figures over the steps: scores, differences to the AL average and to random, class balance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lalbench.results import balance
from lalbench.results.analysis import Analysis, Place
from lalbench.results.standing import leader
from lalbench.results.statistics import mean_intervals
from lalbench.results.style import Look, label_panels, looks, panels, pretty, shared_legend
from lalbench.results.summaries import Runs, auac, paired_curves, strategy_curves, unit_means

FloatArray = NDArray[np.float64]
METRIC = "objective"
ROW_HEIGHT = 1.55
LARGE_HEIGHT = 2.5
Draw = Callable[[Any, Place, Runs], dict[str, Any]]


def score_curves(analysis: Analysis, classifier: str, metric: str) -> Figure:
    """Mean score per step of every strategy.

    Bands would hide the curves: scores differ much more between data splits than between
    strategies. The half-width of the 95 % interval of random's mean (its median over the steps)
    stands at the corner instead; intervals of differences are in the paired figures.
    """
    style = looks(analysis.roles)

    def draw(axes: Any, place: Place, runs: Runs) -> dict[str, Any]:
        handles = {}
        for label in analysis.strategies:
            curves = _unit_curves(runs, runs.scores[metric], label)
            if len(curves):
                handles[pretty(label)] = _line(axes, runs, curves.mean(axis=0), style[label])
        _half_width(axes, _unit_curves(runs, runs.scores[metric], analysis.random or ""))
        return handles

    name = analysis.objective if metric == METRIC else pretty(metric)
    return _grid(analysis, classifier, name, draw)


def relative_curves(analysis: Analysis, classifier: str) -> Figure:
    """Difference to the AL average, as in Bakker et al. (2023), Figs 3, 10-12, 15-17.

    The AL average is the mean over the strategies that are neither random, bound nor learned. The
    difference is taken run by run, then averaged; bands are ± 2 σ / √n. Shown are the bounds, the
    learned strategies, random, and the strategy with the highest AUAC, with their AUACs. The frame
    fits all but the bounds, which are several times farther away.
    """
    style = looks(analysis.roles)

    def draw(axes: Any, place: Place, runs: Runs) -> dict[str, Any]:
        average = al_average(analysis, runs)
        if average is None:
            return {}
        axes.axhline(0, color="#444444", linewidth=0.8, zorder=2)
        texts: list[tuple[str, float, Look | None]] = [
            ("AL average", float(auac(average.to_numpy()).mean()), None)
        ]
        handles: dict[str, Any] = {}
        ends: list[FloatArray] = []
        for label in shown(analysis, runs):
            curves = paired_curves(strategy_curves(runs, runs.scores[METRIC], label), average)
            if not len(curves):
                continue
            look = style[label]
            centre = curves.mean(axis=0)
            handles[pretty(label)] = _line(axes, runs, centre, look)
            spread = curves.std(axis=0, ddof=analysis.protocol.ddof)
            half = 2 * spread / np.sqrt(len(curves))
            _band(axes, runs, centre - half, centre + half, look)
            if analysis.roles[label] != "bound":
                ends += [centre - half, centre + half]
            mine = (runs.keys["strategy"] == label).to_numpy()
            texts.append((pretty(label), float(auac(runs.scores[METRIC][mine]).mean()), look))
        _frame_around(axes, ends)
        _auac_list(axes, texts)
        return handles

    return _grid(analysis, classifier, "difference to AL average", draw, height=1.9)


def random_curves(analysis: Analysis, classifier: str) -> Figure:
    """Paired difference to random of every strategy but the bounds, with 95 % intervals.

    Intervals are drawn for the learned strategies, for the best other one of the panel and for the
    first over all panels.
    """
    style = looks(analysis.roles)
    first = leader(analysis, classifier)

    def draw(axes: Any, place: Place, runs: Runs) -> dict[str, Any]:
        scores = runs.scores[METRIC]
        random = strategy_curves(runs, scores, analysis.random or "")
        if random.empty:
            return {}
        axes.axhline(0, color="#000000", linewidth=1.2, linestyle=(0, (4, 1.6)), zorder=4)
        best = best_strategy(analysis, runs)
        handles = {}
        for label in analysis.contenders:
            curves = paired_curves(strategy_curves(runs, scores, label), random)
            if label == analysis.random or not len(curves):
                continue
            handles[pretty(label)] = _line(axes, runs, curves.mean(axis=0), style[label])
            banded = analysis.roles[label] == "learned" or label in (best, first)
            if banded and len(curves) > 1:
                low, high = mean_intervals(list(curves.T)).T
                _band(axes, runs, low, high, style[label])
        return handles

    return _grid(analysis, classifier, "difference to random", draw)


def dataset_curves(analysis: Analysis, classifier: str, dataset: str) -> Figure:
    """All strategies on one data set, large: mean score, and mean paired difference to random.

    For studies whose grids of panels hold more lines than a reader can follow.
    """
    style = looks(analysis.roles)
    width = analysis.study.figures.width
    rows = [analysis.objective]
    if analysis.random is not None:
        rows.append(f"minus {pretty(analysis.random)}")
    figure, axes = panels(width, LARGE_HEIGHT, len(rows), len(analysis.settings))
    handles: dict[str, Any] = {}
    for column, setting in enumerate(analysis.settings):
        runs = analysis.at((classifier, dataset, setting))
        if runs is None:
            for panel in axes[:, column]:
                _say(panel, "not run")
            continue
        random = strategy_curves(runs, runs.scores[METRIC], analysis.random or "")
        for label in analysis.strategies:
            curves = strategy_curves(runs, runs.scores[METRIC], label)
            if len(curves):
                mean = unit_means(curves).mean().to_numpy()
                handles[pretty(label)] = _line(axes[0, column], runs, mean, style[label])
            gaps = paired_curves(curves, random)
            if len(gaps):
                _line(axes[1, column], runs, gaps.mean(axis=0), style[label])
    label_panels(figure, axes, rows, analysis.settings, pretty(dataset), "annotated points")
    shared_legend(figure, handles, width)
    return figure


def class_balance(analysis: Analysis, classifier: str) -> Figure:
    """Share of the rare classes among the points acquired so far.

    Dotted: their share in the annotated set before the first step, which is drawn in the ratio of
    the pool.
    """
    style = looks(analysis.roles)

    def draw(axes: Any, place: Place, runs: Runs) -> dict[str, Any]:
        counts = analysis.class_counts(place)
        share = balance.acquired_rare_share(analysis, place, counts)
        start = balance.rare_share(analysis, place, counts[:, :1], fallback=True)
        _dotted(axes, float(start.mean()))
        handles = {}
        for label in analysis.strategies:
            curves = _unit_curves(runs, share, label)
            if len(curves):
                (line,) = axes.plot(runs.labels[0, 1:], curves.mean(axis=0), **style[label].line())
                handles[pretty(label)] = line
        axes.set_ylim(bottom=-0.02)
        return handles

    return _grid(analysis, classifier, "rare share", draw)


def balance_curves(analysis: Analysis, classifier: str) -> Figure:
    """Normalised entropy of the classes of the annotated set after every step.

    Dotted: the degree at which the tables call it balanced.
    """
    style = looks(analysis.roles)

    def draw(axes: Any, place: Place, runs: Runs) -> dict[str, Any]:
        curves = balance.entropy(analysis.class_counts(place))
        if curves.min() < balance.BALANCED:  # elsewhere the line would only stretch the axis
            _dotted(axes, balance.BALANCED)
        handles = {}
        for label in analysis.strategies:
            mine = _unit_curves(runs, curves, label)
            if len(mine):
                handles[pretty(label)] = _line(axes, runs, mine.mean(axis=0), style[label])
        return handles

    return _grid(analysis, classifier, "normalised entropy of the annotated classes", draw)


def _dotted(axes: Any, height: float) -> None:
    axes.axhline(height, color="#444444", linewidth=0.8, linestyle=(0, (1, 1.5)))


def al_average(analysis: Analysis, runs: Runs) -> pd.DataFrame | None:
    """Trials × steps: mean over the AL strategies, for the runs in which all of them finished."""
    members = [label for label in analysis.strategies if analysis.roles[label] == "strategy"]
    every = [strategy_curves(runs, runs.scores[METRIC], label) for label in members]
    frames = [frame for frame in every if len(frame)]
    if not frames:
        return None
    common = frames[0].index
    for frame in frames[1:]:
        common = common.intersection(frame.index)
    average = np.mean([frame.loc[common].to_numpy() for frame in frames], axis=0)
    return pd.DataFrame(average, index=common) if len(common) else None


def best_strategy(analysis: Analysis, runs: Runs) -> str | None:
    """The AL strategy (not random, bound or learned) with the highest mean AUAC."""
    areas = unit_means(runs.wide(auac(runs.scores[METRIC]))).mean()
    kept = [name for name in areas.index if analysis.roles[name] == "strategy"]
    return str(areas[kept].idxmax()) if kept else None


def shown(analysis: Analysis, runs: Runs) -> list[str]:
    """The strategies in the relative curves: all but the AL strategies, and the best of these."""
    best = best_strategy(analysis, runs)
    return [
        label
        for label in analysis.strategies
        if analysis.roles[label] != "strategy" or label == best
    ]


def _unit_curves(runs: Runs, values: FloatArray, label: str) -> FloatArray:
    """(units, T): curves of one strategy, runs on the same split averaged."""
    return unit_means(strategy_curves(runs, values, label)).to_numpy()


def _half_width(axes: Any, curves: FloatArray) -> None:
    """The median half-width of the 95 % intervals of (units, T) curves, above at the right."""
    if len(curves) < 2:
        return
    intervals = mean_intervals(list(curves.T))
    half = float(np.median(intervals[:, 1] - intervals[:, 0])) / 2
    axes.annotate(
        f"± {half:.3f}", xy=(1, 1), xytext=(0, 0.5), xycoords="axes fraction",
        textcoords="offset points", ha="right", va="bottom", fontsize=6, color="#555555", zorder=6,
    )  # fmt: skip


def _line(axes: Any, runs: Runs, centre: FloatArray, look: Look) -> Any:
    every = max(1, (len(centre) - 1) // 10)
    (line,) = axes.plot(runs.labels[0], centre, markevery=every, **look.line())
    return line


def _band(axes: Any, runs: Runs, low: FloatArray, high: FloatArray, look: Look) -> None:
    axes.fill_between(
        runs.labels[0], low, high, color=look.color, alpha=0.13, linewidth=0, zorder=1.5
    )


def _frame_around(axes: Any, ends: list[FloatArray]) -> None:
    """Limits that hold the curves of ``ends``, with room above for the list and for bounds."""
    if not ends:
        return
    low, high = min(0.0, float(np.min(ends))), max(0.0, float(np.max(ends)))
    room = max(high - low, 1e-3)
    axes.set_ylim(low - 0.08 * room, high + 0.75 * room)


def _auac_list(axes: Any, texts: list[tuple[str, float, Look | None]]) -> None:
    """Names and AUACs, best first, in the colours of the lines."""
    ordered = sorted(texts, key=lambda entry: -entry[1])
    for place, (name, value, look) in enumerate(ordered):
        axes.annotate(
            f"{name} {value:.3f}",
            xy=(0, 1),
            xytext=(4, -3 - 7 * place),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="left",
            va="top",
            fontsize=5.5,
            color=look.color if look else "#444444",
            zorder=6,
            # a halo of strokes would repeat every glyph: a megabyte in a figure of nine panels
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.4},
        )


def _grid(
    analysis: Analysis, classifier: str, y: str, draw: Draw, height: float = ROW_HEIGHT
) -> Figure:
    """Data sets as rows, settings as columns; one legend for all panels."""
    width = analysis.study.figures.width
    figure, axes = panels(width, height, len(analysis.datasets), len(analysis.settings))
    handles: dict[str, Any] = {}
    for row, dataset in enumerate(analysis.datasets):
        for column, setting in enumerate(analysis.settings):
            place = (classifier, dataset, setting)
            runs = analysis.at(place)
            found = draw(axes[row, column], place, runs) if runs is not None else {}
            if not found:
                _say(axes[row, column], "not run")
            handles = {**handles, **found}
    label_panels(figure, axes, analysis.datasets, analysis.settings, y, "annotated points")
    order = [pretty(label) for label in analysis.strategies]
    kept = {name: handles[name] for name in order if name in handles}
    shared_legend(figure, kept, width)
    return figure


def _say(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#888888")
