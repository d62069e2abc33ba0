"""The active-learning loop: one trial is one strategy on one problem for all steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lalbench import protocols, strategies
from lalbench.config import ClassifierSpec, StrategySpec
from lalbench.strategies.base import LearningState, Strategy
from lalbench.trials import checkpoints
from lalbench.trials.learning import fit_learner, fit_learners, learn, simulate_episodes
from lalbench.trials.loop import Arrays, Loop
from lalbench.trials.trial import Names, Trial, check_selection, check_steps, failed_trial

if TYPE_CHECKING:
    import pandas as pd

    from lalbench.problems import Problem

__all__ = [
    "Names",
    "Trial",
    "check_selection",
    "check_steps",
    "failed_trial",
    "first_state",
    "fit_learner",
    "fit_learners",
    "initial_fit",
    "learn",
    "resolve_strategy",
    "run_trial",
    "simulate_episodes",
    "simulate_trial",
]


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
        ``acquired`` holds the row ids (of the original data set) acquired in that step,
        ``acquired_probability`` what the classifier gave them for class 0 when they were chosen.

    Raises:
        UserError: unknown name or option, or more acquisitions than pool points.
    """
    import pandas as pd

    trial = simulate_trial(
        problem, classifier, strategy, steps=steps, budget=budget, learned=learned
    )
    records, timings = pd.DataFrame(trial.records), pd.DataFrame(trial.timings)
    measured = [name for name in timings.columns if name not in records.columns]
    return records.join(timings[measured])


def simulate_trial(
    problem: Problem,
    classifier: str | ClassifierSpec | Any,
    strategy: str | StrategySpec | Strategy,
    *,
    steps: int,
    budget: int,
    learned: Any = None,
    names: Names | None = None,
    initial: Arrays | None = None,
    checkpoint: Path | None = None,
) -> Trial:
    """:func:`run_trial` as plain rows, with the learning curves of learned strategies.

    Args:
        problem, classifier, strategy, steps, budget, learned: as :func:`run_trial`.
        names: how the rows are called.
        initial: what :func:`initial_fit` returned for the same problem and network.
        checkpoint: file for the state after every step, from which a stopped trial goes on; only
            for networks. It is deleted at the end.

    Raises:
        StoppedError: SIGTERM came (:mod:`lalbench.interrupts`) and the checkpoint is written.
    """
    check_steps(problem, steps, budget)
    names = names or Names("", _name(classifier), _name(strategy))
    loop = Loop(problem, classifier, resolve_strategy(problem, strategy), names, learned, initial)
    if checkpoint is not None:
        return checkpoints.run(loop, steps, budget, checkpoint)
    while loop.next_step <= steps:
        loop.run_step(budget)
    return loop.trial


def initial_fit(problem: Problem, classifier: str | ClassifierSpec | Any) -> Arrays:
    """The network fitted on the initial annotated set, which all strategies of a cell share.

    Returns:
        Plain arrays, for ``initial`` of :func:`simulate_trial`.
    """
    loop = Loop(problem, classifier, strategies.get("random"), Names())
    loop.fit()
    found: Arrays = loop.fitted.arrays()
    return found


def first_state(problem: Problem, classifier: Any, strategy: Any) -> LearningState:
    """The learning state of step 1, as the episodes and learn stages need it."""
    loop = Loop(problem, classifier, resolve_strategy(problem, strategy), Names())
    loop.fit()
    return loop.state(1)


def resolve_strategy(problem: Problem, strategy: str | StrategySpec | Strategy) -> Strategy:
    """The strategy object for a name or specification, with the options of the protocol."""
    if isinstance(strategy, str):
        strategy = StrategySpec(name=strategy)
    if isinstance(strategy, StrategySpec):
        return strategies.resolve(strategy, protocols.get(problem.protocol))
    return strategy


def _name(thing: Any) -> str:
    if isinstance(thing, str):
        return thing
    label = getattr(thing, "label", None) or getattr(thing, "name", None)
    return str(label) if label else type(thing).__name__
