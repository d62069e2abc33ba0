"""Stratified folds that depend on neither the order of the rows nor the numbers of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def stratified_folds(labels: IntArray, n_folds: int) -> IntArray:
    """The fold of each row; rows are dealt out class by class, in the order given.

    Folds have equal shares of every class and nearly equal sizes. Rows that are sorted by something
    of their own, such as their ids, get the same folds in whatever order they came.

    Args:
        labels: (n,) integers.
        n_folds: at most; a class with fewer members is in as many folds as it has members.

    Returns:
        (n,) int64 from 0, or -1 for a row that is never held out: the only one of its class.
    """
    found = np.full(len(labels), -1, dtype=np.int64)
    dealt = 0
    classes, first = np.unique(labels, return_index=True)
    for label in classes[np.argsort(first)]:
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            found[members] = (dealt + np.arange(len(members))) % min(n_folds, len(members))
            dealt += len(members)
    return found
