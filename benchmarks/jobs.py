"""What Snakemake and the start of its jobs cost, in the shipped blocks and in blocks of one.

    python -m benchmarks.jobs                 # 100 short trials of 4 strategies in 1 job and in 25
    python -m benchmarks.jobs --tabular       # npal-tabular without the neural process, end to end

The data must be at hand (LALBENCH_MIRROR or the cache): downloads are no part of it. Each run
starts from nothing, in a folder of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks import machine
from lalbench import grid
from lalbench.study import load_study

ROOT = Path(__file__).resolve().parents[1]
SHORT: dict[str, Any] = {
    "study": "short",
    "datasets": [{"name": "waveform_generator", "options": {"n": 2000}}],
    "settings": ["imbalanced"],
    "sizes": {"test": 200, "reward": 100, "annotated": 100},
    "classifiers": ["logistic_regression"],
    "strategies": ["random", "entropy", "margin", "least_confident"],
    "seeds": {"data": list(range(25)), "run": [0]},
    "steps": 10,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabular", action="store_true", help="npal-tabular without its learner")
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args(arguments)
    print(machine.header(1, "snakemake"))
    print(f"{given.cores} cores\n")
    print(f"{'':36} trials  jobs  seconds  of processors  seconds per trial")
    if given.tabular:
        study = yaml.safe_load((ROOT / "studies" / "npal-tabular.yaml").read_text())
        study["strategies"] = [each for each in study["strategies"] if each != "neural_process"]
        run("npal-tabular without neural process", study, given.cores)
        return
    for name, cheap in (("shipped blocks", 50), ("blocks of one seed pair", 1)):
        run(name, SHORT | {"blocks": {"cheap": cheap}}, given.cores)


def run(name: str, study: dict[str, Any], cores: int) -> None:
    """Runs a study from nothing to its report; prints what it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(study))
        loaded = load_study(path)
        trials = len(grid.cells(loaded)) * len(grid.pairs(loaded))
        call = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        call += ["--workflow-profile", str(ROOT / "profiles" / "default")]
        call += ["--directory", folder, "--config", "study=study.yaml", "--cores", str(cores)]
        start, before = time.perf_counter(), _processors()
        done = subprocess.run(
            call, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        seconds, used = time.perf_counter() - start, _processors() - before
        jobs = len(list((Path(folder) / "results").rglob("benchmarks/**/*.tsv")))
    print(f"{name:36} {trials:6} {jobs:5} {seconds:8.1f} {used:14.1f} {seconds / trials:18.3f}")


def _processors() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
