"""Any query strategy of scikit-activeml for classification as a strategy (optional extra)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from sklearn.base import BaseEstimator, ClassifierMixin

from lalbench import classifiers
from lalbench.errors import UserError, suggest
from lalbench.seeds import uniforms_by_id
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, Selection

_RESERVED = ("random_state", "missing_label")
_CLASSIFIERS = ("clf", "estimator")
_REFITTED = ("ensemble", "discriminator", "ignore_partial_fit")
_DATA = ("X", "y", "candidates", "batch_size", "return_utilities")
_MEMBERS = 10
_FAILURES = (TypeError, ValueError, AttributeError, NameError, LookupError, ArithmeticError)


def require_scikit_activeml(path: str) -> None:
    """Raises :class:`UserError` when the package is missing."""
    try:
        import skactiveml  # noqa: F401
    except ImportError as error:
        raise UserError(
            "class",
            f'"{path}" needs scikit-activeml, which is not installed',
            "install it: make install EXTRA=activeml, or pip install scikit-activeml",
        ) from error


@dataclass(frozen=True)
class ScikitActiveML:
    """Hands the state to a query strategy in the form that scikit-activeml expects.

    Annotated and pool rows go in together, pool labels missing. What ``query`` asks for is
    supplied: ``clf`` and ``estimator``: the fitted task classifier; ``ensemble``: ten task
    classifiers fitted to bootstrap samples within each class; ``discriminator``: an unfitted task
    classifier. The pool is presented in a random order by row id, so permuting it permutes the
    choice.

    Attributes:
        query_strategy: class of scikit-activeml, or derived from one.
        options: arguments of its constructor.
    """

    query_strategy: type
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, query_strategy: type, options: Mapping[str, Any]) -> ScikitActiveML:
        """An adapter whose option names and query arguments have been checked.

        Raises:
            UserError: an abstract class, an unknown or reserved option, or a query that needs what
                cannot be supplied (a regressor, for example).
        """
        title = query_strategy.__name__
        known = [name for name in _parameters(query_strategy) if name not in _RESERVED]
        for option in options:
            if option not in known:
                remedy = suggest(option, known) if known else "it has no options"
                raise UserError(f"options.{option}", f'{title} has no option "{option}"', remedy)
        if not hasattr(query_strategy, "query") or inspect.isabstract(query_strategy):
            raise UserError("class", f"{title} is no query strategy", "name one that can be used")
        supplied = (*_DATA, *_CLASSIFIERS, *_REFITTED)
        for name, entry in _parameters(query_strategy.query).items():
            if entry.default is entry.empty and name not in supplied:
                raise UserError(
                    "class",
                    f"{title}.query needs {name}, which lalbench cannot supply",
                    "use a query strategy for pool-based classification",
                )
        return cls(query_strategy, dict(options))

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities where a classifier is asked for, and refits where it is refitted."""
        asked = _parameters(self.query_strategy.query)  # type: ignore[attr-defined]
        needs = {Need.EMBEDDINGS}
        if any(name in asked for name in _CLASSIFIERS):
            needs.add(Need.PROBABILITIES)
        if any(name in asked for name in _REFITTED):
            needs.add(Need.CLASSIFIER)
        if needs & {Need.PROBABILITIES, Need.CLASSIFIER}:
            needs.add(Need.FEATURES)
        return frozenset(needs)

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The queried points; scores are the utilities for the first of them.

        Where a query strategy repeats a point (TypiClust may), it is queried again for the rest.

        Raises:
            UserError: the query strategy failed: wrong options, or data it cannot handle.
        """
        n_annotated, budget = len(state.y_annotated), min(budget, state.n_pool)
        order = np.argsort(uniforms_by_id(rng, state.pool_ids), kind="stable")
        X = np.concatenate([state.annotated_embeddings, state.embeddings[order]])
        y = np.concatenate([state.y_annotated, np.full(state.n_pool, np.nan)])
        left = np.arange(n_annotated, len(X))
        chosen: list[int] = []
        scores: FloatArray | None = None
        with _global_seed(int(rng.integers(2**32))), self._clear_failure():
            query = self._build(state, rng).query
            arguments = self._arguments(state, rng)
            while len(chosen) < budget:
                size = budget - len(chosen)
                indices, utilities = query(
                    X, y, candidates=left, batch_size=size, return_utilities=True, **arguments
                )
                if not chosen:
                    scores = _first_utilities(utilities, n_annotated, order)
                chosen += dict.fromkeys(int(index) for index in indices)
                left = np.setdiff1d(left, chosen)
        return Selection(order[np.asarray(chosen, dtype=np.int64) - n_annotated], scores)

    @contextmanager
    def _clear_failure(self) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except _FAILURES as error:
            title = self.query_strategy.__name__
            raise UserError(
                "class", f"{title} failed ({error})", "correct its options or use another one"
            ) from error

    def _build(self, state: LearningState, rng: Generator) -> Any:
        known = _parameters(self.query_strategy)
        supplied = {
            "random_state": int(rng.integers(2**31)),
            "classes": list(range(state.n_classes)),
            "n_classes": state.n_classes,
        }
        given = {name: value for name, value in supplied.items() if name in known}
        given |= self.options
        return self.query_strategy(**given)

    def _arguments(self, state: LearningState, rng: Generator) -> dict[str, Any]:
        asked = _parameters(self.query_strategy.query)  # type: ignore[attr-defined]
        given: dict[str, Any] = {}
        refits = "ignore_partial_fit" in asked  # expected error reduction: wants the unfitted one
        for name in _CLASSIFIERS:
            if name in asked:
                wanted = _unfitted(state) if refits else _task_classifier(state)
                given |= {name: _wrapped(state, wanted), f"fit_{name}": refits}
        if "ensemble" in asked:
            given |= {"ensemble": _committee(state, rng), "fit_ensemble": False}
        if "discriminator" in asked:
            given["discriminator"] = _wrapped(state, TaskClassifier(state.new_classifier, 2), 2)
        return given


class TaskClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The task classifier with one column of probabilities for every class of the problem.

    Args:
        new_classifier: returns an unfitted task classifier.
        n_classes: number of classes.
        fit_weights: (n_classes,) weights in training, or None.
    """

    def __init__(self, new_classifier: Any, n_classes: int, fit_weights: Any = None) -> None:
        self.new_classifier = new_classifier
        self.n_classes = n_classes
        self.fit_weights = fit_weights

    def fit(
        self, X: FloatArray, y: IntArray, sample_weight: FloatArray | None = None
    ) -> TaskClassifier:
        """Fits a new task classifier; ``sample_weight`` multiplies the weights of the classes."""
        y = np.asarray(y, dtype=np.int64)
        if sample_weight is None:
            fitted = classifiers.fit(self.new_classifier(), X, y, self.fit_weights)
        else:
            class_weights = 1.0 if self.fit_weights is None else self.fit_weights[y]
            fitted = self.new_classifier().fit(X, y, sample_weight=sample_weight * class_weights)
        return self.adopt(fitted, X.shape[1])

    def adopt(self, fitted: Any, n_features: int) -> TaskClassifier:
        """Takes over a fitted task classifier."""
        self.fitted_ = fitted
        self.n_features_in_ = n_features
        self.classes_ = np.arange(self.n_classes)
        return self

    def predict(self, X: FloatArray) -> IntArray:
        """(n,) labels."""
        found: IntArray = self.fitted_.predict(X)
        return found

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """(n, n_classes) probabilities."""
        return classifiers.probabilities(self.fitted_, X, self.n_classes)


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seeds NumPy's global generator, which some query strategies use, and puts it back."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def _unfitted(state: LearningState) -> TaskClassifier:
    return TaskClassifier(state.new_classifier, state.n_classes, state.fit_weights)


