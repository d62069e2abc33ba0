"""Stage ``manifest``: the resolved study and the sha256 of every result file."""

from __future__ import annotations

from pathlib import Path

import lalbench
from lalbench import codehash, files, grid
from lalbench.config import Study


def run(study: Study, output: Path) -> None:
    """Writes ``manifest.json``: study, its hash, software and the hash of each file."""
    resolved = study.model_dump(mode="json", by_alias=True)
    found = _files(study)
    files.write_json(
        output,
        {
            "lalbench": lalbench.__version__,
            "study": resolved,
            "study_hash": files.digest(resolved),
            "software": codehash.software_versions(),
            "files": {str(path): files.file_hash(study.folder / path) for path in sorted(found)},
        },
    )


def _files(study: Study) -> list[Path]:
    """All that has the same bytes for the same configuration; leftovers do not count."""
    kinds = grid.output_files(study)
    made = [path for kind, paths in kinds.items() if kind != "timings" for path in paths]
    drawn = [path for part in ("tables", "figures") for path in (study.folder / part).rglob("*")]
    # Hidden files are the workflow's time stamps.
    return made + [
        path.relative_to(study.folder)
        for path in drawn
        if path.is_file() and not path.name.startswith(".")
    ]
