"""Oracle tables as artefacts: scores kept in files named by everything they depend on.

A table is the outcome of one call of :func:`lalbench.oracle.refit_scores`. Its name is a hash of
the rows, labels, weights and subsets, of the classifier with its options, of the evaluation points
and the objective, and of the code and libraries that compute it. Whoever asks for the same scores,
in any study, strategy or job, finds them: the neural process, the oracles and every other learner.

Files appear whole or not at all, and two jobs that compute the same table write the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench import codehash, files
from lalbench.errors import CorruptFileError

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
Table = tuple[FloatArray, FloatArray]
"""(S,) base scores and (S, n) scores with one more row."""


def table_file(
    folder: Path,
    engine: str,
    classifier: Any,
    arrays: tuple[NDArray[Any] | None, ...],
    scorer: AnyScorer,
) -> Path | None:
    """Where the table of these inputs is kept; None for inputs that have no lasting description.

    Args:
        folder: of all tables.
        engine: what computes it.
        classifier: with its options.
        arrays: rows, labels, subsets and weights.
        scorer: the objective and its evaluation points.
    """
    modules: set[str] = set()
    try:
        described = [_describe(classifier, modules), _describe(scorer.description, modules)]
    except _NotDescribableError:
        return None
    code = codehash.stage_hash("lalbench.oracle", tuple(sorted(modules)))
    points = scorer.arrays
    key = files.digest(
        [engine, *described, files.array_digest(*arrays, *points), code, codehash.software_hash()]
    )
    return folder / key[:2] / f"{key}.npz"


def load(path: Path) -> Table | None:
    """The table at ``path``, or None if there is none.

    Raises:
        CorruptFileError: the file is damaged.
    """
    if not path.exists():
        return None
    arrays = files.read_npz(path)
    shapes = [(each.dtype.kind, each.ndim) for _, each in sorted(arrays.items())]
    panel = [("f", 2), ("f", 3)]  # with one more axis
    if set(arrays) != {"base_scores", "scores"} or shapes not in ([("f", 1), ("f", 2)], panel):
        raise CorruptFileError(f"{path}: no oracle table in it; delete it and run again")
    return arrays["base_scores"], arrays["scores"]


def save(path: Path, table: Table) -> None:
    """Writes a table, atomically."""
    files.write_npz(path, {"base_scores": table[0], "scores": table[1]})


class _NotDescribableError(Exception):
    """An option whose value no text can stand for, such as an open file."""


def _describe(value: Any, modules: set[str]) -> Any:
    """``value`` as JSON that is the same in every process; collects the modules of its classes."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, np.generic):
        return _describe(value.item(), modules)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return ["array", files.array_digest(value)]
    if isinstance(value, list | tuple | Mapping):
        return _describe_many(value, modules)
    if hasattr(value, "get_params") and not isinstance(value, type):
        if _has_state(value):
            raise _NotDescribableError
        return [_name(type(value), modules), _describe(value.get_params(deep=False), modules)]
    if is_dataclass(value) and not isinstance(value, type):
        content = {entry.name: getattr(value, entry.name) for entry in fields(value)}
        return [_name(type(value), modules), _describe(content, modules)]
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return _name(value, modules)
    raise _NotDescribableError


def _describe_many(value: Any, modules: set[str]) -> Any:
    if isinstance(value, Mapping):
        pairs = [[_describe(key, modules), _describe(value[key], modules)] for key in value]
        return ["mapping", sorted(pairs, key=repr)]
    return [_describe(entry, modules) for entry in value]


def _has_state(classifier: Any) -> bool:
    """Whether its options do not tell all: it is fitted already, or draws from nowhere."""
    fitted = getattr(classifier, "__sklearn_is_fitted__", None)
    if fitted is not None:
        return bool(fitted()) or _draws_freely(classifier)
    if _draws_freely(classifier):
        return True
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(classifier)
    except (NotFittedError, TypeError):
        return False
    return True


def _draws_freely(classifier: Any) -> bool:
    options = classifier.get_params(deep=False)
    return "random_state" in options and options["random_state"] is None


def _name(thing: Any, modules: set[str]) -> str:
    module, name = thing.__module__, thing.__qualname__
    # code typed at a prompt, or made inside a function, can change under the same name; a method
    # depends on its object
    if module == "__main__" or "<" in name or hasattr(thing, "__self__"):
        raise _NotDescribableError
    modules.add(module)
    return f"{module}:{name}"
