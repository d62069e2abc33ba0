"""Learning loss: a head that predicts the loss of an image (Yoo and Kweon 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LossTraining:
    """How the head is trained beside the classifier.

    Attributes:
        margin: ξ of the pair loss.
        weight: λ of the pair loss in the whole loss.
        detach_at: share of the epochs after which the head no longer moves the network below it;
            0.6 is epoch 120 of 200.
    """

    margin: float = 1.0
    weight: float = 1.0
    detach_at: float = 0.6


class LossHead(nn.Module):
    """Each stage: FC(128), ReLU; joined: FC(1).

    Args:
        widths: (4,) channels of the averaged stage outputs.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 128), nn.ReLU()) for width in widths
        )
        self.joined = nn.Linear(128 * len(widths), 1)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """(n,) predicted losses for the averaged stage outputs (n, C_s)."""
        hidden = [layer(x) for layer, x in zip(self.stages, stages, strict=True)]
        found: Tensor = self.joined(torch.cat(hidden, dim=1)).squeeze(1)
        return found


def pair_loss(predicted: Tensor, losses: Tensor, margin: float) -> Tensor:
    """``(2 / B) Σ max(0, -s (l̂_i - l̂_j) + margin)`` over the pairs of a batch.

    Image i is paired with its mirror position; ``s`` is +1 where its loss is the larger one, else
    -1. The middle one of an odd batch has no partner.

    Args:
        predicted: (B,) predicted losses.
        losses: (B,) true losses; no gradient flows into them.
        margin: ξ.
    """
    half = len(losses) // 2
    if not half:
        return predicted.sum() * 0.0
    first, second = slice(None, half), slice(len(losses) - half, None)
    difference = predicted[first] - predicted[second].flip(0)
    true = losses.detach()
    sign = torch.where(true[first] > true[second].flip(0), 1.0, -1.0)
    total = torch.clamp(margin - sign * difference, min=0.0).sum()
    return total * (2.0 / (2 * half))
