"""Checkerboards, on which uncertainty misleads (Konyushkova, Sznitman, Fua 2017).

Points are uniform on [0, 1]² and labelled by the colour of their square. Each board exists twice in
the catalogue: made by rule, any size and seed, and as the files that the authors released.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.options import check_flag, check_integer, check_seed
from lalbench.data.readers import Reader, damaged
from lalbench.data.table import Table
from lalbench.errors import CorruptFileError
from lalbench.files import read_npz
from lalbench.seeds import Streams

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OPTIONS: Mapping[str, Any] = {"n": 1000, "n_test": 1000, "seed": 0, "standardise": True}
"""Options of a board made by rule, with their defaults."""

RELEASED_OPTIONS: Mapping[str, Any] = {"standardise": True}
"""Options of the authors' files, with their defaults."""


def board_labels(X: FloatArray, squares: int) -> IntArray:
    """(n,) labels of (n, 2) points on a board of ``squares`` × ``squares``.

    The square at the origin is of class 1, its neighbours of class 0.
    """
    places = np.floor(squares * X).astype(np.int64)
    labels: IntArray = 1 - places.sum(axis=1) % 2
    return labels


def rotated_labels(X: FloatArray) -> IntArray:
    """(n,) labels of (n, 2) points on a board of 2 × 2 that is turned by 45°.

    The diagonals of [0, 1]² part it into four triangles; the upper and the lower are of class 0.
    """
    centred = X - 0.5
    rising = centred[:, 0] + centred[:, 1] > 0
    falling = centred[:, 1] - centred[:, 0] > 0
    return (rising ^ falling).astype(np.int64)


RULES: Mapping[str, Callable[[FloatArray], IntArray]] = {
    "checkerboard_2x2": partial(board_labels, squares=2),
    "checkerboard_4x4": partial(board_labels, squares=4),
    "rotated_checkerboard_2x2": rotated_labels,
}
"""How each board labels (n, 2) points."""


def generated(board: str) -> Reader:
    """Reader of a board made by rule; ``board`` is a name of :data:`RULES`.

    Its options: ``n`` train and ``n_test`` test points; ``seed``; ``standardise`` features with the
    mean and standard deviation (ddof 0) of the train points, after labelling.
    """

    def read(_: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
        check_options(options)
        rng = Streams(data_seed=options["seed"], seed=0).generator("data", name=board)
        X = rng.uniform(size=(options["n"] + options["n_test"], 2))
        return _table(X, RULES[board](X), options["n"], options["standardise"])

    return read


def released(paths: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
    """The authors' train and test file, each with arrays ``x`` (n, 2) and ``y`` (n, 1) in {0, 1}.

    The option ``standardise`` is that of :func:`generated`.

    Raises:
        UserError: a file that is not so.
    """
    check_released_options(options)
    parts = [_read(path) for path in paths]
    X, y = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    return _table(X, y.astype(np.int64), len(parts[0][0]), options["standardise"])


def check_options(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for a value that does not fit."""
    check_integer(options, "n", 2, 10_000_000)
    check_integer(options, "n_test", 1, 10_000_000)
    check_seed(options)
    check_flag(options, "standardise")


def check_released_options(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for a value that does not fit."""
    check_flag(options, "standardise")


def _table(X: FloatArray, y: IntArray, n_train: int, standardise: bool) -> Table:
    if standardise:
        X = (X - X[:n_train].mean(axis=0)) / X[:n_train].std(axis=0)
    return Table(
        X=X,
        labels=y,
        feature_names=("x1", "x2"),
        class_names=("0", "1"),
        test_mask=np.arange(len(X)) >= n_train,
    )


def _read(path: Path) -> tuple[FloatArray, NDArray[Any]]:
    try:
        content = read_npz(path)
        X, y = content["x"].astype(np.float64), content["y"].reshape(-1)
    except (CorruptFileError, KeyError, ValueError) as error:
        raise damaged(path, f"cannot be read ({error})") from error
    if X.ndim != 2 or X.shape[1] != 2 or len(y) != len(X) or not np.isin(y, (0, 1)).all():
        raise damaged(path, f"x {X.shape} and y {y.shape} are no labelled points of a plane")
    return X, y
