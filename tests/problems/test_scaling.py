"""The two scalings."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lalbench.problems.scaling import fit_per_feature, fit_scalar

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


def test_scaling_leaves_its_input_alone():
    X = np.arange(6.0).reshape(3, 2)
    fit_scalar(X)(X)
    fit_per_feature(X)(X)
    assert X.tolist() == [[0, 1], [2, 3], [4, 5]]
