"""The reference engine: refits a clone of any classifier for every candidate."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers import clone
from lalbench.errors import UserError
from lalbench.oracle.processes import n_blocks, run_blocks

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BASE = -1
"""Stands for "no candidate" in a list of fits."""


def score_refits(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: AnyScorer,
    weights: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Scores of every annotated subset and of each of them with one more row.

    Args:
        classifier: cloned for every fit.
        X: (n, d) rows.
        y: (n,) labels.
        masks: (S, n) annotated rows of each subset; the others are its candidates.
        scorer: the objective.
        weights: (n,) sample weights, or None.

    Returns:
        (S,) scores of the subsets; (S, n) scores with the candidate added, NaN where ``masks``.

    Raises:
        UserError: weights for a classifier whose ``fit`` takes none, or a classifier that cannot be
            sent to other processes.
        LalbenchError: a process of the pool was killed.
        Exception: what the classifier raised, with its own message.
    """
    if weights is not None and "sample_weight" not in inspect.signature(classifier.fit).parameters:
        raise UserError(
            "sample_weight",
            f"{type(classifier).__name__}.fit takes no sample_weight",
            "use fit_weights: none or another classifier",
        )
    subsets, candidates = np.nonzero(~masks)
    everything = np.arange(len(masks))
    fits = np.column_stack(
        [np.append(everything, subsets), np.append(np.full(len(masks), _BASE), candidates)]
    )
    shared = (classifier, X, y, masks, scorer, weights)
    blocks = np.array_split(fits, n_blocks(len(fits)))
    what = f"refits of {type(classifier).__name__}"
    scores = np.concatenate(run_blocks(_score_fits, shared, blocks, what))
    base, after = blank_scores(scorer, masks)
    base[:], after[subsets, candidates] = scores[: len(masks)], scores[len(masks) :]
    return base, after


def blank_scores(scorer: AnyScorer, masks: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Room for the scores of (S, n) subsets and of each with one more row, these all NaN."""
    return np.empty((len(masks), *scorer.shape)), np.full((*masks.shape, *scorer.shape), np.nan)


def constant_score(scorer: AnyScorer, label: int) -> FloatArray:
    """The score of the classifier that always predicts ``label``, with certainty."""
    if scorer.needs == "predictions":
        return np.asarray(scorer.score(np.full(len(scorer.y), label, dtype=np.int64)))
    certain = np.zeros((len(scorer.y), scorer.n_classes))
    certain[:, label] = 1.0
    return np.asarray(scorer.score(certain))


def only_class(y: IntArray, weights: FloatArray | None) -> int | None:
    """The label that all rows of positive weight have; None where they have several."""
    heavy = y if weights is None else y[weights > 0]
    return int(heavy[0]) if heavy.size and (heavy == heavy[0]).all() else None


def _score_fits(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: AnyScorer,
    weights: FloatArray | None,
    fits: IntArray,
) -> FloatArray:
    """(n_fits,) scores; ``fits`` holds pairs (subset, candidate or _BASE)."""
    found = np.empty((len(fits), *scorer.shape))
    for position, (subset, candidate) in enumerate(fits):
        rows = np.flatnonzero(masks[subset])
        if candidate != _BASE:
            rows = np.append(rows, candidate)
        found[position] = _score_fit(
            classifier, X[rows], y[rows], scorer, None if weights is None else weights[rows]
        )
    return found


def _score_fit(
    classifier: Any, X: FloatArray, y: IntArray, scorer: AnyScorer, weights: FloatArray | None
) -> Any:
    label = only_class(y, weights)
    if label is not None:
        return constant_score(scorer, label)
    if weights is None:
        return scorer(clone(classifier).fit(X, y))
    return scorer(clone(classifier).fit(X, y, sample_weight=weights))
