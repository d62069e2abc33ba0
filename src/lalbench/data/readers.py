"""Readers of the catalogue's files: paths and options in, a table out."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.table import Table
from lalbench.data.unpickler import read_pickled_arrays
from lalbench.errors import UserError

Reader = Callable[[tuple[Path, ...], Mapping[str, Any]], Table]

_IDX_UNSIGNED_BYTE = 0x08


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
            feature_names=numbered(X.shape[1]),
            class_names=class_names,
        )

    return read


def idx_images(class_names: tuple[str, ...]) -> Reader:
    """Reader of four idx files: train images and labels, test images and labels.

    Images become rows of grey values 0 … 255, flattened row by row; train rows come first.
    """

    def read(paths: tuple[Path, ...], _: Mapping[str, Any]) -> Table:
        images, labels = zip(*(_idx_pair(*paths[at : at + 2]) for at in (0, 2)), strict=True)
        sizes = [len(part) for part in labels]
        height, width = images[0].shape[1:]
        n = sum(sizes)
        return Table(
            X=np.concatenate(images).reshape(n, height * width).astype(np.float64),
            labels=np.concatenate(labels).astype(np.int64),
            feature_names=tuple(f"r{row}c{col}" for row in range(height) for col in range(width)),
            class_names=class_names,
            test_mask=np.arange(n) >= sizes[0],
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


def numbered(n_features: int) -> tuple[str, ...]:
    """``x0``, ``x1``, … for data whose columns have no names."""
    return tuple(f"x{column}" for column in range(n_features))


def read_idx(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the type (8), the number of dimensions, each length as a big-endian
    32-bit integer, then the values, last dimension fastest.

    Raises:
        UserError: not such a file, or too short or long.
    """
    try:
        content = Path(path).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f"cannot be read ({error})") from error
    n_dimensions = content[3] if len(content) >= 4 else 0
    start = 4 + 4 * n_dimensions
    if content[:3] != bytes((0, 0, _IDX_UNSIGNED_BYTE)) or not n_dimensions or len(content) < start:
        raise _damaged(path, "is no idx file of unsigned bytes")
    shape = tuple(int(length) for length in np.frombuffer(content[4:start], dtype=">u4"))
    if len(content) - start != math.prod(shape):
        raise _damaged(path, f"holds {len(content) - start} values, not {math.prod(shape)}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()


def _idx_pair(image_path: Path, label_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise _damaged(image_path, f"{images.shape} images do not fit {labels.shape} labels")
    return images, labels


def _damaged(path: str | os.PathLike[str], problem: str) -> UserError:
    return UserError(str(path), problem, "get it anew from its source")
