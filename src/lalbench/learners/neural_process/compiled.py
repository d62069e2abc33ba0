"""Updates of one model on a CPU core by compiled passes forth and back.

Between two matrix products torch reads and writes every activation from and to memory once per
operation, and keeps a record of some 150 operations per update. Here a block of targets goes
through the whole network and back while its activations stay in the cache.

Exponentials of attention logits that are far apart are summed in double precision, lest all of a
problem underflow. Problems with points of their own or with rewards share no keys and values; their
gradients, and those of a network whose logits are too far apart even so, come from torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lalbench.learners.neural_process.batch import Space, gradient_of_batch, prepare
from lalbench.learners.neural_process.kernels import Layer, Weights, adam
from lalbench.learners.neural_process.loss import gaussian_loss
from lalbench.learners.neural_process.network import SAFE_SPREAD, AttentiveNeuralProcess
from lalbench.learners.neural_process.problems import Batch, Group, Problems

WIDE_SPREAD = 600.0
"""Like ``SAFE_SPREAD``, in double precision."""
_CONSTANT = 0.5 * math.log(2 * math.pi)


class CompiledUpdate:
    """Adam for one network.

    Args:
        network: on the CPU; trained in place.
        problems: the problems.
        groups: the same problems by size.
        batch_size: largest number of problems of a batch.
    """

    def __init__(
        self,
        network: AttentiveNeuralProcess,
        problems: Problems,
        groups: list[Group],
        batch_size: int,
    ) -> None:
        self._network, self._problems, self._groups = network, problems, groups
        self._parameters, self._gradient = _flatten(network)
        self._weights = _views(part.detach().numpy() for part in network.parameters())
        self._slopes = _views(_gradient_of(part).numpy() for part in network.parameters())
        self._moments = np.zeros((2, len(self._parameters)), self._parameters.dtype)
        self._step = 0
        self._n_points = problems.points.shape[1]
        self._space: Space | None = None
        self._wide: Space | None = None
        if len(problems.points) == 1 and problems.rewards is None:
            largest = min(batch_size, max(len(group.rows) for group in groups))
            self._space = Space.of(
                np.ascontiguousarray(problems.points[0].numpy().T),
                _y_inputs(network, problems),
                network.width,
                network.n_heads,
                network.y_hidden,
                largest,
            )
        self._context = [self._padded(group.context.numpy()) for group in groups]

    def __call__(self, chosen: Sequence[Batch | None], rate: float) -> Tensor:
        """See :class:`lalbench.learners.neural_process.training.Update`."""
        (batch,) = chosen
        assert batch is not None
        loss = self.gradient(*batch)
        self._step += 1
        adam(self._parameters, self._gradient, self._moments, rate, self._step)
        return torch.tensor([loss * len(batch[1])], dtype=torch.float64)

    def gradient(self, position: int, rows: list[int]) -> float:
        """The loss of a batch; its gradient is then in ``grad`` of the network's parameters."""
        self._gradient[:] = 0
        group, space = self._groups[position], self._prepared()
        if space is None:
            return self._gradient_by_torch(group, rows)
        targets = group.targets.numpy()[rows]
        total = gradient_of_batch(
            self._weights,
            self._slopes,
            space,
            self._n_points,
            self._context[position][rows],
            targets,
            group.improvements.numpy()[rows],
        )
        return total / targets.size + _CONSTANT

    def _prepared(self) -> Space | None:
        """The space after everything that all problems share; None where torch has to do it."""
        if self._space is None:
            return None
        logits = self._space.exponentials
        spread = prepare(self._weights, self._space, self._n_points)
        if spread <= SAFE_SPREAD:
            np.exp(logits, out=logits)
            return self._space
        if not spread <= WIDE_SPREAD:
            return None
        self._wide = self._wide or self._space.widened()
        np.exp(logits, out=self._wide.exponentials, dtype=np.float64)
        return self._wide

    def _gradient_by_torch(self, group: Group, rows: list[int]) -> float:
        """:meth:`gradient` for any problems and any weights."""
        problems, inside = self._problems, group.rows[rows]
        points, rewards = problems.points, problems.rewards
        with torch.enable_grad():
            mu, sigma = self._network.forward_points(
                points if len(points) == 1 else points[inside],
                problems.member[inside].to(points.dtype),
                group.targets[rows],
                None if rewards is None else rewards[inside],
                problems.labels,
                stable=True,
            )
            loss = gaussian_loss(mu, sigma, group.improvements[rows])
            loss.backward()
        return loss.item()

    def _padded(self, context: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lists of context points with "no point" up to a multiple of four."""
        missing = -context.shape[1] % 4
        return np.pad(context, ((0, 0), (0, missing)), constant_values=self._n_points)


def _y_inputs(network: AttentiveNeuralProcess, problems: Problems) -> NDArray[np.floating]:
    """(1 + n_classes, n) rewards, which are 0, and classes of all points."""
    n = problems.points.shape[1]
    found = np.zeros((1 + network.n_classes, n), problems.points.numpy().dtype)
    if network.n_classes:
        if problems.labels is None:
            raise ValueError("a network with classes needs labels")
        found[1 + problems.labels[0].numpy(), np.arange(n)] = 1
    return found


def _flatten(
    network: AttentiveNeuralProcess,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Moves all parameters into one vector, and their gradients into another."""
    parts = list(network.parameters())
    flat = torch.cat([part.detach().flatten() for part in parts])
    gradient = torch.zeros_like(flat)
    start = 0
    for part in parts:
        stop = start + part.numel()
        part.data = flat[start:stop].view_as(part)
        part.grad = gradient[start:stop].view_as(part)
        start = stop
    return flat.numpy(), gradient.numpy()


def _gradient_of(part: Tensor) -> Tensor:
    assert part.grad is not None
    return part.grad


def _views(arrays: Iterator[NDArray[np.floating]]) -> Weights:
    """The arrays of all parameters, in the order of the network, by name."""

    def layers(count: int) -> tuple[Layer, ...]:
        return tuple(Layer(next(arrays), next(arrays)) for _ in range(count))

    return Weights(
        x_encoder=layers(2),
        y_resizer=layers(2),
        xy_encoder=layers(3),
        key=next(arrays),
        query=layers(1)[0],
        value=next(arrays),
        attention_norm_weight=next(arrays),
        attention_norm_bias=next(arrays),
        residual=layers(2),
        residual_norm_weight=next(arrays),
        residual_norm_bias=next(arrays),
        resizer=layers(2),
        decoder=layers(5),
    )
