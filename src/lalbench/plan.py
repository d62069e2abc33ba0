"""What a study will run: trials, jobs, what is there already, and how long the rest may take."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from lalbench import grid, records
from lalbench.config import Study


def describe(study: Study) -> str:
    """The plan as a few lines of text.

    Times are means of what was measured in earlier runs of any study below the same results folder
    for the same strategy and classifier; where nothing was measured the plan says so.
    """
    every = list(grid.jobs(study))
    finished = [(cell, block) for cell, block in every if job_file(study, cell, block).exists()]
    todo = [job for job in every if job not in finished]
    seeds = len(grid.pairs(study))
    trials = sum(len(block.pairs) for _, block in every)
    cached = sum(len(block.pairs) for _, block in finished)
    lines = [
        f"study {study.study} ({study.protocol}): {len(study.datasets)} data sets × "
        f"{len(study.settings)} settings × {len(study.classifiers)} classifiers × "
        f"{len(study.strategies)} strategies × {seeds} seed pairs",
        f"{trials} trials in {len(every)} jobs; {cached} trials in {len(finished)} jobs are done",
        _estimate(study, todo),
        *_notes(study),
    ]
    return "\n".join(lines)


def job_file(study: Study, cell: grid.Cell, block: grid.Block) -> Path:
    """The records file of one trial job."""
    return study.folder / "trials" / cell.path / f"block-{block.id}.parquet"


def _estimate(study: Study, todo: list[tuple[grid.Cell, grid.Block]]) -> str:
    if not todo:
        return "nothing is left to run"
    measured = _measured_seconds(Path(study.results))
    known = [
        measured[cell.classifier, cell.strategy] * len(block.pairs)
        for cell, block in todo
        if (cell.classifier, cell.strategy) in measured
    ]
    unknown = len(todo) - len(known)
    if not known:
        return f"time of the remaining {unknown} jobs: unknown, nothing was measured here yet"
    rest = f", and {unknown} jobs of which nothing was measured yet" if unknown else ""
    return f"about {sum(known) / 60:.1f} minutes on one core by earlier runs{rest}"


def _measured_seconds(results: Path) -> dict[tuple[str, str], float]:
    """Mean seconds per trial by (classifier, strategy) from the timings of earlier runs."""
    totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for path in sorted(results.glob("*/timings/*/*/*/*/block-*.parquet")):
        frame = records.read(path, "timings")
        if frame.empty:
            continue
        key = (str(frame["classifier"].iloc[0]), str(frame["strategy"].iloc[0]))
        seconds = frame[["seconds_select", "seconds_fit", "seconds_learn"]].to_numpy().sum()
        totals[key][0] += float(seconds)
        totals[key][1] += len(frame[["data_seed", "seed"]].drop_duplicates())
    return {key: seconds / trials for key, (seconds, trials) in totals.items()}


def _notes(study: Study) -> list[str]:
    seeds = len(grid.pairs(study))
    costs = {cell.cost_class for cell in grid.cells(study)}
    return [
        f"note: {seeds} seed pairs are no multiple of blocks.{cost} = {size}; when seeds are "
        "added, the last block is written again from its cached trials"
        for cost in sorted(costs)
        if seeds > (size := getattr(study.blocks, cost)) and seeds % size
    ]
