"""Shapes of the architectures, ResNet-18's size, the documented embedding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lalbench.classifiers.networks.network import Network, count_macs
from lalbench.classifiers.networks.resnet import resnet
from lalbench.classifiers.networks.small import mlp, small_cnn

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 7, 9), (1, 2, 2)]


@pytest.mark.parametrize("make", [resnet, small_cnn, mlp])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_of_every_architecture(make: Any, shape: tuple[int, int, int]) -> None:
    network: Network = make(shape, 5, width=4).eval()
    found = network(torch.randn(3, *shape))
    assert found.logits.shape == (3, 5)
    assert found.embedding.shape == (3, network.widths[-1])
    assert [stage.shape for stage in found.stages] == [(3, width) for width in network.widths]
    # The embedding is the input of the last linear layer, and the last stage's average.
    assert torch.equal(found.logits, network.head(found.embedding))
    assert torch.equal(found.embedding, found.stages[-1])


def test_resnet18_has_the_published_size() -> None:
    network = resnet((3, 32, 32), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_173_962
    # strategies.md 7: 555 million multiplications at 32 x 32 x 3, 456 at 28 x 28 x 1.
    assert round(count_macs(network, (3, 32, 32)) / 1e6) in (555, 556)
    assert round(count_macs(resnet((1, 28, 28), 10), (1, 28, 28)) / 1e6) in (456, 457)
    assert network.widths == (64, 128, 256, 512)


def test_depth_and_width_are_options() -> None:
    network = resnet((1, 8, 8), 2, width=8, depth=(3, 4, 6, 3))
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len([conv for conv in convolutions if conv.kernel_size == (3, 3)]) == 1 + 2 * 16
    assert network.widths == (8, 16, 32, 64)


def test_a_residual_block_adds_its_input() -> None:
    # With the second batch norm's weights at zero a block without 1x1 convolution is a ReLU.
    network = resnet((1, 6, 6), 2, width=4).eval()
    block = network.stages[0][0]  # type: ignore[index]
    nn.init.zeros_(block.second[1].weight)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x), torch.relu(x))
