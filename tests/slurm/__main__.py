"""Runs a study on a SLURM of this machine and says what it took.

    python -m tests.slurm config.yaml

As root, after ``envs/debian.sh slurm`` and ``make install EXTRA=slurm``. The results lie where
those of a local run would; further arguments go to Snakemake.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime

from tests.slurm.cluster import Cluster, UnavailableError, cluster

PROFILE = ["--workflow-profile", "profiles/slurm", "--slurm-no-account", "--latency-wait", "10"]
PROFILE += ["--slurm-init-seconds-before-status-checks", "5"]
PROFILE += ["--seconds-between-status-checks", "5"]


def main() -> int:
    study, *arguments = sys.argv[1:] or ["config.yaml"]
    try:
        with cluster() as slurm:
            return run(slurm, study, arguments)
    except UnavailableError as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return 1


def run(slurm: Cluster, study: str, arguments: list[str]) -> int:
    """Runs the study to its end; prints jobs and seconds."""
    start = time.perf_counter()
    call = [sys.executable, "-m", "snakemake", *PROFILE, "--config", f"study={study}", *arguments]
    code = subprocess.run(call, check=False).returncode
    seconds = time.perf_counter() - start
    ended = slurm.ended()
    spans = [
        (datetime.fromisoformat(job["EndTime"]) - datetime.fromisoformat(job["StartTime"])).seconds
        for job in ended
    ]
    print(f"{len(ended)} SLURM jobs in {seconds:.0f} s; {sum(spans)} s of node time")
    for partition in sorted({job["Partition"] for job in ended}):
        here = [
            span for span, job in zip(spans, ended, strict=True) if job["Partition"] == partition
        ]
        print(f"  {partition}: {len(here)} jobs, {sum(here)} s, {min(here)} to {max(here)} s each")
    return code


if __name__ == "__main__":
    sys.exit(main())
