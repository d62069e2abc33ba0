"""K-center greedy: cover the pool with few points (Sener and Savarese 2018, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.random import Generator

from lalbench.strategies.base import FloatArray, LearningState, Need, Selection
from lalbench.strategies.distances import (
    expanded_distances,
    nearest_squared_distances,
    squared_distances_to,
)
from lalbench.strategies.options import Options
from lalbench.strategies.ties import Ranking, Ties


@dataclass(frozen=True)
class KCenterGreedy(Options):
    """Repeatedly the point farthest from all annotated and chosen points.

    Distances are Euclidean on the embeddings (the scaled features of tabular classifiers). Cost
    O(n_annotated n_pool D) once and O(n_pool D) per pick, memory O(n_pool D).

    Attributes:
        ties: order among equal distances (:data:`lalbench.strategies.ties.Ties`).
        distances: ``differences``: exact to the last bit; ``expanded``: with the rounding of
            released code (docs/protocols.md [21]).
    """

    ties: Ties = "random"
    distances: Literal["differences", "expanded"] = "differences"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EMBEDDINGS})

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Greedy picks; scores are distances to the nearest annotated point, squared ones for
        ``differences``.

        Without annotated points the first pick is random and all scores are inf.
        """
        points, annotated = state.embeddings, state.annotated_embeddings
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        if len(annotated):
            start, nearest = ranking, self._nearest(points, annotated)
        else:
            start = Ranking.draw("random", state.pool_ids, rng)
            nearest = np.full(len(points), np.inf)
        scores = nearest.copy()
        chosen: list[int] = []
        for _ in range(min(budget, len(points))):
            chosen.append((ranking if chosen else start).best(nearest))
            nearest = np.minimum(nearest, self._nearest(points, points[chosen[-1:]]))
            nearest[chosen] = -np.inf
        return Selection(np.asarray(chosen, dtype=np.int64), scores)

    def _nearest(self, points: FloatArray, centres: FloatArray) -> FloatArray:
        if self.distances == "expanded":
            return expanded_distances(points, centres)
        if len(centres) == 1:
            return squared_distances_to(points, centres[0])
        return nearest_squared_distances(points, centres)
