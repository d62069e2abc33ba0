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
    """Uniform without replacement.

    Attributes:
        draws: ``named``: one random number per row id; ``released``: ``choice`` of the legacy NumPy
            generator on pool positions (docs/protocols.md [17]).
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
