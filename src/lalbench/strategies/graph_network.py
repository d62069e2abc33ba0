"""The graph network of UncertainGCN and CoreGCN (Caramalau, Bhattarai and Kim 2021, section 3).

Nodes are pool and annotated points, rows X their embeddings, scaled to length 1. Edges carry
cosines, ``A = (XXᵀ - diag(XXᵀ)) diag(1/d) + I`` with ``d_j = Σ_{i≠j} x_i·x_j``. Two layers,
``H = ReLU(A X W1 + b1)`` with dropout and ``s = sigmoid(A H W3 + b3)``, learn to tell annotated
nodes from the others. A is never formed: ``A V = X (Xᵀ (V/d)) - ‖x‖² V/d + V``.

Cosines must not be negative, or degrees could be 0 or negative. Embeddings with negative entries
are therefore split into their positive and negative parts, 2D columns: opposite directions have
cosine 0. What is left is a node without neighbours, whose degree counts as ``1e-3``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import interrupts
from lalbench.strategies.base import FloatArray, IntArray, LearningState

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_BLOCK = 2**14
"""Nodes in a temporary array."""
_RESIDENT = 2**30
"""Bytes of scaled embeddings that are kept on a CPU; more are scaled anew when they are needed."""
_LEAST_DEGREE = 1e-3


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    Attributes:
        hidden: width of the hidden layer.
        dropout: share of hidden values that are dropped.
        epochs: full-batch steps of Adam.
        lr, weight_decay: of Adam.
        weight: λ in ``-mean_annotated log s - λ mean_pool log(1 - s)``.
    """

    hidden: int
    dropout: float
    epochs: int
    lr: float
    weight_decay: float
    weight: float


@dataclass(frozen=True)
class Nodes:
    """What the network says about the pool and annotated points, without dropout.

    Attributes:
        confidence: (n_pool,) float64 s, towards 1 for points like annotated ones.
        hidden: (n_pool, width) float32 H.
        annotated_hidden: (n_annotated, width) float32 H.
    """

    confidence: FloatArray
    hidden: NDArray[np.float32]
    annotated_hidden: NDArray[np.float32]


def train(state: LearningState, options: Training, rng: Generator) -> Nodes:
    """Trains the network on all nodes of the state.

    Nodes are ordered by row id, so the order of the pool has no influence to the last bit; equal
    embeddings get equal outputs. Costs O(N D width) per epoch for N nodes, and O(N D) memory.
    """
    import torch

    from lalbench.strategies.single_distances import representatives, row_hashes
    from lalbench.strategies.tensors import torch_generator, torch_session

    pool, annotated = state.embeddings, state.annotated_embeddings
    order = np.argsort(state.pool_ids)
    with torch_session() as device:
        graph = Graph(pool, annotated, order, device)
        generator = torch_generator(rng, device)
        network = _Network(graph, options, generator)
        known = torch.arange(graph.n_nodes, device=device) >= len(pool)
        network.fit(known)
        hidden, confidence = (part.cpu().numpy() for part in network.outputs())
    place = np.empty(len(pool), dtype=np.int64)
    place[order] = np.arange(len(pool))
    place = place[representatives(row_hashes(pool), state.pool_ids)]
    return Nodes(confidence[place].astype(np.float64), hidden[place], hidden[len(pool) :])


