"""What counts as a number among the values that a user gives, Python's and NumPy's alike."""

from __future__ import annotations

import math
from typing import TypeGuard

import numpy as np


def is_count(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number from 1; True and False are none."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and bool(value >= 1)  # type: ignore[operator]


def is_number(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a finite real number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False
