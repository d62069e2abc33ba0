"""Improvements: the interface, the choice of the engine, and both engines against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from lalbench import classifiers, compute, oracle
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.errors import UserError
from lalbench.objectives import Scorer


def data(seed: int, n: int, d: int = 4, n_classes: int = 2):
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n - n_classes))
    X = rng.normal(size=(n, d)) + 0.8 * np.eye(n_classes, d)[y]
    return X, y


def scorer_of(seed: int, n_classes: int = 2, objective="weighted_accuracy", n: int = 50):
    X, y = data(seed + 1000, n, n_classes=n_classes)
    return Scorer(X, y, np.linspace(0.5, 1.5, n_classes), objective)


def plain_loop(make, X, y, X_candidates, y_candidates, scorer, weights=None):
    """Algorithm 2 of the paper, word for word."""

    def value(rows, labels, w):
        kwargs = {} if w is None else {"sample_weight": w}
        return scorer(make().fit(rows, labels, **kwargs))

    n = len(X)
    before = value(X, y, None if weights is None else weights[:n])
    return np.array(
        [
            value(
                np.vstack([X, x]),
                np.append(y, label),
                None if weights is None else np.append(weights[:n], weights[n + i]),
            )
            - before
            for i, (x, label) in enumerate(zip(X_candidates, y_candidates, strict=True))
        ]
    )


MAKERS = {
    "logistic_regression": lambda: LogisticRegression(C=0.7),
    "svm": lambda: SVC(tol=1e-8),
    "naive_bayes": GaussianNB,
    "forest": lambda: RandomForestClassifier(5, bootstrap=False, random_state=3),
}


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", ["weighted_accuracy", "macro_f1"])
def test_improvements_are_those_of_the_plain_loop(name, weighted, objective):
    X, y = data(1, 45)
    scorer = scorer_of(1, objective=objective)
    weights = np.where(y == 0, 3.0, 0.5) if weighted else None
    found = oracle.improvements(
        MAKERS[name](), X[:20], y[:20], X[20:], y[20:], scorer, sample_weight=weights
    )
    expected = plain_loop(MAKERS[name], X[:20], y[:20], X[20:], y[20:], scorer, weights)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.any(found != 0)


@pytest.mark.parametrize("name", ["logistic_regression", "naive_bayes"])
def test_improvements_of_probabilities(name):
    X, y = data(2, 40)
    scorer = scorer_of(2, objective="log_loss")
    found = oracle.improvements(MAKERS[name](), X[:15], y[:15], X[15:], y[15:], scorer)
    expected = plain_loop(MAKERS[name], X[:15], y[:15], X[15:], y[15:], scorer)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("make", "engine"), [(LogisticRegression, "logistic"), (lambda: SVC(tol=1e-8), "svm")]
)
def test_three_classes(make, engine):
    X, y = data(3, 40, n_classes=3)
    scorer = scorer_of(3, n_classes=3)
    assert oracle.choose_engine(make(), scorer) == engine
    found = oracle.improvements(make(), X[:15], y[:15], X[15:], y[15:], scorer)
    expected = plain_loop(make, X[:15], y[:15], X[15:], y[15:], scorer)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_third_class_may_enter_with_a_candidate():
    X, y = data(4, 30, n_classes=3)
    first, rest = np.flatnonzero(y < 2)[:8], np.flatnonzero(y == 2)
    scorer = scorer_of(4, n_classes=3)
    found = oracle.improvements("logistic_regression", X[first], y[first], X[rest], y[rest], scorer)
    expected = plain_loop(LogisticRegression, X[first], y[first], X[rest], y[rest], scorer)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("engine", ["logistic", "reference"])
@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
def test_annotated_rows_of_one_class(engine, objective):
    """Before: always class 1. After a candidate of class 1: the same. After class 0: a real fit."""
    X, y = data(5, 30)
    annotated, rest = np.flatnonzero(y == 1)[:6], np.append(np.flatnonzero(y == 1)[6:], [0, 5])
    rest = np.append(rest, np.flatnonzero(y == 0)[:4])
    scorer = scorer_of(5, objective=objective)
    found = oracle.improvements(
        "logistic_regression", X[annotated], y[annotated], X[rest], y[rest], scorer, engine=engine
    )
    if objective == "weighted_accuracy":
        before = scorer.class_weights[scorer.y] @ (scorer.y == 1)
        before /= scorer.class_weights[scorer.y].sum()
    else:
        before = scorer.score(np.tile([0.0, 1.0], (len(scorer.y), 1)))
    assert np.all(found[y[rest] == 1] == 0)
    for place in np.flatnonzero(y[rest] == 0):
        rows = np.append(annotated, rest[place])
        after = scorer(LogisticRegression().fit(X[rows], y[rows]))
        assert found[place] == pytest.approx(after - before, abs=1e-7)


@pytest.mark.parametrize("engine", ["logistic", "reference"])
def test_rows_of_weight_zero_do_not_count_as_a_class(engine):
    X, y = data(6, 20)
    weights = np.where(y == 0, 0.0, 1.0)
    scorer = scorer_of(6)
    found = oracle.improvements(
        "logistic_regression", X[:8], y[:8], X[8:], y[8:], scorer,
        sample_weight=weights, engine=engine,
    )  # fmt: skip
    np.testing.assert_array_equal(found, 0.0)


def test_one_weight_per_class_goes_to_the_candidates():
    X, y = data(7, 40)
    weights = np.where(y == 0, 5.0, 1.0)
    scorer = scorer_of(7)
    args = ("logistic_regression", X[:15], y[:15], X[15:], y[15:], scorer)
    short = oracle.improvements(*args, sample_weight=weights[:15])
    full = oracle.improvements(*args, sample_weight=weights)
    np.testing.assert_array_equal(short, full)
    assert not np.array_equal(full, oracle.improvements(*args))


def test_weights_that_do_not_tell_the_candidates_weight():
    X, y = data(8, 20)
    scorer = scorer_of(8)
    args = ("logistic_regression", X[:10], y[:10], X[10:], y[10:], scorer)
    with pytest.raises(UserError, match="different weights in class"):
        oracle.improvements(*args, sample_weight=np.arange(1.0, 11.0))
    only = np.flatnonzero(y == 1)[:5]
    with pytest.raises(UserError, match="weight of class 0"):
        oracle.improvements(
            "logistic_regression", X[only], y[only], X[10:], y[10:], scorer, sample_weight=[1.0] * 5
        )
    with pytest.raises(UserError, match="shape"):
        oracle.improvements(*args, sample_weight=np.ones(7))
    with pytest.raises(UserError, match="negative"):
        oracle.improvements(*args, sample_weight=np.append(np.ones(19), -1.0))
    with pytest.raises(UserError, match="positive weight"):
        oracle.improvements(*args, sample_weight=np.append(np.zeros(10), np.ones(10)))


@pytest.mark.parametrize(
    ("classifier", "engine"),
    [
        ("logistic_regression", "logistic"),
        (LogisticRegression(C=3.0), "logistic"),
        (LogisticRegression(solver="lbfgs_unscaled"), "logistic"),
        (TheirLogisticRegression(C=0.1), "logistic"),
        (TheirLogisticRegression(solver="newton-cholesky", tol=1e-12), "logistic"),
        (TheirLogisticRegression(class_weight="balanced"), "reference"),
        (TheirLogisticRegression(fit_intercept=False), "logistic"),
        (TheirLogisticRegression(solver="liblinear"), "reference"),
        (TheirLogisticRegression(solver="saga", l1_ratio=0.5), "reference"),
        (TheirLogisticRegression(C=np.inf), "reference"),
        ("svm", "svm"),
        (SVC(class_weight="balanced"), "reference"),
        (SVC(kernel="sigmoid"), "reference"),
        (GaussianNB(), "reference"),
    ],
)
def test_choice_of_the_engine(classifier, engine):
    assert oracle.choose_engine(classifier, scorer_of(9)) == engine


def test_a_subclass_may_do_anything_so_it_gets_the_reference():
    class Own(LogisticRegression):
        pass

    assert oracle.choose_engine(Own(), scorer_of(9)) == "reference"


def test_their_logistic_regression_gets_its_exact_optimum():
    X, y = data(10, 60, d=6)
    rng = np.random.default_rng(0)
    scorer = Scorer(rng.normal(size=(40, 6)), rng.integers(2, size=40), [1.0, 1.0], "log_loss")
    args = (X[:20], y[:20], X[20:], y[20:], scorer)
    found = oracle.improvements(TheirLogisticRegression(C=5.0), *args)
    solver = TheirLogisticRegression(C=5.0, solver="newton-cholesky", tol=1e-12)
    tight = oracle.improvements(solver, *args, engine="reference")
    np.testing.assert_allclose(found, tight, atol=1e-7)


def test_engine_can_be_forced_and_errors_are_clear():
    X, y = data(11, 20)
    scorer = scorer_of(11)
    args = (X[:10], y[:10], X[10:], y[10:], scorer)
    with pytest.raises(UserError, match='"logistic" with SVC'):
        oracle.improvements("svm", *args, engine="logistic")
    with pytest.raises(UserError, match='did you mean "logistic"'):
        oracle.improvements("svm", *args, engine="logistc")
    with pytest.raises(UserError, match="takes no sample_weight"):
        oracle.improvements(KNeighborsClassifier(1), *args, sample_weight=np.ones(20))
    masks = np.arange(20)[None] < 10
    forced = oracle.refit_scores("logistic_regression", X, y, masks, scorer, engine="reference")
    chosen = oracle.refit_scores("logistic_regression", X, y, masks, scorer)
    assert (forced.engine, chosen.engine) == ("reference", "logistic")
    np.testing.assert_array_equal(forced.improvements, chosen.improvements)


def test_arrays_that_do_not_fit_together():
    X, y = data(12, 20)
    scorer = scorer_of(12)
    with pytest.raises(UserError, match="X_candidates"):
        oracle.improvements("svm", X[:10], y[:10], X[10:, :2], y[10:], scorer)
    with pytest.raises(UserError, match="one integer label per row"):
        oracle.improvements("svm", X[:10], y[:9], X[10:], y[10:], scorer)
    with pytest.raises(UserError, match="labels 0 … 3"):
        oracle.improvements("svm", X[:10], y[:10], X[10:], 3 * y[10:], scorer)
    with pytest.raises(UserError, match="evaluation points"):
        oracle.improvements("svm", X[:10, :3], y[:10], X[10:, :3], y[10:], scorer)
    with pytest.raises(UserError, match="at least one row"):
        oracle.improvements("svm", X[:0], y[:0], X, y, scorer)
    broken = X.copy()
    broken[15, 1] = np.nan
    with pytest.raises(UserError, match="missing or infinite"):
        oracle.improvements("svm", broken[:10], y[:10], broken[10:], y[10:], scorer)


@pytest.mark.parametrize("name", ["logistic_regression", "svm"])
def test_no_candidates(name):
    X, y = data(13, 10)
    found = oracle.improvements(name, X, y, np.empty((0, 4)), [], scorer_of(13))
    assert found.shape == (0,)


def test_the_classifier_is_left_unfitted():
    X, y = data(14, 20)
    for classifier in (classifiers.get("logistic_regression"), classifiers.get("svm")):
        oracle.improvements(classifier, X[:10], y[:10], X[10:], y[10:], scorer_of(14))
        assert not hasattr(classifier, "classes_")


def test_reference_does_not_depend_on_the_number_of_processes():
    X, y = data(15, 40, n_classes=3)
    masks = np.random.default_rng(0).random((3, 40)) < 0.4
    scorer = scorer_of(15, n_classes=3)
    forest = RandomForestClassifier(4, bootstrap=False, random_state=1)
    one = oracle.refit_scores(forest, X, y, masks, scorer)
    with compute.using(processes=2):
        two = oracle.refit_scores(forest, X, y, masks, scorer)
    np.testing.assert_array_equal(one.scores, two.scores)
    np.testing.assert_array_equal(one.base_scores, two.base_scores)
    assert one.engine == "reference"


@pytest.mark.parametrize(("n_first", "n_second"), [(9, 11), (11, 9), (10, 9)])
def test_labels_must_belong_to_their_rows(n_first, n_second):
    X, y = data(16, 30)
    first, second = y[:n_first], y[10 : 10 + n_second]
    with pytest.raises(UserError, match=r"y_(annotated|candidates): shape .* for 10 rows"):
        oracle.improvements(GaussianNB(), X[:10], first, X[10:20], second, scorer_of(16))
