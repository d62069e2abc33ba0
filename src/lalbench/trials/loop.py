"""The acquisition loop: select, label, refit, score; it can be stopped and taken up again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import classifiers, compute, objectives, oracle, protocols
from lalbench.data.images import Images
from lalbench.objectives import Scorer, metrics
from lalbench.seeds import PublishedGenerator, Streams
from lalbench.strategies.base import (
    READS_REWARDS,
    LabelOracle,
    LearningState,
    Need,
    Strategy,
    check_needs,
)
from lalbench.trials.acquired import acquired_probabilities
from lalbench.trials.learning import learn
from lalbench.trials.trial import Names, Trial, check_selection, key_of

if TYPE_CHECKING:
    from lalbench.problems import Problem

IntArray = NDArray[np.int64]
Arrays = Mapping[str, NDArray[Any]]


@dataclass
class _Choice:
    """What was chosen in a step that is not scored yet."""

    step: int = 0
    acquired: list[int] = field(default_factory=list)
    acquired_probability: list[float] = field(default_factory=list)
    labels_asked: int = 0
    details: str = ""
    seconds_learn: float = 0.0
    seconds_select: float = 0.0
    seconds_signals: float = 0.0
    seconds_fit: float = 0.0


class Loop:
    """The moving parts of a trial.

    Args:
        problem: split and scaled.
        classifier: the task classifier, as :func:`lalbench.classifiers.get` takes it.
        strategy: resolved.
        names: of the rows.
        learned: output of the strategy's learner for step 1, if it exists.
        initial: arrays of the network fitted on the initial annotated set; ignored by strategies
            that change the training.
    """

    def __init__(
        self,
        problem: Problem,
        classifier: Any,
        strategy: Strategy,
        names: Names,
        learned: Any = None,
        initial: Arrays | None = None,
    ) -> None:
        self.problem, self.strategy, self.names = problem, strategy, names
        self.streams = Streams(problem.data_seed, problem.seed, problem.study_seed)
        self.classifier = classifiers.for_problem(
            classifier, problem, self.streams.integer("model")
        )
        self.inputs = classifiers.inputs(self.classifier, problem)
        check_needs(
            strategy,
            names.strategy or type(strategy).__name__,
            network=type(self.classifier).__name__ if isinstance(self.inputs, Images) else "",
            has_rewards=len(problem.reward) > 0,
            has_posterior=problem.source.log_densities is not None,
        )
        self.learned, self._initial = learned, initial
        if hasattr(strategy, "adapt_classifier"):
            self.classifier = strategy.adapt_classifier(self.classifier)
            self._initial = None
        self.annotated, self.pool = problem.annotated.copy(), problem.pool.copy()
        self.trial = Trial()
        self.fitted: Any = None
        self.labels: LabelOracle | None = None
        self._choice: _Choice | None = _Choice()
        self._training: Arrays | None = None
        released = protocols.get(problem.protocol).streams == "released"
        self._published = (
            PublishedGenerator(problem.seed, problem.python_random_state) if released else None
        )
        self._test_scorer = self._scorer(problem.test)
        self._reward_scorer = self._scorer(problem.reward) if len(problem.reward) else None

    @property
    def next_step(self) -> int:
        """The first step that has no row yet."""
        return len(self.trial.records)

    def run_step(self, budget: int) -> None:
        """The next step: fits and scores step 0, or acquires ``budget`` points, fits and scores.

        Raises:
            StoppedError: SIGTERM came; :meth:`snapshot` is what was reached.
        """
        if self._choice is None:
            self._choice = self._choose(self.next_step, budget)
        self.fit()
        self._score(self._choice)
        self._choice = None

    def state(self, step: int) -> LearningState:
        """What the strategy may see at ``step``; hidden labels only where it needs them."""
        problem, needs = self.problem, self.strategy.needs
        self.labels = LabelOracle(problem.y[self.pool]) if Need.LABEL_ORACLE in needs else None
        return LearningState(
            X_annotated=self.inputs[self.annotated],
            y_annotated=problem.y[self.annotated],
            X_pool=self.inputs[self.pool],
            n_classes=problem.n_classes,
            classifier=self.fitted,
            # copies, as all the rest: what a strategy writes into them must not reach the scores
            class_weights=problem.class_weights.copy(),
            fit_weights=None if problem.fit_weights is None else problem.fit_weights.copy(),
            pool_ids=problem.row_ids[self.pool],
            annotated_ids=problem.row_ids[self.annotated],
            step=step,
            new_classifier=lambda: classifiers.clone(self.classifier),
            reward_scorer=self._reward_scorer if needs & READS_REWARDS else None,
            test_scorer=self._test_scorer if Need.TEST_SET in needs else None,
            objective=self._test_scorer.objective,
            posterior=problem.posterior[self.pool] if Need.POSTERIOR in needs else None,
            labels=self.labels,
            learned=self.learned,
        )

    def snapshot(self, training: Arrays | None = None) -> dict[str, NDArray[Any]]:
        """Everything that :meth:`restore` needs, as plain arrays; for networks.

        Args:
            training: what a stopped fit carried; absent between steps.
        """
        about = {
            "trial": asdict(self.trial),
            "choice": None if self._choice is None else asdict(self._choice),
            "published": None if self._published is None else self._published.state(),
        }
        found = {"about": np.array(json.dumps(about)), "annotated": self.annotated}
        found["pool"] = self.pool
        if training is not None:
            found |= {f"training.{name}": array for name, array in training.items()}
        elif self.fitted is not None:
            found |= {f"fitted.{name}": array for name, array in self.fitted.arrays().items()}
        return found

    def restore(self, arrays: Arrays) -> None:
        """Goes back to a :meth:`snapshot` of the same trial."""
        about = json.loads(str(arrays["about"]))
        self.trial = Trial(**about["trial"])
        self._choice = None if about["choice"] is None else _Choice(**about["choice"])
        if self._published is not None:
            self._published.restore(about["published"])
        self.annotated, self.pool = np.array(arrays["annotated"]), np.array(arrays["pool"])
        self._training = _below(arrays, "training.") or None
        weights = _below(arrays, "fitted.")
        if weights:
            self.fitted = classifiers.clone(self.classifier).restore(weights)

    def _choose(self, step: int, budget: int) -> _Choice:
        """Selects and labels; annotated set and pool are those of the next fit."""
        state = self.state(step)
        started = time.perf_counter()
        if Need.LEARNED in self.strategy.needs:
            state = self._learn(state, step)
        learned_at, signals_before = time.perf_counter(), self._signal_seconds()
        selection = self.strategy.select(state, budget, self._generator(step))
        in_signals = self._signal_seconds() - signals_before
        seconds = time.perf_counter() - learned_at - in_signals
        chosen = check_selection(selection, budget, len(self.pool))
        said = acquired_probabilities(state, chosen)  # after the clock: no part of the selection
        acquired = self.pool[chosen]
        self.annotated = np.concatenate([self.annotated, acquired])
        self.pool = np.delete(self.pool, chosen)
        return _Choice(
            step,
            [int(row) for row in self.problem.row_ids[acquired]],
            said,
            self.labels.count if self.labels is not None else 0,
            json.dumps(dict(selection.details), sort_keys=True) if selection.details else "",
            learned_at - started,
            seconds,
            in_signals,
        )

    def _score(self, choice: _Choice) -> None:
        """Scores the fitted classifier on the test set and records the step."""
        problem, key = self.problem, key_of(self.problem, self.names, choice.step)
        reads_rewards = bool(self.strategy.needs & READS_REWARDS)
        y, counts = problem.y, np.bincount(problem.y[self.annotated], minlength=problem.n_classes)
        record = {
            "n_annotated": len(self.annotated),
            "n_pool": len(self.pool),
            "acquired": choice.acquired,
            "acquired_probability": choice.acquired_probability,
            **self._scores(),
            "class_counts": [int(count) for count in counts],
            "rare_in_pool": int(np.sum(y[self.pool] == problem.rare_class)),
            "rare_in_test": int(np.sum(y[problem.test] == problem.rare_class)),
            "labels_asked": choice.labels_asked,
            "selection_details": choice.details,
            "label_budget": len(self.annotated) + (len(problem.reward) if reads_rewards else 0),
            "engine": self._engine(),
            "split_hash": problem.split_hash,
            "status": "ok",
            "message": "",
        }
        self.trial.records.append(key | record)
        self.trial.timings.append(
            key
            | {
                "seconds_signals": choice.seconds_signals,
                "seconds_select": choice.seconds_select,
                "seconds_fit": choice.seconds_fit,
                "seconds_learn": choice.seconds_learn,
                **compute.gpu_facts(),
            }
        )

    def _scores(self) -> dict[str, Any]:
        problem = self.problem
        X, y = self.inputs[problem.test], problem.y[problem.test]
        fitted: Any = self.fitted
        if classifiers.takes_images(fitted):
            fitted = classifiers.Answers(fitted, X, problem.n_classes)
        has_probabilities = hasattr(fitted, "predict_proba")
        probabilities = (
            classifiers.probabilities(fitted, X, problem.n_classes) if has_probabilities else None
        )
        predicted, scorer = fitted.predict(X), self._test_scorer
        found = metrics(y, predicted, probabilities, problem.class_weights, problem.rare_class)
        # what a scorer would ask the classifier once more
        values = predicted if scorer.needs == "predictions" else probabilities
        objective = scorer(fitted) if values is None else scorer.score(values)
        return {"objective": float(objective), **found}

    def _learn(self, state: LearningState, step: int) -> LearningState:
        strategy: Any = self.strategy
        again = strategy.refit != "once" and step > 1
        if self.learned is None or again:
            self.learned = learn(strategy, state, self.streams, step)
            state = replace(state, learned=self.learned)
        if step == 1 or again:
            self.trial.curves.extend(
                key_of(self.problem, self.names, step) | {"epoch": epoch, "loss": float(loss)}
                for epoch, loss in enumerate(self.learned.curve, start=1)
            )
        return state

    def fit(self) -> None:
        """Fits the task classifier on the annotated set, or takes the shared initial network."""
        problem, choice = self.problem, self._choice
        started = time.perf_counter()
        classifier = classifiers.clone(self.classifier)
        if self._initial is not None and self.next_step == 0:
            self.fitted = classifier.restore(self._initial)
            return
        resume = {} if self._training is None else {"resume": self._training}
        try:
            self.fitted = classifiers.fit(
                classifier,
                self.inputs[self.annotated],
                problem.y[self.annotated],
                problem.fit_weights,
                **resume,
            )
        finally:
            self._training = None
            if choice is not None:
                choice.seconds_fit += time.perf_counter() - started

    def _generator(self, step: int) -> Generator:
        return self._published or self.streams.generator("strategy", step)

    def _signal_seconds(self) -> float:
        """Seconds that the fitted network has spent on passes over images."""
        return float(getattr(self.fitted, "signal_seconds_", 0.0))

    def _scorer(self, rows: IntArray) -> Scorer:
        problem = self.problem
        objective = objectives.get(problem.objective, rare_class=problem.rare_class)
        return Scorer(self.inputs[rows], problem.y[rows], problem.class_weights, objective)

    def _engine(self) -> str:
        """The oracle's engine, that of the strategy's option if it has one; "" without refits."""
        needs, wanted = self.strategy.needs, getattr(self.strategy, "engine", None)
        if isinstance(wanted, str) and wanted != "auto":
            return wanted
        by_scorer = Need.CLASSIFIER in needs and needs & (READS_REWARDS | {Need.TEST_SET})
        if wanted is None and not by_scorer:
            return ""
        return oracle.choose_engine(self.classifier, self._test_scorer)


def _below(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
