"""Splice junctions: 60 bases of primate DNA around a possible boundary of exon and intron."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lalbench.data.options import check_integer
from lalbench.data.readers import damaged
from lalbench.data.table import Table

BASES = "ACGT"
AMBIGUOUS: Mapping[str, str] = {"D": "AGT", "N": "ACGT", "S": "CG", "R": "AG"}
"""Codes for one of several bases, as in the notes to the UCI set."""

LENGTH = 60
CLASSES = ("EI", "IE", "N")

OPTIONS: Mapping[str, Any] = {"classes": 2}


def splice(paths: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
    """The UCI set from a CSV file: a name, 60 symbols and the class per row, all rows in its order.

    Each position becomes four features, one per base: 1 for the base that stands there. An
    ambiguous symbol gives each base that it may be the same share: N is 1/4 for all four.

    Args:
        paths: the file.
        options: ``classes``: 2 (the default), where label 1 is a boundary (EI or IE) and label 0
            none (N); or 3: EI, IE, N.

    Raises:
        UserError: a row of another form, or an unknown symbol or class.
    """
    check_options(options)
    (path,) = paths
    try:
        with path.open(newline="", encoding="ascii") as handle:
            rows = list(csv.reader(handle))[1:]
    except (OSError, ValueError, csv.Error) as error:
        raise damaged(path, f"cannot be read as CSV ({error})") from error
    _check(path, rows)
    codes = np.array([[ord(symbol) for symbol in row[1:-1]] for row in rows])
    original = np.array([CLASSES.index(row[-1]) for row in rows])
    binary = options["classes"] == 2
    return Table(
        X=_shares()[codes].reshape(len(rows), -1),
        labels=(original != CLASSES.index("N")).astype(np.int64) if binary else original,
        feature_names=tuple(f"{place}_{base}" for place in range(1, LENGTH + 1) for base in BASES),
        class_names=("N", "EI or IE") if binary else CLASSES,
    )


def check_options(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for a value that does not fit."""
    check_integer(options, "classes", 2, 3)


def _shares() -> np.ndarray[Any, np.dtype[np.float64]]:
    """(128, 4) share of each base, by the code of the symbol."""
    shares = np.zeros((128, len(BASES)))
    for symbol, meant in {**{base: base for base in BASES}, **AMBIGUOUS}.items():
        for base in meant:
            shares[ord(symbol), BASES.index(base)] = 1 / len(meant)
    return shares


def _check(path: Path, rows: list[list[str]]) -> None:
    known = {*BASES, *AMBIGUOUS}
    for number, row in enumerate(rows, start=2):
        if len(row) != LENGTH + 2 or row[-1] not in CLASSES or not known.issuperset(row[1:-1]):
            raise damaged(
                path,
                f"line {number} is not a name, {LENGTH} symbols {''.join(sorted(known))}, class",
            )
    if not rows:
        raise damaged(path, "has no rows")
