"""Expected counts of (true class, predicted class) for soft labels and probabilities."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError

FloatArray = NDArray[np.float64]


class SoftLabels:
    """Probabilities of the classes of evaluation points, for :class:`SoftCounts`.

    Args:
        values: (n, n_classes) finite and non-negative, n ≥ 1; not all zero.
        n_classes: number of classes C.

    Attributes:
        values: (n, C) float64.
        support: (C,) float64 expected number of points of each class.

    Raises:
        UserError: another shape, or values that are negative, not finite or all zero.
    """

    def __init__(self, values: ArrayLike, n_classes: int) -> None:
        self.values: FloatArray = np.ascontiguousarray(values, dtype=np.float64)
        self.n_classes = n_classes
        if self.values.ndim != 2 or self.values.shape[1] != n_classes or not len(self.values):
            raise UserError(
                "labels",
                f"soft labels of shape {self.values.shape} with {n_classes} class weights",
                "give one probability per point and class",
            )
        if not (np.isfinite(self.values).all() and (self.values >= 0).all()):
            raise UserError(
                "labels", "a probability is negative or not finite", "give numbers from 0 to 1"
            )
        self.support: FloatArray = self.values.sum(axis=0)
        if not self.support.any():
            raise UserError("labels", "all probabilities are 0", "give each point a class")

    def __len__(self) -> int:
        return len(self.values)


class SoftCounts:
    """Expected counts of m probability sets, with the attributes of
    :class:`~lalbench.objectives.counts.Counts`.

    Args:
        labels: of the n evaluation points.
        confusion: (m, C, C) float64 expected points by true class (axis 1) and predicted class
            (axis 2).
    """

    def __init__(self, labels: SoftLabels, confusion: FloatArray) -> None:
        self._labels = labels
        self.confusion = confusion

    @classmethod
    def of(cls, labels: SoftLabels, probabilities: FloatArray) -> Self:
        """Of (m, n, C) float64 probabilities."""
        return cls(labels, labels.values.T @ probabilities)

    @property
    def hits(self) -> FloatArray:
        """(m, C) expected points of each class that are predicted right."""
        return np.diagonal(self.confusion, axis1=1, axis2=2)

    @property
    def predicted(self) -> FloatArray:
        """(m, C) expected points predicted as each class."""
        return self.confusion.sum(axis=1)

    @property
    def support(self) -> FloatArray:
        """(C,) expected points of each class."""
        return self._labels.support
