"""The exact engine for two-class logistic regression: all refits of many subsets together.

Every refit is the optimum of ``Σ s_i log(1 + exp(-t_i (w·x_i + b))) + ‖w‖² / (2C)``, to a norm of
the gradient of 1e-9. The subset itself is solved by damped Newton steps; its factorised Hessian
then serves all of its candidates (:mod:`lalbench.oracle.secant`). What has not converged after some
of those cheap steps is solved by damped Newton steps of its own, and what still has not converged
is an error.

Where a subset has fewer rows than features, its problem is solved in an orthonormal basis of its
rows, with one more direction for the candidate: the penalty makes optima combinations of rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lalbench.classifiers.logistic import LogisticRegression
from lalbench.classifiers.newton import NotConvergedError
from lalbench.compute import current
from lalbench.oracle.reference import constant_score
from lalbench.oracle.secant import refine
from lalbench.oracle.stacked_newton import (
    BoolArray,
    FloatArray,
    IntArray,
    Stack,
    hessian,
    minimise,
    start_at_prior,
)

if TYPE_CHECKING:
    from lalbench.objectives import Scorer

_CHEAP_STEPS = 24
_CANDIDATES = 2000
"""Refits solved together: enough to outweigh the interpreter, few enough for the cache."""


APPLIES_TO = "it is for L2-penalised logistic regression with an intercept and two classes"


def applies(classifier: Any, scorer: Scorer) -> bool:
    """Whether the optimum of ``classifier`` is the one that this engine computes.

    That is the one of ``C · Σ s_i logloss_i + ‖w‖² / 2`` with a free intercept: our logistic
    regression with any solver (the oracle uses the optimum also where the classifier stops earlier,
    docs/protocols.md [12]), and scikit-learn's with its default penalty and no class weights.
    """
    return scorer.n_classes == 2 and _is_logistic(classifier)


def _is_logistic(classifier: Any) -> bool:
    if type(classifier) is LogisticRegression:
        return True
    # without scikit-learn loaded it cannot be one of its classifiers
    theirs = sys.modules.get("sklearn.linear_model")
    if theirs is None or type(classifier) is not theirs.LogisticRegression:
        return False
    options = classifier.get_params()
    return bool(
        options.get("penalty", "l2") in ("l2", "deprecated")
        and options.get("l1_ratio") in (None, 0, 0.0)
        and options["solver"] != "liblinear"  # it penalises the intercept
        and options["fit_intercept"]
        and options["class_weight"] is None
        and not options["dual"]
        and 0 < options["C"] < np.inf
    )


def score_refits(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: Scorer,
    weights: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Scores of every annotated subset and of each of them with one more row.

    Args:
        classifier: one that :func:`applies`.
        X: (n, d) finite features.
        y: (n,) labels 0 or 1.
        masks: (S, n) annotated rows of each subset; the others are its candidates.
        scorer: the objective.
        weights: (n,) sample weights, or None.

    Returns:
        (S,) scores of the subsets; (S, n) scores with the candidate added, NaN where ``masks``.

    Raises:
        NotConvergedError: an optimum was not reached.
    """
    memory = current().memory
    engine = _Engine.prepare(float(classifier.C), X, y, scorer, weights)
    heavy = masks & (engine.weights > 0)
    both = (heavy & (y == 1)).any(axis=1) & (heavy & (y == 0)).any(axis=1)
    base, after = np.empty(len(masks)), np.full(masks.shape, np.nan)
    for subset in np.flatnonzero(~both):
        base[subset], after[subset] = engine.score_one_class(masks[subset], memory)
    sizes = masks.sum(axis=1)
    for size in np.unique(sizes[both]):
        group = np.flatnonzero(both & (sizes == size))
        for block in engine.blocks(group, int(size), memory):
            inside = np.nonzero(masks[block])[1].reshape(len(block), -1)
            outside = np.nonzero(~masks[block])[1].reshape(len(block), -1)
            base[block], scores = engine.score_block(inside, outside, int(size), memory)
            after[block[:, None], outside] = scores
    return base, after


