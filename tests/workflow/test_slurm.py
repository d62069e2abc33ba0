"""Studies on a real SLURM, which comes up on this machine for the time of the tests.

The first test is part of every run of the tests where SLURM is installed; ``make test-slurm`` runs
all of them.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.slurm.cluster import Cluster, UnavailableError, cluster
from tests.workflow.conftest import copy_folder
from tests.workflow.test_same_bytes import hashes

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ["--workflow-profile", "profiles/slurm", "--slurm-no-account", "--latency-wait", "10"]
PROFILE += [
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--seconds-between-status-checks",
    "2",
]
URGENT = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null"]
URGENT += ["--wait", "--wrap=sleep 1"]
GPU = ["--set-resources", "learn:gpu=1", "learned_trials:gpu=1"]

pytestmark = [pytest.mark.workflow, pytest.mark.slurm]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder with Snakemake's plugin, apart from the environment: it slows every start."""
    folder = tmp_path_factory.mktemp("plugin")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    listed = ["-r", str(ROOT / "envs" / "requirements-slurm.txt")]
    done = subprocess.run([*pip, *listed], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the SLURM plugin cannot be installed: {done.stderr[-200:]}")
    return str(folder)


@pytest.fixture(scope="module")
def slurm(plugin: str) -> Iterator[Cluster]:
    """A SLURM of three nodes."""
    try:
        with cluster() as found:
            yield found
    except UnavailableError as error:
        pytest.skip(str(error))


def submit(checkout: Any, plugin: str, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake with the profile for clusters, as on a login node."""
    return checkout.start(*PROFILE, *arguments, PYTHONPATH=plugin)


def finish(process: subprocess.Popen[str]) -> str:
    """What a Snakemake that succeeds has said."""
    try:
        output, messages = process.communicate(timeout=900)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == 0, output + messages
    return output + messages


def call(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def running(name: str) -> str:
    """SLURM's number of the job that runs the rule and wildcards of a comment."""
    jobs = call("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines()
    (found,) = [job.split()[0] for job in jobs if name in job]
    return found


def states(slurm: Cluster, job: str) -> list[str]:
    """How the starts of a job have ended."""
    return [each["JobState"] for each in slurm.ended() if each["JobId"] == job]


def test_a_preempted_study_has_the_bytes_of_a_local_run(
    finished: Any, fresh: Any, slurm: Cluster, plugin: str
) -> None:
    before = len(slurm.ended())
    (fresh.folder / "pause").touch()
    process = submit(fresh, plugin, *GPU)
    fresh.wait_for("waiting", process)

    # Urgent work takes the nodes; the job of the patient strategy is in its second trial.
    job = running("patient")
    cache = (fresh.results / "cache").rglob("[!.]*.json")
    patient = [path for path in cache if "patient" in path.read_text()]
    kept = {path: path.stat().st_mtime_ns for path in patient}
    assert len(kept) == 1
    call(*URGENT)
    (fresh.folder / "pause").unlink()
    messages = finish(process)

    assert hashes(fresh.results) == hashes(finished.results)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    ended = slurm.ended()[before:]
    assert states(slurm, job) == ["PREEMPTED", "COMPLETED"]
    # 16 jobs of Snakemake: one is local, fetch and problems are one, and so are the four of results
    submitted = {each["JobId"] for each in ended if each["Partition"] != "urgent"}
    assert len(submitted) == messages.count("has been submitted") == 11
    on_gpu = [each for each in ended if each["NodeList"] == "gpu1"]
    assert len(on_gpu) == 4
    assert {each["Partition"] for each in on_gpu} == {"gpu"}
    for each in on_gpu:
        assert "gres:gpu:1" in call("scontrol", "show", "job", each["JobId"])


@pytest.mark.long
def test_a_cancelled_job_and_a_killed_scheduler(
    finished: Any, fresh: Any, slurm: Cluster, plugin: str
) -> None:
    """A cancelled job runs again; after SIGKILL to Snakemake the study goes on by the manual."""
    (fresh.folder / "pause").touch()
    process = submit(fresh, plugin)
    fresh.wait_for("waiting", process)
    first = running("patient")
    call("scancel", first)
    end = time.monotonic() + 60
    while states(slurm, first) != ["CANCELLED"]:
        assert time.monotonic() < end
        time.sleep(0.2)
    (fresh.folder / "waiting").unlink(missing_ok=True)  # until it ended it said so again
    fresh.wait_for("waiting", process)  # of the retry
    second = running("patient")
    assert second != first
    assert states(slurm, first) == ["CANCELLED"]

    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    name = call("squeue", "--noheader", "--format=%j", f"--jobs={second}").strip()
    call("scancel", f"--name={name}")
    (fresh.folder / "pause").unlink()
    end = time.monotonic() + 60
    while name in call("squeue", "--noheader", "--format=%j"):
        assert time.monotonic() < end
        time.sleep(0.5)
    fresh.run("--unlock")
    messages = finish(submit(fresh, plugin, "--slurm-array-jobs", "trials,learn,learned_trials"))
    assert "Submitted array job" in messages
    assert hashes(fresh.results) == hashes(finished.results)


GREEDY = '''
"""Strategies that need more of something than the first attempt of their job is granted."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lalbench.strategies.base import Selection


@dataclass(frozen=True)
class Hungry:
    needs = frozenset()

    def select(self, state, budget, rng):
        held = np.ones(800 * 2**17)  # 800 MiB
        time.sleep(4)  # SLURM looks every second
        return Selection(np.arange(budget) + int(held[0]) - 1)


@dataclass(frozen=True)
class Slow:
    needs = frozenset()

    def select(self, state, budget, rng):
        while Path("slow").exists():
            Path("waiting").touch()
            time.sleep(0.1)
        return Selection(np.arange(budget))
'''


@pytest.mark.long
def test_retries_ask_for_more_memory_and_time(fresh: Any, slurm: Cluster, plugin: str) -> None:
    (fresh.folder / "greedy.py").write_text(GREEDY)
    names = {"hungry": "greedy:Hungry", "slow": "greedy:Slow"}
    strategies = [{"name": name, "class": path} for name, path in names.items()]
    seeds = {"data": [0], "run": [0]}
    fresh.edit_study(strategies=["random", *strategies], seeds=seeds, steps=1, blocks={"cheap": 1})
    (fresh.folder / "slow").touch()
    limits = [f"{rule}:mem_mb=900*attempt" for rule in ("cheap_trials", "trials")]
    limits += ["trials:runtime=attempt"]
    process = submit(fresh, plugin, "--set-resources", *limits)
    fresh.wait_for("waiting", process)
    slow = running("slow")
    end = time.monotonic() + 180
    while not states(slurm, slow):
        assert time.monotonic() < end, "SLURM does not end a job that has used up its time"
        time.sleep(1)
    (fresh.folder / "slow").unlink()
    finish(process)
    assert states(slurm, slow) == ["TIMEOUT"]
    # one job ran out of time, one out of memory; the retries were granted twice as much of both
    failed = [each for each in slurm.ended() if each["WorkDir"] == str(fresh.folder)]
    twice = [each for each in failed if "mem=1800M" in each["Tres"]]
    assert [each["JobState"] for each in twice] == ["COMPLETED"] * 2
    assert [each["TimeLimit"] for each in twice] == ["2"] * 2
    once = [each["JobState"] for each in failed if "mem=900M" in each["Tres"]]
    assert once.count("COMPLETED") == 1
    assert len(once) == 3


NETWORK = {
    "study": "tiny",
    "datasets": ["digits"],
    "settings": ["imbalanced"],
    "sizes": {"annotated": 40, "reward": 0, "test": 60, "pool": 150},
    "classifiers": [
        {"name": "small_cnn", "options": {"recipe": "fast", "epochs": 400, "width": 4}}
    ],
    "strategies": ["margin"],
    "seeds": {"data": [0], "run": [0]},
    "steps": 2,
    "budget": 10,
    "figures": {"formats": ["svg"]},
}


def tables(results: Path) -> dict[str, str]:
    """sha256 of every table."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (results / "tables").iterdir()
    }


@pytest.mark.long
def test_a_preempted_network_goes_on_from_its_checkpoint(
    fresh: Any, slurm: Cluster, plugin: str, sources: Path, tmp_path: Path
) -> None:
    local = type(fresh)(tmp_path / "local")
    copy_folder(sources, local.folder)
    for checkout in (local, fresh):
        checkout.edit("config.yaml", lambda _: yaml.safe_dump(NETWORK))
    process = submit(fresh, plugin)
    checkpoints = fresh.results / "cache"
    end = time.monotonic() + 300
    while not list(checkpoints.rglob("[!.]*.npz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.2)
    job = running("margin")
    call(*URGENT)
    finish(process)
    assert states(slurm, job) == ["PREEMPTED", "COMPLETED"]
    local.run("--cores", "1")
    assert tables(fresh.results) == tables(local.results)
    trial = "trials/digits/imbalanced/small_cnn/margin/block-000.parquet"
    assert (fresh.results / trial).read_bytes() == (local.results / trial).read_bytes()
