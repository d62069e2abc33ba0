"""A small study on a small disk of its own, run by Snakemake, that can be hurt in many ways."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DISK = 64 * 2**20
"""Bytes of the disk of the results, where one can be mounted."""
LIMIT = 600.0
"""Seconds after which a run that does not end is a defect."""

STUDY: dict[str, Any] = {
    "study": "tiny",
    "datasets": [{"name": "mine", "path": "mine.csv", "target": "label"}],
    "settings": ["balanced"],
    "sizes": {"test": 60, "reward": 20, "annotated": 20},
    "classifiers": ["logistic_regression"],
    "strategies": [
        "random",
        {
            "name": "neural_process",
            "options": {"refit": "once", "n_simulations": 4, "epochs": 1, "width": 8},
        },
    ],
    "seeds": {"data": [0, 1], "run": [0]},
    "steps": 3,
    "blocks": {"cheap": 2, "oracle": 2, "learned": 2},
    "figures": {"formats": ["svg"]},
}


@dataclass
class Laboratory:
    """A folder with the study; its results lie on a small disk if ``mounted``.

    Attributes:
        folder: of the study file and of Snakemake.
        mounted: whether the results are a file system of their own.
        processes: schedulers that were started.
        downloaded: data set → sha256 of what was read from its undisturbed download.
    """

    folder: Path
    mounted: bool = False
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    downloaded: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        """The results folder of all studies."""
        return self.folder / "results"

    @property
    def study(self) -> Path:
        """The folder of the study."""
        return self.results / "tiny"

    def start(
        self, study: str = "study.yaml", *arguments: str, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Snakemake in a process group of its own; what it says goes to ``log``."""
        log = (self.folder / "log").open("wb")
        process = subprocess.Popen(
            [*self._snakemake(study), "--cores", "2", *arguments],
            cwd=self.folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self.processes.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """The exit code of a run, which must come; nothing of the run is left behind."""
        try:
            return process.wait(LIMIT)
        finally:
            kill_group(process)

    def said(self) -> str:
        """What the last run said."""
        return (self.folder / "log").read_text(errors="replace")

    def unlock(self, study: str = "study.yaml") -> None:
        """What the manual recommends after a scheduler was killed; nothing where none was."""
        if any((self.folder / ".snakemake" / "locks").glob("*")):
            call = [*self._snakemake(study), "--unlock"]
            subprocess.run(call, cwd=self.folder, capture_output=True, check=True)

    def _snakemake(self, study: str) -> list[str]:
        here = ["--directory", str(self.folder), "--config", f"study={study}"]
        return [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *here]

    def verify(self) -> str:
        """What ``lalbench verify`` complains of; nothing where all is as it was written."""
        command = [sys.executable, "-m", "lalbench", "verify", "results/tiny"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else ""

    def jobs(self) -> list[int]:
        """Process ids of the jobs of this laboratory that run now."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
                here = os.readlink(place / "cwd") == str(self.folder)
            except OSError:  # it has ended
                continue
            if here and b"lalbench" in words and b"-m" in words and b"/bin/sh" not in words[0]:
                found.append(int(place.name))
        return found

    def tables(self) -> dict[str, str]:
        """sha256 of every table."""
        folder = self.study / "tables"
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".")
        }

    def files(self) -> dict[str, list[Path]]:
        """Results, caches and time stamps by the folder they are in: what a run reads again."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.study.rglob("*")):
            part = path.relative_to(self.study).parts[0]
            if part not in ("logs", "benchmarks") and path.is_file() and path.stat().st_size:
                found.setdefault(part, []).append(path)
        return found

    def clear(self) -> None:
        """Removes all results and what Snakemake knows of them."""
        for path in self.results.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(self.folder / ".snakemake", ignore_errors=True)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a scheduler and all its jobs."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Waits; returns whether the run still goes on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    return process.poll() is None


@contextmanager
def laboratory(folder: Path, **changes: Any) -> Iterator[Laboratory]:
    """A laboratory in an empty folder; its disk is unmounted at the end.

    Args:
        folder: where it is made.
        changes: keys of ``STUDY`` that are others.
    """
    folder = folder.resolve()
    (folder / "results").mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | changes))
    rng = Random(0)
    rows = [f"{rng.gauss(place % 2, 1):.4f},{rng.random():.4f},{place % 2}" for place in range(200)]
    (folder / "mine.csv").write_text("\n".join(["a,b,label", *rows]) + "\n")
    lab = Laboratory(folder, mounted=_mount(folder / "results"))
    try:
        yield lab
    finally:
        for process in lab.processes:
            kill_group(process)
        if lab.mounted:
            subprocess.run(["umount", "-l", str(lab.results)], check=False)


def _mount(folder: Path) -> bool:
    """Makes a folder a disk of its own in memory, where that is allowed."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    options = f"size={DISK},mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "lalbench", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
