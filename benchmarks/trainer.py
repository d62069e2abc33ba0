"""Training of networks against the plain loop that people write, images per second.

Run: ``python -m benchmarks.trainer [--device cuda] [--images 10000] [--rounds 3] [--only WORD]``,
and with ``--accuracy SEEDS`` also the test accuracy of both after the whole recipe on CIFAR-10.

The plain loop: float32, channels first, a ``DataLoader`` over a data set that makes one float
tensor per image, ``torch.optim.SGD``, one batch after the other. Network, batch size, optimiser and
number of threads are those of the trainer; both sides alternate, and each has a warm-up epoch. All
start from the same weights and take the images in the same order: ``loss`` is the mean
cross-entropy of the trained networks on the training images.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.machine import header
from lalbench import classifiers, compute, data
from lalbench.classifiers.networks.batches import EpochPlan
from lalbench.classifiers.networks.recipes import Recipe
from lalbench.data.images import Images
from lalbench.errors import LalbenchError

NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int]]] = {
    "resnet18, 32 x 32 x 3": ("resnet18", {}, (32, 32, 3)),
    "resnet18 width 16, 28 x 28": ("resnet18", {"width": 16}, (28, 28, 1)),
    "small_cnn, 28 x 28": ("small_cnn", {}, (28, 28, 1)),
}
HEADERS = ["network", "loop", "images/s", "ratio", "loss"]


class PlainDataset(Dataset[tuple[torch.Tensor, int]]):
    """Uint8 images that become standardised float tensors one by one."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.images, self.labels = images, labels
        self.mean, self.scale = images.mean((0, 1, 2)), images.std((0, 1, 2))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(self.images[index]).float().permute(2, 0, 1)
        mean, scale = (torch.tensor(part).float()[:, None, None] for part in self._statistics())
        return (image - mean) / scale, int(self.labels[index])

    def _statistics(self) -> tuple[Any, Any]:
        return self.mean, self.scale


def plain_training(
    network: nn.Module,
    dataset: PlainDataset,
    recipe: Recipe,
    epochs: int,
    device: torch.device,
    order: Iterable[int] | None = None,
) -> None:
    """The loop of countless scripts; ``order`` of the images in every epoch, None for a new one."""
    workers = 4 if device.type == "cuda" else 0
    loader = DataLoader(
        dataset, recipe.batch_size, shuffle=order is None, sampler=order, num_workers=workers,
        pin_memory=workers > 0,
    )  # fmt: skip
    optimiser = torch.optim.SGD(
        network.parameters(), recipe.rate, recipe.momentum, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [int(0.8 * recipe.epochs)])
    network.train()
    for _ in range(epochs):
        for images, labels in loader:
            optimiser.zero_grad()
            logits = network(images.to(device)).logits
            nn.functional.cross_entropy(logits, labels.to(device)).backward()
            optimiser.step()
        schedule.step()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", choices=compute.DEVICES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="networks whose title has this word")
    parser.add_argument("--accuracy", type=int, default=0, help="seeds of the whole recipe")
    given = parser.parse_args(arguments)
    with compute.using(device=given.device, threads=given.threads) as inside:
        device = inside.torch_device()
        torch.set_num_threads(given.threads)
        print(header(given.threads, "torch"))
        name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
        print(f"device: {name}; median of {given.rounds} rounds of {given.images} images\n")
        rows = [row for title in NETWORKS if given.only in title for row in _speed(title, given)]
        align = ("left", "left", "right", "right", "right")
        print(tabulate(rows, HEADERS, disable_numparse=True, colalign=align))
        if given.accuracy:
            print(f"\n{_accuracies(given.accuracy, device)}")


