"""How many columns and classes a data set may have, and what labels may hold."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import category

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
    """Raises :class:`UserError` for labels too long, or with characters that cannot be shown.

    All kinds of spaces can.
    """
    for label in labels:
        if len(label) > LONGEST_LABEL:
            raise UserError(
                where,
                f"the label {label[:20]!r}… has {len(label)} characters",
                f"shorten it to {LONGEST_LABEL}, or check that this is the label column",
            )
        if not all(letter.isprintable() or category(letter) == "Zs" for letter in label):
            raise UserError(
                where,
                f"the label {label!r} holds a character that cannot be printed",
                "rename the class",
            )
