"""Stage ``initial``: networks on the initial annotated sets, shared by all strategies of a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench import files, grid, provenance, trials
from lalbench.config import Study
from lalbench.stages import problems as problem_stage
from lalbench.stages.inputs import ClassifierInputs, computing, prefix


def run(study: Study, inputs: ClassifierInputs, output: Path) -> None:
    """Trains the network of every problem in the block and writes the weights as plain arrays."""
    part = grid.block(study, "network", inputs.block)
    found: dict[str, NDArray[Any]] = {}
    with computing(study):
        for problem in problem_stage.read(study, inputs.data, inputs.problems, part):
            arrays = trials.initial_fit(problem, study.classifier(inputs.classifier))
            found |= {prefix(problem) + name: array for name, array in arrays.items()}
    made_from = provenance.of(study, "initial", **inputs.labels)
    found["provenance"] = np.array(provenance.as_text(made_from))
    files.write_npz(output, found, stored=list(found))
