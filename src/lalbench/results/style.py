"""One look for all figures: colours, markers and lines of strategies, and files without dates."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lalbench import files
from lalbench.config import Figures
from lalbench.results.roles import Role

# Okabe and Ito's palette (2008), told apart by colour-blind readers; yellow is too pale for lines.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
# Of Tol's muted palette (2021): darker than the others, so grey tells them apart.
WINE, INDIGO = "#882255", "#332288"
GREY, PALE = "#5F5F5F", "#A3A3A3"

DASHED, DOTTED, DASHDOT = (0, (4, 1.6)), (0, (1.2, 1.2)), (0, (5, 1.4, 1.2, 1.4))

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so every machine has it
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "lalbench",
    "svg.fonttype": "path",
    "path.simplify": True,
}


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn, in every figure the same."""

    color: str
    marker: str
    linestyle: Any
    linewidth: float = 1.1
    zorder: float = 3.0

    def line(self) -> dict[str, Any]:
        """Keyword arguments of ``Axes.plot``."""
        return {
            "color": self.color,
            "marker": self.marker,
            "linestyle": self.linestyle,
            "linewidth": self.linewidth,
            "zorder": self.zorder,
            "markeredgewidth": 0,
        }


_KNOWN = {
    "entropy": Look(BLUE, "o", "-"),
    "margin": Look(SKY, "s", DASHED),
    "least_confident": Look(SKY, "^", DOTTED),
    "f_score": Look(BLUE, "D", DASHDOT),
    "k_center_greedy": Look(GREEN, "v", "-"),
    "hal_uniform": Look(ORANGE, "P", "-"),
    "hal_gauss": Look(ORANGE, "X", DASHED),
    "cbal": Look(PURPLE, "*", "-"),
    "learning_loss": Look(WINE, "D", "-"),
    "vaal": Look(WINE, "<", DASHED),
    "uncertain_gcn": Look(GREEN, ">", DASHED),
    "core_gcn": Look(GREEN, "h", DOTTED),
    "quire": Look(GREEN, "h", DASHDOT),
    "kapoor": Look(SKY, "p", DASHDOT),
    "albl": Look(PURPLE, "8", DASHDOT),
    "look_ahead": Look(INDIGO, "d", "-", 1.8, 5),
}
"""Colours are families of methods; markers are all different among strategies that can stand in one
study, so that lines need no colour: some strategies need networks, others features.
"""

_KNOWN_LEARNED = {
    "lal_independent": Look(VERMILLION, ">", DASHDOT, 1.6, 5),
    "lal_iterative": Look(INDIGO, "<", "-", 1.8, 5),
    "lal_warm_start": Look(WINE, "d", DOTTED, 1.6, 5),
}
"""Learned strategies with looks of their own; the others take those below."""

_VARIANTS = [("<", DOTTED), (">", DOTTED), ("H", DASHED), ("p", "-"), ("d", DASHDOT)]
"""Markers and lines of variants of known strategies, in turn among those of one colour."""

_BOUNDS = [Look(GREY, "", "-", 1.3, 2.5), Look(PALE, "", DASHED, 1.3, 2.4)]
_LEARNED = [
    Look(VERMILLION, "D", "-", 1.8, 5),
    Look(VERMILLION, "s", DASHED, 1.6, 5),
    Look(VERMILLION, "^", DOTTED, 1.6, 5),
]
_RANDOM = Look(BLACK, "", DASHED, 1.5, 4)
_OTHERS = [
    Look(color, marker, linestyle)
    for linestyle, markers in ((DOTTED, "<>hdp"), (DASHDOT, "osv^D"), (DASHED, "PX*<>"))
    for color, marker in zip((GREEN, PURPLE, BLUE, ORANGE, SKY), markers, strict=True)
]


def looks(roles: dict[str, Role]) -> dict[str, Look]:
    """The look of each strategy label: bounds grey, random black, learned ones stand out.

    Well-known labels always look the same, variants of them (``hal_gauss_correct``) share their
    colour; others take the next free look in the study's order.
    """
    free = {"bound": list(_BOUNDS), "learned": list(_LEARNED), "strategy": list(_OTHERS)}
    every: dict[str, dict[str, Look]] = {"strategy": _KNOWN, "learned": _KNOWN_LEARNED}
    found: dict[str, Look] = {}
    variants: dict[str, int] = {}
    for label, role in roles.items():
        known = every.get(role, {})
        family = next((name for name in known if label.startswith(name)), None)
        if role == "baseline":
            found[label] = _RANDOM
        elif label in known:
            found[label] = known[label]
        elif family is not None:
            color = known[family].color
            number = variants[color] = variants.get(color, -1) + 1
            marker, linestyle = _VARIANTS[number % len(_VARIANTS)]
            found[label] = replace(known[family], marker=marker, linestyle=linestyle)
        else:
            supply = free[role]
            found[label] = supply.pop(0) if len(supply) > 1 else supply[0]
    return found


def pretty(label: str) -> str:
    """A label as words: ``k_center_greedy`` → ``k center greedy``."""
    return label.replace("_", " ")


@contextmanager
def drawing() -> Iterator[None]:
    """The look of all figures, without touching Matplotlib's settings outside."""
    import matplotlib as mpl

    settings: Any = dict(mpl.rcParamsDefault) | RC
    with mpl.rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that makes room for its labels."""
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.03)
    return Figure(figsize=(width, height), layout=layout)


def settled(figure: Figure) -> Figure:
    """The figure after a first layout: one alone would cut long labels of rows and columns."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    return figure


def panels(width: float, height: float, rows: int, columns: int) -> tuple[Figure, Any]:
    """A figure with rows × columns panels, ``axes[row, column]``; ``height`` is that of a row.

    The data sets of the rows have annotated sets of their own sizes, so only a row shares its axis.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(width, height * rows + 0.9)
    axes = figure.subplots(rows, columns, squeeze=False, sharex="row")
    for panel in axes.flat:
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    return figure, axes


def label_panels(
    figure: Figure, axes: Any, rows: Sequence[str], columns: Sequence[str], y: str, x: str
) -> None:
    """Settings above the columns, data sets beside the rows, axis labels once for all panels."""
    for column, name in enumerate(columns):
        axes[0, column].set_title(pretty(name), fontweight="bold", pad=10)
        axes[-1, column].set_xlabel(x)
    for row, name in enumerate(rows):
        axes[row, 0].set_ylabel(textwrap.fill(pretty(name), 18), fontweight="bold", fontsize=8)
    figure.supylabel(y, fontsize=7.5)
    figure.align_ylabels(axes[:, 0])


def shared_legend(figure: Figure, handles: dict[str, Any], width: float) -> None:
    """One legend below all panels."""
    if handles:
        longest = max(map(len, handles))
        fitting = max(2, int(width * 72 / (longest * 4.1 + 38)))
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=min(len(handles), fitting),
            columnspacing=1.4,
        )


def svg(figure: Figure) -> bytes:
    """The figure as SVG without date and program name: the same data gives the same bytes."""
    buffer = BytesIO()
    with drawing():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def save(figure: Figure, folder: Path, name: str, style: Figures) -> None:
    """Writes the figure in the formats of the study; the same data gives the same bytes.

    Where things go is decided once, for the first format: that takes as long as the drawing.
    """
    for suffix in style.formats:
        with files.atomic(folder / f"{name}.{suffix}") as path:
            if suffix == "svg":
                path.write_bytes(svg(figure))
            else:
                with drawing():
                    figure.savefig(path, format="png", dpi=style.dpi, metadata={"Software": None})
        figure.set_layout_engine("none")
