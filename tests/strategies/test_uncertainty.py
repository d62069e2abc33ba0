"""Entropy, margin, least confidence and f-score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn import datasets
from sklearn.svm import SVC

from lalbench import classifiers, strategies
from lalbench.strategies.base import LearningState
from lalbench.strategies.f_score import FScore
from lalbench.strategies.uncertainty import (
    entropies,
    least_confident_scores,
    margin_scores,
    margins,
)

RULES = ["entropy", "margin", "least_confident"]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@st.composite
def probability_rows(draw: Any, n_classes: int = 4) -> Any:
    weights = draw(
        st.lists(
            st.lists(st.floats(0, 1), min_size=n_classes, max_size=n_classes).filter(
                lambda row: sum(row) > 1e-3
            ),
            min_size=1,
            max_size=8,
        )
    )
    return np.array(weights) / np.sum(weights, axis=1, keepdims=True)


@given(probability_rows())
def test_scores_are_their_definitions(p: Any) -> None:
    for i, row in enumerate(p.tolist()):
        largest, second = sorted(row, reverse=True)[:2]
        entropy = math.fsum(-x * math.log(x) for x in row if x > 0)
        assert entropies(p)[i] == pytest.approx(entropy, abs=1e-14)
        assert margins(p)[i] == largest - second
        assert margin_scores(p)[i] == pytest.approx(1 - (largest - second), abs=1e-14)
        assert least_confident_scores(p)[i] == pytest.approx(1 - largest, abs=1e-14)


@given(probability_rows())
def test_entropy_of_released_code(p: Any) -> None:
    literal = np.array([-sum(x * np.log(x + 1e-8) for x in row) for row in p])
    np.testing.assert_allclose(entropies(p, 1e-8), literal, rtol=0, atol=1e-14)


@given(st.lists(st.integers(1, 999), min_size=2, max_size=30, unique=True))
def test_two_classes_give_one_ranking(thousandths: list[int]) -> None:
    first = np.array([t for t in thousandths if 1000 - t not in thousandths or t < 500]) / 1000
    p = np.column_stack([first, 1 - first])
    expected = np.argsort(np.abs(first - 0.5)).tolist()
    for score in (entropies, margin_scores, least_confident_scores):
        assert np.argsort(-score(p)).tolist() == expected


@pytest.mark.parametrize("score", [entropies, margin_scores, least_confident_scores])
def test_saturated_probabilities_keep_their_order(score: Callable[..., Any]) -> None:
    small = np.array([1e-5, 1e-17, 1e-40, 1e-300, 0.0])
    assert np.all(np.diff(score(np.column_stack([1 - small, small]))) < 0)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("size", [None, 3])
def test_planted_points_are_chosen_in_order(
    name: str, size: int | None, planted: Callable[..., LearningState]
) -> None:
    # Uncertainty falls from position 4 to 1 to 3 to 0 to 2 by every rule.
    p = [[0.9, 0.08, 0.02], [0.5, 0.4, 0.1], [0.98, 0.01, 0.01], [0.6, 0.3, 0.1]]
    p.append([0.36, 0.34, 0.3])
    ranking, state = [4, 1, 3, 0, 2], planted(p)
    strategy = strategies.get(name)
    if size is not None:
        from lalbench.strategies.subsample import Subsample

        found = Subsample(strategy, size).select(state, 2, rng())
        part = np.flatnonzero(np.isfinite(found.scores))
        assert len(part) == size
        assert found.indices.tolist() == [i for i in ranking if i in part][:2]
    else:
        for budget in (1, 3, 5):
            assert strategy.select(state, budget, rng()).indices.tolist() == ranking[:budget]


def test_rules_differ_with_three_classes(planted: Callable[..., LearningState]) -> None:
    p = [[0.5, 0.499, 0.001], [0.45, 0.3, 0.25], [0.44, 0.42, 0.14]]
    first = {name: strategies.get(name).select(planted(p), 1, rng()).indices[0] for name in RULES}
    assert first == {"entropy": 1, "margin": 0, "least_confident": 2}


@pytest.mark.parametrize(("name", "expected"), [("wine", -0.06), ("digits", -0.10)])
def test_f_score_of_an_svm_with_more_classes_is_no_distance_to_a_border(
    name: str, expected: float
) -> None:
    """The pitfall that its docstring names, with these numbers."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)
    train = np.random.RandomState(0).choice(len(y), 100, replace=False)
    pool = np.setdiff1d(np.arange(len(y)), train)
    values = classifiers.decision(SVC().fit(X[train], y[train]), X[pool], int(y.max()) + 1)
    assert (np.abs(values).argmin(axis=1) == values.argmin(axis=1)).all()
    best = np.sort(values, axis=1)[:, -2:]
    found = spearmanr(np.abs(values).min(axis=1), best[:, 1] - best[:, 0]).statistic
    assert found == pytest.approx(expected, abs=0.005)
    assert f"{expected:.2f} on {name}" in " ".join((FScore.__doc__ or "").split())


@pytest.mark.parametrize(
    ("decision", "ranking"),
    [
        ([3.0, -0.5, 0.2, -4.0], [2, 1, 0, 3]),
        ([[2.0, -1.0, -2.0], [0.1, 3.0, -3.0], [-1.5, -1.6, 0.9]], [1, 2, 0]),
    ],
)
def test_f_score_takes_the_point_closest_to_a_boundary(
    decision: Any, ranking: list[int], planted: Callable[..., LearningState]
) -> None:
    found = strategies.get("f_score").select(planted(decision=decision), 4, rng())
    assert found.indices.tolist() == ranking
    assert found.scores.tolist() == [-np.min(np.abs(row)) for row in decision]
