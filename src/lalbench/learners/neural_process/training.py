"""Training of the neural process on simulated problems (Bakker et al. 2023, Algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lalbench.errors import UserError
from lalbench.learners.neural_process.network import AttentiveNeuralProcess

Shuffle = Callable[[list[int]], None]
"""Shuffles a list in place: ``Generator.shuffle`` or ``random.Random.shuffle``."""

DECAY = 0.1 ** (1 / 100)
"""Factor on the learning rate after each epoch."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; the defaults are the published ones.

    Attributes:
        epochs: passes over all problems.
        batch_size: largest number of problems, all of equal sizes, in one update.
        learning_rate: of Adam in the first epoch.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Problems:
    """G simulated problems over the same n annotated points.

    Attributes:
        points: (1, n, d) float32 features shared by all problems, or (G, n, d).
        member: (G, n) bool, True for context points, False for targets.
        improvements: (G, n) float32, read at the targets only.
        rewards: (G, n) float32 rewards of context points, read there only; None for 0.
        labels: (1, n) int64 class labels of the points, or None.
    """

    points: Tensor
    member: Tensor
    improvements: Tensor
    rewards: Tensor | None = None
    labels: Tensor | None = None

    def to(self, device: torch.device) -> Problems:
        """The same problems on ``device``."""
        return Problems(
            self.points.to(device),
            self.member.to(device),
            self.improvements.to(device),
            None if self.rewards is None else self.rewards.to(device),
            None if self.labels is None else self.labels.to(device),
        )


@dataclass(frozen=True)
class _Group:
    """The problems with the same number of context points, gathered once."""

    problems: Problems
    context: Tensor
    targets: Tensor
    improvements: Tensor

    def loss(self, network: AttentiveNeuralProcess, chosen: Tensor) -> Tensor:
        """The loss of one batch: mean over targets, then over problems."""
        problems = self.problems
        shared = len(problems.points) == 1
        mu, sigma = network.forward_points(
            problems.points if shared else problems.points.index_select(0, chosen),
            self.context.index_select(0, chosen),
            self.targets.index_select(0, chosen),
            None if problems.rewards is None else problems.rewards.index_select(0, chosen),
            problems.labels,
        )
        return gaussian_loss(mu, sigma, self.improvements.index_select(0, chosen))


def gaussian_loss(mu: Tensor, sigma: Tensor, improvements: Tensor) -> Tensor:
    """Negative log-likelihood of a Gaussian, in nats, mean over all entries (a scalar).

    All problems of a batch have equally many targets, so this is the mean over the targets of a
    problem and then over problems.
    """
    residual = (improvements - mu) / sigma
    return (0.5 * residual.square() + sigma.log()).mean() + 0.5 * math.log(2 * math.pi)


def train(
    network: AttentiveNeuralProcess, problems: Problems, options: TrainingOptions, shuffle: Shuffle
) -> NDArray[np.float64]:
    """Trains ``network`` in place: Adam, a fixed schedule, problems grouped by size.

    Args:
        network: on the same device as ``problems``.
        problems: at least one, each with at least one context point and one target.
        options: epochs, batch size, learning rate.
        shuffle: orders the problems inside each size and then the batches, anew in every epoch.

    Returns:
        (epochs,) training loss of each epoch: mean over problems at the time of their update.

    Raises:
        UserError: the loss is no longer finite.
    """
    groups = _group_by_size(problems)
    _keep_freed_memory()
    parameters, gradient = _flatten(network)
    optimiser = torch.optim.Adam([parameters], lr=options.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, gamma=DECAY)
    curve = np.empty(options.epochs)
    with torch.enable_grad():
        for epoch in range(options.epochs):
            losses = []
            for group, chosen in _batches(groups, options.batch_size, shuffle):
                index = torch.tensor(chosen, device=group.context.device)
                loss = group.loss(network, index)
                gradient.zero_()
                loss.backward()
                optimiser.step()
                losses.append(loss.detach() * len(chosen))
            schedule.step()
            curve[epoch] = float(torch.stack(losses).sum()) / len(problems.member)
            if not np.isfinite(curve[epoch]):
                raise UserError(
                    "learning_rate",
                    f"training diverged in epoch {epoch + 1} at {options.learning_rate}",
                    "choose a smaller one, or check the features for extreme values",
                )
    return curve


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Runs torch with ``threads`` CPU threads and restores the number from before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _group_by_size(problems: Problems) -> list[_Group]:
    """One group per number of context points, in ascending order."""
    sizes = problems.member.sum(1)
    groups = []
    for size in torch.unique(sizes).tolist():
        rows = (sizes == size).nonzero().flatten()
        member = problems.member[rows]
        targets = (~member).nonzero()[:, 1].view(len(rows), -1)
        inside = Problems(
            points=problems.points if len(problems.points) == 1 else problems.points[rows],
            member=member,
            improvements=problems.improvements[rows],
            rewards=None if problems.rewards is None else problems.rewards[rows],
            labels=problems.labels,
        )
        context = member.to(problems.points.dtype)
        groups.append(_Group(inside, context, targets, inside.improvements.gather(1, targets)))
    return groups


def _batches(
    groups: list[_Group], batch_size: int, shuffle: Shuffle
) -> Iterator[tuple[_Group, list[int]]]:
    """One epoch: batches of problems of equal sizes, with one partial batch per size."""
    batches = []
    for group in groups:
        order = list(range(len(group.context)))
        shuffle(order)
        starts = range(0, len(order), batch_size)
        batches += [(group, order[start : start + batch_size]) for start in starts]
    positions = list(range(len(batches)))
    shuffle(positions)
    for position in positions:
        yield batches[position]


def _keep_freed_memory() -> None:
    """Lets the C library keep the memory of one update for the next one (a fifth of the time).

    glibc gives freed memory back to the system, and the next update has to fault it in again.
    Freeing one large block raises the size from which it does so; the block is never touched.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def _flatten(network: AttentiveNeuralProcess) -> tuple[torch.nn.Parameter, Tensor]:
    """Moves all parameters into one vector, which Adam updates in one call, and their gradients."""
    parts = list(network.parameters())
    flat = torch.nn.Parameter(torch.cat([part.detach().flatten() for part in parts]))
    gradient = torch.zeros_like(flat)
    flat.grad = gradient
    start = 0
    for part in parts:
        stop = start + part.numel()
        part.data = flat.data[start:stop].view_as(part)
        part.grad = gradient[start:stop].view_as(part)
        start = stop
    return flat, gradient
