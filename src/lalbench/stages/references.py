"""Stage ``references``: what the same labels give when nobody chooses any."""

from __future__ import annotations

from pathlib import Path

from lalbench import grid, provenance, records
from lalbench.config import Study
from lalbench.results.references import reference_rows
from lalbench.stages import problems as problem_stage


def run(
    study: Study,
    dataset: str,
    setting: str,
    classifier: str,
    block: str,
    data: Path,
    problem_files: list[Path],
    output: Path,
) -> None:
    """Fits the classifier on fixed sets of labels of every problem in the block."""
    labels = {"dataset": dataset, "setting": setting, "classifier": classifier, "block": block}
    spec = study.classifier(classifier)
    part = grid.block(study, "cheap", block)
    rows = [
        row
        for problem in problem_stage.read(study, data, problem_files, part)
        for row in reference_rows(problem, spec, study=study.study)
    ]
    made_from = provenance.of(study, "references", **labels)
    records.write(output, "references", rows, {"lalbench": provenance.as_text(made_from)})
