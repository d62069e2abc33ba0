"""Every job of a study's workflow: what it makes, and where the workflow notes its seconds.

What is learned before the trials is no part of it (:mod:`lalbench.pretraining_cost`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lalbench import grid
from lalbench.config import Study

RESULTS: tuple[grid.Stage, ...] = ("tables", "figures", "report", "manifest")
"""Stages of one job each, which read all trials."""

_OUTPUTS = {"tables": "tables", "figures": "figures", "report": "report.html"}
_OUTPUTS["manifest"] = "manifest.json"


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        stage: of the workflow.
        output: the file or folder that it makes, or the first of them.
        notes: below ``logs`` and ``benchmarks`` of the study, what says what it did and how long it
            took, without their endings. Trials of several strategies may share a job.
        folder: of the study.
        labels: of data set, setting, classifier and strategy, as far as the stage has them.
        block: its name, if the stage has blocks.
        pairs: the seed pairs that it runs; none where the stage has no blocks.
        cell: of jobs of the stages ``episodes``, ``learn`` and ``trials``.
    """

    stage: grid.Stage
    output: Path
    notes: Path
    folder: Path
    labels: tuple[str, ...] = ()
    block: str = ""
    pairs: tuple[grid.Pair, ...] = ()
    cell: grid.Cell | None = None

    @property
    def benchmark(self) -> Path:
        """Where the workflow notes its seconds."""
        return self.folder / "benchmarks" / f"{self.notes}.tsv"

    @property
    def log(self) -> Path:
        """What it says while it runs."""
        return self.folder / "logs" / f"{self.notes}.log"

    @property
    def units(self) -> int:
        """What its seconds grow with: seed pairs; 1 where there are none."""
        return max(1, len(self.pairs))


def every(study: Study) -> Iterator[Job]:
    """All jobs, stage by stage."""
    yield from _of_stage(study, "fetch", "data", "npz", [(one.label,) for one in study.datasets])
    places = [(one.label, each.name) for one in study.datasets for each in study.settings]
    shared = grid.blocks(study, "cheap")
    yield from _of_stage(study, "problems", "problems", "npz", places, shared)
    own = [(*place, network) for place in places for network in grid.networks(study)]
    blocks = grid.blocks(study, "network")
    yield from _of_stage(study, "initial", "initial", "npz", own, blocks)
    cells = grid.cells(study)
    learned = [cell for cell in cells if cell.learned]
    yield from _of_cells(study, "episodes", "episodes", "npz", learned)
    yield from _of_cells(study, "learn", "strategies", "npz", learned)
    yield from _of_cells(study, "trials", "trials", "parquet", cells)
    all_classifiers = [(*place, one.label) for place in places for one in study.classifiers]
    yield from _of_stage(study, "references", "references", "parquet", all_classifiers, shared)
    for stage in RESULTS:
        yield Job(stage, study.folder / _OUTPUTS[stage], Path(stage), study.folder)


def _of_cells(
    study: Study, stage: grid.Stage, folder: str, suffix: str, cells: list[grid.Cell]
) -> Iterator[Job]:
    shared = grid.together(study)
    for cell in cells:
        labels = (cell.dataset, cell.setting, cell.classifier, cell.strategy)
        blocks = grid.blocks(study, cell.cost_class)
        for job in _of_stage(study, stage, folder, suffix, [labels], blocks, cell):
            together = cell.cost_class == "cheap" and cell.strategy in shared
            place = Path(stage, *labels[:3], f"block-{job.block}")
            yield replace(job, notes=place) if together else job


def _of_stage(
    study: Study,
    stage: grid.Stage,
    folder: str,
    suffix: str,
    places: Sequence[tuple[str, ...]],
    blocks: Sequence[grid.Block] | None = None,
    cell: grid.Cell | None = None,
) -> Iterator[Job]:
    for labels in places:
        for block in blocks or [grid.Block("", ())]:
            path = Path(*labels, f"block-{block.id}") if blocks else Path(*labels)
            yield Job(
                stage,
                study.folder / folder / f"{path}.{suffix}",
                Path(stage, path),
                study.folder,
                labels,
                block.id,
                block.pairs,
                cell,
            )
