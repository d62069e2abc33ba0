"""LAL: acquire the point whose label a learned regressor expects to help most.

Konyushkova, Sznitman and Fua (2017). The regressor was learned on synthetic data before the study
began (cold start), or on the initial annotated set (warm start). It knows the state of the
classifier, not the features of a point (:mod:`lalbench.learners.lal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from lalbench.errors import UserError
from lalbench.seeds import Streams
from lalbench.strategies.base import FloatArray, LearningState, Need, Selection
from lalbench.strategies.options import Options
from lalbench.strategies.ties import Ranking, Ties

if TYPE_CHECKING:
    from lalbench.learners.lal import (
        ColdStart,
        MonteCarlo,
        RegressionData,
        Regressor,
        RegressorOptions,
    )

MOST_STATES = 1_000_000
"""Annotated sets from which one regressor learns; the paper has 24,000."""

Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=2)]
Seed = Annotated[int, Field(ge=0)]
Columns = Annotated[int, Field(ge=1, le=8)]
"""Of the states of a forest; other classifiers have fewer."""
Counts = Annotated[tuple[Count, ...] | list[Count], Field(min_length=1)]
ColumnCounts = Annotated[tuple[Columns, ...] | list[Columns], Field(min_length=1)]


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
        repetitions: Q, annotated sets per size.
        candidates: M, labels tried per annotated set.
        mean_over: the points whose mean is the sixth column of the data: ``"pool"`` or
            ``"candidates"``; at acquisition it is the pool.
        random_numbers: of the classifiers before and after: ``"common"`` or ``"independent"``.
        targets: of the regressor: the ``"change"`` of the objective by a label, or its
            ``"advantage"`` over the mean of the candidates of the same state.
        trees, max_depth: of the regressor (:class:`~lalbench.learners.lal.RegressorOptions`).
        max_features: columns among which it looks for a split.
        min_leaf: rows in each of its leaves, at most a twentieth of all.
    """

    ties: Ties = "random"
    beyond: Literal["clamp", "extrapolate"] = "clamp"
    repetitions: Count = 500
    candidates: Count = 10
    mean_over: Literal["pool", "candidates"] = "pool"
    random_numbers: Literal["common", "independent"] = "common"
    targets: Literal["change", "advantage"] = "advantage"
    trees: Count = 200
    max_depth: Count = 40
    max_features: Columns = 6
    min_leaf: Count = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.targets == "advantage" and self.candidates < 2:
            raise UserError(
                "candidates",
                "1 has no advantage over others",
                "use 2 or more, or targets: change",
            )

    def monte_carlo(self, classifier: Any) -> MonteCarlo:
        """How a state is turned into rows, for an unfitted task classifier."""
        from lalbench.learners.lal import MonteCarlo

        return MonteCarlo(
            classifier, self.candidates, self.mean_over, self.random_numbers, self.targets
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
        from lalbench.learners.lal import columns_of, states, viewpoints

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
        classes = viewpoints(state.n_classes)
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
class ColdStartLal(Lal):
    """What the variants share whose data are synthetic: one regressor for all studies.

    Attributes:
        objective: whose improvements are learned: the name of one for two classes.
        first_size, last_size: of the annotated sets in the data.
        seed: of data and regressor.
    """

    objective: str = "weighted_accuracy"
    first_size: Size = 2
    last_size: Size = 49
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
        from lalbench import objectives
        from lalbench.data.gaussian_clouds import OPTIONS as CLOUDS

        objectives.get(self.objective)
        if self.last_size + self.candidates > CLOUDS["n"]:
            raise UserError(
                "last_size",
                f"{self.last_size} annotated points and {self.candidates} candidates are more than "
                f"the {CLOUDS['n']} points of a synthetic data set",
                "lower last_size or candidates",
            )
        n_states = (self.last_size - self.first_size + 1) * self.repetitions
        if n_states > MOST_STATES:
            raise UserError(
                "repetitions",
                f"{n_states} annotated sets",
                f"use at most {MOST_STATES // (n_states // self.repetitions)}",
            )

    @property
    def needs(self) -> frozenset[Need]:
        """The regressor, and a classifier of features."""
        return frozenset({Need.PRETRAINED, Need.FEATURES, Need.PROBABILITIES})

    def collection(self, classifier: Any) -> ColdStart:
        """The data of the regressor for an unfitted task classifier."""
        from lalbench.learners.lal import ColdStart

        ties: Literal["random", "first"] = "random" if self.ties == "random" else "first"
        return ColdStart(
            self.monte_carlo(classifier),
            self.objective,
            self.first_size,
            self.last_size,
            self.repetitions,
            self.seed,
            ties,
        )

    def regressor(self, data: RegressionData, processes: int = 1) -> Regressor:
        """What the strategy asks, learned from the rows of all sizes."""
        from lalbench.learners.lal import fit_regressor

        seed = Streams(self.seed, 0).integer("learner", name="lal")
        return fit_regressor(data, self.regressor_options(), seed, processes)


@dataclass(frozen=True)
class LalIndependent(ColdStartLal):
    r"""The largest improvement that a forest predicts; it learned from random annotated sets.

    Rule:
        $\arg\max_i g(\phi, \psi_i)$, a regression forest on the state $\phi$ of the classifier
        and what it says of the point, $\psi_i$

    Cost:
        $n$ walks through the trees of the classifier, one through the regressor for every different
        state; the regressor is learned once for all studies (docs/lal.md)

    Source:
        K. Konyushkova, R. Sznitman and P. Fua, *Learning Active Learning from Data*, 2017,
        algorithm 2.

    Pitfalls:
        - With a random forest it behaves like ``entropy``, and is behind random sampling on the
          2 × 2 checkerboard, too (AUAC 75.4 against 84.0; docs/lal-results.md).
        - What it learned is weighted accuracy of two synthetic classes with up to ``last_size``
          annotated points; the study's objective plays no part unless ``objective`` names it, and
          larger sets count as that size.
        - A forest of 50 trees has some 51 different states, so that ``ties`` decide many picks.
    """

    def pretrain(self, classifier: Any, processes: int = 1) -> Regressor:
        """The regressor for an unfitted task classifier, as the workflow learns it in parts."""
        collection = self.collection(classifier)
        every = [(size, q) for size in collection.sizes for q in range(self.repetitions)]
        return self.regressor(collection.independent(every), processes)


@dataclass(frozen=True)
class LalIterative(ColdStartLal):
    r"""The largest improvement that a forest predicts; it learned from sets that LAL itself chose.

    Attributes:
        step_trees, step_depths, step_features: grid of the regressors of single sizes; of all
            combinations the one with the largest out-of-bag R² is taken.

    Rule:
        $\arg\max_i g(\phi, \psi_i)$, as ``lal_independent``

    Cost:
        as ``lal_independent``; learning takes a regressor per size besides, some four times as long

    Source:
        K. Konyushkova, R. Sznitman and P. Fua, *Learning Active Learning from Data*, 2017,
        algorithm 3.

    Pitfalls:
        - On real data it is not told from ``entropy`` on any of eleven sets after the adjustment
          for their number, and behind random sampling on banana (docs/lal-results.md).
        - What it learned is weighted accuracy of two synthetic classes with up to ``last_size``
          annotated points; the study's objective plays no part unless ``objective`` names it, and
          larger sets count as that size.
        - Each size is learned after the one before it, so that more cores help less than with
          ``lal_independent``.
    """

    ACQUISITION_OPTIONS: ClassVar[tuple[str, ...]] = ("beyond",)

    step_trees: Counts = (500,)
    step_depths: Counts = (10,)
    step_features: ColumnCounts = (5,)

    def step_grid(self) -> list[RegressorOptions]:
        """The options among which the regressor of one size is chosen."""
        from lalbench.learners.lal import grid

        return grid(self.step_trees, self.step_depths, self.step_features, self.min_leaf)

    def step_regressor(self, data: RegressionData, size: int, processes: int = 1) -> Regressor:
        """What chooses at annotated sets of one size, learned from their rows."""
        from lalbench.learners.lal import search

        seed = Streams(self.seed, 0).integer("learner", step=size, name="lal")
        return search(data.without("size"), self.step_grid(), seed, processes)

    def pretrain(self, classifier: Any, processes: int = 1) -> Regressor:
        """The regressor for an unfitted task classifier, as the workflow learns it in parts."""
        from lalbench.learners.lal import RegressionData

        collection = self.collection(classifier)
        rows: list[RegressionData] = []
        steps: dict[int, Regressor] = {}
        for size in collection.sizes:
            parts = [(size, q) for q in range(self.repetitions)]
            rows.append(collection.iterative(parts, steps))
            if size < self.last_size:
                steps[size] = self.step_regressor(rows[-1], size, processes)
        return self.regressor(RegressionData.joined(rows), processes)


@dataclass(frozen=True)
class LalWarmStart(Lal):
    r"""LAL-independent, learned on the initial annotated set of the problem itself.

    It sees no label but those, and learns the change of the study's objective, with the problem's
    class weights.

    Attributes:
        repetitions: Q, annotated sets per size; the paper has 500.

    Rule:
        $\arg\max_i g(\phi, \psi_i)$, as ``lal_independent``

    Cost:
        $Q(1 + M)$ refits for every size of annotated sets, once per problem; then as
        ``lal_independent``

    Source:
        K. Konyushkova, R. Sznitman and P. Fua, *Learning Active Learning from Data*, 2017,
        algorithm 2 (warm start).

    Pitfalls:
        - On splice junctions it is no better than random sampling and behind ``lal_iterative``,
          which learned on synthetic data (-0.56, p < 0.001; docs/lal-results.md): measured on fifty
          points, the worth of a label is mostly chance.
        - It learns from half of the initial annotated set, once; larger sets count as the largest
          of its data from the first step on.
        - It needs two points of every class, and seven in all for two classes.
    """

    repetitions: Count = 50

    EPISODE_OPTIONS: ClassVar[tuple[str, ...]] = (
        "repetitions",
        "candidates",
        "mean_over",
        "random_numbers",
        "targets",
    )
    """All that the episodes depend on; the others shape regressor and acquisition."""

    refit: ClassVar[str] = "once"

    least_annotated: ClassVar[int] = 7
    """Of two classes with two points or more (:meth:`lalbench.learners.lal.WarmStart.sizes`)."""

    @property
    def needs(self) -> frozenset[Need]:
        """The regressor, and a classifier of features that is refitted."""
        needs = {Need.LEARNED, Need.CLASSIFIER, Need.FEATURES, Need.PROBABILITIES}
        return frozenset(needs)

    def simulate(self, state: LearningState, rng: Generator) -> RegressionData:
        """Rows from random annotated sets inside the annotated set.

        Raises:
            UserError: too few annotated points (:meth:`lalbench.learners.lal.WarmStart.sizes`).
        """
        from lalbench.learners.lal import WarmStart

        if state.new_classifier is None or state.objective is None:
            raise UserError("state", "a warm start needs new_classifier and objective", "give both")
        start = WarmStart(
            self.monte_carlo(state.new_classifier()),
            state.objective,
            state.class_weights,
            state.fit_weights,
            self.repetitions,
        )
        return start.collect(state.X_annotated, state.y_annotated, rng)

    def fit(self, state: LearningState, episodes: RegressionData, rng: Generator) -> Regressor:
        """The regressor learned from the rows."""
        from lalbench.learners.lal import fit_regressor

        return fit_regressor(episodes, self.regressor_options(), int(rng.integers(2**31 - 1)))

    def fit_many(
        self,
        states: Sequence[LearningState],
        episodes: Sequence[RegressionData],
        rngs: Sequence[Generator],
    ) -> list[Regressor]:
        """:meth:`fit` for several problems."""
        return [self.fit(*parts) for parts in zip(states, episodes, rngs, strict=True)]

    def episodes_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> RegressionData:
        """The inverse of ``RegressionData.to_arrays``."""
        from lalbench.learners.lal import RegressionData

        return RegressionData.from_arrays(arrays)
