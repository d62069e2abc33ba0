"""Stage ``report``: one HTML file that can be read without the code."""

from __future__ import annotations

from pathlib import Path

from lalbench.config import Study
from lalbench.results.report import write_report


def run(study: Study, output: Path) -> None:
    """Writes the report of the study's results folder to ``output``."""
    write_report(study, study.folder, output)
