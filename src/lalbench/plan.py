"""What a study will run: jobs, trials, what is there already, and what the rest may take and cost.

The numbers come from :mod:`lalbench.workload`; this is what people read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from lalbench import grid, network_cost, workload
from lalbench.compute import has_cuda
from lalbench.config import Study
from lalbench.errors import UserError

_HEAD = ("stage", "jobs", "done", "trials", "cached", "seconds each", "processor-hours", "by")
_ALIGN = ("left", *["right"] * 6, "left")


def describe(study: Study, cores: int = 1, price: float | None = None) -> str:
    """The plan as text: a table with a row for every stage, and what is left in all.

    Args:
        study: the study.
        cores: for the time of all.
        price: of a processor for an hour, in any currency; None: no cost is given.

    Raises:
        CorruptFileError: timings or benchmarks of earlier jobs that cannot be read.
        UserError: cores or a price that cannot be.
    """
    if cores < 1:
        raise UserError("cores", f"{cores}", "give an integer from 1")
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise UserError("price-per-core-hour", f"{price}", "give a number from 0")
    from tabulate import tabulate

    seeds = len(grid.pairs(study))
    head = (
        f"study {study.study} ({study.protocol}): {_count(len(study.datasets), 'data set')} × "
        f"{_count(len(study.settings), 'setting')} × "
        f"{_count(len(study.classifiers), 'classifier')} × "
        f"{len(study.strategies)} {'strategy' if len(study.strategies) == 1 else 'strategies'} × "
        f"{_count(seeds, 'seed pair')}"
    )
    found = workload.rows(study)
    table = [_cells(row) for row in [*found, _total(found)]]
    shown = tabulate(table, _HEAD, colalign=_ALIGN, disable_numparse=True)
    left = _left(found, cores)
    if price is not None:
        hours = sum(row.processors for row in found) / 3600
        left.append(f"cost of these: {hours * price:,.2f}, at {price:g} for a processor-hour")
    return "\n".join([head, "", shown, "", *left, *_notes(study)])


def work_left(study: Study) -> list[str]:
    """What is left to run in all, and what it may take, in a line or two.

    Raises:
        CorruptFileError: as :func:`describe`.
    """
    return _left(workload.rows(study), None)


def _cells(row: workload.Row) -> list[str]:
    each = row.wall / row.units if row.units else None
    return [
        row.title,
        f"{row.jobs:,}",
        f"{row.done:,}",
        "" if row.trials is None else f"{row.trials:,}",
        "" if row.trials is None else f"{row.cached:,}",
        "" if each is None else f"{each:,.3g}",
        _hours(row.processors) if row.units or not row.unknown else "?",
        _basis(row),
    ]


def _total(found: list[workload.Row]) -> workload.Row:
    total = workload.Row("total", trials=sum(row.trials or 0 for row in found))
    for row in found:
        total.jobs += row.jobs
        total.done += row.done
        total.cached += row.cached
        total.processors += row.processors
    return total


def _basis(row: workload.Row) -> str:
    """What the times of a row rest on: "median of 12 trials; declared: 300 refits"."""
    parts = []
    if row.measured:
        what = "job" if row.trials is None else "trial"
        parts.append(f"median of {_count(sum(row.measured.values()), what)}")
    if row.declared:
        work = [_count(number, what) for what, number in row.work.items() if number]
        where = f" for {row.where}" if row.where else ""
        parts.append(f"declared{where}" + (f": {', '.join(work)}" if work else ""))
    if row.unknown:
        parts.append("unknown" if not parts else f"{_count(row.unknown, 'job')} unknown")
    return "; ".join(parts)


def _left(found: list[workload.Row], cores: int | None) -> list[str]:
    jobs_left = sum(row.jobs - row.done for row in found)
    if not jobs_left:
        return ["nothing is left to run"]
    unknown = sum(row.unknown for row in found)
    seconds = sum(row.processors for row in found)
    text = f"{_count(jobs_left - unknown, 'job')} left: {_hours(seconds)} processor-hours"
    if cores is not None:
        best = max([seconds / cores, *(row.longest for row in found)])
        text += f", at best {_duration(best)} on {_count(cores, 'core')}"
    if any(row.declared for row in found):
        measured = any(row.measured for row in found)
        text += f"; {'partly' if measured else 'very roughly,'} by declared costs"
    lines = [text] if jobs_left > unknown else []
    if unknown:
        lines.append(f"{_count(unknown, 'job')} left: time unknown, nothing was measured here yet")
    return lines


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    if 0 < hours < 0.001:
        return "<0.001"
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"


def _count(number: int, what: str) -> str:
    """A number with its noun: "1 job", "12,000 refits"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


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


def _network_jobs(study: Study, trial_jobs: Iterable[tuple[grid.Cell, grid.Block]]) -> str:
    """What jobs of networks do, by declared costs."""
    cuda, where = workload.on_gpu(study), workload.device_name(study)
    number, trainings, seconds = 0, 0, 0.0
    for cell, block in trial_jobs:
        work = network_cost.trial_work(study, cell.dataset, cell.classifier, cell.strategy)
        number += 1
        trainings += work.trainings * len(block.pairs)
        seconds += work.seconds(cuda, study.compute.threads) * len(block.pairs)
    return (
        f"{_count(number, 'job')}: very roughly {_duration(seconds)} on {where} by declared "
        f"costs, not by measurement ({_count(trainings, 'training')} of networks)"
    )
