"""Arrays out of files, checked before anything is built of them or compiled code reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What building something of the content of a damaged file may raise."""


def take(
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    dtype: Any,
    *shape: int | None,
    finite: bool = True,
) -> NDArray[Any]:
    """The array called ``name``.

    Args:
        arrays: content of a file.
        name: of one of them.
        dtype: its type.
        *shape: its lengths; None where any will do.
        finite: whether its numbers must be.

    Raises:
        KeyError: there is none.
        ValueError: it has another type or shape, or holds numbers that are not finite.
    """
    found = np.asarray(arrays[name])
    fits = found.ndim == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, found.shape, strict=True)
    )
    if found.dtype != np.dtype(dtype) or not fits:
        raise ValueError(f"{name} is {found.dtype} {found.shape}")
    if finite and found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError(f"{name} is not finite")
    return found


def texts(arrays: Mapping[str, NDArray[Any]], name: str) -> tuple[str, ...]:
    """The (n,) texts of an array; errors as :func:`take`."""
    found = np.asarray(arrays[name])
    if found.dtype.kind != "U" or found.ndim != 1:
        raise ValueError(f"{name} is {found.dtype} {found.shape}")
    return tuple(str(text) for text in found)