def _speed(title: str, given: argparse.Namespace) -> Iterator[list[str]]:
    """One row per loop; the ratio is that of the plain loop's time."""
    name, options, shape = NETWORKS[title]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(given.images, *shape), dtype=np.uint8)
    labels = np.arange(given.images) % 10
    device = compute.current().torch_device()
    dataset = PlainDataset(images, labels)
    loops: dict[str, Callable[[], nn.Module]] = {}
    for precision in ("float32", "auto"):
        classifier = classifiers.get(name, epochs=1, precision=precision, **options)
        loops[f"lalbench, {precision}"] = _ours(classifier, Images(images), labels)
    loops["plain"] = _plain(name, options, dataset, device)
    seconds: dict[str, list[float]] = {loop: [] for loop in loops}
    trained: dict[str, nn.Module] = {}
    for round_ in range(given.rounds + 1):
        for loop, run in loops.items():
            started = time.perf_counter()
            trained[loop] = run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_:  # the first one warms up
                seconds[loop].append(time.perf_counter() - started)
    plain = statistics.median(seconds["plain"])
    for loop, found in seconds.items():
        median = statistics.median(found)
        loss = _loss(trained[loop], dataset, device)
        speed = f"{given.images / median:,.0f}"
        yield [title, loop, speed, f"{plain / median:.2f}", f"{loss:.5f}"]


def _ours(classifier: Any, images: Images, labels: NDArray[np.int64]) -> Callable[[], nn.Module]:
    def run() -> nn.Module:
        network: nn.Module = classifier.fit(images, labels).network_
        return network

    return run


def _plain(
    name: str, options: dict[str, Any], dataset: PlainDataset, device: torch.device
) -> Callable[[], nn.Module]:
    classifier = classifiers.get(name, **options)
    height, width, channels = dataset.images.shape[1:]
    # what the trainer draws for the first epoch with a seed of 0
    order = EpochPlan.draw(len(dataset), 0, 0, "none", torch.device("cpu")).order.tolist()

    def run() -> nn.Module:
        torch.manual_seed(0)
        network: nn.Module = classifier.build((channels, height, width), 10).to(device)
        plain_training(network, dataset, classifier.resolved_recipe(), 1, device, order)
        return network

    return run


def _loss(network: nn.Module, dataset: PlainDataset, device: torch.device) -> float:
    network.train()  # the running means and deviations lag far behind after so few steps
    total = 0.0
    with torch.no_grad():
        for images, labels in DataLoader(dataset, 128):
            logits = network(images.to(device)).logits
            losses = nn.functional.cross_entropy(logits, labels.to(device), reduction="sum")
            total += losses.item()
    return total / len(dataset)


def _accuracies(n_seeds: int, device: torch.device) -> str:
    """Test accuracy of ResNet-18 on 10,000 images of CIFAR-10, by seed and loop."""
    try:
        source = data.load("cifar10")
    except LalbenchError as error:
        return f"accuracy: CIFAR-10 cannot be had ({error})"
    assert source.test_mask is not None
    train, test = (np.flatnonzero(source.test_mask == part) for part in (False, True))
    rows = []
    for seed in range(n_seeds):
        chosen = np.random.default_rng(seed).permutation(train)[:10_000]
        scores = []
        for recipe in ("published", "fast"):
            classifier = classifiers.get("resnet18", recipe=recipe, random_state=seed)
            classifier.fit(Images(source.X, chosen), source.y[chosen])
            scores.append((classifier.predict(Images(source.X, test)) == source.y[test]).mean())
        recipe = classifiers.get("resnet18").resolved_recipe()
        torch.manual_seed(seed)
        network = classifier.build((3, 32, 32), 10).to(device)
        dataset = PlainDataset(source.X[chosen], source.y[chosen])
        plain_training(network, dataset, recipe, recipe.epochs, device)
        scores.append(_plain_accuracy(network, dataset, source, test, device))
        rows.append([seed, *(f"{score:.4f}" for score in scores)])
    return tabulate(rows, ["seed", "published", "fast", "plain loop"], disable_numparse=True)


def _plain_accuracy(
    network: nn.Module, dataset: PlainDataset, source: Any, test: Any, device: torch.device
) -> float:
    network.eval()
    right = 0
    with torch.no_grad():
        for rows in np.array_split(test, 20):
            pixels = (source.X[rows] - dataset.mean) / dataset.scale
            images = torch.from_numpy(pixels).float().permute(0, 3, 1, 2).to(device)
            found = network(images).logits.argmax(1).cpu().numpy()
            right += int((found == source.y[rows]).sum())
    return right / len(test)


if __name__ == "__main__":
    main()
