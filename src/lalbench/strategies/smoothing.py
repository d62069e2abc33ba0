"""The smooth companion of the objective, for strategies that refit the classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lalbench.strategies.base import FloatArray, given

if TYPE_CHECKING:
    from lalbench.objectives import SmoothScorer
    from lalbench.strategies.base import LearningState


_ROUNDING = 1e-13
"""Differences of objectives, which are of the order of one, that say nothing."""


def smooth_scorer(
    state: LearningState,
    X: ArrayLike,
    labels: ArrayLike,
    *,
    sharpness: float = 1.0,
    slope: float | None = None,
) -> SmoothScorer:
    """The companion of the objective of a state.

    Args:
        state: with the objective, its class weights and the classifier.
        X: (n, d) evaluation points.
        labels: (n,) labels or (n, C) probabilities.
        sharpness: as of :class:`lalbench.objectives.SmoothScorer`.
        slope: likewise; :func:`slope_of` if absent.

    Raises:
        UserError: the state has no objective, or one without a companion.
    """
    from lalbench.objectives import SmoothScorer

    return SmoothScorer(
        X,
        labels,
        state.class_weights,
        given(state.objective, "objective", "a smooth objective"),
        sharpness=sharpness,
        slope=slope_of(state) if slope is None else slope,
    )


def slope_of(state: LearningState) -> float:
    """The slope of the sigmoid for margins, fitted to the annotated set; 1.0 where none is needed.

    Raises:
        UserError: the state cannot make a classifier, and the one it has gives no probabilities.
    """
    if hasattr(state.classifier, "predict_proba"):
        return 1.0
    from lalbench.classifiers.margins import fit_slope

    order = np.argsort(state.annotated_ids, kind="stable")  # the folds follow the ids
    return fit_slope(
        given(state.new_classifier, "new_classifier", "a sigmoid of margins")(),
        state.X_annotated[order],
        state.y_annotated[order],
        state.fit_weights,
    )


def own_probabilities(state: LearningState, slope: float) -> FloatArray:
    """(n_pool, C) what the classifier itself expects; margins go through the sigmoid of a slope.

    ``state.probabilities`` of a classifier without any are not calibrated.

    Raises:
        UserError: the state lacks a classifier that can say it.
    """
    if state.classifier is None or hasattr(state.classifier, "predict_proba"):
        return state.probabilities
    from lalbench.classifiers.margins import soft_probabilities

    return soft_probabilities(state.classifier, state.X_pool, state.n_classes, slope)


def consensus(gains: FloatArray) -> FloatArray:
    """Improvements of several objectives as one score: the mean of what each says, standardised.

    A smooth objective tells candidates apart that the objective itself does not, and misleads where
    the classifier cannot represent the boundary: then it can rise while the objective falls. Their
    mean has the signal of the first and the veto of the second.

    Args:
        gains: (k, S) expected improvements of k candidates. A column without differences, or with
            those of rounding only, says nothing.

    Returns:
        (k,) float64, in standard deviations over the candidates.
    """
    centred = gains - gains.mean(axis=0)
    spread = centred.std(axis=0)
    told = spread > np.maximum(_ROUNDING, _ROUNDING * spread.max(initial=0.0))
    scores: FloatArray = (centred / np.where(told, spread, np.inf)).mean(axis=1)
    return scores
