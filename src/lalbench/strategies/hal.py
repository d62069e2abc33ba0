"""HAL: exploit by margin sampling or explore, decided by a coin (Kazerouni et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import interrupts
from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, Selection
from lalbench.strategies.gaussian_cover import GaussianCover
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
"""Those of the paper, or both reversed, as in the NPAL authors' code (docs/protocols.md [5])."""

_SAMPLE = 500
"""Points whose pairwise distances make the median."""


class _Explorer(Protocol):
    def draw(self) -> None:
        """Draws the random numbers of one pick, whatever the coin then says."""

    def signal(self) -> FloatArray:
        """(n_pool,) float64 of the first pick, the largest explores best."""

    def best(self, chosen: list[int]) -> int:
        """The position that explores best, given what is chosen already."""


@dataclass(frozen=True)
class _Hal(Options):
    """The coin and exploitation; subclasses say how to explore.

    The released code can take a point twice within a batch. Here a chosen point is never taken
    again, whatever the options; with ``draws="released"`` every pick of a batch draws one number
    per point of the whole pool (uniform rule), then its coin.

    Attributes:
        p_exploit: probability of exploiting; the coin is below it.
        directions: ``method``: exploit by the smallest margin, explore away from annotated points;
            ``released``: both reversed (docs/protocols.md [5]).
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
        p, budget = state.probabilities, min(budget, state.n_pool)
        exploit = margin_scores(p) if self.directions == "method" else margins(p)
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        exploiter = _Fixed(exploit, ranking, budget)
        explorer = self._explorer(state, ranking, budget, rng)
        scores: FloatArray | None = None
        chosen: list[int] = []
        for _ in range(budget):
            interrupts.check()
            explorer.draw()
            exploits = self._coin(rng) < self.p_exploit
            if scores is None:
                scores = exploit if exploits else explorer.signal()
            chosen.append(exploiter.best(chosen) if exploits else explorer.best(chosen))
        return Selection(np.asarray(chosen, dtype=np.int64), scores)

    def _coin(self, rng: Generator) -> float:
        if self.draws == "released":
            return released_generators(rng).python_legacy.uniform(0, 1)
        return float(rng.random())

    def _explorer(
        self, state: LearningState, ranking: Ranking, budget: int, rng: Generator
    ) -> _Explorer:
        raise NotImplementedError


@dataclass(frozen=True)
class HalUniform(_Hal):
    r"""The smallest margin, or by the flip of a coin a uniform choice.

    Rule:
        $\arg\min_i p_{i(1)} - p_{i(2)}$ with the probability ``p_exploit``, else $P(i) = 1/n$

    Cost:
        $O(nK \log K)$ once and $O(n)$ per pick

    Source:
        A. Kazerouni, Q. Zhao, J. Xie, S. Tata and M. Najork, *Active Learning for Skewed Data
        Sets*, 2020.

    Pitfalls:
        - Published numbers of Bakker et al. (2023) are of reversed directions: on waveform,
          imbalanced, they have an AUAC of 8.112 where the method has 8.297 (docs/reproduction.md).
          The ``published`` protocol repeats that.
        - By default every second label is a random one, late in a trial as at its beginning.
        - Scores are those of the rule that made the first pick; the other picks of a batch need not
          follow them.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES})

    def _explorer(
        self, state: LearningState, ranking: Ranking, budget: int, rng: Generator
    ) -> _Explorer:
        return _Uniform(state, self.draws, ranking, rng)


