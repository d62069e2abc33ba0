"""Expected error reduction in its classical form (Roy and McCallum 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.random import Generator

from lalbench.objectives import ExpectedErrorScorer
from lalbench.strategies.base import LearningState, Need, Selection
from lalbench.strategies.expectation import Count, expected_improvements, first_of
from lalbench.strategies.options import Options
from lalbench.strategies.smoothing import own_probabilities, slope_of
from lalbench.strategies.ties import Ranking, Ties


@dataclass(frozen=True)
class ExpectedErrorReduction(Options):
    r"""The smallest error that the refitted classifier expects of itself on the pool.

    Rule:
        $\arg\min_x \sum_c p(c \mid x) \sum_u L(p_{A \cup (x, c)}(\cdot \mid u))$ over pool points
        $u$, $L$ one minus the largest probability, or the entropy

    Cost:
        $nC$ refits of the classifier

    Source:
        N. Roy and A. McCallum, *Toward Optimal Active Learning through Sampling Estimation of Error
        Reduction*, ICML 2001.

    Pitfalls:
        - The classifier is asked about itself: where it is wrong and sure, it sees no error.
        - It knows neither the objective nor its class weights.

    Attributes:
        loss: ``zero_one`` or ``log`` (the entropy).
        n_points: size of the sample of the pool on which the error is expected.
        n_candidates: the largest number of pool points to look at, drawn at random; None: all.
        engine: what computes the refits (docs/oracle.md).
        ties: order among equal scores.
    """

    loss: Literal["zero_one", "log"] = "log"
    n_points: Count = 400
    n_candidates: Count | None = None
    engine: Literal["auto", "logistic", "svm", "forest", "compiled_forest", "reference"] = "auto"
    ties: Ties = "random"

    needs: ClassVar[frozenset[Need]] = frozenset(
        {Need.CLASSIFIER, Need.FEATURES, Need.PROBABILITIES}
    )

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The ``budget`` largest expected reductions by single points.

        Scores are those, -inf for points not looked at.

        Raises:
            UserError: the state cannot make a classifier.
        """
        if state.n_pool == 0:
            return Selection(np.empty(0, np.int64), np.empty(0))
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        wanted = state.n_pool if self.n_candidates is None else max(self.n_candidates, budget)
        candidates = first_of(state.pool_ids, wanted, rng)
        sample = first_of(state.pool_ids, self.n_points, rng)
        slope = slope_of(state)
        scorer = ExpectedErrorScorer(state.X_pool[sample], state.n_classes, self.loss, slope)
        scores = np.full(state.n_pool, -np.inf)
        scores[candidates] = expected_improvements(
            state, own_probabilities(state, slope), scorer, candidates, engine=self.engine
        )
        return Selection(ranking.top(scores, budget), scores)
