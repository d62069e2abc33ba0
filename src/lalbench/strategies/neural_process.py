"""Neural process: simulate, score with the oracle, learn, predict (Bakker et al. 2023).

At an acquisition step episodes are simulated from the annotated points, the oracle scores them on
the reward set, an attentive neural process learns the scores, and the pool point with the largest
predicted improvement is acquired.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import files
from lalbench.errors import CorruptFileError, UserError, suggest
from lalbench.seeds import PublishedGenerator
from lalbench.stored import DAMAGE
from lalbench.strategies.base import LearningState, Need, Selection
from lalbench.strategies.ties import Ranking, Ties
from lalbench.value_checks import is_count, is_number

if TYPE_CHECKING:
    from lalbench.episodes import Episodes
    from lalbench.learners.neural_process import (
        LearnedNeuralProcess,
        LearnerOptions,
        LearningTask,
        Points,
        Refits,
    )

_CHOICES = {
    "simulation_size": ("round", "truncate"),
    "draws": ("named", "released"),
    "input_scaling": ("per_feature", "global_divisor"),
    "refit": ("every_step", "warm", "once"),
    "ties": get_args(Ties),
}
_COUNTS = ("n_simulations", "epochs", "warm_epochs", "batch_size")
_SWITCHES = (
    "context_labels",
    "classifier_probabilities",
    "standardise_targets",
    "context_rewards",
)
_N_HEADS = 8


@dataclass(frozen=True)
class NeuralProcess:
    r"""The largest improvement that a neural process predicts; it learns from simulated problems.

    The defaults are the paper's method under the ``clean`` protocol; the ``published`` one sets
    ``simulation_size``, ``draws``, ``input_scaling`` and ``ties``.

    Attributes:
        n_simulations: simulated problems per training (Algorithm 1 of the paper).
        fractions: of the annotated points that play "annotated", drawn uniformly per simulation.
        simulation_size: ``round`` or ``truncate`` the product of fraction and annotated points
            (docs/protocols.md [8]).
        draws: ``named``: NumPy generators; ``released``: in the way of the authors' code
            (docs/protocols.md [17]).
        input_scaling: ``per_feature`` to [-1, 1], or ``global_divisor``: all features by the
            largest absolute value; over annotated and pool points (docs/protocols.md [10]).
        epochs: of the training.
        batch_size: simulated problems in an update.
        learning_rate: of Adam; it falls by ``0.1 ** (1 / 100)`` per epoch.
        width: of the network, a multiple of 8.
        refit: ``every_step`` trains a new network at every step; ``warm`` goes on from the network
            of the step before, for ``warm_epochs``; ``once`` keeps that of step 1, ten times
            cheaper, with the current annotated points as context.
        warm_epochs: of a ``warm`` training, at most ``epochs``: the last ones of the schedule, on
            the episodes of the new step.
        ties: order among equal predictions (:data:`lalbench.strategies.ties.Ties`).
        context_labels: class labels of the annotated points enter the network; without it the
            network sees features only.
        classifier_probabilities: class probabilities of the task classifier are further features;
            in a simulated problem they come from a refit on its subset.
        standardise_targets: improvements are standardised for the training (docs/protocols.md
            [11]); predictions and learning curve are in the original units.
        context_rewards: each annotated point carries its leave-one-out improvement: the objective
            with it minus that without it. Costs as many refits again as the scoring.
        acquisition_std: k of the acquisition by mean + k standard deviations.

    Raises:
        UserError: a value that cannot be used.

    Rule:
        $\arg\max_i \mu(x_i \mid A) + k \sigma(x_i \mid A)$, a network's mean and standard
        deviation of the improvement on the reward set

    Cost:
        ``n_simulations`` · $(1 + m/2)$ refits of the classifier and a training, at every step or
        once (docs/neural_process.md)

    Source:
        T. Bakker, H. van Hoof and M. Welling, *Learning Objective-Specific Active Learning
        Strategies with Attentive Neural Processes*, 2023.

    Pitfalls:
        - Its reward set is labels that no other strategy has. Used for training they may bring as
          much: on waveform, imbalanced and weighted, a fit on annotated and reward rows ends at
          0.871 without any acquisition, the neural process at 0.862 (docs/reproduction.md).
        - Training is noisy: the same nine splits of MNIST with other random numbers have a mean
          AUAC of 5.588 and of 5.142 (docs/reproduction-mnist.md).
        - Learned once from a hundred simulations it is behind random sampling on splice junctions
          (docs/lal-results.md).
    """

    EPISODE_OPTIONS: ClassVar = ("n_simulations", "fractions", "simulation_size", "draws")
    """What :meth:`simulate` reads: a change of other options keeps the episodes."""

    n_simulations: int = 300
    fractions: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    simulation_size: Literal["round", "truncate"] = "round"
    draws: Literal["named", "released"] = "named"
    input_scaling: Literal["per_feature", "global_divisor"] = "per_feature"
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    width: int = 32
    refit: Literal["every_step", "warm", "once"] = "every_step"
    warm_epochs: int = 20
    ties: Ties = "random"
    context_labels: bool = False
    classifier_probabilities: bool = False
    standardise_targets: bool = False
    context_rewards: bool = False
    acquisition_std: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise UserError(name, f"unknown value {value!r}", suggest(value, choices))
        for name in _COUNTS:
            _check(name, getattr(self, name), is_count(getattr(self, name)), "an integer ≥ 1")
        for name in _SWITCHES:
            value = getattr(self, name)
            _check(name, value, isinstance(value, bool), "true or false")
        _check_fractions(self.fractions)
        object.__setattr__(self, "fractions", tuple(float(q) for q in self.fractions))
        fits = is_count(self.width) and self.width % _N_HEADS == 0
        _check("width", self.width, fits, f"a positive multiple of {_N_HEADS}")
        rate = self.learning_rate
        _check("learning_rate", rate, is_number(rate) and rate > 0, "a number above 0")
        _check("acquisition_std", self.acquisition_std, is_number(self.acquisition_std), "a number")

    @property
    def needs(self) -> frozenset[Need]:
        """What the strategy reads."""
        needs = {Need.LEARNED, Need.REWARD_SET, Need.CLASSIFIER}
        return frozenset(needs | {Need.PROBABILITIES} if self.classifier_probabilities else needs)

    @property
    def least_annotated(self) -> int:
        """Points of which every fraction leaves two to annotate and one for the pool."""
        if self.simulation_size == "round":
            return 3
        return max(3, math.ceil(2 / min(self.fractions)))

    def simulate(self, state: LearningState, rng: Generator) -> Episodes:
        """Episodes from the annotated points, scored by the oracle on the reward set."""
        from lalbench import episodes

        return episodes.simulate(
            state.X_annotated,
            state.y_annotated,
            _given(state.reward_scorer, "reward_scorer"),
            _given(state.new_classifier, "new_classifier"),
            state.fit_weights,
            n_simulations=self.n_simulations,
            fractions=self.fractions,
            simulation_size=self.simulation_size,
            draws=self.draws,
            rng=rng,
        )

    def fit(self, state: LearningState, episodes: Episodes, rng: Generator) -> LearnedNeuralProcess:
        """:meth:`fit_many` for one state."""
        return self.fit_many([state], [episodes], [rng])[0]

    def fit_many(
        self,
        states: Sequence[LearningState],
        episodes: Sequence[Episodes],
        rngs: Sequence[Generator],
    ) -> list[LearnedNeuralProcess]:
        """A neural process per state, trained on its episodes; those of equal shapes at once.

        Each starts from scratch, or, with ``refit: warm``, from the one that its state holds. Its
        generator draws the initial weights and orders problems and batches; with released draws the
        order comes from its Python generator (docs/protocols.md [17]).

        Raises:
            UserError: no CUDA device where one is asked for, a diverging training, or released
                draws without a :class:`lalbench.seeds.PublishedGenerator`.
        """
        from lalbench.learners.neural_process import fit_neural_processes

        tasks = [self._task(*parts) for parts in zip(states, episodes, rngs, strict=True)]
        warm = [task.start is not None for task in tasks]
        if any(warm) != all(warm):
            raise ValueError("some states hold a network to start from, others do not")
        return fit_neural_processes(tasks, self._learner_options(states[0], any(warm)))

    def _task(self, state: LearningState, episodes: Episodes, rng: Generator) -> LearningTask:
        from lalbench.learners.neural_process import Examples, InputScaler, LearningTask

        member = episodes.annotated_mask
        rewards, extra = None, None
        if self.context_rewards:
            scorer = _given(state.reward_scorer, "reward_scorer")
            rewards = _refits(state).leave_one_out(member, episodes.base_scores, scorer)
        if self.classifier_probabilities:
            extra = _refits(state).probabilities(member)
        examples = Examples(
            state.X_annotated,
            member,
            episodes.improvements,
            extra,
            rewards,
            state.y_annotated if self.context_labels else None,
        )
        known = np.concatenate([state.X_annotated, state.X_pool])
        scaler = InputScaler.fit(known, self.input_scaling)
        seed = int(rng.integers(2**62))
        shuffle = _released_python(rng).shuffle if self.draws == "released" else rng.shuffle
        start = state.learned if self.refit == "warm" else None
        return LearningTask(examples, scaler, seed, shuffle, start)

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The ``budget`` largest predictions; a batch is the top of one ranking.

        Scores are the predicted mean plus ``acquisition_std`` standard deviations.

        Raises:
            UserError: the state holds no learned neural process.
        """
        from lalbench.learners.neural_process import Points

        learned: LearnedNeuralProcess = _given(state.learned, "learned")
        extra = state.probabilities if self.classifier_probabilities else None
        mu, sigma = learned.predict(self._context(state), Points(state.X_pool, extra))
        scores = mu + self.acquisition_std * sigma
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        return Selection(ranking.top(scores, budget), scores)

    def episodes_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> Episodes:
        """The inverse of ``Episodes.to_arrays``.

        Raises:
            CorruptFileError: arrays that are no episodes.
        """
        from lalbench.episodes import Episodes

        try:
            return Episodes.from_arrays(arrays)
        except DAMAGE as error:
            raise CorruptFileError(
                f"stored episodes are damaged ({error}); delete it and run again"
            ) from error

    def learned_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> LearnedNeuralProcess:
        """The inverse of ``LearnedNeuralProcess.to_arrays``."""
        from lalbench.learners.neural_process import LearnedNeuralProcess

        return LearnedNeuralProcess.from_arrays(arrays)

    def save_learned(self, path: str | Path, learned: LearnedNeuralProcess) -> None:
        """Writes a learned neural process as npz, atomically and without pickle."""
        files.write_npz(path, learned.to_arrays())

    def load_learned(self, path: str | Path) -> LearnedNeuralProcess:
        """Reads what :meth:`save_learned` wrote; raises :class:`CorruptFileError`."""
        return self.learned_from_arrays(files.read_npz(path))

    def _context(self, state: LearningState) -> Points:
        """The current annotated points as context."""
        from lalbench import classifiers
        from lalbench.learners.neural_process import Points

        extra, rewards = None, None
        if self.classifier_probabilities:
            extra = classifiers.probabilities(state.classifier, state.X_annotated, state.n_classes)
        if self.context_rewards:
            scorer = _given(state.reward_scorer, "reward_scorer")
            everything = np.ones((1, len(state.y_annotated)), dtype=bool)
            score = np.array([scorer(state.classifier)])
            rewards = _refits(state).leave_one_out(everything, score, scorer)[0]
        labels = state.y_annotated if self.context_labels else None
        return Points(state.X_annotated, extra, rewards, labels)

    def _learner_options(self, state: LearningState, warm: bool) -> LearnerOptions:
        from lalbench.learners.neural_process import LearnerOptions, TrainingOptions
        from lalbench.learners.neural_process.training import DECAY

        training = TrainingOptions(self.epochs, self.batch_size, self.learning_rate)
        if warm and self.warm_epochs < self.epochs:
            rate = self.learning_rate * DECAY ** (self.epochs - self.warm_epochs)
            training = TrainingOptions(self.warm_epochs, self.batch_size, rate)
        return LearnerOptions(
            width=self.width,
            n_classes=state.n_classes if self.context_labels else 0,
            standardise=self.standardise_targets,
            training=training,
        )


