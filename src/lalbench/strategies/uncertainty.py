"""Uncertainty sampling by entropy, margin and least confidence (Settles 2009, section 3.1).

For two classes the three give the same ranking. Scores keep their order where probabilities are
saturated: they are sums of small probabilities, never one minus a number close to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lalbench.strategies.base import FloatArray, LearningState, Need
from lalbench.strategies.options import NonNegative
from lalbench.strategies.ties import Ranked

_PROBABILITIES = frozenset({Need.PROBABILITIES})


def entropies(probabilities: FloatArray, epsilon: float = 0.0) -> FloatArray:
    """``-Σ_c p_c log(p_c + epsilon)`` with natural logarithms; ``0 log 0`` is 0.

    Args:
        probabilities: (n, n_classes) float64, rows sum to 1.
        epsilon: added inside the logarithm; the NPAL authors' code has 1e-8.

    Returns:
        (n,) float64.
    """
    inside = np.where(probabilities > 0, probabilities, 1.0) + epsilon
    found: FloatArray = -(probabilities * np.log(inside)).sum(axis=1)
    return found


def margins(probabilities: FloatArray) -> FloatArray:
    """(n,) float64 largest minus second largest probability."""
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def margin_scores(probabilities: FloatArray) -> FloatArray:
    """(n,) float64 one minus the margin, as the sum of all but the largest plus the second."""
    ordered = np.sort(probabilities, axis=1)
    found: FloatArray = ordered[:, :-1].sum(axis=1) + ordered[:, -2]
    return found


def least_confident_scores(probabilities: FloatArray) -> FloatArray:
    """(n,) float64 one minus the largest probability, as the sum of the others."""
    found: FloatArray = np.sort(probabilities, axis=1)[:, :-1].sum(axis=1)
    return found


@dataclass(frozen=True)
class Entropy(Ranked):
    """``argmax -Σ_c p_c log(p_c + epsilon)``.

    Attributes:
        epsilon: added inside the logarithm; 1e-8 in the NPAL authors' code.
    """

    epsilon: NonNegative = 0.0
    needs: ClassVar[frozenset[Need]] = _PROBABILITIES

    def scores(self, state: LearningState) -> FloatArray:
        """Entropies in nats."""
        return entropies(state.probabilities, self.epsilon)


@dataclass(frozen=True)
class Margin(Ranked):
    """``argmin p_(1) - p_(2)``, the two largest probabilities."""

    needs: ClassVar[frozenset[Need]] = _PROBABILITIES

    def scores(self, state: LearningState) -> FloatArray:
        """One minus the margin."""
        return margin_scores(state.probabilities)


@dataclass(frozen=True)
class LeastConfident(Ranked):
    """``argmin p_(1)``, the largest probability."""

    needs: ClassVar[frozenset[Need]] = _PROBABILITIES

    def scores(self, state: LearningState) -> FloatArray:
        """One minus the largest probability."""
        return least_confident_scores(state.probabilities)
