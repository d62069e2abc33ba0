"""Feature scaling, ``(x - mean) / scale``, in two ways of fitting (``docs/protocols.md`` [3])."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Scaler:
    """A fitted scaling.

    Attributes:
        mean: () or (d,) float64 subtracted from every row.
        scale: () or (d,) float64, positive; every row is divided by it.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __call__(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled copy of ``X`` (n, d)."""
        scaled = X - self.mean
        scaled /= self.scale
        return scaled


def fit_scalar(X: NDArray[np.float64]) -> Scaler:
    """One mean and one standard deviation (ddof 0) over all entries of ``X`` (n, d).

    A matrix of equal entries is scaled by 1.
    """
    mean = np.asarray(X.mean())
    deviation = np.asarray(X.std())
    constant = bool(X.min() == X.max())
    return Scaler(mean, np.asarray(1.0) if constant else deviation)


def fit_per_feature(X: NDArray[np.float64]) -> Scaler:
    """Mean and standard deviation (ddof 0) of every column of ``X`` (n, d).

    A constant column is centred on its value and scaled by 1; its computed deviation may be a
    rounding error instead of 0.
    """
    constant = X.min(axis=0) == X.max(axis=0)
    mean = np.where(constant, X[0], X.mean(axis=0))
    scale = np.where(constant, 1.0, X.std(axis=0))
    return Scaler(mean, scale)
