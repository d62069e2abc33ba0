"""VAAL: shapes, losses against their formulas, and which images it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lalbench import strategies
from lalbench.data.images import Images
from lalbench.strategies import vaal_training
from lalbench.strategies.base import LearningState
from lalbench.strategies.subsample import Subsample
from lalbench.strategies.vaal import Vaal
from lalbench.strategies.vaal_training import Autoencoder, Discriminator

CPU = torch.device("cpu")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filters(network: Any) -> list[tuple[int, ...]]:
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    return [part.kernel_size for part in network.modules() if isinstance(part, kinds)]


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ((28, 28), [4, 4, 4, 3, 3, 4, 4, 1]),
        ((32, 32), [4, 4, 4, 4, 4, 4, 4, 1]),
        ((8, 8), [4, 4, 4, 3, 4, 4, 4, 1]),
    ],
)
def test_filters(size: Any, sides: list[int]) -> None:
    network = Autoencoder((1, *size), 1 / 64, 4, CPU, generator())
    assert filters(network) == [(side, side) for side in sides]


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (8, 8), (1, 1), (5, 9), (30, 17), (96, 96)])
def test_images_of_any_size_come_back_in_their_size(size: tuple[int, int]) -> None:
    network = Autoencoder((3, *size), 1 / 64, 5, CPU, generator())
    images = torch.rand(2, 3, *size)
    made, mean, log_variance = network(images, torch.zeros(2, 5))
    assert made.shape == images.shape
    assert mean.shape == log_variance.shape == (2, 5)


def test_channels_of_the_paper() -> None:
    network = Autoencoder((3, 32, 32), 1.0, 32, CPU, generator())
    weights = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert [part.out_channels for part in weights] == [128, 256, 512, 1024, 3]
    assert network.mean.in_features == 1024 * 2 * 2
    assert network.decoder[0].out_features == 1024 * 4 * 4
    assert all(np.isfinite(p.detach().numpy()).all() for p in network.parameters())


@pytest.mark.parametrize("reduction", ["mean", "released"])
def test_losses_are_their_formulas(reduction: Any) -> None:
    options = Vaal(reduction=reduction, beta=0.7, adversary=2.0)
    network = Autoencoder((1, 8, 8), 1 / 32, 3, CPU, generator(1))
    judge = Discriminator(3, CPU, generator(2))
    batches = [torch.rand(6, 1, 8, 8), torch.rand(6, 1, 8, 8)]
    found = vaal_training._autoencoder_loss(network, judge, batches, options, generator(3))
    both, expected = torch.cat(batches), torch.zeros(())  # batch norm sees both kinds
    means, log_variances = network.encode(both)
    noise = torch.randn((12, 3), generator=generator(3))
    reconstructed = network.decoder(means + noise * log_variances.exp().sqrt())
    for rows, images in zip((slice(6), slice(6, 12)), batches, strict=True):
        mean, log_variance, made = means[rows], log_variances[rows], reconstructed[rows]
        spread = torch.exp(log_variance)
        normal = torch.distributions.Normal(mean, spread.sqrt())
        standard = torch.distributions.Normal(0.0, 1.0)
        divergence = torch.distributions.kl_divergence(normal, standard)
        reduced = divergence.mean() if reduction == "mean" else divergence.sum()
        chance = torch.sigmoid(judge(mean))
        expected += ((made - images) ** 2).mean() + 0.7 * reduced - 2.0 * torch.log(chance).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


def test_batches_go_through_all_images_again_and_again() -> None:
    pixels = np.arange(7, dtype=np.uint8)[:, None, None, None] * 10
    source = vaal_training._Source(Images(pixels, np.array([1, 3, 5, 6, 2])), CPU)
    stream = source.batches(3, generator())
    seen = torch.cat([next(stream)[:, 0, 0, 0] for _ in range(5)]) * 255 / 10
    rounds = seen.round().int().reshape(3, 5).tolist()
    assert [sorted(part) for part in rounds] == [[1, 2, 3, 5, 6]] * 3
    assert len({tuple(part) for part in rounds}) > 1


@pytest.fixture
def two_kinds(make_image_state: Callable[..., LearningState]) -> LearningState:
    """Annotated images are bright on the left; half of the pool (odd places) on the right."""
    draw = rng(3)
    pixels = draw.integers(0, 60, size=(120, 8, 8, 1)).astype(np.uint8)
    images = Images(pixels)
    pixels[:60, :, :4] += 180
    right = np.arange(61, 120, 2)
    pixels[right, :, 4:] += 180
    pixels[np.arange(60, 120, 2), :, :4] += 180
    state = make_image_state()
    return replace(
        state,
        X_annotated=images[:60],
        y_annotated=np.arange(60) % 2,
        annotated_ids=np.arange(60),
        X_pool=images[60:],
        pool_ids=np.arange(60) + 1000,
    )


@pytest.mark.parametrize("size", [None, 30])
@pytest.mark.parametrize(
    ("options", "least"), [({"adversary": 0.0, "beta": 0.05, "latent": 8}, 10), ({}, 8)]
)
def test_it_takes_images_unlike_the_annotated_ones(
    size: int | None, options: Any, least: int, two_kinds: LearningState
) -> None:
    """All of them, unless the autoencoder tries to hide the difference; by chance 5 of 10."""
    strategy = strategies.get("vaal", epochs=20, width=1 / 32, batch_size=30, **options)
    found = (Subsample(strategy, size) if size else strategy).select(two_kinds, 10, rng(1))
    assert np.sum(found.indices % 2 == 1) >= least
    assert np.isfinite(found.scores).sum() == (size or 60)


def test_permuting_and_repeating(two_kinds: LearningState) -> None:
    strategy = strategies.get("vaal", epochs=2, width=1 / 64, batch_size=16, latent=4)
    one = strategy.select(two_kinds, 20, rng(2))
    order = rng(4).permutation(60)
    other = replace(two_kinds, X_pool=two_kinds.X_pool[order], pool_ids=two_kinds.pool_ids[order])
    two = strategy.select(other, 20, rng(2))
    assert two_kinds.pool_ids[one.indices].tolist() == other.pool_ids[two.indices].tolist()
    assert np.array_equal(one.scores[order], two.scores)
    assert not np.array_equal(one.scores, strategy.select(two_kinds, 20, rng(3)).scores)


def test_a_score_does_not_depend_on_what_is_scored_beside_it(
    two_kinds: LearningState, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = strategies.get("vaal", epochs=2, width=1 / 64, batch_size=16, latent=4)
    whole = strategy.select(two_kinds, 1, rng()).scores
    monkeypatch.setattr(vaal_training, "_SCORED", 7)
    parts = strategy.select(two_kinds, 1, rng()).scores
    np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-4)
    assert np.ptp(whole) > 0.01


def test_options_change_the_outcome(two_kinds: LearningState) -> None:
    base = strategies.get("vaal", epochs=1, width=1 / 64, batch_size=16, latent=4)
    first = base.select(two_kinds, 5, rng()).scores
    for change in ({"beta": 0.0}, {"adversary": 0.0}, {"reduction": "released"}, {"lr": 1e-3}):
        other = replace(base, **change).select(two_kinds, 5, rng()).scores
        assert not np.array_equal(first, other), change


def test_without_annotated_images_it_draws(two_kinds: LearningState) -> None:
    empty = replace(two_kinds, X_annotated=two_kinds.X_annotated[:0], y_annotated=np.arange(0))
    first = {int(strategies.get("vaal").select(empty, 1, rng(s)).indices[0]) for s in range(10)}
    assert len(first) > 3
