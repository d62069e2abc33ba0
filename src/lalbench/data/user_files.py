"""The user's own data: CSV, Parquet and NPZ files, checked until nothing can surprise later."""

from __future__ import annotations

import csv
import os
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.csv_files import ENCODING, opened_csv
from lalbench.data.dataset import CHANNELS
from lalbench.data.limits import check_columns
from lalbench.data.table import Table
from lalbench.data.user_columns import as_labels, as_numbers, column_labels, kind_of, numeric_column
from lalbench.errors import UserError, suggest
from lalbench.files import read_member
from lalbench.memory import check_memory

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet", "npz")

_NPZ_FEATURES = ("X", "x")
# What a missing feature looks like in a CSV file; in the label column only an empty field is one,
# so that NA and None can be classes.
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>", "#N/A"]


def read_user_file(path: str, format_: str | None, target: str) -> Table:
    """The table in a file of the user's.

    Args:
        path: the file.
        format_: csv, parquet or npz; None: by its ending.
        target: name of the label column, or of the label array of an npz file, whose features, or
            uint8 images, are the array ``X`` (or ``x``).

    Raises:
        UserError: there is no such file or column, or something in it cannot be used: missing or
            infinite features, text features, labels that are no classes, doubled column names.
    """
    kind = file_format(path, format_)
    if kind == "npz":
        return _read_npz(path, target)
    frame = read_frame(path, kind, target)
    features = [name for name in frame.columns if name != target]
    if not features:
        raise UserError(path, f'has no column besides "{target}"', "add feature columns")
    X = np.empty((len(frame), len(features)))
    for place, name in enumerate(features):
        X[:, place] = numeric_column(frame[name], f'{path}, column "{name}"')
    labels = column_labels(frame[target], f'{path}, column "{target}"')
    return Table(X=X, labels=labels, feature_names=tuple(features))


def read_frame(path: str, format_: str | None, target: str) -> pd.DataFrame:
    """All columns of a CSV or Parquet file with at least one row; raises as above."""
    kind = file_format(path, format_)
    frame = _read_csv(path, target) if kind == "csv" else _read_parquet(path, target)
    if len(frame) == 0:
        raise UserError(path, "has no rows", "it needs a header and one row per point")
    return frame


def read_text(path: str) -> pd.DataFrame:
    """All fields of a CSV file that :func:`read_frame` reads, as they stand there."""
    import pandas as pd

    with opened_csv(path) as handle:
        return pd.read_csv(
            handle, index_col=False, dtype=str, keep_default_na=False, encoding=ENCODING
        )


def check_user_file(path: str, format_: str | None, target: str) -> None:
    """Raises :class:`UserError` unless the file exists, has a known format and holds ``target``.

    Reads only the names of the columns.
    """
    kind = file_format(path, format_)
    names: dict[str, Callable[[str], Sequence[str]]] = {
        "csv": _csv_names,
        "parquet": _parquet_names,
        "npz": _npz_names,
    }
    _check_target(path, target, names[kind](path))


def file_format(path: str, format_: str | None) -> str:
    """csv, parquet or npz: ``format_``, or what the ending of an existing file says."""
    if not os.path.isfile(path):  # unlike Path.is_file, it takes any text
        folder = os.path.isdir(path)
        raise UserError(
            "path",
            f'no such file "{path}"',
            "a folder of images needs the key format: images" if folder else "correct the path",
        )
    ending = Path(path).suffix.lower().removeprefix(".")
    kind = format_ or ending
    if kind not in FORMATS:
        raise UserError(
            "path",
            f'"{path}" ends in "{Path(path).suffix}"',
            "use a .csv, .parquet or .npz file, or say which it is with the key format",
        )
    return kind


def _check_target(path: str, target: str, names: Sequence[str]) -> None:
    if target not in names:
        hint = suggest(target, names)
        if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
            hint = "separate the columns with commas"
        raise UserError("target", f'{path} holds no "{target}"', hint)


