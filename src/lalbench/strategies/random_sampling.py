"""Random sampling: the baseline of every comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from lalbench.strategies.base import LearningState, Need, Selection
from lalbench.strategies.options import Draws, Options, released_generators
from lalbench.strategies.ties import Ranking


@dataclass(frozen=True)
class RandomSampling(Options):
    r"""Uniform without replacement.

    Attributes:
        draws: ``named``: one random number per row id; ``released``: ``choice`` of the legacy NumPy
            generator on pool positions (docs/protocols.md [17]).

    Rule:
        $P(i) = 1/n$, and likewise among those left

    Cost:
        $O(n)$

    Source:
        The baseline of every comparison, as in T. Bakker, H. van Hoof and M. Welling, *Learning
        Objective-Specific Active Learning Strategies with Attentive Neural Processes*, 2023.

    Pitfalls:
        - Labels follow the frequencies of the pool, so that rare classes stay rare: with five rare
          classes of Fashion-MNIST none of three runs balanced its labels within 2,200
          (docs/deep.md).
        - It is no lower bound: uncertainty sampling falls behind it where classes have several
          borders (docs/lal-results.md), so it belongs into every study.
        - It has no scores; nothing says how much better the first of its points is than the last.
    """

    draws: Draws = "named"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Random distinct positions, without scores."""
        n_pool = state.n_pool
        if self.draws == "released":
            legacy = released_generators(rng).numpy_legacy
            chosen = legacy.choice(range(n_pool), size=min(budget, n_pool), replace=False)
            return Selection(np.asarray(chosen, dtype=np.int64))
        ranking = Ranking.draw("random", state.pool_ids, rng)
        return Selection(ranking.top(np.zeros(n_pool), budget))
