"""Stage ``problems``: the splits of one data set in one setting, for one block of seed pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lalbench import grid, problems
from lalbench.config import Study
from lalbench.data.dataset import Dataset
from lalbench.objectives import check_classes


def run(study: Study, dataset: str, setting: str, block: str, data: Path, output: Path) -> None:
    """Builds the problems of ``block`` and writes their indices and weights to ``output``.

    Raises:
        UserError: data that cannot be split so, or an objective that is not for their classes.
    """
    source = Dataset.load(data)
    check_classes(study.objective, source.n_classes)
    problems.save_problems(
        output,
        (  # one at a time: each holds the features of its rows
            problems.build_problem(
                source,
                study.setting(setting),
                data_seed=data_seed,
                seed=seed,
                protocol=study.protocol,
                sizes=study.dataset_sizes(dataset),
                labels=study.labels,
                study_seed=study.seeds.study,
            )
            for data_seed, seed in grid.block(study, "cheap", block).pairs
        ),
    )


def read(
    study: Study, data: Path, files: Sequence[Path], block: grid.Block
) -> Iterator[problems.Problem]:
    """The problems of ``block``, one at a time, with the study's objective."""
    source = Dataset.load(data)
    by_pair = {
        pair: path
        for path, part in zip(files, _parts(study, block), strict=True)
        for pair in part.pairs
    }
    for pair in block.pairs:
        yield problems.load_problem(by_pair[pair], source, *pair, objective=study.objective)


def _parts(study: Study, block: grid.Block) -> list[grid.Block]:
    return [grid.block(study, "cheap", name) for name in grid.problem_blocks(study, block)]
