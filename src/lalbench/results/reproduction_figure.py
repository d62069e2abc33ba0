"""Our means against the published ones, in one figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lalbench.results import style

METRICS = {
    "auac": ("AUAC", style.BLUE, "o"),
    "final_accuracy": ("final accuracy (× 10)", style.ORANGE, "s"),
    "rare_precision": ("rare precision (× 10)", style.GREEN, "^"),
    "rare_recall": ("rare recall (× 10)", style.PURPLE, "D"),
}


def agreement_figure(tables: pd.DataFrame) -> Figure:
    """Scatter of our means against the published ones, and differences over tolerances.

    Args:
        tables: rows of :func:`lalbench.results.published.compare`; cells not run are left out.
    """
    run = tables[tables["outcome"].isin(["agrees", "differs"])]
    figure = style.new_figure(7.0, 3.4)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1.35]})
    handles = _scatter(left, run)
    _strips(right, run)
    style.shared_legend(figure, handles, 7.0)
    return figure


def _scatter(axes: Any, run: pd.DataFrame) -> dict[str, Any]:
    handles = {}
    scale = run["metric"].map(lambda name: 1.0 if name == "auac" else 10.0)
    theirs, ours = run["mean"] * scale, run["our_mean"] * scale
    if len(run):
        ends = [min(theirs.min(), ours.min()) - 0.3, max(theirs.max(), ours.max()) + 0.3]
        axes.plot(ends, ends, color=style.GREY, linewidth=0.8, zorder=1)
    for metric, (name, color, marker) in METRICS.items():
        here = (run["metric"] == metric).to_numpy()
        if here.any():
            handles[name] = axes.scatter(
                theirs[here], ours[here], s=11, color=color, marker=marker, alpha=0.75, linewidths=0
            )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("published")
    axes.set_ylabel("ours")
    return handles


def _strips(axes: Any, run: pd.DataFrame) -> None:
    """One row per strategy: difference / tolerance of its cells, shifted a little by metric."""
    names = list(dict.fromkeys(run["strategy"]))
    axes.axvspan(-1, 1, color="#EDEDED", zorder=0, linewidth=0)
    axes.axvline(0, color=style.GREY, linewidth=0.8, zorder=1)
    ratio = np.clip(run["difference"] / run["tolerance"], -4, 4)
    for shift, (metric, (_, color, marker)) in enumerate(METRICS.items()):
        here = (run["metric"] == metric).to_numpy()
        rows = [names.index(name) + 0.2 * (shift - 1.5) for name in run.loc[here, "strategy"]]
        axes.scatter(ratio[here], rows, s=9, color=color, marker=marker, alpha=0.7, linewidths=0)
    axes.set_yticks(range(len(names)), [style.pretty(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-4.2, 4.2)
    axes.set_xticks(range(-4, 5), ["≤ −4", "−3", "−2", "−1", "0", "1", "2", "3", "≥ 4"])
    axes.set_xlabel("difference / tolerance")
    axes.grid(visible=False, axis="y")
