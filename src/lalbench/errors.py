"""Errors that a user can act on: one sentence with the key, the value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LalbenchError(Exception):
    """Base of every error lalbench raises on purpose; the command line prints only its message."""


class UserError(LalbenchError, ValueError):
    """Input that cannot be used.

    Args:
        key: where the value stands: ``"strategies[3].name"``, ``"my.csv, column age"``.
        problem: what is wrong with it, with the value, for example ``'unknown strategy "entrpy"'``.
        remedy: what to do about it, for example ``'did you mean "entropy"?'``.
    """

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        self.key = key
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{key}: {problem}; {remedy}".removeprefix(": "))

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str, str]]:
        # Exceptions are pickled by their message alone, which is too little to come back from a
        # worker process.
        return type(self), (self.key, self.problem, self.remedy)

    def within(self, outer: str) -> UserError:
        """The same error with its key below ``outer``, for example the name of the study file."""
        return UserError(f"{outer}: {self.key}" if self.key else outer, self.problem, self.remedy)


class DownloadError(LalbenchError):
    """A file could not be had from any mirror or source, or arrived with the wrong hash."""


class CorruptFileError(LalbenchError):
    """A file lalbench wrote earlier cannot be read; the message says which one to delete."""


def suggest(value: object, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the closest known one, or all of them.

    >>> suggest("entrpy", ["entropy", "margin"])
    'did you mean "entropy"?'
    >>> suggest("zzz", ["entropy", "margin"])
    'choose one of entropy, margin'
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(value), names, n=1)
    return f'did you mean "{close[0]}"?' if close else f"choose one of {', '.join(names)}"


class NotConvergedError(LalbenchError):
    """The optimum was not reached; nothing is returned rather than an unconverged fit."""
