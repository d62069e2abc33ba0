"""Progress: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int, *, every: float = 10.0) -> Iterator[T]:
    """Yields ``items`` and reports how far they are on standard error.

    Args:
        items: what is to be done.
        what: said in front of the count.
        total: number of items.
        every: least seconds between two lines in a log; nothing is said before.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=what, total=total, leave=False, delay=2)
        return
    said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - said > every:
            said = time.monotonic()
            sys.stderr.write(f"{what}: {done} of {total}\n")
            sys.stderr.flush()
