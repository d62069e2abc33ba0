"""Stages ``episodes`` and ``learn``: what learned strategies know before their first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench import files, grid, provenance, trials
from lalbench.config import Study
from lalbench.problems import Problem
from lalbench.progress import progress
from lalbench.seeds import Streams
from lalbench.stages import problems as problem_stage
from lalbench.stages.inputs import Arrays, Inputs, computing, prefix, select_pair
from lalbench.strategies.base import LearningState


def episodes(study: Study, inputs: Inputs, output: Path) -> None:
    """Simulates and scores the episodes of step 1 of every problem in the block."""

    def work(problem: Problem, strategy: Any, state: LearningState, streams: Streams) -> Arrays:
        return trials.simulate_episodes(strategy, state, streams, step=1).to_arrays()

    _each_problem(study, "episodes", inputs, output, work)


def learn(study: Study, inputs: Inputs, episodes_file: Path, output: Path) -> None:
    """Trains the strategies of step 1 on their episodes."""
    from lalbench.episodes import Episodes

    known = files.read_npz(episodes_file)

    def work(problem: Problem, strategy: Any, state: LearningState, streams: Streams) -> Arrays:
        scored = Episodes.from_arrays(select_pair(known, problem))
        return trials.fit_learner(strategy, state, scored, streams, step=1).to_arrays()

    _each_problem(study, "learn", inputs, output, work)


def _each_problem(
    study: Study,
    stage: grid.Stage,
    inputs: Inputs,
    output: Path,
    work: Callable[[Problem, Any, LearningState, Streams], Arrays],
) -> None:
    block = grid.block(study, "learned", inputs.block)
    spec = study.classifier(inputs.classifier)
    found: dict[str, NDArray[Any]] = {}
    every = problem_stage.read(study, inputs.data, inputs.problems, block)
    for problem in progress(every, f"{stage} {inputs.strategy}", len(block.pairs)):
        strategy = trials.resolve_strategy(problem, study.strategy(inputs.strategy))
        state = trials.first_state(problem, spec, strategy)
        streams = Streams(problem.data_seed, problem.seed, problem.study_seed)
        with computing(study):
            arrays = work(problem, strategy, state, streams)
        found |= {prefix(problem) + name: array for name, array in arrays.items()}
    found["provenance"] = np.array(provenance.as_text(provenance.of(study, stage, **inputs.labels)))
    files.write_npz(output, found)
