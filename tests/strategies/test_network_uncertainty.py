"""Uncertainty and coverage from signals of a network, against exact arithmetic and libraries."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, getcontext
from typing import Any

import numpy as np
import pytest

from lalbench import strategies
from lalbench.strategies.base import LearningState

Given = Callable[..., LearningState]
RULES = ["entropy", "margin", "least_confident"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def exact(logits: Any, rule: str) -> list[Decimal]:
    """Uncertainties of each row with 700 digits."""
    getcontext().prec = 700
    found = []
    for row in logits.tolist():
        weights = [(Decimal(value) - Decimal(max(row))).exp() for value in row]
        p = sorted((weight / sum(weights) for weight in weights), reverse=True)
        if rule == "entropy":
            found.append(-sum(x * x.ln() for x in p))
        else:
            found.append(1 - (p[0] - p[1]) if rule == "margin" else 1 - p[0])
    return found


@pytest.mark.parametrize("rule", RULES)
def test_saturated_softmax_keeps_the_exact_order(rule: str, given_signals: Given) -> None:
    draw = rng(1)
    gaps = np.concatenate([draw.uniform(20, 40, 25), draw.uniform(40, 690, 15)])
    logits = -gaps[:, None] - draw.exponential(0.7, size=(40, 4))
    logits[np.arange(40), draw.integers(4, size=40)] = 0.0
    logits = logits.astype(np.float32)
    state = given_signals(logits)
    assert np.sum(state.probabilities.max(axis=1) == 1.0) >= 15
    values = exact(logits, rule)
    expected = sorted(range(40), key=lambda i: values[i], reverse=True)
    assert strategies.get(rule).select(state, 40, rng()).indices.tolist() == expected


def test_entropy_keeps_the_term_of_the_largest_probability(given_signals: Given) -> None:
    """``-p log p`` of a p that rounds to 1 decides here; without it the second row would win."""
    logits = np.array([[0, -40, -600, -600], [0, -40.7105, -40.7105, -600]], dtype=np.float32)
    first, second = exact(logits, "entropy")
    assert first > second
    state = given_signals(logits)
    p = state.probabilities
    lost = -(p * np.log(p)).sum(axis=1)
    assert lost[0] < lost[1]
    assert strategies.get("entropy").select(state, 2, rng()).indices.tolist() == [0, 1]


def test_classes_that_were_never_seen_count_nothing(given_signals: Given) -> None:
    from dataclasses import replace

    state = given_signals(rng(2).normal(size=(30, 3)))
    wider = replace(state, n_classes=5)
    for rule in RULES:
        one, two = (strategies.get(rule).select(s, 30, rng()).indices for s in (state, wider))
        assert np.array_equal(one, two)


class Answers:
    """A scikit-activeml classifier that answers with given probabilities for row numbers."""

    def __new__(cls, p: Any) -> Any:
        from skactiveml.base import SkactivemlClassifier

        class Given(SkactivemlClassifier):  # type: ignore[misc]
            def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
                self.classes_ = np.arange(p.shape[1])
                return self

            def predict_proba(self, X: Any) -> Any:
                return p[X[:, 0].astype(int)]

        return Given(classes=list(range(p.shape[1]))).fit(None, None)


@pytest.mark.parametrize("rule", RULES)
def test_equal_to_numpy_and_scikit_activeml(rule: str, given_signals: Given) -> None:
    pytest.importorskip("skactiveml")
    from skactiveml.pool import UncertaintySampling

    logits = (rng(3).normal(size=(400, 10)) * 3).astype(np.float32)
    found = strategies.get(rule).select(given_signals(logits), 50, rng()).indices
    p = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    ordered = np.sort(p, axis=1)
    value = {
        "entropy": -(p * np.log(p)).sum(axis=1),
        "margin": ordered[:, -2] - ordered[:, -1],
        "least_confident": -ordered[:, -1],
    }[rule]
    assert found.tolist() == np.argsort(-value)[:50].tolist()
    method = "margin_sampling" if rule == "margin" else rule
    theirs = UncertaintySampling(method=method, random_state=0).query(
        np.arange(400.0)[:, None],
        np.full(400, np.nan),
        Answers(p),
        fit_clf=False,
        batch_size=50,
    )
    assert found.tolist() == theirs.tolist()


def test_k_center_greedy_equals_scikit_activeml(given_signals: Given) -> None:
    pytest.importorskip("skactiveml")
    from skactiveml.pool import CoreSet

    z = rng(4).normal(size=(330, 12)).clip(min=0).astype(np.float32)
    state = given_signals(np.zeros((330, 2)), z, y_annotated=np.arange(30) % 2)
    y = np.concatenate([np.arange(30) % 2, np.full(300, np.nan)])
    theirs = CoreSet(random_state=0).query(z.astype(float), y, batch_size=60) - 30
    found = strategies.get("k_center_greedy").select(state, 60, rng()).indices
    assert found.tolist() == theirs.tolist()
