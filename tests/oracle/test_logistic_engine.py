"""The exact engine against tightly converged fits one by one, on problems that hurt."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression

from lalbench import compute, oracle
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.errors import NotConvergedError
from lalbench.objectives import Scorer
from lalbench.oracle import logistic, logistic_binary, logistic_subsets


def problem(seed: int, n: int, d: int, kind: str = "overlap"):
    """n rows of two classes: overlapping, separable, or with constant and repeated features."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), rng.integers(2, size=n)
    y[:2] = 0, 1
    if kind == "separable":
        X[:, 0] += 6.0 * (2 * y - 1)
    elif kind == "binary":
        X = (X > 0.7).astype(float)
        X[:, 0] = 1.0
        X[n // 2 :] = X[: n - n // 2]
    else:
        X[:, -1] += y
    return X, y


def masks_of(seed: int, y, n_subsets: int):
    rng = np.random.default_rng(seed + 1)
    masks = rng.random((n_subsets, len(y))) < rng.uniform(0.1, 0.9, size=(n_subsets, 1))
    masks[:, :2] = True
    return masks


def evaluation(seed: int, d: int, objective: str, n: int = 40):
    rng = np.random.default_rng(seed + 2)
    return Scorer(rng.normal(size=(n, d)), rng.integers(2, size=n), [1.3, 0.7], objective)


def log_loss_of(scorer: Scorer, decisions):
    """From decision values: probabilities of the classifiers lose digits where they are tiny."""
    own = expit(np.where(scorer.y == 1, decisions, -decisions))
    epsilon = np.finfo(float).eps
    return np.average(
        np.log(np.clip(own, epsilon, 1 - epsilon)), weights=scorer.class_weights[scorer.y]
    )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 30),
    d=st.integers(1, 40),
    kind=st.sampled_from(["overlap", "separable", "binary"]),
    ratio=st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    C=st.sampled_from([0.01, 1.0, 100.0]),
)
def test_scores_are_those_of_a_tightly_converged_solver(seed, n, d, kind, ratio, C):
    """Log loss moves with every coefficient, so equal log losses mean equal fits."""
    X, y = problem(seed, n, d, kind)
    scorer = evaluation(seed, d, "log_loss")
    weights = np.where(y == 1, ratio, 1.0)
    masks = masks_of(seed, y, 2)
    found = oracle.refit_scores(LogisticRegression(C), X, y, masks, scorer, sample_weight=weights)
    assert found.engine == "logistic"
    solver = TheirLogisticRegression(C=C, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    for subset, candidate in zip(*np.nonzero(~masks), strict=True):
        rows = np.append(np.flatnonzero(masks[subset]), candidate)
        fitted = solver.fit(X[rows], y[rows], sample_weight=weights[rows])
        assert found.scores[subset, candidate] == pytest.approx(
            log_loss_of(scorer, fitted.decision_function(scorer.X)), abs=1e-6
        )
    assert np.all(np.isnan(found.scores) == masks)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 40),
    d=st.integers(1, 60),
    kind=st.sampled_from(["overlap", "separable", "binary"]),
    ratio=st.sampled_from([0.1, 1.0, 100.0]),
    C=st.sampled_from([1e-3, 1.0, 1e4]),
    intercept=st.booleans(),
)
def test_predictions_are_those_of_a_tightly_converged_solver(seed, n, d, kind, ratio, C, intercept):
    """Subsets of one class too. Refits with a decision closer to 0 than 1e-7 (1 + 1e-2 C) of the
    largest are skipped: two solvers at gradients of 1e-9 may differ there, and equal rows of both
    classes have decisions of 0.
    """
    X, y = problem(seed, n, d, kind)
    scorer = evaluation(seed, d, "weighted_accuracy")
    weights = np.where(y == 1, ratio, 1.0)
    masks = masks_of(seed, y, 3)
    masks[2, 1] = False
    solver = TheirLogisticRegression(
        C=C, solver="newton-cholesky", tol=1e-13, max_iter=1000, fit_intercept=intercept
    )
    found = oracle.refit_scores(solver, X, y, masks, scorer, sample_weight=weights)
    assert found.engine == "logistic"
    for subset, candidate in zip(*np.nonzero(~masks), strict=True):
        rows = np.append(np.flatnonzero(masks[subset]), candidate)
        if (y[rows] == y[rows[0]]).all():
            expected = scorer.score(np.full(len(scorer.y), y[rows[0]]))
        else:
            fitted = solver.fit(X[rows], y[rows], sample_weight=weights[rows])
            decisions = np.abs(fitted.decision_function(scorer.X))
            if decisions.min() < 1e-7 * (1 + 1e-2 * C) * max(decisions.max(), 1e-2):
                continue
            expected = scorer(fitted)
        assert found.scores[subset, candidate] == pytest.approx(expected, abs=1e-12)


