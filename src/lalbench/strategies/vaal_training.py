"""Autoencoder and discriminator of VAAL, and their training (Sinha et al. 2019, section 3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional

from lalbench import interrupts
from lalbench.classifiers.networks.batches import resident
from lalbench.data.images import Images
from lalbench.strategies.base import FloatArray
from lalbench.strategies.tensors import torch_generator, torch_session

if TYPE_CHECKING:
    from lalbench.strategies.vaal import Vaal

Size = tuple[int, int]

_CHANNELS = (128, 256, 512, 1024)
_UNITS = 512
_SCORED = 512
"""Images that are scored at once."""


def annotated_logits(options: Vaal, pool: Images, annotated: Images, rng: Generator) -> FloatArray:
    """(n,) float64 log-odds that the discriminator gives pool images of being annotated.

    Takes one draw of ``rng``. Batches are made on the device, from images in uint8.

    Args:
        options: of the strategy.
        pool: (n, H, W, C) images.
        annotated: (m, H, W, C), m ≥ 1.
        rng: of the strategy.
    """
    with torch_session() as device:
        generator = torch_generator(rng, device)
        known, others = _Source(annotated, device), _Source(pool, device)
        _, height, width, channels = pool.shape
        latent = options.latent or (28 if (height, width) == (28, 28) else 32)
        sizes = (options.width, latent, device, generator)
        autoencoder = Autoencoder((channels, height, width), *sizes)
        discriminator = Discriminator(latent, device, generator)
        steps = math.ceil(options.epochs * (len(pool) + len(annotated)) / options.batch_size)
        with torch.enable_grad():
            _train(autoencoder, discriminator, known, others, steps, options, generator)
        autoencoder.eval()
        parts = [
            discriminator(autoencoder.encode(others.take(slice(start, start + _SCORED)))[0])
            for start in range(0, len(pool), _SCORED)
        ]
        found: FloatArray = torch.cat(parts).double().cpu().numpy()
        return found


class _Source:
    """Batches (n, C, H, W) float32 in [0, 1] of images that stay in uint8 on the device."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self._pixels = resident(images.pixels, device)
        self._rows = torch.from_numpy(images.rows).to(device)

    def take(self, positions: Tensor | slice) -> Tensor:
        """Images at ``positions``."""
        return self._pixels[self._rows[positions]].permute(0, 3, 1, 2).float().div_(255.0)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Endless batches of ``size``, all images in a new order again and again."""
        device = self._rows.device
        queue = torch.empty(0, dtype=torch.int64, device=device)
        while True:
            while len(queue) < size:
                order = torch.randperm(len(self._rows), generator=generator, device=device)
                queue = torch.cat([queue, order])
            yield self.take(queue[:size])
            queue = queue[size:]


class Autoencoder(nn.Module):
    """Four convolutions down to a Gaussian code, and back up to the image.

    Convolutions have stride 2 and filters of 4 × 4; 3 × 3 for the last where its input has an odd
    size, and wherever a size is 1. Transposed convolutions double the size, with filters of 4 × 4,
    or come out one short of that, with filters of 3 × 3, where the size to mirror is odd.

    Args:
        shape: (C, H, W) of images.
        width: factor of the numbers of channels.
        latent: dimensions of the code.
        device: where the weights are.
        generator: draws the initial weights.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: float,
        latent: int,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        n_channels, *size = shape
        channels = [max(1, round(width * count)) for count in _CHANNELS]
        with torch.device("meta"):
            down, inner = _encoder([n_channels, *channels], (size[0], size[1]))
            self.encoder = nn.Sequential(*down, nn.Flatten())
            n_values = channels[-1] * math.prod(inner)
            self.mean, self.log_variance = nn.Linear(n_values, latent), nn.Linear(n_values, latent)
            up, start = _decoder([*reversed(channels)], n_channels, (size[0], size[1]))
            self.decoder = nn.Sequential(
                nn.Linear(latent, channels[-1] * math.prod(start)),
                nn.Unflatten(1, (channels[-1], *start)),
                *up,
            )
        _initialise(self, device, generator)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (n, latent) of the codes of images (n, C, H, W) in [0, 1]."""
        values = self.encoder(images)
        return self.mean(values), self.log_variance(values)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction from mean plus ``noise`` (n, latent) deviations, mean, log variance."""
        mean, log_variance = self.encode(images)
        code = mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(code), mean, log_variance


