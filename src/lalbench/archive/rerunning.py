"""Runs the study of an archive again, with the code that is here, and compares the results."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lalbench import files, manifests
from lalbench.archive import checking, members
from lalbench.config import Study
from lalbench.errors import LalbenchError, UserError
from lalbench.study import load_study, with_results
from lalbench.user_arrays import whole_number


@dataclass(frozen=True)
class Outcome:
    """What became of the results of an archive.

    Attributes:
        same: results with the same bytes, by kind (the folder that they are in).
        changed: names of results with other bytes.
        missing: names of results that are not there any more.
        notes: what is different here: code, software.
    """

    same: dict[str, int]
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def tables_agree(self) -> bool:
        """Whether every table has the same bytes."""
        return not any(name.startswith("tables/") for name in (*self.changed, *self.missing))


def rerun(path: Path, folder: Path, cores: int, *, unlock: bool = False) -> Outcome:
    """Checks an archive, runs its study below ``folder`` and compares all results.

    Args:
        path: the archive.
        folder: for the study file and the results; a run that stopped there goes on.
        cores: that the workflow uses.
        unlock: whether to remove the lock of a scheduler that was killed first.

    Raises:
        UserError: no archive, no workflow here, or data files of the user's that changed.
        CorruptFileError: a damaged archive.
        LalbenchError: the workflow failed.
    """
    whole_number("cores", cores, 1)
    snakefile = members.root() / "Snakefile"
    if not snakefile.is_file():
        raise UserError("rerun", "there is no Snakefile here", "run it in a clone of lalbench")
    checking.verify(path)
    with checking.opened(path) as archive:
        study_file = folder / members.STUDY
        files.write_bytes(study_file, archive.read(members.STUDY))
        manifest = archive.read_json(manifests.NAME)
        study = with_results(load_study(study_file), str(folder / "results"))
        try:
            notes = _notes(manifest, archive.read_json("code.json"))
            _check_sources(study, archive.read_json("data.json"))
        except (AttributeError, KeyError, TypeError) as error:
            raise archive.damaged("its notes on code or data are none") from error
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--cores", str(cores), "--config", f"study={study_file}"]
    command += [f"results={study.results}"]
    if unlock:
        _run([*command, "--unlock"])
    if _run(command):
        raise LalbenchError(
            f"the workflow failed (see its log above); run {path} again, after a killed run with "
            "--unlock"
        )
    return compare(manifest["files"], manifests.read(study.folder)["files"], notes)


def compare(before: dict[str, str], after: dict[str, str], notes: tuple[str, ...] = ()) -> Outcome:
    """Results of two manifests, by their hashes."""
    same = Counter(name.partition("/")[0] for name in before if after.get(name) == before[name])
    return Outcome(
        same=dict(same),
        changed=tuple(name for name in before if after.get(name, before[name]) != before[name]),
        missing=tuple(name for name in before if name not in after),
        notes=notes,
    )


def _run(command: list[str]) -> int:
    """Runs a command and returns its exit code."""
    process = subprocess.Popen(command)
    stop = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # it got the signal, too, and ends its jobs
        raise
    finally:
        signal.signal(signal.SIGTERM, stop)


def _notes(manifest: dict[str, Any], code: dict[str, Any]) -> tuple[str, ...]:
    """What differs from where the archive was made."""
    from lalbench import codehash

    here = members.commit()
    notes = []
    if code.get("commit") != here["commit"]:
        notes.append(
            f"code: the archive is of commit {code.get('commit')}, this is {here['commit']}"
        )
    if code.get("changed") or here["changed"]:
        where = "the archive's" if code.get("changed") else "this"
        notes.append(f"code: {where} checkout had changes that were not committed")
    software = codehash.software_versions()
    notes += [
        f"{name}: {version} in the archive, {software.get(name, 'absent')} here"
        for name, version in sorted(manifest["software"].items())
        if software.get(name) != version
    ]
    return tuple(notes)


def _check_sources(study: Study, sources: dict[str, Any]) -> None:
    """The user's data files are still those of the archive."""
    here = members.data_sources(study)
    for label, known in sources.items():
        for path, value in known["user_files"].items():
            if here.get(label, {}).get("user_files", {}).get(path) != value:
                raise UserError(
                    path, f"is not the file that {label} was made of ({value})", "bring it back"
                )
