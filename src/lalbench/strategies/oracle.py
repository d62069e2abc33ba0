"""Oracles: the candidate whose true label improves the objective most (Bakker et al. 2023, alg. 2).

They read hidden pool labels, every one of which is counted as asked. They are bounds and
diagnostics, not strategies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.random import Generator

from lalbench.strategies.base import (
    FloatArray,
    IntArray,
    LearningState,
    Need,
    Selection,
    given,
)
from lalbench.strategies.options import Options
from lalbench.strategies.smoothing import smooth_scorer
from lalbench.strategies.ties import Ranking, Ties

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer, Scorer


@dataclass(frozen=True)
class _Oracle(Options):
    """Ranks the pool by exact refits.

    Attributes:
        batch: ``top``: the largest single improvements, from one round of refits; ``greedy``: after
            each pick the rest of the pool is scored again, which costs as many rounds as picks.
        engine: what computes the refits (docs/oracle.md).
        score: ``objective``, or ``smooth``, its companion (:mod:`lalbench.objectives.smooth`).
        ties: order among equal improvements (:data:`lalbench.strategies.ties.Ties`); ties are the
            rule, because the objective has few values.
    """

    batch: Literal["top", "greedy"] = "top"
    engine: Literal["auto", "logistic", "svm", "forest", "reference"] = "auto"
    score: Literal["objective", "smooth"] = "objective"
    ties: Ties = "random"

    @property
    def reads_companion(self) -> bool:
        """Whether it reads the smooth companion of the objective."""
        return self.score == "smooth"

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The largest improvements; scores are the improvements by single points.

        Raises:
            UserError: the state lacks the scorer, the labels or the classifier.
        """
        scorer: AnyScorer = self._scorer(state)
        if self.score == "smooth":
            scorer = smooth_scorer(state, scorer.X, scorer.y)
        labels = given(state.labels, "labels", "the oracle").ask_all()
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
        self, state: LearningState, labels: IntArray, scorer: AnyScorer, chosen: list[int]
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
            given(state.new_classifier, "new_classifier", "the oracle")(),
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
    r"""The largest true improvement of the objective on the test set: the cheating bound.

    Rule:
        $\arg\max_i V(A \cup \lbrace (x_i, y_i) \rbrace) - V(A)$, the objective $V$ of the refitted
        classifier on the test set

    Cost:
        $n$ refits of the classifier; with ``batch: greedy`` $bn$

    Source:
        T. Bakker, H. van Hoof and M. Welling, *Learning Objective-Specific Active Learning
        Strategies with Attentive Neural Processes*, 2023, algorithm 2.

    Pitfalls:
        - It reads hidden labels and the test set on which it is then scored: a bound to compare
          with, not a strategy.
        - It looks one label ahead; a sequence of other labels may end higher.
        - The objective has few values on a small test set, so that ``ties`` decide many picks.
    """

    needs: ClassVar[frozenset[Need]] = frozenset(
        {Need.CLASSIFIER, Need.LABEL_ORACLE, Need.TEST_SET}
    )

    def _scorer(self, state: LearningState) -> Scorer:
        scorer: Scorer = given(state.test_scorer, "test_scorer", "the oracle")
        return scorer


@dataclass(frozen=True)
class RewardOracle(_Oracle):
    r"""The largest true improvement of the objective on the reward set.

    What a learner would do that predicts its training target without error.

    Rule:
        $\arg\max_i V(A \cup \lbrace (x_i, y_i) \rbrace) - V(A)$, the objective $V$ of the refitted
        classifier on the reward set

    Cost:
        $n$ refits of the classifier; with ``batch: greedy`` $bn$

    Source:
        A control of this package, after algorithm 2 of T. Bakker, H. van Hoof and M. Welling,
        *Learning Objective-Specific Active Learning Strategies with Attentive Neural Processes*,
        2023.

    Pitfalls:
        - It reads hidden labels of the pool, so that nobody can use it where labels cost something.
        - It is no upper bound: a hundred reward points say little about the test set. On waveform,
          imbalanced and weighted, it has an AUAC of 8.592, ``cbal`` 8.647 and ``oracle`` 9.211
          (docs/reproduction.md).
        - The objective has few values on a small reward set, so that ``ties`` decide many picks.
    """

    needs: ClassVar[frozenset[Need]] = frozenset(
        {Need.CLASSIFIER, Need.LABEL_ORACLE, Need.REWARD_SET}
    )

    def _scorer(self, state: LearningState) -> Scorer:
        scorer: Scorer = given(state.reward_scorer, "reward_scorer", "the oracle")
        return scorer
