"""What every architecture is: four stages, an embedding and a last linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Outputs(NamedTuple):
    """What a network gives for a batch of n images.

    Attributes:
        logits: (n, K) float32, whatever the precision of the products before.
        embedding: (n, D) float32, the input of the last linear layer.
        stages: four tensors (n, C_s), each the output of one stage averaged over its positions.
    """

    logits: Tensor
    embedding: Tensor
    stages: tuple[Tensor, ...]


class Network(nn.Module):
    """A stem, four stages, and a linear layer on the averaged output of the last stage.

    Args:
        stem: applied first.
        stages: four modules, each (n, C, H, W) to (n, C', H', W'), or (n, C) to (n, C').
        widths: (4,) numbers of channels C_s that the stages put out; the last is D.
        n_classes: K.
    """

    def __init__(
        self, stem: nn.Module, stages: Sequence[nn.Module], widths: Sequence[int], n_classes: int
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.widths = tuple(widths)
        self.head = nn.Linear(widths[-1], n_classes)

    def forward(self, images: Tensor) -> Outputs:
        """Outputs for standardised images (n, C, H, W)."""
        x = self.stem(images)
        averages = []
        for stage in self.stages:
            x = stage(x)
            averages.append(x.mean((2, 3), dtype=torch.float32) if x.ndim == 4 else x.float())
        # Logits in bfloat16 would tie many images that strategies have to rank.
        with torch.autocast(x.device.type, enabled=False):
            logits = self.head(averages[-1])
        return Outputs(logits, averages[-1], tuple(averages))


def conv3x3(n_in: int, n_out: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution that keeps the size (divided by ``stride``), without bias."""
    return nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)


def count_macs(network: Network, shape: tuple[int, int, int]) -> int:
    """Multiplications of one forward pass for one image of ``shape`` (C, H, W), by its layers."""
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            kernel = module.weight[0].numel()
            total += kernel * output[0].numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    handles = [module.register_forward_hook(count) for module in network.modules()]
    training = network.training
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, *shape))
    network.train(training)
    for handle in handles:
        handle.remove()
    return total
