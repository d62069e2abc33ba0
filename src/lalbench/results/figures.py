"""Every figure of a study, as SVG and PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from lalbench.config import Study
from lalbench.results import (
    acquired,
    acquired_figure,
    alternatives,
    balance,
    curve_figures,
    overview_figures,
    regressor_figure,
    regressors,
    standing_figure,
    style,
)
from lalbench.results.analysis import Analysis

BESIDE = ("balanced_accuracy", "rare_recall")
"""Metrics whose learning curves are drawn besides those of the objective."""

CROWDED = 8
"""With more strategies than this, each data set gets a figure of its own beside the grids."""


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: file name without ending.
        title: what it is, in a few words.
        caption: how to read it.
        draw: makes the figure; None where it has no data.
        describe: what it shows, in words (:mod:`lalbench.results.alternatives`); only for figures
            that have data.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure | None]
    describe: Callable[[], str]


def write_figures(study: Study, results_dir: Path, output: Path) -> None:
    """Draws every figure of ``study`` to ``output`` in the formats of ``study.figures``.

    The same trials give the same bytes: no dates, fixed identifiers.

    Raises:
        CorruptFileError: a trial file that cannot be read or contradicts others.
        UserError: no trial of the study is there.
    """
    analysis = Analysis.of(study, results_dir)
    for drawing in all_figures(analysis):
        with style.drawing():
            figure = drawing.draw()
        if figure is not None:
            style.save(figure, output, drawing.name, study.figures)


def all_figures(analysis: Analysis) -> Iterator[Drawing]:
    """All figures in the order of the report: one per classifier and kind."""
    yield _standing(analysis)
    for classifier in analysis.classifiers:
        yield from _curves(analysis, classifier)
        yield from _overviews(analysis, classifier)
    if len(regressors.regressor_data(analysis)):
        yield Drawing(
            "regressor_importances",
            "What the regressors of LAL look at",
            "Importance of each column of the state: normalised mean decrease of the variance in "
            "the regression forest. The columns are described in docs/lal.md.",
            partial(regressor_figure.importance_bars, analysis),
            partial(alternatives.importance_bars, analysis),
        )


def _standing(analysis: Analysis) -> Drawing:
    return Drawing(
        "standing",
        f"Who is first over all data sets and settings: {analysis.objective}",
        "Mean paired difference to random over the steps and over all data sets and settings, with "
        "95 % interval; best on top. Full markers: told apart from random by the paired test "
        "(Holm-adjusted over the strategies of the classifier). Bounds are left out.",
        partial(standing_figure.standing_intervals, analysis),
        partial(alternatives.standing, analysis),
    )


def _curves(analysis: Analysis, classifier: str) -> Iterator[Drawing]:
    width = (
        "At the corner: half-width of the 95 % interval of random's mean over data splits, which "
        "differ more than strategies do; compare strategies in the paired figures below."
    )
    for metric in ("objective", *BESIDE):
        name = analysis.objective if metric == "objective" else style.pretty(metric)
        if metric != "objective" and name == analysis.objective:
            continue
        yield Drawing(
            f"curves-{metric}-{classifier}",
            f"Learning curves: {name}, {style.pretty(classifier)}",
            f"Mean {name} on the test set against the number of annotated points. {width}",
            partial(curve_figures.score_curves, analysis, classifier, metric),
            partial(alternatives.score_curves, analysis, classifier, metric),
        )
    yield Drawing(
        f"relative-{classifier}",
        f"Relative curves: {analysis.objective}, {style.pretty(classifier)}",
        "Difference to the AL average (mean over all strategies but random, the bounds and the "
        "learned ones), taken run by run. Shown: bounds, learned strategies, random, and the best "
        "other strategy. Bands: ± 2 σ / √n. Numbers: mean AUAC. The frame fits all but the bounds; "
        "the learning curves show them whole.",
        partial(curve_figures.relative_curves, analysis, classifier),
        partial(alternatives.relative_curves, analysis, classifier),
    )
    yield Drawing(
        f"versus_random-{classifier}",
        f"Difference to random: {analysis.objective}, {style.pretty(classifier)}",
        "Paired difference to random. Bands: 95 % intervals, for learned strategies, the best "
        "other one, and the one that is first over all data sets and settings.",
        partial(curve_figures.random_curves, analysis, classifier),
        partial(alternatives.random_curves, analysis, classifier),
    )
    if len(analysis.strategies) > CROWDED:
        yield from _large_curves(analysis, classifier)


def _large_curves(analysis: Analysis, classifier: str) -> Iterator[Drawing]:
    for dataset in analysis.datasets:
        yield Drawing(
            f"dataset_curves-{dataset}-{classifier}",
            f"All strategies: {style.pretty(dataset)}, {style.pretty(classifier)}",
            f"Above: mean {analysis.objective} on the test set. Below: mean paired difference to "
            "random.",
            partial(curve_figures.dataset_curves, analysis, classifier, dataset),
            partial(alternatives.dataset_curves, analysis, classifier, dataset),
        )


def _overviews(analysis: Analysis, classifier: str) -> Iterator[Drawing]:
    of = style.pretty(classifier)
    yield Drawing(
        f"ranks-{classifier}",
        f"Ranks by AUAC, {of}",
        "Bars and whiskers: mean rank ± standard deviation over data sets, bounds ranked too. "
        "Diamonds: mean rank over paired data splits, with 95 % bootstrap interval.",
        partial(overview_figures.rank_bars, analysis, classifier),
        partial(alternatives.ranks, analysis, classifier),
    )
    yield Drawing(
        f"relative_overview-{classifier}",
        f"AUAC against random, {of}",
        "Mean paired AUAC difference to random in percent of random's AUAC; one marker per data "
        "set, bar: their mean. Bounds are left out.",
        partial(overview_figures.relative_overview, analysis, classifier),
        partial(alternatives.relative_overview, analysis, classifier),
    )
    yield Drawing(
        f"multi_comparison-{classifier}",
        f"All strategies against all, {of}",
        "Row minus column over (data set, setting) units. Above the diagonal: mean difference of "
        "AUAC / steps, wins / ties / losses. Below it: Wilcoxon p and, in brackets, "
        "Holm-adjusted; bold where that is below 0.05. Ordered by the mean, which stands beside "
        "the name.",
        partial(overview_figures.comparison_matrix, analysis, classifier),
        partial(alternatives.comparison_matrix, analysis, classifier),
    )
    yield Drawing(
        f"penalty-{classifier}",
        f"Pairwise penalty matrix, {of}",
        "Share of label counts at which the row beats the column by a paired t test on the 5 % "
        "level. Last row: how often a strategy is beaten; lower is better.",
        partial(overview_figures.penalty_matrix, analysis, classifier),
        partial(alternatives.penalty_matrix, analysis, classifier),
    )
    yield from _balance(analysis, classifier)
    yield from _acquired(analysis, classifier)
    for label, role in analysis.roles.items():
        if role == "learned":
            yield Drawing(
                f"training-{label}-{classifier}",
                f"Training of {style.pretty(label)}, {of}",
                "Loss per epoch: mean over trials at the first and the last step at which it was "
                "trained; bands from the lowest to the highest trial.",
                partial(overview_figures.training_loss, analysis, classifier, label),
                partial(alternatives.training_loss, analysis, classifier, label),
            )


def _balance(analysis: Analysis, classifier: str) -> Iterator[Drawing]:
    of = style.pretty(classifier)
    yield Drawing(
        f"class_balance-{classifier}",
        f"Rare classes among the acquired points, {of}",
        "Share of the rare classes among all points acquired so far; in a balanced setting that of "
        "the first class. Dotted: their share in the annotated set at the start, which has the "
        "ratio of the pool.",
        partial(curve_figures.class_balance, analysis, classifier),
        partial(alternatives.class_balance, analysis, classifier),
    )
    yield Drawing(
        f"balance-{classifier}",
        f"Balance of the annotated set, {of}",
        "Normalised entropy of the classes of the annotated set (1: all equally frequent), mean "
        f"over data splits. Dotted: {balance.BALANCED}, from where on the tables call it balanced.",
        partial(curve_figures.balance_curves, analysis, classifier),
        partial(alternatives.balance_curves, analysis, classifier),
    )


def _acquired(analysis: Analysis, classifier: str) -> Iterator[Drawing]:
    if (acquired.acquired_data(analysis)["classifier"] == classifier).any():
        yield Drawing(
            f"acquired_probabilities-{classifier}",
            f"Probabilities of the chosen points, {style.pretty(classifier)}",
            "Histograms of the probability of class 0 that the classifier gave the chosen points "
            "before it had their labels, over all steps and finished trials. Each is as high as "
            "its row; the number beside it is the density in its fullest bin (1: as if spread "
            "evenly). Dotted: 0.5.",
            partial(acquired_figure.acquired_histograms, analysis, classifier),
            partial(alternatives.acquired_histograms, analysis, classifier),
        )
