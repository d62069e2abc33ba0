"""Strategies on signals of networks equal plain loops, also where they look at part of the pool."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lalbench import strategies
from lalbench.strategies.base import LearningState
from lalbench.strategies.cbal import Cbal
from lalbench.strategies.hal import HalGauss

N_POOL, N_ANNOTATED, BUDGET = 3000, 60, 120
Given = Callable[..., LearningState]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(params=[8, 40, 10_000], ids="least {}".format)
def _size(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frontiers from far too small to the whole pool: none may change a choice."""
    for module in ("k_center_greedy", "gaussian_cover", "cbal"):
        place = f"lalbench.strategies.{module}.first_size"
        monkeypatch.setattr(place, lambda n, budget: request.param)


def world(given: Given, seed: int = 0, width: int = 6, dtype: Any = np.float32) -> LearningState:
    """Clusters, rare ones among them, with a linear last layer."""
    draw = rng(seed)
    n = N_POOL + N_ANNOTATED
    centres = draw.normal(size=(4, width)) * 2
    y = draw.choice(4, size=n, p=[0.5, 0.3, 0.15, 0.05])
    y[:4] = np.arange(4)
    z = np.abs(centres[y] + draw.normal(size=(n, width))).astype(dtype)
    logits = z.astype(float) @ centres.T / 3
    return given(logits, z, y_annotated=y[:N_ANNOTATED])


def distances(points: Any, centre: Any) -> Any:
    return ((points.astype(float) - centre.astype(float)) ** 2).sum(axis=1)


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_k_center_greedy(dtype: Any, given_signals: Given) -> None:
    state = world(given_signals, dtype=dtype)
    nearest = np.min([distances(state.embeddings, c) for c in state.annotated_embeddings], axis=0)
    expected: list[int] = []
    for _ in range(BUDGET):
        expected.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distances(state.embeddings, state.embeddings[expected[-1]]))
    found = strategies.get("k_center_greedy").select(state, BUDGET, rng())
    assert found.indices.tolist() == expected


@pytest.mark.usefixtures("_size")
def test_k_center_greedy_to_the_end_of_a_pool_with_copies(given_signals: Given) -> None:
    z = np.round(rng(1).normal(size=(150, 2)), 1).astype(np.float32)
    z[100:] = z[50:100]
    state = given_signals(np.zeros((150, 2)), z, y_annotated=[0] * 20)
    found = strategies.get("k_center_greedy", ties="first").select(state, 130, rng()).indices
    pool, nearest = z[20:], np.min([distances(z[20:], c) for c in z[:20]], axis=0)
    expected: list[int] = []
    for _ in range(130):
        nearest[expected] = -1
        expected.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distances(pool, pool[expected[-1]]))
    assert found.tolist() == expected


@pytest.mark.usefixtures("_size")
def test_gaussian_exploration(given_signals: Given) -> None:
    state, delta = world(given_signals), 8.0
    sums = sum(np.exp(-distances(state.embeddings, c) / delta) for c in state.annotated_embeddings)
    expected: list[int] = []
    for _ in range(BUDGET):
        left = sums.copy()
        left[expected] = np.inf
        expected.append(int(left.argmin()))
        new = state.embeddings[expected[-1]]
        sums = sums + np.exp(-distances(state.embeddings, new) / delta)
    found = HalGauss(p_exploit=0.0, delta=delta).select(state, BUDGET, rng())
    assert found.indices.tolist() == expected


