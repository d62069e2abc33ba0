"""Seconds per training of the neural process, against a plain training of the same network.

Run: ``python benchmarks/neural_process.py [--features 21] [--epochs 100] [--threads 1]``. Both
sides get the same 300 problems of 100 points, the same initial weights, batches of equal sizes and
the same schedule. The plain side has a DataLoader, collates context and target tensors per problem
and calls ``forward``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lalbench.learners.neural_process import AttentiveNeuralProcess, TrainingOptions
from lalbench.learners.neural_process.problems import Problems
from lalbench.learners.neural_process.training import DECAY, limited_threads, train


def simulated(n_features: int, n_points: int = 100, n_problems: int = 300) -> Problems:
    """Problems of ten to ninety context points with noisy planted improvements."""
    rng = np.random.default_rng(0)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=21)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    problems, options = simulated(given.features), TrainingOptions(epochs=given.epochs)
    with limited_threads(given.threads):
        started = time.perf_counter()
        plain_loss = plain_training(network(given.features), problems, options)
        plain = time.perf_counter() - started
        started = time.perf_counter()
        shuffle = np.random.default_rng(1).shuffle
        curve = train(network(given.features), problems, options, shuffle)
        grouped = time.perf_counter() - started
    print(f"{given.features} features, {given.epochs} epochs, {given.threads} threads")
    print(f"plain DataLoader: {plain:7.2f} s, loss {plain_loss:.3f}")
    print(f"lalbench:         {grouped:7.2f} s, loss {curve[-1]:.3f}")
    print(f"ratio:            {plain / grouped:7.2f}")


if __name__ == "__main__":
    main()
