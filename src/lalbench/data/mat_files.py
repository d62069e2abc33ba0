"""MATLAB files, read once their variables are known to fit into memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lalbench.memory import check_memory

_ARRAYS = frozenset(
    {"double", "single", "logical", "char"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


def read_mat(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Some variables of a MATLAB file up to version 7.2, by name.

    Raises:
        UserError: they do not fit into memory.
        Exception: scipy, zlib and struct each raise their own kinds for a damaged file.
    """
    from scipy.io import loadmat, whosmat

    with open(path, "rb") as handle:
        for name, shape, kind in whosmat(handle):
            if name in names:
                if kind not in _ARRAYS:  # what cells hold, the header does not say
                    raise ValueError(f"{name} is a {kind}, no array")
                check_memory(f"{path}, {name}", 8 * math.prod(shape), copies=2)
        handle.seek(0)
        return dict(loadmat(handle, variable_names=list(names)))
