"""How many columns and classes a data set may have, and what labels and texts may hold."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lalbench.errors import UserError

MOST_COLUMNS = 100_000
MOST_CLASSES = 10_000
LONGEST_LABEL = 1000
"""Characters."""


def check_columns(where: str, n_columns: int) -> None:
    """Raises :class:`UserError` for more columns than :data:`MOST_COLUMNS`."""
    if n_columns > MOST_COLUMNS:
        raise UserError(where, f"has {n_columns} columns", f"leave {MOST_COLUMNS} or fewer of them")


def check_labels(where: str, labels: Iterable[str]) -> None:
    """Raises :class:`UserError` for labels too long, or with characters that cannot be shown."""
    for label in labels:
        if len(label) > LONGEST_LABEL:
            raise UserError(
                where,
                f"the label {label[:20]!r}… has {len(label)} characters",
                f"shorten it to {LONGEST_LABEL}, or check that this is the label column",
            )
        if not label.isprintable():
            raise UserError(
                where,
                f"the label {label!r} holds a character that cannot be printed",
                "rename the class",
            )


def check_text(where: str, values: np.ndarray[tuple[int, ...], np.dtype[np.str_]]) -> None:
    """Raises :class:`UserError` for (…) text whose characters are none: halves, or above U+10FFFF.

    Python stops at them when it looks at a value.
    """
    width = values.dtype.itemsize // 4
    if not values.size or not width:
        return
    native = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("="), copy=False)
    codes = native.view(np.uint32)
    if (codes > 0x10FFFF).any() or ((codes >= 0xD800) & (codes < 0xE000)).any():
        raise UserError(where, "holds characters that are none", "save the text anew")
