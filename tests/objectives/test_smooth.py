"""Smooth companions against naive sums, enumeration, the objectives themselves and invariances."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from lalbench import objectives
from lalbench.errors import UserError
from lalbench.objectives import Panel, Scorer, SmoothScorer

NAMES = objectives.names()


def objective_of(name: str, n_classes: int) -> Any:
    options: dict[str, Any] = {}
    if name == "cost_matrix":
        options["matrix"] = np.random.default_rng(1).uniform(size=(n_classes, n_classes)).tolist()
    return objectives.get(name, **options)


def classes_of(name: str) -> int:
    return 2 if name in ("iou", "dice", "ams", "roc_auc") else 3


def simplex(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_certain_labels_and_predictions_give_the_objective_itself(name: str) -> None:
    rng, n_classes = np.random.default_rng(0), classes_of(name)
    y = np.append(np.arange(n_classes), rng.integers(0, n_classes, 30))
    weights, X = rng.uniform(0.5, 2, n_classes), np.zeros((len(y), 1))
    objective = objective_of(name, n_classes)
    certain = np.eye(n_classes)[rng.integers(0, n_classes, (7, len(y)))]
    scorer = Scorer(X, y, weights, objective)
    given_values = certain if scorer.needs == "probabilities" else certain.argmax(2)
    for labels in (y, np.eye(n_classes)[y]):
        smooth = SmoothScorer(X, labels, weights, objective)
        np.testing.assert_allclose(smooth.score(certain), scorer.score(given_values), rtol=1e-12)


@pytest.mark.parametrize("name", ["weighted_accuracy", "cost_matrix", "rare_recall"])
def test_linear_objectives_are_expected_over_independent_draws(name: str) -> None:
    """Enumerates all predictions of five points; labels are certain, so that nothing is divided."""
    rng = np.random.default_rng(1)
    y, weights = np.array([0, 1, 2, 1, 0]), np.array([0.3, 1.0, 2.0])
    p = simplex(rng, 5, 3)
    objective = objective_of(name, 3)
    expected = 0.0
    for drawn in itertools.product(range(3), repeat=5):
        chance = np.prod(p[np.arange(5), drawn])
        expected += chance * Scorer(np.zeros((5, 1)), y, weights, objective).score(np.array(drawn))
    found = SmoothScorer(np.zeros((5, 1)), y, weights, objective).score(p)
    assert found == pytest.approx(expected, rel=1e-12)


@given(seed=st.integers(0, 999), n=st.integers(1, 12), n_classes=st.integers(2, 4))
def test_weighted_accuracy_is_the_weighted_mean_of_probabilities(
    seed: int, n: int, n_classes: int
) -> None:
    rng = np.random.default_rng(seed)
    v, p, w = simplex(rng, n, n_classes), simplex(rng, n, n_classes), rng.uniform(0.1, 2, n_classes)
    above = below = 0.0
    for i in range(n):
        for c in range(n_classes):
            above += w[c] * v[i, c] * p[i, c]
            below += w[c] * v[i, c]
    found = SmoothScorer(np.zeros((n, 1)), v, w, "weighted_accuracy").score(p)
    assert found == pytest.approx(above / below, rel=1e-12)


def test_f_beta_and_macro_f1_of_expected_counts() -> None:
    rng = np.random.default_rng(2)
    v, p, w = simplex(rng, 20, 3), simplex(rng, 20, 3), np.array([1.0, 3.0, 1.0])
    hits = [sum(v[i, c] * p[i, c] for i in range(20)) for c in range(3)]
    actual, predicted = v.sum(0), p.sum(0)
    X = np.zeros((20, 1))
    f_beta = 5 * hits[1] / (4 * actual[1] + predicted[1])  # class 1 has the largest weight
    assert SmoothScorer(X, v, w, "f_beta").score(p) == pytest.approx(f_beta, rel=1e-12)
    f1 = np.mean([2 * hits[c] / (actual[c] + predicted[c]) for c in range(3)])
    assert SmoothScorer(X, v, w, "macro_f1").score(p) == pytest.approx(f1, rel=1e-12)
    precision = hits[1] / predicted[1]
    assert SmoothScorer(X, v, w, "rare_precision").score(p) == pytest.approx(precision, rel=1e-12)


def test_ratios_of_less_than_one_expected_point_are_not_cut_off() -> None:
    v, p = np.array([[0.75, 0.25]]), np.array([[0.8, 0.2]])
    weights = [1.0, 2.0]
    precision = SmoothScorer([[0.0]], v, weights, "rare_precision").score(p)
    assert precision == pytest.approx(0.25)  # 0.25 · 0.2 / 0.2
    union = SmoothScorer([[0.0]], v, weights, "iou").score(p)
    assert union == pytest.approx(0.05 / (0.25 + 0.2 - 0.05))


def test_roc_auc_counts_pairs_of_drawn_predictions() -> None:
    rng = np.random.default_rng(3)
    v, p = simplex(rng, 6, 2), simplex(rng, 6, 2)
    found = SmoothScorer(np.zeros((6, 1)), v, [1, 1], "roc_auc").score(p)
    wins = total = 0.0
    for i in range(6):
        for j in range(6):
            pair = v[i, 1] * v[j, 0]
            ahead = p[i, 1] * p[j, 0]
            level = p[i, 1] * p[j, 1] + p[i, 0] * p[j, 0]
            wins, total = wins + pair * (ahead + level / 2), total + pair
    assert found == pytest.approx(wins / total, rel=1e-12)


def test_log_loss_is_expected_over_soft_labels() -> None:
    rng = np.random.default_rng(4)
    v, p, w = simplex(rng, 9, 3), simplex(rng, 9, 3), np.array([1.0, 2.0, 0.5])
    expected = (v * w * np.log(p)).sum() / (v * w).sum()
    found = SmoothScorer(np.zeros((9, 1)), v, w, "log_loss").score(p)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "cost_matrix"])
@pytest.mark.parametrize("sharpness", [1.0, 4.0, np.inf])
def test_relabelling_and_order_of_points_do_not_matter(name: str, sharpness: float) -> None:
    rng, n_classes = np.random.default_rng(5), classes_of(name)
    v, p = simplex(rng, 15, n_classes), simplex(rng, 4, 15, n_classes)
    weights = np.array([0.5, 2.0, 1.0])[:n_classes]
    order, turned = rng.permutation(15), np.arange(n_classes)[::-1]
    positive = {"positive_class": 1} if hasattr(objectives.get(name), "positive_class") else {}
    X = np.zeros((15, 1))

    def score(labels, values, weights, options):
        scorer = SmoothScorer(
            X, labels, weights, objectives.get(name, **options), sharpness=sharpness
        )
        return scorer.score(values.argmax(-1) if scorer.needs == "predictions" else values)

    first = score(v, p, weights, positive)
    np.testing.assert_allclose(score(v[order], p[:, order], weights, positive), first, rtol=1e-12)
    positive = {"positive_class": 0} if positive else {}
    again = score(v[:, turned], p[:, :, turned], weights[turned], positive)
    np.testing.assert_allclose(again, first, rtol=1e-12)


def test_sharpness_goes_from_the_probabilities_to_the_predictions() -> None:
    rng = np.random.default_rng(6)
    v, p, w, X = simplex(rng, 25, 3), simplex(rng, 25, 3), np.ones(3), np.zeros((25, 1))
    cubes = p**3 / (p**3).sum(1, keepdims=True)
    plain = SmoothScorer(X, v, w).score(cubes)
    assert SmoothScorer(X, v, w, sharpness=3).score(p) == pytest.approx(plain, rel=1e-12)
    hard = SmoothScorer(X, v, w, sharpness=np.inf).score(p.argmax(1))
    assert SmoothScorer(X, v, w, sharpness=1e6).score(p) == pytest.approx(hard, rel=1e-9)


@pytest.mark.parametrize("name", ["weighted_accuracy", "f_beta", "log_loss", "roc_auc"])
@pytest.mark.parametrize("sharpness", [1.0, 3.0])
def test_log_odds_score_as_the_probabilities_do(name: str, sharpness: float) -> None:
    rng = np.random.default_rng(7)
    z, v = 3 * rng.normal(size=(5, 30)), simplex(rng, 30, 2)
    scorer = SmoothScorer(np.zeros((30, 1)), v, [1, 4], name, sharpness=sharpness)
    second = expit(sharpness * z)
    plain = SmoothScorer(np.zeros((30, 1)), v, [1, 4], name)
    expected = plain.score(np.stack([1 - second, second], 2))
    np.testing.assert_allclose(scorer.score_decisions(z), expected, rtol=1e-9)
    infinite = SmoothScorer(np.zeros((30, 1)), v, [1, 4], sharpness=np.inf)
    expected = infinite.score((z > 0).astype(np.int64))
    np.testing.assert_allclose(infinite.score_decisions(z), expected, rtol=1e-12)


def accuracy(y: np.ndarray, predictions: np.ndarray, weights: np.ndarray, *, power: int = 1):
    return float(np.mean(y == predictions)) ** power


def expected_accuracy(v: np.ndarray, p: np.ndarray, weights: np.ndarray, *, power: int = 1):
    return float((v * p).sum(1).mean()) ** power


def test_a_function_of_the_user_brings_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    v, p, X = simplex(rng, 8, 2), simplex(rng, 3, 8, 2), np.zeros((8, 1))
    objective = objectives.get(accuracy, power=2)
    with pytest.raises(UserError, match="no smooth companion"):
        SmoothScorer(X, v, [1, 1], objective)
    monkeypatch.setattr(accuracy, "smooth", expected_accuracy, raising=False)
    expected = [((v * each).sum(1).mean()) ** 2 for each in p]
    np.testing.assert_allclose(SmoothScorer(X, v, [1, 1], objective).score(p), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([[0.5, -0.5]], {}, "negative"),
        ([[np.nan, 1.0]], {}, "not finite"),
        ([[0.0, 0.0]], {}, "all probabilities are 0"),
        ([[0.2, 0.3, 0.5]], {}, "shape"),
        ([[1.0, 0.0], [1.0, 0.0]], {}, "rows for"),
        ([0], {"sharpness": 0.0}, "sharpness"),
        ([0], {"sharpness": -1.0}, "sharpness"),
        ([0], {"slope": np.inf}, "slope"),
        ([0], {"slope": np.nan}, "slope"),
        ([[1.0, 0.0]], {"objective": "rare_recall"}, "rare class"),
    ],
)
def test_what_fits_not_is_said(labels: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SmoothScorer([[0.0]], labels, [1.0, 2.0], **options)


def test_a_fitted_classifier_is_scored_by_probabilities_or_the_sigmoid_of_its_margins() -> None:
    rng = np.random.default_rng(9)
    X = rng.normal(size=(60, 2))
    y = (X.sum(1) > 0).astype(np.int64)
    v = simplex(rng, 60, 2)
    logistic = LogisticRegression().fit(X, y)
    smooth = SmoothScorer(X, v, [1, 1], slope=2.5)
    assert smooth(logistic) == pytest.approx(smooth.score(logistic.predict_proba(X)), rel=1e-12)
    machine = SVC().fit(X, y)
    second = expit(2.5 * machine.decision_function(X))
    expected = (v * np.column_stack([1 - second, second])).sum(1).mean()
    assert smooth(machine) == pytest.approx(expected, rel=1e-9)


def test_a_panel_scores_as_each_of_its_scorers() -> None:
    rng = np.random.default_rng(10)
    X, other = rng.normal(size=(20, 2)), rng.normal(size=(9, 2))
    y, v = rng.integers(0, 2, 20), simplex(rng, 9, 2)
    w = [1.0, 3.0]
    scorers = [
        Scorer(X, y, w),
        SmoothScorer(X, y, w, sharpness=4),
        SmoothScorer(other, v, w),
        SmoothScorer(other, v, w, sharpness=np.inf),
        Scorer(X, y, w, "log_loss"),
    ]
    panel = Panel(scorers)
    assert panel.X.shape == (29, 2)
    z = rng.normal(size=(6, 29))
    places = [slice(0, 20), slice(0, 20), slice(20, 29), slice(20, 29), slice(0, 20)]
    expected = [s.score_decisions(z[:, at]) for s, at in zip(scorers, places, strict=True)]
    np.testing.assert_array_equal(panel.score_decisions(z), np.stack(expected, 1))
    second = expit(z)
    found = panel.score(np.stack([1 - second, second], 2))
    np.testing.assert_allclose(found, np.stack(expected, 1), rtol=1e-12)
    np.testing.assert_array_equal(panel.score_decisions(z[0]), panel.score_decisions(z)[0])
    fitted = LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(panel(fitted), [each(fitted) for each in scorers])


def test_a_panel_needs_scorers_of_one_problem() -> None:
    with pytest.raises(UserError, match="empty"):
        Panel([])
    with pytest.raises(UserError, match="classes or slopes"):
        Panel([Scorer([[0.0]], [0], [1, 1]), Scorer([[0.0]], [0], [1, 1, 1])])
