"""The training loop against a plain one, the recipes' rates, augmentation, interruption."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lalbench import interrupts
from lalbench.classifiers.networks.batches import Batches, EpochPlan
from lalbench.classifiers.networks.loss_head import LossHead, LossTraining, pair_loss
from lalbench.classifiers.networks.recipes import RECIPES, Recipe
from lalbench.classifiers.networks.small import small_cnn
from lalbench.classifiers.networks.trainer import Examples, Trainer, batch_slices
from lalbench.data.images import Images
from lalbench.interrupts import StoppedError

Made = tuple[Images, NDArray[np.int64]]
CPU = torch.device("cpu")
MEAN, SCALE = np.array([100.0]), np.array([50.0])


def recipe(name: str = "published", **changes: Any) -> Recipe:
    return replace(RECIPES[name], **{"epochs": 5, "batch_size": 16, "rate": 0.05, **changes})


def network(seed: int = 0) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return small_cnn((1, 8, 8), 3, width=4)


def examples(made: Made, weights: Any = None) -> Examples:
    images, labels = made
    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    return Examples(Batches(images, MEAN, SCALE, CPU), torch.from_numpy(labels), given)


def plain_training(net: Any, made: Made, weights: Any, settings: Recipe, seed: int) -> None:
    """The same recipe as a loop over arrays, with its own momentum."""
    images, labels = made
    X = (torch.from_numpy(images.take()).double() - 100.0) / 50.0
    X, y = X.permute(0, 3, 1, 2).float(), torch.from_numpy(labels)
    velocity = [torch.zeros_like(parameter) for parameter in net.parameters()]
    net.train()
    for epoch in range(settings.epochs):
        rate = settings.rate * (0.1 if epoch >= 0.8 * settings.epochs else 1.0)
        order = np.random.default_rng((seed, epoch)).permutation(len(y))
        for start in range(0, len(y), settings.batch_size):
            part = torch.from_numpy(order[start : start + settings.batch_size])
            losses = functional.cross_entropy(net(X[part]).logits, y[part], reduction="none")
            total = (losses * weights[part]).sum() / len(part)
            gradients = torch.autograd.grad(total, list(net.parameters()))
            with torch.no_grad():
                for p, v, g in zip(net.parameters(), velocity, gradients, strict=True):
                    v.mul_(settings.momentum).add_(g + settings.weight_decay * p)
                    p.sub_(rate * v)


@pytest.mark.parametrize("n", [60, 64, 10])  # a rest of 12, of none, one small batch
def test_training_is_the_published_recipe(n: int, make_images: Callable[..., Made]) -> None:
    made = make_images(n)
    weights = torch.linspace(0.2, 1.8, n)
    ours, theirs = network(), network()
    Trainer(ours, recipe(), examples(made, weights.numpy()), seed=3).run()
    plain_training(theirs, made, weights, recipe(), seed=3)
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value, theirs.state_dict()[name], rtol=2e-3, atol=2e-4)
    assert not ours.training


def test_rates_of_the_published_recipe() -> None:
    published = RECIPES["published"]
    assert (published.epochs, published.batch_size, published.momentum) == (200, 128, 0.9)
    assert published.weight_decay == 5e-4
    assert [published.rate_at(epoch, 7, 8) for epoch in (0, 159)] == [0.1, 0.1]
    assert published.rate_at(160, 0, 8) == pytest.approx(0.01)
    assert published.rate_at(199, 7, 8) == pytest.approx(0.01)


def test_one_cycle_rises_to_its_rate_and_falls_to_nothing() -> None:
    fast = RECIPES["fast"]
    rates = [fast.rate_at(epoch, step, 10) for epoch in range(fast.epochs) for step in range(10)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(fast.rate, rel=0.01)
    assert (np.diff(rates[:peak]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] < 0.001 * fast.rate


def test_crops_and_flips_are_those_of_a_padded_array(images: Made) -> None:
    pixels = images[0].take()
    batches = Batches(images[0], np.array([0.0]), np.array([1.0]), CPU)
    moves = torch.tensor([[0, 0, 0], [8, 3, 1], [4, 4, 0], [4, 4, 1]])
    found = batches.crop(torch.arange(4), moves)[:, 0].numpy()
    padded = np.pad(pixels[:4, :, :, 0], ((0, 0), (4, 4), (4, 4)))
    for image, (down, across, flip) in enumerate(moves.tolist()):
        wanted = padded[image, down : down + 8, across : across + 8]
        np.testing.assert_array_equal(found[image], wanted[:, ::-1] if flip else wanted)
    # A crop in the middle is no crop.
    np.testing.assert_array_equal(found[2], batches.take(torch.tensor([2]))[0, 0])


def test_plans_use_every_image_once_and_differ_by_epoch() -> None:
    plans = [EpochPlan.draw(50, 1, epoch, "crop_flip", CPU) for epoch in range(3)]
    for plan in plans:
        assert sorted(plan.order.tolist()) == list(range(50))
        assert plan.moves is not None
        assert plan.moves[:, :2].min() >= 0
        assert plan.moves[:, :2].max() <= 8
        assert set(plan.moves[:, 2].tolist()) == {0, 1}
    assert plans[0].order.tolist() != plans[1].order.tolist()
    crop = EpochPlan.draw(50, 1, 0, "crop", CPU)
    assert crop.order.tolist() == plans[0].order.tolist()
    assert crop.moves is not None
    assert crop.moves[:, 2].sum() == 0


@pytest.mark.parametrize("with_head", [False, True])
@pytest.mark.parametrize("stop_at", [0, 1, 7, 18])
def test_a_stopped_training_goes_on_bit_for_bit(
    images: Made, stop_at: int, with_head: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trainer() -> Trainer:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            net = small_cnn((1, 8, 8), 3, width=4)
            head = LossHead(net.widths) if with_head else None
        return Trainer(
            net, recipe("fast"), examples(images), seed=2, augmentation="crop", loss_head=head
        )

    whole = trainer()
    whole.run()
    asked = iter([False] * stop_at + [True])
    monkeypatch.setattr(interrupts, "requested", lambda: next(asked))
    with pytest.raises(StoppedError) as stopped:
        trainer().run()
    monkeypatch.undo()
    assert int(stopped.value.progress["epoch"]) == stop_at // 4
    resumed = trainer()
    resumed.run(stopped.value.progress)
    for name, value in whole._tensors().items():
        assert torch.equal(value, resumed._tensors()[name]), name


def test_pair_loss_by_hand() -> None:
    predicted = torch.tensor([1.0, 0.0, 9.0, 2.0, 0.5], requires_grad=True)
    losses = torch.tensor([3.0, 1.0, 0.0, 1.0, 2.0], requires_grad=True)
    # Pairs (0, 4) and (1, 3); the middle one is left out. 3 > 2: s = 1, max(0, -(1 - 0.5) + 1);
    # 1 = 1: s = -1, max(0, (0 - 2) + 1).
    found = pair_loss(predicted, losses, margin=1.0)
    assert found.item() == pytest.approx(2 / 4 * (0.5 + 0.0))
    found.backward()
    assert losses.grad is None
    assert predicted.grad is not None
    assert predicted.grad.tolist() == pytest.approx([-0.5, 0.0, 0.0, 0.0, 0.5])
    assert pair_loss(torch.ones(1), torch.ones(1), margin=1.0).item() == 0.0


def test_the_head_moves_the_network_only_before_it_is_detached(images: Made) -> None:
    def trained(head: bool, detach_at: float) -> Any:
        net = network()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            loss_head = LossHead(net.widths) if head else None
        training = LossTraining(detach_at=detach_at)
        trainer = Trainer(
            net,
            recipe(),
            examples(images),
            seed=2,
            loss_head=loss_head,
            loss_training=training,
        )
        trainer.run()
        return net.head.weight.detach().clone()

    without, always, never = trained(False, 0.6), trained(True, 1.0), trained(True, 0.0)
    np.testing.assert_allclose(never, without, rtol=1e-5, atol=1e-7)
    assert not np.allclose(always, without, rtol=1e-3)


def test_training_leaves_global_random_numbers_alone(images: Made) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    Trainer(network(), recipe(), examples(images), seed=1, augmentation="crop_flip").run()
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]


def test_weights_change_nothing_when_they_are_one(images: Made) -> None:
    one, other = network(), copy.deepcopy(network())
    Trainer(one, recipe(), examples(images), seed=1).run()
    Trainer(other, recipe(), examples(images, np.ones(60)), seed=1).run()
    assert torch.equal(one.head.weight, other.head.weight)


def test_batches_cover_the_epoch() -> None:
    def sizes(n: int) -> list[int]:
        parts = batch_slices(n, 4)
        assert [i for part in parts for i in range(n)[part]] == list(range(n))
        return [len(range(n)[part]) for part in parts]

    assert sizes(8) == [4, 4]
    assert sizes(10) == [4, 4, 2]
    assert sizes(9) == [4, 5]
    assert sizes(5) == [5]
    assert sizes(3) == [3]
