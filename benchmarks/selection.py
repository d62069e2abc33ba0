"""Seconds and memory of one batch by every strategy that works on signals of a network.

Run: ``python -m benchmarks.selection [--pools 10000 50000] [--annotated 1000] [--budget 1000]``.
Signals are synthetic: 512 rectified features in ten clusters of unequal size, a linear last layer.
Memory is the peak of the process less what it held before, so without the signals. The naive side
is the textbook form with all its arrays, where it is small enough: all distances at once for
k-center greedy, one linear programme over all points for CBAL, a dense adjacency for the graph
networks (whose random numbers are others, so the picks are not compared). Times of graph networks
grow with ``--epochs``; VAAL, whose networks take nearly all of the time, is measured on request
(``--vaal EPOCHS``).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.machine import header
from lalbench import strategies
from lalbench.classifiers.networks.signals import Signals
from lalbench.compute import using
from lalbench.data.images import Images
from lalbench.strategies.base import LearningState
from lalbench.strategies.cbal import balancing_counts
from lalbench.strategies.cbal_exact import _programme
from lalbench.strategies.ties import Ranking
from lalbench.strategies.uncertainty import entropies

CLASSES = 10
NAMES = (
    "random",
    "entropy",
    "margin",
    "least_confident",
    "learning_loss",
    "hal_uniform",
    "cbal",
    "cbal exact",
    "cbal npal",
    "k_center_greedy",
    "hal_gauss",
    "uncertain_gcn",
    "core_gcn",
)
OPTIONS: dict[str, dict[str, Any]] = {
    "cbal exact": {"variant": "exact"},
    "cbal npal": {"variant": "npal"},
}


class Given:
    """A network whose signals are known."""

    def __init__(self, parts: dict[int, Signals]) -> None:
        self._parts = parts

    def signals(self, images: Images) -> Signals:
        """By the number of images."""
        return self._parts[len(images)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--annotated", type=int, default=1000)
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--width", type=int, default=512, help="features of an embedding")
    parser.add_argument("--epochs", type=int, default=200, help="of the graph networks")
    parser.add_argument("--naive", type=int, default=10_000, help="largest pool of naive forms")
    parser.add_argument("--only", nargs="+", default=list(NAMES), help="strategies")
    parser.add_argument("--vaal", type=int, default=0, help="epochs of VAAL to time, of two steps")
    parser.add_argument("--small", action="store_true", help="small sizes, to try it out")
    given = parser.parse_args(arguments)
    if given.small:
        given.pools, given.annotated, given.budget, given.width, given.epochs = (
            [600],
            100,
            50,
            24,
            5,
        )
    with threadpool_limits(1), using(device="cpu"):
        torch.set_num_threads(1)
        rows = [row for n in given.pools for row in measure(n, given)]
        print(header(1, "torch", "numba"))
        print(
            f"D = {given.width}, K = {CLASSES}, {given.annotated} annotated, {given.budget} picks"
        )
        print(f"graph networks: {given.epochs} epochs\n")
        head = ["pool", "strategy", "s", "MiB", "naive s", "naive MiB", "same picks"]
        print(
            tabulate(rows, head, disable_numparse=True, colalign=["right", "left", *["right"] * 5])
        )
        if given.vaal:
            print(f"\nVAAL: {vaal_seconds(given.vaal):.2f} s per step of 128 + 128 images")


def measure(n: int, given: argparse.Namespace) -> list[list[str]]:
    """One row per strategy on a pool of ``n`` points."""
    state = make_state(n, given.annotated, given.width)
    rows = []
    for name in given.only:
        strategy = strategies.get(name.split()[0], **OPTIONS.get(name, {}))
        if hasattr(strategy, "epochs"):
            strategy = replace(strategy, epochs=given.epochs)
        run(lambda s=strategy: s.select(part(state), 2, rng()))  # imports, compilation
        seconds, memory, found = run(lambda s=strategy: s.select(state, given.budget, rng()))
        row = [f"{n:,}", name, f"{seconds:.2f}", f"{memory:.0f}"]
        if name in NAIVE and n <= given.naive:
            naive = NAIVE[name]
            seconds, memory, other = run(lambda f=naive, s=strategy: f(state, given.budget, s))
            same = len(np.intersect1d(found.indices, other)) / len(found.indices)
            row += [f"{seconds:.2f}", f"{memory:.0f}", "" if "gcn" in name else f"{same:.1%}"]
        rows.append(row + [""] * (7 - len(row)))
    return rows


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def make_state(n: int, n_annotated: int, width: int) -> LearningState:
    """A state with synthetic signals; the annotated set has all classes."""
    draw = rng()
    centres = np.abs(draw.normal(size=(CLASSES, width))).astype(np.float32)
    share = np.where(np.arange(CLASSES) % 2, 1.0, 0.1)
    parts, labels = {}, []
    for size in (n_annotated, n):
        y = draw.choice(CLASSES, size=size, p=share / share.sum())
        z = np.empty((size, width), dtype=np.float32)
        for start in range(0, size, 10_000):
            rows = slice(start, start + 10_000)
            noise = draw.standard_normal((len(y[rows]), width), dtype=np.float32)
            z[rows] = np.maximum(centres[y[rows]] + 0.7 * noise, 0.0)
        logits = z @ centres.T * np.float32(8.0 / width)
        losses = draw.random(size)
        parts[size] = Signals(logits, z, np.arange(CLASSES), losses)
        labels.append(y)
    images = Images(np.zeros((n + n_annotated, 1, 1, 1), dtype=np.uint8))
    state = LearningState(
        X_annotated=images[:n_annotated],
        y_annotated=labels[0],
        X_pool=images[n_annotated:],
        n_classes=CLASSES,
        classifier=Given(parts),
        class_weights=np.ones(CLASSES),
        fit_weights=None,
        pool_ids=draw.permutation(n) + n_annotated,
        annotated_ids=np.arange(n_annotated),
    )
    for signals in (state.signals, state.annotated_signals):  # they are there before the clock runs
        assert signals is not None
    return state


def part(state: LearningState) -> LearningState:
    """A small state for a first call."""
    n = 40
    small = {}
    for X in (state.X_annotated, state.X_pool):
        whole = state.classifier.signals(X)
        small[len(small) + n] = Signals(
            whole.logits[: n + len(small)],
            whole.embeddings[: n + len(small)],
            whole.classes,
            whole.losses[: n + len(small)],
        )
    return replace(
        state,
        X_annotated=state.X_annotated[:n],
        y_annotated=state.y_annotated[:n],
        annotated_ids=state.annotated_ids[:n],
        X_pool=state.X_pool[: n + 1],
        pool_ids=state.pool_ids[: n + 1],
        classifier=Given(small),
    )


def run(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, MiB of memory beyond what was held before, and the result."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    started = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - started
    return seconds, (_status("VmHWM") - before) / 1024, found


def _status(key: str) -> int:
    """KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def naive_k_center(state: LearningState, budget: int, _: Any) -> Any:
    """All distances at once."""
    embeddings = (state.embeddings, state.annotated_embeddings)
    return _farthest(*map(torch.from_numpy, embeddings), budget)


