"""The exact engine for scikit-learn's ``SVC``: all refits of many subsets together.

Every refit predicts as the optimum of the dual problem that ``SVC`` approaches as its ``tol`` goes
to 0, with the γ, class weights and sample weights that it would have with the candidate added.
Squared distances (or inner products) are computed once, and every refit starts from the solution of
its subset (:mod:`lalbench.oracle.svm_refits`).

Where a decision of the optimum is 0 up to rounding, as by symmetry, the predictions of ``SVC``
depend on the order of its rows; those of this engine are as good as any.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.compute import current
from lalbench.errors import NotConvergedError
from lalbench.objectives import Panel, Scorer
from lalbench.oracle.place import Place, place_for
from lalbench.oracle.reference import blank_scores

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LabelArray = NDArray[np.int16] | NDArray[np.int64]
BoolArray = NDArray[np.bool_]

APPLIES_TO = (
    "it is for scikit-learn's SVC with a linear, poly or rbf kernel, and objectives of predictions "
    "or smooth ones"
)

_KERNELS = {"linear": 0, "poly": 1, "rbf": 2}  # as in svm_lanes


def applies(classifier: Any, scorer: AnyScorer) -> bool:
    """Whether this engine computes the predictions of ``classifier`` at its optimum.

    That is ``sklearn.svm.SVC`` itself, no subclass, for objectives of predictions and for smooth
    ones, whose probabilities are a sigmoid of the margins. ``tol`` does not matter: the engine's
    refits are at the optimum.
    """
    # without scikit-learn loaded it cannot be one of its classifiers
    theirs = sys.modules.get("sklearn.svm")
    if theirs is None or type(classifier) is not theirs.SVC:
        return False
    if scorer.needs != "predictions" and _slope(scorer) == 0:
        return False
    options = classifier.get_params()
    class_weight = options["class_weight"]
    # "balanced" is left to the reference: its classes have equal sums of bounds, so that where all
    # coefficients are at their bounds SVC's bias depends on the rounding of these sums
    if class_weight == "balanced" or any(not 0 < w < np.inf for w in (class_weight or {}).values()):
        return False
    return bool(
        options["kernel"] in _KERNELS
        and _is_valid(options["gamma"], options["degree"], options["coef0"])
        and not options["break_ties"]
        and options.get("probability") in (False, "deprecated", None)
        and options["max_iter"] == -1
        and 0 < options["C"] < np.inf
    )


def _slope(scorer: AnyScorer) -> float:
    """That of the sigmoid by which margins become probabilities, or 0.0 for none."""
    # SVC itself gives no probabilities for log loss and its like
    parts = scorer.scorers if isinstance(scorer, Panel) else (scorer,)
    if any(isinstance(each, Scorer) and each.needs == "probabilities" for each in parts):
        return 0.0
    return 0.0 if isinstance(scorer, Scorer) or scorer.needs == "predictions" else scorer.slope


def _is_valid(gamma: Any, degree: Any, coef0: Any) -> bool:
    """Whether ``SVC`` takes these options; where not, the reference engine shows its error."""
    if isinstance(gamma, str):
        fits = gamma in ("scale", "auto")
    else:
        fits = isinstance(gamma, Real) and 0 <= float(gamma) < np.inf
    return fits and isinstance(degree, Integral) and int(degree) >= 0 and bool(np.isfinite(coef0))


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
        classifier: one that :func:`applies`.
        X: (n, d) finite features.
        y: (n,) labels 0 … n_classes - 1.
        masks: (S, n) annotated rows of each subset; the others are its candidates.
        scorer: the objective.
        weights: (n,) sample weights, or None.

    Returns:
        (S,) scores of the subsets; (S, n) scores with the candidate added, NaN where ``masks``.

    Raises:
        NotConvergedError: an optimum was not reached.
    """
    place = place_for(len(masks) + int((~masks).sum()))
    engine = _Engine.prepare(classifier, scorer, X.shape[1], place)
    weights = np.ones(len(y)) if weights is None else weights
    base, after = blank_scores(scorer, masks)
    memory = current().memory
    if engine.fits(len(y), memory):
        rows = _Rows.prepare(engine, X, y, weights, len(y))
        # a call of the scorer costs more than a refit
        step = max(1, _SCORED_TOGETHER // (len(y) * len(scorer.y)))
        for first in range(0, len(masks), step):
            part = slice(first, first + step)
            base[part], after[part][~masks[part]] = engine.score(rows, masks[part])
        return base, after
    for subset, mask in enumerate(masks):
        inside, outside = np.flatnonzero(mask), np.flatnonzero(~mask)
        size = engine.block(len(inside), memory)
        for first in range(0, max(1, len(outside)), size):
            which = np.append(inside, outside[first : first + size])
            rows = _Rows.prepare(engine, X[which], y[which], weights[which], len(inside))
            annotated = np.arange(len(which)) < len(inside)
            base[subset : subset + 1], found = engine.score(rows, annotated[None])
            after[subset, which[~annotated]] = found
    return base, after


@dataclass(frozen=True)
class _Rows:
    """Rows and what they share with each other and the evaluation points.

    Attributes:
        X: (n, d) features.
        y: (n,) labels.
        bounds: (n,) C times the weights of the row and its class.
        between: (k, n) squared distances or inner products of the first k rows and all.
        itself: (n,) of each row and itself.
        toward: (n, m) of rows and evaluation points.
        beyond: (m,) of each evaluation point and itself.
        moments: (2, n) sums over a row of its features, from which ``center`` is subtracted, and of
            their squares.
    """

    X: FloatArray
    y: IntArray
    bounds: FloatArray
    between: FloatArray
    itself: FloatArray
    toward: FloatArray
    beyond: FloatArray
    moments: FloatArray

    @classmethod
    def prepare(
        cls, engine: _Engine, X: FloatArray, y: IntArray, weights: FloatArray, k: int
    ) -> _Rows:
        """Of rows whose first k contain all annotated ones."""
        center = X[:k].mean()
        moments = np.array([X.sum(axis=1) - X.shape[1] * center, np.square(X - center).sum(axis=1)])
        evaluation = engine.scorer.X
        if engine.options[0] == _KERNELS["rbf"]:
            middle = X[:k].mean(axis=0)  # smaller numbers, smaller rounding
            moved, evaluation = X - middle, evaluation - middle
            between = _squared_distances(moved[:k], moved)
            toward, itself = _squared_distances(moved, evaluation), np.zeros(len(X))
            beyond = np.zeros(len(evaluation))
        else:
            between, toward = X[:k] @ X.T, X @ evaluation.T
            itself = np.einsum("nd,nd->n", X, X)
            beyond = np.einsum("nd,nd->n", evaluation, evaluation)
        bounds = engine.C * weights * engine.class_weight[y]
        return cls(X, y, bounds, between, itself, toward, beyond, moments)

    def take(self, which: IntArray, k: int) -> _Rows:
        """Some of the rows, the first k of them annotated."""
        # an index in the second axis turns the layout round, and compiles all kernels for that
        between = self.between[which[:k]].take(which, axis=1)
        return _Rows(
            self.X[which], self.y[which], self.bounds[which], between, self.itself[which],
            self.toward[which], self.beyond, self.moments.take(which, axis=1),
        )  # fmt: skip


@dataclass(frozen=True)
class _Engine:
    """The classifier's options and the objective.

    Attributes:
        options: kernel number, coef0, degree, for the compiled code.
        C: penalty.
        gamma: number, or None for ``"scale"``.
        class_weight: (n_classes,) weights.
        scorer: the objective.
        slope: of the sigmoid for probabilities, 0.0 where predictions are enough.
        place: where machines are refitted.
    """

    options: tuple[int, float, int]
    C: float
    gamma: float | None
    class_weight: FloatArray
    scorer: AnyScorer
    slope: float
    place: Place

    @classmethod
    def prepare(cls, classifier: Any, scorer: AnyScorer, n_features: int, place: Place) -> _Engine:
        """Of a classifier that :func:`applies`."""
        given = classifier.get_params()
        options = (_KERNELS[given["kernel"]], float(given["coef0"]), int(given["degree"]))
        gamma = {"scale": None, "auto": 1 / n_features}.get(given["gamma"], given["gamma"])
        if options[0] == _KERNELS["linear"]:
            gamma = 1.0  # it does not matter: the same for all refits
        by_label = given["class_weight"] or {}
        class_weight = np.array([by_label.get(k, 1.0) for k in range(scorer.n_classes)])
        gamma = None if gamma is None else float(gamma)
        C, slope = float(given["C"]), _slope(scorer)
        return cls(options, C, gamma, class_weight, scorer, slope, place)

    def fits(self, n: int, memory: int) -> bool:
        """Whether all n rows may be prepared together."""
        d, m = self.scorer.X.shape[1], len(self.scorer.y)
        return 8 * n * (2 * n + 2 * m + 2 * d) + n * self._per_candidate(n) <= memory // 2

    def block(self, k: int, memory: int) -> int:
        """Number of candidates of a subset of k rows to prepare together."""
        d, m = self.scorer.X.shape[1], len(self.scorer.y)
        fixed = 8 * k * (20 * k + 10 * m + 4 * d)  # with kernels and tableaus at up to 8 nodes
        each = self._per_candidate(k) + 8 * (4 * d + 2 * k + 2 * m)
        return max(1, (memory // 2 - fixed) // each)

    def _per_candidate(self, k: int) -> int:
        """Bytes of coefficients, decisions, votes and predictions of one candidate."""
        m = len(self.scorer.y)
        soft = 16 if self.slope else 0
        return 8 * (8 * k + 3 * m) + (2 + soft) * self.scorer.n_classes * m

    def score(self, rows: _Rows, masks: BoolArray) -> tuple[FloatArray, FloatArray]:
        """(S,) scores of subsets, and (c,) with each row outside of each added.

        Raises:
            NotConvergedError: an optimum was not reached.
        """
        if self.slope:  # the compiled code on every device: the other knows predictions only
            own, found, own_soft, found_soft = self._refit(rows, masks)
            return self._score_soft(own_soft, own), self._score_soft(found_soft, found)
        if self.place.is_host:
            own, found = self._refit(rows, masks)[:2]
        else:
            parts = [self._refit_in_torch(rows, mask) for mask in masks]
            own = np.concatenate([own for own, _ in parts])
            found = np.concatenate([found for _, found in parts])
        score = self.scorer.score_decisions if self.scorer.n_classes == 2 else self.scorer.score
        return score(own), score(found)

    def _score_soft(self, soft: FloatArray, predictions: LabelArray) -> FloatArray:
        """Scores of (t, K, m) probabilities, or (t, 1, m) log-odds, and (t, m) predictions."""
        if self.scorer.n_classes == 2:
            odds = soft[:, 0]  # of class 0; a tie is for class 1, as the vote is
            return np.asarray(self.scorer.score_decisions(np.where(odds == 0, _TIE, -odds)))
        values = np.swapaxes(soft, 1, 2)
        found = (
            self.scorer.score(values, predictions)
            if isinstance(self.scorer, Panel)
            else self.scorer.score(values)
        )
        return np.asarray(found)

    def _refit(
        self, rows: _Rows, masks: BoolArray
    ) -> tuple[LabelArray, LabelArray, FloatArray, FloatArray]:
        """(S, m) predictions of subsets, and (c, m) with each other row of each added.

        And (S, K, m) and (c, K, m) probabilities, of two classes log-odds of class 0, where the
        engine has a slope.
        """
        from lalbench.oracle.svm_refits import refit_subsets

        own, found, own_soft, found_soft, failed = refit_subsets(
            self.options,
            (rows.between, rows.itself, rows.toward, rows.beyond),
            (rows.X, rows.moments),
            rows.y,
            rows.bounds,
            masks,
            -1.0 if self.gamma is None else self.gamma,
            self.scorer.n_classes,
            self.slope,
        )
        if failed:
            raise NotConvergedError(
                f"{failed} support vector machines did not converge; scale the "
                'features, lower C or take engine="reference"'
            )
        return own, found, own_soft, found_soft

    def _refit_in_torch(self, rows: _Rows, mask: BoolArray) -> tuple[LabelArray, LabelArray]:
        """The same of one subset, on the device; what it cannot solve is compiled."""
        from lalbench.oracle.stacked_svm import Subset, predict
        from lalbench.oracle.svm_refits import scaled_gammas

        inside, outside = np.flatnonzero(mask), np.flatnonzero(~mask)
        if self.gamma is None:
            gammas = scaled_gammas(rows.X, rows.moments, inside, outside)
        else:
            gammas = np.full(len(outside) + 1, self.gamma)
        subset = Subset(
            self.options, rows.between, rows.itself, rows.toward, rows.y, rows.bounds,
            inside[rows.bounds[inside] > 0], outside, gammas, self.scorer.n_classes,
        )  # fmt: skip
        found, known = predict(subset, self.place, current().memory)
        if not known.all():
            left = outside[~known[:-1]]
            which = np.append(inside, left)
            part = rows.take(which, len(inside))
            own, rest = self._refit(part, np.arange(len(which))[None] < len(inside))[:2]
            found[:-1][~known[:-1]] = rest
            found[-1:] = own
        return found[-1:], found[:-1]


_TIE = 5e-324
_SCORED_TOGETHER = 2**18
"""Predictions."""


def _squared_distances(A: FloatArray, B: FloatArray) -> FloatArray:
    """(a, b) squared distances between rows, up to the rounding of their squares."""
    found = -2 * (A @ B.T)
    found += np.einsum("ad,ad->a", A, A)[:, None]
    found += np.einsum("bd,bd->b", B, B)
    return np.maximum(found, 0.0, out=found)
