"""Who is first over all places, as differences to random with their intervals."""

from __future__ import annotations

from math import ceil
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lalbench.results.analysis import Analysis
from lalbench.results.standing import ranked, standing_table
from lalbench.results.statistics import ALPHA
from lalbench.results.style import DASHED, Look, looks, new_figure, pretty, settled

SIDE_BY_SIDE = 2
"""Panels in a row."""


def standing_intervals(analysis: Analysis) -> Figure | None:
    """Mean paired difference to random with 95 % intervals, one panel per classifier, best on top.

    Full markers where the test tells a strategy from random. None without random, or where no
    strategy finished everywhere.
    """
    parts = shown(analysis)
    if not parts:
        return None
    beside = min(SIDE_BY_SIDE, len(parts))
    rows = ceil(len(parts) / beside)
    most = max(map(len, parts.values()))
    # one panel alone would have whiskers as long as the page is wide
    width = analysis.study.figures.width * (1.0 if beside > 1 else 0.72)
    figure = new_figure(width, rows * (0.21 * most + 0.5) + 0.25)
    axes = figure.subplots(rows, beside, squeeze=False, sharex=True)
    style = looks(analysis.roles)
    for panel, (classifier, part) in zip(axes.flat, parts.items(), strict=False):
        _panel(panel, part, style)
        panel.set_ylim(most - 0.4, -0.6)  # rows are equally high in all panels
        panel.set_title(pretty(classifier), fontweight="bold")
    for panel in axes.flat[len(parts) :]:
        panel.set_visible(False)
    figure.supxlabel(f"{analysis.objective}, difference to random", fontsize=7.5)
    return settled(figure)


def shown(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Classifier → its strategies that have a difference to random, best first."""
    table = standing_table(analysis)
    parts = {
        str(classifier): ranked(part).dropna(subset="difference")
        for classifier, part in table.groupby("classifier", sort=False)
    }
    return {classifier: part for classifier, part in parts.items() if len(part)}


def _panel(axes: Any, part: pd.DataFrame, style: dict[str, Look]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.axvline(0, color="#000000", linewidth=1.2, linestyle=DASHED)
    for place, (_, row) in enumerate(part.iterrows()):
        color = style[row["strategy"]].color
        axes.plot([row["low"], row["high"]], [place, place], color=color, linewidth=1.6)
        axes.scatter(
            row["difference"], place, s=22, marker="o", edgecolors=color, linewidths=1.2, zorder=4,
            color=color if row["p_holm"] < ALPHA else "white",
        )  # fmt: skip
    axes.set_yticks(range(len(part)), [pretty(name) for name in part["strategy"]])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.xaxis.set_major_locator(MaxNLocator(5))
