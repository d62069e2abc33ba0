"""Figures over data sets: ranks, matrices of strategies against strategies, training loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lalbench.results import overall
from lalbench.results.analysis import Analysis
from lalbench.results.style import (
    BLUE,
    DASHED,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    label_panels,
    looks,
    new_figure,
    panels,
    pretty,
    settled,
    shared_legend,
)

SET_COLORS = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY)
SET_MARKERS = "os^DvPX*"
"""Data sets of the overview: 24 pairs of colour and marker before one comes again."""


def rank_bars(analysis: Analysis, classifier: str) -> Figure:
    """Mean rank of the AUAC per setting, as in Bakker et al. (2023), Figs 4 and 13.

    Bars and whiskers: mean ± standard deviation over data sets. Diamonds: mean over paired units
    with 95 % bootstrap interval.
    """
    table = overall.rank_table(analysis)
    table = table[table["classifier"] == classifier]
    style = looks(analysis.roles)
    width = analysis.study.figures.width
    names = [
        n for n in analysis.strategies if table.loc[table["strategy"] == n, "rank"].notna().any()
    ]
    figure = new_figure(width, 0.24 * len(names) + 1.0)
    axes = figure.subplots(1, len(analysis.settings), squeeze=False, sharex=True, sharey=True)[0]
    for panel, setting in zip(axes, analysis.settings, strict=True):
        rows = table[table["setting"] == setting].set_index("strategy").reindex(names)
        _rank_panel(panel, rows, [style[name].color for name in names])
        panel.set_title(pretty(setting), fontweight="bold")
        panel.set_xlabel("rank (1 = best)")
    axes[0].set_yticks(range(len(names)), [pretty(name) for name in names])
    axes[0].invert_yaxis()
    axes[0].set_xlim(0, len(names) + 0.6)
    axes[0].set_xticks(range(1, len(names) + 1, 1 if len(names) < 9 else 2))
    return settled(figure)


def _rank_panel(axes: Any, rows: pd.DataFrame, colors: list[str]) -> None:
    places = np.arange(len(rows))
    axes.barh(places, rows["rank"], height=0.66, color=colors, alpha=0.35, linewidth=0)
    spread = rows["std"].fillna(0)
    axes.errorbar(
        rows["rank"], places - 0.14, xerr=spread, fmt="none", ecolor="#444444", elinewidth=0.8,
        capsize=1.8, capthick=0.8,
    )  # fmt: skip
    beside = np.stack([rows["unit_rank"] - rows["low"], rows["high"] - rows["unit_rank"]])
    known = np.isfinite(beside).all(axis=0)
    for place in places[known]:
        row = rows.iloc[place]
        axes.plot([row["low"], row["high"]], [place + 0.16] * 2, color=colors[place], linewidth=1.4)
    axes.scatter(
        rows["unit_rank"], places + 0.16, c=colors, marker="D", s=9, linewidths=0.4,
        edgecolors="white", zorder=4,
    )  # fmt: skip
    axes.grid(visible=False, axis="y")


def relative_overview(analysis: Analysis, classifier: str) -> Figure | None:
    """Mean paired AUAC difference to random, in percent of random's AUAC, per setting.

    One marker per data set, a bar at their mean; bounds are left out. None without random.
    """
    table = overall.relative_table(analysis)
    table = table[table["classifier"] == classifier]
    names = [name for name in analysis.contenders if name in set(table["strategy"])]
    if not names:
        return None
    width = analysis.study.figures.width
    figure = new_figure(width, 0.24 * len(names) + 1.3)
    axes = figure.subplots(1, len(analysis.settings), squeeze=False, sharey=True)[0]
    handles: dict[str, Any] = {}
    for panel, setting in zip(axes, analysis.settings, strict=True):
        rows = table[table["setting"] == setting]
        panel.axvline(0, color="#000000", linewidth=1.2, linestyle=DASHED)
        centre = rows.groupby("strategy")["percent"].mean().reindex(names)
        panel.scatter(centre, range(len(names)), marker="|", s=90, color="#222222", linewidths=1.6)
        for place, dataset in enumerate(analysis.datasets):
            here = rows[rows["dataset"] == dataset].set_index("strategy")["percent"].reindex(names)
            color, marker = SET_COLORS[place % len(SET_COLORS)], SET_MARKERS[place % 8]
            handles[pretty(dataset)] = panel.scatter(
                here, range(len(names)), color=color, marker=marker, s=16, alpha=0.85, linewidths=0
            )
        panel.set_title(pretty(setting), fontweight="bold")
        panel.set_xlabel("AUAC against random, %")
    axes[0].set_yticks(range(len(names)), [pretty(name) for name in names])
    axes[0].invert_yaxis()
    shared_legend(figure, handles, width)
    return settled(figure)


def comparison_matrix(analysis: Analysis, classifier: str) -> Figure:
    """All strategies against all over (data set, setting) units (Ismail-Fawaz et al. 2023).

    Above the diagonal: mean difference, wins / ties / losses; below it: p and Holm-adjusted p.
    """
    found = overall.comparison(analysis, classifier)
    k = len(found.strategies)
    figure, axes, size = _square(analysis, k)
    limit = float(np.nanmax(np.abs(found.difference))) if k and found.n else 0.0
    shown = np.where(np.eye(k, dtype=bool), np.nan, found.difference)
    image = axes.imshow(shown, cmap="PuOr", vmin=-limit or -1, vmax=limit or 1)
    for i in range(k):
        for j in range(k):
            if i == j:
                continue
            if i < j:
                text = f"{found.difference[i, j]:+.3f}\n" + "/".join(
                    str(counts[i, j]) for counts in (found.wins, found.ties, found.losses)
                )
            else:
                text = f"{_p(found.p[i, j])}\n({_p(found.p_holm[i, j])})"
            dark = abs(found.difference[i, j]) > 0.6 * limit
            certain = bool(found.p_holm[i, j] < 0.05)
            _cell_text(axes, i, j, text.replace("-", "−"), size, dark, certain)
    labels = [
        f"{pretty(name)} {mean:.3f}"
        for name, mean in zip(found.strategies, found.means, strict=True)
    ]
    _ticks(axes, labels, [pretty(name) for name in found.strategies])
    _color_bar(figure, axes, image, "mean difference, row − column (AUAC / steps)")
    return settled(figure)


def penalty_matrix(analysis: Analysis, classifier: str) -> Figure:
    """Share of label counts at which the row beats the column (Ash et al. 2020)."""
    matrix = overall.penalty(analysis, classifier)
    matrix = matrix.dropna(how="all").dropna(axis="columns", how="all")
    k = len(matrix)
    others = matrix.mask(np.eye(k, dtype=bool))
    values = np.vstack([others.to_numpy(), others.mean().to_numpy()])
    figure, axes, size = _square(analysis, k)
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.argwhere(np.isfinite(values)):
        _cell_text(axes, i, j, f"{values[i, j]:.2f}", size * 1.2, values[i, j] > 0.6, i == k)
    axes.axhline(k - 0.5, color="white", linewidth=3)
    names = [pretty(str(name)) for name in matrix.columns]
    _ticks(axes, [*names, "mean (beaten)"], names)
    label = "share of label counts at which the row beats the column"
    _color_bar(figure, axes, image, label)
    return settled(figure)


def _square(analysis: Analysis, k: int) -> tuple[Figure, Any, float]:
    """Figure and axes of a k × k matrix without grid, and the font size of its cells."""
    width = analysis.study.figures.width
    cell = min(0.75, (width - 1.6) / max(k, 1))
    figure = new_figure(cell * k + 1.6, cell * k + 1.6)
    axes = figure.subplots()
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure, axes, 72 * cell / 6


def _color_bar(figure: Figure, axes: Any, image: Any, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    bar.set_label(label)
    bar.ax.xaxis.set_major_locator(MaxNLocator(5))
    bar.outline.set_linewidth(0.4)


def _cell_text(
    axes: Any, row: int, column: int, text: str, size: float, dark: bool, bold: bool
) -> None:
    axes.text(
        column, row, text, ha="center", va="center", fontsize=min(size, 7), linespacing=1.25,
        color="white" if dark else "#222222", fontweight="bold" if bold else "normal",
    )  # fmt: skip


def _ticks(axes: Any, rows: list[str], columns: list[str]) -> None:
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="left", rotation_mode="anchor")
    axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)


def _p(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return "<.001" if value < 0.001 else f"{value:.3f}".lstrip("0") if value < 1 else "1"


def training_loss(analysis: Analysis, classifier: str, strategy: str) -> Figure | None:
    """Training loss of a learned strategy per epoch, as in Bakker et al. (2023), Figs 9 and 14.

    Mean over trials at the first and the last step at which it was trained; bands: lowest to
    highest trial. None where there are no curves.
    """
    curves = analysis.records.curves
    curves = curves[(curves["classifier"] == classifier) & (curves["strategy"] == strategy)]
    if curves.empty:
        return None
    width = analysis.study.figures.width
    figure, axes = panels(width, 1.55, len(analysis.datasets), len(analysis.settings))
    handles: dict[str, Any] = {}
    for row, dataset in enumerate(analysis.datasets):
        for column, setting in enumerate(analysis.settings):
            here = curves[(curves["dataset"] == dataset) & (curves["setting"] == setting)]
            handles |= _loss_panel(axes[row, column], here)
    label_panels(figure, axes, analysis.datasets, analysis.settings, "training loss", "epoch")
    shared_legend(figure, handles, width)
    return figure


def _loss_panel(axes: Any, curves: pd.DataFrame) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    steps = sorted({curves["step"].min(), curves["step"].max()}) if len(curves) else []
    for step, color, line in zip(steps, (BLUE, VERMILLION), ((0, (4, 1.6)), "-"), strict=False):
        epochs = curves[curves["step"] == step].groupby("epoch")["loss"].agg(["mean", "min", "max"])
        (drawn,) = axes.plot(epochs.index, epochs["mean"], color=color, linestyle=line)
        axes.fill_between(
            epochs.index, epochs["min"], epochs["max"], color=color, alpha=0.15, linewidth=0
        )
        handles[f"step {step}"] = drawn
    return handles
