"""Nearest distances: the fast form equals the plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench.strategies import distances


def plain(points: Any, centres: Any) -> Any:
    """The double loop over points and centres."""
    return np.array(
        [min(distances.squared_distances_to(row[None], c)[0] for c in centres) for row in points]
    )


@st.composite
def clouds(draw: Any) -> tuple[Any, Any]:
    """Points and centres: plain, on a grid with exact ties, on a scaled grid whose ties differ in
    the last bits, far from the origin, badly scaled.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width = draw(st.sampled_from([1, 2, 3, 8, 33]))
    points, centres = (rng.normal(size=(draw(st.integers(1, 12)), width)) for _ in range(2))
    kind = draw(st.sampled_from(["plain", "grid", "near ties", "far", "scaled"]))
    if kind == "grid":
        points, centres = np.round(points), np.round(centres)
    if kind == "near ties":
        mean, std = rng.normal(), rng.uniform(0.1, 3.0)
        points, centres = (rng.integers(0, 2, size=(30, width)) for _ in range(2))
        points, centres = (points - mean) / std, (centres - mean) / std
    if kind == "far":
        points, centres = points + 1e7, centres + 1e7
    if kind == "scaled":
        factors = 10.0 ** rng.integers(-6, 7, width)
        points, centres = points * factors, centres * factors
    if draw(st.booleans()):
        points = np.concatenate([points, centres])
    return points, centres


@given(clouds())
@settings(max_examples=200)
def test_nearest_distances_equal_the_loop_to_the_last_bit(cloud: tuple[Any, Any]) -> None:
    points, centres = cloud
    found = distances.nearest_squared_distances(points, centres)
    assert np.array_equal(found, plain(points, centres))


def test_they_are_distances() -> None:
    rng = np.random.default_rng(0)
    points, centres = rng.normal(size=(40, 5)), rng.normal(size=(7, 5))
    naive = ((points[:, None] - centres) ** 2).sum(axis=2)
    found = distances.nearest_squared_distances(points, centres)
    np.testing.assert_allclose(found, naive.min(axis=1), rtol=1e-14)
    expanded = distances.expanded_distances(points, centres)
    np.testing.assert_allclose(expanded, np.sqrt(naive.min(axis=1)), rtol=1e-12)
    np.testing.assert_allclose(distances.squared_distances(points, centres), naive, rtol=1e-14)


@pytest.mark.parametrize("block", [1, 7, 100])
def test_block_sizes_do_not_matter(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    points, centres = np.round(rng.normal(size=(50, 4)), 1), np.round(rng.normal(size=(9, 4)), 1)
    whole = distances.nearest_squared_distances(points, centres)
    monkeypatch.setattr(distances, "_BLOCK", block)
    assert np.array_equal(distances.nearest_squared_distances(points, centres), whole)
