"""The two scalings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lalbench.data.dataset import Dataset
from lalbench.problems import scaling
from lalbench.problems.scaling import fit_per_feature, fit_scalar, pixel_statistics

matrices = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8),
    elements=st.integers(-1000, 1000).map(float),
)


@given(matrices)
def test_scalar_scaling_standardises_the_whole_matrix(X):
    scaled = fit_scalar(X)(X)
    assert abs(scaled.mean()) < 1e-9
    assert np.isclose(scaled.std(), 0 if X.min() == X.max() else 1)


@given(matrices)
def test_per_feature_scaling_standardises_every_column(X):
    scaled = fit_per_feature(X)(X)
    for column, raw in zip(scaled.T, X.T, strict=True):
        if len(set(raw)) == 1:
            assert set(column) == {0.0}
        else:
            naive = (raw - sum(raw) / len(raw)) / (
                sum((v - sum(raw) / len(raw)) ** 2 for v in raw) / len(raw)
            ) ** 0.5
            np.testing.assert_allclose(column, naive, atol=1e-9)


def test_a_constant_column_that_float_arithmetic_does_not_see_as_constant():
    X = np.full((7, 2), 0.1)
    X[:, 1] = np.arange(7)
    assert X[:, 0].std() != 0 or X[:, 0].mean() != 0.1  # what the test is about
    scaler = fit_per_feature(X)
    assert scaler.scale[0] == 1
    assert scaler(X)[:, 0].tolist() == [0.0] * 7
    assert scaler(np.array([[2.1, 0.0]]))[0, 0] == 2.0


@given(matrices, st.randoms(use_true_random=False))
def test_permuting_columns_permutes_the_scaled_columns(X, rnd):
    order = list(range(X.shape[1]))
    rnd.shuffle(order)
    np.testing.assert_array_equal(
        fit_per_feature(X[:, order])(X[:, order]), fit_per_feature(X)(X)[:, order]
    )


@pytest.mark.parametrize("fit", [fit_scalar, fit_per_feature])
@pytest.mark.parametrize("size", [1e-200, 5e-324, 1e-90, 1e100])
@pytest.mark.filterwarnings("error")
def test_numbers_of_any_size_that_is_taken_stay_finite(fit, size):
    X = np.outer([1.0, -1.0, 0.0, 1.0], [size, size])
    scaled = fit(X)(X)
    assert np.isfinite(scaled).all()
    if size > 1e-100:
        assert np.isclose(scaled.std(), 1)


def test_scaling_leaves_its_input_alone():
    X = np.arange(6.0).reshape(3, 2)
    fit_scalar(X)(X)
    fit_per_feature(X)(X)
    assert X.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_scaling_in_place_is_scaling():
    X = np.random.default_rng(0).normal(size=(20, 3))
    for scaler in (fit_scalar(X), fit_per_feature(X)):
        expected, mine = scaler(X), X.copy()
        assert scaler(mine, out=mine) is mine
        assert mine.tobytes() == expected.tobytes()


@pytest.fixture(params=[128, 1000, 1 << 14])
def block(request, monkeypatch):
    monkeypatch.setattr(scaling, "BLOCK", request.param)
    return request.param


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 400),
    d=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["bytes", "floats"]),
)
def test_blocks_leave_every_bit_in_its_place(n, d, seed, kind):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, size=(n, d), dtype=np.uint8)
    X = X if kind == "bytes" else rng.normal(size=(n, d)) * 10.0 ** rng.integers(-9, 9, size=d)
    whole = X.astype(np.float64)
    if whole.min() == whole.max() or (whole.min(axis=0) == whole.max(axis=0)).any():
        return  # constant columns have a rule of their own
    before = scaling.BLOCK
    try:
        for size in (128, 1000, 1 << 14):
            scaling.BLOCK = size
            scalar, columns = fit_scalar(X), fit_per_feature(X)
            assert scalar.mean.tobytes() == whole.mean().tobytes()
            assert scalar.scale.tobytes() == whole.std().tobytes()
            assert columns.mean.tobytes() == whole.mean(axis=0).tobytes()
            assert columns.scale.tobytes() == whole.std(axis=0).tobytes()
    finally:
        scaling.BLOCK = before


def images_of(pixels):
    labels = np.arange(len(pixels)) % 2
    return Dataset(name="toy", X=pixels, y=labels, class_names=("a", "b"))


@settings(max_examples=60, deadline=None)
@given(
    pixels=st.sampled_from([1, 3])
    .flatmap(
        lambda c: st.tuples(st.integers(2, 6), st.integers(1, 4), st.integers(1, 4), st.just(c))
    )
    .flatmap(lambda shape: arrays(np.uint8, shape)),
    rows=st.lists(st.integers(0, 1), min_size=1, max_size=5),
)
def test_pixel_statistics_are_those_of_every_channel(pixels, rows):
    mean, scale = pixel_statistics(images_of(pixels), np.array(rows))
    chosen = pixels[rows].astype(float)
    np.testing.assert_allclose(mean, chosen.mean(axis=(0, 1, 2)), rtol=1e-13)
    deviation = chosen.std(axis=(0, 1, 2))
    constant = chosen.min(axis=(0, 1, 2)) == chosen.max(axis=(0, 1, 2))
    np.testing.assert_allclose(scale, np.where(constant, 1, deviation), rtol=1e-12)
    assert mean.shape == scale.shape == (pixels.shape[3],)


def test_pixel_statistics_do_not_depend_on_order_or_blocks(block):
    pixels = np.random.default_rng(1).integers(0, 256, size=(60, 5, 4, 3), dtype=np.uint8)
    rows = np.random.default_rng(2).permutation(60)[:41]
    found = pixel_statistics(images_of(pixels), rows)
    again = pixel_statistics(images_of(pixels[::-1].copy()), 59 - rows[::-1])
    assert [each.tobytes() for each in found] == [each.tobytes() for each in again]
    values = pixels[rows].astype(object).reshape(-1, 3)  # integers of any size
    n = len(values)
    for channel in range(3):
        total, squares = values[:, channel].sum(), (values[:, channel] ** 2).sum()
        assert found[0][channel] == total / n
        assert found[1][channel] == ((n * squares - total**2) / n**2) ** 0.5
