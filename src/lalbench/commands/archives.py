"""Commands about archives of studies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lalbench.commands.shared import add_command, study_of
from lalbench.errors import LalbenchError, one_line

if TYPE_CHECKING:
    from lalbench.archive.rerunning import Outcome
    from lalbench.commands.shared import Commands

_NAMED = 10
"""Files that are named; of more, the number is said."""


def add(commands: Commands) -> None:
    """Declares the commands."""
    sub = add_command(commands, "archive", _archive, "put a finished study into one file")
    sub.add_argument("--study", required=True, help="study file")
    sub.add_argument("--results", help="results folder, instead of the study's")
    sub.add_argument("--output", type=Path, required=True, help="zip file")
    text = "check every hash in an archive, or in the folder of a finished study"
    sub = add_command(commands, "verify", _verify, text)
    sub.add_argument("place", type=Path, help="zip file or folder")
    sub = add_command(commands, "rerun", _rerun, "run the study of an archive again, and compare")
    sub.add_argument("archive", type=Path)
    sub.add_argument("--folder", type=Path, default=Path("rerun"), help="for it; default: rerun")
    sub.add_argument("--cores", type=int, default=1, help="default: 1")
    sub.add_argument("--unlock", action="store_true", help="after a run that was killed")


def _archive(options: argparse.Namespace) -> None:
    from lalbench.archive import writing

    writing.write(study_of(options), Path(options.study), options.output)


def _verify(options: argparse.Namespace) -> None:
    from lalbench import manifests
    from lalbench.archive import checking

    place = options.place
    if not place.is_dir():
        print(f"{place}: {checking.verify(place)} files, each with its hash")
        return
    print(f"{place}: {manifests.check(place)} files, each with its hash")
    others = manifests.uncovered(place).items()
    if others:
        names = (f"{name} ({n})" if name.endswith("/") else name for name, n in others)
        print(f"not checked, as the manifest has no hashes of them: {', '.join(names)}")


def _rerun(options: argparse.Namespace) -> None:
    from lalbench.archive import rerunning

    outcome = rerunning.rerun(options.archive, options.folder, options.cores, unlock=options.unlock)
    print(_told(outcome))
    if not outcome.tables_agree:
        raise LalbenchError("tables differ from those of the archive")


def _told(outcome: Outcome) -> str:
    lines = [f"note: {one_line(note)}" for note in outcome.notes]
    lines += [f"{kind}: {count} the same" for kind, count in sorted(outcome.same.items())]
    for what, names in (("other bytes", outcome.changed), ("missing", outcome.missing)):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            lines.append(f"{what}: {', '.join(map(one_line, names[:_NAMED]))}{more}")
    if not outcome.changed and not outcome.missing:
        lines.append("all results have the same bytes")
    return "\n".join(lines)
