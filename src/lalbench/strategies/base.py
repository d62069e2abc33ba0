"""The contract of every strategy: a function of the learning state that chooses pool positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench.errors import UserError

if TYPE_CHECKING:
    from lalbench.classifiers.networks.signals import Signals
    from lalbench.data.images import Images
    from lalbench.objectives import Objective, Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Inputs = Any
"""What a classifier takes: (n, d) float64 features, or images for a network."""


class Need(Enum):
    """What a strategy reads; the trial computes or reveals nothing else."""

    PROBABILITIES = auto()
    DECISION = auto()
    EMBEDDINGS = auto()
    FEATURES = auto()
    """Passes rows of features to the classifier, which cannot be a network."""
    IMAGES = auto()
    """Reads the images themselves: the classifier must be a network."""
    PREDICTED_LOSSES = auto()
    """Reads the losses that a network with a loss head predicts; the head changes its training."""
    CLASSIFIER = auto()
    """Refits the classifier itself (``state.new_classifier``)."""
    REWARD_SET = auto()
    """Reads the reward rows and their labels: 100 labels that other strategies do not have."""
    REWARD_IF_ANY = auto()
    """Reads the reward set likewise where there is one, and does without where there is none."""
    LABEL_ORACLE = auto()
    """Asks for hidden pool labels inside a step; every answer is counted."""
    TEST_SET = auto()
    """Reads the test labels: a bound, not a strategy."""
    POSTERIOR = auto()
    """Reads the true class probabilities of a made data set: a bound, not a strategy."""
    LEARNED = auto()
    """Needs the output of its learner (``state.learned``)."""
    PRETRAINED = auto()
    """Needs what was learned before the study, without its data (``state.learned``)."""


READS_REWARDS = frozenset({Need.REWARD_SET, Need.REWARD_IF_ANY})
"""Either gives a strategy the labels of the reward set."""


@dataclass(frozen=True)
class Selection:
    """What a strategy chose.

    Attributes:
        indices: (budget,) int64 distinct positions in the pool, in order of choice.
        scores: (n_pool,) float64, larger is better, before any batch effect; or None.
        details: what else the record of the step should say, as JSON has it; or None.
    """

    indices: IntArray
    scores: FloatArray | None = None
    details: Mapping[str, Any] | None = None


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
        X_annotated: what the classifier takes, in order of acquisition: (n_annotated, d) float64
            scaled features, or (n_annotated, H, W, C) :class:`~lalbench.data.images.Images` for a
            network.
        y_annotated: (n_annotated,) int64 labels 0 … n_classes - 1.
        X_pool: (n_pool, …), likewise.
        n_classes: number of classes of the problem (some may be missing from ``y_annotated``).
        classifier: the task classifier, fitted on the annotated set.
        class_weights: (n_classes,) float64 weights of the score.
        fit_weights: (n_classes,) float64 weights in training, or None.
        pool_ids, annotated_ids: int64 row ids of the original data set.
        step: number of the acquisition step, from 1.
        new_classifier: returns an unfitted copy of the task classifier.
        reward_scorer: the study's objective on the reward set (``Need.REWARD_SET``,
            ``Need.REWARD_IF_ANY``), else None.
        objective: the study's objective, with its rare class, or None outside a study.
        test_scorer: the study's objective on the test set (``Need.TEST_SET``), else None.
        posterior: (n_pool, n_classes) float64 true class probabilities (``Need.POSTERIOR``), else
            None.
        labels: hidden pool labels (``Need.LABEL_ORACLE``), else None.
        learned: what the strategy's learner returned (``Need.LEARNED``, ``Need.PRETRAINED``), else
            None.
    """

    X_annotated: Inputs
    y_annotated: IntArray
    X_pool: Inputs
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
    objective: Objective | None = None
    posterior: FloatArray | None = None
    labels: LabelOracle | None = None
    learned: Any = None

    @property
    def n_pool(self) -> int:
        """Number of pool points."""
        return len(self.X_pool)

    @cached_property
    def signals(self) -> Signals | None:
        """What one pass of a network over the pool gives; None for other classifiers."""
        return self._signals(self.X_pool)

    @cached_property
    def annotated_signals(self) -> Signals | None:
        """What one pass of a network over the annotated set gives; None for other classifiers."""
        return self._signals(self.X_annotated)

    @cached_property
    def probabilities(self) -> FloatArray:
        """(n_pool, n_classes) float64 class probabilities of the pool."""
        if self.signals is not None:
            return self.signals.probabilities(self.n_classes)
        from lalbench.classifiers import probabilities

        return probabilities(self.classifier, self.X_pool, self.n_classes)

    @cached_property
    def decision(self) -> FloatArray:
        """(n_pool,) decision function for two classes, (n_pool, n_classes) one-vs-rest for more."""
        from lalbench.classifiers import decision

        return decision(self.classifier, self.X_pool, self.n_classes)

    @property
    def embeddings(self) -> FloatArray:
        """(n_pool, D) representation of the pool: the scaled features in float64 for tabular
        classifiers, the input of the last layer in float32 or float16 for networks.
        """
        found: FloatArray = self.X_pool if self.signals is None else self.signals.embeddings
        return found

    @property
    def annotated_embeddings(self) -> FloatArray:
        """(n_annotated, D) representation of the annotated set."""
        own = self.annotated_signals
        found: FloatArray = self.X_annotated if own is None else own.embeddings
        return found

    @property
    def predicted_losses(self) -> FloatArray:
        """(n_pool,) float64 losses that the network's loss head predicts."""
        if self.signals is None or self.signals.losses is None:
            raise UserError(
                "classifiers",
                f"{type(self.classifier).__name__} predicts no losses",
                "fit a network with loss_head=True",
            )
        return self.signals.losses

    @property
    def images(self) -> Images:
        """(n_pool, H, W, C) images of the pool."""
        return _images(self.X_pool)

    @property
    def annotated_images(self) -> Images:
        """(n_annotated, H, W, C) images of the annotated set."""
        return _images(self.X_annotated)

    def _signals(self, X: Inputs) -> Signals | None:
        from lalbench.data.images import Images

        are_images = isinstance(X, Images) or np.ndim(X) == 4
        found: Signals | None = self.classifier.signals(X) if are_images else None
        return found


