"""Progress: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(
    items: Iterable[T], what: str, total: int, *, done: int = 0, every: float = 10.0
) -> Iterator[T]:
    """Yields ``items`` and reports how far they are on standard error.

    Args:
        items: what is to be done.
        what: said in front of the count.
        total: number of items, those that were done before among them.
        done: how many were done before.
        every: least seconds between two lines in a log; nothing is said before.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=what, total=total, initial=done, leave=False, delay=2)
        return
    said = time.monotonic()
    for place, item in enumerate(items, start=done + 1):
        yield item
        if time.monotonic() - said > every:
            said = time.monotonic()
            sys.stderr.write(f"{what}: {place} of {total}\n")
            sys.stderr.flush()
