"""Two Gaussian clouds: class shares, moments in closed form, and the set of the catalogue."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.data.gaussian_clouds import isotropic_gaussian_clouds, random_gaussian_clouds
from lalbench.errors import UserError


def generate(**options: Any) -> Dataset:
    return data.load(DatasetSpec(name="gaussian_clouds", options=options))


def test_shares_of_class_1_are_uniform_between_a_tenth_and_nine_tenths() -> None:
    rng = np.random.default_rng(0)
    shares = np.empty(1000)
    for draw in range(len(shares)):
        X, y, X_test, y_test = random_gaussian_clouds(rng)
        assert (X.shape, X_test.shape) == ((400, 2), (4000, 2))
        assert y_test.sum() == 10 * y.sum()
        shares[draw] = y.mean()
    assert shares.min() >= 0.1
    assert shares.max() <= 0.9
    # the count is rounded down: on average half a point of 400
    assert stats.kstest(shares + 0.5 / 400, "uniform", args=(0.1, 0.8)).pvalue > 0.05


def test_types_and_order() -> None:
    X, y, X_test, y_test = random_gaussian_clouds(np.random.default_rng(3))
    assert (X.dtype, X_test.dtype) == (np.float64, np.float64)
    assert (y.dtype, y_test.dtype) == (np.int64, np.int64)
    for labels in (y, y_test):
        assert (np.diff(labels) <= 0).all()
        assert set(labels.tolist()) == {0, 1}


def test_the_rows_of_a_cloud_have_its_mean_and_covariance() -> None:
    # The same draws by hand: share, means and factors come first from the generator.
    clouds = random_gaussian_clouds(np.random.default_rng(5), 20_000, 200_000)
    rng = np.random.default_rng(5)
    share, means = rng.uniform(0.1, 0.9), rng.uniform(size=(2, 2))
    factors = rng.uniform(-0.5, 0.5, size=(2, 2, 2))
    for X, y in (clouds[:2], clouds[2:]):
        assert y.sum() == len(y) // 20_000 * int(20_000 * share)
        for label in (0, 1):
            rows, covariance = X[y == label], factors[label] @ factors[label].T
            error = np.sqrt(np.diag(covariance) / len(rows))
            np.testing.assert_array_less(np.abs(rows.mean(axis=0) - means[label]), 5 * error)
            bound = 5 * np.sqrt(2 / len(rows)) * np.diag(covariance).max()
            assert np.abs(np.cov(rows.T) - covariance).max() < bound


def test_parameters_over_many_clouds() -> None:
    """Means are uniform on [0, 1]²; E[A·Aᵀ] = 2 · 1/12 · I for entries uniform on (-1/2, 1/2)."""
    rng = np.random.default_rng(1)
    means, variances, mixed = [], [], []
    for _ in range(400):
        X, y, *_ = random_gaussian_clouds(rng, 4000, 2)
        for label in (0, 1):
            rows = X[y == label]
            means.append(rows.mean(axis=0))
            covariance = np.cov(rows.T)
            variances += [covariance[0, 0], covariance[1, 1]]
            mixed.append(covariance[0, 1])
    assert stats.kstest(np.concatenate(means), "uniform").pvalue > 0.01
    # a² + b² with a, b uniform on (-1/2, 1/2): variance 2 (1/80 - 1/144)
    deviation = np.sqrt(2 * (1 / 80 - 1 / 144) / len(variances))
    assert abs(np.mean(variances) - 1 / 6) < 5 * deviation
    assert abs(np.mean(mixed)) < 5 * np.sqrt(2 / 144 / len(mixed))


@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_both_classes_occur_in_both_partitions(n: int, n_test: int, seed: int) -> None:
    X, y, X_test, y_test = random_gaussian_clouds(np.random.default_rng(seed), n, n_test)
    for points, labels, size in ((X, y, n), (X_test, y_test, n_test)):
        assert len(points) == len(labels) == size
        assert 0 < labels.sum() < size
        assert np.isfinite(points).all()


def test_a_draw_is_cheap() -> None:
    """Half a millisecond is asked for; the bound leaves room for a busy machine."""
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        random_gaussian_clouds(rng)
        seconds.append(time.perf_counter() - started)
    assert np.median(seconds) < 2e-3


@pytest.mark.parametrize("share", [0.5, 1 / 3, 0.29])
def test_isotropic_clouds(share: float) -> None:
    clouds = isotropic_gaussian_clouds(np.random.default_rng(2), 300, 30_000, share, 3.0)
    for X, y in (clouds[:2], clouds[2:]):
        assert y.mean() == pytest.approx(share)
        for label, mean in ((0, -1.5), (1, 1.5)):
            rows = X[y == label]
            error = 5 / np.sqrt(len(rows))
            np.testing.assert_allclose(rows.mean(axis=0), [mean, 0], atol=error)
            np.testing.assert_allclose(np.cov(rows.T), np.eye(2), atol=error * np.sqrt(2))


def test_the_best_accuracy_of_balanced_isotropic_clouds_is_known() -> None:
    _, _, X, y = isotropic_gaussian_clouds(np.random.default_rng(2), 2, 100_000)
    right = np.mean((X[:, 0] > 0) == y)
    best = stats.norm.cdf(1)
    assert abs(right - best) < 5 * np.sqrt(best * (1 - best) / len(y))


@pytest.mark.parametrize("sizes", [{"n": 1}, {"n_test": 1}, {"share": 0.0}, {"share": 1.0}])
def test_impossible_clouds(sizes: dict[str, Any]) -> None:
    for draw in (random_gaussian_clouds, isotropic_gaussian_clouds):
        with pytest.raises(ValueError, match="must be"):
            draw(np.random.default_rng(0), **sizes)


def test_the_set_of_the_catalogue() -> None:
    dataset = generate()
    assert dataset.X.shape == (4400, 2)
    assert dataset.test_mask is not None
    assert dataset.test_mask.sum() == 4000
    assert not dataset.test_mask[:400].any()
    assert 40 <= dataset.y[:400].sum() <= 360
    assert dataset.y[400:].sum() == 10 * dataset.y[:400].sum()
    assert generate(seed=0).source_hash == dataset.source_hash
    assert len({generate(seed=seed).source_hash for seed in range(4)}) == 4


def test_shares_of_the_set() -> None:
    for clouds in ("random", "isotropic"):
        for share, expected in (("balanced", 150), (1 / 3, 100), (0.01, 3)):
            assert generate(n=300, clouds=clouds, share=share).y[:300].sum() == expected
        ones = {int(generate(clouds=clouds, seed=seed).y[:400].sum()) for seed in range(5)}
        assert len(ones) == 5


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"n": 1}, "options.n"),
        ({"n_test": 1}, "options.n_test"),
        ({"n": 2.0}, "options.n"),
        ({"seed": -1}, "options.seed"),
        ({"clouds": "round"}, "options.clouds"),
        ({"clouds": 3}, "options.clouds"),
        ({"share": 0}, "options.share"),
        ({"share": 1.0}, "options.share"),
        ({"share": "half"}, "options.share"),
        ({"share": True}, "options.share"),
        ({"distance": 3.0}, "options.distance"),
        ({"clouds": "isotropic", "distance": -1}, "options.distance"),
        ({"clouds": "isotropic", "distance": float("nan")}, "options.distance"),
        ({"clouds": "isotropic", "distance": "far"}, "options.distance"),
        ({"standardise": True}, "options"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError) as caught:
        generate(**options)
    assert caught.value.key == key
