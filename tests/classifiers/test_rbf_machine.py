"""The SVM with compiled decisions against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.svm import SVC

from lalbench.classifiers.rbf_machine import RbfMachine


@given(
    n=st.integers(4, 60), d=st.integers(1, 40), classes=st.integers(2, 4),
    scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000),
)  # fmt: skip
def test_decisions_are_those_of_scikit_learn(
    n: int, d: int, classes: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    X, asked = scale * rng.normal(size=(n, d)), scale * rng.normal(size=(17, d))
    y = np.arange(n) % classes
    expected = SVC().fit(X, y)
    found = RbfMachine().fit(X, y)
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    np.testing.assert_allclose(
        found.decision_function(asked), expected.decision_function(asked), rtol=1e-9, atol=1e-10
    )


def test_features_that_say_nothing() -> None:
    X, y = np.ones((6, 3)), np.array([0, 0, 0, 0, 1, 1])
    expected = SVC().fit(X, y).decision_function(X)
    np.testing.assert_allclose(RbfMachine().fit(X, y).decision_function(X), expected, atol=1e-12)


@pytest.mark.parametrize("d", [1, 7, 784])
def test_a_row_has_one_value_wherever_it_stands(d: int) -> None:
    """Bit by bit: points with the same features stay tied."""
    rng = np.random.default_rng(3)
    machine = RbfMachine().fit(rng.normal(size=(50, d)), np.arange(50) % 2)
    asked = rng.normal(size=(31, d))
    order = rng.permutation(np.tile(np.arange(31), 3))
    found = machine.decision_function(asked[order])
    np.testing.assert_array_equal(found, machine.decision_function(asked)[order])
    columns_first = np.asfortranarray(asked)
    np.testing.assert_array_equal(
        machine.decision_function(columns_first), machine.decision_function(asked)
    )
