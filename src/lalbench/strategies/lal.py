"""LAL: acquire the point whose label a learned regressor expects to help most.

Konyushkova, Sznitman and Fua (2017). The regressor was learned on synthetic data before the study
began and knows the state of the classifier, not the features of a point
(:mod:`lalbench.learners.lal`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from lalbench.errors import UserError
from lalbench.strategies.base import FloatArray, LearningState, Need, Selection
from lalbench.strategies.options import Options
from lalbench.strategies.ties import Ranking, Ties

if TYPE_CHECKING:
    from lalbench.learners.lal import ColdStart, Regressor, RegressorOptions

Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=2)]
Seed = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Lal(Options):
    """What the variants share; a pool point's score is the improvement that the regressor predicts.

    With more than two classes the score is the mean over the classes of the predictions for the
    states "this class against all others".

    Attributes:
        ties: order among equal scores (:data:`~lalbench.strategies.ties.Ties`). A forest of B trees
            has few different states, so ties are the rule.
        beyond: annotated sets larger than any in the regressor's data count as the largest there
            (``"clamp"``), or are left to its trees (``"extrapolate"``).
        objective: whose improvements are learned: a name of :func:`lalbench.objectives.names`.
        first_size, last_size: of the annotated sets in the data.
        repetitions: Q, annotated sets per size.
        candidates: M, labels tried per annotated set.
        mean_over: the points whose mean is the sixth column of the data: ``"pool"`` or
            ``"candidates"``; at acquisition it is the pool.
        random_numbers: of the classifiers before and after: ``"common"`` or ``"independent"``.
        trees, max_depth, max_features, min_leaf: of the regressor
            (:class:`~lalbench.learners.lal.RegressorOptions`).
        seed: of data and regressor.
    """

    ties: Ties = "random"
    beyond: Literal["clamp", "extrapolate"] = "clamp"
    objective: str = "weighted_accuracy"
    first_size: Size = 2
    last_size: Size = 49
    repetitions: Count = 500
    candidates: Count = 10
    mean_over: Literal["pool", "candidates"] = "pool"
    random_numbers: Literal["common", "independent"] = "common"
    trees: Count = 200
    max_depth: Count = 40
    max_features: Count = 6
    min_leaf: Count = 5
    seed: Seed = 0

    ACQUISITION_OPTIONS: ClassVar[tuple[str, ...]] = ("ties", "beyond")
    """All others shape the regressor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.last_size < self.first_size:
            raise UserError(
                "last_size",
                f"{self.last_size} is below first_size",
                f"use {self.first_size} or more",
            )

    @property
    def needs(self) -> frozenset[Need]:
        """The regressor, and a classifier of features."""
        return frozenset({Need.PRETRAINED, Need.FEATURES, Need.PROBABILITIES})

    def collection(self, classifier: Any) -> ColdStart:
        """The data of the regressor for an unfitted task classifier."""
        from lalbench.learners.lal import ColdStart, MonteCarlo

        monte_carlo = MonteCarlo(classifier, self.candidates, self.mean_over, self.random_numbers)
        ties: Literal["random", "first"] = "random" if self.ties == "random" else "first"
        return ColdStart(
            monte_carlo,
            self.objective,
            self.first_size,
            self.last_size,
            self.repetitions,
            self.seed,
            ties,
        )

    def regressor_options(self) -> RegressorOptions:
        """Of the regressor that the strategy asks."""
        from lalbench.learners.lal import RegressorOptions

        return RegressorOptions(self.trees, self.max_depth, self.max_features, self.min_leaf)

    def scores(self, state: LearningState) -> FloatArray:
        """(n_pool,) float64 predicted improvements.

        Raises:
            UserError: the state holds no regressor, or one for another kind of classifier.
        """
        from lalbench.learners.lal import columns_of, states

        regressor: Regressor | None = state.learned
        if regressor is None:
            raise UserError("state.learned", "LAL needs its regressor", "train one, or load one")
        if columns_of(state.classifier) != regressor.columns:
            raise UserError(
                "state.learned",
                f"a regressor of the columns {', '.join(regressor.columns)} beside the classifier "
                f"{type(state.classifier).__name__}",
                "train one for this classifier",
            )
        # class 0 alone stands for a problem of two, as published
        classes = range(state.n_classes) if state.n_classes > 2 else (0,)
        total = np.zeros(state.n_pool)
        for label in classes:
            known = states(
                state.classifier, state.y_annotated, state.X_pool, state.n_classes, positive=label
            )
            total += regressor.predict(known, self.beyond)
        return total / len(classes)

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The ``budget`` largest predictions; a batch is the top of one ranking."""
        if not state.n_pool:
            return Selection(np.empty(0, dtype=np.int64), np.empty(0))
        scores = self.scores(state)
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        return Selection(ranking.top(scores, budget), scores)

    def learned_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> Regressor:
        """The inverse of ``Regressor.to_arrays``."""
        from lalbench.learners.lal import Regressor

        return Regressor.from_arrays(arrays)


@dataclass(frozen=True)
class LalIndependent(Lal):
    """LAL-independent: its data are random annotated sets (algorithm 2)."""


@dataclass(frozen=True)
class LalIterative(Lal):
    """LAL-iterative: annotated sets grow as regressors of smaller sizes choose (algorithm 3).

    Attributes:
        step_trees, step_depths, step_features: grid of the regressors of single sizes; of all
            combinations the one with the largest out-of-bag R² is taken.
    """

    ACQUISITION_OPTIONS: ClassVar[tuple[str, ...]] = ("beyond",)

    step_trees: tuple[Count, ...] | list[Count] = (500,)
    step_depths: tuple[Count, ...] | list[Count] = (10,)
    step_features: tuple[Count, ...] | list[Count] = (5,)

    def step_grid(self) -> list[RegressorOptions]:
        """The options among which the regressor of one size is chosen."""
        from lalbench.learners.lal import grid

        return grid(self.step_trees, self.step_depths, self.step_features, self.min_leaf)
