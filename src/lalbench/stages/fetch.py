"""Stage ``fetch``: a data set of the study as one checked npz file."""

from __future__ import annotations

from pathlib import Path

from lalbench import data
from lalbench.config import Study


def run(study: Study, dataset: str, output: Path) -> None:
    """Downloads or reads the data set labelled ``dataset`` and writes it to ``output``."""
    data.load(study.dataset(dataset), mirrors=study.mirrors).save(output)