class Graph:
    """Products with A, on blocks of nodes.

    Args:
        pool: (n, D) floats.
        annotated: (m, D) floats.
        order: (n,) order of the pool's nodes; annotated nodes follow.
        device: where products run.
    """

    def __init__(
        self,
        pool: NDArray[Any],
        annotated: NDArray[Any],
        order: IntArray,
        device: torch.device,
    ) -> None:
        import torch

        self._pool, self._annotated, self._order = pool, annotated, order
        self.device = device
        self.n_nodes = len(pool) + len(annotated)
        smallest = [part.min() for part in (pool, annotated) if part.size]
        self._split = bool(smallest) and min(smallest) < 0
        self.width = pool.shape[1] * (2 if self._split else 1)
        self._rows: list[Tensor] | None = None
        if device.type != "cpu" or 4 * self.n_nodes * self.width <= _RESIDENT:
            self._rows = [block for _, block in self._made()]
        total = torch.zeros(self.width, dtype=torch.float64, device=device)
        for _, x in self.blocks():
            total += x.sum(dim=0, dtype=torch.float64)
        self._squares = self._empty()
        self._degrees = self._empty()
        for nodes, x in self.blocks():
            self._squares[nodes] = (x * x).sum(dim=1)
            degrees = (x.double() @ total).float() - self._squares[nodes]
            self._degrees[nodes] = degrees.clamp_min(_LEAST_DEGREE)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of nodes with their rows X (B, width) float32 of length 1 (0 stays 0)."""
        if self._rows is None:
            yield from self._made()
            return
        for number, block in enumerate(self._rows):
            yield slice(number * _BLOCK, number * _BLOCK + len(block)), block

    def smooth(self, values: Tensor) -> Tensor:
        """``A V`` for V (N, k)."""
        scaled = values / self._degrees[:, None]
        return self._outer(scaled, scaled * self._squares[:, None], values)

    def smooth_back(self, values: Tensor) -> Tensor:
        """``Aᵀ V`` for V (N, k)."""
        found = self._outer(values, values * self._squares[:, None], 0.0)
        return found.div_(self._degrees[:, None]).add_(values)

    def smooth_rows(self) -> Tensor:
        """``A X``, (N, width) float32."""
        import torch

        gram = torch.zeros(self.width, self.width, device=self.device)
        for nodes, x in self.blocks():
            gram += x.T @ (x / self._degrees[nodes, None])
        found = torch.empty(self.n_nodes, self.width, device=self.device)
        for nodes, x in self.blocks():
            own = 1.0 - self._squares[nodes, None] / self._degrees[nodes, None]
            found[nodes] = torch.addmm(x * own, x, gram)
        return found

    def _outer(self, values: Tensor, less: Tensor, more: Tensor | float) -> Tensor:
        """``X (Xᵀ values) - less + more``."""
        import torch

        inner = torch.zeros(self.width, values.shape[1], device=self.device)
        for nodes, x in self.blocks():
            inner += x.T @ values[nodes]
        found = torch.empty_like(values)
        for nodes, x in self.blocks():
            found[nodes] = x @ inner
        return found.sub_(less).add_(more)

    def _empty(self) -> Tensor:
        import torch

        return torch.empty(self.n_nodes, device=self.device)

    def _made(self) -> Iterator[tuple[slice, Tensor]]:
        import torch

        n_pool = len(self._pool)
        for start in range(0, self.n_nodes, _BLOCK):
            interrupts.check()
            stop = min(start + _BLOCK, self.n_nodes)
            rows = np.concatenate(
                [
                    self._pool[self._order[start : min(stop, n_pool)]],
                    self._annotated[max(start - n_pool, 0) : max(stop - n_pool, 0)],
                ]
            )
            x = torch.from_numpy(rows.astype(np.float32)).to(self.device)
            if self._split:
                x = torch.cat([x.clamp_min(0), (-x).clamp_min(0)], dim=1)
            lengths = torch.linalg.vector_norm(x, dim=1, keepdim=True)
            yield slice(start, stop), x / lengths.masked_fill(lengths == 0, 1.0)


class _Network:
    """The two layers, their gradients written out: of the activations only H is kept."""

    def __init__(self, graph: Graph, options: Training, generator: torch.Generator) -> None:
        self._graph, self._options, self._generator = graph, options, generator
        self._smooth = graph.smooth_rows()
        width = options.hidden
        self._w1 = self._uniform((graph.width, width), width)
        self._b1 = self._uniform((width,), width)
        self._w3 = self._uniform((width, 1), 1)
        self._b3 = self._uniform((1,), 1)

    def fit(self, known: Tensor) -> None:
        """Trains; ``known`` (N,) marks annotated nodes."""
        import torch

        options = self._options
        parameters = [self._w1, self._b1, self._w3, self._b3]
        adam = torch.optim.Adam(parameters, lr=options.lr, weight_decay=options.weight_decay)
        n_known = int(known.sum())
        n_others = len(known) - n_known
        share = torch.where(known, 1.0 / max(n_known, 1), options.weight / max(n_others, 1))
        for _ in range(options.epochs):
            interrupts.check()
            hidden = self._hidden(options.dropout)
            logits = self._graph.smooth(hidden @ self._w3) + self._b3
            # the loss is Σ share · (known ? -log s : -log(1 - s)): its slope is s less the target
            slope = share[:, None] * (torch.sigmoid(logits) - known[:, None].float())
            self._set_gradients(hidden, slope)
            adam.step()

    def outputs(self) -> tuple[Tensor, Tensor]:
        """H (N, width) and s (N,), without dropout."""
        import torch

        hidden = self._hidden(0.0)
        logits = self._graph.smooth(hidden @ self._w3) + self._b3
        return hidden, torch.sigmoid(logits[:, 0].double())

    def _hidden(self, dropout: float) -> Tensor:
        """H after dropout; a value is positive where neither ReLU nor dropout made it 0."""
        import torch

        hidden = torch.addmm(self._b1, self._smooth, self._w1).clamp_min_(0)
        if dropout:
            for start in range(0, len(hidden), _BLOCK):
                block = hidden[start : start + _BLOCK]
                kept = torch.rand(block.shape, generator=self._generator, device=block.device)
                block.mul_((kept >= dropout) / (1.0 - dropout))
        return hidden

    def _set_gradients(self, hidden: Tensor, slope: Tensor) -> None:
        import torch

        back = self._graph.smooth_back(slope)
        self._w3.grad = hidden.T @ back
        self._b3.grad = slope.sum(dim=0)
        self._w1.grad, self._b1.grad = torch.zeros_like(self._w1), torch.zeros_like(self._b1)
        kept = 1.0 / (1.0 - self._options.dropout)
        for start in range(0, len(hidden), _BLOCK):
            rows = slice(start, start + _BLOCK)
            part = back[rows] * (self._w3.T * kept) * (hidden[rows] > 0)
            self._w1.grad += self._smooth[rows].T @ part
            self._b1.grad += part.sum(dim=0)

    def _uniform(self, shape: tuple[int, ...], width: int) -> Tensor:
        import torch

        draws = torch.rand(shape, generator=self._generator, device=self._graph.device)
        return (2.0 * draws - 1.0) / width**0.5
