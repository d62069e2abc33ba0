"""The contract of every strategy: a function of the learning state that chooses pool positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Need(Enum):
    """What a strategy reads; the trial computes or reveals nothing else."""

    PROBABILITIES = auto()
    DECISION = auto()
    EMBEDDINGS = auto()
    CLASSIFIER = auto()
    """Refits the classifier itself (``state.new_classifier``)."""
    REWARD_SET = auto()
    """Reads the reward rows and their labels: 100 labels that other strategies do not have."""
    LABEL_ORACLE = auto()
    """Asks for hidden pool labels inside a step; every answer is counted."""
    TEST_SET = auto()
    """Reads the test labels: a bound, not a strategy."""
    LEARNED = auto()
    """Needs the output of its learner (``state.learned``)."""


@dataclass(frozen=True)
class Selection:
    """What a strategy chose.

    Attributes:
        indices: (budget,) int64 distinct positions in the pool, in order of choice.
        scores: (n_pool,) float64, larger is better, before any batch effect; or None.
    """

    indices: IntArray
    scores: FloatArray | None = None


class LabelOracle:
    """Answers for hidden pool labels and counts what was asked.

    Args:
        y_pool: (n_pool,) int64 hidden labels.
    """

    def __init__(self, y_pool: IntArray) -> None:
        self._y = y_pool
        self._asked = np.zeros(len(y_pool), dtype=bool)

    def ask(self, positions: IntArray) -> IntArray:
        """The labels at ``positions``; asking twice for the same label counts once."""
        self._asked[positions] = True
        return self._y[positions].copy()

    def ask_all(self) -> IntArray:
        """All hidden labels (the cheating oracles)."""
        return self.ask(np.arange(len(self._y)))

    @property
    def count(self) -> int:
        """Number of different labels asked for so far."""
        return int(self._asked.sum())


@dataclass(frozen=True)
class LearningState:
    """All that a strategy may see at one acquisition step. It never holds pool labels.

    Attributes:
        X_annotated: (n_annotated, d) float64 scaled features, in order of acquisition.
        y_annotated: (n_annotated,) int64 labels 0 … n_classes - 1.
        X_pool: (n_pool, d) float64 scaled features.
        n_classes: number of classes of the problem (some may be missing from ``y_annotated``).
        classifier: the task classifier, fitted on the annotated set.
        class_weights: (n_classes,) float64 weights of the score.
        fit_weights: (n_classes,) float64 weights in training, or None.
        pool_ids, annotated_ids: int64 row ids of the original data set.
        step: number of the acquisition step, from 1.
        new_classifier: returns an unfitted copy of the task classifier.
        reward_scorer: the study's objective on the reward set (``Need.REWARD_SET``), else None.
        test_scorer: the study's objective on the test set (``Need.TEST_SET``), else None.
        labels: hidden pool labels (``Need.LABEL_ORACLE``), else None.
        learned: what the strategy's learner returned (``Need.LEARNED``), else None.
    """

    X_annotated: FloatArray
    y_annotated: IntArray
    X_pool: FloatArray
    n_classes: int
    classifier: Any
    class_weights: FloatArray
    fit_weights: FloatArray | None
    pool_ids: IntArray
    annotated_ids: IntArray
    step: int = 1
    new_classifier: Callable[[], Any] | None = None
    reward_scorer: Scorer | None = None
    test_scorer: Scorer | None = None
    labels: LabelOracle | None = None
    learned: Any = None

    @property
    def n_pool(self) -> int:
        """Number of pool points."""
        return len(self.X_pool)

    @cached_property
    def probabilities(self) -> FloatArray:
        """(n_pool, n_classes) class probabilities of the pool (``classifiers.probabilities``)."""
        from lalbench.classifiers import probabilities

        return probabilities(self.classifier, self.X_pool, self.n_classes)

    @cached_property
    def decision(self) -> FloatArray:
        """(n_pool,) decision function for two classes, (n_pool, n_classes) one-vs-rest for more."""
        from lalbench.classifiers import decision

        return decision(self.classifier, self.X_pool, self.n_classes)

    @property
    def embeddings(self) -> FloatArray:
        """(n_pool, D) representation of the pool: the scaled features for tabular classifiers."""
        return self.X_pool

    @property
    def annotated_embeddings(self) -> FloatArray:
        """(n_annotated, D) representation of the annotated set."""
        return self.X_annotated


class Strategy(Protocol):
    """A pure function of what it declares it needs; options are fields of a frozen dataclass."""

    @property
    def needs(self) -> frozenset[Need]:
        """What :meth:`select` reads."""

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Chooses ``min(budget, n_pool)`` distinct pool positions.

        Randomness comes from ``rng`` alone and is attached to row ids
        (:func:`lalbench.seeds.uniforms_by_id`), so permuting the pool permutes the choice.
        """
