"""Oracle strategies against a plain loop of refits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lalbench import classifiers, strategies
from lalbench.errors import UserError
from lalbench.objectives import Scorer
from lalbench.strategies.base import LabelOracle, LearningState

BOTH = pytest.mark.parametrize(
    ("name", "scorer_name"), [("oracle", "test_scorer"), ("reward_oracle", "reward_scorer")]
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def loop(state: LearningState, labels: Any, scorer: Scorer, added: Any = ()) -> Any:
    """Improvement of every candidate by refitting, with the points ``added`` already annotated."""

    def score(points: list[int]) -> float:
        X = np.concatenate([state.X_annotated, state.X_pool[points]])
        y = np.concatenate([state.y_annotated, labels[points]])
        return scorer(classifiers.fit(state.new_classifier(), X, y, state.fit_weights))

    before = score(list(added))
    candidates = [i for i in range(state.n_pool) if i not in added]
    found = np.full(state.n_pool, -np.inf)
    found[candidates] = [score([*added, i]) - before for i in candidates]
    return found


@BOTH
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [True, False])
def test_scores_are_improvements_by_refits(
    name: str,
    scorer_name: str,
    n_classes: int,
    weighted: bool,
    make_state: Callable[..., LearningState],
) -> None:
    state = make_state(n_classes=n_classes, n_annotated=18, weighted=weighted)
    expected = loop(state, state.labels.ask_all(), getattr(state, scorer_name))
    assert len(np.unique(expected)) > 3
    found = strategies.get(name, ties="first").select(state, 30, rng())
    np.testing.assert_allclose(found.scores, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(-np.sort(-expected), expected[found.indices], atol=1e-12)
    assert found.indices[0] == np.flatnonzero(expected > expected.max() - 1e-12)[0]


@BOTH
def test_greedy_batches_score_the_rest_again(
    name: str, scorer_name: str, make_state: Callable[..., LearningState]
) -> None:
    state = make_state(n_pool=14, n_annotated=8, seed=5)
    labels, scorer = state.labels.ask_all(), getattr(state, scorer_name)
    expected: list[int] = []
    for _ in range(5):
        values = loop(state, labels, scorer, expected)
        expected.append(int(np.flatnonzero(values > values.max() - 1e-12)[0]))
    greedy = strategies.get(name, batch="greedy", ties="first")
    top = strategies.get(name, batch="top", ties="first")
    assert greedy.select(state, 5, rng()).indices.tolist() == expected
    assert top.select(state, 5, rng()).indices.tolist() != expected
    assert greedy.select(state, 99, rng()).indices.shape == (14,)


def test_log_loss_and_the_reference_engine(make_state: Callable[..., LearningState]) -> None:
    state = make_state(n_pool=12)
    scorer = Scorer(state.test_scorer.X, state.test_scorer.y, state.class_weights, "log_loss")
    state = replace(state, test_scorer=scorer)
    expected = loop(state, state.labels.ask_all(), scorer)
    for engine in ("logistic", "reference"):
        found = strategies.get("oracle", engine=engine).select(state, 3, rng())
        np.testing.assert_allclose(found.scores, expected, atol=1e-7)
        assert found.indices[0] == expected.argmax()


@BOTH
def test_every_hidden_label_is_counted(
    name: str, scorer_name: str, make_state: Callable[..., LearningState]
) -> None:
    state = make_state()
    assert state.labels.count == 0
    strategies.get(name).select(state, 1, rng())
    assert state.labels.count == 30


def test_the_labels_matter(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    other = replace(state, labels=LabelOracle(1 - state.labels.ask_all()))
    one, two = (strategies.get("oracle").select(given, 1, rng()).scores for given in (state, other))
    assert np.abs(one - two).max() > 0.01


@BOTH
@pytest.mark.parametrize("missing", ["scorer", "labels", "new_classifier"])
def test_what_is_missing_is_named(
    name: str, scorer_name: str, missing: str, make_state: Callable[..., LearningState]
) -> None:
    field = scorer_name if missing == "scorer" else missing
    state = replace(make_state(), **{field: None})
    with pytest.raises(UserError, match=rf"state\.{field}: the oracle needs it"):
        strategies.get(name).select(state, 1, rng())
