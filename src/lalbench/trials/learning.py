"""How a learned strategy comes to know what it knows: episodes, then its learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lalbench.seeds import Streams
from lalbench.strategies.base import LearningState


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
