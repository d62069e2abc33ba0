"""Test accuracy and seconds of the training recipes, by seed.

Run: ``python -m benchmarks.recipes [--seeds 3] [--device cuda] [--only WORD]``. Both recipes train
the same network from the same initial weights on the same images; the difference of their
accuracies is paired by seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.machine import header
from lalbench import classifiers, compute, data
from lalbench.data.images import Images

CASES: dict[str, tuple[str, int, str, dict[str, Any]]] = {
    "fashion_mnist, 1,000 images, small_cnn": ("fashion_mnist", 1000, "small_cnn", {}),
    "fashion_mnist, 4,000 images, small_cnn": ("fashion_mnist", 4000, "small_cnn", {}),
    "cifar10, 2,000 images, resnet18 width 16": ("cifar10", 2000, "resnet18", {"width": 16}),
    "cifar10, 10,000 images, resnet18": ("cifar10", 10_000, "resnet18", {}),
}
"""The last one is for a GPU."""
RECIPES = ("published", "fast")
HEADERS = ["case", "seed", *RECIPES, "fast - published", *(f"{name}, s" for name in RECIPES)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="auto", choices=compute.DEVICES)
    parser.add_argument("--only", default="", help="cases whose title has this word")
    parser.add_argument("--epochs", type=int, default=None, help="instead of the recipes' own")
    given = parser.parse_args(arguments)
    with compute.using(device=given.device):
        print(header(1, "torch"), flush=True)
        rows = []
        for title in CASES:
            if given.only in title:
                rows += _case(title, given.seeds, given.epochs)
        align = ["left", *["right"] * (len(HEADERS) - 1)]
        print(tabulate(rows, HEADERS, disable_numparse=True, colalign=align))


def _case(title: str, n_seeds: int, epochs: int | None) -> list[list[Any]]:
    dataset, n, name, options = CASES[title]
    source = data.load(dataset)
    assert source.test_mask is not None
    train, test = (np.flatnonzero(source.test_mask == part) for part in (False, True))
    rows = []
    for seed in range(n_seeds):
        chosen = np.random.default_rng(seed).permutation(train)[:n]
        scores, seconds = [], []
        for recipe in RECIPES:
            network = classifiers.get(
                name, recipe=recipe, epochs=epochs, random_state=seed, **options
            )
            started = time.perf_counter()
            network.fit(Images(source.X, chosen), source.y[chosen])
            seconds.append(time.perf_counter() - started)
            right = network.predict(Images(source.X, test)) == source.y[test]
            scores.append(float(right.mean()))
        shown = [f"{score:.4f}" for score in scores] + [f"{scores[1] - scores[0]:+.4f}"]
        rows.append([title, seed, *shown, *(f"{value:.0f}" for value in seconds)])
        print(" ".join(map(str, rows[-1])), flush=True)
    return rows


if __name__ == "__main__":
    main()
