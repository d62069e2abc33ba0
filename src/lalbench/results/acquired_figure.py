"""Histograms of what the classifier said of the chosen points, one row per strategy."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lalbench.results.acquired import BINS, FloatArray, histogram
from lalbench.results.analysis import Analysis
from lalbench.results.style import Look, label_panels, looks, panels, pretty, settled

ROW = 0.21
"""Inches from one histogram to the next."""

FULL = 0.82
"""Height of the fullest bin, in rows."""


def acquired_histograms(analysis: Analysis, classifier: str) -> Figure | None:
    """Densities of the probability of class 0 of the acquired points, as in LAL's Figure 5.

    Every histogram has a height of its own, as a strategy that always takes points near 0.5 would
    flatten all others; the density in its fullest bin stands beside it. Data sets without any
    number are left out; None where no data set has one.
    """
    every = {
        dataset: [
            analysis.acquired_probabilities((classifier, dataset, setting))
            for setting in analysis.settings
        ]
        for dataset in analysis.datasets
    }
    every = {dataset: cells for dataset, cells in every.items() if any(cells)}
    seen = {label for cells in every.values() for cell in cells for label in cell}
    names = [label for label in analysis.strategies if label in seen]
    if not names:
        return None
    style = looks(analysis.roles)
    width, height = analysis.study.figures.width, ROW * len(names) + 0.3
    figure, axes = panels(width, height, len(every), len(analysis.settings))
    for row, cells in enumerate(every.values()):
        for column, cell in enumerate(cells):
            panel = axes[row, column]
            _frame(panel, names if column == 0 else [])
            for place, label in enumerate(names):
                if label in cell:
                    _row(panel, place, histogram(cell[label]), style[label])
                else:
                    panel.annotate("not run", (0.02, place - 0.12), color="#888888", size=6)
            _beside(panel, -1.1, "max")
            panel.set_ylim(len(names) - 0.85, -1.0)
    label_panels(figure, axes, list(every), analysis.settings, "", "probability of class 0")
    return settled(figure)


def _frame(axes: Any, names: list[str]) -> None:
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid(visible=False, axis="y")
    axes.axvline(0.5, color="#444444", linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
    axes.set_yticks([place - 0.3 for place in range(len(names))], [pretty(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _row(axes: Any, place: int, density: FloatArray, look: Look) -> None:
    """One histogram that stands on the height ``place`` (downwards), and its largest density."""
    edges = np.linspace(0, 1, BINS + 1)
    heights = place - FULL * density / density.max()
    axes.axhline(place, color="#BBBBBB", linewidth=0.6, zorder=1.5)
    axes.stairs(heights, edges, baseline=place, fill=True, color=look.color, alpha=0.35, zorder=2)
    # where a bin is empty the line would only hide the base
    outline = np.where(density > 0, heights, np.nan)
    axes.stairs(outline, edges, baseline=place, color=look.color, linewidth=0.9, zorder=3)
    _beside(axes, place - 0.3, f"{density.max():.1f}")


def _beside(axes: Any, height: float, text: str) -> None:
    axes.annotate(
        text, xy=(1, height), xytext=(3, 0), textcoords="offset points", va="center",
        fontsize=5.5, color="#555555", annotation_clip=False,
    )  # fmt: skip
