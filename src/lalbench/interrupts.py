"""SIGTERM as a request: what a scheduler sends before it takes the machine back.

Inside :func:`deferring` the signal only sets a flag. Long computations call :func:`check` between
their steps; what they raise carries what they need to go on later.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.errors import LalbenchError

EXIT_CODE = 128 + signal.SIGTERM
"""What a process that SIGTERM has ended returns to its shell."""

_requested = threading.Event()


class StoppedError(LalbenchError):
    """The process was asked to stop.

    Args:
        progress: arrays with which the interrupted computation can go on, by name; often empty.
    """

    def __init__(self, progress: Mapping[str, NDArray[Any]] | None = None) -> None:
        super().__init__("stopped by SIGTERM; run again to go on from the last checkpoint")
        self.progress: dict[str, NDArray[np.generic]] = dict(progress or {})


def requested() -> bool:
    """Whether SIGTERM came inside :func:`deferring`."""
    return _requested.is_set()


def check() -> None:
    """Raises :class:`StoppedError` if SIGTERM came: for computations that start anew."""
    if requested():
        raise StoppedError


@contextmanager
def deferring() -> Iterator[None]:
    """Turns SIGTERM into a request inside the block; in the main thread only, elsewhere nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_: int, __: FrameType | None) -> None:
        _requested.set()

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _requested.clear()
