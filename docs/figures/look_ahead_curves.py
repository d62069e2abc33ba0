"""Learning curves of a study of look-ahead: differences to random with bands.

Run: ``python docs/figures/look_ahead_curves.py studies/look-ahead.yaml docs/figures [RESULTS]``
once its trials are there. A panel per data set and setting, a file per classifier.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lalbench.results import style
from lalbench.results.analysis import Analysis
from lalbench.results.figures import all_figures
from lalbench.study import load_study, with_results


def main(path: str, folder: str, results: str | None = None) -> None:
    """Writes a PNG file for each classifier."""
    study = with_results(load_study(path), results)
    formats = study.figures.model_copy(update={"formats": ["png"]})
    for drawing in all_figures(Analysis.of(study, study.folder)):
        if not drawing.name.startswith("versus_random"):
            continue
        with style.drawing():
            figure = drawing.draw()
        assert figure is not None
        name = drawing.name.replace("versus_random", study.study).replace("_", "-")
        style.save(figure, Path(folder), name, formats)


if __name__ == "__main__":
    main(*sys.argv[1:])
