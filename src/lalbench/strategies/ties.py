"""Ranking scores, with a rule for points whose scores are exactly equal (docs/protocols.md [7])."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from lalbench.errors import UserError
from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Selection
from lalbench.strategies.options import Options

Ties = Literal["random", "first", "argsort_first", "argsort_last"]
"""Order among equal scores.

``random``: a random priority per row id, so that permuting the pool permutes the choice;
``first``: the lowest position (``argmax``);
``argsort_first``: NumPy's unstable ``argsort`` of the negated scores, read from its start: the rule
of released code that sorts a quantity to be minimised;
``argsort_last``: ``argsort`` of the scores, read from its end (both by :func:`scalar_argsort`).
"""


@dataclass(frozen=True)
class Ranking:
    """A tie rule with its random priorities, drawn once per selection.

    One draw per selection makes the first picks of a batch those of a smaller batch.

    Attributes:
        rule: what decides among equal scores.
        priorities: (n,) float64, larger first, for ``random``; else None.
    """

    rule: Ties
    priorities: FloatArray | None = None

    @classmethod
    def draw(cls, rule: Ties, ids: IntArray, rng: Generator) -> Ranking:
        """A ranking of the points with these row ids; only ``random`` advances ``rng``."""
        return cls(rule, uniforms_by_id(rng, ids) if rule == "random" else None)

    def top(self, scores: FloatArray, budget: int) -> IntArray:
        """Positions of the ``min(budget, n)`` largest scores, best first.

        Args:
            scores: (n,) float64; -inf is allowed, NaN is not.
            budget: number of positions wanted.

        Raises:
            UserError: a score is NaN.
        """
        if np.isnan(scores).any():
            raise UserError(
                "scores",
                f"{int(np.isnan(scores).sum())} of {len(scores)} pool points have the score NaN",
                "check the classifier's probabilities and the features for NaN",
            )
        budget = min(budget, len(scores))
        if budget < 1:
            return np.empty(0, dtype=np.int64)
        if self.rule == "argsort_first":
            return scalar_argsort(-scores)[:budget]
        if self.rule == "argsort_last":
            return scalar_argsort(scores)[::-1][:budget]
        if self.priorities is None:
            return np.argsort(-scores, kind="stable")[:budget]
        # Sort only what can be chosen: everything from the budget-th largest score on.
        cut = len(scores) - budget
        near = np.flatnonzero(scores >= np.partition(scores, cut)[cut])
        order = np.lexsort((-self.priorities[near], -scores[near]))
        return near[order][:budget]

    def best(self, scores: FloatArray) -> int:
        """Position of the largest score."""
        if self.rule == "first":
            return int(np.argmax(scores))
        largest = scores.max()
        if self.priorities is None or np.isnan(largest):
            return int(self.top(scores, 1)[0])
        equal = np.flatnonzero(scores == largest)
        return int(equal[np.argmax(self.priorities[equal])])

    @property
    def is_local(self) -> bool:
        """Whether the order of two points depends on these two alone."""
        return self.rule in ("random", "first")

    def among(self, rows: IntArray) -> Ranking:
        """The same order of the points at the ascending positions ``rows``."""
        return Ranking(self.rule, None if self.priorities is None else self.priorities[rows])


def scalar_argsort(values: FloatArray) -> IntArray:
    """NumPy's default ``argsort`` as it is without vector instructions, on every machine.

    The default sort is unstable: where equal values end up depends on whether the processor has
    vector instructions that NumPy uses. The published tables were made without. NumPy has no vector
    sort for time differences, so ranks sorted as such take its scalar path.

    Args:
        values: (n,) float64 without NaN.

    Returns:
        (n,) int64 positions in ascending order of the values.
    """
    ranks = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return np.argsort(ranks.view("m8[ns]"))


@dataclass(frozen=True)
class Ranked(Options):
    """Base of strategies that take the points with the largest scores.

    Attributes:
        ties: order among equal scores (:data:`Ties`).
    """

    ties: Ties = "random"

    def scores(self, state: LearningState) -> FloatArray:
        """(n_pool,) float64, larger is better."""
        raise NotImplementedError

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The ``budget`` largest scores, best first."""
        scores = self.scores(state)
        return Selection(Ranking.draw(self.ties, state.pool_ids, rng).top(scores, budget), scores)