def test_log_loss_without_an_intercept():
    X, y = problem(13, 60, 6)
    scorer = evaluation(13, 6, "log_loss")
    tight = TheirLogisticRegression(fit_intercept=False, solver="newton-cholesky", tol=1e-13)
    args = (X[:20], y[:20], X[20:], y[20:], scorer)
    found = oracle.improvements(tight, *args, engine="logistic")
    expected = oracle.improvements(tight, *args, engine="reference")
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("class_weight", [{0: 5.0, 1: 0.5}, {1: 7.0}, {}])
def test_class_weights_by_label(class_weight):
    X, y = problem(15, 60, 6)
    scorer, weights = evaluation(15, 6, "log_loss"), np.random.default_rng(15).uniform(1, 2, 60)
    tight = TheirLogisticRegression(class_weight=class_weight, solver="newton-cholesky", tol=1e-13)
    assert oracle.choose_engine(tight, scorer) == "logistic"
    args = (X[:20], y[:20], X[20:], y[20:], scorer)
    for rows_weights in (None, weights):
        found = oracle.improvements(tight, *args, sample_weight=rows_weights)
        expected = oracle.improvements(tight, *args, sample_weight=rows_weights, engine="reference")
        np.testing.assert_allclose(found, expected, atol=1e-7)
    plain = oracle.improvements("logistic_regression", *args)
    assert bool(class_weight) == (np.abs(plain - oracle.improvements(tight, *args)).max() > 1e-3)


@pytest.mark.parametrize("class_weight", ["balanced", {2: 1.0}, {0: 0.0}, {1: -1.0}, {0: np.inf}])
def test_other_class_weights_are_for_the_reference(class_weight):
    classifier = TheirLogisticRegression(class_weight=class_weight)
    assert oracle.choose_engine(classifier, evaluation(16, 3, "log_loss")) == "reference"


@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
def test_memory_is_bounded_by_the_option_not_by_the_pool(objective):
    """Beside the scores, row numbers and masks: less than 40 bytes per row of the pool.

    Arrays of the kernel, which this does not see, are of the size of 128 candidates or of a block.
    """
    n, memory = 200_000 if objective == "weighted_accuracy" else 50_000, 4 * 2**20
    X, y = problem(14, n, 21)
    mask, scorer = (np.arange(n) < 50)[None], evaluation(14, 21, objective)
    few = np.arange(100)
    logistic.score_refits(LogisticRegression(), X[few], y[few], mask[:, few], scorer, None)
    tracemalloc.start()
    with compute.using(memory=memory):
        logistic.score_refits(LogisticRegression(), X, y, mask, scorer, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < memory + 40 * n < X.nbytes / 2 + memory


@pytest.mark.parametrize(
    ("n", "d", "ratio"), [(100, 21, 1.0), (100, 21, 10.0), (100, 60, 10.0), (60, 119, 10.0)]
)
def test_improvements_equal_those_of_tight_lbfgs(n, d, ratio):
    X, y = problem(3, n + 60, d)
    scorer = evaluation(3, d, "weighted_accuracy", n=100)
    weights = np.where(y == 0, ratio, 1.0)
    args = (X[:n], y[:n], X[n:], y[n:], scorer)
    found = oracle.improvements("logistic_regression", *args, sample_weight=weights)
    tight = TheirLogisticRegression(tol=1e-12, max_iter=100_000)
    expected = oracle.improvements(tight, *args, sample_weight=weights, engine="reference")
    np.testing.assert_array_equal(found, expected)


def give_up(monkeypatch, every: int) -> None:
    """Makes the kernel give up each ``every``-th refit."""
    refit_subsets = logistic_subsets.refit_subsets

    def refit_some(*args):
        refit_subsets(*args)
        decisions, converged = args[-2:]
        decisions[::every], converged[::every] = np.nan, False

    monkeypatch.setattr(logistic_subsets, "refit_subsets", refit_some)


@pytest.mark.parametrize(("n", "d"), [(50, 5), (20, 60)])
@pytest.mark.parametrize("every", [1, 3])
def test_what_the_kernel_gives_up_gets_the_same_scores(monkeypatch, n, d, every):
    X, y = problem(4, n, d)
    scorer, masks = evaluation(4, d, "log_loss"), masks_of(4, y, 6)
    usual = oracle.refit_scores("logistic_regression", X, y, masks, scorer)
    give_up(monkeypatch, every)
    newton = oracle.refit_scores("logistic_regression", X, y, masks, scorer)
    np.testing.assert_allclose(newton.scores, usual.scores, atol=1e-8)


@pytest.mark.parametrize(("n", "d"), [(60, 5), (25, 80)])
def test_blocks_do_not_change_scores(monkeypatch, n, d):
    X, y = problem(5, n, d)
    scorer, masks = evaluation(5, d, "weighted_accuracy"), masks_of(5, y, 12)
    whole = oracle.refit_scores("logistic_regression", X, y, masks, scorer)
    with compute.using(memory=20_000):
        small = oracle.refit_scores("logistic_regression", X, y, masks, scorer)
    monkeypatch.setattr(logistic_binary, "_REFITS", 7)
    few = oracle.refit_scores("logistic_regression", X, y, masks, scorer)
    for other in (small, few):
        np.testing.assert_array_equal(other.scores, whole.scores)
        np.testing.assert_array_equal(other.base_scores, whole.base_scores)


def test_subsets_together_equal_subsets_alone():
    X, y = problem(6, 50, 8)
    scorer, masks = evaluation(6, 8, "macro_f1"), masks_of(6, y, 10)
    together = oracle.refit_scores("logistic_regression", X, y, masks, scorer)
    for mask, values in zip(masks, together.improvements, strict=True):
        alone = oracle.improvements(
            "logistic_regression", X[mask], y[mask], X[~mask], y[~mask], scorer
        )
        np.testing.assert_array_equal(values[~mask], alone)


def test_candidates_are_independent_and_order_does_not_matter():
    X, y = problem(7, 90, 6)
    scorer = evaluation(7, 6, "weighted_accuracy")
    annotated, rest = np.arange(30), np.arange(30, 90)
    order = np.random.default_rng(0).permutation(60)

    def values(first, second):
        return oracle.improvements(
            "logistic_regression", X[first], y[first], X[second], y[second], scorer
        )

    whole = values(annotated, rest)
    np.testing.assert_array_equal(values(annotated, rest[order]), whole[order])
    np.testing.assert_array_equal(values(annotated, rest[:7]), whole[:7])
    np.testing.assert_array_equal(values(annotated[::-1], rest), whole)


def test_swapping_the_class_names_changes_nothing():
    X, y = problem(8, 70, 5)
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(50, 5)), rng.integers(2, size=50)
    values = [
        oracle.improvements(
            "logistic_regression", X[:30], names[:30], X[30:], names[30:],
            Scorer(points, evaluated, weights), sample_weight=np.where(names == names[0], 4.0, 1.0),
        )
        for names, evaluated, weights in ((y, labels, [1.8, 0.2]), (1 - y, 1 - labels, [0.2, 1.8]))
    ]  # fmt: skip
    np.testing.assert_allclose(values[0], values[1], atol=1e-14)