class Discriminator(nn.Sequential):
    """Log-odds (n,) that codes (n, latent) belong to annotated images."""

    def __init__(self, latent: int, device: torch.device, generator: torch.Generator) -> None:
        with torch.device("meta"):
            super().__init__(
                nn.Linear(latent, _UNITS),
                nn.ReLU(),
                nn.Linear(_UNITS, _UNITS),
                nn.ReLU(),
                nn.Linear(_UNITS, 1),
                nn.Flatten(0),
            )
        _initialise(self, device, generator)


def _encoder(channels: list[int], size: Size) -> tuple[list[nn.Module], Size]:
    """Layers, and the size that they leave."""
    layers: list[nn.Module] = []
    for number, (n_in, n_out) in enumerate(pairwise(channels)):
        last = number == len(channels) - 2
        high, wide = (3 if side == 1 or (last and side % 2) else 4 for side in size)
        convolution = nn.Conv2d(n_in, n_out, (high, wide), stride=2, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(n_out), nn.ReLU()]
        size = ((size[0] + 2 - high) // 2 + 1, (size[1] + 2 - wide) // 2 + 1)
    return layers, size


def _decoder(channels: list[int], n_channels: int, size: Size) -> tuple[list[nn.Module], Size]:
    """Layers, and the size that they start from."""
    sizes = [size]
    for _ in channels[1:]:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    layers: list[nn.Module] = []
    for (n_in, n_out), wanted in zip(pairwise(channels), reversed(sizes[:-1]), strict=True):
        high, wide = (3 if side % 2 else 4 for side in wanted)
        transposed = nn.ConvTranspose2d(n_in, n_out, (high, wide), 2, padding=1, bias=False)
        layers += [transposed, nn.BatchNorm2d(n_out), nn.ReLU()]
    return [*layers, nn.Conv2d(channels[-1], n_channels, 1)], sizes[-1]


def _initialise(module: nn.Module, device: torch.device, generator: torch.Generator) -> None:
    """Moves a module of the meta device; weights after He et al. (2015), biases 0."""
    module.to_empty(device=device)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _train(
    autoencoder: Autoencoder,
    discriminator: Discriminator,
    known: _Source,
    others: _Source,
    steps: int,
    options: Vaal,
    generator: torch.Generator,
) -> None:
    """``steps`` times two steps of the autoencoder, each on new batches, and one of the
    discriminator on the last.
    """
    first, second = (
        torch.optim.Adam(net.parameters(), lr=options.lr) for net in (autoencoder, discriminator)
    )
    streams = [part.batches(options.batch_size, generator) for part in (known, others)]
    for _ in range(steps):
        interrupts.check()
        for _ in range(2):
            batches = [next(stream) for stream in streams]
            _step(first, _autoencoder_loss(autoencoder, discriminator, batches, options, generator))
        with torch.no_grad():
            codes = autoencoder.encode(torch.cat(batches))[0]
        annotated, pool = discriminator(codes).chunk(2)
        _step(second, _cross_entropy(annotated, 1.0) + _cross_entropy(pool, 0.0))


def _autoencoder_loss(
    autoencoder: Autoencoder,
    discriminator: Discriminator,
    batches: list[Tensor],
    options: Vaal,
    generator: torch.Generator,
) -> Tensor:
    """Errors and divergences of both batches, and of a discriminator that is not deceived.

    The batches go through the network together. Batch norm would scale each on its own otherwise,
    and the discriminator could tell them by that.
    """
    images = torch.cat(batches)
    shape = (len(images), autoencoder.mean.out_features)
    noise = torch.randn(shape, generator=generator, device=images.device)
    made, mean, log_variance = autoencoder(images, noise)
    divergences = -0.5 * (1 + log_variance - mean**2 - log_variance.exp())
    total = torch.zeros((), device=images.device)
    parts = (part.chunk(2) for part in (made, images, divergences, discriminator(mean)))
    for copy, image, divergence, logits in zip(*parts, strict=True):
        reduced = divergence.mean() if options.reduction == "mean" else divergence.sum()
        total = total + functional.mse_loss(copy, image) + options.beta * reduced
        total = total + options.adversary * _cross_entropy(logits, 1.0)
    return total


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def _step(adam: torch.optim.Optimizer, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()
