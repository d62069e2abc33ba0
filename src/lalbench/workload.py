"""The work of a study by stage: jobs and trials, what is done, and what the rest may take.

Seconds are those of earlier jobs (:mod:`lalbench.earlier`, :mod:`lalbench.pretraining_cost`); where
nothing was measured, declared costs (:mod:`lalbench.declared`, :mod:`lalbench.network_cost`), which
are right to an order of magnitude; and of the rest nothing is known.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lalbench import declared, files, grid, jobs, network_cost, pretraining, pretraining_cost
from lalbench.compute import has_cuda
from lalbench.config import Study
from lalbench.earlier import Earlier
from lalbench.errors import CorruptFileError, UserError
from lalbench.jobs import Job

_PRETRAINING = {"rows": "pretrain-rows", "step": "pretrain-step", "regressor": "pretrain"}
_THREADED = ("initial", "episodes", "learn", "trials", "pretrain-step", "pretrain")
"""Stages whose jobs ask for the threads or processes of the study."""


@dataclass
class Row:
    """The work of one stage; the trials have one for every strategy.

    Attributes:
        title: the stage, for trials with the strategy.
        jobs, done: how many.
        trials, cached: of the stage ``trials``; those of finished jobs, and those that unfinished
            ones kept, are cached.
        units: seed pairs, or jobs where there are none, of which the time is known.
        wall: seconds of these.
        processors: the same times the threads of each job.
        longest: wall-clock seconds of the longest job.
        measured: what the times rest on, by the comparison that found it.
        declared: jobs whose times are declared.
        unknown: jobs of which neither is known.
        work: declared refits and trainings.
        where: what the declared times are for, if this is not one core.
    """

    title: str
    jobs: int = 0
    done: int = 0
    trials: int | None = None
    cached: int = 0
    units: int = 0
    wall: float = 0.0
    processors: float = 0.0
    longest: float = 0.0
    measured: dict[tuple[str, ...], int] = field(default_factory=dict)
    declared: int = 0
    unknown: int = 0
    work: dict[str, int] = field(default_factory=dict)
    where: str = ""

    def add(self, seconds: float, units: int, threads: int) -> None:
        """Counts a job that is left, with its wall-clock seconds."""
        self.units += units
        self.wall += seconds
        self.processors += seconds * threads
        self.longest = max(self.longest, seconds)

    def add_work(self, **counts: int) -> None:
        """Counts what a job whose time is declared does."""
        self.declared += 1
        for what, number in counts.items():
            self.work[what] = self.work.get(what, 0) + number


def rows(study: Study) -> list[Row]:
    """The work by stage, in the order in which they run; without stages that the study has not.

    Raises:
        CorruptFileError: timings or benchmarks of earlier jobs that cannot be read.
    """
    every = list(jobs.every(study))
    pretrained = _pretraining_rows(study)
    before = [job for job in every if job.stage not in jobs.RESULTS]
    left = [job for job in before if not is_done(study, job)]
    waiting = bool(left) or any(row.jobs > row.done for row in pretrained)
    # tables, figures, report and manifest are made again after anything else
    left += [job for job in every[len(before) :] if waiting or not job.output.exists()]
    kept = {id(job): _kept(study, job) if job.stage == "trials" else 0 for job in left}
    found = {title: Row(title) for title in dict.fromkeys(map(_title, every))}
    for job in every:
        _count_job(found[_title(job)], job, kept.get(id(job)))
    _estimate(study, found, left, kept)
    stages = list(found.values())
    return [*stages[:1], *pretrained, *stages[1:]]


def _title(job: Job) -> str:
    if job.stage == "trials":
        return f"trials {job.labels[3]}"
    return "results" if job.stage in jobs.RESULTS else job.stage


def _count_job(row: Row, job: Job, kept: int | None) -> None:
    """Counts a job, done where nothing says how many of its trials were kept."""
    row.jobs += 1
    row.done += kept is None
    if job.stage == "trials":
        row.trials = (row.trials or 0) + len(job.pairs)
        row.cached += len(job.pairs) if kept is None else kept


def is_done(study: Study, job: Job) -> bool:
    """Whether the output of a job is there; of trials, whether they are those of the study.

    Raises:
        CorruptFileError: trials that cannot be read.
    """
    if job.stage != "trials" or not job.output.exists():
        return job.output.exists()
    from lalbench import provenance

    made_from = _made_from(job.output)
    return made_from in (None, provenance.as_text(_provenance(study, job)))


def check_described(study: Study) -> None:
    """Raises :class:`UserError` if trials that are there were made from another description.

    Other code or software is none. Records of a damaged file raise :class:`CorruptFileError`.
    """
    import json

    for job in jobs.every(study):
        if job.stage != "trials" or not job.output.exists():
            continue
        made_from = _made_from(job.output)
        parameters = grid.stage_parameters(study, "trials", block=job.block, **_names(job))
        now = json.loads(json.dumps(parameters))
        if made_from is not None and json.loads(made_from).get("parameters", now) != now:
            raise UserError(
                str(job.output),
                f"was made from another description of study {study.study} than the one given",
                "run the study again, or name the folder of finished results",
            )


def _made_from(path: Path) -> str | None:
    """What the records of trials were made from, if they say so."""
    import pyarrow.parquet as pq

    try:
        found = (pq.read_schema(path).metadata or {}).get(b"lalbench")
        return None if found is None else str(found.decode())
    except Exception as error:  # Arrow raises OSError, ArrowInvalid and more for a damaged file
        raise CorruptFileError(
            f"{path}: cannot be read ({error}); delete it and run again"
        ) from error


def _provenance(study: Study, job: Job) -> dict[str, Any]:
    """What the trials of a job are made from."""
    from lalbench import provenance

    return provenance.of(study, "trials", block=job.block, **_names(job))


def _names(job: Job) -> dict[str, str]:
    """The labels of a job of trials by what they are of."""
    return dict(zip(("dataset", "setting", "classifier", "strategy"), job.labels, strict=True))


def _kept(study: Study, job: Job) -> int:
    """Finished trials of an unfinished job, which its next run finds again."""
    if not (study.folder / "cache" / "trials").is_dir():
        return 0
    import json

    from lalbench.stages.trials import trial_file

    made_from = _provenance(study, job)
    place = study.folder.joinpath("problems", *job.labels[:2])
    kept = 0
    for part in grid.blocks(study, "cheap"):
        path = place / f"block-{part.id}.npz"
        pairs = [pair for pair in part.pairs if pair in job.pairs]
        if not pairs or not path.exists():
            continue
        for data_seed, seed in pairs:
            about = files.read_npz(path, f"{data_seed}-{seed}.about")
            for text in about.values():
                problem: Any = SimpleNamespace(**json.loads(str(text)))
                kept += trial_file(study, made_from, problem).exists()
    return kept


def _estimate(study: Study, found: dict[str, Row], left: list[Job], kept: dict[int, int]) -> None:
    """Adds what jobs that are left may take, less the trials that they kept."""
    earlier = Earlier(study, left)
    measured = {id(job): earlier.of(job) for job in left}
    cells = [job.cell for job in left if job.cell is not None and measured[id(job)] is None]
    works = declared.of_cells(study, [cell for cell in cells if not cell.network])
    shared = defaultdict[Path, float](float)
    for job in left:
        row, units = found[_title(job)], job.units - kept[id(job)]
        before = row.wall
        known = measured[id(job)]
        if known is not None:
            row.measured[known.kind] = known.records
            row.add(known.seconds * units, units, _threads(study, job.stage))
        else:
            _declare(study, row, job, units, works)
        # strategies that share a job have the same notes, and run one after the other
        shared[job.notes] += row.wall - before
        row.longest = max(row.longest, shared[job.notes])


def _declare(
    study: Study, row: Row, job: Job, units: int, works: dict[grid.Cell, declared.Works]
) -> None:
    """Counts a job that nothing measured was like."""
    threads = _threads(study, job.stage)
    if job.stage in declared.SECONDS_PER_JOB:
        row.add(declared.SECONDS_PER_JOB[job.stage], units, 1)
        row.add_work()
    elif job.stage == "initial" or (job.cell is not None and job.cell.network):
        dataset, _, classifier, *strategy = job.labels
        work = network_cost.trial_work(study, dataset, classifier, *strategy)
        seconds = work.seconds(on_gpu(study), study.compute.threads) * units
        row.add(seconds, units, threads)
        row.add_work(training=work.trainings * units)
        row.where = device_name(study)
    elif job.cell is not None and job.stage in works[job.cell]:
        own = works[job.cell][job.stage]
        start = pretraining_cost.SECONDS_PER_JOB
        row.add(start + own.seconds * units / threads, units, threads)
        row.add_work(refit=own.refits * units, training=own.trainings * units)
    else:
        row.unknown += 1


def _pretraining_rows(study: Study) -> list[Row]:
    """Regressors that are learned before the trials; strategies may share one."""
    wanted = list({each.key: each for each in pretraining.needed(study)}.values())
    found: dict[str, Row] = {}
    for each in wanted:
        for job in pretraining_cost.jobs(study, each):
            row = found.setdefault(job.kind, Row(_PRETRAINING[job.kind]))
            row.jobs += 1
            row.done += job.output.exists()
    for left in pretraining_cost.remaining(study, wanted):
        row = found[left.job.kind]
        row.add(left.seconds, 1, _threads(study, row.title))
        if left.measured:
            row.measured[str(left.job.output.parent),] = left.measured
        else:
            row.add_work(refit=left.job.refits, tree=left.job.trees)
    return [found[kind] for kind in _PRETRAINING if kind in found]


def _threads(study: Study, stage: str) -> int:
    """Cores that the workflow gives to a job."""
    return max(1, study.compute.threads, study.compute.processes) if stage in _THREADED else 1


def device_name(study: Study) -> str:
    """What trains the networks of a study here, with its number."""
    threads = study.compute.threads
    return "one GPU" if on_gpu(study) else f"{threads} CPU thread{'' if threads == 1 else 's'}"


def on_gpu(study: Study) -> bool:
    """Whether networks would be trained on a GPU here."""
    return study.compute.device != "cpu" and has_cuda()
