"""The scorer: many prediction sets at once, exact ties, user functions and bad input."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from lalbench import objectives
from lalbench.errors import UserError
from lalbench.objectives import Scorer

OF_PREDICTIONS = {
    "weighted_accuracy": {},
    "balanced_accuracy": {},
    "macro_f1": {},
    "rare_recall": {},
    "rare_precision": {},
    "f_beta": {"beta": 0.5},
}


def plain_accuracy(y_true: np.ndarray, y_pred: np.ndarray, class_weights: np.ndarray) -> float:
    return float(np.mean(y_true == y_pred))


def own_probability(y_true: np.ndarray, y_prob: np.ndarray, class_weights: np.ndarray) -> float:
    return float(y_prob[np.arange(len(y_true)), y_true].mean())


own_probability.needs = "probabilities"  # type: ignore[attr-defined]


def scorer_of(y: np.ndarray, n_classes: int, name: str) -> Scorer:
    weights = np.random.default_rng(n_classes).uniform(0.1, 2, n_classes)
    options: dict[str, object] = dict(OF_PREDICTIONS.get(name, {}))
    if name == "cost_matrix":
        options["matrix"] = np.random.default_rng(1).uniform(size=(n_classes, n_classes))
    return Scorer(np.zeros((len(y), 2)), y, weights, objectives.get(name, **options))


@pytest.mark.parametrize("name", [*OF_PREDICTIONS, "cost_matrix"])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_many_sets_score_bit_for_bit_like_each_alone(name: str, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 90)])
    predictions = rng.integers(0, n_classes, (57, len(y)))
    scorer = scorer_of(y, n_classes, name)
    alone = np.array([scorer.score(row) for row in predictions])
    assert isinstance(scorer.score(predictions[0]), float)
    np.testing.assert_array_equal(scorer.score(predictions), alone)
    assert len(np.unique(alone)) > 3


def test_many_probability_sets_score_bit_for_bit_like_each_alone() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 101)
    probabilities = rng.dirichlet(np.ones(3), (20, 101))
    scorer = scorer_of(y, 3, "log_loss")
    alone = [scorer.score(values) for values in probabilities]
    np.testing.assert_array_equal(scorer.score(probabilities), alone)


def test_blocks_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40)
    predictions = rng.integers(0, 3, (50, 40))
    probabilities = rng.dirichlet(np.ones(3), (50, 40))
    expected = {
        name: scorer_of(y, 3, name).score(values)
        for name, values in (("macro_f1", predictions), ("log_loss", probabilities))
    }
    monkeypatch.setattr("lalbench.objectives.scorer._BLOCK", 7 * 40)
    np.testing.assert_array_equal(
        scorer_of(y, 3, "macro_f1").score(predictions), expected["macro_f1"]
    )
    np.testing.assert_array_equal(
        scorer_of(y, 3, "log_loss").score(probabilities), expected["log_loss"]
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from([*OF_PREDICTIONS, "cost_matrix"]))
def test_decisions_score_bit_for_bit_like_predictions(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], rng.integers(0, 2, rng.integers(1, 60))])
    decisions = rng.normal(size=(9, len(y))).round(1)  # some are exactly 0: class 0
    scorer = scorer_of(y, 2, name)
    expected = scorer.score((decisions > 0).astype(np.int64))
    np.testing.assert_array_equal(scorer.score_decisions(decisions), expected)
    assert scorer.score_decisions(decisions[0]) == expected[0]


def test_equal_counts_are_exact_ties_wherever_the_hits_are() -> None:
    """Improvements of candidates are compared exactly; rounding must not order equal ones."""
    y = np.repeat([0, 1], [9, 91])
    one_missed = np.tile(y, (91, 1))
    one_missed[np.arange(91), 9 + np.arange(91)] = 0
    for name in OF_PREDICTIONS:
        assert len(np.unique(scorer_of(y, 2, name).score(one_missed))) == 1


def test_a_user_function_gets_labels_predictions_and_weights() -> None:
    y = np.array([0, 1, 1, 0])
    predictions = np.array(list(itertools.product([0, 1], repeat=4)))
    scorer = Scorer(np.zeros((4, 1)), y, [3, 1], plain_accuracy)
    expected = [accuracy_score(y, row) for row in predictions]
    np.testing.assert_allclose(scorer.score(predictions), expected)
    np.testing.assert_allclose(scorer.score_decisions(predictions - 0.5), expected)

    def sees_weights(y_true: object, y_pred: object, class_weights: np.ndarray) -> float:
        assert class_weights.tolist() == [3.0, 1.0]
        return class_weights[0]

    assert Scorer(np.zeros((4, 1)), y, [3, 1], sees_weights).score(y) == 3.0


def test_a_user_function_cannot_change_what_others_see() -> None:
    def spoils(y_true: np.ndarray, y_pred: np.ndarray, class_weights: np.ndarray) -> float:
        before = float(np.mean(y_true == y_pred))
        y_true[:] = 0
        y_pred[:] = 0
        class_weights[:] = 0
        return before

    predictions = np.array([[0, 1], [0, 1]])
    scorer = Scorer(np.zeros((2, 1)), [0, 1], [1, 1], spoils)
    assert scorer.score(predictions).tolist() == [1.0, 1.0]
    assert predictions.tolist() == [[0, 1], [0, 1]]


def test_a_user_function_that_needs_probabilities_gets_them() -> None:
    scorer = Scorer(np.zeros((2, 1)), [0, 1], [1, 1], own_probability)
    assert scorer.needs == "probabilities"
    probabilities = np.array([[[0.75, 0.25], [0.5, 0.5]], [[0.25, 0.75], [0.0, 1.0]]])
    assert scorer.score(probabilities).tolist() == [0.625, 0.625]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "0.5", np.ones(2), 1j])
def test_a_user_function_must_return_one_finite_number(value: object) -> None:
    scorer = Scorer(np.zeros((2, 1)), [0, 1], [1, 1], lambda y, p, w: value)
    with pytest.raises(UserError, match="returned") as caught:
        scorer.score([0, 1])
    assert caught.value.key == "objective"


@pytest.mark.parametrize(
    "objective", ["weighted_accuracy", "macro_f1", "log_loss", plain_accuracy, own_probability]
)
def test_a_scorer_scores_a_fitted_classifier(objective: object) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] + 0.5 * rng.normal(size=60) > 0).astype(np.int64)
    classifier = LogisticRegression().fit(X[:30], y[:30])
    scorer = Scorer(X[30:], y[30:], [1.5, 0.5], objective)  # type: ignore[arg-type]
    values = (
        classifier.predict(X[30:])
        if scorer.needs == "predictions"
        else classifier.predict_proba(X[30:])
    )
    assert scorer(classifier) == scorer.score(values)


def test_bad_values_are_refused() -> None:
    y = np.array([0, 1, 1])
    by_label, by_probability = (
        Scorer(np.zeros((3, 1)), y, [1, 1], name) for name in ("weighted_accuracy", "log_loss")
    )
    for values, message in (
        (np.zeros(4, dtype=int), "shape"),
        (np.zeros((2, 4), dtype=int), "shape"),
        (np.array([0.0, 1.0, 1.0]), "type float64"),
        (np.array([0, 1, 2]), "outside 0 … 1"),
        (np.array([0, -1, 1]), "outside 0 … 1"),
    ):
        with pytest.raises(ValueError, match=message):
            by_label.score(values)
    good = np.full((3, 2), 0.5)
    for values, message in (
        (good[:2], "shape"),
        (np.array([[0.5, 0.6]] * 3), "sum to 1"),
        (np.full((3, 2), np.nan), "finite"),
        (np.array([[-0.5, 1.5]] * 3), "negative"),
    ):
        with pytest.raises(ValueError, match=message):
            by_probability.score(values)
    with pytest.raises(ValueError, match="score_decisions"):
        Scorer(np.zeros((3, 1)), y, [1, 1, 1]).score_decisions(np.zeros(3))
    assert by_label.score(np.empty((0, 3), dtype=int)).shape == (0,)


def test_decisions_are_log_odds_for_objectives_of_probabilities() -> None:
    scorer = Scorer(np.zeros((2, 1)), [1, 0], [1, 3], "log_loss")
    odds = np.array([[2.0, -1.0], [0.0, 30.0]])
    expected = [
        -(3 * np.log1p(np.exp(-first)) + np.log1p(np.exp(second))) / 4 for first, second in odds
    ]
    np.testing.assert_allclose(scorer.score_decisions(odds), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "weights", "key"),
    [
        ([0, 2], [1, 1], "y"),
        ([0, -1], [1, 1], "y"),
        ([0.0, 1.0], [1, 1], "y"),
        ([], [1, 1], "y"),
        ([[0], [1]], [1, 1], "y"),
        ([0, 1], [1, -1], "class_weights"),
        ([0, 1], [1, float("nan")], "class_weights"),
        ([0, 0], [1], "class_weights"),
        ([0, 1, 1], [1, 1], "X"),
    ],
)
def test_labels_and_weights_must_fit(y: object, weights: object, key: str) -> None:
    with pytest.raises(UserError) as caught:
        Scorer(np.zeros((2, 1)), y, weights)  # type: ignore[arg-type]
    assert caught.value.key == key


def test_thousands_of_candidates_take_milliseconds() -> None:
    """2894 candidates on 200 points (waveform); one call per candidate takes 40 times longer."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    predictions = rng.integers(0, 2, (2894, 200))
    scorer = Scorer(np.zeros((200, 1)), y, [1, 1])
    scorer.score(predictions)

    def seconds(rows: int) -> float:
        started = time.perf_counter()
        for start in range(0, len(predictions), rows):
            scorer.score(predictions[start : start + rows])
        return time.perf_counter() - started

    together = min(seconds(len(predictions)) for _ in range(3))
    assert together < seconds(1) / 4