def _farthest(pool: torch.Tensor, annotated: torch.Tensor, budget: int) -> Any:
    """Greedy picks from the distances between pool points, and between these and annotated ones."""
    nearest = torch.cdist(pool, annotated).amin(dim=1)
    distances = torch.cdist(pool, pool)
    chosen: list[int] = []
    for _ in range(budget):
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, distances[chosen[-1]])
        nearest[chosen] = -torch.inf
    return np.asarray(chosen)


def naive_hal(state: LearningState, budget: int, strategy: Any) -> Any:
    """All distances to annotated points at once, and a pass over the pool for every pick."""
    from lalbench.strategies.hal import median_squared_distance
    from lalbench.strategies.uncertainty import margin_scores

    generator = rng()
    Ranking.draw("random", state.pool_ids, generator)
    pool, annotated = state.embeddings, state.annotated_embeddings
    ids = np.concatenate([state.annotated_ids, state.pool_ids])
    delta = median_squared_distance(annotated, pool, ids, generator)
    points = torch.from_numpy(pool)
    squares = torch.cdist(points, torch.from_numpy(annotated)).double() ** 2
    sums = torch.exp(-squares / delta).sum(dim=1)
    margin = torch.from_numpy(-margin_scores(state.probabilities))
    chosen: list[int] = []
    for _ in range(budget):
        value = (margin if generator.random() < strategy.p_exploit else sums).clone()
        value[chosen] = torch.inf
        chosen.append(int(value.argmin()))
        gaps = (points - points[chosen[-1]]).double()
        sums += torch.exp(-(gaps * gaps).sum(dim=1) / delta)
    return np.asarray(chosen)


