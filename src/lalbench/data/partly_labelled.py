"""A table of the user's in which some rows have a label and the others wait for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.user_columns import column_labels, numeric_column
from lalbench.data.user_files import file_format, read_frame, read_text
from lalbench.errors import UserError, suggest

if TYPE_CHECKING:
    import pandas as pd


_MISSING = frozenset({"na", "n/a", "nan", "null", "none", "?", "-", "--", "<na>"})


@dataclass(frozen=True)
class PartlyLabelled:
    """Rows with and without a label.

    Attributes:
        X: (n, d) float64 features, finite.
        labels: (n_labelled,) integers, booleans or text, in the order of the rows.
        labelled: (n,) bool.
        feature_names: (d,).
        frame: all columns of the file as they stand there: of CSV as text.
    """

    X: NDArray[np.float64]
    labels: NDArray[Any]
    labelled: NDArray[np.bool_]
    feature_names: tuple[str, ...]
    frame: pd.DataFrame


def missing_marker(labels: Sequence[str]) -> str | None:
    """The first label that other programs write where a value is missing, if there is one."""
    return next((label for label in labels if label.strip().lower() in _MISSING), None)


def read_partly_labelled(
    path: str,
    target: str,
    leave_out: Sequence[str] = (),
    format_: str | None = None,
    unlabelled: Sequence[str] = (),
) -> PartlyLabelled:
    """The table in a CSV or Parquet file whose rows without a label have an empty target.

    Args:
        path: the file.
        target: name of the label column.
        leave_out: columns that are no features: names, dates, notes.
        format_: csv or parquet; None: by its ending.
        unlabelled: texts of the target that mean no label, besides the empty one.

    Raises:
        UserError: there is no such file or column, no row without a label, or something in it that
            cannot be used, as in :func:`lalbench.data.user_files.read_user_file`.
    """
    kind = file_format(path, format_)
    if kind == "npz":
        raise UserError(path, "npz arrays have no empty labels", "use a .csv or .parquet file")
    frame = read_frame(path, format_, target)
    for name in leave_out:
        if name not in frame.columns or name == target:
            others = [str(each) for each in frame.columns if each != target]
            raise UserError("leave-out", f'no feature "{name}"', suggest(name, others))
    features = [name for name in frame.columns if name not in (target, *leave_out)]
    if not features:
        raise UserError(path, f'has no features besides "{target}"', "add columns of numbers")
    X = np.column_stack(
        [numeric_column(frame[name], f'{path}, column "{name}"') for name in features]
    )
    column = frame[target]
    texts = column.astype(str).str.strip()
    labelled = ~np.asarray(column.isna() | texts.isin(["", *unlabelled]))
    if labelled.all():
        marker = missing_marker(texts.unique().tolist())
        raise UserError(
            f'{path}, column "{target}"',
            "has a label in every row",
            "leave it empty where a label is wanted"
            + (f', or say --unlabelled "{marker}"' if marker else ""),
        )
    given = column[labelled].infer_objects()
    labels = column_labels(given, f'{path}, column "{target}"') if len(given) else np.empty(0)
    shown = read_text(path) if kind == "csv" else frame
    return PartlyLabelled(X, labels, labelled, tuple(map(str, features)), shown)
