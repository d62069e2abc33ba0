"""Stage ``references``: fits without active learning, beside the trials of a block."""

from __future__ import annotations

from pathlib import Path

from lalbench import grid, records
from lalbench.config import Study
from lalbench.progress import progress
from lalbench.results.references import reference_rows
from lalbench.stages import problems as problem_stage


def run(
    study: Study,
    dataset: str,
    setting: str,
    classifier: str,
    block: str,
    data: Path,
    problems: list[Path],
    output: Path,
) -> None:
    """Writes the rows of ``block`` (blocks of the problems stage) to ``output``.

    Args:
        study: the study.
        dataset, setting, classifier: labels; ``setting`` names the folder of the problems.
        block: id of a block of the problems stage.
        data: output of the fetch stage.
        problems: output of the problems stage for this block.
        output: ``references/<data set>/<setting>/<classifier>/block-<block>.parquet``.
    """
    spec = study.classifier(classifier)
    part = grid.block(study, "cheap", block)
    every = problem_stage.read(study, data, problems, part)
    rows = [
        row | {"dataset": dataset, "setting": setting}
        for problem in progress(every, f"references {dataset}")
        for row in reference_rows(problem, spec, study=study.study)
    ]
    records.write(output, "references", rows)
