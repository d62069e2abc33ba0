"""Improvements by candidates whose labels are known in expectation only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.random import Generator
from pydantic import Field

from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import FloatArray, IntArray, LearningState, given

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

Count = Annotated[int, Field(ge=1)]
_NONE = np.empty(0, dtype=np.int64)


def first_of(ids: IntArray, size: int, rng: Generator) -> IntArray:
    """Ascending positions of ``size`` points, drawn by their (n,) ids; all if there are fewer.

    Random numbers are drawn in any case, so that what is drawn later does not depend on ``size``.
    """
    drawn = uniforms_by_id(rng, ids)
    if size >= len(ids):
        return np.arange(len(ids))
    return np.sort(np.argpartition(drawn, size)[:size])


def expected_improvements(
    state: LearningState,
    q: FloatArray,
    scorer: AnyScorer,
    candidates: IntArray,
    chosen: IntArray = _NONE,
    *,
    engine: str = "auto",
) -> FloatArray:
    """``Σ_c q(c|x) (V(A ∪ (x, c)) - V(A))`` for each candidate x.

    Args:
        state: with ``new_classifier``.
        q: (n_pool, C) probabilities of the labels.
        scorer: V; of a panel the mean of its scores counts.
        candidates: (k,) positions in the pool.
        chosen: positions that count as annotated, with every label weighed by its probability.
        engine: as of :func:`lalbench.oracle.improvements`.

    Returns:
        (k,) float64.

    Raises:
        UserError: the state cannot make a classifier.
    """
    from lalbench import oracle

    C = state.n_classes
    labels, known = np.tile(np.arange(C), len(candidates)), np.tile(np.arange(C), len(chosen))
    weights = None
    if len(chosen) or state.fit_weights is not None:
        by_class = np.ones(C) if state.fit_weights is None else state.fit_weights
        annotated = by_class[state.y_annotated]
        weights = np.concatenate([annotated, by_class[known] * q[chosen].ravel(), by_class[labels]])
    found = oracle.improvements(
        given(state.new_classifier, "new_classifier", "a refit")(),
        np.concatenate([state.X_annotated, np.repeat(state.X_pool[chosen], C, axis=0)]),
        np.concatenate([state.y_annotated, known]),
        np.repeat(state.X_pool[candidates], C, axis=0),
        labels,
        scorer,
        sample_weight=weights,
        engine=engine,
    )
    each = found.reshape(len(candidates), C, -1).mean(axis=2)
    return np.einsum("nc,nc->n", q[candidates], each)
