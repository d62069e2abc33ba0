"""How far a study is, by its files."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from lalbench import files, grid, jobs, records, status
from lalbench.__main__ import main
from lalbench.config import Study
from lalbench.study import parse_study


def study(results: Path, **changes: Any) -> Study:
    content: dict[str, Any] = {
        "study": "tiny",
        "results": str(results),
        "datasets": ["wine"],
        "settings": ["balanced"],
        "classifiers": ["svm"],
        "strategies": ["random", "entropy"],
        "seeds": {"data": [1, 2, 3], "run": [1]},
        "blocks": {"cheap": 2},
    }
    return parse_study(content | changes)


def finish(
    made: Study, job: tuple[grid.Cell, grid.Block], failed: int = 0, made_from: str | None = None
) -> None:
    """Writes the records of a job whose first ``failed`` trials failed."""
    cell, block = job
    rows = [
        {"strategy": cell.strategy, "data_seed": data_seed, "seed": seed, "step": step}
        | {"status": "failed" if place < failed and step else "ok"}
        for place, (data_seed, seed) in enumerate(block.pairs)
        for step in (0, 1, 2)
    ]
    about = None if made_from is None else {"lalbench": made_from}
    records.write((made.folder / cell.records(block)), "records", rows, about)


def test_nothing_is_done_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = status.describe(study(tmp_path / "results"))
    assert "no scheduler runs in the current folder" in text
    assert "data sets: 0 of 1 jobs" in text
    assert "trials: 0 of 4 jobs, 0 of 6 trials\n" in text
    assert "not yet: tables, figures, report, manifest" in text
    assert "last sign of life" not in text


def test_trials_in_finished_and_running_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = study(tmp_path / "results")
    finish(made, next(grid.jobs(made)), failed=1)
    # random and entropy share the jobs of their two blocks
    logs = list(dict.fromkeys(each.log for each in jobs.every(made) if each.cell))
    for log, text in zip(
        logs,
        (
            "trials random, entropy: 0 of 2\ntrials random, entropy: 1 of 2\n",
            "trials random, entropy: 1 of 1\n",
        ),
        strict=True,
    ):
        files.write_text(log, text)
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").touch()
    text = status.describe(made)
    assert "a scheduler runs in the current folder, or was killed" in text
    assert "trials: 1 of 4 jobs, 5 of 6 trials, 1 of them failed" in text
    assert re.search(r"last sign of life \d s ago", text)
    # what wrote nothing for hours does not run
    old = time.time() - 2 * status.RECENT
    os.utime(logs[1], (old, old))
    assert "1 of 4 jobs, 3 of 6 trials" in status.describe(made)


def test_failed_jobs_are_named_with_what_they_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = study(tmp_path / "results")
    first, second = dict.fromkeys(each.log for each in jobs.every(made) if each.cell)
    files.write_text(first, "trials random: 1 of 2\nlalbench: my.csv: no such file; correct it\n")
    files.write_text(second, "Traceback (most recent call last):\n  x\nMemoryError: 3 GiB\n\n")
    (problems, *_) = (each.log for each in jobs.every(made) if each.stage == "problems")
    files.write_text(problems, "problems: 1 of 2\n")
    lines = [line for line in status.describe(made).splitlines() if line.startswith("failed")]
    assert lines == [
        "failed: trials/wine/balanced/svm/block-000: my.csv: no such file; correct it",
        "failed: trials/wine/balanced/svm/block-001: MemoryError: 3 GiB",
    ]
    monkeypatch.setattr(status, "_LISTED", 1)
    assert "\nfailed: 1 jobs more\n" in status.describe(made)
    for job in grid.jobs(made):  # what is made since has not failed
        finish(made, job)
    assert "failed:" not in status.describe(made)


def test_trials_of_another_study_file_are_not_those_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = study(tmp_path / "results")
    first, second, *_ = grid.jobs(made)
    finish(made, first)
    finish(made, second, made_from="another study")
    text = status.describe(made)
    assert "trials: 1 of 4 jobs, 2 of 6 trials (made otherwise, to be run again: 1)\n" in text


def test_all_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = study(tmp_path / "results")
    for kind, paths in grid.output_files(made).items():
        for path in paths:
            if kind not in ("trials", "timings"):
                files.write_text(made.folder / path, "")
    for job in grid.jobs(made):
        finish(made, job)
    for name in ("tables/a.csv", "figures/a.png", "report.html", "manifest.json"):
        files.write_text(made.folder / name, "")
    text = status.describe(made)
    assert "problems: 2 of 2 jobs" in text
    assert "trials: 4 of 4 jobs, 6 of 6 trials\n" in text
    assert "tables, figures, report, manifest: written" in text
    assert text.endswith("nothing is left to run")


def test_damaged_trials_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = study(tmp_path / "results")
    cell, block = next(grid.jobs(made))
    path = made.folder / cell.records(block)
    files.write_text(path, "PAR1 nothing")
    Path("s.yaml").write_text(made.model_dump_json(by_alias=True, exclude_unset=True))
    assert main(["status", "s.yaml"]) == 1
    error = capsys.readouterr().err
    assert "delete it and run again" in error
    assert str(path) in error
