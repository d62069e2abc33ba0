"""Readers that the sandbox calls with a path."""

from __future__ import annotations

from pathlib import Path


def cifar(path: Path) -> object:
    """The reader of CIFAR-10."""
    from lalbench.data.cifar import cifar10

    return cifar10((path,), {})


def pickled_values(path: Path) -> object:
    """The reader of pickles with lists and text."""
    from lalbench.data.unpickler import read_pickled_values

    return read_pickled_values(path.read_bytes(), str(path))
