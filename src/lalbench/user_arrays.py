"""Points, labels and weights that a user hands over as arrays: checked, in the package's types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.data.user_columns import LARGEST, extreme_row
from lalbench.errors import UserError
from lalbench.objectives.scorer import check_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def whole_number(key: str, value: Any, least: int) -> int:
    """An ``int`` of at least ``least``; numpy's are taken, True and 1.0 are not."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise UserError(key, f"cannot use {value!r}", f"give a whole number from {least}")
    return int(value)


def matrix(key: str, X: ArrayLike, n_features: int | None = None) -> FloatArray:
    """(n, d) float64 finite features, with ``n_features`` columns where that is given."""
    rows = _numbers(key, X)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise UserError(key, f"shape {rows.shape}", "give (n, d) rows of features")
    if n_features is not None and rows.shape[1] != n_features:
        raise UserError(
            key,
            f"{rows.shape[1]} features, and labelled points have {n_features}",
            "give the same features",
        )
    strange = np.argwhere(~np.isfinite(rows))
    if len(strange):
        row, column = strange[0].tolist()
        raise UserError(
            key,
            f"row {row}, column {column} is {rows[row, column]}",
            "give finite numbers: fill the gap, or leave the row out",
        )
    extreme = extreme_row(rows)
    if extreme is not None:
        column = int(np.abs(rows[extreme]).argmax())
        raise UserError(
            key,
            f"row {extreme}, column {column} is {rows[extreme, column]}, too large to be squared",
            f"rescale the column, below {LARGEST:g}, or leave the row out",
        )
    return rows


def check_columns(key: str, X: Any, like: Any) -> None:
    """Refuses a table whose columns have other names, or another order, than those of ``like``."""
    own, known = getattr(X, "columns", None), getattr(like, "columns", None)
    if own is not None and known is not None and list(own) != list(known):
        raise UserError(
            key, "its columns are not those of the labelled points", "give them in the same order"
        )


def class_names(y: Any, classes: Sequence[Any] | None) -> list[Any]:
    """The labels that there are: ``classes`` in their order, or the sorted ones of ``y``."""
    if classes is None:
        return np.unique(_listed("y", y)).tolist()
    if isinstance(classes, str):
        raise UserError("classes", f"cannot use {classes!r}", "give a list of labels")
    known: list[Any] = _listed("classes", classes).tolist()
    repeated = [label for place, label in enumerate(known) if label in known[:place]]
    if repeated:
        raise UserError("classes", f"{repeated[0]!r} stands twice", "name each class once")
    if len(known) < 2:
        raise UserError("classes", f"{known}", "name two or more")
    return known


def numbered(key: str, y: Any, n: int, known: Sequence[Any]) -> IntArray:
    """(n,) int64 numbers of the classes ``known`` of (n,) labels."""
    given = _listed(key, y)
    if given.shape != (n,):
        raise UserError(key, f"shape {given.shape} for {n} points", "give one label per point")
    if len(known) < 2:
        found = f"one class only ({known[0]!r})" if known else "no labels"
        raise UserError(key, found, "give labels of two classes or more")
    places = {label: place for place, label in enumerate(known)}
    for label in given.tolist():
        if label not in places:
            raise UserError(key, f"{label!r} is none of the classes", "name it in classes")
    return np.array([places[label] for label in given.tolist()], dtype=np.int64)


def weights(key: str, given: Any, known: Sequence[Any]) -> FloatArray | None:
    """(C,) float64 weights in the order of the classes; None where none are given."""
    if given is None:
        return None
    names = ", ".join(map(str, known))
    if isinstance(given, Mapping):
        strange = [label for label in given if label not in known]
        missing = [label for label in known if label not in given]
        if strange or missing:
            raise UserError(
                key,
                f"{strange[0]!r} is no class" if strange else f"no weight of {missing[0]!r}",
                f"give one for each of {names}",
            )
        given = [given[label] for label in known]
    try:
        found = check_weights(given)
    except UserError as error:
        raise UserError(key, error.problem, error.remedy) from None
    except (TypeError, ValueError):
        raise UserError(
            key, f"cannot use {given!r}", f"give one number for each class ({names})"
        ) from None
    if len(found) != len(known):
        raise UserError(
            key, f"{len(found)} weights for the {len(known)} classes {names}", "give one each"
        )
    if not found.any():
        raise UserError(key, "all weights are 0", f"give a positive one to one of {names}")
    return found


def _numbers(key: str, X: Any) -> FloatArray:
    if hasattr(X, "toarray"):
        raise UserError(key, "a sparse matrix", "give its toarray()")
    try:
        rows = np.asarray(X)
        if not np.iscomplexobj(rows):
            return rows.astype(np.float64, copy=False)
        problem = "complex numbers"
    except (OverflowError, TypeError, ValueError):
        problem = _not_a_number(X)
    raise UserError(key, problem, "give real numbers only, as many in every row")


def _not_a_number(X: Any) -> str:
    """What is in the way of an array of numbers."""
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    for place, row in enumerate(X if isinstance(X, Iterable) else ()):
        for column, value in enumerate(row if isinstance(row, Iterable) else ()):
            if not isinstance(value, Real):
                return f"row {place}, column {column} is {value!r}, no number"
    return "rows of different lengths"


def _listed(key: str, y: Any) -> NDArray[Any]:
    """Labels of one type, none missing."""
    given = y.to_numpy() if hasattr(y, "to_numpy") else y
    try:
        values = given.ravel().tolist() if isinstance(given, np.ndarray) else list(given)
        hash(tuple(values))
    except TypeError:
        raise UserError(key, f"cannot use {given!r:.60}", "give a list of labels") from None
    if isinstance(given, set | dict):
        raise UserError(key, f"a {type(given).__name__} has no order", "give a list of labels")
    for place, label in enumerate(values):
        if label is None or label != label:
            raise UserError(
                key,
                f"label {place} is missing ({label})",
                "leave points without a label to X_pool",
            )
    kinds = {_kind(label): label for label in values}
    if len(kinds) > 1:
        shown = " and ".join(repr(label) for label in kinds.values())
        raise UserError(key, f"labels of different types ({shown})", "give all of one type")
    return np.asarray(given)


def _kind(label: Any) -> str:
    if isinstance(label, str):
        return "text"
    return "number" if isinstance(label, Real) else type(label).__name__
