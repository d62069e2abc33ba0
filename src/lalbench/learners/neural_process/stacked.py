"""Updates of many models at once by torch: every operation has a leading axis of models.

The models are independent and have equal shapes. Their batches differ in size, so they are padded
with problems and targets of weight 0; a model without a batch keeps its weights and its Adam state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from lalbench.learners.neural_process.loss import gaussian_loss
from lalbench.learners.neural_process.network import SAFE_SPREAD, AttentiveNeuralProcess
from lalbench.learners.neural_process.problems import Batch, Group, Problems


class _Method(nn.Module):
    """Calls a method of the network by name, which ``functional_call`` cannot."""

    def __init__(self, network: AttentiveNeuralProcess) -> None:
        super().__init__()
        self.network = network

    def forward(self, method: str, *given: Any) -> Any:
        return getattr(self.network, method)(*given)


class _Table:
    """All problems of M models, padded to equal numbers.

    Attributes:
        points: (M, 1, n, d), or (M, G, n, d) where problems have points of their own.
        member: (M, G, n) of the dtype of the points.
        targets: (M, G, T) int64, padded with 0.
        improvements: (M, G, T), padded with 0.
        n_targets: (M, G) int64 on the CPU.
        rewards: (M, G, n) or None.
        labels: (M, 1, n) int64 or None.
    """

    def __init__(self, problems: Sequence[Problems], groups: Sequence[list[Group]]) -> None:
        first, count = problems[0], max(len(each.member) for each in problems)
        device, dtype, n = first.points.device, first.points.dtype, first.points.shape[1]
        largest = max(group.targets.shape[1] for grouped in groups for group in grouped)
        shape = len(problems), count
        self.points = torch.zeros(
            *(shape if len(first.points) > 1 else (len(problems), 1)),
            *first.points.shape[1:],
            dtype=dtype,
            device=device,
        )
        # padding problems have every point as context, so that no attention sums over nothing
        self.member = torch.ones(*shape, n, dtype=dtype, device=device)
        self.targets = torch.zeros(*shape, largest, dtype=torch.int64, device=device)
        self.improvements = torch.zeros(*shape, largest, dtype=dtype, device=device)
        self.n_targets = torch.ones(shape, dtype=torch.int64)
        self.rewards = None if first.rewards is None else torch.zeros_like(self.member)
        self.labels = None
        if first.labels is not None:
            self.labels = torch.stack([_given(each.labels) for each in problems])
        for model, (each, grouped) in enumerate(zip(problems, groups, strict=True)):
            self.points[model, : len(each.points)] = each.points
            self.member[model, : len(each.member)] = each.member.to(dtype)
            if self.rewards is not None:
                self.rewards[model, : len(each.member)] = _given(each.rewards)
            for group in grouped:
                width = group.targets.shape[1]
                self.targets[model, group.rows, :width] = group.targets
                self.improvements[model, group.rows, :width] = group.improvements
                self.n_targets[model, group.rows.cpu()] = width


class StackedUpdate:
    """Adam for M networks of equal shapes.

    Args:
        networks: trained in place, on one device with their problems.
        problems: of every network: equal numbers of points and features, all with or all without
            points of their own, rewards, labels.
        groups: the same problems by size.
    """

    def __init__(
        self,
        networks: Sequence[AttentiveNeuralProcess],
        problems: Sequence[Problems],
        groups: Sequence[list[Group]],
    ) -> None:
        self._rows = [[group.rows.tolist() for group in grouped] for grouped in groups]
        self._table = _Table(problems, groups)
        self._method = _Method(networks[0])
        self._flat, self._parameters = _stack(networks)
        self._gradient = torch.zeros_like(self._flat)
        self._first, self._second = (torch.zeros_like(self._flat) for _ in range(2))
        self._steps = torch.zeros(len(networks), 1, dtype=torch.float64, device=self._flat.device)

    def __call__(self, chosen: Sequence[Batch | None], rate: float) -> Tensor:
        """See :class:`lalbench.learners.neural_process.training.Update`."""
        rows = [
            [] if batch is None else [self._rows[model][batch[0]][place] for place in batch[1]]
            for model, batch in enumerate(chosen)
        ]
        counts = torch.tensor([len(each) for each in rows], dtype=torch.float64)
        losses = self.gradient(rows)
        device = self._flat.device
        self._adam((counts > 0).to(device, torch.float64).unsqueeze(1), rate)
        return losses.to(torch.float64) * counts.to(device)

    def gradient(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """(M,) losses of batches of problems; :meth:`gradient_of` then gives the gradients."""
        table, device = self._table, self._flat.device
        size = max(len(each) for each in rows)
        index, real = np.zeros((len(rows), size), dtype=np.int64), np.zeros((len(rows), size))
        for place, each in enumerate(rows):
            index[place, : len(each)] = each
            real[place, : len(each)] = 1 / max(len(each), 1)
        at, weight = torch.from_numpy(index), torch.from_numpy(real)
        count = table.n_targets.gather(1, at)
        width = int(count.max())
        weights = (weight / count).unsqueeze(-1) * (torch.arange(width) < count.unsqueeze(-1))
        at, weights = at.to(device), weights.to(device, self._flat.dtype)
        model = torch.arange(len(rows), device=device).unsqueeze(1)
        inputs = (
            table.points if table.points.shape[1] == 1 else table.points[model, at],
            table.member[model, at],
            table.targets[model, at][..., :width],
            None if table.rewards is None else table.rewards[model, at],
            table.labels,
        )
        for part in self._parameters.values():
            part.grad = None
        with torch.enable_grad():
            losses = self._losses(inputs, table.improvements[model, at][..., :width], weights)
            losses.sum().backward()
        slopes = [_given(part.grad).flatten(1) for part in self._parameters.values()]
        torch.cat(slopes, dim=1, out=self._gradient)
        return losses.detach()

    def gradient_of(self, model: int) -> Tensor:
        """(P,) gradient of one model, in the order of its parameters."""
        return self._gradient[model]

    def _losses(self, inputs: tuple[Any, ...], improvements: Tensor, weights: Tensor) -> Tensor:
        shared = inputs[0].shape[1] == 1 and inputs[3] is None
        stable = shared and bool(self._spread() > SAFE_SPREAD)

        def of_one(
            parameters: dict[str, Tensor], given: tuple[Any, ...], values: Tensor, share: Tensor
        ) -> Tensor:
            arguments = ("forward_points", *given, stable)
            mu, sigma = functional_call(self._method, parameters, arguments)
            return gaussian_loss(mu, sigma, values, share)

        # None takes no axis
        axes = tuple(None if each is None else 0 for each in inputs)
        mapped = vmap(of_one, in_dims=(0, axes, 0, 0))
        with sdpa_kernel(SDPBackend.MATH):  # the others cannot be mapped
            found: Tensor = mapped(self._parameters, inputs, improvements, weights)
        return found

    @torch.no_grad()
    def _spread(self) -> Tensor:
        """Largest spread of attention logits of any model."""

        def of_one(parameters: dict[str, Tensor], points: Tensor) -> Tensor:
            found: Tensor = functional_call(self._method, parameters, ("logit_spread", points))
            return found

        return vmap(of_one)(self._parameters, self._table.points).max()

    @torch.no_grad()
    def _adam(self, active: Tensor, rate: float) -> None:
        """One step (Kingma and Ba 2015, Algorithm 1); ``active`` (M, 1) is 1, or 0 to skip it."""
        kind, gradient = self._flat.dtype, self._gradient
        self._steps += active
        self._first.lerp_(gradient, 0.1 * active.to(kind))
        self._second.lerp_(gradient.square(), 0.001 * active.to(kind))
        steps = self._steps.clamp(min=1)
        factor = (rate * active / (1 - 0.9**steps)).to(kind)
        root = (1 - 0.999**steps).rsqrt().to(kind)
        self._flat.sub_(factor * self._first / (self._second.sqrt() * root + 1e-8))


def _stack(
    networks: Sequence[AttentiveNeuralProcess],
) -> tuple[Tensor, dict[str, Tensor]]:
    """(M, P) parameters, and per name (M, …) leaves that are views of them.

    The parameters of the networks become views too, so that they follow the training.
    """
    parts = [list(network.parameters()) for network in networks]
    flat = torch.stack([torch.cat([part.detach().flatten() for part in each]) for each in parts])
    leaves, start = {}, 0
    for position, (name, like) in enumerate(networks[0].named_parameters()):
        stop = start + like.numel()
        shape = (len(networks), *like.shape)
        leaf = flat[:, start:stop].view(shape).requires_grad_()
        leaves[f"network.{name}"] = leaf
        for model, each in enumerate(parts):
            each[position].data = flat[model, start:stop].view(like.shape)
        start = stop
    return flat, leaves


def _given(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError("a tensor that all models need is missing for one")
    return tensor
