"""Stages ``episodes`` and ``learn``: what learned strategies know before their first step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench import files, grid, provenance, trials
from lalbench.compute import Compute
from lalbench.config import Study
from lalbench.errors import naming
from lalbench.problems import Problem
from lalbench.progress import progress
from lalbench.seeds import Streams
from lalbench.stages import problems as problem_stage
from lalbench.stages.inputs import Arrays, Inputs, computing, prefix, select_pair
from lalbench.strategies.base import LearningState


@dataclass(frozen=True)
class _Start:
    """A problem before its first step."""

    problem: Problem
    strategy: Any
    state: LearningState

    @property
    def streams(self) -> Streams:
        return Streams(self.problem.data_seed, self.problem.seed, self.problem.study_seed)


def episodes(study: Study, inputs: Inputs, output: Path) -> None:
    """Simulates and scores the episodes of step 1 of every problem in the block."""
    found: dict[str, NDArray[Any]] = {}
    with computing(study):
        for start in _starts(study, "episodes", inputs):
            made = trials.simulate_episodes(start.strategy, start.state, start.streams, step=1)
            found |= _named(start.problem, made.to_arrays())
    _write(study, "episodes", inputs, output, found)


def learn(study: Study, inputs: Inputs, episodes_file: Path, output: Path) -> None:
    """Trains the strategies of step 1 on their episodes, on a GPU the whole block at once."""
    known = files.read_npz(episodes_file)
    found: dict[str, NDArray[Any]] = {}
    with computing(study) as compute:
        for chunk in _chunks(_starts(study, "learn", inputs), compute):
            with naming(episodes_file):
                episodes = [
                    start.strategy.episodes_from_arrays(select_pair(known, start.problem))
                    for start in chunk
                ]
            learned = trials.fit_learners(
                chunk[0].strategy,
                [start.state for start in chunk],
                episodes,
                [start.streams for start in chunk],
                step=1,
            )
            for start, each in zip(chunk, learned, strict=True):
                found |= _named(start.problem, each.to_arrays())
    _write(study, "learn", inputs, output, found)


def _starts(study: Study, stage: grid.Stage, inputs: Inputs) -> Iterator[_Start]:
    block = grid.block(study, "learned", inputs.block)
    every = problem_stage.read(study, inputs.data, inputs.problems, block)
    for problem in progress(every, f"{stage} {inputs.strategy}", len(block.pairs)):
        strategy = trials.resolve_strategy(problem, study.strategy(inputs.strategy))
        state = trials.first_state(problem, study.classifier(inputs.classifier), strategy)
        yield _Start(problem, strategy, state)


def _chunks(starts: Iterator[_Start], compute: Compute) -> Iterator[list[_Start]]:
    """One problem at a time, all together where a GPU wants to be filled."""
    if compute.torch_device().type == "cuda":
        yield list(starts)
    else:
        for start in starts:
            yield [start]


def _named(problem: Problem, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {prefix(problem) + name: array for name, array in arrays.items()}


def _write(
    study: Study,
    stage: grid.Stage,
    inputs: Inputs,
    output: Path,
    found: dict[str, NDArray[Any]],
) -> None:
    found["provenance"] = np.array(provenance.as_text(provenance.of(study, stage, **inputs.labels)))
    files.write_npz(output, found)
