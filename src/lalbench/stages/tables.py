"""Stage ``tables``: statistics of all trials as CSV, Markdown and LaTeX."""

from __future__ import annotations

from pathlib import Path

from lalbench import files
from lalbench.config import Study
from lalbench.results.tables import write_tables


def run(study: Study, output: Path) -> None:
    """Writes the tables of the study's results folder to ``output``, and a seal."""
    write_tables(study, study.folder, output)
    files.seal(output)