def _task_classifier(state: LearningState) -> TaskClassifier:
    return _unfitted(state).adopt(state.classifier, state.X_annotated.shape[1])


def _wrapped(state: LearningState, classifier: Any, n_classes: int | None = None) -> Any:
    from skactiveml.classifier import SklearnClassifier

    classes = list(range(n_classes or state.n_classes))
    return SklearnClassifier(classifier, classes=classes, random_state=0)


def _committee(state: LearningState, rng: Generator) -> list[Any]:
    """Task classifiers fitted to bootstrap samples that keep the number of points of each class."""
    y = state.y_annotated
    members = []
    for _ in range(_MEMBERS):
        rows = np.concatenate(
            [
                rng.choice(np.flatnonzero(y == label), size=np.sum(y == label))
                for label in np.unique(y)
            ]
        )
        member = _unfitted(state).fit(state.X_annotated[rows], y[rows])
        members.append(_wrapped(state, member))
    return members


def _first_utilities(utilities: Any, n_annotated: int, order: IntArray) -> FloatArray | None:
    """Utilities of the first pick by pool position; -inf where there are none."""
    first = np.asarray(utilities, dtype=np.float64)[0, n_annotated:]
    if first.shape != order.shape:
        return None
    scores = np.empty(len(order))
    scores[order] = np.where(np.isnan(first), -np.inf, first)
    return scores


def _parameters(made_by: Any) -> dict[str, inspect.Parameter]:
    entries = inspect.signature(made_by).parameters
    return {
        name: entry
        for name, entry in entries.items()
        if name != "self" and entry.kind not in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD)
    }
