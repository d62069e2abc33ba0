"""CBAL: class-balanced active learning for imbalanced data (Bengar et al. 2022).

``min_z -zᵀH + λ ‖Ω - Pᵀz‖₁`` over batches z of b points: entropies H against the distance of the
expected class counts of the batch to the counts Ω that would balance the annotated set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.random import Generator

from lalbench import interrupts
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, Selection
from lalbench.strategies.frontier import Frontier, first_size
from lalbench.strategies.options import NonNegative, Options
from lalbench.strategies.ties import Ranking, Ties
from lalbench.strategies.uncertainty import state_entropies


@dataclass(frozen=True)
class Cbal(Options):
    r"""Entropy with a pull towards balanced classes.

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
        variant: ``greedy``: pick by pick, chosen points count with their probabilities; ``exact``:
            the batch that minimises the objective; ``npal``: as in the NPAL authors' code
            (docs/protocols.md [20]).
        penalty: λ; 1 in Bakker et al., 0.6 and 2 in the original.
        epsilon: inside the logarithm of the entropy; 1e-8 in the NPAL authors' code.
        ties: order among equal values (:data:`lalbench.strategies.ties.Ties`).

    Rule:
        $\arg\min_S -\sum_{i \in S} H_i + \lambda \Vert \Omega - \sum_{i \in S} p_i \Vert_1$ with
        $\Omega_c = \max(0, (m + b)/K - m_c)$, the labels that class $c$ lacks

    Cost:
        $O(nK)$ and $O(qK)$ per pick, where $q$ points may still be the best; ``exact``: some small
        linear programmes of $O(nK)$ each and a mixed-integer one over 200 points

    Source:
        J. Z. Bengar, J. van de Weijer, L. L. Fuentes and B. Raducanu, *Class-Balanced Active
        Learning for Image Classification*, 2022.

    Pitfalls:
        - It balances what the classifier believes: while it hardly knows a rare class, points with
          a high probability of it are mostly others.
        - The penalty pulls to equal counts whatever the objective; on mushrooms, imbalanced and
          weighted, it is behind random sampling (``npal``: AUAC 8.154 against 8.261 for logistic
          regression; docs/reproduction.md).
        - The target of ``greedy`` and ``exact`` depends on $b$, so that a smaller batch need not be
          the beginning of a larger one.
    """

    variant: Literal["greedy", "npal", "exact"] = "greedy"
    penalty: NonNegative = 1.0
    epsilon: NonNegative = 0.0
    ties: Ties = "random"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES})

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The batch; scores are minus the objective of each point as the first pick."""
        p, values = state.probabilities, state_entropies(state, self.epsilon)
        budget = min(budget, state.n_pool)
        counts = np.bincount(state.y_annotated, minlength=state.n_classes)
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        missing = balancing_counts(counts, 0 if self.variant == "npal" else budget)
        scores = self._scores(values, p, missing)
        if self.variant == "exact":
            from lalbench.strategies.cbal_exact import best_batch

            among = np.arange(state.n_pool)
            order = among if ranking.priorities is None else np.argsort(-ranking.priorities)
            batch = best_batch(values[order], p[order], missing, budget, self.penalty)
            among = np.sort(order[batch])
            inside = self._greedy(
                values[among], p[among], counts, missing, budget, ranking.among(among)
            )
            return Selection(among[inside], scores)
        return Selection(self._greedy(values, p, counts, missing, budget, ranking), scores)

    def _greedy(
        self,
        values: FloatArray,
        p: FloatArray,
        counts: IntArray,
        missing: FloatArray,
        budget: int,
        ranking: Ranking,
    ) -> IntArray:
        """(budget,) positions, pick by pick."""
        chosen: list[int] = []
        expected, size = np.zeros(len(counts)), first_size(len(p), budget)

        def target() -> FloatArray:
            if self.variant == "npal":
                return balancing_counts(counts, len(chosen))
            return missing - expected

        while len(chosen) < budget:
            interrupts.check()
            before, known = target(), len(chosen)
            scores = self._scores(values, p, before)
            scores[chosen] = -np.inf
            frontier = Frontier(scores, ranking, size)
            near_values, near_p = values[frontier.rows], p[frontier.rows]
            closed = np.isneginf(scores[frontier.rows])
            while len(chosen) < budget:
                now = target()
                inside = self._scores(near_values, near_p, now)
                inside[closed] = -np.inf
                place = frontier.best(inside, self._rise(before, now))
                if place is None:
                    break
                closed[place] = True
                chosen.append(int(frontier.rows[place]))
                expected += p[chosen[-1]]
            if len(chosen) - known < budget // 8:
                size *= 2
        return np.asarray(chosen, dtype=np.int64)

    def _scores(self, values: FloatArray, p: FloatArray, target: FloatArray) -> FloatArray:
        return values - self.penalty * np.abs(target - p).sum(axis=1)

    def _rise(self, before: FloatArray, now: FloatArray) -> float:
        """How much any score may have gained since the target was ``before``.

        With t cut to [0, 1], |t - p| is |cut - p| + |t - cut|: beyond [0, 1] a target moves all
        scores alike.
        """
        cut_before, cut_now = before.clip(0.0, 1.0), now.clip(0.0, 1.0)
        beyond = np.abs(before - cut_before).sum() - np.abs(now - cut_now).sum()
        rounding = 1e-12 * (1.0 + np.abs(before).sum() + np.abs(now).sum())
        return float(self.penalty * (np.abs(cut_now - cut_before).sum() + beyond + rounding))


def balancing_counts(counts: IntArray, budget: int) -> FloatArray:
    """(K,) labels that each class lacks for a balanced set of the annotated and ``budget`` more."""
    return np.maximum(0.0, (counts.sum() + budget) / len(counts) - counts)
