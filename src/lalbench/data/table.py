"""What readers return, and how original labels become classes 0 … C-1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.dataset import Dataset
from lalbench.data.limits import MOST_CLASSES, check_labels
from lalbench.errors import UserError

Relabel = Sequence[Sequence[int | str]]


@dataclass(frozen=True)
class Table:
    """A data set as its reader found it.

    Args:
        X: (n, d) float64 features, finite; or (n, height, width, channels) uint8 images.
        labels: (n,) original labels: integers, booleans or strings.
        feature_names: (d,); none for images.
        class_names: names of the labels 0 … C-1 where the source names them, else None.
        test_mask: (n,) bool, rows of a given test partition, or None.
        draw: (n,) int64 number of the draw that a row belongs to, or None.
        log_densities: (n, C) float64 log density of each row in each class, up to a constant of the
            row, where a generator knows them; else None.
    """

    X: NDArray[np.float64] | NDArray[np.uint8]
    labels: NDArray[Any]
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    test_mask: NDArray[np.bool_] | None = None
    draw: NDArray[np.int64] | None = None
    log_densities: NDArray[np.float64] | None = None


def stacked(tables: Sequence[Table]) -> Table:
    """Several draws of one generator as one table."""
    first = tables[0]
    masks = [table.test_mask for table in tables if table.test_mask is not None]
    densities = [table.log_densities for table in tables if table.log_densities is not None]
    return replace(
        first,
        X=np.concatenate([table.X for table in tables]),
        labels=np.concatenate([table.labels for table in tables]),
        test_mask=np.concatenate(masks) if masks else None,
        draw=np.repeat(np.arange(len(tables)), [len(table.labels) for table in tables]),
        log_densities=np.concatenate(densities) if densities else None,
    )


def to_dataset(table: Table, name: str, relabel: Relabel | None, where: str) -> Dataset:
    """The data set of a table.

    Labels become 0 … C-1 in sorted order (numbers by value), or the number of their group.

    Args:
        table: what a reader found.
        name: name of the data set.
        relabel: groups of original labels that become classes 0, 1, …; rows with a label in no
            group are dropped, the others keep their order.
        where: file or data set that messages name.

    Raises:
        UserError: unusable groups, a label in a group that does not occur, fewer than two classes,
            features that are missing or infinite.
    """
    if table.X.dtype.kind == "f" and not np.isfinite(table.X).all():
        row, column = np.argwhere(~np.isfinite(table.X))[0].tolist()
        raise UserError(
            where,
            f"feature {column} of row {row} is {table.X[row, column]}",
            "fill missing values in, or drop such rows",
        )
    originals, y = np.unique(table.labels, return_inverse=True)
    if len(originals) > MOST_CLASSES:
        raise UserError(
            where,
            f"has {len(originals)} classes",
            f"{MOST_CLASSES} is the most; check the label column",
        )
    y = y.reshape(-1).astype(np.int64)
    names = tuple(str(label) for label in originals)
    shown = names if table.class_names is None else tuple(table.class_names[i] for i in originals)
    check_labels(where, shown)
    kept: NDArray[np.intp] | slice = slice(None)
    if relabel is not None:
        check_relabel(relabel)
        groups = _group_of_class(relabel, names, shown, where)
        kept = np.flatnonzero(groups[y] >= 0) if (groups < 0).any() else kept
        y = groups[y][kept]
        shown = _group_names(groups, shown, len(relabel))
    if len(shown) < 2:
        raise UserError(
            where,
            f'one class only ("{shown[0]}")' if shown else "no rows",
            "at least two classes are needed; check the label column",
        )
    chosen: NDArray[Any] = table.X[kept]
    return Dataset(
        name=name,
        X=np.ascontiguousarray(chosen),
        y=np.ascontiguousarray(y),
        class_names=shown,
        feature_names=table.feature_names,
        test_mask=None if table.test_mask is None else table.test_mask[kept],
        draw=None if table.draw is None else table.draw[kept],
        # of other classes: not known
        log_densities=table.log_densities if relabel is None else None,
    )


def check_relabel(relabel: Relabel) -> None:
    """Raises :class:`UserError` for groups that cannot be classes, whatever the data."""
    if len(relabel) < 2:
        raise UserError("relabel", f"{len(relabel)} group", "write at least two groups of labels")
    flat = [str(label) for group in relabel for label in group]
    for place, group in enumerate(relabel):
        if not group:
            raise UserError(f"relabel[{place}]", "is empty", "put labels into it or remove it")
    twice = sorted(label for label, count in Counter(flat).items() if count > 1)
    if twice:
        raise UserError("relabel", f'label "{twice[0]}" stands twice', "keep it in one group")


def _group_of_class(
    relabel: Relabel, names: Sequence[str], shown: Sequence[str], where: str
) -> NDArray[np.int64]:
    """(C,) group of each original class, -1 for none; a class goes by its label or its name."""
    places = {name: place for known in (names, shown) for place, name in enumerate(known)}
    groups = np.full(len(names), -1, dtype=np.int64)
    for number, group in enumerate(relabel):
        for label in group:
            place = places.get(str(label))
            if place is None:
                known = ", ".join(shown[:20]) + (", …" if len(shown) > 20 else "")
                raise UserError(
                    f"relabel[{number}]",
                    f'"{label}" is no label of {where}',
                    f"its labels are {known}",
                )
            if groups[place] >= 0:
                raise UserError(
                    f"relabel[{number}]",
                    f'"{label}" and "{shown[place]}" are the same class',
                    "keep one of them",
                )
            groups[place] = number
    return groups


def _group_names(groups: NDArray[np.int64], shown: Sequence[str], n_groups: int) -> tuple[str, ...]:
    members = [
        [shown[i] for i in np.flatnonzero(groups == number).tolist()] for number in range(n_groups)
    ]
    return tuple("+".join(group) for group in members)
