"""Oracles: the candidate whose true label improves the objective most (Bakker et al. 2023, alg. 2).

They read hidden pool labels, every one of which is counted as asked. They are bounds and
diagnostics, not strategies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator

from lalbench.errors import UserError
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, Selection
from lalbench.strategies.options import Options
from lalbench.strategies.ties import Ranking, Ties

if TYPE_CHECKING:
    from lalbench.objectives import Scorer


@dataclass(frozen=True)
class _Oracle(Options):
    """Ranks the pool by exact refits.

    Attributes:
        batch: ``top``: the largest single improvements, from one round of refits; ``greedy``: after
            each pick the rest of the pool is scored again, which costs as many rounds as picks.
        engine: of :func:`lalbench.oracle.improvements`.
        ties: order among equal improvements (:data:`lalbench.strategies.ties.Ties`); ties are the
            rule, because the objective has few values.
    """

    batch: Literal["top", "greedy"] = "top"
    engine: Literal["auto", "logistic", "svm", "forest", "reference"] = "auto"
    ties: Ties = "random"

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The largest improvements; scores are the improvements by single points.

        Raises:
            UserError: the state lacks the scorer, the labels or the classifier.
        """
        scorer, labels = self._scorer(state), _given(state.labels, "labels").ask_all()
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        scores = self._improvements(state, labels, scorer, [])
        if self.batch == "top":
            return Selection(ranking.top(scores, budget), scores)
        chosen: list[int] = []
        left = scores
        for _ in range(min(budget, state.n_pool)):
            if chosen:
                left = self._improvements(state, labels, scorer, chosen)
            chosen.append(ranking.best(left))
        return Selection(np.asarray(chosen, dtype=np.int64), scores)

    def _improvements(
        self, state: LearningState, labels: IntArray, scorer: Scorer, chosen: list[int]
    ) -> FloatArray:
        """(n_pool,) improvements with ``chosen`` among the annotated points; -inf for those."""
        from lalbench import oracle

        taken = np.asarray(chosen, dtype=np.int64)
        left = np.delete(np.arange(state.n_pool), taken)
        y_annotated = np.concatenate([state.y_annotated, labels[taken]])
        weights = state.fit_weights
        if weights is not None:
            weights = weights[np.concatenate([y_annotated, labels[left]])]
        found = np.full(state.n_pool, -np.inf)
        found[left] = oracle.improvements(
            _given(state.new_classifier, "new_classifier")(),
            np.concatenate([state.X_annotated, state.X_pool[taken]]),
            y_annotated,
            state.X_pool[left],
            labels[left],
            scorer,
            sample_weight=weights,
            engine=self.engine,
        )
        return found

    def _scorer(self, state: LearningState) -> Scorer:
        raise NotImplementedError


@dataclass(frozen=True)
class Oracle(_Oracle):
    """Improvements of the objective on the test set, with the true labels: the cheating bound."""

    needs: ClassVar[frozenset[Need]] = frozenset(
        {Need.CLASSIFIER, Need.LABEL_ORACLE, Need.TEST_SET}
    )

    def _scorer(self, state: LearningState) -> Scorer:
        scorer: Scorer = _given(state.test_scorer, "test_scorer")
        return scorer


@dataclass(frozen=True)
class RewardOracle(_Oracle):
    """Improvements of the objective on the reward set, with the true labels of the pool.

    What a learner would do that predicts its training target without error. No upper bound.
    """

    needs: ClassVar[frozenset[Need]] = frozenset(
        {Need.CLASSIFIER, Need.LABEL_ORACLE, Need.REWARD_SET}
    )

    def _scorer(self, state: LearningState) -> Scorer:
        scorer: Scorer = _given(state.reward_scorer, "reward_scorer")
        return scorer


def _given(value: Any, name: str) -> Any:
    if value is None:
        raise UserError(f"state.{name}", "the oracle needs it", f"build the state with {name}")
    return value
