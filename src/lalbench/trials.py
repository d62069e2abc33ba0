"""The active-learning loop: one trial is one strategy on one problem for all steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import classifiers, objectives, oracle, protocols, strategies
from lalbench.config import ClassifierSpec, StrategySpec
from lalbench.errors import LalbenchError, UserError
from lalbench.objectives import Scorer, metrics
from lalbench.records import METRICS
from lalbench.seeds import PublishedGenerator, Streams
from lalbench.strategies.base import LabelOracle, LearningState, Need, Selection, Strategy

if TYPE_CHECKING:
    import pandas as pd

    from lalbench.problems import Problem

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Names:
    """How a trial is called in its records."""

    study: str = ""
    classifier: str = ""
    strategy: str = ""


@dataclass
class Trial:
    """What one trial leaves behind: rows for :mod:`lalbench.records`, one per step 0 … steps."""

    records: list[dict[str, Any]] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)


def run_trial(
    problem: Problem,
    *,
    classifier: str | ClassifierSpec | Any,
    strategy: str | StrategySpec | Strategy,
    steps: int = 10,
    budget: int = 1,
    learned: Any = None,
) -> pd.DataFrame:
    """Runs one strategy on one problem.

    Args:
        problem: what :func:`lalbench.build_problem` returned.
        classifier: a name (``"logistic_regression"``, ``"svm"``), a specification, or an unfitted
            scikit-learn classifier.
        strategy: a name, a specification, or an object with ``needs`` and ``select``.
        steps: number of acquisition steps.
        budget: points acquired per step.
        learned: output of the strategy's learner for step 1; learned here when absent.

    Returns:
        One row per step 0 … ``steps`` with the columns of :data:`lalbench.records.COLUMNS`:
        ``acquired`` holds the row ids (of the original data set) acquired in that step.

    Raises:
        UserError: unknown name or option, or more acquisitions than pool points.
    """
    import pandas as pd

    trial = simulate_trial(
        problem, classifier, strategy, steps=steps, budget=budget, learned=learned
    )
    records, timings = pd.DataFrame(trial.records), pd.DataFrame(trial.timings)
    seconds = [name for name in timings.columns if name.startswith("seconds_")]
    return records.join(timings[seconds])


def simulate_trial(
    problem: Problem,
    classifier: str | ClassifierSpec | Any,
    strategy: str | StrategySpec | Strategy,
    *,
    steps: int,
    budget: int,
    learned: Any = None,
    names: Names | None = None,
) -> Trial:
    """:func:`run_trial` as plain rows, with the learning curves of learned strategies."""
    check_steps(problem, steps, budget)
    loop = _Loop(problem, classifier, strategy, names, learned)
    loop.score_step(0, [])
    for step in range(1, steps + 1):
        loop.acquire(step, budget)
    return loop.trial


def check_steps(problem: Problem, steps: int, budget: int) -> None:
    """Raises :class:`UserError` when the pool has fewer points than the trial acquires."""
    if steps < 1 or budget < 1:
        raise UserError("steps", f"{steps} steps of {budget} points", "use at least 1 of each")
    if steps * budget > len(problem.pool):
        raise UserError(
            "steps",
            f"{steps} steps of {budget} acquire {steps * budget} points, but the pool of "
            f"{problem.dataset} ({problem.setting}) has {len(problem.pool)}",
            "lower steps or budget, or make test, reward or annotated in sizes smaller",
        )


def failed_trial(problem: Problem, names: Names, message: str) -> Trial:
    """A trial that ended with an error: one row that says so, with no score."""
    key = _key(problem, names, 0)
    unknown: dict[str, Any] = dict.fromkeys(METRICS, float("nan"))
    counts = {"n_annotated": len(problem.annotated), "n_pool": len(problem.pool)}
    rest = {"acquired": [], "class_recall": [], "class_counts": [], "labels_asked": 0}
    rest |= {"label_budget": 0, "rare_in_pool": 0, "rare_in_test": 0, "engine": ""}
    outcome = {"split_hash": problem.split_hash, "status": "error", "message": message}
    return Trial(records=[key | counts | unknown | rest | outcome])


def first_state(problem: Problem, classifier: Any, strategy: Any) -> LearningState:
    """The learning state of step 1, as the episodes and learn stages need it."""
    return _Loop(problem, classifier, strategy, None, None).state(1)


def resolve_strategy(problem: Problem, strategy: str | StrategySpec | Strategy) -> Strategy:
    """The strategy object for a name or specification, with the options of the protocol."""
    if isinstance(strategy, str):
        strategy = StrategySpec(name=strategy)
    if isinstance(strategy, StrategySpec):
        return strategies.resolve(strategy, protocols.get(problem.protocol))
    return strategy


class _Loop:
    """The moving parts of a trial."""

    def __init__(
        self, problem: Problem, classifier: Any, strategy: Any, names: Names | None, learned: Any
    ) -> None:
        self.problem = problem
        self.streams = Streams(problem.data_seed, problem.seed, problem.study_seed)
        self.strategy = resolve_strategy(problem, strategy)
        self.names = names or Names("", _name(classifier), _name(strategy))
        self.classifier = classifiers.get(
            classifier,
            protocol=problem.protocol,
            seed=self.streams.integer("model"),
        )
        self.learned = learned
        self.annotated = problem.annotated.copy()
        self.pool = problem.pool.copy()
        self.trial = Trial()
        self.labels: LabelOracle | None = None
        released = protocols.get(problem.protocol).streams == "released"
        self._published = (
            PublishedGenerator(problem.seed, problem.python_random_state) if released else None
        )
        self._test_scorer = self._scorer(problem.test)
        self._reward_scorer = self._scorer(problem.reward)
        self._fit()

    def state(self, step: int) -> LearningState:
        """What the strategy may see at ``step``; hidden labels only where it needs them."""
        problem, needs = self.problem, self.strategy.needs
        self.labels = LabelOracle(problem.y[self.pool]) if Need.LABEL_ORACLE in needs else None
        return LearningState(
            X_annotated=problem.X[self.annotated],
            y_annotated=problem.y[self.annotated],
            X_pool=problem.X[self.pool],
            n_classes=problem.n_classes,
            classifier=self.fitted,
            class_weights=problem.class_weights,
            fit_weights=problem.fit_weights,
            pool_ids=problem.row_ids[self.pool],
            annotated_ids=problem.row_ids[self.annotated],
            step=step,
            new_classifier=lambda: classifiers.clone(self.classifier),
            reward_scorer=self._reward_scorer if Need.REWARD_SET in needs else None,
            test_scorer=self._test_scorer if Need.TEST_SET in needs else None,
            labels=self.labels,
            learned=self.learned,
        )

    def acquire(self, step: int, budget: int) -> None:
        """One acquisition step; appends its rows to the trial."""
        state = self.state(step)
        started = time.perf_counter()
        if Need.LEARNED in self.strategy.needs:
            state = self._learn(state, step)
        learned_at = time.perf_counter()
        selection = self.strategy.select(state, budget, self._generator(step))
        selected_at = time.perf_counter()
        chosen = check_selection(selection, budget, len(self.pool))
        acquired = self.pool[chosen]
        self.annotated = np.concatenate([self.annotated, acquired])
        self.pool = np.delete(self.pool, chosen)
        self._fit()
        self.score_step(
            step,
            [int(row) for row in self.problem.row_ids[acquired]],
            seconds_learn=learned_at - started,
            seconds_select=selected_at - learned_at,
        )

    def score_step(
        self,
        step: int,
        acquired: Sequence[int],
        seconds_learn: float = 0.0,
        seconds_select: float = 0.0,
    ) -> None:
        """Scores the fitted classifier on the test set and records the step."""
        problem, key = self.problem, self._key(step)
        reads_rewards = Need.REWARD_SET in self.strategy.needs
        y, counts = problem.y, np.bincount(problem.y[self.annotated], minlength=problem.n_classes)
        record = {
            "n_annotated": len(self.annotated),
            "n_pool": len(self.pool),
            "acquired": list(acquired),
            **self._scores(),
            "class_counts": [int(count) for count in counts],
            "rare_in_pool": int(np.sum(y[self.pool] == problem.rare_class)),
            "rare_in_test": int(np.sum(y[problem.test] == problem.rare_class)),
            "labels_asked": self.labels.count if self.labels is not None else 0,
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
                "seconds_select": seconds_select,
                "seconds_fit": self._seconds_fit,
                "seconds_learn": seconds_learn,
            }
        )

    def _key(self, step: int) -> dict[str, Any]:
        return _key(self.problem, self.names, step)

    def _scores(self) -> dict[str, Any]:
        problem = self.problem
        X, y = problem.X[problem.test], problem.y[problem.test]
        has_probabilities = hasattr(self.fitted, "predict_proba")
        probabilities = (
            classifiers.probabilities(self.fitted, X, problem.n_classes)
            if has_probabilities
            else None
        )
        found = metrics(
            y, self.fitted.predict(X), probabilities, problem.class_weights, problem.rare_class
        )
        return {"objective": float(self._test_scorer(self.fitted)), **found}

    def _learn(self, state: LearningState, step: int) -> LearningState:
        strategy: Any = self.strategy
        again = strategy.refit != "once" and step > 1
        if self.learned is None or again:
            self.learned = learn(strategy, state, self.streams, step)
            state = replace(state, learned=self.learned)
        if step == 1 or again:
            self.trial.curves.extend(
                self._key(step) | {"epoch": epoch, "loss": float(loss)}
                for epoch, loss in enumerate(self.learned.curve, start=1)
            )
        return state

    def _fit(self) -> None:
        problem = self.problem
        started = time.perf_counter()
        self.fitted = classifiers.fit(
            classifiers.clone(self.classifier),
            problem.X[self.annotated],
            problem.y[self.annotated],
            problem.fit_weights,
        )
        self._seconds_fit = time.perf_counter() - started

    def _generator(self, step: int) -> Generator:
        return self._published or self.streams.generator("strategy", step)

    def _scorer(self, rows: IntArray) -> Scorer:
        problem = self.problem
        objective = objectives.get(problem.objective, rare_class=problem.rare_class)
        return Scorer(problem.X[rows], problem.y[rows], problem.class_weights, objective)

    def _engine(self) -> str:
        """The oracle's engine; strategies that refit without a scorer do not use the oracle."""
        needs = self.strategy.needs
        if Need.CLASSIFIER not in needs or not needs & {Need.REWARD_SET, Need.TEST_SET}:
            return ""
        return oracle.choose_engine(self.classifier, self._test_scorer)


