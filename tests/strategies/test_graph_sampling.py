"""UncertainGCN and CoreGCN: products against the dense matrix, training against autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lalbench import strategies
from lalbench.strategies import graph_network
from lalbench.strategies.base import LearningState
from lalbench.strategies.graph_network import Graph, Training, train

Given = Callable[..., LearningState]
QUICK = Training(hidden=8, dropout=0.0, epochs=40, lr=1e-2, weight_decay=5e-4, weight=1.2)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def dense(z: Any) -> tuple[Any, Any]:
    """X and A by their definition, in float64."""
    z = np.asarray(z, dtype=float)
    if (z < 0).any():
        z = np.hstack([np.maximum(z, 0), np.maximum(-z, 0)])
    lengths = np.sqrt((z**2).sum(axis=1, keepdims=True))
    x = np.divide(z, lengths, out=np.zeros_like(z), where=lengths > 0)
    cosines = x @ x.T
    np.fill_diagonal(cosines, 0.0)
    return x, cosines / np.maximum(cosines.sum(axis=0), 1e-3) + np.eye(len(x))


def embeddings(kind: str, n: int = 45, width: int = 9) -> Any:
    z = rng(1).normal(size=(n, width))
    if kind != "signed":
        z = np.abs(z)
    if kind == "isolated":  # a zero row, and one whose cosines are all 0
        z[:, -1] = 0.0
        z[3] = 0.0
        z[7] = np.eye(width)[-1] * 2
    return z.astype(np.float16 if kind == "half" else np.float32)


@pytest.mark.parametrize("kind", ["positive", "signed", "isolated", "half"])
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("block", [4, 2**14])
def test_products_equal_the_dense_matrix(
    kind: str, resident: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_network, "_BLOCK", block)
    monkeypatch.setattr(graph_network, "_RESIDENT", 2**30 if resident else 0)
    z = embeddings(kind)
    order = rng(2).permutation(30)
    graph = Graph(z[:30], z[30:], order, torch.device("cpu"))
    x, A = dense(np.concatenate([z[:30][order], z[30:]]))
    values = rng(3).normal(size=(45, 4))
    given = torch.from_numpy(values.astype(np.float32))
    close = {"rtol": 2e-5, "atol": 2e-5}
    np.testing.assert_allclose(graph.smooth(given).numpy(), A @ values, **close)
    np.testing.assert_allclose(graph.smooth_back(given).numpy(), A.T @ values, **close)
    np.testing.assert_allclose(graph.smooth_rows().numpy(), A @ x, **close)
    assert np.isfinite(A).all()


def dense_network(z: Any, n_pool: int, seed: int, options: Training) -> Any:
    """The definition with autograd in float64: A as a matrix, losses as they are written."""
    x, A = (torch.from_numpy(part) for part in dense(z))
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, width: int) -> Any:
        draws = torch.rand(shape, generator=generator).double()
        return ((2 * draws - 1) / width**0.5).requires_grad_()

    width = options.hidden
    w1, b1 = uniform(x.shape[1], width, width=width), uniform(width, width=width)
    w3, b3 = uniform(width, 1, width=1), uniform(1, width=1)
    adam = torch.optim.Adam([w1, b1, w3, b3], lr=options.lr, weight_decay=options.weight_decay)

    def forward() -> Any:
        hidden = torch.relu(A @ x @ w1 + b1)
        return hidden, torch.sigmoid(A @ hidden @ w3 + b3)[:, 0]

    for _ in range(options.epochs):
        _, s = forward()
        loss = -torch.log(s[n_pool:]).mean() - options.weight * torch.log(1 - s[:n_pool]).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    hidden, s = forward()
    return hidden.detach().numpy(), s.detach().numpy()


@pytest.mark.parametrize("kind", ["positive", "signed"])
def test_training_equals_autograd_on_the_dense_matrix(kind: str, given_signals: Given) -> None:
    z = embeddings(kind)
    state = given_signals(np.zeros((45, 2)), z, y_annotated=np.zeros(15, dtype=int))
    nodes = train(state, QUICK, rng(4))
    order = np.argsort(state.pool_ids)
    seed = int(rng(4).integers(0, 2**63))
    hidden, s = dense_network(np.concatenate([z[15:][order], z[:15]]), 30, seed, QUICK)
    np.testing.assert_allclose(nodes.confidence[order], s[:30], rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(nodes.hidden[order], hidden[:30], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(nodes.annotated_hidden, hidden[30:], rtol=2e-3, atol=2e-3)
    assert np.ptp(s) > 0.1  # it has learned to tell nodes apart


def test_gradients_with_dropout_equal_differences(given_signals: Given) -> None:
    """One step of plain descent follows the slope of the loss under the same dropout."""
    z = embeddings("positive")
    graph = Graph(z[:30], z[30:], np.arange(30), torch.device("cpu"))
    options = replace(QUICK, dropout=0.4)

    def network() -> Any:
        return graph_network._Network(graph, options, torch.Generator().manual_seed(3))

    known = torch.arange(45) >= 30

    def loss(net: Any, state: Any) -> float:
        net._generator.set_state(state)
        hidden = net._hidden(options.dropout)
        logits = (graph.smooth(hidden @ net._w3) + net._b3).double()[:, 0]
        own = -torch.nn.functional.logsigmoid(logits[known]).mean()
        return float(own - 1.2 * torch.nn.functional.logsigmoid(-logits[~known]).mean())

    net = network()
    state = net._generator.get_state()
    hidden = net._hidden(options.dropout)
    assert 0.3 < float((hidden == 0).float().mean()) < 0.95
    logits = graph.smooth(hidden @ net._w3) + net._b3
    share = torch.where(known, 1 / 15, 1.2 / 30)[:, None]
    net._set_gradients(hidden, share * (torch.sigmoid(logits) - known[:, None].float()))
    for name in ("_w1", "_b1", "_w3", "_b3"):
        tensor = getattr(net, name)
        direction = torch.from_numpy(rng(8).normal(size=tuple(tensor.shape)).astype(np.float32))
        slope, step = float((tensor.grad * direction).sum()), 2e-3
        values = []
        for sign in (1, -1):
            tensor += sign * step * direction
            values.append(loss(net, state))
            tensor -= sign * step * direction
        assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=0.03, abs=2e-3)


@pytest.mark.parametrize("name", ["uncertain_gcn", "core_gcn"])
def test_a_new_point_is_chosen_and_not_a_copy(name: str, given_signals: Given) -> None:
    """Half of the pool are copies of annotated points, the others lie in another direction."""
    draw = rng(5)
    known = np.abs(draw.normal(size=(40, 6))) * [1, 1, 1, 0.05, 0.05, 0.05]
    new = np.abs(draw.normal(size=(40, 6))) * [0.05, 0.05, 0.05, 1, 1, 1]
    z = np.concatenate([known, known, new]).astype(np.float32)
    state = given_signals(np.zeros((120, 2)), z, y_annotated=np.zeros(40, dtype=int))
    options = {"s_margin": 0.0} if name == "uncertain_gcn" else {}
    found = strategies.get(name, **options).select(state, 10, rng())
    assert np.all(found.indices >= 40)


@pytest.mark.parametrize("name", ["uncertain_gcn", "core_gcn"])
def test_choices_follow_from_the_outputs_of_the_network(name: str, given_signals: Given) -> None:
    z = embeddings("positive", n=90)
    state = given_signals(np.zeros((90, 2)), z, y_annotated=np.zeros(20, dtype=int))
    strategy = strategies.get(name, epochs=30, hidden=16)
    generator = rng(6)
    generator.integers(0, 2**64, dtype=np.uint64)  # priorities among equal points
    nodes = strategy._nodes(state, generator)
    if name == "uncertain_gcn":
        expected = np.argsort(np.abs(nodes.confidence - 0.1))[:12].tolist()
    else:
        h, centres, expected = nodes.hidden.astype(float), list(nodes.annotated_hidden), []
        for _ in range(12):
            gaps = np.min([((h - c) ** 2).sum(axis=1) for c in centres], axis=0)
            gaps[expected] = -1
            expected.append(int(gaps.argmax()))
            centres.append(h[expected[-1]])
    assert strategy.select(state, 12, rng(6)).indices.tolist() == expected


def test_seeds_and_dropout_matter(given_signals: Given) -> None:
    z = embeddings("positive")
    state = given_signals(np.zeros((45, 2)), z, y_annotated=np.zeros(15, dtype=int))
    dropped = replace(QUICK, dropout=0.3)
    outputs = [
        train(state, options, rng(seed)).confidence
        for options, seed in ((QUICK, 0), (QUICK, 1), (dropped, 0), (dropped, 0))
    ]
    assert np.array_equal(outputs[2], outputs[3])
    assert not np.allclose(outputs[0], outputs[1])
    assert not np.allclose(outputs[0], outputs[2])


def test_permuting_changes_nothing_to_the_last_bit(given_signals: Given) -> None:
    z = embeddings("positive", n=200)
    state = given_signals(np.zeros((200, 2)), z, y_annotated=np.zeros(40, dtype=int))
    order = rng(7).permutation(160)
    other = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    one, two = (train(given, QUICK, rng(1)) for given in (state, other))
    assert np.array_equal(one.confidence[order], two.confidence)
    assert np.array_equal(one.hidden[order], two.hidden)
