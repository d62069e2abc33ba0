"""Files of problems: indices, weights and hashes; features and images stay in the data set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench import files
from lalbench.config import ObjectiveSpec
from lalbench.errors import CorruptFileError, UserError
from lalbench.problems.problem import PARTS, Problem, assemble, split_hash
from lalbench.problems.scaling import Scaling
from lalbench.stored import DAMAGE

if TYPE_CHECKING:
    from lalbench.data.dataset import Dataset

IntArray = NDArray[np.int64]

_ABOUT = (
    *("dataset", "setting", "protocol", "data_seed", "seed", "study_seed", "rare_class"),
    *("split_hash", "source_hash"),
)
_ARRAYS = (
    *("frequencies", "class_weights", "fit_weights", "python_random_state"),
    *("pixel_mean", "pixel_scale"),
)


def save_problems(path: str | os.PathLike[str], problems: Iterable[Problem]) -> None:
    """Writes row indices, weights and hashes of problems; the features stay in the data set.

    The file is written atomically, holds no pickle, and has the same bytes for the same problems.

    Args:
        path: npz file.
        problems: problems with distinct (data seed, seed).

    Raises:
        UserError: the folder cannot be written to.
        ValueError: two problems have the same seeds.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for problem in problems:
        prefix = _prefix(problem.data_seed, problem.seed)
        if f"{prefix}about" in arrays:
            raise ValueError(f"two problems have the seeds {problem.data_seed}, {problem.seed}")
        about = {
            "objective": problem.objective.model_dump(mode="json"),
            "scaling": problem.scaling.method,
            **{key: getattr(problem, key) for key in _ABOUT},
        }
        arrays[f"{prefix}about"] = np.array(json.dumps(about, sort_keys=True))
        arrays[f"{prefix}row_ids"] = _compact(problem.row_ids)
        arrays |= {f"{prefix}{part}": _compact(getattr(problem, part)) for part in PARTS}
        if not np.array_equal(problem.scaling.rows, problem.row_ids[_seen(problem)]):
            arrays[f"{prefix}scaling_rows"] = _compact(problem.scaling.rows)
        for key in _ARRAYS:
            if getattr(problem, key) is not None:
                arrays[f"{prefix}{key}"] = getattr(problem, key)
    files.write_npz(path, arrays)


def load_problem(
    path: str | os.PathLike[str],
    dataset: Dataset,
    data_seed: int,
    seed: int,
    *,
    objective: ObjectiveSpec | None = None,
) -> Problem:
    """One problem of a file of :func:`save_problems`, with the features of its data set.

    Args:
        path: the file.
        dataset: the data set that the problems were made from; of several draws the one of the data
            seed is taken.
        data_seed: which problem.
        seed: which problem.
        objective: replaces the objective that was saved.

    Raises:
        CorruptFileError: the file is missing, damaged, or does not fit its own hash.
        UserError: the file holds no such problem, or was made from other data.
    """
    dataset = dataset.drawn(data_seed)
    prefix = _prefix(data_seed, seed)
    content = files.read_npz(path, prefix)
    if not content:
        raise UserError(
            str(path),
            f"no problem with data_seed {data_seed} and seed {seed}",
            "build it with save_problems or ask for seeds that are in the study",
        )
    try:
        about = json.loads(str(content[f"{prefix}about"]))
        row_ids = content[f"{prefix}row_ids"].astype(np.int64)
        parts = {part: row_ids[content[f"{prefix}{part}"]] for part in PARTS}
        fields = {key: about[key] for key in _ABOUT}
        fields |= {key: content.get(f"{prefix}{key}") for key in _ARRAYS}
        seen = np.concatenate([parts["annotated"], parts["pool"]])
        fitted_on = content.get(f"{prefix}scaling_rows", seen).astype(np.int64)
        fields["scaling"] = Scaling(about["scaling"], fitted_on)
        fields["objective"] = objective or ObjectiveSpec.model_validate(about["objective"])
        saved_split, saved_source = fields.pop("split_hash"), fields.pop("source_hash")
    except DAMAGE as error:
        raise CorruptFileError(
            f"{path}: is incomplete ({error}); delete it and run again"
        ) from error
    if saved_split != split_hash(parts):
        raise CorruptFileError(f"{path}: rows do not fit their hash; delete it and run again")
    if saved_source != dataset.source_hash:
        raise UserError(
            str(path),
            f'was made from other data than this "{dataset.name}" (the hashes differ)',
            "delete it and run again",
        )
    try:
        return assemble(dataset, row_ids, parts, fields)
    except DAMAGE as error:
        raise CorruptFileError(
            f"{path}: is no problem ({error}); delete it and run again"
        ) from error


def _seen(problem: Problem) -> IntArray:
    """Positions whose features are known without labels: what a scaling is usually fitted on."""
    return np.concatenate([problem.annotated, problem.pool])


def _prefix(data_seed: int, seed: int) -> str:
    return f"{data_seed}-{seed}."


def _compact(rows: IntArray) -> NDArray[Any]:
    """Row numbers in 32 bits where they fit."""
    return rows.astype(np.int32) if rows.size and rows.max() < 2**31 else rows
