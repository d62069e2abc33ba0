"""Objectives of two classes against scikit-learn, naive loops and closed forms."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from lalbench import build_problem, objectives, run_trial
from lalbench.errors import UserError
from lalbench.objectives import Scorer
from lalbench.objectives.binary import ApproximateMedianSignificance, IntersectionOverUnion
from lalbench.study import check_study, parse_study

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
OF_PREDICTIONS = ("iou", "dice", "ams")


def scorer(y: Any, name: str, weights: Any = (1.0, 1.0), **options: Any) -> Scorer:
    return Scorer(np.zeros((len(y), 1)), y, weights, objectives.get(name, **options))


@st.composite
def cases(draw: st.DrawFn) -> tuple[IntArray, IntArray, FloatArray, int]:
    """Labels (a class may be absent), predictions, class weights and the positive class."""
    n = draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = (rng.random(n) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))).astype(np.int64)
    predictions = (rng.random((4, n)) < rng.random((4, 1))).astype(np.int64)
    predictions[0] = 0
    return y, predictions, rng.uniform(0.05, 5, 2), draw(st.sampled_from([0, 1]))


@given(cases())
def test_overlaps_equal_scikit_learns(case: tuple[IntArray, IntArray, FloatArray, int]) -> None:
    y, predictions, weights, positive = case
    options = {"pos_label": positive, "zero_division": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, function in (("iou", reference.jaccard_score), ("dice", reference.f1_score)):
            expected = [
                function(1 - y, 1 - p, **options | {"pos_label": 1})
                if positive == 0
                else function(y, p, **options)
                for p in predictions
            ]
            found = scorer(y, name, weights, positive_class=positive).score(predictions)
            np.testing.assert_allclose(found, expected, rtol=1e-12)
            if positive == 1:
                assert (scorer(y, name).score(predictions) == found).all()


def test_overlaps_by_hand() -> None:
    y = [1, 1, 1, 0, 0, 0]
    predictions = [1, 1, 0, 1, 0, 0]  # 2 true positives, 1 false one, 1 missed
    assert scorer(y, "iou").score(predictions) == 2 / 4
    assert scorer(y, "dice").score(predictions) == 4 / 6
    assert scorer(y, "iou").score(y) == scorer(y, "dice").score(y) == 1
    assert scorer(y, "iou").score(np.zeros(6, dtype=int)) == 0
    assert scorer(y, "iou", positive_class=0).score(predictions) == 2 / 4


def test_nothing_to_find_and_nothing_found_is_0() -> None:
    for name in ("iou", "dice", "ams"):
        assert scorer([0, 0, 0], name).score([0, 0, 0]) == 0
        assert scorer([0, 0, 0], name).score([1, 0, 0]) == 0


@given(st.integers(0, 2**32 - 1))
def test_dice_is_a_function_of_the_intersection_over_union(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, predictions = rng.integers(0, 2, 30), rng.integers(0, 2, (5, 30))
    iou, dice = (scorer(y, name).score(predictions) for name in ("iou", "dice"))
    np.testing.assert_allclose(dice, 2 * iou / (1 + iou), rtol=1e-12)


# Approximate median significance


@given(cases(), st.floats(0.1, 50))
def test_ams_is_its_formula_with_weighted_points(
    case: tuple[IntArray, IntArray, FloatArray, int], regularisation: float
) -> None:
    y, predictions, weights, positive = case
    expected = []
    for p in predictions:
        s = sum(weights[t] for t, c in zip(y, p, strict=True) if t == c == positive)
        b = sum(weights[t] for t, c in zip(y, p, strict=True) if c == positive != t)
        b += regularisation
        expected.append(np.sqrt(max(0.0, 2 * ((s + b) * np.log(1 + s / b) - s))))
    found = scorer(y, "ams", weights, positive_class=positive, regularisation=regularisation).score(
        predictions
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_ams_by_hand() -> None:
    y, predictions = [1] * 6 + [0] * 4, [1, 1, 1, 1, 1, 0, 1, 1, 0, 0]
    # s = 5 · 2, b = 2 · 1.5, regularisation 10
    expected = np.sqrt(2 * (23 * np.log(1 + 10 / 13) - 10))
    assert scorer(y, "ams", (1.5, 2.0)).score(predictions) == pytest.approx(expected, rel=1e-12)


def test_ams_tends_to_signal_over_the_root_of_the_background() -> None:
    """For s much smaller than b the formula is s / √b (a Taylor series: error of order s / b)."""
    y = np.repeat([1, 0], [10, 100_000])
    found = scorer(y, "ams").score(np.ones_like(y))
    assert found == pytest.approx(10 / np.sqrt(100_010), rel=1e-4)


def test_totals_make_ams_independent_of_the_number_of_points() -> None:
    y = np.repeat([0, 1], [30, 6])
    predictions = np.tile([0, 0, 1], 12)
    small = scorer(y, "ams", totals=[4000, 70]).score(predictions)
    large = scorer(np.tile(y, 50), "ams", totals=[4000, 70]).score(np.tile(predictions, 50))
    assert small == pytest.approx(large, rel=1e-12)
    # a third of either class: s = 70 / 3, b = 4000 / 3 + 10
    s, b = 70 / 3, 4000 / 3 + 10
    assert small == pytest.approx(np.sqrt(2 * ((s + b) * np.log(1 + s / b) - s)), rel=1e-9)
    assert scorer(y, "ams", (1, 0), totals=[4000, 70]).score(predictions) == small


@given(st.integers(0, 2**32 - 1))
def test_more_signal_and_less_background_are_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], [20, 20])
    predictions = rng.integers(0, 2, 40)
    before = scorer(y, "ams").score(predictions)
    for label in (0, 1):
        wrong = np.flatnonzero((y == label) & (predictions != label))
        if wrong.size:
            better = predictions.copy()
            better[wrong[0]] = label
            hits = predictions[y == 1].sum()
            assert scorer(y, "ams").score(better) > before or (label == 0 and hits == 0)


# Area under the ROC curve


def naive_auc(y: IntArray, scores: FloatArray) -> float:
    pairs = list(itertools.product(scores[y == 1], scores[y == 0]))
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def as_probabilities(scores: FloatArray) -> FloatArray:
    return np.stack([1 - scores, scores], axis=-1)


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(0, 3))
def test_auc_is_the_share_of_ordered_pairs(seed: int, n: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])
    scores = rng.random((3, n)).round(digits)  # with ties
    found = scorer(y, "roc_auc", rng.uniform(0, 3, 2)).score(as_probabilities(scores))
    np.testing.assert_allclose(found, [naive_auc(y, row) for row in scores], rtol=1e-12)
    np.testing.assert_allclose(
        found, [reference.roc_auc_score(y, row) for row in scores], rtol=1e-9, atol=1e-12
    )
    other = scorer(y, "roc_auc", positive_class=0).score(as_probabilities(scores))
    np.testing.assert_allclose(other, found, atol=1e-12)


def test_auc_by_hand() -> None:
    y = np.array([0, 0, 1, 1])
    auc = scorer(y, "roc_auc")
    for scores, expected in (
        ([0.1, 0.2, 0.3, 0.4], 1.0),
        ([0.4, 0.3, 0.2, 0.1], 0.0),
        ([0.5, 0.5, 0.5, 0.5], 0.5),
        ([0.1, 0.4, 0.35, 0.8], 0.75),
        ([0.1, 0.4, 0.4, 0.8], 0.875),
        ([0.0, 1.0, 0.0, 1.0], 0.5),
    ):
        assert auc.score(as_probabilities(np.array(scores))) == expected


@given(st.integers(0, 2**32 - 1))
def test_auc_depends_on_the_ranking_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], rng.integers(0, 2, 20)])
    scores = rng.random((4, 22)).round(1)
    expected = scorer(y, "roc_auc").score(as_probabilities(scores))
    order = rng.permutation(22)
    for changed, labels in ((scores**3 / 2, y), (scores[:, order], y[order])):
        found = scorer(labels, "roc_auc").score(as_probabilities(changed))
        np.testing.assert_array_equal(found, expected)


def test_many_probability_sets_score_bit_for_bit_like_each_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 101)
    for dtype in (np.float64, np.float32):
        sets = as_probabilities(rng.random((20, 101)).round(2)).astype(dtype)
        alone = [scorer(y, "roc_auc").score(one) for one in sets]
        np.testing.assert_array_equal(scorer(y, "roc_auc").score(sets), alone)
        with monkeypatch.context() as patch:
            patch.setattr("lalbench.objectives.scorer._BLOCK", 7 * 202)
            np.testing.assert_array_equal(scorer(y, "roc_auc").score(sets), alone)
    assert scorer(y, "roc_auc").score(np.empty((0, 101, 2))).shape == (0,)


# Contracts of all objectives of predictions


@given(st.integers(0, 2**32 - 1), st.sampled_from(OF_PREDICTIONS), st.sampled_from([0, 1]))
def test_sets_and_decisions_score_bit_for_bit_alike(seed: int, name: str, positive: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 40)
    decisions = rng.normal(size=(9, 40)).round(1)  # some are exactly 0: class 0
    one = scorer(y, name, rng.uniform(0.1, 2, 2), positive_class=positive)
    found = one.score((decisions > 0).astype(np.int64))
    np.testing.assert_array_equal(one.score_decisions(decisions), found)
    np.testing.assert_array_equal([one.score(row > 0) for row in decisions], found)


@pytest.mark.parametrize("name", OF_PREDICTIONS)
def test_equal_counts_are_exact_ties_wherever_the_hits_are(name: str) -> None:
    y = np.repeat([0, 1], [9, 91])
    one_missed = np.tile(y, (91, 1))
    one_missed[np.arange(91), 9 + np.arange(91)] = 0
    assert len(np.unique(scorer(y, name, (1.9, 0.3)).score(one_missed))) == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from(OF_PREDICTIONS))
def test_renaming_the_classes_changes_no_score(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    y, predictions, weights = rng.integers(0, 2, 30), rng.integers(0, 2, (4, 30)), rng.random(2)
    found = scorer(y, name, weights).score(predictions)
    renamed = scorer(1 - y, name, weights[::-1], positive_class=0).score(1 - predictions)
    np.testing.assert_array_equal(renamed, found)


# Input that cannot be used


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("iou", {"positive_class": 2}, "positive_class 2; give 0 or 1"),
        ("dice", {"positive_class": True}, "positive_class True"),
        ("roc_auc", {"positive_class": "1"}, "positive_class '1'"),
        ("ams", {"positive_class": None}, "positive_class None"),
        ("iou", {"positive": 1}, "no option"),
        ("ams", {"regularisation": 0}, "regularisation 0; give a positive number"),
        ("ams", {"regularisation": float("inf")}, "regularisation inf"),
        ("ams", {"regularisation": "ten"}, "regularisation 'ten'"),
        ("ams", {"totals": [1]}, "two positive numbers"),
        ("ams", {"totals": [1, 0]}, "two positive numbers"),
        ("ams", {"totals": 3}, "two positive numbers"),
        ("ams", {"totals": "ab"}, "two positive numbers"),
        ("ams", {"totals": {0: 1, 1: 2}}, "two positive numbers"),
    ],
)
def test_options_that_do_not_fit(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        objectives.get(name, **options)
    assert caught.value.key == "objective"


@pytest.mark.parametrize("name", [*OF_PREDICTIONS, "roc_auc"])
def test_more_than_two_classes_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="of 3 classes") as caught:
        scorer([0, 1, 2], name, (1, 1, 1))
    assert caught.value.key == "objective"


def test_evaluation_points_that_do_not_fit() -> None:
    with pytest.raises(UserError, match="without class 1"):
        scorer([0, 0], "roc_auc")
    with pytest.raises(UserError, match="weight 0") as caught:
        scorer([0, 1], "ams", (1, 0))
    assert caught.value.key == "class_weights"
    assert scorer([0, 1], "ams", (1, 0), positive_class=0).score([0, 0]) > 0


def test_options_are_kept_in_a_comparable_form() -> None:
    made = objectives.get("ams", totals=np.array([3, 4]))
    assert made == ApproximateMedianSignificance(totals=(3.0, 4.0))
    assert objectives.get("iou", rare_class=0) == IntersectionOverUnion()


# Studies


def test_a_study_names_them_and_needs_probabilities_for_auc(tmp_path: Path) -> None:
    study: dict[str, Any] = {
        "study": "s",
        "results": str(tmp_path),
        "datasets": ["checkerboard_2x2"],
        "settings": ["balanced"],
        "strategies": ["random"],
    }
    for name in ("iou", "dice", "ams", "roc_auc"):
        given = {"classifiers": ["logistic_regression"], "objective": {"name": name}}
        check_study(parse_study(study | given))
    refused = parse_study(study | {"classifiers": ["svm"], "objective": {"name": "roc_auc"}})
    with pytest.raises(UserError, match="probabilities"):
        check_study(refused)


@pytest.mark.parametrize("name", ["dice", "roc_auc"])
def test_a_trial_records_them_as_its_objective(name: str) -> None:
    problem = build_problem("checkerboard_4x4", "imbalanced", data_seed=0, seed=0, objective=name)
    found = run_trial(problem, classifier="logistic_regression", strategy="random", steps=2)
    assert found["objective"].between(0, 1).all()
    if name == "roc_auc":
        assert (found["objective"] != found["weighted_accuracy"]).all()
        return
    # Dice is the F1 of class 1, and the mean of both F1 is in the record, too.
    np.testing.assert_allclose(
        found["objective"], 2 * found["macro_f1"] - found["rare_f1"], rtol=1e-12
    )
