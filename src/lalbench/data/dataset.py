"""A data set in memory and on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench import files
from lalbench.errors import CorruptFileError


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled matrix; its arrays are read-only.

    Args:
        name: what it is called in the results.
        X: (n, d) float64 features, finite.
        y: (n,) int64 labels 0 … C-1.
        class_names: (C,) original labels, in the order of the classes.
        feature_names: (d,) names of the columns.
        test_mask: (n,) bool, True for rows of a given test partition; None without one.

    Raises:
        ValueError: shapes, types or values that do not fit together.
    """

    name: str
    X: NDArray[np.float64]
    y: NDArray[np.int64]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    test_mask: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for key in ("X", "y", "test_mask"):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, _read_only(getattr(self, key)))
        self._check()

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @cached_property
    def source_hash(self) -> str:
        """sha256 over type, shape and bytes of X, y and test_mask."""
        return files.array_digest(self.X, self.y, self.test_mask)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an npz file, atomically and with the same bytes for the same data set."""
        arrays: dict[str, NDArray[Any]] = {
            "X": _compact(self.X),
            "y": self.y,
            "name": np.array(self.name),
            "class_names": np.array(self.class_names, dtype=str),
            "feature_names": np.array(self.feature_names, dtype=str),
            "source_hash": np.array(self.source_hash),
        }
        if self.test_mask is not None:
            arrays["test_mask"] = self.test_mask
        files.write_npz(path, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Dataset:
        """Reads a file of :meth:`save` and checks its hash.

        Raises:
            CorruptFileError: the file is missing, damaged or no data set.
        """
        content = files.read_npz(path)
        try:
            dataset = cls(
                name=str(content["name"]),
                X=content["X"].astype(np.float64),
                y=content["y"],
                class_names=tuple(str(name) for name in content["class_names"]),
                feature_names=tuple(str(name) for name in content["feature_names"]),
                test_mask=content.get("test_mask"),
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
        n = len(self.y)
        if self.X.dtype != np.float64 or self.X.ndim != 2 or len(self.X) != n:
            raise ValueError(f"X must be ({n}, d) float64, not {self.X.shape} {self.X.dtype}")
        if self.y.dtype != np.int64 or self.y.ndim != 1 or n == 0:
            raise ValueError(f"y must be (n,) int64, not {self.y.shape} {self.y.dtype}")
        if self.y.min() < 0 or self.y.max() >= self.n_classes:
            raise ValueError(f"y must be 0 … {self.n_classes - 1}")
        if len(self.feature_names) != self.X.shape[1]:
            raise ValueError(f"{len(self.feature_names)} names for {self.X.shape[1]} features")
        mask = self.test_mask
        if mask is not None and (mask.dtype != np.bool_ or mask.shape != (n,)):
            raise ValueError(f"test_mask must be ({n},) bool, not {mask.shape} {mask.dtype}")
        if not np.isfinite(self.X).all():
            raise ValueError("X must be finite")


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _compact(X: NDArray[np.float64]) -> NDArray[Any]:
    """X as bytes where that loses nothing: images take an eighth of the space."""
    if X.size and X.min() >= 0 and X.max() <= 255 and not np.signbit(X).any():
        small = X.astype(np.uint8)
        if np.array_equal(small, X):
            return small
    return X
