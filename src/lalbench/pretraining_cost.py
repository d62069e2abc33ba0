"""What learning the regressors of a study will take: declared, or by the jobs that are done.

Declared seconds are right to an order of magnitude, for one core of a server of 2023. The benchmark
files that the workflow writes beside the logs of these jobs correct them: work of the same kind for
the same regressor is taken to go on at the speed that was measured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lalbench import pretraining, protocols
from lalbench.config import Study
from lalbench.earlier import benchmark_seconds
from lalbench.pretraining import Pretraining

Kind = Literal["rows", "step", "regressor"]

SECONDS_PER_JOB = 1.5
"""Start of Python and its imports."""
SECONDS_PER_PATH_STEP = 1.1e-3
"""A regressor of one size chooses a point: fit, describe 400 points, predict."""
SECONDS_PER_SPLIT_VALUE = 2.3e-8
"""Growing a regression forest, per tree, row, column tried and level (log2 of the rows)."""


@dataclass(frozen=True)
class Job:
    """One job that learns a part of a regressor.

    Attributes:
        kind: collects ``"rows"``, fits the regressor of one ``"step"``, or fits the
            ``"regressor"`` that the strategy reads.
        output: the file it writes.
        benchmark: where the workflow notes its seconds.
        seconds: declared.
        refits: of the task classifier.
        trees: of regression forests.
    """

    kind: Kind
    output: Path
    benchmark: Path
    seconds: float
    refits: int = 0
    trees: int = 0


@dataclass(frozen=True)
class Remaining:
    """A job to do.

    Attributes:
        job: which.
        seconds: that it may take: as measured, else as declared.
        measured: jobs of its kind and regressor that were measured; 0: ``seconds`` are declared.
    """

    job: Job
    seconds: float
    measured: int


def jobs(study: Study, wanted: Pretraining) -> list[Job]:
    """All jobs of one entry of :func:`lalbench.pretraining.needed`, done or not."""
    costs = _Costs(study, wanted)
    found = [
        costs.rows(path, part)
        for path, part in zip(wanted.rows_files(), wanted.parts.values(), strict=True)
    ]
    if wanted.iterative:
        found += [costs.step(size) for size in wanted.sizes[:-1]]
    return [*found, costs.regressor()]


def remaining(study: Study, entries: Iterable[Pretraining]) -> list[Remaining]:
    """What is left to do, with its time.

    Raises:
        CorruptFileError: a benchmark file that cannot be read.
    """
    found = []
    for wanted in entries:
        every = jobs(study, wanted)
        speeds = _slowness(every)
        for job in every:
            if not job.output.exists():
                slowness, measured = speeds.get(job.kind, (1.0, 0))
                found.append(Remaining(job, slowness * job.seconds, measured))
    return found


def _slowness(every: list[Job]) -> dict[Kind, tuple[float, int]]:
    """Measured seconds per declared second and measured jobs, of the kinds that were measured."""
    taken: dict[Kind, list[float]] = {}
    expected: dict[Kind, float] = {}
    for job in every:
        if job.benchmark.exists():
            taken.setdefault(job.kind, []).append(benchmark_seconds(job.benchmark))
            expected[job.kind] = expected.get(job.kind, 0.0) + job.seconds
    return {kind: (sum(taken[kind]) / expected[kind], len(taken[kind])) for kind in taken}


class _Costs:
    """Declared costs of the jobs of one regressor."""

    def __init__(self, study: Study, wanted: Pretraining) -> None:
        from lalbench import classifiers, strategies
        from lalbench.learners.lal import columns_of

        spec = study.strategy(wanted.strategy).model_copy(update={"subsample": None})
        self._wanted = wanted
        self._strategy: Any = strategies.resolve(spec, protocols.get(study.protocol))
        self._classifier = classifiers.get(
            study.classifier(wanted.classifier), protocol=study.protocol
        )
        self._columns = len(columns_of(self._classifier))
        self._processes = study.compute.processes

    def rows(self, output: Path, part: pretraining.Part) -> Job:
        """Refits for every candidate of every state, and the paths to the states."""
        from lalbench.oracle.cost import cost

        candidates, scorer = self._strategy.candidates, self._scorer()
        seconds, refits = SECONDS_PER_JOB, 0
        for size, n_states in Counter(size for size, _ in part).items():
            path = size - self._wanted.sizes[0] if self._wanted.iterative else 0
            refits += n_states * (1 + candidates + path)
            seconds += cost(self._classifier, scorer, size, candidates, n_subsets=n_states)
            seconds += n_states * path * SECONDS_PER_PATH_STEP
        return Job("rows", output, self._benchmark(f"rows-{output.stem}"), seconds, refits)

    def step(self, size: int) -> Job:
        """The best of a grid, whose forests of one shape are one forest that grows."""
        shapes: dict[tuple[int, ...], int] = {}
        for options in self._strategy.step_grid():
            shape = (options.max_depth, options.max_features, options.min_leaf)
            shapes[shape] = max(shapes.get(shape, 0), options.trees)
        n_rows = self._wanted.repetitions * self._strategy.candidates
        seconds = sum(self._fit(n_rows, trees, shape[1]) for shape, trees in shapes.items())
        return Job(
            "step",
            self._wanted.step_file(size),
            self._benchmark(f"step-{size:03d}"),
            SECONDS_PER_JOB + seconds,
            trees=sum(shapes.values()),
        )

    def regressor(self) -> Job:
        """The forest on all rows."""
        options, wanted = self._strategy.regressor_options(), self._wanted
        n_rows = wanted.repetitions * self._strategy.candidates * len(wanted.sizes)
        return Job(
            "regressor",
            wanted.regressor,
            self._benchmark("regressor"),
            SECONDS_PER_JOB + self._fit(n_rows, options.trees, options.max_features),
            trees=options.trees,
        )

    def _fit(self, n_rows: int, trees: int, tried: int) -> float:
        levels = math.log2(max(2, n_rows))
        values = trees * n_rows * min(tried, self._columns) * levels
        return SECONDS_PER_SPLIT_VALUE * values / self._processes

    def _scorer(self) -> Any:
        import numpy as np

        from lalbench.objectives import Scorer

        # the synthetic data have two classes; the choice of an engine reads no points
        return Scorer(np.zeros((2, 1)), np.arange(2), np.ones(2), self._strategy.objective)

    def _benchmark(self, name: str) -> Path:
        return self._wanted.folder / "benchmarks" / f"{name}.tsv"
