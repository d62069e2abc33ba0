"""Strategies on a random part of the pool."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lalbench import strategies
from lalbench.errors import UserError
from lalbench.strategies.base import LearningState
from lalbench.strategies.neural_process import NeuralProcess
from lalbench.strategies.subsample import Subsample, restrict


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_positions_and_scores_belong_to_the_whole_pool(
    make_state: Callable[..., LearningState],
) -> None:
    state = make_state()
    whole = strategies.get("entropy").select(state, 30, rng()).scores
    for seed in range(10):
        found = Subsample(strategies.get("entropy"), 9).select(state, 4, rng(seed))
        part = np.flatnonzero(np.isfinite(found.scores))
        assert len(part) == 9
        np.testing.assert_allclose(found.scores[part], whole[part], rtol=1e-12)
        assert np.all(found.scores[np.setdiff1d(np.arange(30), part)] == -np.inf)
        assert found.indices.tolist() == part[np.argsort(-whole[part])][:4].tolist()


def test_distance_strategies_see_the_part_alone(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    strategy = strategies.get("k_center_greedy")
    found = Subsample(strategy, 8).select(state, 8, rng(1))
    part = np.sort(found.indices)
    alone = strategy.select(restrict(state, part), 8, rng())
    assert found.indices.tolist() == part[alone.indices].tolist()


@pytest.mark.parametrize("size", [30, 500])
def test_a_part_that_is_the_pool_changes_nothing(
    size: int, make_state: Callable[..., LearningState]
) -> None:
    state = make_state()
    for name in ("margin", "k_center_greedy", "cbal"):
        expected = strategies.get(name).select(state, 6, rng())
        found = Subsample(strategies.get(name), size).select(state, 6, rng())
        assert np.array_equal(found.indices, expected.indices)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-12)


def test_the_part_is_never_smaller_than_the_batch(make_state: Callable[..., LearningState]) -> None:
    found = Subsample(strategies.get("margin"), 2).select(make_state(), 7, rng())
    assert len(set(found.indices.tolist())) == 7


def test_every_point_is_equally_likely_to_be_in_the_part(
    make_state: Callable[..., LearningState],
) -> None:
    state = make_state(n_pool=10)
    strategy = Subsample(strategies.get("k_center_greedy"), 4)
    counts = sum(
        np.isfinite(strategy.select(state, 1, rng(seed)).scores).astype(int) for seed in range(1500)
    )
    chi_squared = ((counts - 600) ** 2 / 600).sum() / (6 / 9)
    assert chi_squared < 29.7  # 0.9995 quantile for 9 degrees of freedom


def test_strategies_without_scores_keep_none(make_state: Callable[..., LearningState]) -> None:
    assert Subsample(strategies.get("random"), 5).select(make_state(), 2, rng()).scores is None


@pytest.mark.parametrize("name", ["oracle", "reward_oracle"])
def test_only_labels_of_the_part_are_asked_for(
    name: str, make_state: Callable[..., LearningState]
) -> None:
    state = make_state()
    whole = strategies.get(name).select(state, 1, rng()).scores
    state = make_state()
    found = Subsample(strategies.get(name), 11).select(state, 1, rng())
    assert state.labels.count == 11
    part = np.isfinite(found.scores)
    np.testing.assert_allclose(found.scores[part], whole[part], atol=1e-12)
    again = restrict(state, np.flatnonzero(part)).labels
    assert again.ask(np.array([2])) == state.labels.ask(np.flatnonzero(part)[[2]])
    assert again.count == state.labels.count == 11


def test_signals_are_those_of_the_part(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    part = np.array([3, 8, 21])
    small = restrict(state, part)
    np.testing.assert_allclose(small.probabilities, state.probabilities[part], rtol=1e-12)
    np.testing.assert_allclose(small.decision, state.decision[part], rtol=1e-9)
    assert np.array_equal(small.embeddings, state.X_pool[part])
    assert np.array_equal(small.pool_ids, state.pool_ids[part])


def test_the_learner_is_reachable(make_state: Callable[..., LearningState]) -> None:
    inner = NeuralProcess(n_simulations=6, epochs=1, refit="once")
    strategy = Subsample(inner, 9)
    assert strategy.needs == inner.needs
    assert strategy.refit == "once"
    state = make_state()
    episodes = strategy.simulate(state, rng())
    learned = strategy.fit(state, episodes, rng())
    found = strategy.select(replace(state, learned=learned), 2, rng())
    assert np.isfinite(found.scores).sum() == 9
    with pytest.raises(AttributeError, match="no_such"):
        _ = strategy.no_such
    with pytest.raises(AttributeError, match="simulate"):
        _ = Subsample(strategies.get("random"), 9).simulate


def test_it_can_be_copied_and_stored() -> None:
    strategy = Subsample(strategies.get("cbal", penalty=2.0), 9)
    assert copy.deepcopy(strategy) == strategy == pickle.loads(pickle.dumps(strategy))


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "many"])
def test_sizes_that_cannot_be_used(size: object) -> None:
    with pytest.raises(UserError, match=r"subsample: cannot use .*give an integer from 1"):
        Subsample(strategies.get("random"), size)


@pytest.mark.parametrize("name", ["entropy", "k_center_greedy", "learning_loss", "core_gcn"])
def test_only_the_part_goes_through_the_network(
    name: str, make_image_state: Callable[..., LearningState]
) -> None:
    state = make_image_state(n_pool=60)
    seen: list[int] = []

    class Counting(type(state.classifier)):  # type: ignore[misc]
        def signals(self, X: object) -> object:
            seen.extend(X.rows.tolist())  # type: ignore[attr-defined]
            return super().signals(X)

    counting = Counting()
    vars(counting).update(vars(state.classifier))
    state = replace(state, classifier=counting)
    found = Subsample(strategies.get(name), 12).select(state, 5, rng())
    pool = [row for row in seen if row in state.X_pool.rows.tolist()]
    assert len(pool) == len(set(pool)) == 12
    assert set(state.X_pool.rows[found.indices]) <= set(pool)


def test_images_of_the_part(make_image_state: Callable[..., LearningState]) -> None:
    state = make_image_state()
    part = np.array([2, 7, 19])
    small = restrict(state, part)
    assert small.images.pixels is state.images.pixels
    assert np.array_equal(small.images.take(), state.images.take()[part])
    assert np.array_equal(small.embeddings, state.embeddings[part])
    assert np.array_equal(small.predicted_losses, state.predicted_losses[part])
    assert np.array_equal(small.annotated_images.rows, state.annotated_images.rows)


@pytest.mark.parametrize("name", ["entropy", "margin", "least_confident", "hal_uniform"])
def test_planted_logits_in_a_part(
    name: str, make_image_state: Callable[..., LearningState]
) -> None:
    state = make_image_state(n_pool=80, n_classes=3)
    options = {"p_exploit": 1.0} if name == "hal_uniform" else {}
    strategy = strategies.get(name, **options)
    ranking = strategy.select(state, 80, rng()).indices
    found = Subsample(strategy, 20).select(state, 6, rng(4))
    part = np.flatnonzero(np.isfinite(found.scores))
    assert len(part) == 20
    assert found.indices.tolist() == [place for place in ranking if place in part][:6]
