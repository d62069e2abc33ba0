"""HAL: exploit by margin sampling or explore, decided by a coin (Kazerouni et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.random import Generator

from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import FloatArray, LearningState, Need, Selection
from lalbench.strategies.distances import row_blocks, squared_distances, squared_distances_to
from lalbench.strategies.options import (
    Draws,
    Options,
    Positive,
    Probability,
    released_generators,
)
from lalbench.strategies.ties import Ranking, Ties
from lalbench.strategies.uncertainty import margin_scores, margins

Directions = Literal["method", "released"]
"""``method``: exploit by the smallest margin, explore away from the annotated points; ``released``:
both reversed, as in the NPAL authors' code (docs/protocols.md [5])."""

_SAMPLE = 500
"""Points whose pairwise distances make the median."""


class _Explorer(Protocol):
    def draw(self) -> None:
        """Draws the random numbers of one pick, whatever the coin then says."""

    def signal(self, chosen: list[int]) -> FloatArray:
        """(n_pool,) float64, the largest explores best, given what is chosen already."""


@dataclass(frozen=True)
class _Hal(Options):
    """The coin and exploitation; subclasses say how to explore.

    The released code can take a point twice within a batch. Here a chosen point is never taken
    again, whatever the options; with ``draws="released"`` every pick of a batch draws one number
    per point of the whole pool (uniform rule), then its coin.

    Attributes:
        p_exploit: probability of exploiting; the coin is below it.
        directions: of both rules (:data:`Directions`).
        draws: ``named``: from the strategy's stream, by row id; ``released``: the legacy NumPy
            generator for the uniform rule, the legacy Python generator for the coin
            (docs/protocols.md [6]).
        ties: order among equal signals (:data:`lalbench.strategies.ties.Ties`).
    """

    p_exploit: Probability = 0.5
    directions: Directions = "method"
    draws: Draws = "named"
    ties: Ties = "random"

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """One coin per pick; scores are the signal that decided the first pick."""
        p = state.probabilities
        exploit = margin_scores(p) if self.directions == "method" else margins(p)
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        explorer = self._explorer(state, rng)
        scores: FloatArray | None = None
        chosen: list[int] = []
        for _ in range(min(budget, state.n_pool)):
            explorer.draw()
            exploits = self._coin(rng) < self.p_exploit
            signal = exploit if exploits else explorer.signal(chosen)
            scores = signal if scores is None else scores
            left = signal.copy()
            left[chosen] = -np.inf
            chosen.append(ranking.best(left))
        return Selection(np.asarray(chosen, dtype=np.int64), scores)

    def _coin(self, rng: Generator) -> float:
        if self.draws == "released":
            return released_generators(rng).python_legacy.uniform(0, 1)
        return float(rng.random())

    def _explorer(self, state: LearningState, rng: Generator) -> _Explorer:
        raise NotImplementedError


@dataclass(frozen=True)
class HalUniform(_Hal):
    """Explores uniformly at random."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES})

    def _explorer(self, state: LearningState, rng: Generator) -> _Explorer:
        return _Uniform(state, self.draws, rng)


@dataclass(frozen=True)
class HalGauss(_Hal):
    """Explores where the Gaussian sum ``g_i = Σ_l exp(-‖z_i - z_l‖² / delta)`` is smallest.

    The sum runs over annotated and chosen points and is kept as a logarithm, so that it does not
    underflow. Cost O(n_annotated n_pool D) once and O(n_pool D) per pick.

    Attributes:
        delta: width; ``"median"``: median squared distance between different points, on a sample of
            500 annotated and pool points (1 if all are equal). The authors' code has 10.
    """

    delta: Positive | Literal["median"] = "median"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES, Need.EMBEDDINGS})

    def _explorer(self, state: LearningState, rng: Generator) -> _Explorer:
        delta = median_squared_distance(state, rng) if self.delta == "median" else self.delta
        return _Gauss(state, delta, sign=-1.0 if self.directions == "method" else 1.0)


def median_squared_distance(state: LearningState, rng: Generator) -> float:
    """Median over the pairs of different points in a sample of annotated and pool points.

    The sample goes by row id and takes one draw of ``rng``, whatever the number of points.
    """
    from scipy.spatial.distance import pdist

    points = np.concatenate([state.annotated_embeddings, state.embeddings])
    ids = np.concatenate([state.annotated_ids, state.pool_ids])
    sample = np.argsort(uniforms_by_id(rng, ids), kind="stable")[:_SAMPLE]
    distances = pdist(points[sample], "sqeuclidean")
    different = distances[distances > 0]
    return float(np.median(different)) if different.size else 1.0


class _Uniform:
    def __init__(self, state: LearningState, draws: Draws, rng: Generator) -> None:
        self._ids, self._draws, self._rng = state.pool_ids, draws, rng
        self._values = np.empty(0)

    def draw(self) -> None:
        if self._draws == "released":
            legacy = released_generators(self._rng).numpy_legacy
            self._values = legacy.uniform(size=len(self._ids))
        else:
            self._values = uniforms_by_id(self._rng, self._ids)

    def signal(self, chosen: list[int]) -> FloatArray:
        return self._values


class _Gauss:
    """Computes the sum when it is first asked for, and adds what was chosen since."""

    def __init__(self, state: LearningState, delta: float, sign: float) -> None:
        self._points, self._centres = state.embeddings, state.annotated_embeddings
        self._delta, self._sign = delta, sign
        self._log_sum: FloatArray | None = None
        self._n_added = 0

    def draw(self) -> None:
        pass

    def signal(self, chosen: list[int]) -> FloatArray:
        if self._log_sum is None:
            self._log_sum = log_gaussian_sums(self._points, self._centres, self._delta)
        for position in chosen[self._n_added :]:
            distances = squared_distances_to(self._points, self._points[position])
            self._log_sum = np.logaddexp(self._log_sum, -distances / self._delta)
        self._n_added = len(chosen)
        return self._sign * self._log_sum


def log_gaussian_sums(points: FloatArray, centres: FloatArray, delta: float) -> FloatArray:
    """(n,) ``log Σ_l exp(-‖points_i - centres_l‖² / delta)``; -inf without centres."""
    from scipy.special import logsumexp

    found = np.full(len(points), -np.inf)
    if not len(centres):
        return found
    for rows in row_blocks(len(points), len(centres)):
        found[rows] = logsumexp(-squared_distances(points[rows], centres) / delta, axis=1)
    return found
