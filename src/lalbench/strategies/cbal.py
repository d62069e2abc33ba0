"""CBAL: class-balanced active learning for imbalanced data (Bengar et al. 2022).

``min_z -zᵀH + λ ‖Ω - Pᵀz‖₁`` over batches z of b points: entropies H against the distance of the
expected class counts of the batch to the counts Ω that would balance the annotated set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.random import Generator

from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, Selection
from lalbench.strategies.options import NonNegative, Options
from lalbench.strategies.ties import Ranking, Ties
from lalbench.strategies.uncertainty import entropies


@dataclass(frozen=True)
class Cbal(Options):
    """Entropy with a pull towards balanced classes.

    ``greedy``: ``argmin_i -H_i + λ ‖Ω - Σ_chosen p - p_i‖₁`` pick by pick, with
    ``Ω_c = max(0, (n_annotated + b) / K - n_c)``. The target depends on the batch size b.
    ``npal``: as in the NPAL authors' code: ``Ω_c = max(0, n_annotated / K - n_c)``, n_annotated
    counting the picks before, and chosen probabilities are not subtracted.
    ``exact``: the batch that minimises the objective: the linear relaxation, then a mixed-integer
    programme (HiGHS) over the 200 points nearest to being undecided; so up to 200 pool points the
    optimum, beyond that within the rounding of the at most K + 1 fractional entries. Its order in
    the batch is that of the greedy rule. Among equally good batches the solver decides; it sees the
    points in random order by row id (``ties="random"``) or in pool order.

    Attributes:
        variant: see above.
        penalty: λ; 1 in Bakker et al., 0.6 and 2 in the original.
        epsilon: inside the logarithm of the entropy; 1e-8 in the NPAL authors' code.
        ties: order among equal values (:data:`lalbench.strategies.ties.Ties`).
    """

    variant: Literal["greedy", "npal", "exact"] = "greedy"
    penalty: NonNegative = 1.0
    epsilon: NonNegative = 0.0
    ties: Ties = "random"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES})

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The batch; scores are minus the objective of each point as the first pick."""
        p = state.probabilities
        budget = min(budget, state.n_pool)
        counts = np.bincount(state.y_annotated, minlength=state.n_classes)
        values = entropies(p, self.epsilon)
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        missing = balancing_counts(counts, 0 if self.variant == "npal" else budget)
        scores = self._scores(values, p, missing)
        among = np.arange(state.n_pool)
        if self.variant == "exact":
            from lalbench.strategies.cbal_exact import best_batch

            order = among if ranking.priorities is None else np.argsort(-ranking.priorities)
            batch = best_batch(values[order], p[order], missing, budget, self.penalty)
            among = np.sort(order[batch])
        chosen: list[int] = []
        expected = np.zeros(state.n_classes)
        for _ in range(budget):
            if self.variant == "npal":
                target = balancing_counts(counts, len(chosen))
            else:
                target = missing - expected
            left = np.full(state.n_pool, -np.inf)
            left[among] = self._scores(values[among], p[among], target)
            left[chosen] = -np.inf
            chosen.append(ranking.best(left))
            expected += p[chosen[-1]]
        return Selection(np.asarray(chosen, dtype=np.int64), scores)

    def _scores(self, values: FloatArray, p: FloatArray, target: FloatArray) -> FloatArray:
        return values - self.penalty * np.abs(target - p).sum(axis=1)


def balancing_counts(counts: IntArray, budget: int) -> FloatArray:
    """(K,) labels that each class lacks for a balanced set of the annotated and ``budget`` more."""
    return np.maximum(0.0, (counts.sum() + budget) / len(counts) - counts)
