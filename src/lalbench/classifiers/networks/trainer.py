"""The training loop: one recipe, batches made on the device, steps captured once on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lalbench import interrupts
from lalbench.classifiers.networks.batches import Augmentation, Batches, EpochPlan
from lalbench.classifiers.networks.captured import CapturedStep
from lalbench.classifiers.networks.loss_head import LossHead, LossTraining, pair_loss
from lalbench.classifiers.networks.network import Network
from lalbench.classifiers.networks.precision import autocast
from lalbench.classifiers.networks.recipes import Recipe
from lalbench.interrupts import StoppedError
from lalbench.progress import progress

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Examples:
    """What a network is trained on.

    Attributes:
        batches: the images.
        codes: (n,) int64 classes 0 … K - 1, on the device.
        weights: (n,) float32 weights of their losses, on the device; None for 1.
    """

    batches: Batches
    codes: Tensor
    weights: Tensor | None


class Trainer:
    """Trains a network in place.

    The loss of a batch is ``Σ w_i CE_i / B``: weights are not normalised (npal.md 13.2). Where
    there is a loss head, its pair loss is added.

    Args:
        network: on its device, with fresh weights.
        recipe: how.
        examples: on what.
        seed: of the order and the moves of every epoch.
        augmentation: moves of the images.
        precision: type of the products; None for float32.
        loss_head: trained beside the network; None for none.
        loss_training: how the head is trained.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        examples: Examples,
        *,
        seed: int,
        augmentation: Augmentation = "none",
        precision: torch.dtype | None = None,
        loss_head: LossHead | None = None,
        loss_training: LossTraining | None = None,
    ) -> None:
        self.network, self.recipe, self.examples = network, recipe, examples
        self.loss_head, self.loss_training = loss_head, loss_training or LossTraining()
        self._seed, self._augmentation, self._precision = seed, augmentation, precision
        self._parts = nn.ModuleList([network] if loss_head is None else [network, loss_head])
        self._device = examples.codes.device
        self._rate = torch.tensor(recipe.rate, device=self._device)
        self._optimiser = torch.optim.SGD(
            self._parts.parameters(),
            lr=self._rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
            fused=True,
        )
        self._head_moves_network = True
        self._captured: CapturedStep | None = None

    def run(self, resume: Arrays | None = None) -> None:
        """Trains to the end, from the start or from where a stopped run was.

        Args:
            resume: :attr:`StoppedError.progress` of the stopped run.

        Raises:
            StoppedError: SIGTERM came (:mod:`lalbench.interrupts`).
        """
        epoch, step = self._restore(resume) if resume else (0, 0)
        self._parts.train()
        epochs = range(epoch, self.recipe.epochs)
        for now in progress(epochs, "epochs", self.recipe.epochs, done=epoch):
            self._epoch(now, step)
            step = 0
        self._parts.eval()

    def loss(self, positions: Tensor, moves: Tensor | None) -> Tensor:
        """The loss of the examples at ``positions``, with the gradient's graph."""
        batches, codes = self.examples.batches, self.examples.codes[positions]
        images = batches.take(positions) if moves is None else batches.crop(positions, moves)
        with autocast(self._device, self._precision):
            found = self.network(images)
        losses = functional.cross_entropy(found.logits, codes, reduction="none")
        if self.examples.weights is not None:
            losses = losses * self.examples.weights[positions]
        total = losses.sum() / len(positions)
        if self.loss_head is None:
            return total
        stages = list(found.stages)
        if not self._head_moves_network:
            stages = [stage.detach() for stage in stages]
        pairs = pair_loss(self.loss_head(stages), losses, self.loss_training.margin)
        return total + self.loss_training.weight * pairs

    def step(self, positions: Tensor, moves: Tensor | None) -> None:
        """One step of the optimiser on the examples at ``positions``."""
        self._optimiser.zero_grad()
        self.loss(positions, moves).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def _epoch(self, epoch: int, first: int) -> None:
        plan = EpochPlan.draw(
            len(self.examples.codes), self._seed, epoch, self._augmentation, self._device
        )
        moves_network = epoch < self.loss_training.detach_at * self.recipe.epochs
        if moves_network != self._head_moves_network:
            self._head_moves_network, self._captured = moves_network, None
        parts = batch_slices(len(plan.order), self.recipe.batch_size)
        for step, part in enumerate(parts[first:], start=first):
            if interrupts.requested():
                raise StoppedError(self._state(epoch, step))
            self._rate.fill_(self.recipe.rate_at(epoch, step, len(parts)))
            self._take_step(plan.order[part], None if plan.moves is None else plan.moves[part])

    def _take_step(self, positions: Tensor, moves: Tensor | None) -> None:
        """A full batch goes through the captured step of a GPU, the rest of an epoch does not."""
        full = len(positions) == self.recipe.batch_size
        if self._device.type != "cuda" or not full:
            self.step(positions, moves)
            return
        if self._captured is None:
            self._captured = CapturedStep(self.step, self._tensors, positions, moves)
        self._captured(positions, moves)

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that a step changes, by name; the momentum is there after the first step."""
        found = dict(self._parts.state_dict())
        names = [name for name, _ in self._parts.named_parameters()]
        for name, parameter in zip(names, self._parts.parameters(), strict=True):
            momentum = self._optimiser.state[parameter].get("momentum_buffer")
            if momentum is not None:
                found[f"momentum.{name}"] = momentum
        return found

    def _state(self, epoch: int, step: int) -> dict[str, NDArray[Any]]:
        arrays = {name: tensor.cpu().numpy().copy() for name, tensor in self._tensors().items()}
        return arrays | {"epoch": np.array(epoch), "step": np.array(step)}

    def _restore(self, arrays: Arrays) -> tuple[int, int]:
        for name, parameter in self._parts.named_parameters():
            if f"momentum.{name}" in arrays:
                momentum = torch.empty_like(parameter)
                self._optimiser.state[parameter]["momentum_buffer"] = momentum
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                tensor.copy_(torch.from_numpy(np.array(arrays[name])))
        return int(arrays["epoch"]), int(arrays["step"])


def batch_slices(n: int, size: int) -> list[slice]:
    """Batches of ``size`` and the rest; one image alone, which has no deviation, joins
    the batch before it.
    """
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], n], strict=True)]
