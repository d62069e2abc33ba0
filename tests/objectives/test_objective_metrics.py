"""The metrics of a record against scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from lalbench.errors import UserError
from lalbench.objectives import metrics


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(2, 40))
def test_every_metric_equals_scikit_learns(seed: int, n_classes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    rare = int(y[0])
    predictions = rng.integers(0, n_classes, n)
    probabilities = rng.dirichlet(np.ones(n_classes), n).round(1)  # ties of the ranking
    probabilities[:, 0] += 1 - probabilities.sum(axis=1)
    probabilities = np.clip(probabilities, 0, 1)
    weights = rng.uniform(0.1, 3, n_classes)
    found = metrics(y, predictions, probabilities, weights, rare)
    one = {"labels": [rare], "average": "macro", "zero_division": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "weighted_accuracy": reference.accuracy_score(y, predictions, sample_weight=weights[y]),
            "accuracy": reference.accuracy_score(y, predictions),
            "balanced_accuracy": reference.balanced_accuracy_score(y, predictions),
            "macro_f1": reference.f1_score(y, predictions, average="macro"),
            "rare_precision": reference.precision_score(y, predictions, **one),
            "rare_recall": reference.recall_score(y, predictions, **one),
            "rare_f1": reference.f1_score(y, predictions, **one),
            "rare_average_precision": reference.average_precision_score(
                y == rare, probabilities[:, rare]
            ),
            "weighted_log_loss": reference.log_loss(
                y, probabilities, sample_weight=weights[y], labels=range(n_classes)
            ),
        }
    recall = found.pop("class_recall")
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    for label in range(n_classes):
        own = y == label
        if own.any():
            assert recall[label] == np.mean(predictions[own] == label)
        else:
            assert np.isnan(recall[label])


def test_without_probabilities_and_without_the_rare_class() -> None:
    found = metrics([1, 1, 2], [1, 0, 2], None, [1, 1, 1], rare_class=0)
    for name in ("rare_recall", "rare_f1", "rare_average_precision", "weighted_log_loss"):
        assert np.isnan(found[name])
    assert found["rare_precision"] == 0.0
    assert found["accuracy"] == pytest.approx(2 / 3)
    never = metrics([0, 1], [1, 1], np.full((2, 2), 0.5), [1, 1], rare_class=0)
    assert (never["rare_precision"], never["rare_recall"], never["rare_f1"]) == (0.0, 0.0, 0.0)
    assert never["rare_average_precision"] == 0.5
    assert never["weighted_log_loss"] == pytest.approx(np.log(2))


def test_all_values_are_plain_floats() -> None:
    found = metrics(np.array([0, 1]), np.array([0, 1]), np.eye(2), np.array([2.0, 1.0]), 0)
    assert [type(value) for name, value in found.items() if name != "class_recall"] == [float] * 9
    assert found["class_recall"] == [1.0, 1.0]
    assert all(type(value) is float for value in found["class_recall"])


def test_a_rare_class_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="choose from 0 to 1"):
        metrics([0, 1], [0, 1], None, [1, 1], rare_class=2)
