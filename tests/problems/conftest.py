"""Small tables for the tests of problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from lalbench.data.dataset import Dataset

MakeDataset = Callable[..., Dataset]


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    """A data set with the given rows per class, in random order, and distinct random features."""

    def make(
        counts: Sequence[int], test_counts: Sequence[int] = (), n_features: int = 3, seed: int = 0
    ) -> Dataset:
        rng = np.random.default_rng(seed)
        y, test_mask = _labels(counts, test_counts, rng)
        return Dataset(
            name="table",
            X=rng.normal(size=(len(y), n_features)) * 3 + 5,
            y=y,
            class_names=tuple(f"c{label}" for label in range(len(counts))),
            feature_names=tuple(f"x{column}" for column in range(n_features)),
            test_mask=test_mask,
        )

    return make


@pytest.fixture(scope="session")
def make_images() -> MakeDataset:
    """A data set of random images with the given rows per class, in random order."""

    def make(
        counts: Sequence[int],
        test_counts: Sequence[int] = (),
        shape: tuple[int, int, int] = (3, 4, 3),
        seed: int = 0,
    ) -> Dataset:
        rng = np.random.default_rng(seed)
        y, test_mask = _labels(counts, test_counts, rng)
        return Dataset(
            name="images",
            X=rng.integers(0, 256, size=(len(y), *shape), dtype=np.uint8),
            y=y,
            class_names=tuple(f"c{label}" for label in range(len(counts))),
            test_mask=test_mask,
        )

    return make


def _labels(
    counts: Sequence[int], test_counts: Sequence[int], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    parts = [
        rng.permutation(np.repeat(np.arange(len(numbers)), numbers))
        for numbers in (counts, test_counts)
    ]
    y = np.concatenate(parts).astype(np.int64)
    return y, np.arange(len(y)) >= len(parts[0]) if len(test_counts) else None
