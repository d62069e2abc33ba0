"""The manifest of a study: the resolved study, software, and the hash of every result file."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import lalbench
from lalbench import codehash, files, grid
from lalbench.config import Study
from lalbench.errors import CorruptFileError, UserError

NAME = "manifest.json"


def content(study: Study) -> dict[str, Any]:
    """What the manifest of a finished study says.

    Raises:
        CorruptFileError: a result that is missing or not as it was written.
    """
    for part in ("tables", "figures"):
        files.check_seal(study.folder / part)
    for path in result_files(study):
        _check_intact(study.folder / path, path.parts[0])
    resolved = study.model_dump(mode="json", by_alias=True)
    return {
        "lalbench": lalbench.__version__,
        "study": resolved,
        "study_hash": files.digest(resolved),
        "software": codehash.software_versions(),
        "files": {str(path): files.file_hash(study.folder / path) for path in result_files(study)},
    }


def result_files(study: Study) -> list[Path]:
    """All that has the same bytes for the same configuration, sorted; leftovers do not count."""
    kinds = grid.output_files(study)
    made = [path for kind, paths in kinds.items() if kind != "timings" for path in paths]
    drawn = [path for part in ("tables", "figures") for path in (study.folder / part).rglob("*")]
    # Hidden files are the workflow's time stamps.
    return sorted(
        made
        + [
            path.relative_to(study.folder)
            for path in drawn
            if path.is_file() and not path.name.startswith(".")
        ]
    )


def check(folder: Path) -> int:
    """Checks the files in the folder of a finished study; returns how many there are.

    Raises:
        UserError: there is no manifest.
        CorruptFileError: a damaged manifest, or a file that does not have its hash.
    """
    found = read(folder)["files"]
    for name, value in found.items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CorruptFileError(
                f"{folder / NAME}: {name!r} is no name below its folder; delete it and run again"
            )
        if not os.path.isfile(path) or files.file_hash(path) != value:
            missing = not os.path.isfile(path)
            what = "is missing" if missing else "does not have its hash"
            raise CorruptFileError(f"{path}: {what}; {remedy(folder, name, missing=missing)}")
    return len(found)


def remedy(folder: Path, name: str, *, missing: bool = False) -> str:
    """What to do about the result ``name`` of a study if it is not what the manifest says."""
    part = name.partition("/")[0]
    folders = ("tables", "figures")  # made as a whole
    if missing and part not in folders:
        return "run the study again"
    whole = f"the folder {folder / part}" if part in folders else "it"
    return f"delete {whole} and run again"


def uncovered(folder: Path) -> dict[str, int]:
    """What the manifest has no hash of: files and folders in the folder of a study, with the number
    of files; hidden ones do not count.

    Raises:
        UserError: there is no manifest.
        CorruptFileError: it is damaged.
    """
    known = {NAME, *read(folder)["files"]}
    found: Counter[str] = Counter()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and name.as_posix() not in known:
            found[name.parts[0] if len(name.parts) == 1 else f"{name.parts[0]}/"] += 1
    return dict(found)


def _check_intact(path: Path, kind: str) -> None:
    """Reads a file whose format knows its checksums; other files are sealed by their folder."""
    from lalbench import records
    from lalbench.data.dataset import Dataset

    kinds = {"trials": "records", "references": "references", "curves": "curves"}
    if kind == "data":
        Dataset.load(path)
    elif kind in kinds:
        records.read(path, kinds[kind])
    elif path.suffix == ".npz":
        files.read_npz(path)


def read(folder: Path) -> dict[str, Any]:
    """The manifest in the folder of a study.

    Raises:
        UserError: there is none.
        CorruptFileError: it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise UserError(str(folder), f"holds no {NAME}", "name the folder of a finished study")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        whole = files.digest(found["study"]) == found["study_hash"]
        if whole and isinstance(found["files"], dict):
            return dict(found)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptFileError(
            f"{path}: cannot be read ({error}); delete it and run again"
        ) from error
    raise CorruptFileError(f"{path}: its study does not have its hash; delete it and run again")


def study_at(place: Path) -> tuple[Study, Path]:
    """The study of a study file or of the folder of a finished study, and its folder.

    Raises:
        UserError: neither of them.
        CorruptFileError: a damaged manifest.
    """
    from lalbench.study import load_study, parse_study

    if place.is_dir():
        return parse_study(read(place)["study"]), place
    study = load_study(place, check_names=False)
    return study, study.folder
