"""Small images with a class in their brightness pattern, and quick networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lalbench.data.images import Images

Made = tuple[Images, NDArray[np.int64]]


def _make_images(n: int = 60, shape: tuple[int, int, int] = (8, 8, 1), seed: int = 0) -> Made:
    """Three classes: a bright band in the upper, middle or lower part of a noisy image."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=n)
    pixels = rng.integers(0, 120, size=(n, *shape))
    third = shape[0] // 3
    for image, label in zip(pixels, labels, strict=True):
        image[label * third : (label + 1) * third] += 110
    return Images(pixels.astype(np.uint8)), labels


@pytest.fixture
def make_images() -> Callable[..., Made]:
    """Draws ``n`` images of a ``shape`` (H, W, C) from a ``seed``."""
    return _make_images


@pytest.fixture
def images() -> Made:
    """60 images and labels of three classes."""
    return _make_images()


@pytest.fixture
def quick() -> dict[str, Any]:
    """Options under which a network trains in a moment."""
    return {"recipe": "fast", "epochs": 3, "random_state": 5, "precision": "float32"}
