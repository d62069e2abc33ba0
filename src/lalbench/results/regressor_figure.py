"""Which columns of the state the regressors of LAL look at, as bars."""

from __future__ import annotations

from math import ceil
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lalbench.results.analysis import Analysis
from lalbench.results.regressors import IMPORTANCE, regressor_data
from lalbench.results.style import Look, looks, new_figure, pretty, settled, shared_legend

HATCHES = ("", "//////", "......", "xxxxxx")
"""For strategies whose looks share a colour, in turn."""

SIDE_BY_SIDE = 2
"""Panels in a row."""


def importance_bars(analysis: Analysis) -> Figure | None:
    """Importances of the columns of the state, as in LAL's Figure 5: one panel per classifier.

    Columns from top to bottom in the order of the regressor. None where no regressor is there.
    """
    data = regressor_data(analysis).dropna(subset="trees")
    if data.empty:
        return None
    classifiers = list(data["classifier"].unique())
    beside = min(SIDE_BY_SIDE, len(classifiers))
    rows = ceil(len(classifiers) / beside)
    most = sum(name.startswith(IMPORTANCE) for name in data.columns)
    bars = data.groupby("classifier")["strategy"].size().max()
    # one panel alone would have bars as long as the page is wide
    width = analysis.study.figures.width * (1.0 if beside > 1 else 0.62)
    figure = new_figure(width, rows * (most * (0.12 + 0.07 * bars) + 0.35) + 0.5)
    axes = figure.subplots(rows, beside, squeeze=False, sharex=True)
    style, hatches = looks(analysis.roles), _hatches(analysis, list(data["strategy"].unique()))
    handles: dict[str, Any] = {}
    for panel, classifier in zip(axes.flat, classifiers, strict=False):
        part = data[data["classifier"] == classifier]
        handles |= _panel(panel, part, style, hatches)
        panel.set_ylim(most - 0.5, -0.5)  # bars are equally thick in all panels
        panel.set_title(pretty(classifier), fontweight="bold")
        panel.set_xlabel("importance")
    axes[0, 0].set_xlim(left=0)  # of all panels, and only now: it ends the fitting of the axis
    for panel in axes.flat[len(classifiers) :]:
        panel.set_visible(False)
    shared_legend(figure, handles, width)
    return settled(figure)


def _panel(
    axes: Any, part: pd.DataFrame, style: dict[str, Look], hatches: dict[str, str]
) -> dict[str, Any]:
    """Bars of the regressors of one classifier; returns them by what the legend calls them."""
    columns = [c for c in part.columns if c.startswith(IMPORTANCE) and part[c].notna().any()]
    high = 0.8 / len(part)
    handles = {}
    for number, (_, row) in enumerate(part.iterrows()):
        label = row["strategy"]
        places = [place - 0.4 + high * (number + 0.5) for place in range(len(columns))]
        handles[pretty(label)] = axes.barh(
            places, row[columns].astype(float), height=0.9 * high, color=style[label].color,
            hatch=hatches[label], edgecolor="white", linewidth=0,
        )  # fmt: skip
    if not part[columns].to_numpy(dtype=float).any():
        axes.text(
            0.5, 0.5, "no tree has a split", transform=axes.transAxes, ha="center", color="#888888"
        )
    names = [pretty(column.removeprefix(IMPORTANCE)) for column in columns]
    axes.set_yticks(range(len(columns)), names)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return handles


def _hatches(analysis: Analysis, labels: list[str]) -> dict[str, str]:
    style, found = looks(analysis.roles), {}
    for place, label in enumerate(labels):
        same = [other for other in labels[:place] if style[other].color == style[label].color]
        found[label] = HATCHES[len(same) % len(HATCHES)]
    return found