def test_ties_are_exact_and_values_are_counts_of_points():
    """88 % of the improvements are exactly 0 in the paper's setting; the others are few values."""
    X, y = problem(9, 400, 10)
    rng = np.random.default_rng(1)
    points, labels = rng.normal(size=(100, 10)), np.repeat([0, 1], [9, 91])
    args = ("logistic_regression", X[:100], y[:100], X[100:], y[100:])
    balanced = oracle.improvements(*args, Scorer(points, labels, [1.0, 1.0]))
    np.testing.assert_allclose(100 * balanced, np.round(100 * balanced), atol=1e-9)
    assert len(np.unique(balanced)) <= 15
    weighted = oracle.improvements(*args, Scorer(points, labels, [20 / 11, 2 / 11]))
    units = 181 * weighted  # a common point is worth 2/362 = 0.0055, a rare one 20/362 = 0.055
    np.testing.assert_allclose(units, np.round(units), atol=1e-9)
    assert np.mean(balanced == 0) > 0.02


def test_evaluation_points_far_outside_the_rows_span():
    """With fewer rows than features only the part of a point in the rows' span can matter."""
    X, y = problem(10, 12, 30)
    rng = np.random.default_rng(2)
    points = 50 * rng.normal(size=(60, 30))
    scorer = Scorer(points, rng.integers(2, size=60), [1.0, 1.0])
    args = (X[:6], y[:6], X[6:], y[6:], scorer)
    found = oracle.improvements("logistic_regression", *args)
    expected = oracle.improvements("logistic_regression", *args, engine="reference")
    np.testing.assert_array_equal(found, expected)


def test_an_unconverged_refit_is_an_error(monkeypatch):
    give_up(monkeypatch, 5)
    monkeypatch.setattr("lalbench.oracle.stacked_newton._STEPS", 2)
    X, y = problem(11, 40, 5)
    with pytest.raises(NotConvergedError, match="did not converge; scale the features"):
        oracle.improvements(
            "logistic_regression", X[:20], y[:20], X[20:], y[20:],
            evaluation(11, 5, "weighted_accuracy"),
        )  # fmt: skip


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_badly_scaled_features(scale):
    X, y = problem(12, 60, 5)
    X[:, 1] *= scale
    scorer = evaluation(12, 5, "log_loss")
    scorer = Scorer(scorer.X * [1, scale, 1, 1, 1], scorer.y, scorer.class_weights, "log_loss")
    args = (X[:25], y[:25], X[25:], y[25:], scorer)
    found = oracle.improvements("logistic_regression", *args)
    expected = oracle.improvements("logistic_regression", *args, engine="reference")
    np.testing.assert_allclose(found, expected, atol=1e-7)
