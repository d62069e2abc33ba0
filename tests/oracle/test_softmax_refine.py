"""Refits of K-class logistic regression: optima of the joined problems, in NumPy and in torch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from lalbench.classifiers.newton import fit_multinomial
from lalbench.oracle.softmax_refine import Base, refine


def case(seed: int, n: int, m: int, d: int, n_classes: int, C: float = 1.0):
    """A solved base problem of n rows, m own rows, their classes and weights."""
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n + m - n_classes))
    X = rng.normal(size=(n + m, d)) + np.eye(n_classes, d)[y]
    s = rng.uniform(0.5, 3.0, size=n + m)
    W, b, _ = fit_multinomial(X[:n], y[:n], s[:n], n_classes, C)
    rows = np.column_stack([X, np.ones(n + m)])
    theta, penalty = np.vstack([W.T, b]), np.append(np.full(d, 1 / C), 0.0)
    p = softmax(rows[:n] @ theta, axis=1)
    size = (d + 1) * n_classes
    hessian = np.kron(np.diag(penalty), np.eye(n_classes))
    hessian += np.kron(np.eye(d + 1), np.ones((n_classes, n_classes)))  # free directions
    for i in range(n):
        curvature = s[i] * (np.diag(p[i]) - np.outer(p[i], p[i]))
        hessian += np.kron(np.outer(rows[i], rows[i]), curvature)
    inverse = np.linalg.inv(hessian).reshape(size, size)
    labels = np.eye(n_classes)[y]
    base = Base(rows[:n], labels[:n, :, None], s[:n], theta, inverse, penalty)
    return base, rows[n:].T.copy(), labels[n:].T.copy(), s[n:], (X, y, s)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(5, 30),
    m=st.integers(1, 12),
    d=st.integers(1, 10),
    n_classes=st.integers(2, 5),
    C=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_converged_candidates_are_the_optima_of_the_joined_problems(seed, n, m, d, n_classes, C):
    base, x, y, s, (X, labels, weights) = case(seed, n, m, d, n_classes, C)
    theta, converged = refine(base, x, y, s, np.full(m, 1e-9), 40)
    for k in np.flatnonzero(converged):
        rows = np.append(np.arange(n), n + k)
        W, b, _ = fit_multinomial(X[rows], labels[rows], weights[rows], n_classes, C)
        np.testing.assert_allclose(theta[:, :, k], np.vstack([W.T, b]), atol=1e-6)


def test_nearly_all_candidates_converge():
    base, x, y, s, _ = case(0, 50, 200, 21, 3)
    _, converged = refine(base, x, y, s, np.full(200, 1e-9), 60)
    assert converged.mean() > 0.98


def test_what_is_given_up_is_told():
    base, x, y, s, _ = case(1, 20, 30, 5, 3)
    theta, converged = refine(base, x, y, s, np.full(30, 1e-9), 0)
    assert not converged.any()
    assert np.isfinite(theta).all()


def test_torch_gives_the_same():
    torch = pytest.importorskip("torch")
    base, x, y, s, _ = case(2, 40, 60, 8, 4)
    expected, converged = refine(base, x, y, s, np.full(60, 1e-9), 40)
    tensors = Base(
        *(torch.from_numpy(np.ascontiguousarray(value)) for value in vars(base).values())
    )
    found, also = refine(tensors, *map(torch.from_numpy, (x, y, s, np.full(60, 1e-9))), 40, torch)
    assert converged.mean() > 0.9
    np.testing.assert_array_equal(also.numpy(), converged)
    np.testing.assert_allclose(found.numpy()[:, :, converged], expected[:, :, converged], atol=1e-8)