@dataclass(frozen=True)
class HalGauss(_Hal):
    r"""The smallest margin, or by the flip of a coin the point that Gaussians cover least.

    The sum of the rule is kept as a logarithm, so that it does not underflow.

    Attributes:
        delta: width; ``"median"``: median squared distance between different points, on a sample of
            500 annotated and pool points (1 if all are equal). The authors' code has 10.

    Rule:
        $\arg\min_i p_{i(1)} - p_{i(2)}$ with the probability ``p_exploit``, else
        $\arg\min_i \sum_{l \in A \cup S} \exp(-\Vert z_i - z_l \Vert^2 / \delta)$

    Cost:
        $O(mnD + nK \log K)$ once and $O(nD)$ per pick; on embeddings of networks $O(qD)$ per pick,
        where $q$ points are hardly covered

    Source:
        A. Kazerouni, Q. Zhao, J. Xie, S. Tata and M. Najork, *Active Learning for Skewed Data
        Sets*, 2020.

    Pitfalls:
        - What is covered least are outliers, as with ``k_center_greedy``, in every second pick by
          default.
        - A fixed ``delta`` belongs to one scale of the features: where all distances are far above
          it, the nearest annotated point alone decides.
        - Published numbers of Bakker et al. (2023) are of reversed directions: with a network they
          label what it is surest of (docs/deep.md). The ``published`` protocol repeats that.
    """

    delta: Positive | Literal["median"] = "median"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES, Need.EMBEDDINGS})

    def _explorer(
        self, state: LearningState, ranking: Ranking, budget: int, rng: Generator
    ) -> _Explorer:
        points, centres = self._points(state)
        if self.delta == "median":
            ids = np.concatenate([state.annotated_ids, state.pool_ids])
            delta = median_squared_distance(centres, points, ids, rng)
        else:
            delta = self.delta
        sign = -1.0 if self.directions == "method" else 1.0
        return GaussianCover(points, centres, state.pool_ids, delta, sign, ranking, budget)

    def _points(self, state: LearningState) -> tuple[NDArray[Any], NDArray[Any]]:
        """Representations (n_pool, D) of the pool and (n_annotated, D) of the annotated set."""
        return state.embeddings, state.annotated_embeddings


def median_squared_distance(
    annotated: NDArray[Any], pool: NDArray[Any], ids: IntArray, rng: Generator
) -> float:
    """Median over the pairs of different points in a sample of annotated and pool points.

    The sample goes by row id and takes one draw of ``rng``, whatever the number of points.

    Args:
        annotated: (m, D) floats.
        pool: (n, D) floats.
        ids: (m + n,) row ids, annotated ones first.
    """
    from scipy.spatial.distance import pdist

    sample = np.argsort(uniforms_by_id(rng, ids), kind="stable")[:_SAMPLE]
    known = sample < len(annotated)
    points = np.empty((len(sample), pool.shape[1]))
    points[known], points[~known] = annotated[sample[known]], pool[sample[~known] - len(annotated)]
    distances = pdist(points, "sqeuclidean")
    different = distances[distances > 0]
    return float(np.median(different)) if different.size else 1.0


class _Fixed:
    """Best points by scores that do not change."""

    def __init__(self, scores: FloatArray, ranking: Ranking, budget: int) -> None:
        self._scores, self._ranking = scores, ranking
        self._order = ranking.top(scores, budget).tolist() if ranking.is_local else None
        self._taken: set[int] = set()
        self._next = 0

    def best(self, chosen: list[int]) -> int:
        if self._order is None:
            return self._ranking.best(_without(self._scores, chosen))
        self._taken.update(chosen[len(self._taken) :])
        while self._order[self._next] in self._taken:
            self._next += 1
        return int(self._order[self._next])


class _Uniform:
    def __init__(
        self, state: LearningState, draws: Draws, ranking: Ranking, rng: Generator
    ) -> None:
        self._ids, self._draws, self._rng = state.pool_ids, draws, rng
        self._ranking = ranking
        self._values = np.empty(0)

    def draw(self) -> None:
        if self._draws == "released":
            legacy = released_generators(self._rng).numpy_legacy
            self._values = legacy.uniform(size=len(self._ids))
        else:
            self._values = uniforms_by_id(self._rng, self._ids)

    def signal(self) -> FloatArray:
        return self._values

    def best(self, chosen: list[int]) -> int:
        return self._ranking.best(_without(self._values, chosen))


def _without(scores: FloatArray, chosen: list[int]) -> FloatArray:
    left = scores.copy()
    left[chosen] = -np.inf
    return left
