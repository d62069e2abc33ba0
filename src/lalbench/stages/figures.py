"""Stage ``figures``: learning curves, ranks and matrices as SVG and PNG."""

from __future__ import annotations

from pathlib import Path

from lalbench import files
from lalbench.config import Study
from lalbench.results.figures import write_figures


def run(study: Study, output: Path) -> None:
    """Writes the figures of the study's results folder to ``output``, and a seal."""
    write_figures(study, study.folder, output)
    files.seal(output)
