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


@dataclass(frozen=True, kw_only=True)
class ClassifierInputs:
    """Labels and input files of stages that know no strategy."""

    dataset: str
    setting: str
    classifier: str
    block: str
    data: Path
    problems: tuple[Path, ...]

    @property
    def labels(self) -> dict[str, str]:
        """The labels, as :func:`lalbench.grid.stage_parameters` takes them."""
        files = ("data", "problems")
        return {key: value for key, value in vars(self).items() if key not in files}


@dataclass(frozen=True, kw_only=True)
class Inputs(ClassifierInputs):
    """Labels and input files of stages of one strategy."""

    strategy: str


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
