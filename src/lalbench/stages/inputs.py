"""What the stages of a cell share: labels, input files, and how a block file holds its problems."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lalbench.compute import Compute, using
from lalbench.config import Study
from lalbench.problems import Problem

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Inputs:
    """Labels and input files that both stages share."""

    dataset: str
    setting: str
    classifier: str
    strategy: str
    block: str
    data: Path
    problems: list[Path]

    @property
    def labels(self) -> dict[str, str]:
        """The labels, as :func:`lalbench.grid.stage_parameters` takes them."""
        names = ("dataset", "setting", "classifier", "strategy", "block")
        return {name: getattr(self, name) for name in names}


def computing(study: Study) -> AbstractContextManager[Compute]:
    """Puts what the study says under ``compute`` in force inside the block."""
    wanted = study.compute
    return using(
        Compute(
            device=wanted.device,
            memory=wanted.memory * 2**20,
            processes=wanted.processes,
            threads=wanted.threads,
            cache=study.tables_folder if wanted.cache else None,
        )
    )


def select_pair(arrays: Arrays, problem: Problem) -> dict[str, NDArray[Any]]:
    """The arrays that one problem has in the file of its block."""
    own = prefix(problem)
    return {name.removeprefix(own): array for name, array in arrays.items() if name.startswith(own)}


def prefix(problem: Problem) -> str:
    """What the names of a problem's arrays begin with in the file of its block."""
    return f"{problem.data_seed}-{problem.seed}."
