"""K-center greedy: cover the pool with few points (Sener and Savarese 2018, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import interrupts
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, Selection
from lalbench.strategies.distances import (
    expanded_distances,
    nearest_squared_distances,
    squared_distances_to,
)
from lalbench.strategies.frontier import Frontier, first_size, in_single
from lalbench.strategies.options import Options
from lalbench.strategies.ties import Ranking, Ties

Distances = Callable[[NDArray[Any], NDArray[Any]], FloatArray]
"""(n,) distances of points (n, D) to the nearest of the centres (m, D)."""


@dataclass(frozen=True)
class KCenterGreedy(Options):
    r"""Repeatedly the point farthest from all annotated and chosen points.

    Distances are Euclidean on the embeddings (the scaled features of tabular classifiers).

    Attributes:
        ties: order among equal distances (:data:`lalbench.strategies.ties.Ties`).
        distances: ``differences``: exact to the last bit; ``expanded``: with the rounding of
            released code (docs/protocols.md [21]).

    Rule:
        $\arg\max_i \min_{j \in A \cup S} \Vert z_i - z_j \Vert$, point by point

    Cost:
        $O(mnD)$ once and $O(nD)$ per pick; on embeddings of networks $O(qD)$ per pick, where $q$
        points are still far from all chosen ones

    Source:
        O. Sener and S. Savarese, *Active Learning for Convolutional Neural Networks: A Core-Set
        Approach*, 2018, algorithm 1.

    Pitfalls:
        - It is drawn to outliers: wrong measurements and rows that belong to no class are far from
          everything and taken first.
        - It knows neither classifier nor labels, and all columns count alike: a column of noise is
          worth as much as one that tells the classes apart. With an SVM on mushrooms, imbalanced,
          it has an AUAC of 5.133 where ``f_score`` has 5.808 (docs/reproduction.md).
        - Binary features make many distances equal; then ``ties`` and, with ``expanded``, rounding
          decide (adult).
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
        measure = expanded_distances if self.distances == "expanded" else _differences
        chosen: list[int] = []
        if len(annotated):
            scores = measure(points, annotated)
        else:
            scores = np.full(len(points), np.inf)
            chosen = [Ranking.draw("random", state.pool_ids, rng).best(scores)]
        return Selection(farthest_first(points, scores, budget, ranking, measure, chosen), scores)


def farthest_first(
    points: NDArray[Any],
    nearest: FloatArray,
    budget: int,
    ranking: Ranking,
    measure: Distances | None = None,
    chosen: list[int] | None = None,
) -> IntArray:
    """Greedy picks, each the point farthest from centres and earlier picks.

    Args:
        points: (n, D) floats.
        nearest: (n,) float64 distances to the nearest centre; not changed.
        budget: number of picks.
        ranking: decides among equal distances.
        measure: distances; squared Euclidean ones from differences by default.
        chosen: picks made before, which ``nearest`` does not know of.

    Returns:
        (min(budget, n),) int64 positions, earlier picks included.
    """
    measure = measure or _differences
    chosen, nearest, known = list(chosen or ()), nearest.copy(), 0
    budget = min(budget, len(points))
    # the published tables rest on float64 features: small pools, always looked at as a whole
    size = len(points) if points.dtype == np.float64 else first_size(len(points), budget)
    while len(chosen) < budget:
        interrupts.check()
        if chosen[known:]:
            nearest = np.minimum(nearest, measure(points, points[chosen[known:]]))
            nearest[chosen] = -np.inf
        known = len(chosen)
        frontier = Frontier(nearest, ranking, size)
        inside = nearest[frontier.rows]
        near = in_single(points, frontier)
        while len(chosen) < budget and (place := frontier.best(inside)) is not None:
            chosen.append(int(frontier.rows[place]))
            inside = np.minimum(inside, measure(near, near[place : place + 1]))
            inside[place] = -np.inf
        if len(chosen) - known < budget // 8:
            size *= 2
    return np.asarray(chosen[:budget], dtype=np.int64)


def _differences(points: NDArray[Any], centres: NDArray[Any]) -> FloatArray:
    if len(centres) == 1:
        return squared_distances_to(points, centres[0])
    return nearest_squared_distances(points, centres)
