"""Errors that a user can act on: one sentence with the key, the value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

_LONGEST = 400
"""Characters of a part of a message; names in files can have any length."""
_COMPARED = 1000
"""Known names that an unknown one is compared with."""
_LISTED = 50
_LONGEST_NAME = 100


class LalbenchError(Exception):
    """Base of every error lalbench raises on purpose; the command line prints only its message."""


class ContractError(LalbenchError):
    """A strategy returned what its contract does not allow; only its own trial fails."""


class UserError(LalbenchError, ValueError):
    """Input that cannot be used.

    Args:
        key: where the value stands: ``"strategies[3].name"``, ``"my.csv, column age"``.
        problem: what is wrong with it, with the value, for example ``'unknown strategy "entrpy"'``.
        remedy: what to do about it, for example ``'did you mean "entropy"?'``.
    """

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        self.key, self.problem, self.remedy = map(one_line, (key, problem, remedy))
        super().__init__(f"{self.key}: {self.problem}; {self.remedy}".removeprefix(": "))

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

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, 2 * _LONGEST))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names the file in the :class:`CorruptFileError` of code that sees only its content."""
    try:
        yield
    except CorruptFileError as error:
        raise CorruptFileError(f"{path}: {error}") from error


def one_line(text: str, longest: int = _LONGEST) -> str:
    r"""Text that may hold anything, such as names out of files, as part of a sentence.

    What cannot be printed is escaped (line ends, the escape codes of terminals, marks that turn the
    direction of text, halves of surrogate pairs), and what is long loses its middle.

    >>> one_line("a\nb")
    'a\\nb'
    """
    text = _shortened(text, longest)
    if text.isprintable():
        return text
    shown = [
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    ]
    return _shortened("".join(shown), longest)


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[: longest - longest // 4]}…{text[-(longest // 4) :]}"


def suggest(value: object, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the closest known one, or all of them.

    >>> suggest("entrpy", ["entropy", "margin"])
    'did you mean "entropy"?'
    >>> suggest("zzz", ["entropy", "margin"])
    'choose one of entropy, margin'
    """
    names = sorted(islice(known, _COMPARED))
    wanted = str(value)[:_LONGEST_NAME]
    short = [name for name in names if len(name) <= _LONGEST_NAME]
    close = difflib.get_close_matches(wanted, short, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    listed = [one_line(name, _LONGEST_NAME) for name in names[:_LISTED]]
    return f"choose one of {', '.join(listed)}{', …' if len(names) > _LISTED else ''}"


class NotConvergedError(LalbenchError):
    """The optimum was not reached; nothing is returned rather than an unconverged fit."""
