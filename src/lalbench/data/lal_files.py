"""Four sets that no mirror has: the user gets the files and names them with the option ``path``.

They are the applications of "Learning Active Learning from Data" (Konyushkova et al. 2017): credit
card fraud and Higgs, in the CSV files of their makers; striatum and MRI, as MATLAB or npz arrays.
There are no hashes to check, so the form is checked instead.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.csv_files import ENCODING, opened_csv
from lalbench.data.mat_files import read_mat
from lalbench.data.options import check_choice, check_integer, check_seed
from lalbench.data.readers import Reader
from lalbench.data.table import Table
from lalbench.errors import UserError
from lalbench.files import read_npz
from lalbench.seeds import Streams

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OPTIONS: Mapping[str, Any] = {"path": None, "n": None, "seed": 0}
HIGGS_OPTIONS: Mapping[str, Any] = {**OPTIONS, "missing": "median"}

CREDIT_FEATURES = ("Time", *(f"V{number}" for number in range(1, 29)), "Amount")
HIGGS_MISSING = -999.0
"""What stands in the Higgs file where a quantity is not defined."""

_HIGGS_PREFIXES = ("DER_", "PRI_")
_HIGGS_FEATURES = 30
_ENDINGS = (".mat", ".npz")
_FEATURES, _LABELS = "features", "labels"


def credit_card_fraud(_: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
    """Credit card transactions: a CSV file with Time, V1 … V28, Amount and Class (1 is fraud).

    Args:
        _: no files of the catalogue.
        options: ``path`` of the file; ``n``: a stratified sub-sample of so many rows
            (:func:`sample`), default all; ``seed`` of the sub-sample.

    Raises:
        UserError: a file of another form, or an option that does not fit.
    """
    check_credit_card_fraud(options)
    path = Path(options["path"])
    X, labels = _csv(path, CREDIT_FEATURES, "Class", ("0", "1"))
    return sample(
        Table(X=X, labels=labels, feature_names=CREDIT_FEATURES, class_names=("genuine", "fraud")),
        options,
    )


def check_credit_card_fraud(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for what the options and the names of the columns tell."""
    path = _check_path(options, "creditcard.csv of the machine learning group of ULB")
    names = _csv_names(path)
    missing = [name for name in (*CREDIT_FEATURES, "Class") if name not in names]
    if missing:
        raise UserError(str(path), f'has no column "{missing[0]}"', "name the file creditcard.csv")


