"""Draws which points look-ahead and entropy prefer: ``make look-ahead-figure``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lalbench import files, strategies, trials
from lalbench.problems import build_problem
from lalbench.results import style
from lalbench.strategies.base import FloatArray, LearningState

SEED = 3
SIZES = {"test": 200, "reward": 0, "annotated": 22, "pool": 130}
STRATEGIES = ("entropy", "look_ahead")


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores one pool by both strategies and writes an SVG file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    given = parser.parse_args(arguments)
    problem = build_problem(
        "gaussian_clouds", "imbalanced_weighted", data_seed=SEED, seed=SEED, sizes=SIZES
    )
    state = trials.first_state(problem, "logistic_regression", strategies.get("look_ahead"))
    with style.drawing():
        figure = draw(state)
    with files.atomic(given.output) as path:
        path.write_bytes(style.svg(figure))


def draw(state: LearningState) -> Figure:
    """A panel for each strategy: the pool by rank of score, annotated points, the boundary."""
    figure = style.new_figure(7.0, 3.2)
    panels: Any = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, name in zip(panels, STRATEGIES, strict=True):
        scores = strategies.get(name).select(state, 1, np.random.default_rng(0)).scores
        assert scores is not None
        _panel(axes, state, np.asarray(scores, dtype=float))
        axes.set_title(name)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _panel(axes: Any, state: LearningState, scores: FloatArray) -> None:
    X, y = state.X_annotated, state.y_annotated
    order = np.argsort(np.argsort(scores))
    axes.scatter(*state.X_pool.T, c=order, cmap="Blues", s=16, linewidths=0)
    for label, marker, color in ((0, "s", style.VERMILLION), (1, "o", style.GREY)):
        name = f"annotated, class {label}" + (" (rare)" if label == 0 else "")
        axes.scatter(*X[y == label].T, marker=marker, s=26, color=color, label=name)
    best = int(np.argmax(scores))
    axes.scatter(*state.X_pool[best], marker="*", s=150, color="black", label="chosen", zorder=4)
    (weights,), (offset,) = state.classifier.coef_, state.classifier.intercept_
    low, high = axes.get_ylim()
    line = np.array([low, high])
    axes.plot(-(offset + weights[1] * line) / weights[0], line, color="black", linewidth=1,
              label="boundary of the classifier")  # fmt: skip
    axes.set_ylim(low, high)


if __name__ == "__main__":
    main()