def simulate_episodes(strategy: Any, state: LearningState, streams: Streams, step: int) -> Any:
    """The episodes of ``step`` (the ``episodes`` stage at step 1)."""
    return strategy.simulate(state, streams.generator("episodes", step))


def fit_learner(
    strategy: Any, state: LearningState, episodes: Any, streams: Streams, step: int
) -> Any:
    """The learned strategy of ``step`` from its episodes (the ``learn`` stage at step 1)."""
    return strategy.fit(state, episodes, streams.generator("learner", step))


def fit_learners(
    strategy: Any,
    states: Sequence[LearningState],
    episodes: Sequence[Any],
    streams: Sequence[Streams],
    step: int,
) -> list[Any]:
    """:func:`fit_learner` for several problems at once, by a learner that can."""
    rngs = [each.generator("learner", step) for each in streams]
    return list(strategy.fit_many(states, episodes, rngs))


def learn(strategy: Any, state: LearningState, streams: Streams, step: int) -> Any:
    """Simulates and scores episodes from the annotated points and trains the learner on them."""
    episodes = simulate_episodes(strategy, state, streams, step)
    return fit_learner(strategy, state, episodes, streams, step)


def check_selection(selection: Selection, budget: int, n_pool: int) -> IntArray:
    """The chosen positions, after checking them against the contract.

    Raises:
        LalbenchError: wrong number, repeated or outside the pool: the strategy is at fault.
    """
    chosen = np.asarray(selection.indices)
    wanted = min(budget, n_pool)
    if chosen.shape != (wanted,) or chosen.dtype.kind not in "iu":
        raise LalbenchError(
            f"the strategy returned indices of shape {chosen.shape} and type {chosen.dtype}; "
            f"it must return {wanted} integers"
        )
    if len(np.unique(chosen)) != wanted or chosen.min() < 0 or chosen.max() >= n_pool:
        raise LalbenchError(
            "the strategy returned repeated positions or positions outside the pool"
        )
    return chosen.astype(np.int64)


def _key(problem: Problem, names: Names, step: int) -> dict[str, Any]:
    return {
        "study": names.study,
        "protocol": problem.protocol,
        "dataset": problem.dataset,
        "setting": problem.setting,
        "classifier": names.classifier,
        "strategy": names.strategy,
        "data_seed": problem.data_seed,
        "seed": problem.seed,
        "step": step,
    }


def _name(thing: Any) -> str:
    if isinstance(thing, str):
        return thing
    label = getattr(thing, "label", None) or getattr(thing, "name", None)
    return str(label) if label else type(thing).__name__