def given(value: Any, name: str, who: str) -> Any:
    """``value``, the part ``name`` of a state; raises :class:`UserError` if it is None.

    Args:
        value: of the state.
        name: what it is called there.
        who: what messages call who needs it.
    """
    if value is None:
        raise UserError(f"state.{name}", f"{who} needs it", f"build the state with {name}")
    return value


def _images(X: Inputs) -> Images:
    from lalbench.data.images import Images

    if isinstance(X, Images):
        return X
    if np.ndim(X) == 4 and np.asarray(X).dtype == np.uint8:
        return Images(np.asarray(X))
    raise UserError(
        "classifiers", "the strategy needs (n, H, W, C) uint8 images", "use a network for images"
    )


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


def check_needs(
    strategy: Strategy,
    title: str,
    *,
    network: str,
    has_rewards: bool,
    has_posterior: bool,
    n_annotated: int | None = None,
) -> None:
    """Raises :class:`UserError` where a strategy cannot work in a trial.

    Args:
        strategy: the strategy.
        title: what messages call it.
        network: what messages call the task classifier if it is a network, else "".
        has_rewards: whether the problem has a reward set.
        has_posterior: whether its true class probabilities are known.
        n_annotated: size of the initial annotated set, where it is known. A strategy that learns
            from that set says in ``least_annotated`` how many points it needs at least.
    """
    needs = strategy.needs
    if network and needs & {Need.CLASSIFIER, Need.LEARNED}:
        raise UserError(
            "strategy",
            f"{title} refits the classifier for single points, which takes too long for the "
            f"network {network}",
            "leave one of them out",
        )
    if network and Need.FEATURES in needs:
        raise UserError(
            "strategy",
            f"{title} passes features to the classifier, and the network {network} takes images",
            "leave one of them out",
        )
    if not network and needs & {Need.IMAGES, Need.PREDICTED_LOSSES}:
        raise UserError(
            "strategy",
            f"{title} needs a network",
            "put it into a study whose classifiers are networks, for example resnet18",
        )
    if not has_rewards and Need.REWARD_SET in needs:
        raise UserError(
            "strategy",
            f"{title} needs a reward set, and it is empty",
            "set sizes.reward to 2 or more and labels to reward_apart, or leave out the strategy, "
            "or its option that asks for it",
        )
    if not has_posterior and Need.POSTERIOR in needs:
        raise UserError(
            "strategy",
            f"{title} reads true class probabilities, which only made data have",
            "use waveform_generator without relabel, or leave the strategy out",
        )
    least = getattr(strategy, "least_annotated", 0)
    if n_annotated is not None and n_annotated < least:
        raise UserError(
            "strategy",
            f"{title} learns from {least} annotated points or more, and there are {n_annotated}",
            f"set sizes.annotated to {least} or more, or leave the strategy out",
        )
