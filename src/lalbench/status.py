"""How far a study is: finished files of every stage, trials in jobs that are running, failures."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np

from lalbench import grid, jobs, plan, workload
from lalbench.config import Study
from lalbench.errors import one_line

LOCKS = Path(".snakemake", "locks")
"""Where Snakemake notes the files of its running schedulers, in the folder that it runs in."""

RECENT = 3600.0
"""Seconds after which a log of an unfinished job is no sign that it runs."""

_STAGES = {
    "data": "data sets",
    "problems": "problems",
    "initial": "initial networks",
    "episodes": "episodes",
    "strategies": "learned strategies",
    "trials": "trials",
    "references": "references",
}
_DONE = re.compile(r"(\d+) of (\d+)")
_ERROR = re.compile(r"lalbench: |[\w.]*(Error|Exception|Exit)\b")
"""How the last line of a log begins if its job failed."""
_LISTED = 5


def describe(study: Study) -> str:
    """How far ``study`` is, in lines for people.

    Raises:
        CorruptFileError: trials that cannot be read.
    """
    lines = [f"study {study.study} in {study.folder}: {_scheduler()}"]
    found = grid.output_files(study)
    for kind, name in _STAGES.items():
        if found[kind]:
            done = sum((study.folder / path).exists() for path in found[kind])
            more = ""
            if kind == "trials":
                others = _made_otherwise(study)
                done -= len(others)
                more = _trials(study, others)
            lines.append(f"{name}: {done} of {len(found[kind])} jobs{more}")
    lines += [_last_stages(study), *_failed_jobs(study)]
    newest = _newest(study)
    if newest:
        lines.append(f"last sign of life {_ago(time.time() - newest)} ago")
    return "\n".join([*lines, *plan.work_left(study)])


def _scheduler() -> str:
    if LOCKS.is_dir() and any(LOCKS.iterdir()):
        return "a scheduler runs in the current folder, or was killed (then: snakemake --unlock)"
    return "no scheduler runs in the current folder"


def _failed_jobs(study: Study) -> list[str]:
    """Jobs without their output whose log ends with an error, and what it says."""
    found = {}
    for job in jobs.every(study):
        if job.notes in found or job.output.exists() or not job.log.is_file():
            continue
        said = job.log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), "")
        if _ERROR.match(last):
            found[job.notes] = f"failed: {job.notes}: {one_line(last.removeprefix('lalbench: '))}"
    more = [f"failed: {len(found) - _LISTED} jobs more"] if len(found) > _LISTED else []
    return [*list(found.values())[:_LISTED], *more]


def _made_otherwise(study: Study) -> set[Path]:
    """Trials that are there, but not those of this study with this code and software."""
    made = (job for job in jobs.every(study) if job.stage == "trials" and job.output.exists())
    return {job.output for job in made if not workload.is_done(study, job)}


def _trials(study: Study, others: set[Path]) -> str:
    """Trials in finished and in running jobs, and how many of them failed.

    Args:
        study: the study.
        others: records that count for nothing.
    """
    finished = failed = running = total = 0
    for job in jobs.every(study):
        if job.stage != "trials":
            continue
        total += len(job.pairs)
        if job.output in others:
            continue
        if job.output.exists():
            finished += len(job.pairs)
            failed += _failures(job.output)
        else:
            running += _running(job.log)
    text = f", {finished + running:,} of {total:,} trials"
    text += f", {failed:,} of them failed" if failed else ""
    if others:
        text += f" (made otherwise, to be run again: {len(others):,})"
    return text


def _failures(path: Path) -> int:
    """Trials in a records file that did not end as they should."""
    from lalbench import records

    rows = records.read(path, "records")
    bad = rows.loc[np.asarray(rows["status"] != "ok"), ["data_seed", "seed"]]
    return len(bad.drop_duplicates())


def _running(log: Path) -> int:
    """Trials that the log of an unfinished job counts, if something wrote to it lately."""
    if not log.exists() or time.time() - log.stat().st_mtime > RECENT:
        return 0
    counts = _DONE.findall(log.read_text(encoding="utf-8", errors="replace"))
    return int(counts[-1][0]) if counts else 0


def _last_stages(study: Study) -> str:
    """Which of tables, figures, report and manifest are there."""
    names = {"tables": "tables", "figures": "figures", "report.html": "report"}
    names["manifest.json"] = "manifest"
    there = [name for path, name in names.items() if (study.folder / path).exists()]
    missing = [name for name in names.values() if name not in there]
    if not missing:
        return f"{', '.join(there)}: written"
    return f"not yet: {', '.join(missing)}"


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"


def _newest(study: Study) -> float:
    """When the last log or result was written, in seconds since 1970; 0 where nothing is."""
    parts = ("logs", "trials", "problems", "references", "data")
    paths = (path for part in parts for path in (study.folder / part).rglob("*"))
    return max((path.stat().st_mtime for path in paths if path.is_file()), default=0.0)
