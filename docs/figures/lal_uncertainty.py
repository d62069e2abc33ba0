"""Draws the toy study of uncertainty sampling: ``make lal-figure``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from lalbench import files
from lalbench.learners.lal.toy_study import BinnedImprovement, improvement_by_probability
from lalbench.results import style

CURVES = {
    "classes of equal size": (1 / 2, style.BLUE, "o"),
    "class 0 twice as large": (1 / 3, style.VERMILLION, "s"),
}
"""Share of class 1, colour and marker."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the experiments and writes an SVG file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--experiments", type=int, default=10_000, help="for each curve")
    given = parser.parse_args(arguments)
    curves = {
        name: improvement_by_probability(share, given.experiments)
        for name, (share, _, _) in CURVES.items()
    }
    with style.drawing():
        figure = draw(curves)
    with files.atomic(given.output) as path:
        path.write_bytes(style.svg(figure))


def draw(curves: dict[str, BinnedImprovement]) -> Figure:
    """Mean change of the accuracy in percentage points, with bands of two standard errors."""
    figure = style.new_figure(4.6, 3.1)
    axes: Any = figure.subplots()
    axes.axhline(0, color=style.GREY, linewidth=0.8, zorder=1)
    axes.axvline(0.5, color=style.GREY, linewidth=0.8, linestyle=style.DOTTED, zorder=1)
    for name, curve in curves.items():
        _, color, marker = CURVES[name]
        means, errors = 100 * curve.means, 100 * curve.errors
        best = int(curve.means.argmax())
        axes.fill_between(
            curve.centres, means - 2 * errors, means + 2 * errors, color=color, alpha=0.2, lw=0
        )
        label = (
            f"{name}: largest {means[best]:.2f} ± {errors[best]:.2f} at {curve.centres[best]:.3f}"
        )
        axes.plot(curve.centres, means, color=color, marker=marker, label=label)
    axes.set_xlim(0, 1)
    axes.set_xlabel("predicted probability of class 0 before its label is known")
    axes.set_ylabel("mean change of accuracy, points")
    figure.legend(loc="outside lower center")
    return figure


if __name__ == "__main__":
    main()
