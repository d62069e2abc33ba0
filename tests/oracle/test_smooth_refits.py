"""Smooth scores of refits: every engine against a loop of scikit-learn's refits."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from lalbench import compute, oracle
from lalbench.classifiers.random_forest import RandomForest
from lalbench.errors import UserError
from lalbench.objectives import Panel, Scorer, SmoothScorer

EXACT_LOGISTIC = LogisticRegression(tol=1e-12, max_iter=10_000)
EXACT_SVM = SVC(tol=1e-10)


def problem(n_classes: int, seed: int = 0, n: int = 40, d: int = 4):
    """Rows, labels, one annotated mask with every class, points and their soft labels."""
    rng = np.random.default_rng(seed)
    means = 1.5 * rng.normal(size=(n_classes, d))
    y = np.append(np.tile(np.arange(n_classes), 3), rng.integers(0, n_classes, n - 3 * n_classes))
    X = rng.normal(size=(n, d)) + means[y]
    points = rng.normal(size=(30, d)) + means[rng.integers(0, n_classes, 30)]
    v = rng.dirichlet(np.ones(n_classes), 30)
    mask = np.arange(n) < max(12, 3 * n_classes)
    return X, y, mask, points, v, rng.uniform(0.5, 3, n_classes)


def probabilities(classifier: Any, points: np.ndarray, n_classes: int, slope: float) -> np.ndarray:
    """By the definition: log-odds that fit those of all pairs by least squares."""
    if hasattr(classifier, "predict_proba"):
        return classifier.predict_proba(points)
    if n_classes == 2:
        second = expit(slope * classifier.decision_function(points))
        return np.column_stack([1 - second, second])
    classifier.decision_function_shape = "ovo"
    pairs = np.array(list(combinations(range(n_classes), 2)))
    differences = np.zeros((len(pairs), n_classes))
    differences[np.arange(len(pairs)), pairs[:, 0]] = 1
    differences[np.arange(len(pairs)), pairs[:, 1]] = -1
    odds = slope * classifier.decision_function(points)
    return softmax(np.linalg.lstsq(differences, odds.T)[0].T, axis=1)


def by_hand(classifier, X, y, mask, points, v, class_weights, slope, weights):
    """Expected weighted accuracy of the subset and with each other row."""
    inside = np.flatnonzero(mask)
    found = []
    for candidate in [None, *np.flatnonzero(~mask)]:
        rows = inside if candidate is None else np.append(inside, candidate)
        sample_weight = None if weights is None else weights[rows]
        fitted = clone(classifier).fit(X[rows], y[rows], sample_weight=sample_weight)
        p = probabilities(fitted, points, len(class_weights), slope)
        found.append((class_weights * v * p).sum() / (class_weights * v).sum())
    return found[0], np.array(found[1:])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("classifier", [EXACT_LOGISTIC, EXACT_SVM], ids=["logistic", "svm"])
@pytest.mark.parametrize("weighted", [False, True])
def test_fast_engines_agree_with_a_loop(classifier: Any, n_classes: int, weighted: bool) -> None:
    X, y, mask, points, v, w = problem(n_classes)
    weights = np.random.default_rng(1).uniform(0.2, 2, n_classes)[y] if weighted else None
    scorer = SmoothScorer(points, v, w, slope=1.7)
    found = oracle.refit_scores(classifier, X, y, mask[None], scorer, sample_weight=weights)
    assert found.engine == ("svm" if isinstance(classifier, SVC) else "logistic")
    base, after = by_hand(classifier, X, y, mask, points, v, w, 1.7, weights)
    assert found.base_scores[0] == pytest.approx(base, abs=1e-6)
    np.testing.assert_allclose(found.scores[0, ~mask], after, atol=1e-6)
    assert len(np.unique(found.scores[0, ~mask])) == (~mask).sum()  # no longer piecewise constant


@pytest.mark.parametrize("gamma", ["scale", 0.3])
@pytest.mark.parametrize("C", [0.1, 1.0, 100.0])
def test_margins_of_many_machines_are_exact(gamma: Any, C: float) -> None:
    """Larger subsets, where machines come from the tableau of their subset."""
    X, y, _, points, v, w = problem(2, seed=3, n=160, d=8)
    mask = np.arange(160) < 100
    classifier = SVC(tol=1e-10, gamma=gamma, C=C)
    scorer = SmoothScorer(points, v, w, slope=3.0)
    found = oracle.refit_scores(classifier, X, y, mask[None], scorer)
    base, after = by_hand(classifier, X, y, mask, points, v, w, 3.0, None)
    assert found.base_scores[0] == pytest.approx(base, abs=1e-6)
    np.testing.assert_allclose(found.scores[0, ~mask], after, atol=1e-6)


@pytest.mark.parametrize(
    "classifier",
    [
        EXACT_LOGISTIC,
        EXACT_SVM,
        RandomForestClassifier(10, random_state=0),
        RandomForest(10, random_state=0),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_panel_gives_the_scores_of_each_from_the_same_refits(
    classifier: Any, n_classes: int
) -> None:
    X, y, mask, points, v, w = problem(n_classes, seed=1)
    masks = np.stack([mask, np.roll(mask, 5)])
    hard = Scorer(points, v.argmax(1), w)
    scorers = [hard, SmoothScorer(points, v, w), SmoothScorer(X, y, w, sharpness=4)]
    found = oracle.refit_scores(classifier, X, y, masks, Panel(scorers))
    assert found.base_scores.shape == (2, 3)
    assert found.scores.shape == (2, len(y), 3)
    assert found.improvements.shape == (2, len(y), 3)
    for k, scorer in enumerate(scorers):
        alone = oracle.refit_scores(classifier, X, y, masks, scorer)
        np.testing.assert_allclose(found.base_scores[:, k], alone.base_scores, atol=1e-7)
        np.testing.assert_allclose(found.scores[:, :, k], alone.scores, atol=1e-7)


@pytest.mark.parametrize("classifier", [EXACT_LOGISTIC, EXACT_SVM], ids=["logistic", "svm"])
def test_subsets_of_one_class_are_certain(classifier: Any) -> None:
    X, y, _, points, v, w = problem(2)
    mask = np.zeros(len(y), dtype=bool)
    mask[np.flatnonzero(y == 1)[:4]] = True
    scorer = SmoothScorer(points, v, w)
    found = oracle.refit_scores(classifier, X, y, mask[None], scorer)
    expected = (w[1] * v[:, 1]).sum() / (w * v).sum()
    assert found.base_scores[0] == pytest.approx(expected)
    same = ~mask & (y == 1)
    np.testing.assert_allclose(found.scores[0, same], expected)
    assert (found.scores[0, y == 0] != expected).all()
    assert np.isfinite(found.scores[0, ~mask]).all()


def test_an_objective_of_probabilities_leaves_svm_to_the_reference() -> None:
    X, y, mask, points, v, w = problem(2)
    panel = Panel([SmoothScorer(points, v, w), Scorer(points, v.argmax(1), w, "log_loss")])
    assert oracle.choose_engine(EXACT_SVM, panel) == "reference"
    assert oracle.choose_engine(EXACT_SVM, SmoothScorer(points, v, w, "log_loss")) == "svm"
    with pytest.raises(UserError, match="gives no probabilities"):
        oracle.refit_scores(EXACT_SVM, X, y, mask[None], panel)


def test_tables_tell_sharpness_slope_and_panels_apart(tmp_path: Any) -> None:
    X, y, mask, points, v, w = problem(2)
    given = [
        SmoothScorer(points, v, w),
        SmoothScorer(points, v, w, sharpness=2),
        SmoothScorer(points, v, w, slope=2),
        SmoothScorer(points, v[::-1].copy(), w),
        SmoothScorer(points, v, w, "balanced_accuracy"),
        Panel([SmoothScorer(points, v, w)]),
        Panel([SmoothScorer(points, v, w), SmoothScorer(points, v, w, sharpness=2)]),
        Scorer(points, v.argmax(1), w),
    ]
    classifier = SVC(random_state=0)  # an option that is drawn has no lasting name
    with compute.using(cache=tmp_path):
        for count, scorer in enumerate(given, start=1):
            first = oracle.refit_scores(classifier, X, y, mask[None], scorer)
            assert len(list(tmp_path.rglob("*.npz"))) == count
            again = oracle.refit_scores(classifier, X, y, mask[None], scorer)
            np.testing.assert_array_equal(first.scores, again.scores)
    assert len(list(tmp_path.rglob("*.npz"))) == len(given)


def hits(y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> float:
    return float(np.mean(y == predictions))


def expected_hits(v: np.ndarray, p: np.ndarray, weights: np.ndarray) -> float:
    return float((v * p).sum(1).mean())


def half_of_them(v: np.ndarray, p: np.ndarray, weights: np.ndarray) -> float:
    return expected_hits(v, p, weights) / 2


def test_another_companion_of_a_function_is_another_table(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y, mask, points, v, w = problem(2)
    found = []
    with compute.using(cache=tmp_path):
        for companion in (expected_hits, half_of_them):
            monkeypatch.setattr(hits, "smooth", companion, raising=False)
            scorer = SmoothScorer(points, v, w, hits)
            found.append(oracle.refit_scores(EXACT_LOGISTIC, X, y, mask[None], scorer))
    np.testing.assert_allclose(found[1].base_scores, found[0].base_scores / 2, rtol=1e-12)