def higgs(_: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
    """The Higgs challenge of 2014: 13 columns DER_…, 17 columns PRI_… and Label, b or s.

    Class 1 is s, the signal. Event numbers, weights and the partitions of the challenge are left
    out; weights would give the label away.

    Args:
        _: no files of the catalogue.
        options: those of :func:`credit_card_fraud`, and ``missing``: ``median`` (the default) puts
            the median of the defined values of all rows of the file where a quantity is not defined
            (-999), ``keep`` leaves -999.

    Raises:
        UserError: a file of another form, or an option that does not fit.
    """
    check_higgs(options)
    path = Path(options["path"])
    features = _higgs_features(path)
    X, labels = _csv(path, features, "Label", ("b", "s"))
    if options["missing"] == "median":
        _put_medians(X, features, path)
    return sample(
        Table(X=X, labels=labels, feature_names=features, class_names=("b", "s")), options
    )


def check_higgs(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for what the options and the names of the columns tell."""
    check_choice(options, "missing", ("median", "keep"))
    path = _check_path(options, "training.csv of the challenge, or the CSV file of CERN Open Data")
    _higgs_features(path)


def segmentation(n_features: int) -> Reader:
    """Reader of feature vectors of image patches: arrays ``features`` and ``labels``.

    The option ``path`` is a folder with files ``…train_features….mat`` and ``…train_labels….mat``
    and, for a given test partition, ``…test_features….mat`` and ``…test_labels….mat``, as the
    authors of the study named theirs; or one file with both arrays. npz files will do, too.
    ``features`` is (n, ``n_features``); ``labels`` (n,), (n, 1) or (1, n), of 0 or -1, and 1. The
    options ``n`` and ``seed`` are those of :func:`credit_card_fraud`.
    """

    def read(_: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
        check_segmentation(options)
        path = Path(options["path"])
        parts = [
            _patches(features, labels, n_features) for features, labels in _segmentation_files(path)
        ]
        X, y = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
        n_train = len(parts[0][0])
        mask = np.arange(len(X)) >= n_train if len(parts) == 2 else None
        return sample(Table(X=X, labels=y, class_names=("0", "1"), test_mask=mask), options)

    return read


def check_segmentation(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for what the options and the names of the files tell."""
    path = _check_path(options, "a folder or file with the arrays features and labels")
    _segmentation_files(path)


def sample(table: Table, options: Mapping[str, Any]) -> Table:
    """``n`` random rows in their order, drawn without replacement, or all where ``n`` is None.

    Each class of each partition keeps its share of the rows, rounded by largest remainders, and at
    least one row.

    Raises:
        UserError: more rows than there are, or fewer than classes in partitions.
    """
    n, size = options["n"], len(table.labels)
    if n is None:
        return table
    mask = np.zeros(size, dtype=bool) if table.test_mask is None else table.test_mask
    groups, group_of = np.unique(np.stack([table.labels, mask]), axis=1, return_inverse=True)
    group_of, n_groups = group_of.reshape(-1), groups.shape[1]
    if not n_groups <= n <= size:
        raise UserError(
            "options.n", f"{n} of {size} rows", f"use an integer from {n_groups} to {size}"
        )
    rng = Streams(data_seed=options["seed"], seed=0).generator("data", name="sample")
    wanted = _shares(np.bincount(group_of), n)
    kept = np.concatenate(
        [
            rng.permutation(np.flatnonzero(group_of == group))[:count]
            for group, count in enumerate(wanted)
        ]
    )
    kept.sort()
    return Table(
        X=table.X[kept],
        labels=table.labels[kept],
        feature_names=table.feature_names,
        class_names=table.class_names,
        test_mask=None if table.test_mask is None else table.test_mask[kept],
    )


def _shares(counts: IntArray, n: int) -> IntArray:
    """How many of ``n`` rows each group gets: by largest remainders, at least one."""
    exact = n * counts / counts.sum()
    wanted = np.maximum(exact.astype(np.int64), 1)
    while wanted.sum() < n:
        wanted[np.argmax(exact - wanted)] += 1
    while wanted.sum() > n:
        wanted[np.argmax(np.where(wanted > 1, wanted - exact, -np.inf))] -= 1
    return wanted


def _check_path(options: Mapping[str, Any], what: str) -> Path:
    """The path, after the options that all sets have."""
    check_seed(options)
    if options["n"] is not None:
        check_integer(options, "n", 2, 100_000_000)
    path = options["path"]
    if not isinstance(path, str) or not path:
        raise UserError("options.path", "is missing", f"get the files and name {what}")
    if not os.path.isfile(path) and not os.path.isdir(path):  # a pipe is neither
        raise UserError("options.path", f'no such file "{path}"', f"name {what}")
    return Path(path)


# CSV


def _csv_names(path: Path) -> list[str]:
    import pandas as pd

    try:
        with opened_csv(path, whole=False) as handle:
            return [str(name) for name in pd.read_csv(handle, nrows=0, encoding=ENCODING).columns]
    except UserError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _csv(
    path: Path, features: Sequence[str], target: str, classes: tuple[str, str]
) -> tuple[FloatArray, IntArray]:
    """(n, d) features and (n,) labels: places of the values of ``target`` in ``classes``."""
    import pandas as pd

    try:
        with opened_csv(path) as handle:
            frame = pd.read_csv(
                handle,
                usecols=[*features, target],
                dtype={**dict.fromkeys(features, "float64"), target: "str"},
                encoding=ENCODING,
            )
    except UserError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _unreadable(path, error) from error
    if not len(frame):
        raise UserError(str(path), "has no rows", "get it anew")
    X = np.ascontiguousarray(frame[list(features)].to_numpy(dtype=np.float64))
    _check_finite(X, features, path)
    return X, _classes(frame[target], classes, path)


def _classes(column: pd.Series[Any], classes: tuple[str, str], path: Path) -> IntArray:
    text = column.to_numpy(dtype=object)
    known = np.isin(text.astype(str), classes)
    if not known.all():
        row = int(known.argmin())
        raise UserError(
            f'{path}, column "{column.name}"',
            f"{text[row]!r} in data row {row + 1} is no class",
            f"its classes are {classes[0]} and {classes[1]}; get the file anew",
        )
    return (text == classes[1]).astype(np.int64)


def _higgs_features(path: Path) -> tuple[str, ...]:
    names = _csv_names(path)
    features = tuple(name for name in names if name.startswith(_HIGGS_PREFIXES))
    if len(features) != _HIGGS_FEATURES or "Label" not in names:
        raise UserError(
            str(path),
            f"has {len(features)} columns DER_… and PRI_…, "
            f"and {'a' if 'Label' in names else 'no'} column Label",
            f"name a file of the challenge with {_HIGGS_FEATURES} and Label (test.csv has none)",
        )
    return features


def _put_medians(X: FloatArray, features: Sequence[str], path: Path) -> None:
    for place, name in enumerate(features):
        column = X[:, place]
        missing = column == HIGGS_MISSING
        if missing.all():
            raise UserError(
                f'{path}, column "{name}"',
                "is nowhere defined",
                "use more rows, or the option missing: keep",
            )
        if missing.any():
            column[missing] = np.median(column[~missing])


# MATLAB and npz


def _segmentation_files(path: Path) -> list[tuple[Path, Path]]:
    """The files of features and labels: of the train partition, and of the test one if there is."""
    if path.is_file():
        if path.suffix not in _ENDINGS:
            raise UserError("options.path", f'"{path}" is no .mat or .npz file', "convert it")
        return [(path, path)]
    parts = {
        part: [_one_file(path, f"{part}_{kind}") for kind in (_FEATURES, _LABELS)]
        for part in ("train", "test")
    }
    if not any(parts["test"]):
        del parts["test"]
    for part, files in parts.items():
        if None in files:
            raise UserError(
                "options.path",
                f'"{path}" holds no file {part}_{(_FEATURES, _LABELS)[files.index(None)]}',
                "put .mat or .npz files of features and labels into one folder",
            )
    return [(features, labels) for features, labels in parts.values() if features and labels]


def _one_file(folder: Path, stem: str) -> Path | None:
    found = sorted(
        file
        for file in folder.iterdir()
        if file.suffix in _ENDINGS and stem in file.stem and file.is_file()
    )
    if len(found) > 1:
        raise UserError(
            "options.path",
            f"{found[0].name} and {found[1].name} are both {stem}",
            "give each variant of the set a folder of its own",
        )
    return found[0] if found else None


def _patches(features: Path, labels: Path, n_features: int) -> tuple[FloatArray, IntArray]:
    X, y = _array(features, _FEATURES), _array(labels, _LABELS)
    if X.ndim != 2 or X.shape[1] != n_features or X.dtype.kind not in "fiu":
        raise UserError(
            str(features),
            f"{_FEATURES} of shape {X.shape} and type {X.dtype}",
            f"the set has {n_features} numbers per row",
        )
    y = y.reshape(-1) if y.shape in ((len(X), 1), (1, len(X))) else y
    numbers = y.dtype.kind in "fiub"
    if (
        not numbers
        or y.shape != (len(X),)
        or not np.isin(y, (-1, 0, 1)).all()
        or {-1, 0} <= set(y.tolist())
    ):
        raise UserError(
            str(labels),
            f"{_LABELS} of shape {y.shape} for {len(X)} rows",
            "it needs one label per row, 0 or -1 for the background and 1 else",
        )
    X = np.ascontiguousarray(X, dtype=np.float64)
    _check_finite(X, [str(place) for place in range(n_features)], features)
    return X, (y == 1).astype(np.int64)


def _array(path: Path, name: str) -> NDArray[Any]:
    try:
        if path.suffix == ".npz":
            return np.asarray(read_npz(path, name)[name])
        return np.asarray(read_mat(path, [name])[name])
    except UserError:
        raise
    except KeyError as error:
        raise UserError(str(path), f"holds no array {name}", "name the array so") from error
    except NotImplementedError as error:
        raise UserError(
            str(path), "is a MATLAB file of version 7.3", "save it with -v7, or as npz"
        ) from error
    except Exception as error:  # scipy, zlib and struct each raise their own kinds
        raise _unreadable(path, error) from error


def _check_finite(X: FloatArray, features: Sequence[str], path: Path) -> None:
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        raise UserError(
            f'{path}, column "{features[column]}"',
            f"{X[row, column]} in data row {row + 1}",
            "fill missing values in, or drop those rows",
        )


def _unreadable(path: Path, error: Exception) -> UserError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return UserError(str(path), f"cannot be read ({lines[0]})", "get it anew")
