"""A forest as plain arrays, and what its trees say of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError
from lalbench.forests import moments, voting
from lalbench.stored import take

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Forest:
    """B trees, one after the other; a row goes left where its feature is at most the threshold.

    Attributes:
        feature: (n_nodes,) int32 feature that a node compares; -1 in leaves.
        threshold: (n_nodes,) float64; features are compared in single precision.
        children: (n_nodes, 2) int32 left and right child, counted from the tree's own first node.
        values: (n_nodes, K) finite float64, what a leaf says: shares of K classes, or one number.
        starts: (B + 1,) int64 first node of every tree, and the number of nodes.
        n_features: d.
    """

    feature: NDArray[np.int32]
    threshold: FloatArray
    children: NDArray[np.int32]
    values: FloatArray
    starts: IntArray
    n_features: int

    @classmethod
    def from_sklearn(cls, fitted: Any) -> Forest:
        """The trees of a fitted forest of scikit-learn, of one output."""
        trees = [estimator.tree_ for estimator in fitted.estimators_]
        if trees[0].n_outputs != 1:
            raise UserError("classifier", "a forest of several outputs", "fit one per output")
        values = np.concatenate([tree.value[:, 0, :] for tree in trees])
        children = [np.stack([tree.children_left, tree.children_right], axis=1) for tree in trees]
        feature = np.concatenate([tree.feature for tree in trees]).astype(np.int32)
        return cls(
            np.where(feature < 0, np.int32(-1), feature),
            np.concatenate([tree.threshold for tree in trees]).astype(np.float64),
            np.concatenate(children).astype(np.int32),
            np.ascontiguousarray(values, dtype=np.float64),
            np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])]).astype(np.int64),
            int(fitted.n_features_in_),
        )

    @property
    def n_trees(self) -> int:
        """B."""
        return len(self.starts) - 1

    def mean(self, X: ArrayLike) -> FloatArray:
        """(n, K) mean over the trees of what they say of (n, d) rows, added in their order."""
        rows = self._rows(X)
        found = np.zeros((len(rows), self.values.shape[1]))
        voting.mean(rows, *self._tables(), found)
        return found

    def mean_and_deviation(self, X: ArrayLike, column: int) -> tuple[FloatArray, FloatArray]:
        """(n,) mean and (n,) standard deviation (ddof 0) over the trees of one column of values.

        Points of which equally many trees say 1, and all others 0, have equal moments to the bit.

        Raises:
            UserError: rows of another width, or more trees than votes can be counted.
        """
        found = moments.mean_and_deviation(self._rows(X), self._tables(), self.depths(), column)
        return found[0], found[1]

    def sum_where(self, X: ArrayLike, trusted: NDArray[np.bool_]) -> FloatArray:
        """(n, K) sum of what those trees say of (n, d) rows that (B, n) ``trusted`` names."""
        rows = self._rows(X)
        found = np.zeros((len(rows), self.values.shape[1]))
        voting.sum_where(rows, trusted, *self._tables(), found)
        return found

    def depths(self) -> IntArray:
        """(B,) number of splits on the longest way from a root to a leaf."""
        found = np.empty(self.n_trees, dtype=np.int64)
        voting.depths(self.feature, self.children, self.starts, found)
        return found

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays without object types, for :meth:`from_arrays`."""
        return {entry.name: np.asarray(getattr(self, entry.name)) for entry in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Forest:
        """The inverse of :meth:`to_arrays`.

        Raises:
            KeyError: a missing array.
            ValueError: arrays that are no forest, through which a walk would not end or leave them.
        """
        found = cls(
            take(arrays, "feature", np.int32, None),
            take(arrays, "threshold", np.float64, None),
            take(arrays, "children", np.int32, None, 2),
            take(arrays, "values", np.float64, None, None),
            take(arrays, "starts", np.int64, None),
            int(take(arrays, "n_features", np.int64)),
        )
        found._check()
        return found

    def _check(self) -> None:
        n = len(self.feature)
        starts = self.starts
        if {len(self.threshold), len(self.children), len(self.values)} != {n}:
            raise ValueError("the arrays of its trees differ in length")
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != n or (np.diff(starts) < 1).any():
            raise ValueError("its trees do not begin where they should")
        sizes = np.repeat(np.diff(starts), np.diff(starts))
        own = np.arange(n) - np.repeat(starts[:-1], np.diff(starts))
        splits = self.feature >= 0
        children = self.children[splits]
        if (self.feature >= self.n_features).any() or not (
            (children > own[splits, None]) & (children < sizes[splits, None])
        ).all():
            raise ValueError("a node refers to a feature or a node that is not there")

    def _rows(self, X: ArrayLike) -> NDArray[Any]:
        rows = np.ascontiguousarray(X)
        if rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise UserError(
                "X", f"shape {rows.shape}", f"give rows of the {self.n_features} fitted features"
            )
        return rows

    def _tables(self) -> moments.Tables:
        return self.feature, self.threshold, self.children, self.values, self.starts