def _refits(state: LearningState) -> Refits:
    from lalbench.learners.neural_process import Refits

    return Refits(
        state.X_annotated,
        state.y_annotated,
        _given(state.new_classifier, "new_classifier"),
        state.fit_weights,
        state.n_classes,
    )


def _released_python(rng: Generator) -> random.Random:
    """The Python generator that shuffles batches in the authors' code."""
    if not isinstance(rng, PublishedGenerator):
        raise UserError(
            "draws",
            '"released" with a generator that has no legacy stream',
            'use the protocol published, or draws: "named"',
        )
    return rng.python_legacy


def _given(value: Any, name: str) -> Any:
    if value is None:
        remedy = {
            "learned": "call simulate and fit first",
            "reward_scorer": "pass a Scorer of labelled reward points",
            "new_classifier": "pass a function that returns an unfitted classifier",
        }[name]
        raise UserError(f"state.{name}", "the neural process needs it", remedy)
    return value


def _check(name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise UserError(name, f"cannot use {value!r}", f"give {wanted}")


def _check_fractions(fractions: object) -> None:
    holds = (
        isinstance(fractions, tuple | list)
        and len(fractions) > 0
        and all(is_number(q) and 0 < q < 1 for q in fractions)
    )
    _check("fractions", fractions, holds, "a list of numbers between 0 and 1")
