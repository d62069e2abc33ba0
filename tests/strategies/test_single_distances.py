"""Distances of float32 and float16 rows against plain loops, in any order and any blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench.strategies import distances, single_distances

KINDS = ["plain", "grid", "far", "scaled", "equal", "copies", "rectified", "near ties"]


def cloud(kind: str, seed: int = 0, n: int = 40, m: int = 15, width: int = 37) -> Any:
    rng = np.random.default_rng(seed)
    points, centres = rng.normal(size=(n, width)), rng.normal(size=(m, width))
    if kind == "grid":
        points, centres = np.round(points), np.round(centres)
    if kind == "far":
        points, centres = points + 300.0, centres + 300.0
    if kind == "scaled":
        factors = 10.0 ** rng.integers(-2, 3, width)
        points, centres = points * factors, centres * factors
    if kind == "equal":
        points, centres = np.ones_like(points), np.ones_like(centres)
    if kind == "copies":
        points[: m // 2], centres[m // 2 : m // 2 * 2] = centres[: m // 2], centres[: m // 2]
    if kind == "near ties":  # centres on a sphere around the points, to seven digits
        points = points[:1] + 1e-4 * points
        centres /= np.sqrt((centres**2).sum(axis=1, keepdims=True))
        centres = points[:1] + 3.0 * centres
    if kind == "rectified":
        points, centres = points.clip(0), centres.clip(0)
    return points, centres


def loop(points: Any, centres: Any) -> Any:
    """All distances in float64."""
    gaps = (points.astype(float)[:, None] - centres.astype(float)) ** 2
    return gaps.sum(axis=2)


@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
    width=st.sampled_from([1, 2, 7, 8, 9, 33, 130]),
    half=st.booleans(),
)
@settings(max_examples=120)
def test_nearest_distances_equal_the_loop(kind: str, seed: int, width: int, half: bool) -> None:
    both = cloud(kind, seed, width=width)
    points, centres = (part.astype(np.float16 if half else np.float32) for part in both)
    found = distances.nearest_squared_distances(points, centres)
    assert found.dtype == np.float64
    assert np.all(found >= 0)
    expected = loop(points, centres)
    np.testing.assert_allclose(found, expected.min(axis=1), rtol=1e-13, atol=0)
    one = distances.squared_distances_to(points, centres[0])
    np.testing.assert_allclose(one, expected[:, 0], rtol=1e-13, atol=0)
    # to the last bit: every pair has one distance, in whatever call it is computed
    each = [distances.squared_distances_to(points, centre) for centre in centres]
    assert np.array_equal(found, np.min(each, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_neither_order_nor_blocks_matter(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points, centres = (part.astype(np.float32) for part in cloud(kind, n=80))
    whole = single_distances.nearest_squared_distances(points, centres)
    order = np.random.default_rng(1).permutation(80)
    again = single_distances.nearest_squared_distances(points[order], centres[::-1])
    assert np.array_equal(again, whole[order])
    for block in (1, 100, 1000):
        monkeypatch.setattr(single_distances, "_BLOCK", {"cpu": block, "cuda": block})
        parts = single_distances.nearest_squared_distances(points, centres)
        assert np.array_equal(parts, whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delta", [0.5, 40.0])
def test_gaussian_sums_equal_the_loop(kind: str, delta: float) -> None:
    from scipy.special import logsumexp

    points, centres = (part.astype(np.float32) for part in cloud(kind))
    order = np.random.default_rng(2).permutation(40)
    found = single_distances.log_gaussian_sums(points, centres, delta, order)
    gaps = loop(points, centres)
    expected = logsumexp(-gaps / delta, axis=1)
    scale = 1 + np.square(points.astype(float) - centres.mean(axis=0)).sum(axis=1).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale / delta)


def test_equal_rows_have_one_representative() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(6, 5)).astype(np.float32)
    rows[1, 2] = 0.0
    rows = rows[[0, 1, 2, 1, 3, 0, 1, 4]]
    rows[3, 2] = -0.0
    ids = np.array([9, 8, 7, 3, 5, 4, 6, 1])
    hashes = single_distances.row_hashes(rows)
    found = single_distances.representatives(hashes, ids)
    assert found.tolist() == [5, 3, 2, 3, 4, 5, 3, 7]


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_hashes_tell_rows_apart(dtype: Any) -> None:
    rows = np.random.default_rng(4).integers(0, 3, size=(5000, 9)).astype(dtype)
    hashes = single_distances.row_hashes(rows)
    assert len(np.unique(hashes)) == len(np.unique(rows, axis=0))
    swapped = single_distances.row_hashes(rows[:, ::-1])
    palindromes = (rows == rows[:, ::-1]).all(axis=1)
    assert np.array_equal(swapped == hashes, palindromes)