def _check_names(path: str, names: Sequence[str]) -> None:
    for place, name in enumerate(names, start=1):
        if not name.strip():
            raise UserError(
                f"{path}, column {place}",
                "has no name",
                "name it, or remove it if it only numbers the rows",
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(path, f'column "{twice[0]}" stands twice', "rename or remove one")


# CSV


def _csv_names(path: str) -> list[str]:
    import pandas as pd

    try:
        # As a row of text: as a header, pandas would rename doubled columns
        with opened_csv(path, whole=False) as handle:
            row = pd.read_csv(
                handle, header=None, nrows=1, dtype=str, keep_default_na=False, encoding=ENCODING
            )
    except UserError:
        raise
    except pd.errors.EmptyDataError as error:
        raise UserError(path, "is empty", "it needs a header and one row per point") from error
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise _unreadable(path, "CSV", error) from error
    names = [str(name) for name in row.iloc[0]]
    _check_names(path, names)
    return names


def _read_csv(path: str, target: str) -> pd.DataFrame:
    import pandas as pd

    names = _csv_names(path)
    _check_target(path, target, names)
    missing = {name: [""] if name == target else _MISSING for name in names}
    try:
        with opened_csv(path) as handle, warnings.catch_warnings():
            # Rows longer than the header are a warning to pandas, and lost fields to the user
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                handle,
                index_col=False,
                keep_default_na=False,
                na_values=missing,
                low_memory=False,
                encoding=ENCODING,
            )
    except UserError:
        raise
    except pd.errors.ParserWarning as error:
        raise UserError(
            path, "has rows with more fields than its header", "make all rows equally long"
        ) from error
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise _unreadable(path, "CSV", error) from error


# Parquet


def _parquet_names(path: str) -> list[str]:
    import pyarrow as pa

    from lalbench.data.parquet_files import index_columns, opened_parquet

    try:
        schema = opened_parquet(path).schema_arrow
        index = index_columns(schema)
    except UserError:
        raise
    except (OSError, pa.ArrowException, ValueError, RecursionError) as error:
        raise _unreadable(path, "Parquet", error) from error
    names = [str(name) for name in schema.names]
    _check_names(path, names)
    # A range index is kept as a description, any other as a column that would pass for a feature
    for name in names:
        if name in index:
            raise UserError(
                f'{path}, column "{name}"',
                "is the row index of a data frame",
                "write the file with index=False, after reset_index() if it is a feature",
            )
    return names


def _read_parquet(path: str, target: str) -> pd.DataFrame:
    import pyarrow as pa

    from lalbench.data.parquet_files import read_table

    names = _parquet_names(path)
    _check_target(path, target, names)
    try:
        frame = read_table(path).to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, "Parquet", error) from error
    return frame.set_axis(names, axis=1)


# NPZ


def _npz_names(path: str) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Exception as error:  # zipfile, zlib and struct each raise their own kinds
        raise _unreadable(path, "NPZ", error) from error


def _read_npz(path: str, target: str) -> Table:
    names = _npz_names(path)
    _check_target(path, target, names)
    found = [name for name in _NPZ_FEATURES if name in names]
    if len(found) != 1:
        raise UserError(
            path,
            f"has {' and '.join(found) if found else 'neither X nor x'}",
            "name the array of features X",
        )
    X, labels = (_npz_array(path, name) for name in (found[0], target))
    if X.ndim == 3 and X.dtype == np.uint8:
        X = X[..., None]
    images = X.ndim == 4 and X.dtype == np.uint8 and X.shape[3] in CHANNELS
    if X.ndim != 2 and not images:
        raise UserError(
            f"{path}, array {found[0]}",
            f"has the shape {X.shape} and the type {X.dtype}",
            "reshape it to (n, d), or for images to (n, height, width, 1 or 3) and type uint8",
        )
    labels = labels.reshape(-1) if labels.shape == (len(X), 1) else labels
    if labels.shape != (len(X),) or not X.size:
        raise UserError(
            path,
            f"{target} {labels.shape} does not fit {found[0]} {X.shape}",
            "it needs one label per row and at least one row",
        )
    if not images:
        check_columns(f"{path}, array {found[0]}", X.shape[1])
    y = as_labels(labels, kind_of(labels.dtype), f"{path}, array {target}")
    if images:
        return Table(X=X, labels=y)
    kind = kind_of(X.dtype)
    columns = [
        as_numbers(X[:, place], kind, f"{path}, array {found[0]}, column {place}")
        for place in range(X.shape[1])
    ]
    return Table(X=np.column_stack(columns), labels=y)


def _npz_array(path: str, name: str) -> NDArray[Any]:
    key = f"{path}, array {name}"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            member = archive.getinfo(name if name in names else f"{name}.npy")
            check_memory(key, member.file_size, copies=2)
            return read_member(archive, member)
    except UserError:
        raise
    except ValueError as error:
        if "object array" in str(error):
            raise UserError(
                key,
                "is an object array, which would need pickle",
                "save it with a numeric or text type",
            ) from error
        raise _unreadable(path, "NPZ", error) from error
    except Exception as error:  # as above
        raise _unreadable(path, "NPZ", error) from error


def _unreadable(path: str, kind: str, error: Exception) -> UserError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return UserError(
        path, f"cannot be read as {kind} ({lines[0]})", "check the file and the key format"
    )
