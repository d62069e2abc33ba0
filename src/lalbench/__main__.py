"""``lalbench``, or ``python -m lalbench``: runs a command of :mod:`lalbench.commands`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from lalbench.commands import parser
from lalbench.errors import LalbenchError, UserError, one_line
from lalbench.interrupts import EXIT_CODE, StoppedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one sub-command; returns 0, 1 for a failure, 2 for bad input (said in a sentence), or
    143 when SIGTERM stopped a trial that can go on.
    """
    options = parser().parse_args(arguments)
    try:
        options.command(options)
    except UserError as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return 2
    except StoppedError as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return EXIT_CODE
    except LalbenchError as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"lalbench: {one_line(f'{where}{error.strerror or error}')}", file=sys.stderr)
        return 1
    except MemoryError:
        print(
            "lalbench: the memory does not suffice; use smaller data or more memory",
            file=sys.stderr,
        )
        return 1
    return 0


def console() -> None:
    """:func:`main` as a program of its own, which also finds modules in the folder it runs in."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    # Paths may hold bytes that are no text
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    # Block the broken-pipe traceback of `… plan | head` at the last moment, when output is flushed.
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    console()
