"""Stage ``manifest``: the resolved study and the sha256 of every result file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import lalbench
from lalbench import codehash, files
from lalbench.config import Study

PARTS = ("data", "problems", "episodes", "strategies", "trials", "tables", "figures")
"""Folders whose files are the same bytes for the same configuration."""


def run(study: Study, output: Path) -> None:
    """Writes ``manifest.json``: study, its hash, software and the hash of each file."""
    resolved = study.model_dump(mode="json", by_alias=True)
    folder = study.folder
    found = sorted(path for part in PARTS for path in (folder / part).rglob("*") if path.is_file())
    files.write_json(
        output,
        {
            "lalbench": lalbench.__version__,
            "study": resolved,
            "study_hash": files.digest(resolved),
            "software": codehash.software_versions(),
            "files": {str(path.relative_to(folder)): _sha256(path) for path in found},
        },
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
