"""Small networks for a CPU: a convolutional one and a perceptron."""

from __future__ import annotations

import math

from torch import nn

from lalbench.classifiers.networks.network import Network, conv3x3


def small_cnn(shape: tuple[int, int, int], n_classes: int, *, width: int = 16) -> Network:
    """Four convolutions with batch norm, each followed by 2×2 pooling while there is room.

    Args:
        shape: (C, H, W) of the images, at least 2×2 pixels.
        n_classes: K.
        width: channels of the first stage; the embedding has eight times as many.
    """
    n_in, size, stages = shape[0], min(shape[1:]), []
    widths = [width * 2**stage for stage in range(4)]
    for n_out in widths:
        layers: list[nn.Module] = [conv3x3(n_in, n_out), nn.BatchNorm2d(n_out), nn.ReLU()]
        if size >= 4:  # smaller maps are averaged as they are
            layers.append(nn.MaxPool2d(2))
            size //= 2
        stages.append(nn.Sequential(*layers))
        n_in = n_out
    return Network(nn.Identity(), stages, widths, n_classes)


def mlp(shape: tuple[int, int, int], n_classes: int, *, width: int = 256) -> Network:
    """Four hidden layers of ``width`` units with batch norm on the flattened image.

    Args:
        shape: (C, H, W) of the images.
        n_classes: K.
        width: units of each hidden layer, and of the embedding.
    """
    stages, n_in = [], math.prod(shape)
    for _ in range(4):
        stages.append(
            nn.Sequential(nn.Linear(n_in, width, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        )
        n_in = width
    return Network(nn.Flatten(), stages, [width] * 4, n_classes)
