"""The exact engine with more than two classes against tightly converged fits one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression

from lalbench import compute, oracle
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.errors import NotConvergedError
from lalbench.objectives import Scorer
from lalbench.oracle import logistic_multinomial

TIE = 1e-6
"""Two best classes closer than this are a tie: no solver at 1e-9 tells which one wins."""


def problem(seed: int, n: int, d: int, n_classes: int, kind: str = "overlap"):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), rng.integers(n_classes, size=n)
    y[:2] = 0, 1
    X[:, :n_classes] += (8.0 if kind == "separable" else 1.0) * np.eye(n_classes, d)[y][
        :, :n_classes
    ]
    if kind == "copies":
        X[:, 0] = 1.0
        X[n // 2 :] = X[: n - n // 2]
    return X, y


def scorer_of(seed: int, d: int, n_classes: int, objective: str):
    rng = np.random.default_rng(seed + 1)
    weights = rng.uniform(0.5, 2.0, size=n_classes)
    return Scorer(rng.normal(size=(40, d)), rng.integers(n_classes, size=40), weights, objective)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(4, 24),
    d=st.integers(1, 30),
    n_classes=st.integers(3, 4),
    kind=st.sampled_from(["overlap", "separable", "copies"]),
    ratio=st.sampled_from([0.1, 1.0, 10.0]),
    C=st.sampled_from([1e-3, 1.0, 100.0]),
    objective=st.sampled_from(["weighted_accuracy", "log_loss"]),
)
def test_scores_are_those_of_a_tightly_converged_solver(
    seed, n, d, n_classes, kind, ratio, C, objective
):
    """Subsets with a class missing too: they have the model of the classes that they show."""
    X, y = problem(seed, n, d, n_classes, kind)
    scorer = scorer_of(seed, d, n_classes, objective)
    weights = np.where(y == 1, ratio, 1.0)
    masks = np.random.default_rng(seed).random((2, n)) < 0.6
    masks[:, :2] = True
    found = oracle.refit_scores(LogisticRegression(C), X, y, masks, scorer, sample_weight=weights)
    assert found.engine == "logistic"
    # lbfgs stops early where weights are large and the loss is flat
    solver = TheirLogisticRegression(C=C, solver="newton-cg", tol=1e-12, max_iter=100_000)
    for subset, candidate in zip(*np.nonzero(~masks), strict=True):
        rows = np.append(np.flatnonzero(masks[subset]), candidate)
        fitted = solver.fit(X[rows], y[rows], sample_weight=weights[rows])
        ordered = np.sort(fitted.predict_proba(scorer.X), axis=1)
        if objective == "weighted_accuracy" and (ordered[:, -1] - ordered[:, -2]).min() < TIE:
            continue
        expected = scorer(fitted)
        assert found.scores[subset, candidate] == pytest.approx(expected, abs=2e-5, rel=2e-5)
    np.testing.assert_array_equal(np.isnan(found.scores), masks)


@pytest.mark.parametrize(("n", "d", "n_classes"), [(50, 21, 3), (30, 60, 4)])
def test_improvements_equal_those_of_newton_fits(n, d, n_classes):
    X, y = problem(3, n + 60, d, n_classes)
    args = (X[:n], y[:n], X[n:], y[n:], scorer_of(3, d, n_classes, "log_loss"))
    found = oracle.improvements("logistic_regression", *args)
    expected = oracle.improvements("logistic_regression", *args, engine="reference")
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert np.abs(found).max() > 1e-3


@pytest.mark.parametrize("class_weight", [{0: 5.0, 1: 0.5, 2: 2.0}, {1: 7.0}])
def test_class_weights_by_label(class_weight):
    X, y = problem(8, 50, 5, 3)
    tight = TheirLogisticRegression(class_weight=class_weight, tol=1e-12, max_iter=100_000)
    args = (X[:20], y[:20], X[20:], y[20:], scorer_of(8, 5, 3, "log_loss"))
    assert oracle.choose_engine(tight, args[-1]) == "logistic"
    found = oracle.improvements(tight, *args)
    expected = oracle.improvements(tight, *args, engine="reference")
    np.testing.assert_allclose(found, expected, atol=2e-5)
    plain = oracle.improvements("logistic_regression", *args)
    assert np.abs(found - plain).max() > 1e-3


def test_a_row_of_weight_zero_changes_nothing():
    X, y = problem(4, 40, 5, 3)
    scorer, weights = scorer_of(4, 5, 3, "log_loss"), np.ones(40)
    weights[30:] = 0.0
    masks = (np.arange(40) < 20)[None]
    found = oracle.refit_scores("logistic_regression", X, y, masks, scorer, sample_weight=weights)
    np.testing.assert_allclose(found.improvements[0, 30:], 0.0, atol=1e-8)
    assert np.abs(found.improvements[0, 20:30]).min() > 1e-6


def test_a_subset_of_one_class():
    X, y = problem(5, 30, 4, 3)
    mask = np.zeros((1, 30), dtype=bool)
    mask[0, np.flatnonzero(y == 2)[:3]] = True
    scorer = scorer_of(5, 4, 3, "weighted_accuracy")
    found = oracle.refit_scores("logistic_regression", X, y, mask, scorer)
    expected = oracle.refit_scores("logistic_regression", X, y, mask, scorer, engine="reference")
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.base_scores, expected.base_scores)


@pytest.mark.parametrize("memory", [1_000, 2 * 10**5])
def test_little_memory_changes_no_score(memory):
    """1 kB holds no factorisation (one fit after another), 200 kB a few candidates at a time."""
    X, y = problem(6, 60, 8, 3)
    scorer = scorer_of(6, 8, 3, "log_loss")
    args = ("logistic_regression", X[:30], y[:30], X[30:], y[30:], scorer)
    usual = oracle.improvements(*args)
    with compute.using(memory=memory):
        np.testing.assert_allclose(oracle.improvements(*args), usual, atol=1e-8)


def test_what_is_given_up_gets_the_same_scores_or_is_an_error(monkeypatch):
    X, y = problem(7, 60, 8, 3)
    args = ("logistic_regression", X[:30], y[:30], X[30:], y[30:], scorer_of(7, 8, 3, "log_loss"))
    usual = oracle.improvements(*args)
    monkeypatch.setattr(logistic_multinomial, "_STEPS", 1)
    np.testing.assert_allclose(oracle.improvements(*args), usual, atol=1e-8)
    monkeypatch.setattr("lalbench.classifiers.newton._HALVINGS", 0)
    with pytest.raises(NotConvergedError):
        oracle.improvements(*args)


@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
def test_candidates_of_a_new_class_share_one_fit(objective, monkeypatch):
    X, y = problem(7, 60, 6, 4)
    mask = (np.arange(60) < 30) & (y != 3)
    n_new = int((y[~mask] == 3).sum())
    assert n_new > 8
    scorer = scorer_of(7, 6, 4, objective)
    fits = []
    fit = logistic_multinomial.fit_multinomial

    def counted(*given):
        fits.append(len(given[0]))
        return fit(*given)

    monkeypatch.setattr(logistic_multinomial, "fit_multinomial", counted)
    found = oracle.refit_scores("logistic_regression", X, y, mask[None], scorer)
    assert len(fits) == 2  # the subset, and the subset with one candidate of the new class
    expected = oracle.refit_scores(
        "logistic_regression", X, y, mask[None], scorer, engine="reference"
    )
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-7)
