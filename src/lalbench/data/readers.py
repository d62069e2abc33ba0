"""Readers of the catalogue's tables: paths and options in, a table out.

Those of images are in :mod:`lalbench.data.image_readers` and :mod:`lalbench.data.cifar`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lalbench.data.table import Table
from lalbench.data.unpickler import read_pickled_arrays
from lalbench.errors import UserError

Reader = Callable[[tuple[Path, ...], Mapping[str, Any]], Table]


def pickled_binary(class_names: tuple[str, str] = ("0", "1")) -> Reader:
    """Reader of one pickled ``{"X": (n, d), "y": (n, 1) in {0, 1}}``; all rows, in file order."""

    def read(paths: tuple[Path, ...], _: Mapping[str, Any]) -> Table:
        (path,) = paths
        arrays = read_pickled_arrays(path)
        try:
            X, y = arrays["X"], arrays["y"].reshape(-1)
        except KeyError as error:
            raise UserError(str(path), f"holds no array {error}", "get it anew") from error
        if X.ndim != 2 or len(y) != len(X) or not np.isin(y, (0, 1)).all():
            raise UserError(
                str(path), f"X {X.shape} and y {y.shape} are no binary data set", "get it anew"
            )
        return Table(
            X=np.ascontiguousarray(X, dtype=np.float64),
            labels=y.astype(np.int64),
            class_names=class_names,
        )

    return read


def keel_binary(class_names: tuple[str, str]) -> Reader:
    """Reader of one KEEL file: lines of ``@``, then numbers and the label -1 or 1 per row."""

    def read(paths: tuple[Path, ...], _: Mapping[str, Any]) -> Table:
        (path,) = paths
        try:
            lines = path.read_text(encoding="ascii").splitlines()
            rows = [line.split(",") for line in lines if line.strip() and line[0] != "@"]
            values = np.array(rows, dtype=np.float64)
        except (OSError, ValueError) as error:
            raise damaged(path, f"cannot be read as a KEEL file ({error})") from error
        if values.ndim != 2 or values.shape[1] < 2 or not np.isin(values[:, -1], (-1, 1)).all():
            raise damaged(path, f"{values.shape} values are no binary data set")
        return Table(
            X=np.ascontiguousarray(values[:, :-1]),
            labels=(values[:, -1] > 0).astype(np.int64),
            class_names=class_names,
        )

    return read


def bundled(loader: str) -> Reader:
    """Reader of a data set that comes with scikit-learn: ``loader`` is its function's name."""

    def read(_: tuple[Path, ...], __: Mapping[str, Any]) -> Table:
        from sklearn import datasets

        bunch = getattr(datasets, loader)()
        return Table(
            X=np.ascontiguousarray(bunch.data, dtype=np.float64),
            labels=bunch.target.astype(np.int64),
            feature_names=tuple(str(name) for name in bunch.feature_names),
            class_names=tuple(str(name) for name in bunch.target_names),
        )

    return read


def damaged(path: str | os.PathLike[str], problem: str) -> UserError:
    """The error for a file of the catalogue that is not what it should be."""
    return UserError(str(path), problem, "get it anew from its source")