@pytest.mark.usefixtures("_size")
def test_hal_with_coins(given_signals: Given) -> None:
    state, delta, seed = world(given_signals), 8.0, 4
    p = state.probabilities
    ordered = np.sort(p, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    sums = sum(np.exp(-distances(state.embeddings, c) / delta) for c in state.annotated_embeddings)
    coins, expected = rng(seed), list[int]()
    coins.integers(0, 2**64, dtype=np.uint64)  # priorities among equal points
    for _ in range(BUDGET):
        value = np.where(coins.random() < 0.5, margin, sums)
        value[expected] = np.inf
        expected.append(int(value.argmin()))
        new = state.embeddings[expected[-1]]
        sums = sums + np.exp(-distances(state.embeddings, new) / delta)
    found = HalGauss(delta=delta).select(state, BUDGET, rng(seed))
    assert found.indices.tolist() == expected


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("variant", ["greedy", "npal"])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 20.0])
def test_cbal(variant: Any, penalty: float, given_signals: Given) -> None:
    state = world(given_signals)
    p, counts = state.probabilities, np.bincount(state.y_annotated, minlength=4)
    entropy = -(p * np.log(p)).sum(axis=1)
    expected, mass = list[int](), np.zeros(4)
    for pick in range(BUDGET):
        already = pick if variant == "npal" else BUDGET
        target = np.maximum(0, (N_ANNOTATED + already) / 4 - counts)
        value = entropy - penalty * np.abs(target - (0 if variant == "npal" else mass) - p).sum(1)
        value[expected] = -np.inf
        expected.append(int(value.argmax()))
        mass = mass + p[expected[-1]]
    found = Cbal(variant=variant, penalty=penalty).select(state, BUDGET, rng())
    assert found.indices.tolist() == expected


@pytest.mark.parametrize(
    "name", ["entropy", "margin", "least_confident", "k_center_greedy", "hal_gauss", "hal_uniform"]
)
def test_permuting_a_large_pool_permutes_the_choice(name: str, given_signals: Given) -> None:
    state = world(given_signals, seed=3)
    order = rng(5).permutation(N_POOL)
    other = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    one, two = (strategies.get(name).select(given, 200, rng(6)) for given in (state, other))
    assert state.pool_ids[one.indices].tolist() == other.pool_ids[two.indices].tolist()
    if name != "hal_uniform":
        np.testing.assert_array_equal(one.scores[order], two.scores)


@pytest.mark.parametrize("name", ["k_center_greedy", "hal_gauss"])
def test_no_array_of_all_distances(name: str, given_signals: Given) -> None:
    """20,000 × 2,000 distances would take 160 MB in float32."""
    z = rng(1).random(size=(22_000, 16), dtype=np.float32)
    state = given_signals(z[:, :3], z, y_annotated=np.zeros(2000, dtype=int))
    strategy = strategies.get(name)
    strategy.select(state, 1, rng())
    tracemalloc.start()
    strategy.select(state, 30, rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20


def numbered(values: Any) -> Any:
    """As if every place in a product had a rounding error of its own."""
    return values * (1 + 1e-3 * np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1)))


@pytest.mark.parametrize("name", ["hal_gauss", "uncertain_gcn", "core_gcn", "vaal"])
def test_rounding_does_not_tell_equal_points_apart(
    name: str, make_image_state: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lalbench.strategies import graph_network, single_distances, vaal_training

    state = make_image_state()
    state = replace(state, X_pool=state.X_pool[np.arange(30) % 10])
    sums, outputs = single_distances.log_gaussian_sums, graph_network._Network.outputs
    logits = vaal_training.annotated_logits
    monkeypatch.setattr(single_distances, "log_gaussian_sums", lambda *a: numbered(sums(*a)))
    monkeypatch.setattr(vaal_training, "annotated_logits", lambda *a: numbered(logits(*a)))
    monkeypatch.setattr(
        graph_network._Network,
        "outputs",
        lambda self: tuple(torch.from_numpy(numbered(part.numpy())) for part in outputs(self)),
    )
    options = {
        "hal_gauss": {"p_exploit": 0.0},
        "vaal": {"epochs": 1, "width": 1 / 64, "batch_size": 8},
    }
    strategy = strategies.get(name, **options.get(name, {"epochs": 3, "hidden": 8}))
    scores = strategy.select(state, 1, rng()).scores.reshape(3, 10)
    assert np.array_equal(scores, np.repeat(scores[:1], 3, axis=0))
    assert len(np.unique(scores)) == 10
