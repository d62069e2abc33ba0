"""Where classifiers are refitted: with NumPy on the CPU, or in torch on a CUDA device.

The solvers of logistic regression (:mod:`lalbench.oracle.stacked_newton`,
:mod:`lalbench.oracle.softmax_refine`) are written once for both kinds of arrays, that of support
vector machines (:mod:`lalbench.oracle.stacked_svm`) for torch's; a :class:`Place` moves arrays
there and back. All are float64: single precision cannot reach gradients of 1e-9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.compute import current, has_cuda

WORTH = 1_000_000
"""Refits from which ``device: auto`` takes a GPU. A reasoned, not a measured bound: the compiled
kernel takes some 3 to 30 µs for a refit on one core, so that fewer refits take seconds, which is
what the import of torch and the start of CUDA cost before the first one."""


@dataclass(frozen=True)
class Place:
    """Where arrays live.

    Attributes:
        xp: ``numpy`` or ``torch``, what the arrays are of.
        device: torch's device; None for NumPy.
    """

    xp: Any = np
    device: Any = None

    @property
    def is_host(self) -> bool:
        """Whether NumPy's arrays, and with them the compiled kernel, are in use."""
        return self.xp is np

    def put(self, array: NDArray[Any]) -> Any:
        """The array there."""
        return array if self.is_host else self.xp.as_tensor(array, device=self.device)

    def get(self, array: Any) -> NDArray[Any]:
        """The array as NumPy's."""
        found: NDArray[Any] = array if self.is_host else array.cpu().numpy()
        return found


def place_for(n_refits: int) -> Place:
    """Where so many refits are computed under :func:`lalbench.compute.current`.

    Raises:
        UserError: CUDA is asked for and absent.
    """
    device = _device(n_refits)
    if device is None:
        return Place()
    import torch

    return Place(torch, device)


def _device(n_refits: int) -> Any:
    """The device for torch, or None for NumPy."""
    compute = current()
    if compute.device == "cpu":
        return None
    if compute.device == "auto" and (n_refits < WORTH or not has_cuda()):
        return None
    return compute.torch_device()
