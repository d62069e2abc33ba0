"""Learning states to try strategies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from lalbench import classifiers
from lalbench.objectives import Scorer
from lalbench.strategies.base import LabelOracle, LearningState

settings.register_profile("no deadline", deadline=None)  # machines may be busy
settings.load_profile("no deadline")


class FixedSignals:
    """A classifier whose answer for a row is the row of a table that its first feature names."""

    def __init__(self, probabilities: Any, decision: Any) -> None:
        table = np.asarray(decision if probabilities is None else probabilities)
        self.classes_ = np.arange(table.shape[1] if table.ndim == 2 else 2)
        if probabilities is not None:
            self.predict_proba = lambda X: table[X[:, 0].astype(int)]
        else:
            self.decision_function = lambda X: table[X[:, 0].astype(int)]


def _draw(rng: np.random.Generator, n: int, n_classes: int) -> tuple[Any, Any]:
    y = np.arange(n) % n_classes
    return rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[y % 3], y


def _make_state(
    n_pool: int = 30,
    n_annotated: int = 20,
    n_classes: int = 2,
    seed: int = 0,
    weighted: bool = True,
) -> LearningState:
    rng = np.random.default_rng(seed)
    X, y = _draw(rng, n_annotated, n_classes)
    X_pool, y_pool = _draw(rng, n_pool, n_classes)
    weights = np.linspace(1.5, 0.5, n_classes)

    def new_classifier() -> Any:
        return classifiers.get("logistic_regression")

    return LearningState(
        X_annotated=X,
        y_annotated=y,
        X_pool=X_pool,
        n_classes=n_classes,
        classifier=classifiers.fit(new_classifier(), X, y, weights if weighted else None),
        class_weights=weights,
        fit_weights=weights if weighted else None,
        pool_ids=rng.permutation(10 * n_pool)[:n_pool] + 1000,
        annotated_ids=np.arange(n_annotated),
        new_classifier=new_classifier,
        reward_scorer=Scorer(*_draw(rng, 40, n_classes), weights),
        test_scorer=Scorer(*_draw(rng, 60, n_classes), weights),
        labels=LabelOracle(y_pool),
    )


@pytest.fixture
def make_state() -> Callable[..., LearningState]:
    """Builds a state with a fitted logistic regression, both scorers and the hidden labels."""
    return _make_state


@pytest.fixture
def planted() -> Callable[..., LearningState]:
    """Builds a state whose pool has given probabilities or decision values, row by row."""

    def build(probabilities: Any = None, decision: Any = None, **changes: Any) -> LearningState:
        classifier = FixedSignals(probabilities, decision)
        n_pool = len(decision if probabilities is None else probabilities)
        state = _make_state(n_pool=n_pool)
        X_pool = np.column_stack([np.arange(n_pool), state.X_pool[:, 1:]])
        given = {"X_pool": X_pool, "n_classes": len(classifier.classes_), **changes}
        return replace(state, classifier=classifier, **given)

    return build
