"""Learning states to try strategies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from lalbench import classifiers, objectives
from lalbench.classifiers.networks.signals import Signals
from lalbench.data.images import Images
from lalbench.objectives import Scorer
from lalbench.strategies.base import LabelOracle, LearningState


class FixedSignals:
    """A classifier whose answer for a row is the row of a table that its first feature names."""

    def __init__(self, probabilities: Any, decision: Any) -> None:
        table = np.asarray(decision if probabilities is None else probabilities)
        self.classes_ = np.arange(table.shape[1] if table.ndim == 2 else 2)
        if probabilities is not None:
            self.predict_proba = lambda X: table[X[:, 0].astype(int)]
        else:
            self.decision_function = lambda X: table[X[:, 0].astype(int)]


class TinyNetwork(ClassifierMixin, BaseEstimator):
    """Looks like a network: rectified random projections of the pixels as embeddings, the nearest
    class mean as last layer. Every image is computed alone, so equal images give equal signals.
    """

    def __init__(self, loss_head=False, loss_margin=1.0, loss_weight=1.0, loss_detach_at=0.6):
        self.loss_head = loss_head
        self.loss_margin = loss_margin
        self.loss_weight = loss_weight
        self.loss_detach_at = loss_detach_at

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TinyNetwork:
        z = self._embed(X)
        self.classes_ = np.unique(y)
        self.means_ = np.stack([z[y == label].mean(axis=0) for label in self.classes_])
        return self

    def signals(self, X: Any) -> Signals:
        z = self._embed(X)
        logits = 3.0 * (np.einsum("ij,kj->ik", z, self.means_) - 0.5 * (self.means_**2).sum(axis=1))
        losses = np.sin(5.0 * z).sum(axis=1)
        return Signals(logits.astype(np.float32), z.astype(np.float32), self.classes_, losses)

    def predict_proba(self, X: Any) -> Any:
        given = self.signals(X)
        return Signals(given.logits, given.embeddings, np.arange(len(self.classes_))).probabilities(
            len(self.classes_)
        )

    def predict(self, X: Any) -> Any:
        return self.classes_[self.signals(X).logits.argmax(axis=1)]

    def _embed(self, X: Any) -> Any:
        pixels = np.asarray(X).reshape(len(X), -1) / 255.0
        weights = np.random.default_rng(5).normal(size=(pixels.shape[1], 24)) / 3.0
        return np.einsum("ij,jk->ik", pixels, weights).clip(min=0).astype(np.float32).astype(float)


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
        objective=objectives.get("weighted_accuracy"),
        posterior=rng.dirichlet(np.ones(n_classes), size=n_pool),
        labels=LabelOracle(y_pool),
    )


@pytest.fixture
def make_state() -> Callable[..., LearningState]:
    """Builds a state with a fitted logistic regression, both scorers and the hidden labels."""
    return _make_state


def _make_image_state(
    n_pool: int = 30, n_annotated: int = 20, n_classes: int = 2, seed: int = 0, size: int = 8
) -> LearningState:
    rng = np.random.default_rng(seed)
    n = n_annotated + n_pool
    y = np.arange(n) % n_classes
    pixels = rng.integers(0, 180, size=(n + 5, size, size, 1))
    pixels[np.arange(n), y % size] += 70
    images = Images(pixels.astype(np.uint8), rng.permutation(n + 5)[:n])
    y = np.where(images.rows < n, images.rows % n_classes, 0)
    y[:n_classes] = np.arange(n_classes)
    X, X_pool = images[:n_annotated], images[n_annotated:]
    return LearningState(
        X_annotated=X,
        y_annotated=y[:n_annotated],
        X_pool=X_pool,
        n_classes=n_classes,
        classifier=TinyNetwork().fit(X, y[:n_annotated]),
        class_weights=np.ones(n_classes),
        fit_weights=None,
        pool_ids=rng.permutation(10 * n_pool)[:n_pool] + 1000,
        annotated_ids=np.arange(n_annotated),
        new_classifier=TinyNetwork,
        reward_scorer=Scorer(X, y[:n_annotated], np.ones(n_classes)),
        test_scorer=Scorer(X, y[:n_annotated], np.ones(n_classes)),
        labels=LabelOracle(y[n_annotated:]),
    )


@pytest.fixture
def make_image_state() -> Callable[..., LearningState]:
    """Builds a state with images and a fitted :class:`TinyNetwork`."""
    return _make_image_state


class GivenSignals:
    """A network whose signals for the image in row i of the pixels are given."""

    def __init__(self, signals: Signals) -> None:
        self.given = signals
        self.classes_ = signals.classes

    def signals(self, X: Images) -> Signals:
        one = self.given
        losses = None if one.losses is None else one.losses[X.rows]
        return Signals(one.logits[X.rows], one.embeddings[X.rows], one.classes, losses)


@pytest.fixture
def given_signals() -> Callable[..., LearningState]:
    """Builds a state from signals of annotated points, then pool points."""

    def build(
        logits: Any, embeddings: Any = None, losses: Any = None, y_annotated: Any = ()
    ) -> LearningState:
        logits = np.asarray(logits, dtype=np.float32)
        y = np.asarray(y_annotated, dtype=np.int64)
        n, n_classes = logits.shape
        if embeddings is None:
            embeddings = np.zeros((n, 1), np.float32)
        images = Images(np.zeros((n, 1, 1, 1), np.uint8))
        return LearningState(
            X_annotated=images[: len(y)],
            y_annotated=y,
            X_pool=images[len(y) :],
            n_classes=n_classes,
            classifier=GivenSignals(Signals(logits, embeddings, np.arange(n_classes), losses)),
            class_weights=np.ones(n_classes),
            fit_weights=None,
            pool_ids=np.random.default_rng(0).permutation(n - len(y)) + 10**6,
            annotated_ids=np.arange(len(y)),
        )

    return build


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


class Run:
    """A trial by hand: 6 annotated points, the rest in the pool, labels as drawn."""

    def __init__(self, seed: int = 0, n: int = 30, make: Any = None, n_classes: int = 2) -> None:
        draw = np.random.default_rng(seed)
        self.y = np.arange(n) % n_classes
        self.X = draw.normal(size=(n, 3)) + 1.2 * np.eye(3)[self.y % 3]
        self.ids = draw.permutation(1000)[:n]
        self.known, self.pool = list(range(6)), np.arange(6, n)
        self.n_classes, self.step, self.seed = n_classes, 1, seed
        self.make = make or (lambda: classifiers.get("logistic_regression"))

    def state(self, **changes: Any) -> LearningState:
        X, y = self.X[self.known], self.y[self.known]
        state = LearningState(
            X_annotated=X,
            y_annotated=y,
            X_pool=self.X[self.pool],
            n_classes=self.n_classes,
            classifier=self.make().fit(X, y),
            class_weights=np.ones(self.n_classes),
            fit_weights=None,
            pool_ids=self.ids[self.pool],
            annotated_ids=self.ids[self.known],
            step=self.step,
            new_classifier=self.make,
        )
        return replace(state, **changes)

    def acquire(self, positions: Any) -> None:
        self.known += self.pool[positions].tolist()
        self.pool = np.delete(self.pool, positions)
        self.step += 1

    def go_on(self, strategy: Any, budget: int = 1, **changes: Any) -> list[int]:
        """One step; the row ids acquired."""
        generator = np.random.default_rng(100 * self.seed + self.step)
        found = strategy.select(self.state(**changes), budget, generator).indices
        acquired = self.ids[self.pool[found]].tolist()
        self.acquire(found)
        return acquired


@pytest.fixture
def new_run() -> type[Run]:
    """Makes trials whose steps a test takes one by one."""
    return Run
