"""Exponentials of the compiled kernels against NumPy's and SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import special

from lalbench import vector_math


def loop(function):
    @njit(error_model="numpy")
    def evaluate(values):
        found = np.empty_like(values)
        for i in range(len(values)):
            found[i] = function(values[i])
        return found

    return evaluate


def points(low: float, high: float):
    rng = np.random.default_rng(0)
    small = rng.uniform(-1, 1, size=1000) * 10.0 ** rng.integers(-300, 0, size=1000)
    return np.concatenate([rng.uniform(low, high, size=200_000), small, np.arange(-20.0, 21.0)])


def test_exp_is_numpys_to_two_units_in_the_last_place():
    x = points(-708.0, 709.78)
    found, expected = loop(vector_math.exp)(x), np.exp(x)
    assert np.all(np.abs(found - expected) <= 2 * np.spacing(expected))


@pytest.mark.parametrize("name", ["exp", "falling_exp"])
def test_a_kernel_that_may_reorder_sums_gets_the_same_values(name):
    function = getattr(vector_math, name)

    @njit(error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
    def evaluate(values):
        found = np.empty_like(values)
        for i in range(len(values)):
            found[i] = function(values[i])
        return found

    x = points(-708.0, 709.78)
    np.testing.assert_array_equal(evaluate(x), loop(function)(x))


def test_exp_below_the_normal_numbers():
    x = np.linspace(-745.0, -708.0, 10_001)
    found, expected = loop(vector_math.exp)(x), np.exp(x)
    assert np.all(np.abs(found - expected) <= 2 * np.spacing(expected))


def test_exp_at_the_ends():
    x = np.array([-np.inf, -1e300, -746.0, 0.0, -0.0, 709.79, 1e300, np.inf, np.nan])
    found = loop(vector_math.exp)(x)
    np.testing.assert_array_equal(found, [0, 0, 0, 1, 1, np.inf, np.inf, np.inf, np.nan])


def test_falling_exp():
    x = np.abs(points(0.0, 700.0))
    np.testing.assert_allclose(loop(vector_math.falling_exp)(x), np.exp(-x), rtol=1e-15)
    far = np.array([700.0, 700.1, 1e300, np.inf])
    np.testing.assert_allclose(loop(vector_math.falling_exp)(far), np.exp(-700.0), rtol=1e-15)


def test_expit_keeps_the_digits_of_small_values():
    x = points(-700.0, 700.0)
    found = loop(vector_math.expit)(x)
    np.testing.assert_allclose(found, special.expit(x), rtol=1e-15)


@pytest.mark.parametrize("width", [0.01, 1.0, 20.0, 1000.0])
def test_tanh(width):
    x = points(-width, width)
    np.testing.assert_allclose(loop(vector_math.tanh)(x), np.tanh(x), rtol=0, atol=3e-16)
