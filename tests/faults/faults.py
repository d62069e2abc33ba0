"""What can happen to a study: each fault hurts a run and says what a person would then do."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults.download import download_killed
from tests.faults.laboratory import Laboratory, kill_group, wait

Fault = Callable[[Laboratory, Random, float], str]
"""Hurts one run of a laboratory, at a moment drawn from so many seconds; returns what happened, or
nothing where the run had ended before."""


def scheduler_killed(lab: Laboratory, rng: Random, seconds: float) -> str:
    """SIGKILL to Snakemake alone; its jobs go on without it for a while."""
    process = lab.start()
    if not wait(process, rng.uniform(0, seconds)):
        return ""
    process.kill()
    process.wait()
    return "killed; its jobs went on"


def machine_lost(lab: Laboratory, rng: Random, seconds: float) -> str:
    """SIGKILL to Snakemake and all its jobs at once."""
    process = lab.start()
    if not wait(process, rng.uniform(0, seconds)):
        return ""
    kill_group(process)
    return "killed with its jobs"


def job_killed(lab: Laboratory, rng: Random, seconds: float) -> str:
    """SIGKILL to one job: a fetch, a split, a learner, a trial, or what writes the tables."""
    process = lab.start()
    going = wait(process, rng.uniform(0, seconds))
    found: list[int] = []
    while going and not (found := lab.jobs()):
        going = wait(process, 0.05)
    if found:
        try:
            os.kill(rng.choice(found), signal.SIGKILL)
        except ProcessLookupError:
            found = []
    lab.end(process)
    return "a job was killed" if found else ""


def disk_full(lab: Laboratory, rng: Random, seconds: float) -> str:
    """A file takes all the room on the disk of the results but some kilobytes."""
    if not lab.mounted:
        return ""
    process = lab.start()
    if not wait(process, rng.uniform(0, seconds)):
        return ""
    filler = lab.results / "filler"
    state = os.statvfs(lab.results)
    room = state.f_bavail * state.f_frsize - rng.randrange(0, 60_000)
    with filler.open("wb") as handle, contextlib.suppress(OSError):
        handle.write(b"\0" * max(0, room))
    lab.end(process)
    filler.unlink()
    return "the disk was full"


def no_permission(lab: Laboratory, rng: Random, seconds: float) -> str:
    """The results can be read, not written."""
    process = lab.start()
    if not wait(process, rng.uniform(0, seconds)):
        return ""
    if lab.mounted:
        command = ["mount", "-o", "remount,{}", str(lab.results)]
        for _ in range(40):  # refused while somebody writes
            read_only = [word.format("ro") for word in command]
            hurt = subprocess.run(read_only, capture_output=True, check=False)
            if hurt.returncode == 0 or not wait(process, 0.05):
                break
        lab.end(process)
        subprocess.run([word.format("rw") for word in command], check=True)
        return "read-only" if hurt.returncode == 0 else ""
    folders = [lab.results, *(path for path in lab.results.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    lab.end(process)
    for folder in folders:
        folder.chmod(0o755)
    return "no write permission"


def file_truncated(lab: Laboratory, rng: Random, seconds: float) -> str:
    """The machine is lost, and a file has lost its end."""
    machine_lost(lab, rng, seconds)
    files = lab.files()
    if not files:
        return ""
    path = rng.choice(files[rng.choice(list(files))])
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])
    return f"{path.relative_to(lab.study)} was cut"


def file_corrupted(lab: Laboratory, rng: Random, seconds: float) -> str:
    """The machine is lost, and some bytes of a file are others."""
    machine_lost(lab, rng, seconds)
    files = lab.files()
    if not files:
        return ""
    path = rng.choice(files[rng.choice(list(files))])
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 8])):
        content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
    path.write_bytes(content)
    return f"{path.relative_to(lab.study)} was changed"


def two_schedulers(lab: Laboratory, rng: Random, seconds: float) -> str:
    """A second Snakemake starts beside the first: it must refuse, and the first go on."""
    first = lab.start()
    if not wait(first, rng.uniform(2, max(3, seconds))):
        return ""
    code = lab.end(lab.start())
    refused = code != 0 and "lock" in lab.said().lower()
    if first.poll() is None and not refused:
        raise AssertionError(f"two schedulers ran at once:\n{lab.said()[-4000:]}")
    lab.end(first)
    return "the second was refused" if refused else ""


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        scheduler_killed,
        machine_lost,
        job_killed,
        disk_full,
        no_permission,
        file_truncated,
        file_corrupted,
        two_schedulers,
        download_killed,
    )
}


def recover(lab: Laboratory, attempts: int = 8) -> list[str]:
    """Runs the study to its end as a person would: unlock, read the message, delete what it names.

    At the end the results are verified, as the manual recommends after a disk failed.

    Returns:
        Files that were deleted because a message named them.

    Raises:
        AssertionError: it does not end well, or a message does not say what to do.
    """
    deleted = []
    for _ in range(attempts):
        lab.unlock()
        said = lab.said() if lab.end(lab.start()) else lab.verify()
        if not said:
            return deleted
        named = _named(lab, said)
        if not named:
            raise AssertionError(f"the study failed and named no file:\n{said[-4000:]}")
        for path in named:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            deleted.append(str(path.relative_to(lab.folder)))
    raise AssertionError(f"the study did not recover; deleted: {deleted}")


def _named(lab: Laboratory, said: str) -> list[Path]:
    """Files and folders that messages ask to delete."""
    found = re.findall(r"lalbench: (.+?): .*delete (?:it|the folder) and run again", said)
    found += re.findall(r"delete the folder (\S+) and run again", said)
    paths = {(lab.folder / name).resolve() for name in found}
    return [path for path in paths if path.is_relative_to(lab.folder) and path.exists()]