@dataclass(frozen=True)
class _Engine:
    """Rows, evaluation points and objective, as all subsets share them.

    Attributes:
        rows: (n, D) halved features with a last column of ½.
        targets: (n,) -1 or +1.
        weights: (n,) sample weights.
        evaluation: (D, n_evaluation) halved evaluation points with a last row of ½.
        scorer: the objective.
        ridge: 1 / C.
    """

    rows: FloatArray
    targets: FloatArray
    weights: FloatArray
    evaluation: FloatArray
    scorer: Scorer
    ridge: float

    @classmethod
    def prepare(
        cls, C: float, X: FloatArray, y: IntArray, scorer: Scorer, weights: FloatArray | None
    ) -> _Engine:
        evaluation = scorer.X
        if X.shape[1] > len(X):
            basis, coordinates = np.linalg.qr(X.T)
            X, evaluation = coordinates.T, evaluation @ basis
        return cls(
            rows=_halved(X),
            targets=np.where(y == 1, 1.0, -1.0),
            weights=np.ones(len(y)) if weights is None else weights,
            evaluation=np.ascontiguousarray(_halved(evaluation).T),
            scorer=scorer,
            ridge=1 / C,
        )

    def blocks(self, group: IntArray, size: int, memory: int) -> Iterator[IntArray]:
        """Subsets of the same size, as many as are worth solving together."""
        n_candidates = max(1, len(self.rows) - size)
        per_subset = 4 * size * min(self.rows.shape[1], size + 2)
        together = min(_CANDIDATES // n_candidates, memory // (8 * per_subset))
        together = max(1, together)
        for first in range(0, len(group), together):
            yield group[first : first + together]

    def score_block(
        self, inside: IntArray, outside: IntArray, size: int, memory: int
    ) -> tuple[FloatArray, FloatArray]:
        """Scores of E subsets (E,) and of their candidates (E, m), from row numbers."""
        base = _Base.solve(self, inside)
        scores = np.empty(outside.shape)
        width = 16 * self.rows.shape[1] + 2 * size + self.evaluation.shape[1]
        columns = min(max(1, _CANDIDATES // len(inside)), memory // (8 * width * len(inside)))
        columns = max(1, columns)
        for first in range(0, outside.shape[1], columns):
            part = outside[:, first : first + columns]
            theta = base.refit(self, part, memory)
            scores[:, first : first + columns] = self.score(theta.reshape(part.size, -1)).reshape(
                part.shape
            )
        return self.score(base.full()), scores

    def score(self, theta: FloatArray) -> FloatArray:
        """(B,) scores of (B, D) parameters."""
        decisions = theta @ self.evaluation
        if self.scorer.needs == "predictions":
            scores: FloatArray = self.scorer.score_decisions(decisions)
            return scores
        # rows are halved; 1 - p would lose the digits of a small p
        found: FloatArray = self.scorer.score(
            np.stack([expit(-2 * decisions), expit(2 * decisions)], axis=2)
        )
        return found

    def score_one_class(self, mask: BoolArray, memory: int) -> tuple[float, FloatArray]:
        """As :func:`score_refits` for one subset whose rows of positive weight share a class."""
        inside = np.flatnonzero(mask)
        heavy = inside[self.weights[inside] > 0]
        after = np.full(len(mask), np.nan)
        target = self.targets[heavy[0]]
        base = constant_score(self.scorer, int(target > 0))
        after[~mask] = base
        others = np.flatnonzero(~mask & (self.targets != target) & (self.weights > 0))
        step = max(1, memory // (32 * (len(inside) + 1) * self.rows.shape[1]))
        for first in range(0, len(others), step):
            part = others[first : first + step]
            joined = np.column_stack([np.tile(inside, (len(part), 1)), part])
            stack = self.stack(joined)
            theta = _solve(stack, self.penalty(self.rows.shape[1]), start_at_prior(stack))
            after[part] = self.score(theta)
        return base, after

    def stack(self, which: IntArray) -> Stack:
        """The rows at (B, n) row numbers."""
        return Stack(self.rows[which], self.targets[which], self.weights[which])

    def penalty(self, size: int) -> FloatArray:
        """(size,) ridge with a free last coordinate."""
        return np.append(np.full(size - 1, self.ridge), 0.0)


@dataclass(frozen=True)
class _Base:
    """E solved subsets of the same size, in a basis of their rows where that is smaller.

    Attributes:
        stack: their rows in these coordinates.
        theta: (E, D') optima.
        inverse: (E, D', D') inverse Hessians there.
        tolerance: (E,) norms of the gradient at which the subsets converged.
        basis: (E, D - 1, k) orthonormal basis of the features, or None for the features themselves.
    """

    stack: Stack
    theta: FloatArray
    inverse: NDArray[Any]
    tolerance: FloatArray
    basis: FloatArray | None

    @classmethod
    def solve(cls, engine: _Engine, inside: IntArray) -> _Base:
        """Solves the subsets at (E, k) row numbers."""
        stack, basis = engine.stack(inside), None
        n, size = inside.shape[1], engine.rows.shape[1]
        if n + 2 <= _REDUCE * size:
            basis, coordinates = np.linalg.qr(stack.rows[:, :, :-1].transpose(0, 2, 1))
            rows = np.zeros((len(stack), n, n + 2))
            rows[:, :, :n] = coordinates.transpose(0, 2, 1)
            rows[:, :, -1] = 0.5
            stack = Stack(rows, stack.targets, stack.weights)
        penalty = engine.penalty(stack.rows.shape[2])
        theta = _solve(stack, penalty, start_at_prior(stack))
        curved = hessian(stack, penalty, np.tanh(stack.decisions(theta)))
        return cls(stack, theta, np.linalg.inv(curved), stack.tolerance(), basis)

    def refit(self, engine: _Engine, outside: IntArray, memory: int) -> FloatArray:
        """(E, m, D) optima with each row of ``outside`` (E, m) added."""
        own = engine.stack(outside)
        if self.basis is None:
            return self._optima(engine, own, memory)
        features = own.rows[:, :, :-1]
        inner = features @ self.basis
        outer = features - inner @ self.basis.transpose(0, 2, 1)
        length = np.sqrt(np.einsum("emd,emd->em", outer, outer))
        rows = np.concatenate([inner, length[:, :, None], own.rows[:, :, -1:]], axis=2)
        theta = self._optima(engine, Stack(rows, own.targets, own.weights), memory)
        direction = outer / np.where(length > 0, length, 1.0)[:, :, None]
        return np.concatenate(
            [self._spread(theta[:, :, :-2]) + theta[:, :, -2:-1] * direction, theta[:, :, -1:]],
            axis=2,
        )

    def full(self) -> FloatArray:
        """(E, D) optima of the subsets in the features."""
        if self.basis is None:
            return self.theta
        features = self._spread(self.theta[:, None, :-2])[:, 0]
        return np.column_stack([features, self.theta[:, -1]])

    def _spread(self, coordinates: FloatArray) -> FloatArray:
        assert self.basis is not None
        found: FloatArray = coordinates @ self.basis.transpose(0, 2, 1)
        return found

    def _optima(self, engine: _Engine, own: Stack, memory: int) -> FloatArray:
        penalty = engine.penalty(own.rows.shape[2])
        tolerance = np.maximum(self.tolerance[:, None], own.rounding())
        theta, converged = refine(
            self.stack, own, self.theta, self.inverse, penalty, tolerance, _CHEAP_STEPS
        )
        problems, columns = np.nonzero(~converged)
        step = max(1, memory // (32 * self.stack.rows[0].size))
        for first in range(0, len(problems), step):
            e, j = problems[first : first + step], columns[first : first + step]
            shared = self.stack.take(e)
            joined = Stack(
                np.concatenate([shared.rows, own.rows[e, j][:, None]], axis=1),
                np.column_stack([shared.targets, own.targets[e, j]]),
                np.column_stack([shared.weights, own.weights[e, j]]),
            )
            theta[e, j] = _solve(joined, penalty, theta[e, j])
        return theta


_REDUCE = 0.8
"""A basis pays where it saves at least a fifth of the coordinates."""


def _solve(stack: Stack, penalty: FloatArray, start: FloatArray) -> FloatArray:
    theta, converged = minimise(stack, penalty, start)
    if not converged.all():
        raise NotConvergedError(
            f"{int((~converged).sum())} of {len(stack)} logistic regressions did not converge; "
            "scale the features or lower C"
        )
    return theta


def _halved(X: FloatArray) -> FloatArray:
    return np.column_stack([X, np.ones(len(X))]) / 2
