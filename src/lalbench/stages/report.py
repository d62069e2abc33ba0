"""Stage ``report``: one HTML file that can be read without the code."""

from __future__ import annotations

from pathlib import Path

from lalbench import files
from lalbench.config import Study
from lalbench.results.report import write_report


def run(study: Study, output: Path) -> None:
    """Writes the report of the study's results folder to ``output``.

    Raises:
        CorruptFileError: tables or figures are not as they were written.
    """
    for part in ("tables", "figures"):
        files.check_seal(study.folder / part)
    drawn = study.folder / "figures" if "svg" in study.figures.formats else None
    write_report(study, study.folder, output, drawn)
