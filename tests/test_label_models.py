"""Label models: calibration, choice and mixture against scikit-learn and by invariance."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit
from sklearn.svm import SVC

from lalbench import label_models
from lalbench.classifiers.folds import stratified_folds
from lalbench.errors import UserError
from lalbench.label_models import fit_label_model


def drawn(n: int = 150, n_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    return rng.normal(size=(n, 4)) + 1.2 * np.eye(4)[y], y


@given(
    counts=st.lists(st.integers(0, 13), min_size=1, max_size=5),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 99),
)
def test_folds_have_equal_shares_of_every_class(counts: list[int], n_folds: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    folds = stratified_folds(labels, n_folds)
    for label, count in enumerate(counts):
        own = folds[labels == label]
        if count == 1:
            assert own.tolist() == [-1]
        elif count:
            sizes = np.bincount(own, minlength=n_folds)
            used = sizes[sizes > 0]
            assert used.max() - used.min() <= 1
            assert used.max() < count  # never all members at once
    turned = np.arange(len(counts))[::-1][labels]
    np.testing.assert_array_equal(stratified_folds(turned, n_folds), folds)


def test_losses_and_choice_are_those_of_cross_validation() -> None:
    X, y = drawn()
    model = fit_label_model(X, y, 2, candidates=["logistic_regression", "extra_trees"])
    folds, said = stratified_folds(y, 5), np.empty((len(y), 2))
    for fold in range(5):
        inside = folds != fold
        exact = LogisticRegression(tol=1e-10, max_iter=1000).fit(X[inside], y[inside])
        said[~inside] = exact.predict_proba(X[~inside])
    n = len(y)
    prior = (np.bincount(y) + 1) / (n + 2)
    expected = log_loss(y, said * n / (n + 1) + prior / (n + 1))
    assert model.losses["logistic_regression"] == pytest.approx(expected, rel=1e-6)
    assert model.losses["extra_trees"] > expected
    assert model.shares == {"logistic_regression": 1.0, "extra_trees": 0.0}
    whole = LogisticRegression(tol=1e-10, max_iter=1000).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(
        model.probabilities(X), whole * n / (n + 1) + prior / (n + 1), rtol=1e-5
    )


def test_margins_are_calibrated_as_scikit_learn_does() -> None:
    """Platt's sigmoid on margins of held-out rows, and a machine of all rows."""
    X, y = drawn(seed=1)
    model = fit_label_model(X, y, 2, candidates=["svm"])
    split = PredefinedSplit(stratified_folds(y, 5))
    theirs = CalibratedClassifierCV(SVC(), method="sigmoid", cv=split, ensemble=False).fit(X, y)
    points = drawn(seed=2)[0]
    n = len(y)
    prior = (np.bincount(y) + 1) / (n + 2)
    expected = theirs.predict_proba(points) * n / (n + 1) + prior / (n + 1)
    np.testing.assert_allclose(model.probabilities(points), expected, atol=2e-4)


def test_platts_targets() -> None:
    rng = np.random.default_rng(3)
    margins, positive = rng.normal(size=60), rng.random(60) < 0.3
    a, b = label_models._fit_sigmoid(margins, positive)
    count = positive.sum()
    target = np.where(positive, (count + 1) / (count + 2), 1 / (60 - count + 2))

    def loss(parameters: np.ndarray) -> float:
        p = expit(parameters[0] * margins + parameters[1])
        return -float((target * np.log(p) + (1 - target) * np.log(1 - p)).sum())

    best = minimize(loss, [1.0, 0.0], tol=1e-12).x
    np.testing.assert_allclose([a, b], best, rtol=1e-4, atol=1e-4)


def test_weights_of_a_mixture_minimise_its_loss() -> None:
    rng = np.random.default_rng(4)
    own = rng.uniform(0.05, 1, (3, 80))
    shares = label_models._shares(own, "stack")
    assert shares.sum() == pytest.approx(1)
    best = -np.log(shares @ own).mean()
    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 41) for b in np.linspace(0, 1 - a, 41)]
    others = [-np.log(np.maximum(np.array(each) @ own, 1e-300)).mean() for each in grid]
    assert best <= min(others) + 1e-9


def test_an_average_is_the_mean_of_its_members() -> None:
    X, y = drawn(80, 3, seed=2)
    points = drawn(seed=7)[0]
    kinds = ["svm", "random_forest", "gaussian_process"]
    both = fit_label_model(X, y, 3, candidates=kinds, combine="average")
    alone = [fit_label_model(X, y, 3, candidates=[kind]) for kind in kinds]
    expected = np.mean([each.probabilities(points) for each in alone], axis=0)
    np.testing.assert_allclose(both.probabilities(points), expected, rtol=1e-12)
    assert both.losses == {kind: each.losses[kind] for kind, each in zip(kinds, alone, strict=True)}
    assert set(both.shares.values()) == {1 / 3}


@pytest.mark.parametrize("combine", ["choose", "stack", "average"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_numbers_of_classes_do_not_matter(combine: str, n_classes: int) -> None:
    X, y = drawn(90, n_classes, seed=5)
    points = drawn(seed=7)[0]
    candidates = ["logistic_regression", "svm", "gaussian_process", "random_forest"]
    options = {"candidates": candidates, "combine": combine}
    first = fit_label_model(X, y, n_classes, **options)
    turned = fit_label_model(X, n_classes - 1 - y, n_classes, **options)
    np.testing.assert_allclose(
        first.probabilities(points), turned.probabilities(points)[:, ::-1], atol=2e-3
    )


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(0, 4), min_size=2, max_size=4).filter(lambda each: sum(each) > 0),
    combine=st.sampled_from(["choose", "stack", "average"]),
    seed=st.integers(0, 99),
)
def test_few_members_of_a_class_do_no_harm(counts: list[int], combine: str, seed: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    rng = np.random.default_rng(seed)
    X, points = rng.normal(size=(len(y), 3)), rng.normal(size=(20, 3))
    model = fit_label_model(X, y, len(counts), combine=combine)
    q = model.probabilities(points)
    assert q.shape == (20, len(counts))
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-9)
    assert (q > 0).all()
    if np.count_nonzero(counts) > 1:
        assert sum(model.shares.values()) == pytest.approx(1)
    else:
        np.testing.assert_allclose(q[0], (np.array(counts) + 1) / (len(y) + len(counts)))
        assert all(math.isnan(loss) for loss in model.losses.values())
        assert "NaN" not in json.dumps(model.details)


def test_a_classifier_by_import_path_and_what_is_unknown() -> None:
    X, y = drawn(60)
    path = "sklearn.naive_bayes:GaussianNB"
    model = fit_label_model(X, y, 2, candidates=[path, "svm"], combine="stack")
    assert set(model.losses) == {path, "svm"}
    with pytest.raises(UserError, match='did you mean "svm"'):
        fit_label_model(X, y, 2, candidates=["svn"])
    with pytest.raises(UserError, match="no candidates"):
        fit_label_model(X, y, 2, candidates=[])


def test_a_class_that_fails_is_named() -> None:
    """Where it is fitted, and where it is asked."""
    X, y = drawn(60)
    path = "sklearn.naive_bayes:MultinomialNB"
    with pytest.raises(UserError, match=f'label_model: "{path}" failed on standardised features'):
        fit_label_model(X - 5, y, 2, candidates=[path])
    path = "sklearn.neighbors:KNeighborsClassifier"
    with pytest.raises(UserError, match=f'label_model: "{path}" failed .*n_neighbors'):
        fit_label_model(X[:2], np.array([0, 1]), 2, candidates=[path]).probabilities(X)
