"""Look-ahead: what one more label is expected to bring, by exact refits and a separate label model.

The classifier is refitted with every candidate and every label that it may have
(:mod:`lalbench.oracle`); the smooth companion of the objective (:mod:`lalbench.objectives.smooth`)
scores each refit, and a label model (:mod:`lalbench.label_models`) says how probable the label is.
docs/look-ahead.md says what each part is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.random import Generator

from lalbench import label_models
from lalbench.errors import UserError
from lalbench.label_models import Combine, LabelModel, fit_label_model
from lalbench.objectives import Panel
from lalbench.strategies.base import (
    FloatArray,
    IntArray,
    LearningState,
    Need,
    Selection,
    given,
)
from lalbench.strategies.expectation import Count, expected_improvements, first_of
from lalbench.strategies.options import Options, Positive
from lalbench.strategies.smoothing import slope_of, smooth_scorer
from lalbench.strategies.ties import Ranking, Ties

if TYPE_CHECKING:
    from lalbench.objectives import Scorer

Points = Literal["reward", "pool", "both"]


@dataclass(frozen=True)
class LookAhead(Options):
    r"""The largest expected improvement of the smooth objective, labels expected by a label model.

    Rule:
        $\arg\max_x \sum_c q(c \mid x) V(\theta(A \cup \lbrace (x, c) \rbrace))$, $\theta$ the
        refitted classifier, $V$ the smooth companion of the objective on evaluation points, $q$ the
        label model

    Cost:
        $nC$ exact refits for $n$ candidates and $C$ classes, and a label model; with a batch as
        many rounds as picks

    Source:
        This package, from expected error reduction (N. Roy and A. McCallum, *Toward Optimal Active
        Learning through Sampling Estimation of Error Reduction*, ICML 2001) and the myopic oracle
        of T. Bakker, H. van Hoof and M. Welling, *Learning Objective-Specific Active Learning
        Strategies with Attentive Neural Processes*, 2023.

    Pitfalls:
        - Where the classifier cannot represent the boundary, the smooth objective can rise while
          the objective falls: a larger ``sharpness``, or ``hard``, is nearer to the objective.
        - All depends on the label model: one of the same kind as the classifier teaches it little.
        - With ``points: reward`` or ``both``, and wherever there is a reward set, it reads the
          reward labels; compare it with strategies that have as many labels.

    Attributes:
        points: where the objective is evaluated: the reward set with its labels, a sample of the
            pool with the label model's, or both (the mean of the two).
        n_points: size of the sample of the pool.
        label_model: candidates of :func:`lalbench.label_models.fit_label_model`; ``classifier``
            alone: the task classifier's own probabilities.
        combine: ``choose`` one candidate, or ``stack`` them.
        sharpness: of the smooth objective; ``hard``: the objective itself on soft labels.
        n_candidates: the largest number of pool points to look at, drawn at random; None: all.
        engine: what computes the refits (docs/oracle.md).
        ties: order among equal scores.
    """

    points: Points = "pool"
    n_points: Count = 400
    label_model: tuple[str, ...] = label_models.DEFAULT
    combine: Combine = "choose"
    sharpness: Positive | Literal["hard"] = 1.0
    n_candidates: Count | None = None
    engine: Literal["auto", "logistic", "svm", "forest", "compiled_forest", "reference"] = "auto"
    ties: Ties = "random"

    def __post_init__(self) -> None:
        given: Any = self.label_model
        if isinstance(given, list):  # as YAML has it
            object.__setattr__(self, "label_model", tuple(given))
        super().__post_init__()
        if self.label_model != ("classifier",):
            for name in self.label_model:
                label_models.check_name(name)
        if not self.label_model:
            raise UserError("label_model", "no candidates", "name at least one")

    @property
    def needs(self) -> frozenset[Need]:
        """The reward set is read where there is one; ``reward`` and ``both`` cannot do without."""
        asks = Need.REWARD_IF_ANY if self.points == "pool" else Need.REWARD_SET
        return frozenset({Need.CLASSIFIER, Need.FEATURES, Need.PROBABILITIES, asks})

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Picks one after the other; after each, its labels are expected ones.

        Scores are the expected improvements by single points, -inf for points not looked at.

        Raises:
            UserError: the state lacks the classifier, the objective or the reward set.
        """
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        candidates = first_of(state.pool_ids, self.n_candidates or state.n_pool, rng)
        # the sample of evaluation points and that of candidates are drawn apart
        sample = first_of(state.pool_ids, self.n_points, rng)
        model = self._label_model(state, rng)
        q = _label_probabilities(model, state)
        scorer = self._scorer(state, q, sample)
        chosen: list[int] = []
        scores = first = np.full(state.n_pool, -np.inf)
        for pick in range(min(budget, state.n_pool)):
            left = np.setdiff1d(candidates, chosen)
            if not len(left):  # a batch larger than the sub-sample
                left = np.setdiff1d(np.arange(state.n_pool), chosen)
            scores = np.full(state.n_pool, -np.inf)
            scores[left] = expected_improvements(
                state, q, scorer, left, np.asarray(chosen, np.int64), engine=self.engine
            )
            first = scores if pick == 0 else first
            chosen.append(ranking.best(scores))
        found = np.asarray(chosen, dtype=np.int64)
        return Selection(found, first, _details(model, q[found], scorer))

    def _label_model(self, state: LearningState, rng: Generator) -> LabelModel | None:
        """Fitted on every label that may be seen; None for the classifier's own probabilities."""
        if self.label_model == ("classifier",):
            return None
        X, y, ids = state.X_annotated, state.y_annotated, state.annotated_ids
        rewards = state.reward_scorer
        order = np.argsort(ids, kind="stable")
        X, y = X[order], y[order]
        if rewards is not None:
            X, y = np.concatenate([X, rewards.X]), np.concatenate([y, rewards.y])
        return fit_label_model(
            X, y, state.n_classes, candidates=self.label_model, combine=self.combine,
            seed=int(rng.integers(2**31)),
        )  # fmt: skip

    def _scorer(self, state: LearningState, q: FloatArray, sample: IntArray) -> Panel:
        """One entry per kind of evaluation points."""
        sharpness = np.inf if self.sharpness == "hard" else float(self.sharpness)
        parts: list[tuple[FloatArray, FloatArray | IntArray]] = []
        if self.points != "pool":
            rewards: Scorer = given(state.reward_scorer, "reward_scorer", "looking ahead")
            parts.append((rewards.X, rewards.y))
        if self.points != "reward":
            parts.append((state.X_pool[sample], q[sample]))
        slope = slope_of(state)
        return Panel(
            [smooth_scorer(state, X, v, sharpness=sharpness, slope=slope) for X, v in parts]
        )


def _label_probabilities(model: LabelModel | None, state: LearningState) -> FloatArray:
    return state.probabilities if model is None else model.probabilities(state.X_pool)


def _details(model: LabelModel | None, q: FloatArray, scorer: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"expected_labels": [[round(p, 6) for p in row] for row in q.tolist()]}
    if scorer.slope != 1.0:
        found["slope"] = round(scorer.slope, 6)
    return found if model is None else found | model.details
