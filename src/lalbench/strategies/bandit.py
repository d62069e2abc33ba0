"""Exp4.P over strategies, and the mixture from which it draws pool points (for ALBL)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import FloatArray, IntArray
from lalbench.strategies.ties import Ranking


@dataclass(frozen=True)
class Exp4P:
    """Weights of K arms (Beygelzimer et al. 2011, algorithm 1, as Hsu and Lin 2015 use it).

    Attributes:
        log_weights: (K,) float64 logarithms of the weights, which themselves would overflow.
        horizon: T, number of queries that the run has.
        delta: δ, probability with which the bound on the regret may fail.
    """

    log_weights: FloatArray
    horizon: int
    delta: float

    @classmethod
    def start(cls, n_arms: int, horizon: int, delta: float) -> Exp4P:
        """Equal weights of 1."""
        return cls(np.zeros(n_arms), horizon, delta)

    @property
    def least(self) -> float:
        """``p_min = √(ln K / (K T))``, the least probability of an arm; at most 1/K."""
        n_arms = len(self.log_weights)
        return float(min(np.sqrt(np.log(n_arms) / (n_arms * self.horizon)), 1.0 / n_arms))

    @property
    def probabilities(self) -> FloatArray:
        """(K,) float64 ``p_k = (1 - K p_min) w_k / Σw + p_min``."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        spread = 1.0 - len(weights) * self.least
        found: FloatArray = spread * weights / weights.sum() + self.least
        return found

    def updated(self, reward: float, draw: Draw) -> Exp4P:
        """After the reward r of a point: ``w_k ← w_k exp((p_min/2) (r̂_k + c / p_k))`` with
        ``r̂_k = r φ_k(x) / q(x)`` and ``c = √(ln(K/δ) / (K T))``.
        """
        n_arms = len(self.log_weights)
        bonus = np.sqrt(np.log(n_arms / self.delta) / (n_arms * self.horizon))
        gains = reward * draw.shares * draw.importance + bonus / draw.probabilities
        return replace(self, log_weights=self.log_weights + 0.5 * self.least * gains)


@dataclass(frozen=True)
class Draw:
    """A point x that was drawn.

    Attributes:
        probabilities: (K,) float64 p_k of the arms at the draw.
        shares: (K,) float64 φ_k(x), how likely each arm draws it.
        place: which of the acquired points it is, in order of acquisition.
    """

    probabilities: FloatArray
    shares: FloatArray
    place: int

    @property
    def importance(self) -> float:
        """``W = 1 / q(x)`` with ``q(x) = Σ_k p_k φ_k(x)``."""
        return float(1.0 / (self.probabilities @ self.shares))


class Mixture:
    """``q(x) = Σ_k p_k φ_k(x)`` over the pool of the start of the run, at one step.

    A ranking arm spreads its mass evenly over the best points left, more than one only if their
    scores are equal to the last bit. A random arm spreads it over the pool of the start, labelled
    points included. Points that are taken within the batch leave both.

    Args:
        scores: per arm (n,) float64 scores of the pool, or None for a random arm.
        n_acquired: points of the pool of the start that are labelled already.
        ids: (n,) row ids of the pool.
    """

    def __init__(self, scores: Sequence[FloatArray | None], n_acquired: int, ids: IntArray) -> None:
        self._ids, self._n_acquired = ids, n_acquired
        self._left, self._n_left = np.ones(len(ids), dtype=bool), len(ids)
        self._rankings = [None if each is None else _Best(each) for each in scores]

    def labelled_mass(self, probabilities: FloatArray) -> float:
        """Probability that a draw hits a labelled point, given the (K,) ones of the arms."""
        return float(probabilities @ self.labelled_shares()) * self._n_acquired

    def labelled_shares(self) -> FloatArray:
        """(K,) φ_k of every labelled point."""
        each = 1.0 / (self._n_left + self._n_acquired)
        return np.array([each if best is None else 0.0 for best in self._rankings])

    def shares(self, position: int) -> FloatArray:
        """(K,) φ_k of a pool point that is not taken."""
        found = self.labelled_shares()
        for arm, best in enumerate(self._rankings):
            if best is not None:
                equal = best.among(self._left)
                found[arm] = np.isin(position, equal) / len(equal)
        return found

    def draw(self, probabilities: FloatArray, rng: Generator) -> int:
        """A pool point from q, given that it is not labelled; two draws of ``rng``.

        The arm comes first, then a point of its distribution, by row id.
        """
        in_pool = 1.0 - self.labelled_shares() * self._n_acquired
        mass = np.cumsum(probabilities * in_pool)
        arm = int(np.searchsorted(mass, rng.random() * mass[-1], side="right"))
        best = self._rankings[min(arm, len(mass) - 1)]
        several = np.flatnonzero(self._left) if best is None else best.among(self._left)
        priorities = uniforms_by_id(rng, self._ids[several])
        return int(several[np.argmax(priorities)])

    def take(self, position: int) -> None:
        """Takes a point out, for the rest of the batch."""
        self._left[position] = False
        self._n_left -= 1


class _Best:
    """The points with the largest score among those left."""

    def __init__(self, scores: FloatArray) -> None:
        self._order = Ranking("first").top(scores, len(scores))
        self._falling = -scores[self._order]
        self._start = 0

    def among(self, left: NDArray[np.bool_]) -> IntArray:
        """Positions, at least one; ``left`` (n,) only loses points between calls."""
        while not left[self._order[self._start]]:
            self._start += 1
        end = np.searchsorted(self._falling, self._falling[self._start], side="right")
        equal = self._order[self._start : end]
        return equal[left[equal]]
