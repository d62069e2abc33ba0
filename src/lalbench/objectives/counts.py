"""Counts of (true class, predicted class) for many prediction sets of the same points at once.

Counts are whole numbers, exact in float64 whatever the order of summation. Prediction sets that
agree therefore get bit-identical scores, so ties between candidates stay exact ties.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EXACT_IN_FLOAT32 = 2**24


class AnyCounts(Protocol):
    """Counts of m prediction sets, or expected ones (:mod:`lalbench.objectives.soft_counts`)."""

    @property
    def hits(self) -> FloatArray:
        """(m, C) points of each class that are predicted right."""

    @property
    def confusion(self) -> FloatArray:
        """(m, C, C) points by true class (axis 1) and predicted class (axis 2)."""

    @property
    def predicted(self) -> FloatArray:
        """(m, C) points predicted as each class."""

    @property
    def support(self) -> FloatArray:
        """(C,) points of each class."""


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """``above / below``, and 0 where ``below`` is 0."""
    found = np.zeros(np.broadcast_shapes(above.shape, below.shape))
    return np.divide(above, below, out=found, where=below > 0)


class Labels:
    """Evaluation labels in the forms that counting needs, prepared once.

    Args:
        y: (n,) integers 0 … n_classes - 1, n ≥ 1; some classes may be absent.
        n_classes: number of classes C.

    Attributes:
        y: (n,) int64.
        support: (C,) float64 number of points of each class.
        one_hot: (n, C) indicator of the class, float32 where sums over it are exact.

    Raises:
        UserError: ``y`` is empty, not a vector of integers, or holds a label outside 0 … C - 1.
    """

    def __init__(self, y: ArrayLike, n_classes: int) -> None:
        labels = np.asarray(y)
        if labels.ndim != 1 or labels.size == 0:
            raise UserError(
                "y", f"labels of shape {labels.shape}", "give a vector with at least one label"
            )
        if labels.dtype.kind not in "iub":
            raise UserError("y", f"labels of type {labels.dtype}", "give integers 0, 1, …")
        self.y: IntArray = labels.astype(np.int64)
        self.n_classes = n_classes
        outside = self.y[(self.y < 0) | (self.y >= n_classes)]
        if outside.size:
            raise UserError(
                "y",
                f"label {outside[0]} with {n_classes} class weights",
                "give one class weight per class and labels 0, 1, … in their order",
            )
        self.support: FloatArray = np.bincount(self.y, minlength=n_classes).astype(np.float64)
        exact = np.float32 if len(self.y) < _EXACT_IN_FLOAT32 else np.float64
        self.one_hot: NDArray[Any] = np.eye(n_classes, dtype=exact)[self.y]

    def __len__(self) -> int:
        return len(self.y)


class Counts:
    """Counts of m prediction sets; every attribute is computed when first read.

    Args:
        labels: the n evaluation labels.
        predictions: (m, n) integers 0 … C - 1.

    Raises:
        ValueError: the predictions are no integers, or one lies outside 0 … C - 1.
    """

    def __init__(self, labels: Labels, predictions: NDArray[Any]) -> None:
        _check_predictions(predictions, labels.n_classes)
        self._labels = labels
        self._predictions = predictions
        self._positive: NDArray[np.bool_] | None = None
        if labels.n_classes == 2:
            self._positive = predictions == 1

    @classmethod
    def from_positive(cls, labels: Labels, positive: NDArray[np.bool_]) -> Self:
        """Counts for two classes from the (m, n) indicator of predicting class 1."""
        counts = cls.__new__(cls)
        counts._labels = labels
        counts._positive = positive
        return counts

    @cached_property
    def hits(self) -> FloatArray:
        """(m, C) points of each class that are predicted right."""
        if self._positive is not None:
            found = self._by_class(self._positive)
            found[:, 0] = self._labels.support[0] - found[:, 0]
            return found
        return self._by_class(self._predictions == self._labels.y)

    @cached_property
    def confusion(self) -> FloatArray:
        """(m, C, C) points by true class (axis 1) and predicted class (axis 2)."""
        labels, n_classes = self._labels, self._labels.n_classes
        if self._positive is not None:
            predicted_one = self._by_class(self._positive)
            return np.stack([labels.support - predicted_one, predicted_one], axis=2)
        m = len(self._predictions)
        cells = np.arange(m)[:, None] * n_classes + labels.y
        cells *= n_classes
        cells += self._predictions.astype(np.int64, copy=False)
        counted = np.bincount(cells.ravel(), minlength=m * n_classes**2)
        return counted.reshape(m, n_classes, n_classes).astype(np.float64)

    @cached_property
    def predicted(self) -> FloatArray:
        """(m, C) points predicted as each class."""
        return self.confusion.sum(axis=1)

    @property
    def support(self) -> FloatArray:
        """(C,) points of each class."""
        return self._labels.support

    def _by_class(self, indicator: NDArray[np.bool_]) -> FloatArray:
        one_hot = self._labels.one_hot
        return (indicator.astype(one_hot.dtype) @ one_hot).astype(np.float64)


def _check_predictions(predictions: NDArray[Any], n_classes: int) -> None:
    if predictions.dtype.kind not in "iub":
        raise ValueError(
            f"predictions of type {predictions.dtype}; this objective needs labels 0, 1, …"
        )
    if predictions.size and not (predictions.min() >= 0 and predictions.max() < n_classes):
        raise ValueError(f"a prediction lies outside 0 … {n_classes - 1}")
