"""Weighted fits, probabilities and decision values for all classes of the problem."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from lalbench.classifiers import clone, decision, fit, probabilities
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.errors import UserError


def points(classes: list[int], n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.array(classes)[np.arange(n) % len(classes)]
    return rng.normal(size=(n, 3)) + y[:, None], y


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        SVC(),
        SVC(kernel="linear"),
        RandomForestClassifier(),
    ],
)
@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2], [1, 3], [0, 2, 3]])
def test_probabilities_and_decisions_agree_with_the_prediction(
    classifier: object, classes: list[int]
) -> None:
    X, y = points(classes)
    fitted = clone(classifier).fit(X, y)
    n_classes = max(classes) + 1
    found, values = probabilities(fitted, X, n_classes), decision(fitted, X, n_classes)
    absent = [label for label in range(n_classes) if label not in classes]
    assert found.shape == (60, n_classes)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    assert (found[:, absent] == 0).all()
    clear = np.sort(found, axis=1)[:, -1] > np.sort(found, axis=1)[:, -2]
    assert (found.argmax(axis=1) == fitted.predict(X))[clear].all()
    if n_classes == 2:
        assert ((values > 0) == fitted.predict(X))[clear].all()
    else:
        assert values.shape == (60, n_classes)
        assert (values.argmax(axis=1) == fitted.predict(X))[clear].all()
        assert (values[:, absent] < values.max(axis=1, keepdims=True)).all()


def test_own_probabilities_are_passed_through() -> None:
    for classes in ([0, 1], [0, 1, 2]):
        X, y = points(classes)
        fitted = LogisticRegression().fit(X, y)
        np.testing.assert_array_equal(
            probabilities(fitted, X, len(classes)), fitted.predict_proba(X)
        )
        np.testing.assert_array_equal(
            decision(fitted, X, len(classes)), fitted.decision_function(X)
        )


def test_the_surrogate_of_an_svm_is_logistic_or_softmax() -> None:
    X, y = points([0, 1])
    two = SVC().fit(X, y)
    np.testing.assert_allclose(
        probabilities(two, X, 2)[:, 1], expit(two.decision_function(X)), rtol=1e-12
    )
    X, y = points([0, 1, 2])
    three = SVC().fit(X, y)
    np.testing.assert_allclose(
        probabilities(three, X, 3), softmax(three.decision_function(X), axis=1), rtol=1e-12
    )


def test_two_seen_classes_of_three_keep_sign_and_size() -> None:
    X, y = points([0, 2])
    fitted = SVC().fit(X, y)
    values = decision(fitted, X, 3)
    np.testing.assert_array_equal(values[:, 2], fitted.decision_function(X))
    np.testing.assert_array_equal(values[:, 0], -values[:, 2])
    assert np.isneginf(values[:, 1]).all()


def test_decisions_of_a_forest_are_finite_log_odds() -> None:
    X, y = points([0, 1])
    fitted = KNeighborsClassifier(4).fit(X, y)
    p = fitted.predict_proba(X)[:, 1]
    values = decision(fitted, X, 2)
    assert np.isfinite(values).all()
    inner = (p > 0) & (p < 1)
    assert inner.any()
    assert not inner.all()
    np.testing.assert_allclose(values[inner], np.log(p[inner] / (1 - p[inner])), atol=1e-12)
    assert (values[p == 1] > 30).all()
    assert (values[p == 0] < -30).all()


def test_one_vs_one_values_are_refused() -> None:
    for classes in ([0, 1, 2], [0, 1, 2, 3]):
        X, y = points(classes)
        fitted = SVC(decision_function_shape="ovo").fit(X, y)
        with pytest.raises(UserError, match="decision_function_shape: ovr"):
            decision(fitted, X, len(classes))


def test_a_classifier_that_only_predicts_is_refused() -> None:
    class OnlyPredicts:
        classes_ = np.array([0, 1])

    for signal in (probabilities, decision):
        with pytest.raises(UserError, match="neither probabilities nor decision values"):
            signal(OnlyPredicts(), np.zeros((2, 1)), 2)


def test_labels_outside_the_problem_are_refused() -> None:
    X, _ = points([0, 1])
    for labels in (np.arange(60) % 2 + 1, np.array(["a", "b"])[np.arange(60) % 2]):
        fitted = LogisticRegression().fit(X, labels)
        for signal in (probabilities, decision):
            with pytest.raises(UserError, match=r"fit it on integers 0 … 1"):
                signal(fitted, X, 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_fit_weights_are_looked_up_by_label(seed: int, n_classes: int) -> None:
    """Also when a class is missing: its weight must not shift to another."""
    rng = np.random.default_rng(seed)
    classes = [*range(n_classes - 1), n_classes]  # class n_classes - 1 is missing
    X, y = points(classes, seed=seed)
    weights = rng.uniform(0.1, 5, n_classes + 1)
    found = fit(LogisticRegression(), X, y, weights)
    expected = LogisticRegression().fit(X, y, [weights[label] for label in y])
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    unweighted = fit(LogisticRegression(), X, y)
    np.testing.assert_array_equal(unweighted.coef_, LogisticRegression().fit(X, y).coef_)


def test_weights_need_a_classifier_that_takes_them_and_one_per_class() -> None:
    X, y = points([0, 1])
    with pytest.raises(UserError, match=r"KNeighborsClassifier.fit takes no sample_weight"):
        fit(KNeighborsClassifier(), X, y, [1, 2])
    assert fit(KNeighborsClassifier(), X, y) is not None
    with pytest.raises(UserError, match="2 weights for labels 0 … 2"):
        fit(LogisticRegression(), *points([0, 2]), [1, 2])
