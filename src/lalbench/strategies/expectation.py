"""Improvements by candidates whose labels are known in expectation only."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field

from lalbench.errors import UserError
from lalbench.objectives import Panel
from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import (
    FloatArray,
    IntArray,
    LearningState,
    Need,
    Selection,
    given,
)
from lalbench.strategies.options import Options, Positive
from lalbench.strategies.smoothing import consensus, slope_of, smooth_scorer
from lalbench.strategies.ties import Ranking, Ties

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer, Scorer

Count = Annotated[int, Field(ge=1)]
Points = Literal["reward", "pool", "both"]
LADDER = (1.0, 3.0, 10.0, np.inf)
"""Of ``consensus``."""
_NONE = np.empty(0, dtype=np.int64)


def first_of(ids: IntArray, size: int, rng: Generator) -> IntArray:
    """Ascending positions of ``size`` points, drawn by their (n,) ids; all if there are fewer.

    Random numbers are drawn in any case, so that what is drawn later does not depend on ``size``.
    """
    drawn = uniforms_by_id(rng, ids)
    if size >= len(ids):
        return np.arange(len(ids))
    return np.sort(np.argpartition(drawn, size)[:size])


def check_batch(classifier: Any, budget: int) -> None:
    """Raises :class:`UserError` where a batch needs weights that a classifier does not take.

    What was picked counts as annotated with every label, weighed by its probability.
    """
    if budget > 1 and "sample_weight" not in signature(classifier.fit).parameters:
        raise UserError(
            "budget",
            f"{type(classifier).__name__}.fit takes no sample_weight, which a batch of expected "
            "labels needs",
            "ask for one point at a time, or choose another classifier",
        )


def expected_improvements(
    state: LearningState,
    q: FloatArray,
    scorer: AnyScorer,
    candidates: IntArray,
    chosen: IntArray = _NONE,
    *,
    engine: str = "auto",
) -> FloatArray:
    """``Σ_c q(c|x) (V(A ∪ (x, c)) - V(A))`` for each candidate x.

    Args:
        state: with ``new_classifier``.
        q: (n_pool, C) probabilities of the labels.
        scorer: V; a panel gives one score after the other.
        candidates: (k,) positions in the pool.
        chosen: positions that count as annotated, with every label weighed by its probability.
        engine: as of :func:`lalbench.oracle.improvements`.

    Returns:
        (k,) float64, or (k, S) of a panel of S scorers.

    Raises:
        UserError: the state cannot make a classifier.
    """
    by_label = improvements_by_label(state, q, scorer, candidates, chosen, engine=engine)
    expected: FloatArray = np.einsum("nc,nc...->n...", q[candidates], by_label)
    return expected


def improvements_by_label(
    state: LearningState,
    q: FloatArray,
    scorer: AnyScorer,
    candidates: IntArray,
    chosen: IntArray = _NONE,
    *,
    engine: str = "auto",
) -> FloatArray:
    """``V(A ∪ (x, c)) - V(A)`` for each candidate x and label c: (k, C) or (k, C, S) float64.

    Arguments and errors are those of :func:`expected_improvements`.
    """
    from lalbench import oracle

    C = state.n_classes
    labels = np.tile(np.arange(C), len(candidates))
    # a label that cannot be is no row: a classifier would count its class
    places, known = np.nonzero(q[chosen])
    weights = None
    if len(chosen) or state.fit_weights is not None:
        by_class = np.ones(C) if state.fit_weights is None else state.fit_weights
        annotated = by_class[state.y_annotated]
        weights = np.concatenate(
            [annotated, by_class[known] * q[chosen][places, known], by_class[labels]]
        )
    found = oracle.improvements(
        given(state.new_classifier, "new_classifier", "a refit")(),
        np.concatenate([state.X_annotated, state.X_pool[chosen[places]]]),
        np.concatenate([state.y_annotated, known]),
        np.repeat(state.X_pool[candidates], C, axis=0),
        labels,
        scorer,
        sample_weight=weights,
        engine=engine,
    )
    by_label: FloatArray = found.reshape(len(candidates), C, *scorer.shape)
    return by_label


@dataclass(frozen=True)
class ExpectedImprovement(Options):
    """Ranks the pool by expected improvements of the smooth objective; what expects labels is open.

    Attributes:
        points: where the objective is evaluated: the reward set with its labels, a sample of the
            pool with the expected ones, or both (the mean of the two).
        n_points: size of the sample of the pool.
        sharpness: of the smooth objective; ``hard``: the objective itself on soft labels;
            ``consensus``: the mean of the standardised improvements by 1, 3, 10 and ``hard``,
            1 alone for an objective that is smooth itself.
        n_candidates: the largest number of pool points to look at, those of the batch at least;
            None: all.
        shortlist: which ones: those with the largest entropy of the mean of the classifier's
            probabilities and the expected labels (``uncertain``), or ``random`` ones.
        engine: what computes the refits (docs/oracle.md).
        ties: order among equal scores.
    """

    points: Points = "pool"
    n_points: Count = 1600
    sharpness: Positive | Literal["hard", "consensus"] = "consensus"
    n_candidates: Count | None = None
    shortlist: Literal["uncertain", "random"] = "uncertain"
    engine: Literal["auto", "logistic", "svm", "forest", "compiled_forest", "reference"] = "auto"
    ties: Ties = "random"

    reads_companion: ClassVar[bool] = True
    """It reads the smooth companion of the objective."""

    @property
    def needs(self) -> frozenset[Need]:
        """``reward`` and ``both`` cannot do without the reward set."""
        asks = {Need.CLASSIFIER, Need.FEATURES}
        if self.points != "pool":
            asks.add(Need.REWARD_SET)
        if self.n_candidates is not None and self.shortlist == "uncertain":
            asks.add(Need.PROBABILITIES)
        return frozenset(asks)

    def _ladder(self, state: LearningState) -> tuple[float, ...]:
        """Every sharpness that is looked at, in ascending order.

        Of an objective that is smooth itself a sharper one would be another objective.
        """
        if self.sharpness == "consensus":
            objective = given(state.objective, "objective", "a smooth objective")
            return (1.0,) if objective.is_smooth else LADDER
        return (np.inf if self.sharpness == "hard" else float(self.sharpness),)

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Picks one after the other; after each, its labels are expected ones.

        Scores are the expected improvements by single points, or their consensus; -inf for points
        not looked at.

        Raises:
            UserError: the state lacks the classifier, the objective or the reward set, or the
                classifier cannot weigh what a batch needs.
        """
        if state.n_pool == 0:
            return Selection(_NONE, np.empty(0))
        check_batch(state.classifier, min(budget, state.n_pool))
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        wanted = state.n_pool if self.n_candidates is None else max(self.n_candidates, budget)
        candidates = first_of(state.pool_ids, wanted, rng)
        # the sample of evaluation points and that of candidates are drawn apart
        sample = first_of(state.pool_ids, self.n_points, rng)
        slope = slope_of(state)
        q, details = self._expected_labels(state, slope, rng)
        if self.shortlist == "uncertain" and len(candidates) < state.n_pool:
            candidates = np.sort(ranking.top(_doubt(state, q), len(candidates)))
        ladder = self._ladder(state)
        scorer = self._scorer(state, q, sample, ladder, slope)
        chosen: list[int] = []
        scores = first = np.full(state.n_pool, -np.inf)
        for pick in range(min(budget, state.n_pool)):
            left = np.setdiff1d(candidates, chosen)
            scores = np.full(state.n_pool, -np.inf)
            gains = expected_improvements(
                state, q, scorer, left, np.asarray(chosen, np.int64), engine=self.engine
            )
            # the panel goes through the kinds of points for each sharpness
            by_sharpness = gains.reshape(len(left), len(ladder), -1).mean(axis=2)
            alone = len(ladder) == 1
            scores[left] = by_sharpness[:, 0] if alone else consensus(by_sharpness)
            first = scores if pick == 0 else first
            chosen.append(ranking.best(scores))
        found = np.asarray(chosen, dtype=np.int64)
        return Selection(found, first, _details(q[found], scorer) | details)

    def _expected_labels(
        self, state: LearningState, slope: float, rng: Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """(n_pool, C) probabilities of the labels, and what is to be recorded of them.

        ``slope`` is that of the sigmoid for the classifier's margins.
        """
        raise NotImplementedError

    def _scorer(
        self,
        state: LearningState,
        q: FloatArray,
        sample: IntArray,
        ladder: tuple[float, ...],
        slope: float,
    ) -> Panel:
        """One entry per kind of evaluation points, for each sharpness in turn."""
        parts: list[tuple[FloatArray, FloatArray | IntArray]] = []
        if self.points != "pool":
            rewards: Scorer = given(state.reward_scorer, "reward_scorer", "looking ahead")
            parts.append((rewards.X, rewards.y))
        if self.points != "reward":
            parts.append((state.X_pool[sample], q[sample]))
        return Panel(
            [
                smooth_scorer(state, X, v, sharpness=sharpness, slope=slope)
                for sharpness in ladder
                for X, v in parts
            ]
        )


def _doubt(state: LearningState, q: FloatArray) -> FloatArray:
    """(n_pool,) entropy of the mean of what the classifier and the expected labels say, in nats.

    Margins are not calibrated for it.
    """
    from scipy.special import entr

    found: FloatArray = entr((state.probabilities + q) / 2).sum(axis=1)
    return found


def _details(q: FloatArray, scorer: Panel) -> dict[str, Any]:
    labels = [[round(p, 6) for p in row] for row in q.tolist()]
    found: dict[str, Any] = {"expected_labels": labels}
    if scorer.slope != 1.0:
        found["slope"] = round(scorer.slope, 6)
    return found
