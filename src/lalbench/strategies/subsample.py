"""Choosing among a random part of the pool, around any strategy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from lalbench.errors import UserError
from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import (
    IntArray,
    LabelOracle,
    LearningState,
    Need,
    Selection,
    Strategy,
)


@dataclass(frozen=True)
class Subsample:
    """Draws ``size`` pool points uniformly by row id and lets ``strategy`` see only these.

    The sub-pool is never smaller than the batch. Everything else that the strategy has (its
    learner, its options) is reachable through this wrapper.

    Attributes:
        strategy: any strategy.
        size: points in the sub-pool, at least 1.
    """

    strategy: Strategy
    size: int

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise UserError("subsample", f"cannot use {self.size!r}", "give an integer from 1")

    @property
    def needs(self) -> frozenset[Need]:
        """What the strategy reads."""
        return self.strategy.needs

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The strategy's choice, as positions in the whole pool; other scores are -inf."""
        size = max(self.size, min(budget, state.n_pool))
        drawn = np.argsort(uniforms_by_id(rng, state.pool_ids), kind="stable")[:size]
        part = np.sort(drawn)
        found = self.strategy.select(restrict(state, part), budget, rng)
        scores = None
        if found.scores is not None:
            scores = np.full(state.n_pool, -np.inf)
            scores[part] = found.scores
        return Selection(part[found.indices], scores, found.details)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "strategy":  # not set yet: copying, unpickling
            raise AttributeError(name)
        return getattr(self.strategy, name)


def restrict(state: LearningState, part: IntArray) -> LearningState:
    """The state whose pool consists of the positions ``part``; its signals are computed anew."""
    labels = None if state.labels is None else _PartOfLabels(state.labels, part)
    posterior = None if state.posterior is None else state.posterior[part]
    return replace(
        state,
        X_pool=state.X_pool[part],
        pool_ids=state.pool_ids[part],
        posterior=posterior,
        labels=labels,
    )


class _PartOfLabels(LabelOracle):
    """Labels of part of the pool; asking counts at the oracle of the whole pool."""

    def __init__(self, whole: LabelOracle, part: IntArray) -> None:
        self._whole, self._part = whole, part

    def ask(self, positions: IntArray) -> IntArray:
        return self._whole.ask(self._part[positions])

    def ask_all(self) -> IntArray:
        return self._whole.ask(self._part)

    @property
    def count(self) -> int:
        return self._whole.count
