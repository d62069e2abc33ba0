"""What goes into an archive, and what it is called there."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import lalbench
from lalbench import codehash, data, files, manifests
from lalbench.config import Study
from lalbench.imports import import_object

Content = bytes | Path
"""The bytes of a member, or the file that holds them."""

CHECKSUMS = "checksums.txt"
"""Hashes of all other members, as ``sha256sum`` writes and checks them."""
METADATA = "ro-crate-metadata.json"
README = "README.md"
STUDY = "study.yaml"
WORKFLOW = "code/Snakefile"

_BESIDE = ("timings", "logs", "benchmarks")
"""Folders of a study that say how it ran, not what it found."""
_OWN_LOG = "logs/archive.log"
"""Of the job that writes the archive."""
_CODE = (
    "Snakefile",
    "workflow",
    "src/lalbench",
    "envs",
    "profiles/default",
    "pyproject.toml",
    "LICENSE",
)
_README = """\
# The study {study}

An archive of lalbench. `report.html` says what was compared and found, `study.yaml` is the study,
`manifest.json` resolves it and has the hash of every result, `data.json` names the sources of the
data sets, which are no part of this archive, and `code/` is the code.

    sha256sum -c checksums.txt               # in the unpacked archive
    python -m lalbench verify ARCHIVE.zip    # the same, and the manifest
    python -m lalbench rerun ARCHIVE.zip     # runs the study again and compares, in a clone
"""
_NO_CODE = frozenset({"__pycache__"})


def members(study: Study, study_file: Path) -> dict[str, Content]:
    """Names → contents, without checksums and metadata.

    Data sets are no part of it: their licences differ, and ``data.json`` has their hashes.

    Args:
        study: a finished study.
        study_file: the file that describes it.

    Raises:
        UserError: the study has not finished.
    """
    manifest = manifests.read(study.folder)
    found: dict[str, Content] = {
        README: _README.format(study=study.study).encode(),
        STUDY: study_file.read_bytes(),
        manifests.NAME: study.folder / manifests.NAME,
        "report.html": study.folder / "report.html",
        "environment.txt": _environment().encode(),
        "data.json": _as_json(data_sources(study)),
    }
    for name in manifest["files"]:
        if not name.startswith("data/"):
            found[name] = study.folder / name
    for folder in _BESIDE:
        for path in _below(study.folder / folder):
            found[path.relative_to(study.folder).as_posix()] = path
    found.pop(_OWN_LOG, None)
    return found | _code() | _own_code(study)


def data_sources(study: Study) -> dict[str, Any]:
    """Where the data sets of a study come from, with the hash of each file."""
    found: dict[str, Any] = {}
    for spec in study.datasets:
        entry = None if spec.path is not None else data.CATALOGUE[spec.name]
        found[spec.label] = {
            "name": spec.name,
            "licence": entry.licence if entry else "the user's own",
            "citation": entry.citation if entry else "",
            "files": [
                {"path": file.path, "hash": file.pin, "urls": list(file.urls)}
                for file in (entry.files if entry else ())
            ],
            "user_files": {
                str(path): f"sha256:{files.file_hash(path)}" for path in data.input_files(spec)
            },
        }
    return found


def commit() -> dict[str, Any]:
    """Version of the code: commit and whether files differ from it; None outside of a checkout."""
    head = _git("rev-parse", "HEAD")
    return {
        "version": lalbench.__version__,
        "commit": head.strip() if head else None,
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")) if head else None,
    }


def root() -> Path:
    """The folder of the checkout that the package runs from."""
    return Path(lalbench.__file__).resolve().parents[2]


def _code() -> dict[str, Content]:
    """The workflow and the package as they are, what they differ in from their commit."""
    found: dict[str, Content] = {"code.json": _as_json(commit())}
    difference = _git("diff", "HEAD", "--", *_CODE)
    if difference:
        found["code.diff"] = difference.encode()
    for name in _CODE:
        place = root() / name
        for path in _below(place) if place.is_dir() else [place]:
            if path.is_file() and not _NO_CODE & set(path.parts):
                found[f"code/{path.relative_to(root()).as_posix()}"] = path
    return found


def _own_code(study: Study) -> dict[str, Content]:
    """Strategies, classifiers and objectives of the user's, with what they import."""
    paths = [spec.class_path for spec in study.strategies]
    paths += [spec.class_path for spec in study.classifiers] + [study.objective.function]
    modules = [path.partition(":")[0] for path in paths if path]
    for path in filter(None, paths):
        import_object(path, "study")  # a module that is not here would be left out unnoticed
    return {
        f"code/own/{name.replace('.', '/')}{'/__init__' * (path.stem == '__init__')}.py": path
        for name, path in codehash.own_sources(modules).items()
    }


def _below(folder: Path) -> Iterator[Path]:
    """All files, no links, none that is hidden."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            yield path


def _environment() -> str:
    """The interpreter, the system and every installed distribution, sorted."""
    names = {f"{each.metadata['Name']}=={each.version}" for each in distributions()}
    head = f"# Python {sys.version.split()[0]}, {platform.system()} {platform.machine()}"
    return "\n".join([head, *sorted(names, key=str.lower)]) + "\n"


def _git(*arguments: str) -> str | None:
    """What git prints; None where there is no checkout or no git."""
    if not (root() / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root(), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def _as_json(content: Any) -> bytes:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode()
