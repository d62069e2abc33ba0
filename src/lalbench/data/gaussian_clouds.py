"""Two Gaussian clouds in the plane: the synthetic data of "Learning Active Learning from Data".

:func:`random_gaussian_clouds` draws a new problem each time: other shares of the classes, other
means, other covariances. A strategy can be trained on thousands of them.
:func:`isotropic_gaussian_clouds` keeps all of that fixed, for the toy study of uncertainty
sampling. The catalogue's ``gaussian_clouds`` is one draw of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench.data.options import check_choice, check_integer, check_seed
from lalbench.data.table import Table
from lalbench.errors import UserError
from lalbench.seeds import Streams
from lalbench.value_checks import is_number

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Clouds = tuple[FloatArray, IntArray, FloatArray, IntArray]

SHARES = (0.1, 0.9)
"""Between these lies a random share of class 1."""

OPTIONS: Mapping[str, Any] = {
    "n": 400,
    "n_test": 4000,
    "seed": 0,
    "clouds": "random",
    "share": "random",
    "distance": 2.0,
}


def random_gaussian_clouds(
    rng: Generator, n: int = 400, n_test: int = 4000, share: float | None = None
) -> Clouds:
    """Two clouds with random means, covariances and class sizes (Konyushkova et al. 2017).

    Per class the mean is uniform on [0, 1]² and the covariance A·Aᵀ, with the four entries of A
    uniform on (-0.5, 0.5). Nothing is scaled. Takes about a fifth of a millisecond.

    Args:
        rng: source of all draws.
        n: train points, of which int(n · share) are of class 1.
        n_test: test points, in the same proportion: 10 · n of them keep it exactly.
        share: of class 1; None: uniform on (0.1, 0.9).

    Returns:
        ``X`` (n, 2) float64, ``y`` (n,) int64, ``X_test`` (n_test, 2), ``y_test`` (n_test,); the
        points of class 1 come first, and each class has at least one.

    Raises:
        ValueError: fewer than two points, or a share outside (0, 1).
    """
    share = rng.uniform(*SHARES) if share is None else share
    means = rng.uniform(size=(2, 2))
    factors = rng.uniform(-0.5, 0.5, size=(2, 2, 2))
    return _draw(rng, means, factors, n, n_test, share)


def isotropic_gaussian_clouds(
    rng: Generator, n: int = 400, n_test: int = 4000, share: float = 0.5, distance: float = 2.0
) -> Clouds:
    """Two clouds of unit covariance with their means at (∓distance/2, 0).

    The best accuracy at equal class sizes is Φ(distance / 2). With ``share`` 1/3, class 0 is twice
    as large as class 1.

    Args:
        rng: source of all draws.
        n: train points, of which int(n · share) are of class 1 (products a rounding error below an
            integer count as that integer).
        n_test: test points, in the same proportion.
        share: of class 1.
        distance: of the means, in standard deviations.

    Returns:
        As :func:`random_gaussian_clouds`.

    Raises:
        ValueError: fewer than two points, or a share outside (0, 1).
    """
    means = np.array([[-distance / 2, 0.0], [distance / 2, 0.0]])
    return _draw(rng, means, np.stack([np.eye(2), np.eye(2)]), n, n_test, share)


def _draw(
    rng: Generator, means: FloatArray, factors: FloatArray, n: int, n_test: int, share: float
) -> Clouds:
    """Clouds with (2, 2) means and (2, 2, 2) factors of the covariances, by class."""
    if min(n, n_test) < 2 or not 0 < share < 1:
        raise ValueError(f"n {n} and n_test {n_test} must be ≥ 2, share {share} within (0, 1)")
    # 100 · 0.29 is 28.999…; a count of 29 is meant
    ones = min(max(int(n * share + 1e-9), 1), n - 1)
    test_ones = min(max(round(ones * n_test / n), 1), n_test - 1)
    noise = rng.standard_normal((n + n_test, 2))
    parts: list[Any] = []
    for points, count in ((noise[:n], ones), (noise[n:], test_ones)):
        X = np.empty_like(points)
        for label, rows in ((1, slice(0, count)), (0, slice(count, None))):
            X[rows] = points[rows] @ factors[label].T
            X[rows] += means[label]
        y = np.zeros(len(points), dtype=np.int64)
        y[:count] = 1
        parts += [X, y]
    return parts[0], parts[1], parts[2], parts[3]


def gaussian_clouds(_: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
    """One draw as a data set with a given test partition.

    Args:
        _: no files.
        options: ``n`` and ``n_test`` points; ``seed``; ``clouds``: ``random`` or ``isotropic``;
            ``share`` of class 1: ``random`` (uniform on (0.1, 0.9)), ``balanced`` or a number;
            ``distance`` of isotropic clouds.

    Raises:
        UserError: a value that does not fit.
    """
    check_options(options)
    rng = Streams(data_seed=options["seed"], seed=0).generator("data", name="gaussian_clouds")
    n, n_test, share = options["n"], options["n_test"], options["share"]
    if share == "random":
        share = float(rng.uniform(*SHARES))
    share = 0.5 if share == "balanced" else share
    if options["clouds"] == "random":
        X, y, X_test, y_test = random_gaussian_clouds(rng, n, n_test, share)
    else:
        X, y, X_test, y_test = isotropic_gaussian_clouds(rng, n, n_test, share, options["distance"])
    return Table(
        X=np.concatenate([X, X_test]),
        labels=np.concatenate([y, y_test]),
        feature_names=("x1", "x2"),
        class_names=("0", "1"),
        test_mask=np.arange(n + n_test) >= n,
    )


def check_options(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for a value that does not fit."""
    check_integer(options, "n", 2, 10_000_000)
    check_integer(options, "n_test", 2, 10_000_000)
    check_seed(options)
    check_choice(options, "clouds", ("random", "isotropic"))
    share, distance = options["share"], options["distance"]
    if share not in ("random", "balanced") and not (is_number(share) and 0 < share < 1):
        raise UserError(
            "options.share",
            f"{share!r} does not fit",
            "use random, balanced or a number between 0 and 1",
        )
    if not is_number(distance) or not 0 <= distance < np.inf:
        raise UserError("options.distance", f"{distance!r} does not fit", "use a number from 0")
    if options["clouds"] == "random" and distance != OPTIONS["distance"]:
        raise UserError(
            "options.distance", "belongs to isotropic clouds", "remove it or add clouds: isotropic"
        )
