"""Seconds that earlier jobs took: by the benchmarks of the workflow and the timings of trials."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from lalbench import jobs, manifests, records
from lalbench.config import Study
from lalbench.errors import CorruptFileError, LalbenchError
from lalbench.jobs import Job

Kind = tuple[str, tuple[str, ...]]
"""A stage, and the labels by which its jobs are compared."""


@dataclass(frozen=True)
class Measured:
    """What earlier jobs of one kind took.

    Attributes:
        seconds: per seed pair, or per job where the stage has no blocks; their median.
        records: trials, or jobs of other stages, that it rests on.
        kind: by what these jobs were found.
    """

    seconds: float
    records: int
    kind: tuple[str, ...]


class Earlier:
    """What was measured below the results folder of a study.

    The jobs of the same study and labels come first, then those of any study with the same labels,
    then those of other settings, then those of other data sets. Trials are scaled to the steps of
    the study. Stages other than the trials count in other studies once these are finished: their
    manifests tell how many seed pairs a job had.

    Args:
        study: whose jobs are to be estimated.
        wanted: these jobs; what says nothing about them is not read.

    Raises:
        CorruptFileError: timings or benchmarks that cannot be read.
    """

    def __init__(self, study: Study, wanted: Collection[Job]) -> None:
        self._study = study
        self._found: dict[tuple[str, ...], list[tuple[float, int]]] = defaultdict(list)
        kinds = {_kind(job) for job in wanted}
        if not kinds:
            return
        for folder in sorted(Path(study.results).glob("[!.]*")):
            self._add_trials(folder, kinds)
            self._add_jobs(folder, kinds)

    def of(self, job: Job) -> Measured | None:
        """What jobs like this one took."""
        for kind in _levels(self._study.study, job):
            found = self._found.get(kind)
            if found:
                seconds = statistics.median(each for each, _ in found)
                return Measured(seconds, sum(number for _, number in found), kind)
        return None

    def _add_trials(self, folder: Path, kinds: set[Kind]) -> None:
        for path in sorted(folder.glob("timings/*/*/*/*/block-*.parquet")):
            labels = path.relative_to(folder / "timings").parts[:-1]
            job = Job("trials", path, Path("trials"), folder, labels)
            if _kind(job) not in kinds:
                continue
            frame = records.read(path, "timings")
            trials = len(frame[["data_seed", "seed"]].drop_duplicates())
            if not trials:
                continue
            seconds = float(frame.filter(like="seconds_").to_numpy().sum())
            within = path.relative_to(folder / "timings").with_suffix(".tsv")
            benchmark = folder / "benchmarks" / "trials" / within
            if benchmark.exists():
                # A job that went on where a killed one was has measured the rest alone; a job with
                # processes of its own has more seconds in the timings than by the clock.
                seconds = max(seconds, benchmark_seconds(benchmark))
            scale = (self._study.steps + 1) / (int(frame["step"].max()) + 1)
            self._add(folder.name, job, scale * seconds / trials, trials)

    def _add_jobs(self, folder: Path, kinds: set[Kind]) -> None:
        if not (folder / "benchmarks").is_dir():
            return
        for job in self._jobs(folder):
            if job.stage != "trials" and _kind(job) in kinds and job.benchmark.exists():
                self._add(folder.name, job, benchmark_seconds(job.benchmark) / job.units, 1)

    def _jobs(self, folder: Path) -> Iterator[Job]:
        """Those of the study in a folder; none of an unfinished one other than ours."""
        from lalbench.study import parse_study

        study = self._study
        if folder != study.folder:
            if not (folder / manifests.NAME).is_file():
                return
            try:
                content = manifests.read(folder)["study"] | {"results": study.results}
                study = parse_study(content)
            except LalbenchError:
                return  # of another version, or with modules that are not here
        yield from jobs.every(study)

    def _add(self, study: str, job: Job, seconds: float, number: int) -> None:
        for kind in _levels(study, job):
            self._found[kind].append((seconds, number))


def benchmark_seconds(path: Path) -> float:
    """Wall-clock seconds in a benchmark file of Snakemake; their mean if there are several.

    Raises:
        CorruptFileError: it cannot be read.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            values = [float(row["s"]) for row in csv.DictReader(handle, delimiter="\t")]
        return sum(values) / len(values)
    except (OSError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CorruptFileError(
            f"{path}: cannot be read as a benchmark of Snakemake; delete it and run again"
        ) from error


def _kind(job: Job) -> Kind:
    """The widest comparison: stage, classifier and strategy, or the data set that is fetched."""
    return job.stage, job.labels if job.stage == "fetch" else job.labels[2:]


def _levels(study: str, job: Job) -> list[tuple[str, ...]]:
    """Names of the jobs that ``job`` is compared with, from the same to the most different ones."""
    labels = job.labels
    found = [(study, job.stage, *labels), ("", job.stage, *labels)]
    if len(labels) > 1:
        found.append(("", job.stage, labels[0], "", *labels[2:]))
        found.append(("", job.stage, "", "", *labels[2:]))
    return found
