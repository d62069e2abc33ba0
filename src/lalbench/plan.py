"""What a study will run: trials, jobs, what is there already, and how long the rest may take."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from lalbench import declared, grid, network_cost, pretraining, pretraining_cost, records
from lalbench.compute import has_cuda
from lalbench.config import Study

Job = tuple[grid.Cell, grid.Block]


def describe(study: Study) -> str:
    """The plan as a few lines of text.

    Times are means of what was measured in earlier runs of any study below the same results folder
    for the same strategy and classifier. Where nothing was measured, strategies that refit or train
    are estimated roughly from declared costs (:mod:`lalbench.declared`), and of the others the plan
    says that it does not know. Regressors that are learned before the trials have lines of their
    own (:mod:`lalbench.pretraining_cost`).

    Raises:
        CorruptFileError: timings of earlier jobs that cannot be read.
    """
    every = list(grid.jobs(study))
    finished = [(cell, block) for cell, block in every if job_file(study, cell, block).exists()]
    seeds = len(grid.pairs(study))
    trials = sum(len(block.pairs) for _, block in every)
    cached = sum(len(block.pairs) for _, block in finished)
    lines = [
        f"study {study.study} ({study.protocol}): {_count(len(study.datasets), 'data set')} × "
        f"{_count(len(study.settings), 'setting')} × "
        f"{_count(len(study.classifiers), 'classifier')} × "
        f"{len(study.strategies)} {'strategy' if len(study.strategies) == 1 else 'strategies'} × "
        f"{_count(seeds, 'seed pair')}",
        f"{_count(trials, 'trial')} in {_count(len(every), 'job')}; "
        f"{_count(cached, 'trial')} in {_count(len(finished), 'job')} done",
    ]
    return "\n".join([*lines, *_pretrained(study), *work_left(study), *_notes(study)])


def work_left(study: Study) -> list[str]:
    """What is left to run before the tables, and what it may take: a line per kind of work.

    Raises:
        CorruptFileError: timings of earlier jobs that cannot be read.
    """
    todo = [job for job in grid.jobs(study) if not job_file(study, *job).exists()]
    work = [*_pretraining_work(study), *_estimate(study, todo)]
    return work or ["nothing is left to run"]


def job_file(study: Study, cell: grid.Cell, block: grid.Block) -> Path:
    """The records file of one trial job."""
    return study.folder / "trials" / cell.path / f"block-{block.id}.parquet"


def _estimate(study: Study, todo: list[Job]) -> list[str]:
    if not todo:
        return []
    means = _measured_seconds(Path(study.results))
    known = [job for job in todo if (job[0].classifier, job[0].strategy) in means]
    others = [job for job in todo if job not in known]
    lines = []
    if known:
        seconds = sum(
            means[cell.classifier, cell.strategy] * len(block.pairs) for cell, block in known
        )
        count = _count(len(known), "job")
        lines.append(f"{count}: about {_minutes(seconds)} on one core by earlier runs")
    networks = [job for job in others if job[0].network]
    if networks:
        lines.append(_network_jobs(study, networks))
    others = [job for job in others if not job[0].network]
    works = declared.trials(study, [cell for cell, _ in others])
    rough = [(works[cell], len(block.pairs)) for cell, block in others if works[cell] is not None]
    if rough:
        lines.append(_rough(rough))
    if len(others) > len(rough):
        count = _count(len(others) - len(rough), "job")
        lines.append(f"{count}: time unknown, nothing was measured here yet")
    return lines


def _regressors(study: Study) -> list[pretraining.Pretraining]:
    """Each once: strategies that differ in their acquisition alone share one."""
    return list({each.key: each for each in pretraining.needed(study)}.values())


def _pretrained(study: Study) -> list[str]:
    """How many regressors the study reads, and which of their files are there."""
    regressors = _regressors(study)
    if not regressors:
        return []
    files: dict[str, list[bool]] = {"regressor": [], "rows": [], "step": []}
    for each in regressors:
        for job in pretraining_cost.jobs(study, each):
            files[job.kind].append(job.output.exists())
    there = {kind: f"{sum(found)} of {len(found)}" for kind, found in files.items()}
    steps = f", steps: {there['step']}" if files["step"] else ""
    return [
        f"regressors learned before the trials: {there['regressor']} there; "
        f"parts of their data: {there['rows']}{steps}"
    ]


def _pretraining_work(study: Study) -> list[str]:
    left = pretraining_cost.remaining(study, _regressors(study))
    lines = []
    if left.measured:
        lines.append(
            f"{_count(len(left.measured), 'job')} before the trials: about "
            f"{_minutes(left.measured_seconds)} one after another, by those done for the same "
            "regressor"
        )
    if left.declared:
        refits = sum(job.refits for job in left.declared)
        trees = sum(job.trees for job in left.declared)
        what = [_count(number, name) for number, name in ((refits, "refit"), (trees, "tree"))]
        lines.append(
            f"{_count(len(left.declared), 'job')} before the trials: very roughly "
            f"{_minutes(left.declared_seconds)} one after another by declared costs, not by "
            f"measurement ({', '.join(text for text in what if not text.startswith('0 '))})"
        )
    return lines


def _network_jobs(study: Study, jobs: list[Job]) -> str:
    """What jobs of networks do of which nothing was measured."""
    cuda = study.compute.device != "cpu" and has_cuda()
    where = "one GPU" if cuda else _count(study.compute.threads, "CPU thread")
    trainings, seconds = 0, 0.0
    for cell, block in jobs:
        work = network_cost.trial_work(study, cell.dataset, cell.classifier, cell.strategy)
        trainings += work.trainings * len(block.pairs)
        seconds += work.seconds(cuda, study.compute.threads) * len(block.pairs)
    return (
        f"{_count(len(jobs), 'job')}: very roughly {_minutes(seconds)} on {where} by declared "
        f"costs, not by measurement ({_count(trainings, 'training')} of networks)"
    )


def _rough(parts: list[tuple[declared.Work | None, int]]) -> str:
    """What jobs of which nothing was measured do: (work of one trial, trials of the job)."""
    refits = sum(work.refits * trials for work, trials in parts if work)
    trainings = sum(work.trainings * trials for work, trials in parts if work)
    seconds = sum(work.seconds * trials for work, trials in parts if work)
    what = _count(refits, "refit") + (f", {_count(trainings, 'training')}" if trainings else "")
    return (
        f"{_count(len(parts), 'job')}: very roughly {_minutes(seconds)} on one core by declared "
        f"costs, not by measurement ({what})"
    )


def _count(number: int, what: str) -> str:
    """A number with its noun: "1 job", "12,000 refits"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _minutes(seconds: float) -> str:
    if seconds < 60:
        return "a minute"
    return f"{seconds / 60:.1f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} hours"


