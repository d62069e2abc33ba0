"""Seconds per training of the neural process, against a plain training of the same network.

Run: ``python -m benchmarks.neural_process [--features 21] [--epochs 100] [--threads 1]``. Both
sides get the same 300 problems of 100 points, the same initial weights, batches of equal sizes and
the same schedule. The plain side has a DataLoader, collates context and target tensors per problem
and calls ``forward``. The compiled code is loaded before the clock starts.

``--many 81 --device cuda`` trains 81 such networks, each with points of its own, at once and one
after the other on the same device.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from benchmarks.machine import header
from lalbench.compute import DEVICES, Compute
from lalbench.learners.neural_process import AttentiveNeuralProcess, TrainingOptions
from lalbench.learners.neural_process.problems import Problems, group_by_size
from lalbench.learners.neural_process.stacked import StackedUpdate
from lalbench.learners.neural_process.training import DECAY, limited_threads, run_epochs, train


def simulated(
    n_features: int, n_points: int = 100, n_problems: int = 300, seed: int = 0
) -> Problems:
    """Problems of ten to ninety context points with noisy planted improvements."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n_points, n_features))
    member = np.zeros((n_problems, n_points), dtype=bool)
    for row in member:
        size = int(rng.integers(1, 10) * n_points / 10)
        row[rng.permutation(n_points)[:size]] = True
    improvements = 0.05 * X[:, 0] + 0.02 * rng.normal(size=member.shape)
    return Problems(
        torch.tensor(X[None], dtype=torch.float32),
        torch.tensor(member),
        torch.tensor(improvements, dtype=torch.float32),
    )


class PlainProblems(Dataset[tuple[torch.Tensor, ...]]):
    """Context, targets and improvements of one problem at a time."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def __len__(self) -> int:
        return len(self.problems.member)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        points, inside = self.problems.points[0], self.problems.member[index]
        return points[inside], points[~inside], self.problems.improvements[index][~inside]


class EqualSizes(Sampler[list[int]]):
    """Batches of problems with equally many context points, shuffled in every epoch."""

    def __init__(self, problems: Problems, batch_size: int, rng: np.random.Generator) -> None:
        sizes = problems.member.sum(1).numpy()
        self.groups = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
        self.batch_size, self.rng = batch_size, rng

    def __iter__(self) -> Iterator[list[int]]:
        batches = []
        for group in self.groups:
            order = self.rng.permutation(group).tolist()
            starts = range(0, len(order), self.batch_size)
            batches += [order[start : start + self.batch_size] for start in starts]
        for place in self.rng.permutation(len(batches)):
            yield batches[place]


def plain_training(
    network: AttentiveNeuralProcess, problems: Problems, options: TrainingOptions
) -> float:
    """Trains as one would write it first; returns the loss of the last epoch."""
    batches = EqualSizes(problems, options.batch_size, np.random.default_rng(1))
    loader = DataLoader(PlainProblems(problems), batch_sampler=batches)
    optimiser = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, DECAY)
    total = 0.0
    for _ in range(options.epochs):
        total = 0.0
        for context, targets, improvements in loader:
            mu, sigma = network(context, targets)
            density = torch.distributions.Normal(mu, sigma).log_prob(improvements)
            loss = -density.mean(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(context)
        schedule.step()
    return total / len(problems.member)


def network(n_features: int) -> AttentiveNeuralProcess:
    return AttentiveNeuralProcess(n_features, generator=torch.Generator().manual_seed(0))


def synchronised() -> float:
    """The time when the device has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def against_plain(n_features: int, options: TrainingOptions) -> None:
    problems, warm_up = simulated(n_features), TrainingOptions(epochs=1)
    plain_training(network(n_features), problems, warm_up)
    train(network(n_features), problems, warm_up, np.random.default_rng(1).shuffle)
    started = time.perf_counter()
    plain_loss = plain_training(network(n_features), problems, options)
    plain = time.perf_counter() - started
    started = time.perf_counter()
    curve = train(network(n_features), problems, options, np.random.default_rng(1).shuffle)
    ours = time.perf_counter() - started
    print(f"plain DataLoader: {plain:7.2f} s, loss {plain_loss:.3f}")
    print(f"lalbench:         {ours:7.2f} s, loss {curve[-1]:.3f}")
    print(f"ratio:            {plain / ours:7.2f}")


def at_once(n_features: int, options: TrainingOptions, count: int, device: torch.device) -> None:
    """All networks through the stacked update, at once and one by one."""
    problems = [simulated(n_features, seed=seed).to(device) for seed in range(count)]
    seconds, every = [], []
    for size in (count, 1):
        curves, started = [], synchronised()
        for start in range(0, count, size):
            part = problems[start : start + size]
            networks = [network(n_features).to(device) for _ in part]
            groups = [group_by_size(each) for each in part]
            shuffles = [np.random.default_rng(start + place).shuffle for place in range(len(part))]
            update = StackedUpdate(networks, part, groups)
            curves.append(run_epochs(update, groups, options, shuffles))
        seconds.append(synchronised() - started)
        every.append(np.concatenate(curves))
    losses = [curves[:, -1].mean() for curves in every]
    print(f"{count} at once:       {seconds[0]:7.2f} s, mean loss {losses[0]:.6f}")
    print(f"one by one:       {seconds[1]:7.2f} s, mean loss {losses[1]:.6f}")
    # of every network after every epoch
    print(f"loss, at most apart: {np.abs(every[0] - every[1]).max():.1e}")
    print(f"ratio:            {seconds[1] / seconds[0]:7.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=21)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--many", type=int, default=0, help="networks to train at once")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="with --many")
    given = parser.parse_args(arguments)
    options = TrainingOptions(epochs=given.epochs)
    print(header(given.threads, "torch", "numba"))
    print(f"{given.features} features, {given.epochs} epochs\n")
    with limited_threads(given.threads):
        if given.many:
            at_once(given.features, options, given.many, Compute(given.device).torch_device())
        else:
            against_plain(given.features, options)


if __name__ == "__main__":
    main()
