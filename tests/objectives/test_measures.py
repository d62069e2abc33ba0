"""Every named objective against scikit-learn, a naive loop or a hand calculation."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from lalbench import objectives
from lalbench.errors import UserError
from lalbench.objectives import Scorer

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Case = tuple[IntArray, IntArray, FloatArray]


@st.composite
def cases(draw: st.DrawFn, max_classes: int = 4) -> Case:
    """Labels (some classes may be absent), three prediction sets and class weights."""
    n_classes = draw(st.integers(2, max_classes))
    n = draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = draw(st.integers(1, n_classes))
    y = rng.integers(0, present, n)
    predictions = rng.integers(0, n_classes, (3, n))
    return y, predictions, rng.uniform(0.05, 5, n_classes)


def scores(case: Case, objective: str, **options: object) -> FloatArray:
    y, predictions, weights = case
    spec = objectives.get(objective, **options)
    return Scorer(np.zeros((len(y), 1)), y, weights, spec).score(predictions)


def quiet(function: Callable[..., float], *args: object, **kwargs: object) -> float:
    """scikit-learn warns where a class is absent or never predicted; its value is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(*args, **kwargs))


@given(cases())
def test_weighted_accuracy_is_accuracy_with_sample_weights(case: Case) -> None:
    y, predictions, weights = case
    expected = [reference.accuracy_score(y, p, sample_weight=weights[y]) for p in predictions]
    np.testing.assert_allclose(scores(case, "weighted_accuracy"), expected, rtol=1e-12)


@given(cases())
def test_balanced_accuracy_ignores_absent_classes_as_scikit_learn(case: Case) -> None:
    y, predictions, _ = case
    expected = [quiet(reference.balanced_accuracy_score, y, p) for p in predictions]
    np.testing.assert_allclose(scores(case, "balanced_accuracy"), expected, rtol=1e-12)


@given(cases())
def test_macro_f1_counts_classes_that_occur_or_are_predicted_as_scikit_learn(case: Case) -> None:
    y, predictions, _ = case
    expected = [quiet(reference.f1_score, y, p, average="macro") for p in predictions]
    np.testing.assert_allclose(scores(case, "macro_f1"), expected, rtol=1e-12)