def _measured_seconds(results: Path) -> dict[tuple[str, str], float]:
    """Mean seconds per trial by (classifier, strategy) from the timings of earlier runs."""
    totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for path in sorted(results.glob("*/timings/*/*/*/*/block-*.parquet")):
        frame = records.read(path, "timings")
        if frame.empty:
            continue
        key = (str(frame["classifier"].iloc[0]), str(frame["strategy"].iloc[0]))
        seconds = frame.filter(like="seconds_").to_numpy().sum()
        totals[key][0] += float(seconds)
        totals[key][1] += len(frame[["data_seed", "seed"]].drop_duplicates())
    return {key: seconds / trials for key, (seconds, trials) in totals.items()}


def warnings(study: Study) -> list[str]:
    """What is missing or will be slow on this machine, one sentence each; often empty."""
    jobs = [job for job in grid.jobs(study) if job[0].network]
    if not jobs or has_cuda():
        return _device_notes(study)
    return [*_device_notes(study), f"note: there is no GPU here; {_network_jobs(study, jobs)}"]


def _device_notes(study: Study) -> list[str]:
    if study.compute.device != "cuda" or has_cuda():
        return []
    return [
        "note: compute.device is cuda, and this machine has no CUDA device that torch can use: "
        "the jobs need one where they run"
    ]


def _notes(study: Study) -> list[str]:
    seeds = len(grid.pairs(study))
    costs = {cell.cost_class for cell in grid.cells(study)}
    return _device_notes(study) + [
        f"note: {seeds} seed pairs are no multiple of blocks.{cost} = {size}; when seeds are "
        "added, the last block is written again from its cached trials"
        for cost in sorted(costs)
        if seeds > (size := getattr(study.blocks, cost)) and seeds % size
    ]