def naive_cbal(state: LearningState, budget: int, strategy: Any) -> Any:
    """A pass over the pool for every pick."""
    p, counts = state.probabilities, np.bincount(state.y_annotated, minlength=CLASSES)
    values, chosen = entropies(p), list[int]()
    target = balancing_counts(counts, budget)
    for _ in range(budget):
        scores = values - strategy.penalty * np.abs(target - p).sum(axis=1)
        scores[chosen] = -np.inf
        chosen.append(int(scores.argmax()))
        target = target - p[chosen[-1]]
    return np.asarray(chosen)


def naive_exact(state: LearningState, budget: int, strategy: Any) -> Any:
    """One linear programme over all points; the largest entries."""
    p, counts = state.probabilities, np.bincount(state.y_annotated, minlength=CLASSES)
    target = balancing_counts(counts, budget)
    share, _ = _programme(entropies(p), p, target, budget, strategy.penalty)
    return np.argsort(-share)[:budget]


def naive_graph(state: LearningState, budget: int, strategy: Any) -> Any:
    """The adjacency as a matrix, gradients by autograd."""
    z = torch.from_numpy(np.concatenate([state.embeddings, state.annotated_embeddings]))
    x = torch.nn.functional.normalize(z)
    cosines = (x @ x.T).fill_diagonal_(0.0)
    adjacency = cosines / cosines.sum(dim=0) + torch.eye(len(x))
    smooth = adjacency @ x
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> torch.Tensor:
        draws = torch.rand(shape, generator=generator)
        return ((2 * draws - 1) / shape[-1] ** 0.5).requires_grad_()

    weights = [uniform(x.shape[1], 128), uniform(128), uniform(128, 1), uniform(1)]
    adam = torch.optim.Adam(weights, lr=strategy.lr, weight_decay=strategy.weight_decay)
    n = state.n_pool

    def forward(dropout: float) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.relu(smooth @ weights[0] + weights[1])
        hidden = hidden * (torch.rand(hidden.shape, generator=generator) >= dropout) / (1 - dropout)
        return hidden, (adjacency @ (hidden @ weights[2]) + weights[3])[:, 0]

    for _ in range(strategy.epochs):
        logits = forward(strategy.dropout)[1]
        known = -torch.nn.functional.logsigmoid(logits[n:]).mean()
        loss = known - strategy.weight * torch.nn.functional.logsigmoid(-logits[:n]).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        hidden, logits = forward(0.0)
        if hasattr(strategy, "s_margin"):
            return (torch.sigmoid(logits[:n]) - strategy.s_margin).abs().argsort()[:budget].numpy()
        return _farthest(hidden[:n], hidden[n:], budget)


NAIVE: dict[str, Callable[[LearningState, int, Any], Any]] = {
    "k_center_greedy": naive_k_center,
    "hal_gauss": naive_hal,
    "cbal": naive_cbal,
    "cbal exact": naive_exact,
    "uncertain_gcn": naive_graph,
    "core_gcn": naive_graph,
}


def vaal_seconds(epochs: int) -> float:
    """Seconds of one step of VAAL (two of the autoencoder, one of the discriminator, 128 images of
    each kind) on random images of 32 × 32 × 3: two steps per epoch, and scoring of 128 images.
    """
    draw = rng()
    images = Images(draw.integers(0, 256, size=(256, 32, 32, 3), dtype=np.uint8))
    base = make_state(128, 127, 4)
    state = replace(base, X_annotated=images[:128], X_pool=images[128:], pool_ids=np.arange(128))
    seconds, _, _ = run(lambda: strategies.get("vaal", epochs=epochs).select(state, 5, rng()))
    return seconds / (2 * epochs)


if __name__ == "__main__":
    main()
