"""Refits of logistic regression with any number of classes.

A refit has the classes that its rows of positive weight show; a subset and its candidates of these
classes share a factorisation (:mod:`lalbench.oracle.softmax_refine`). Candidates of a class that
the subset has not are no small change to it, but they are to the subset with one of them: that one
is fitted for itself (:mod:`lalbench.classifiers.newton`), and the others share its factorisation.
What does not converge in what it shares is fitted for itself, too. Of two
classes the model is scikit-learn's binary one, which is the softmax with twice the penalty:
with W₁ = -W₀ = w / 2 the squares of W sum to half the square of w. On a CUDA device only the refits
that share a factorisation are computed, which are nearly all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers.newton import fit_multinomial
from lalbench.compute import current
from lalbench.oracle.place import Place
from lalbench.oracle.reference import blank_scores, constant_score
from lalbench.oracle.softmax_refine import Base, refine, softmax

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_EPSILON = float(np.finfo(np.float64).eps)
_TOLERANCE = 1e-9
_STEPS = 60
_COLUMNS = 200
"""Candidates refined together on the CPU: enough to outweigh the interpreter, few enough for the
cache."""
_REDUCE = 0.8
"""The span of a subset's rows pays where it saves at least a fifth of the coordinates."""


@dataclass(frozen=True)
class MultinomialRefits:
    """Rows, evaluation points and objective, as all subsets share them.

    Attributes:
        X: (n, d) features.
        y: (n,) labels.
        weights: (n,) sample weights.
        scorer: the objective.
        C: inverse strength of the penalty.
        place: where they are refitted.
    """

    X: FloatArray
    y: IntArray
    weights: FloatArray
    scorer: AnyScorer
    C: float
    place: Place

    def score(self, masks: BoolArray) -> tuple[FloatArray, FloatArray]:
        """(S,) scores of subsets (S, n) and (S, n) of each with one more row, NaN inside."""
        base, after = blank_scores(self.scorer, masks)
        for subset, mask in enumerate(masks):
            inside, outside = np.flatnonzero(mask), np.flatnonzero(~mask)
            classes = np.unique(self.y[inside[self.weights[inside] > 0]])
            known = np.isin(self.y[outside], classes) | (self.weights[outside] == 0)
            if len(classes) == 1:
                base[subset] = constant_score(self.scorer, int(classes[0]))
                after[subset, outside[known]] = base[subset]
            else:
                base[subset], after[subset, outside[known]] = self._score_known(
                    inside, outside[known], classes
                )
            new = outside[~known]
            for label in np.unique(self.y[new]):
                which = new[self.y[new] == label]
                every = np.sort(np.append(classes, label))
                after[subset, which] = self._score_new(inside, which, every)
        return base, after

    def _score_known(
        self, inside: IntArray, outside: IntArray, classes: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Scores of a subset of two or more classes and of candidates that bring no other."""
        W, b = self._fit(inside, classes)
        base = self._scores((self.scorer.X @ W.T + b)[None], classes)[0]
        found = np.empty((len(outside), *self.scorer.shape))
        room = _Room.of(self, len(inside), len(classes))
        if not room.fits:
            for k, row in enumerate(outside.tolist()):
                found[k] = self._score_alone(np.append(inside, row), classes)
            return base, found
        subset = _Subset.prepare(self, inside, classes, W, b)
        self._decide(subset, room.columns, inside, outside, found)
        return base, found

    def _score_new(self, inside: IntArray, outside: IntArray, classes: IntArray) -> FloatArray:
        """Scores of a subset with candidates of one class that it has not."""
        first = np.append(inside, outside[0])
        W, b = self._fit(first, classes)
        found = np.empty((len(outside), *self.scorer.shape))
        found[0] = self._scores((self.scorer.X @ W.T + b)[None], classes)[0]
        room = _Room.of(self, len(first), len(classes))
        if room.fits and len(outside) > 1:
            subset = _Subset.prepare(self, first, classes, W, b).without_last()
            self._decide(subset, room.columns, inside, outside[1:], found[1:])
        else:
            for k, row in enumerate(outside[1:].tolist()):
                found[k + 1] = self._score_alone(np.append(inside, row), classes)
        return found

    def _decide(
        self, subset: _Subset, n: int, inside: IntArray, outside: IntArray, out: FloatArray
    ) -> None:
        """Writes the scores of candidates to ``out``, n at a time."""
        for first in range(0, len(outside), n):
            part = outside[first : first + n]
            scores, converged = subset.decide(self, part)
            values = self._scores(scores, subset.classes)
            for k in np.flatnonzero(~converged).tolist():
                values[k] = self._score_alone(np.append(inside, part[k]), subset.classes)
            out[first : first + n] = values

    def _fit(self, rows: IntArray, classes: IntArray) -> tuple[FloatArray, FloatArray]:
        """W (K, d), b (K,) at the optimum."""
        rows = rows[np.isin(self.y[rows], classes)]  # a class of weight 0 does not count
        codes, C = np.searchsorted(classes, self.y[rows]), self.strength(len(classes))
        W, b, _ = fit_multinomial(self.X[rows], codes, self.weights[rows], len(classes), C)
        return W, b

    def strength(self, n_classes: int) -> float:
        """C of the softmax."""
        return self.C / 2 if n_classes == 2 else self.C

    def _score_alone(self, rows: IntArray, classes: IntArray) -> Any:
        order = np.sort(classes)
        W, b = self._fit(rows, order)
        return self._scores((self.scorer.X @ W.T + b)[None], order)[0]

    def _scores(self, decisions: FloatArray, classes: IntArray) -> FloatArray:
        """(m,) scores of (m, n_evaluation, K) decisions."""
        found: FloatArray
        if self.scorer.needs == "predictions":
            found = self.scorer.score(classes[decisions.argmax(axis=2)])
            return found
        everything = np.zeros((*decisions.shape[:2], self.scorer.n_classes))
        everything[:, :, classes] = softmax(decisions, 2)
        found = self.scorer.score(everything)
        return found


@dataclass(frozen=True)
class _Room:
    """Whether a factorisation fits into memory, and candidates that do beside it."""

    fits: bool
    columns: int

    @classmethod
    def of(cls, refits: MultinomialRefits, n_rows: int, n_classes: int) -> _Room:
        size = min(refits.X.shape[1] + 1, n_rows + 2)
        factor = 3 * 8 * (size * n_classes) ** 2
        points = len(refits.scorer.y) * (3 * n_classes + 2)
        each = 8 * (n_classes * (3 * n_rows + size * (10 + n_classes)) + refits.X.shape[1] + points)
        memory = current().memory
        columns = (memory - min(factor, memory)) // each
        if refits.place.is_host:
            columns = min(_COLUMNS, columns)
        return cls(factor <= memory, max(1, columns))


@dataclass(frozen=True)
class _Subset:
    """A solved subset, in a basis of its rows where that is smaller.

    Attributes:
        base: the problem in its coordinates, where it is refitted.
        classes: (K,) its classes.
        basis: (d, r) orthonormal basis of its rows, or None for the features themselves. There is
            one more coordinate then, for the part of a candidate outside.
    """

    base: Base
    classes: IntArray
    basis: FloatArray | None

    @classmethod
    def prepare(
        cls, refits: MultinomialRefits, inside: IntArray, classes: IntArray, W: FloatArray,
        b: FloatArray,
    ) -> _Subset:  # fmt: skip
        """From the optimum W (K, d), b (K,)."""
        features, basis = refits.X[inside], None
        if len(inside) + 2 <= _REDUCE * (features.shape[1] + 1):
            basis = np.linalg.qr(features.T)[0]
            nothing = np.zeros((len(inside), 1))
            features = np.column_stack([features @ basis, nothing])
            W = np.column_stack([W @ basis, np.zeros(len(W))])
        rows = np.column_stack([features, np.ones(len(inside))])
        penalty = np.full(rows.shape[1], 1 / refits.strength(len(classes)))
        penalty[-1] = 0.0
        labels = (refits.y[inside, None] == classes)[:, :, None].astype(np.float64)
        arrays = rows, labels, refits.weights[inside], np.vstack([W.T, b]), penalty
        xp, (rows, labels, weights, theta, penalty) = refits.place.xp, map(refits.place.put, arrays)
        hessian = _hessian(rows, weights, softmax(rows @ theta, 1, xp), penalty, xp)
        base = Base(rows, labels, weights, theta, xp.linalg.inv(hessian), penalty)
        return cls(base, classes, basis)

    def without_last(self) -> _Subset:
        """For refits without the last row, whose optima and curvature are near nevertheless."""
        weights = self.base.weights + 0.0
        weights[-1] = 0.0
        return replace(self, base=replace(self.base, weights=weights))

    def decide(self, refits: MultinomialRefits, outside: IntArray) -> tuple[FloatArray, BoolArray]:
        """(m, n_evaluation, K) decisions with each row added, and which converged (m,)."""
        features, points = refits.X[outside], refits.scorer.X
        along = np.zeros(0)
        if self.basis is not None:
            inner = features @ self.basis
            outer = features - inner @ self.basis.T
            length = np.sqrt(np.einsum("md,md->m", outer, outer))
            along = points @ (outer / np.where(length > 0, length, 1.0)[:, None]).T
            features, points = np.column_stack([inner, length]), points @ self.basis
        x = np.column_stack([features, np.ones(len(outside))]).T.copy()
        y = (refits.y[outside] == self.classes[:, None]).astype(np.float64)
        place, d = refits.place, points.shape[1]
        arrays = x, y, refits.weights[outside], points, along
        x, y, s, points, along = map(place.put, arrays)
        theta, converged = refine(
            self.base, x, y, s, self._tolerance(x, s, place.xp), _STEPS, place.xp
        )
        flat = points @ theta[:d].reshape(d, -1)
        scores = flat.reshape(len(points), *theta.shape[1:]) + theta[-1]
        if self.basis is not None:
            scores += along[:, None, :] * theta[d]
        decisions = place.get(scores).transpose(2, 0, 1)
        return np.ascontiguousarray(decisions), place.get(converged)

    def _tolerance(self, x: Any, s: Any, xp: Any) -> Any:
        """(m,) norms of the gradient, as :meth:`stacked_newton.Stack.tolerance` has them."""
        rows, weights = self.base.rows, self.base.weights
        wanted = _TOLERANCE * ((weights.sum() + s) / (len(weights) + 1)).clip(max=1.0)
        lengths, own = xp.sqrt((rows * rows).sum(axis=1)), xp.sqrt((x * x).sum(axis=0))
        return xp.maximum(wanted, 16 * _EPSILON * (weights @ lengths + s * own))


def _hessian(rows: Any, weights: Any, p: Any, penalty: Any, xp: Any) -> Any:
    """(D K, D K) second derivatives.

    A common change of all classes leaves the loss as it is, and nothing holds the intercepts along
    it. Gradients have no part along it, and curvature added there leaves the steps as they are.
    """
    size, n_classes = rows.shape[1], p.shape[1]
    shape = (size, n_classes, size, n_classes)
    found = xp.zeros(shape, dtype=rows.dtype, device=rows.device)
    for k in range(n_classes):
        for j in range(n_classes):
            curvature = weights * p[:, k] * (float(k == j) - p[:, j])
            found[:, k, :, j] = (rows.T * curvature) @ rows
    everyone = xp.arange(size, device=rows.device)
    for k in range(n_classes):
        found[everyone, k, everyone, k] += penalty
    found[everyone, :, everyone, :] += (weights @ rows**2 / n_classes)[:, None, None]
    return found.reshape(size * n_classes, size * n_classes)