@given(cases(), st.floats(0.1, 5))
def test_rare_class_objectives(case: Case, beta: float) -> None:
    y, predictions, _ = case
    rare = int(y[0])

    def of(function: Callable[..., float], **options: object) -> list[float]:
        return [
            quiet(function, y, p, labels=[rare], average="macro", zero_division=0.0, **options)
            for p in predictions
        ]

    for name, options, expected in (
        ("rare_recall", {}, of(reference.recall_score)),
        ("rare_precision", {}, of(reference.precision_score)),
        ("f_beta", {"beta": beta}, of(reference.fbeta_score, beta=beta)),
        ("f_beta", {}, of(reference.fbeta_score, beta=2.0)),
    ):
        found = scores(case, name, rare_class=rare, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(cases())
def test_cost_matrix_is_the_negative_mean_cost(case: Case) -> None:
    y, predictions, weights = case
    costs = np.random.default_rng(0).normal(size=(len(weights), len(weights)))
    expected = [-np.mean([costs[t, p] for t, p in zip(y, ps, strict=True)]) for ps in predictions]
    found = scores(case, "cost_matrix", matrix=costs.tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_cost_matrix_of_zeros_and_ones_is_accuracy_minus_one() -> None:
    objective = objectives.get("cost_matrix", matrix=[[0, 1], [1, 0]])
    found = Scorer(np.zeros((4, 1)), [0, 0, 1, 1], [1, 1], objective)
    assert found.score([0, 1, 1, 1]) == 0.75 - 1


@given(cases())
def test_log_loss_is_the_negative_weighted_log_loss_of_scikit_learn(case: Case) -> None:
    y, _, weights = case
    n_classes = len(weights)
    probabilities = np.random.default_rng(len(y)).dirichlet(np.full(n_classes, 0.05), (3, len(y)))
    expected = [
        -reference.log_loss(y, p, sample_weight=weights[y], labels=range(n_classes))
        for p in probabilities
    ]
    found = Scorer(np.zeros((len(y), 1)), y, weights, "log_loss").score(probabilities)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)


def test_log_loss_of_certain_and_wrong_is_finite() -> None:
    scorer = Scorer(np.zeros((2, 1)), [0, 1], [1, 1], "log_loss")
    eps = np.finfo(float).eps
    assert scorer.score(np.eye(2)) == pytest.approx(0, abs=1e-15)
    assert scorer.score(np.eye(2)[::-1]) == pytest.approx(np.log(eps))


@pytest.mark.parametrize(("label", "worth"), [(0, 0.0276), (1, 0.0028)])
def test_a_rare_and_a_common_test_point_of_the_imbalanced_setting(label: int, worth: float) -> None:
    """Weights 20/11 and 2/11 with 18/182 points: the rare class has 49.7 % of the score."""
    y = np.repeat([0, 1], [18, 182])
    scorer = Scorer(np.zeros((200, 1)), y, [20 / 11, 2 / 11])
    predictions = y.copy()
    predictions[np.flatnonzero(y == label)[0]] = 1 - label
    assert scorer.score(y) == 1.0
    exact = {0: (20 / 11), 1: (2 / 11)}[label] / (18 * 20 / 11 + 182 * 2 / 11)
    assert 1 - scorer.score(predictions) == pytest.approx(exact, rel=1e-12)
    assert round(exact, 4) == worth
    assert round(scorer.score(np.zeros_like(y)), 3) == 0.497


@given(cases(), st.randoms(use_true_random=False))
def test_renaming_the_classes_changes_no_score(case: Case, random: object) -> None:
    y, predictions, weights = case
    n_classes = len(weights)
    names = np.array(random.sample(range(n_classes), n_classes))  # type: ignore[attr-defined]
    renamed = (names[y], names[predictions], weights[np.argsort(names)])
    costs = np.arange(n_classes**2, dtype=float).reshape(n_classes, n_classes) ** 1.5
    back = np.argsort(names)
    rare = int(y[0])
    for name, before, after in (
        ("weighted_accuracy", {}, {}),
        ("balanced_accuracy", {}, {}),
        ("macro_f1", {}, {}),
        ("rare_recall", {"rare_class": rare}, {"rare_class": int(names[rare])}),
        ("rare_precision", {"rare_class": rare}, {"rare_class": int(names[rare])}),
        ("f_beta", {"rare_class": rare}, {"rare_class": int(names[rare])}),
        ("cost_matrix", {"matrix": costs}, {"matrix": costs[np.ix_(back, back)]}),
    ):
        found, expected = scores(renamed, name, **after), scores(case, name, **before)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_the_rare_class_defaults_to_the_largest_weight_and_the_lowest_of_equals() -> None:
    y = [0, 1, 2, 2]
    predictions = [2, 1, 2, 0]
    for weights, recall in (([1, 1, 1], 0.0), ([1, 3, 3], 1.0), ([1, 2, 3], 0.5)):
        assert Scorer(np.zeros((4, 1)), y, weights, "rare_recall").score(predictions) == recall


@pytest.mark.parametrize("name", ["rare_recall", "rare_precision", "f_beta"])
def test_an_absent_rare_class_is_an_error(name: str) -> None:
    with pytest.raises(UserError, match=r"none of the 2 labels is of the rare class 0") as caught:
        Scorer(np.zeros((2, 1)), [1, 1], [2, 1], name)
    assert caught.value.key == "objective"


def test_classes_without_weight_leave_nothing_to_score() -> None:
    for name in ("weighted_accuracy", "log_loss"):
        with pytest.raises(UserError, match="weight 0"):
            Scorer(np.zeros((2, 1)), [1, 1], [1, 0], name)
