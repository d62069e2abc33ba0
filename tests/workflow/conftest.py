"""A checkout with a tiny study in a folder of its own, in which Snakemake runs for real."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).resolve().parents[2]

STUDY: dict[str, Any] = {
    "study": "tiny",
    "datasets": [{"name": "waveform_generator", "label": "waves", "options": {"n": 400}}],
    "settings": ["imbalanced"],
    "sizes": {"test": 60, "reward": 30, "annotated": 20},
    "classifiers": ["logistic_regression"],
    "strategies": [
        "random",
        "entropy",
        {"name": "patient", "class": "patient:Patient"},
        {
            "name": "neural_process",
            "options": {"refit": "once", "n_simulations": 6, "epochs": 2, "width": 8},
        },
    ],
    "seeds": {"data": [0, 1], "run": [0, 1]},
    "steps": 2,
    "blocks": {"cheap": 4, "oracle": 4, "learned": 2},
    "figures": {"formats": ["svg"]},
}

# A strategy of the user's that stops in the middle of the second trial of its job for as long as a
# file called "pause" lies beside the study.
PATIENT = '''
"""The first points of the pool, in no hurry."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lalbench.strategies.base import Selection

CALLS = []


@dataclass(frozen=True)
class Patient:
    needs = frozenset()

    def select(self, state, budget, rng):
        CALLS.append(state.step)
        while len(CALLS) == 4 and Path("pause").exists():
            Path("waiting").touch()
            time.sleep(0.05)
        return Selection(np.arange(budget))
'''


@dataclass(frozen=True)
class Checkout:
    """A copy of the workflow and the package, and the tiny study."""

    folder: Path
    study = STUDY

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny"

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        """Rewrites one file."""
        path = self.folder / name
        before = path.read_text()
        after = change(before)
        assert after != before
        path.write_text(after)

    def edit_study(self, **changes: Any) -> None:
        """Rewrites the study with some keys changed."""
        self.edit("config.yaml", lambda _: yaml.safe_dump(STUDY | changes))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Snakemake in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int = 0, **environment: str) -> tuple[str, str]:
        """Output and messages of a Snakemake that ends with ``code``."""
        process = self.start(*arguments, **environment)
        try:
            output, messages = process.communicate(timeout=1200)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == code, messages
        return output, messages

    def planned(self, **environment: str) -> set[str]:
        """The jobs that Snakemake would run now, such as ``trials entropy 000``."""
        output, _ = self.run("--summary", **environment)
        lines = [line.split("\t") for line in output.splitlines()]
        assert lines[0][0] == "output_file"
        assert lines[0][-1] == "plan"
        assert {line[-1] for line in lines[1:]} <= {"no update", "update pending"}
        return {job(Path(line[0])) for line in lines[1:] if line[-1] == "update pending"}

    def wait_for(self, name: str, process: subprocess.Popen[str], seconds: float = 1200) -> None:
        """Returns when a file exists; fails when ``process`` or the time ends first."""
        end = time.monotonic() + seconds
        while not (self.folder / name).exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end, f"no {name} after {seconds} s"
            time.sleep(0.05)


def job(output: Path) -> str:
    """The job that writes an output: stage, strategy if it has one, block if it has one."""
    stage, *places = output.relative_to("results/tiny").with_suffix("").parts
    rules = {"data": "fetch", "strategies": "learn", "timings": "trials", "curves": "trials"}
    stage = rules.get(stage, stage)
    block = [part.removeprefix("block-") for part in places if part.startswith("block-")]
    strategy = places[3:4] if len(places) == 5 else []
    return " ".join([stage, *strategy, *block])


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def sources(shared: Path) -> Path:
    """A copy of this checkout with the tiny study, before any run."""

    def make(folder: Path) -> None:
        folder.mkdir()
        shutil.copy2(HERE / "Snakefile", folder)
        for part in ("envs", "profiles", "workflow", "src/lalbench"):
            copy_folder(HERE / part, folder / part)
        (folder / "config.yaml").write_text(yaml.safe_dump(STUDY))
        (folder / "patient.py").write_text(PATIENT)

    return once(shared / "sources", make)


@pytest.fixture(scope="session")
def finished(shared: Path, sources: Path) -> Checkout:
    """The tiny study, run to its end on two cores; not to be changed."""

    def make(folder: Path) -> None:
        copy_folder(sources, folder)
        Checkout(folder).run("--cores", "2")

    return Checkout(once(shared / "finished", make))


def copy_folder(source: Path, target: Path) -> None:
    """Copies a folder, times of files included, and links what is compiled already.

    Python and Numba replace their files and never write into them, so a link is as good as a copy,
    and takes no space.
    """

    def copy(file: str, place: str) -> None:
        if Path(file).parent.name == "__pycache__":
            try:
                os.link(file, place)
            except FileNotFoundError:  # replaced meanwhile
                return
            except OSError:  # on another disk
                shutil.copy2(file, place)
        else:
            shutil.copy2(file, place)

    shutil.copytree(source, target, copy_function=copy)


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Makes a folder in the first process that asks for it; the others wait."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            make(folder)
            done.touch()
    return folder


@pytest.fixture
def copy(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished study, times of files included."""
    copy_folder(finished.folder, tmp_path / "checkout")
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def fresh(sources: Path, tmp_path: Path) -> Checkout:
    """The tiny study before its first run."""
    copy_folder(sources, tmp_path / "checkout")
    return Checkout(tmp_path / "checkout")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that they do not run alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)
