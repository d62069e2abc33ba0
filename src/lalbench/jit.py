"""Compiled functions: Numba's ``njit`` with a cache on disk that notices every change.

Numba's cache asks for a function's own file only, but compiled code contains that of the functions
it calls, from other files too. Here the key also holds a hash of all modules with compiled code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from types import CellType, FunctionType
from typing import Any

from numba import njit

_MARKS = (b"lalbench.jit", b"numba")


def _sources() -> str:
    """sha256 over the modules of the package that hold compiled code."""
    state = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        content = path.read_bytes()
        if any(mark in content for mark in _MARKS):
            state.update(content)
    return state.hexdigest()


_SOURCES = _sources()


def jit(
    fastmath: bool | Collection[str] = False, inline: bool = False, borrows: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that compiles a function when it is first called, and keeps the machine code.

    Divisions by zero give infinities and NaN as in NumPy, and the interpreter's lock is released.

    Args:
        fastmath: LLVM's flags for floating-point rewriting, by name; none by default.
        inline: written into its callers before they are compiled. The optimiser goes over all of a
            function at every level of callers; a function with one caller is spared that.
        borrows: references to arrays are not counted, which costs some nanoseconds per argument and
            call. For functions that neither make an array nor return one.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        # free variables are part of the key of the cache
        stamped = FunctionType(
            function.__code__.replace(co_freevars=("sources",)),
            function.__globals__,
            function.__name__,
            function.__defaults__,
            (CellType(_SOURCES),),
        )
        stamped.__qualname__, stamped.__doc__ = function.__qualname__, function.__doc__
        options: dict[str, Any] = {
            "cache": True,
            "error_model": "numpy",
            "fastmath": fastmath if isinstance(fastmath, bool) else set(fastmath),
            "nogil": True,
            "inline": "always" if inline else "never",
            "_nrt": not borrows,
        }
        return njit(**options)(stamped)

    return decorate
