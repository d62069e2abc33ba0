"""Refits of two-class logistic regression: blocks for the compiled kernel, and what it leaves over.

The kernel (:mod:`lalbench.oracle.logistic_subsets`) refits subsets whose rows hold both classes.
What it does not bring to the optimum, and the refits that give a subset its second class, are
solved one by one in stacks of damped Newton steps (:mod:`lalbench.oracle.stacked_newton`); what
does not converge there either is an error. On a CUDA device all refits are solved in such stacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.compute import current
from lalbench.errors import NotConvergedError
from lalbench.oracle.place import Place
from lalbench.oracle.reference import blank_scores, constant_score
from lalbench.oracle.stacked_newton import Stack, minimise, start_at_prior

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_REFITS = 2000
"""Refits of one call of the kernel: enough to outweigh the call, few enough for the cache."""
_REDUCE = 0.8
"""The span of a subset's rows pays where it saves at least a fifth of the coordinates."""


@dataclass(frozen=True)
class Part:
    """Some candidates of one subset.

    Attributes:
        subset: its number.
        inside: (k,) its rows.
        outside: (m,) rows of the candidates.
    """

    subset: int
    inside: IntArray
    outside: IntArray


@dataclass(frozen=True)
class BinaryRefits:
    """Rows, evaluation points and objective, as all subsets share them.

    Attributes:
        X: (n, d) features.
        targets: (n,) -1.0 or +1.0.
        weights: (n,) sample weights.
        scorer: the objective.
        ridge: 1 / C.
        intercept: whether there is one.
        place: where they are refitted.
    """

    X: FloatArray
    targets: FloatArray
    weights: FloatArray
    scorer: AnyScorer
    ridge: float
    intercept: bool
    place: Place

    def score(self, masks: BoolArray) -> tuple[FloatArray, FloatArray]:
        """(S,) scores of subsets (S, n) and (S, n) of each with one more row, NaN inside."""
        base, after = blank_scores(self.scorer, masks)
        heavy = masks & (self.weights > 0)
        both = (heavy & (self.targets > 0)).any(axis=1) & (heavy & (self.targets < 0)).any(axis=1)
        for subset in np.flatnonzero(~both):
            base[subset], after[subset] = self._score_one_class(masks[subset])
        if not self.place.is_host:
            self._score_in_stacks(masks, np.flatnonzero(both), base, after)
            return base, after
        for parts in self._blocks(masks, np.flatnonzero(both)):
            scores = self._score_block(parts)
            for part, found in zip(parts, scores, strict=True):
                base[part.subset], after[part.subset, part.outside] = found[0], found[1:]
        return base, after

    def _score_in_stacks(
        self, masks: BoolArray, subsets: IntArray, base: FloatArray, after: FloatArray
    ) -> None:
        """Writes the scores of ``subsets`` and their candidates; equal sizes make a stack."""
        sizes = masks.sum(axis=1)
        for size in np.unique(sizes[subsets]).tolist():
            same = subsets[sizes[subsets] == size]
            inside = np.nonzero(masks[same])[1].reshape(len(same), size)
            for some in self._stacks(np.arange(len(same)), size):
                base[same[some]] = self._scores(self._solve(inside[some]))
            which, outside = np.nonzero(~masks[same])
            for some in self._stacks(np.arange(len(which)), size):
                joined = np.column_stack([inside[which[some]], outside[some]])
                after[same[which[some]], outside[some]] = self._scores(self._solve(joined))

    @cached_property
    def _size(self) -> int:
        return self.X.shape[1] + int(self.intercept)

    @cached_property
    def _evaluation(self) -> FloatArray:
        return np.ascontiguousarray(self._with_one(self.scorer.X).T)

    @cached_property
    def _all_points(self) -> Any:
        return self._points(np.arange(len(self.X)))

    def _points(self, rows: IntArray) -> Any:
        from lalbench.oracle.logistic_subsets import Points

        return Points(
            self._with_one(self.X[rows]),
            self.targets[rows],
            self.weights[rows],
            self._evaluation,
            self._penalty(self._size),
            self.ridge,
            self.intercept,
        )

    def _with_one(self, X: FloatArray) -> FloatArray:
        return np.column_stack([X, np.ones(len(X))]) if self.intercept else np.ascontiguousarray(X)

    def _penalty(self, size: int) -> FloatArray:
        penalty = np.full(size, self.ridge)
        if self.intercept:
            penalty[-1] = 0.0
        return penalty

    def _blocks(self, masks: BoolArray, subsets: IntArray) -> Iterator[list[Part]]:
        """Parts of subsets that fit into memory together."""
        copies = 4 if self.scorer.needs == "predictions" else 12
        per_refit = 8 * (copies * len(self.scorer.y) + 6 * self._size)
        room = max(1, min(_REFITS, current().memory // per_refit))
        together: list[Part] = []
        left = room
        for subset in subsets.tolist():
            inside, outside = np.flatnonzero(masks[subset]), np.flatnonzero(~masks[subset])
            for first in range(0, max(1, len(outside)), room):
                part = Part(subset, inside, outside[first : first + room])
                if together and len(part.outside) + 1 > left:
                    yield together
                    together, left = [], room
                together.append(part)
                left -= len(part.outside) + 1
        if together:
            yield together

    def _score_block(self, parts: list[Part]) -> list[FloatArray]:
        """Per part the scores of the subset (first) and of its candidates."""
        from lalbench.oracle.logistic_subsets import refit_subsets

        inside = np.concatenate([part.inside for part in parts])
        outside = np.concatenate([part.outside for part in parts])
        if len(self.X) <= _REFITS:
            points = self._all_points
        else:  # not the whole of a large pool at once
            rows = np.unique(np.append(inside, outside))
            points = self._points(rows)
            inside, outside = np.searchsorted(rows, inside), np.searchsorted(rows, outside)
        inside_ends = np.cumsum([0] + [len(part.inside) for part in parts])
        outside_ends = np.cumsum([0] + [len(part.outside) for part in parts])
        total = int(outside_ends[-1]) + len(parts)
        decisions = np.empty((total, len(self.scorer.y)))
        converged = np.empty(total, dtype=bool)
        refit_subsets(
            points,
            inside,
            inside_ends,
            outside,
            outside_ends,
            self.scorer.needs == "predictions",
            _REDUCE,
            decisions,
            converged,
        )
        ends = outside_ends[1:] + np.arange(1, len(parts) + 1)
        if not converged.all():
            for part, last in zip(parts, ends, strict=True):
                first = last - len(part.outside) - 1
                self._complete(part, decisions[first:last], converged[first:last])
        return np.split(self._scores(decisions), ends[:-1])

    def _complete(self, part: Part, decisions: FloatArray, converged: BoolArray) -> None:
        """Writes the decisions of the refits that the kernel did not bring to the optimum."""
        if not converged[0]:
            decisions[0] = self._solve(part.inside[None])[0]
        rest = np.flatnonzero(~converged[1:])
        for some in self._stacks(rest, len(part.inside)):
            joined = np.column_stack([np.tile(part.inside, (len(some), 1)), part.outside[some]])
            decisions[1 + some] = self._solve(joined)

    def _stacks(self, rows: IntArray, size: int) -> Iterator[IntArray]:
        """Parts of ``rows`` whose problems of ``size`` + 1 rows fit into memory."""
        each = 64 * (size + 1) * self._size + 16 * len(self.scorer.y)
        step = max(1, current().memory // each)
        for first in range(0, len(rows), step):
            yield rows[first : first + step]

    @cached_property
    def _there(self) -> tuple[Any, Any, Any, Any]:
        """Features, targets, weights and evaluation points where they are refitted."""
        arrays = (self.X, self.targets, self.weights, self.scorer.X)
        X, targets, weights, points = map(self.place.put, arrays)
        return X, targets, weights, points

    def _solve(self, which: IntArray) -> FloatArray:
        """(B, n_evaluation) decisions of the optima of (B, k) row numbers."""
        xp, (X, targets, weights, points) = self.place.xp, self._there
        numbers = self.place.put(which)
        features, basis = X[numbers] / 2, None
        if which.shape[1] < self.X.shape[1]:
            basis, coordinates = xp.linalg.qr(features.swapaxes(1, 2))
            features = coordinates.swapaxes(1, 2)
        d = features.shape[2]
        shape = (*which.shape, d + int(self.intercept))
        rows = xp.full(shape, 0.5, dtype=features.dtype, device=features.device)
        rows[:, :, :d] = features
        stack = Stack(rows, targets[numbers], weights[numbers], xp)
        start = start_at_prior(stack) if self.intercept else 0.0 * rows[:, 0]
        theta, converged = minimise(stack, self.place.put(self._penalty(shape[2])), start)
        if not converged.all():
            raise NotConvergedError(
                f"{int((~converged).sum())} of {len(stack)} logistic regressions did not converge; "
                "scale the features or lower C"
            )
        coefficients = theta[:, :d]
        if basis is not None:
            coefficients = (basis @ coefficients[:, :, None])[:, :, 0]
        found = coefficients @ points.T
        return self.place.get(found + theta[:, d:] if self.intercept else found)

    def _scores(self, decisions: FloatArray) -> FloatArray:
        found: FloatArray = self.scorer.score_decisions(decisions)
        return found

    def _score_one_class(self, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
        """As :meth:`score` for one subset whose rows of positive weight share a class."""
        inside = np.flatnonzero(mask)
        target = self.targets[inside[self.weights[inside] > 0][0]]
        base = constant_score(self.scorer, int(target > 0))
        after = blank_scores(self.scorer, mask[None])[1][0]
        after[~mask] = base
        others = np.flatnonzero(~mask & (self.targets != target) & (self.weights > 0))
        for part in self._stacks(others, len(inside)):
            joined = np.column_stack([np.tile(inside, (len(part), 1)), part])
            after[part] = self._scores(self._solve(joined))
        return base, after
