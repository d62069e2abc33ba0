"""Stage ``manifest``: the resolved study and the sha256 of every result file."""

from __future__ import annotations

from pathlib import Path

from lalbench import files, manifests
from lalbench.config import Study


def run(study: Study, output: Path) -> None:
    """Writes ``manifest.json``: study, its hash, software and the hash of each file."""
    files.write_json(output, manifests.content(study))
