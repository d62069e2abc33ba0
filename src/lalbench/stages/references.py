"""Stage ``references``: what the same labels give when nobody chooses any."""

from __future__ import annotations

from pathlib import Path

from lalbench import grid, provenance, records
from lalbench.config import Study
from lalbench.results.references import reference_rows
from lalbench.stages import problems as problem_stage
from lalbench.stages.inputs import ClassifierInputs


def run(study: Study, inputs: ClassifierInputs, output: Path) -> None:
    """Fits the classifier on fixed sets of labels of every problem in the block."""
    spec = study.classifier(inputs.classifier)
    part = grid.block(study, "cheap", inputs.block)
    rows = [
        row
        for problem in problem_stage.read(study, inputs.data, inputs.problems, part)
        for row in reference_rows(problem, spec, study=study.study)
    ]
    made_from = provenance.of(study, "references", **inputs.labels)
    records.write(output, "references", rows, {"lalbench": provenance.as_text(made_from)})
