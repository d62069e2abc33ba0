"""In which type a network multiplies: bfloat16 where the hardware has it, else float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def resolve(precision: Precision, device: torch.device) -> torch.dtype | None:
    """The type of autocast on ``device``; None for float32.

    ``auto`` is bfloat16 on GPUs and processors with matrix units for it (from Ampere on; AMX).
    """
    if precision == "auto":
        return torch.bfloat16 if has_bfloat16_units(device) else None
    return torch.bfloat16 if precision == "bfloat16" else None


def has_bfloat16_units(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster than in float32 on ``device``."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@contextmanager
def autocast(device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """Multiplies in ``dtype`` inside the block; None changes nothing."""
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
        yield
