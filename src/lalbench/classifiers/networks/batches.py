"""Batches made on the device: resident uint8 images, order and augmentation by epoch."""

from __future__ import annotations

import warnings
import weakref
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lalbench.data.images import Images

Augmentation = Literal["none", "crop", "crop_flip"]
PADDING = 4
"""Pixels that a crop may be off to each side."""

_resident: dict[tuple[int, str], Tensor] = {}
"""Copies on GPUs, by the identity of the array and the device."""


def resident(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """The images of a whole data set as (N, H, W, C) uint8 on ``device``, moved there once.

    On the CPU it is the same memory (usually a mapped file). A copy lives as long as the array.
    """
    key = (id(pixels), str(device))
    if key in _resident:
        return _resident[key]
    with warnings.catch_warnings():
        # torch cannot mark a tensor read-only; nothing here writes to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensor = torch.from_numpy(pixels)
    if device.type != "cpu":
        tensor = _resident[key] = tensor.to(device)
        weakref.finalize(pixels, _resident.pop, key, None)
    return tensor


class Batches:
    """Standardised batches of some images.

    Args:
        images: which.
        mean, scale: (C,) statistics of the pixels; a batch is ``(pixel - mean) / scale``.
        device: where batches are made.
    """

    def __init__(
        self,
        images: Images,
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        device: torch.device,
    ) -> None:
        self._pixels = resident(images.pixels, device)
        self._rows = torch.from_numpy(images.rows).to(device)
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device)
        self._factor = torch.tensor(1.0 / scale, dtype=torch.float32, device=device)

    def take(self, positions: Tensor) -> Tensor:
        """(n, C, H, W) float32 in channels-last order, of the images at ``positions``."""
        return self._standardise(self._pixels[self._rows[positions]])

    def crop(self, positions: Tensor, moves: Tensor) -> Tensor:
        """As :meth:`take`, moved and flipped.

        Args:
            positions: (n,) int64.
            moves: (n, 3) int64: down and right by 0 … 8 less 4 pixels (what comes in is black), and
                1 where the image is mirrored.
        """
        pixels = self._pixels[self._rows[positions]]
        n, height, width, _ = pixels.shape
        padded = torch.nn.functional.pad(pixels, (0, 0, PADDING, PADDING, PADDING, PADDING))
        down = torch.arange(height, device=pixels.device) + moves[:, :1]
        across = torch.arange(width, device=pixels.device).expand(n, width)
        across = torch.where(moves[:, 2:] == 1, width - 1 - across, across) + moves[:, 1:2]
        image = torch.arange(n, device=pixels.device)[:, None, None]
        return self._standardise(padded[image, down[:, :, None], across[:, None, :]])

    def _standardise(self, pixels: Tensor) -> Tensor:
        return ((pixels.float() - self._mean) * self._factor).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class EpochPlan:
    """Order and moves of the images in one epoch, the same on every device.

    Attributes:
        order: (n,) int64 positions.
        moves: (n, 3) int64 for :meth:`Batches.crop`, or None.
    """

    order: Tensor
    moves: Tensor | None

    @classmethod
    def draw(
        cls, n: int, seed: int, epoch: int, augmentation: Augmentation, device: torch.device
    ) -> EpochPlan:
        """The plan of ``epoch``; it depends on nothing else that was drawn before."""
        rng = np.random.default_rng((seed, epoch))
        order = torch.from_numpy(rng.permutation(n)).to(device)
        if augmentation == "none":
            return cls(order, None)
        moves = rng.integers(0, 2 * PADDING + 1, size=(n, 3))
        moves[:, 2] = rng.integers(0, 2, size=n) if augmentation == "crop_flip" else 0
        return cls(order, torch.from_numpy(moves).to(device))
