"""Results have the same bytes whatever the number of cores, and however often a run was killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lalbench import earlier, grid, jobs, manifests
from lalbench.archive import checking
from lalbench.study import parse_study

pytestmark = pytest.mark.workflow

# Measured seconds and what shows them, and the finished trials of killed jobs.
DIFFERENT = {"timings", "logs", "benchmarks", "report.html", "cache"}


def hashes(results: Path) -> dict[str, str]:
    """sha256 of every file that may not differ."""
    files = [path for path in results.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.relative_to(results).parts[0] not in DIFFERENT
    }


def plan_of(checkout: Any) -> str:
    """What ``lalbench plan`` says, with single spaces."""
    done = subprocess.run(
        [sys.executable, "-m", "lalbench", "plan", "config.yaml"],
        cwd=checkout.folder,
        env=os.environ | {"PYTHONPATH": f"{checkout.folder / 'src'}{os.pathsep}{checkout.folder}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(" ".join(line.split()) for line in done.stdout.splitlines())


def test_a_killed_run_on_one_core_ends_like_an_undisturbed_one_on_two(
    finished: Any, fresh: Any
) -> None:
    (fresh.folder / "pause").touch()
    process = fresh.start("--cores", "1")
    fresh.wait_for("waiting", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    # Killed in the middle of the second trial of the job: the first one is kept, the output is not.
    output = "trials/waves/imbalanced/logistic_regression/patient/block-000.parquet"
    assert not (fresh.results / output).exists()
    kept = {path: path.stat().st_mtime_ns for path in (fresh.results / "cache").rglob("*.json")}
    assert sum('"strategy": "patient"' in path.read_text().replace("\\", "") for path in kept) == 1
    assert "\ntrials patient 1 0 4 1 " in plan_of(fresh)

    (fresh.folder / "pause").unlink()
    fresh.run("--unlock")
    fresh.run("--cores", "1")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    expected = hashes(finished.results)
    assert len(expected) > 50
    assert hashes(fresh.results) == expected
    assert fresh.planned() == set()
    assert "\nnothing is left to run" in plan_of(fresh)


def test_the_plan_finds_what_every_job_made_and_its_seconds(finished: Any) -> None:
    study = parse_study(finished.study | {"results": str(finished.results.parent)})
    every = list(jobs.every(study))
    assert {job.stage for job in every} >= {"fetch", "episodes", "learn", "trials", "references"}
    for job in every:
        assert job.output.exists()
        assert earlier.benchmark_seconds(job.benchmark) > 0


def test_a_lost_file_of_any_kind_is_made_again(finished: Any) -> None:
    """Also one that no job to come reads: the manifest has its hash."""
    study = parse_study(finished.study | {"results": str(finished.results.parent)})
    kinds = {kind: paths for kind, paths in grid.output_files(study).items() if paths}
    assert {"data", "problems", "episodes", "strategies", "trials", "curves"} <= set(kinds)
    lost = {finished.results / paths[0] for paths in kinds.values()}
    before = {path: path.read_bytes() for path in lost}
    for path in lost:
        path.unlink()
    finished.run("--cores", "2")
    for path, content in before.items():
        if "timings" not in path.parts:
            assert path.read_bytes() == content
    assert manifests.check(finished.results) > 10


def test_an_archive_is_verified_and_its_study_run_again(finished: Any, tmp_path: Path) -> None:
    """The finished study in a file; the same results from it, in another folder."""
    path = finished.results / "tiny.crate.zip"
    finished.run("archive", "--cores", "1")
    content = path.read_bytes()
    path.unlink()
    finished.run("archive", "--cores", "1")
    assert path.read_bytes() == content
    assert checking.verify(path) > 50

    # the code is that of the finished study, which is compiled already
    archive = path.rename(tmp_path / "tiny.zip")
    shutil.copy(finished.folder / "patient.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "lalbench", "rerun", str(archive), "--cores", "2"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(finished.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "all results have the same bytes" in done.stdout
    assert (tmp_path / "rerun" / "results" / "tiny" / "report.html").exists()
