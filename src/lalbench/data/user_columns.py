"""Columns of the user's files: features as float64, labels as integers or text, or a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lalbench.data.limits import check_labels
from lalbench.errors import UserError
from lalbench.memory import check_memory

if TYPE_CHECKING:
    import pandas as pd

# float64 holds every integer up to here
_EXACT = 2**53

LARGEST = 1e100
"""Features are squared and summed: float64 ends at 1.8e308."""


def numeric_column(column: pd.Series[Any], key: str) -> NDArray[np.float64]:
    """(n,) float64 features.

    Args:
        column: of a data frame.
        key: what messages call it.

    Raises:
        UserError: missing or infinite values, text, or integers that float64 cannot hold.
    """
    import pandas as pd

    if column.isna().any():
        _refuse_missing(key, np.asarray(column.isna()))
    types = pd.api.types
    if not types.is_bool_dtype(column) and not types.is_numeric_dtype(column):
        _refuse_text(key, np.asarray(column.astype(object)))
    values = np.asarray(column.to_numpy())
    return as_numbers(values, kind_of(values.dtype), key)


def column_labels(column: pd.Series[Any], key: str) -> NDArray[Any]:
    """(n,) labels as integers, booleans or text; raises as :func:`numeric_column`."""
    import pandas as pd

    if column.isna().any():
        _refuse_missing(key, np.asarray(column.isna()))
    if isinstance(column.dtype, pd.CategoricalDtype):
        check_labels(key, map(str, column.cat.categories))
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_bool_dtype(column):
        return as_labels(column.to_numpy(dtype=bool), "number", key)
    if pd.api.types.is_numeric_dtype(column):
        values = np.asarray(column.to_numpy())
        return as_labels(values, kind_of(values.dtype), key)
    odd = [value for value in column if not isinstance(value, str)]
    if odd:
        large = [value for value in odd if isinstance(value, int) and abs(value) > _EXACT]
        raise UserError(
            key,
            f"{(large or odd)[0]!r} is no label",
            "use integers below 2**53 or text, of one kind in the whole column",
        )
    different = [str(label) for label in column.unique()]
    check_labels(key, different)
    # An array of text is as wide everywhere as the longest one
    check_memory(key, 4 * len(column) * max(map(len, different), default=1))
    return np.array([str(value) for value in column])


def kind_of(dtype: np.dtype[Any]) -> str:
    """What a type holds: ``"number"``, ``"text"`` or ``"other"``."""
    return {"b": "number", "i": "number", "u": "number", "f": "number"}.get(
        dtype.kind, "text" if dtype.kind in "SU" else "other"
    )


def as_numbers(values: NDArray[Any], kind: str, key: str) -> NDArray[np.float64]:
    """(n,) values as float64, refused where that is impossible or would change them."""
    if kind == "text":
        _refuse_text(key, values)
    if kind == "other":
        raise UserError(key, f"type {values.dtype} is no number", "convert it to numbers")
    if values.dtype.kind in "iu" and len(values):
        largest = max(abs(int(values.min())), abs(int(values.max())))
        if largest > _EXACT:
            raise UserError(
                key,
                f"{largest} is too large to be exact",
                "rescale it, or remove it if it is an id",
            )
    with np.errstate(over="ignore"):  # becomes infinite, which is said below
        numbers = values.astype(np.float64)
    if np.isnan(numbers).any():
        _refuse_missing(key, np.isnan(numbers))
    if np.isinf(numbers).any():
        row = int(np.isinf(numbers).argmax())
        raise UserError(
            key, f"{numbers[row]} in data row {row + 1}", "replace infinite values or drop the row"
        )
    extreme = extreme_row(numbers)
    if extreme is not None:
        raise UserError(
            key,
            f"{numbers[extreme]} in data row {extreme + 1} is too large to be squared",
            f"rescale the column, below {LARGEST:g}, or drop the row",
        )
    return numbers


def extreme_row(numbers: NDArray[np.float64]) -> int | None:
    """The first of (n,) or (n, d) rows with a number beyond :data:`LARGEST`, or None."""
    beyond = np.abs(numbers) > LARGEST
    rows = beyond.any(axis=1) if beyond.ndim > 1 else beyond
    return int(rows.argmax()) if rows.any() else None


def as_labels(values: NDArray[Any], kind: str, key: str) -> NDArray[Any]:
    """(n,) labels as integers, booleans or text."""
    if kind == "other":
        raise UserError(key, f"type {values.dtype} is no label", "use integers or text")
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(key, "holds bytes that are no UTF-8", "save it as text") from error
    if values.dtype.kind != "f":
        return values
    if np.isnan(values).any():
        _refuse_missing(key, np.isnan(values))
    broken = ~np.isfinite(values) | (values != np.round(values)) | (np.abs(values) > _EXACT)
    if broken.any():
        row = int(broken.argmax())
        raise UserError(
            key,
            f"{values[row]} in data row {row + 1} is no class label",
            "use integers or text; for a number to be predicted, make classes of it first",
        )
    return values.astype(np.int64)


def _refuse_text(key: str, values: NDArray[Any]) -> NoReturn:
    row = next((row for row, value in enumerate(values) if not _is_number(value)), None)
    if row is None:
        raise UserError(
            key, f"holds numbers as {values.dtype}", "save it with an integer or float type"
        )
    raise UserError(
        key,
        f"{str(values[row])[:40]!r} in data row {row + 1} is no number",
        "encode text first, for example one column of 0 and 1 per category, or remove the column",
    )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (OverflowError, TypeError, ValueError):
        return False
    return True


def _refuse_missing(key: str, missing: NDArray[np.bool_]) -> NoReturn:
    count, row = int(missing.sum()), int(missing.argmax())
    rows = "1 value" if count == 1 else f"{count} values"
    raise UserError(
        key,
        f"{rows} missing (NaN), the first in data row {row + 1}",
        "fill missing values in, or drop those rows",
    )
