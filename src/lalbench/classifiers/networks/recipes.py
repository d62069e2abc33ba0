"""Training recipes: optimiser settings and the learning rate of every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


def step_decay(progress: float) -> float:
    """1 for the first 80 % of the training, then 0.1 (epoch 160 of 200)."""
    return 1.0 if progress < 0.8 else 0.1


def one_cycle(progress: float) -> float:
    """From 0.04 up to 1 at 25 % of the training, then down to nearly 0 along a cosine."""
    peak = 0.25
    if progress < peak:
        return 0.04 + 0.96 * progress / peak
    return 0.5 * (1 + math.cos(math.pi * (progress - peak) / (1 - peak)))


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent on the cross-entropy, from scratch.

    Attributes:
        epochs: passes over the annotated set.
        batch_size: images per step; the last step of an epoch takes what is left.
        rate: largest learning rate.
        momentum, weight_decay: of the optimiser; decay is part of the gradient.
        nesterov: whether the gradient is taken ahead.
        schedule: factor of the rate for the share of the training that is done, in [0, 1).
        by_epoch: the factor changes between epochs only, not between steps.
    """

    epochs: int
    batch_size: int
    rate: float
    momentum: float
    weight_decay: float
    nesterov: bool
    schedule: Callable[[float], float]
    by_epoch: bool

    def rate_at(self, epoch: int, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step (both from 0)."""
        within = 0.0 if self.by_epoch else step / steps_per_epoch
        return self.rate * self.schedule((epoch + within) / self.epochs)


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        # Bakker et al. 2023, supplement: the recipe of all their image experiments.
        "published": Recipe(
            epochs=200,
            batch_size=128,
            rate=0.1,
            momentum=0.9,
            weight_decay=5e-4,
            nesterov=False,
            schedule=step_decay,
            by_epoch=True,
        ),
        "fast": Recipe(
            epochs=60,
            batch_size=128,
            rate=0.1,
            momentum=0.9,
            weight_decay=5e-4,
            nesterov=True,
            schedule=one_cycle,
            by_epoch=False,
        ),
    }
)
