"""ResNet in its CIFAR form: a 3×3 stem without pooling (He et al. 2016; Bakker et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from lalbench.classifiers.networks.network import Network, conv3x3


def resnet(
    shape: tuple[int, int, int], n_classes: int, *, width: int = 64, depth: Sequence[int] = (2,) * 4
) -> Network:
    """A residual network; the defaults are ResNet-18 with an embedding of 512.

    Args:
        shape: (C, H, W) of the images.
        n_classes: K.
        width: channels of the first stage; each further stage has twice as many.
        depth: (4,) blocks per stage.
    """
    stem = nn.Sequential(conv3x3(shape[0], width), nn.BatchNorm2d(width), nn.ReLU())
    widths = [width * 2**stage for stage in range(4)]
    n_in, stages = width, []
    for stage, (n_out, n_blocks) in enumerate(zip(widths, depth, strict=True)):
        blocks = []
        for place in range(n_blocks):
            blocks.append(_Block(n_in, n_out, 2 if stage and not place else 1))
            n_in = n_out
        stages.append(nn.Sequential(*blocks))
    return Network(stem, stages, widths, n_classes)


class _Block(nn.Module):
    """Two convolutions around a shortcut; a 1×1 convolution where the shape changes."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(conv3x3(n_in, n_out, stride), nn.BatchNorm2d(n_out), nn.ReLU())
        self.second = nn.Sequential(conv3x3(n_out, n_out), nn.BatchNorm2d(n_out))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))
