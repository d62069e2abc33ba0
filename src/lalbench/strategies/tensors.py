"""Torch as strategies use it: full float32, the threads in force, and nothing left changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from numpy.random import Generator

from lalbench.compute import current, torch_threads

if TYPE_CHECKING:
    import torch


@contextmanager
def torch_session() -> Iterator[torch.device]:
    """The device in force; inside the block matrix products keep all bits of float32 (no TF32),
    convolutions are deterministic, and no gradients are recorded unless asked for.
    """
    import torch

    precision = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = True, False, False
    try:
        with torch_threads(), torch.no_grad():
            yield current().torch_device()
    finally:
        torch.set_float32_matmul_precision(precision)
        cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = before


def torch_generator(rng: Generator, device: torch.device) -> torch.Generator:
    """A generator on ``device`` with a seed from ``rng``, of which it takes one draw."""
    import torch

    return torch.Generator(device).manual_seed(int(rng.integers(0, 2**63)))
