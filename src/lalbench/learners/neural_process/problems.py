"""Simulated problems as tensors, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Shuffle = Callable[[list[int]], None]
"""Shuffles a list in place: ``Generator.shuffle`` or ``random.Random.shuffle``."""

Batch = tuple[int, list[int]]
"""Position of a group and positions of problems inside it."""


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
class Group:
    """The problems with the same number of context points.

    Attributes:
        rows: (g,) int64 positions among all problems.
        context: (g, Nc) int64 positions of the context points.
        targets: (g, Nt) int64 positions of the other points.
        improvements: (g, Nt) of the targets.
    """

    rows: Tensor
    context: Tensor
    targets: Tensor
    improvements: Tensor


def group_by_size(problems: Problems) -> list[Group]:
    """One group per number of context points, in ascending order."""
    sizes = problems.member.sum(1)
    groups = []
    for size in torch.unique(sizes).tolist():
        rows = (sizes == size).nonzero().flatten()
        member = problems.member[rows]
        context, targets = (
            inside.nonzero()[:, 1].view(len(rows), -1) for inside in (member, ~member)
        )
        improvements = problems.improvements[rows].gather(1, targets)
        groups.append(Group(rows, context, targets, improvements))
    return groups


def batches(groups: list[Group], batch_size: int, shuffle: Shuffle) -> list[Batch]:
    """One epoch: batches of problems of equal sizes, with one partial batch per size."""
    found = []
    for position, group in enumerate(groups):
        order = list(range(len(group.rows)))
        shuffle(order)
        starts = range(0, len(order), batch_size)
        found += [(position, order[start : start + batch_size]) for start in starts]
    positions = list(range(len(found)))
    shuffle(positions)
    return [found[position] for position in positions]
