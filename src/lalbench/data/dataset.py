"""A data set in memory and on disk."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench import files
from lalbench.errors import CorruptFileError

CHANNELS = (1, 3)
_OPTIONAL = ("test_mask", "draw", "log_densities")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled matrix, or labelled images; its arrays are read-only.

    Args:
        name: what it is called in the results.
        X: (n, d) float64 features, finite; or (n, height, width, channels) uint8 images with one
            (grey) or three (red, green, blue) channels.
        y: (n,) int64 labels 0 … C-1.
        class_names: (C,) original labels, in the order of the classes.
        feature_names: (d,) names of the columns; x0, x1, … where there are none, as for images,
            whose columns are those of :meth:`features`.
        test_mask: (n,) bool, True for rows of a given test partition; None without one.
        draw: (n,) int64 number of the draw of a generator that a row belongs to, ascending; None
            where all rows are one.
        log_densities: (n, C) float64 log density of each row in each class, up to a constant of the
            row, of a generator that knows them; else None.

    Raises:
        ValueError: shapes, types or values that do not fit together.
    """

    name: str
    X: NDArray[np.float64] | NDArray[np.uint8]
    y: NDArray[np.int64]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()
    test_mask: NDArray[np.bool_] | None = None
    draw: NDArray[np.int64] | None = None
    log_densities: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for key in ("X", "y", *_OPTIONAL):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, _read_only(getattr(self, key)))
        self._check()
        if not self.feature_names:
            object.__setattr__(self, "feature_names", numbered(self.n_features))

    @property
    def is_images(self) -> bool:
        """Whether X holds images."""
        return self.X.ndim == 4

    @property
    def n_features(self) -> int:
        """Number of features d of a row; of an image height × width × channels."""
        return math.prod(self.X.shape[1:])

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @cached_property
    def source_hash(self) -> str:
        """sha256 over type, shape and bytes of X, y, test_mask, and draw and densities if any."""
        rest = [array for array in (self.draw, self.log_densities) if array is not None]
        return files.array_digest(self.X, self.y, self.test_mask, *rest)

    def drawn(self, data_seed: int) -> Dataset:
        """The rows of the draw that a data seed takes: its remainder; itself without draws."""
        if self.draw is None:
            return self
        number = data_seed % (int(self.draw[-1]) + 1)
        first, last = np.searchsorted(self.draw, [number, number + 1])
        rows = slice(int(first), int(last))
        optional = {key: getattr(self, key) for key in _OPTIONAL}
        parts: dict[str, Any] = {
            key: None if array is None else array[rows] for key, array in optional.items()
        }
        return replace(self, X=self.X[rows], y=self.y[rows], **parts | {"draw": None})

    def features(self, rows: NDArray[Any] | slice) -> NDArray[np.float64]:
        """(n_rows, d) float64 copy of some rows, as a classifier of tables takes them.

        Pixels keep their values 0 … 255; an image is flattened row by row, its channels last.

        Args:
            rows: (n_rows,) int64 positions, a mask, or a slice.
        """
        chosen = self.X[rows]
        return chosen.reshape(len(chosen), self.n_features).astype(np.float64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an npz file, atomically and with the same bytes for the same data set.

        Images are not compressed, so that whoever loads them maps them instead of reading them.
        """
        arrays: dict[str, NDArray[Any]] = {
            "X": self.X if self.is_images else _compact(self.X),
            "y": self.y,
            "name": np.array(self.name),
            "class_names": np.array(self.class_names, dtype=str),
            "source_hash": np.array(self.source_hash),
        }
        if not self.is_images:
            arrays["feature_names"] = np.array(self.feature_names, dtype=str)
        for key in _OPTIONAL:
            if getattr(self, key) is not None:
                arrays[key] = getattr(self, key)
        files.write_npz(path, arrays, stored=("X",) if self.is_images else ())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Dataset:
        """Reads a file of :meth:`save` and checks its hash; images are mapped into memory.

        Raises:
            CorruptFileError: the file is missing, damaged or no data set.
        """
        content = files.read_npz(path, mapped=True)
        try:
            X = content["X"]
            dataset = cls(
                name=str(content["name"]),
                X=X if X.ndim == 4 else X.astype(np.float64),
                y=content["y"],
                class_names=tuple(str(name) for name in content["class_names"]),
                feature_names=tuple(str(name) for name in content.get("feature_names", ())),
                **{key: content.get(key) for key in _OPTIONAL},
            )
            saved = str(content["source_hash"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(
                f"{path}: is no data set ({error}); delete it and run again"
            ) from error
        if saved != dataset.source_hash:
            raise CorruptFileError(f"{path}: does not fit its hash; delete it and run again")
        return dataset

    def _check(self) -> None:
        n, X = len(self.y), self.X
        if self.is_images:
            if X.dtype != np.uint8 or len(X) != n or not X.size or X.shape[3] not in CHANNELS:
                raise ValueError(f"X must be ({n}, H, W, 1 or 3) uint8, not {X.shape} {X.dtype}")
        elif X.dtype != np.float64 or X.ndim != 2 or len(X) != n:
            raise ValueError(f"X must be ({n}, d) float64, not {X.shape} {X.dtype}")
        elif not np.isfinite(X).all():
            raise ValueError("X must be finite")
        if self.y.dtype != np.int64 or self.y.ndim != 1 or n == 0:
            raise ValueError(f"y must be (n,) int64, not {self.y.shape} {self.y.dtype}")
        if self.y.min() < 0 or self.y.max() >= self.n_classes:
            raise ValueError(f"y must be 0 … {self.n_classes - 1}")
        if self.feature_names and len(self.feature_names) != self.n_features:
            raise ValueError(f"{len(self.feature_names)} names for {self.n_features} features")
        mask = self.test_mask
        if mask is not None and (mask.dtype != np.bool_ or mask.shape != (n,)):
            raise ValueError(f"test_mask must be ({n},) bool, not {mask.shape} {mask.dtype}")
        self._check_generated(n)

    def _check_generated(self, n: int) -> None:
        """What generators add."""
        draw = self.draw
        if draw is not None and (
            draw.dtype != np.int64
            or draw.shape != (n,)
            or not np.array_equal(np.unique(draw), np.arange(draw[-1] + 1))
            or (np.diff(draw) < 0).any()
        ):
            raise ValueError(f"draw must be ({n},) int64, ascending from 0 without gaps")
        densities = self.log_densities
        if densities is not None and (
            densities.dtype != np.float64
            or densities.shape != (n, self.n_classes)
            or not np.isfinite(densities).all()
        ):
            raise ValueError(f"log_densities must be ({n}, {self.n_classes}) float64, finite")


def numbered(n_features: int) -> tuple[str, ...]:
    """``x0``, ``x1``, … for data whose columns have no names."""
    return tuple(f"x{column}" for column in range(n_features))


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _compact(X: NDArray[Any]) -> NDArray[Any]:
    """(n, d) features as bytes where that loses nothing: they take an eighth of the space."""
    if X.size and X.min() >= 0 and X.max() <= 255 and not np.signbit(X).any():
        small = X.astype(np.uint8)
        if np.array_equal(small, X):
            return small
    return X
