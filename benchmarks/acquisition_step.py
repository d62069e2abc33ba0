"""One acquisition step of the neural process against loops over scikit-learn and a plain training.

Run: ``python -m benchmarks.acquisition_step [--sample 1000] [--rounds 3] [--epochs 100]``. A step
simulates 300 episodes from 100 annotated points, scores every point outside them by a refit, and
trains a network on the scores. The other side does the same with ``LogisticRegression().fit`` per
refit (timed on a sample and scaled) and with the training of ``benchmarks/neural_process.py``.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks import neural_process as plain
from benchmarks import oracle as logistic
from benchmarks import refits
from benchmarks.machine import header
from lalbench import strategies, trials
from lalbench.compute import using
from lalbench.learners.neural_process import TrainingOptions
from lalbench.learners.neural_process.inputs import InputScaler
from lalbench.learners.neural_process.learner import Examples
from lalbench.problems import Problem
from lalbench.seeds import Streams

SETTINGS = ("balanced", "imbalanced", "imbalanced_weighted")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1000, help="refits of the loop")
    parser.add_argument("--rounds", type=int, default=3, help="runs of our side; the median counts")
    parser.add_argument("--epochs", type=int, default=100)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with threadpool_limits(1), using(device="cpu"):
        torch.set_num_threads(1)
        rows = [measure(setting, given) for setting in SETTINGS]
    print(header(1, "scikit-learn", "torch", "numba"))
    print(f"waveform, d = 21, logistic regression; median of {given.rounds} runs of our side\n")
    head = ["setting", "loop s", "plain training s", "our oracle s", "our training s", "ratio"]
    print(tabulate(rows, head, disable_numparse=True, colalign=["left"] + ["right"] * 5))


def measure(setting: str, given: argparse.Namespace) -> list[str]:
    """One row of the table."""
    problem, _ = logistic.problem_of("waveform", setting)
    workload = logistic.simulations(problem, setting)
    loop, n_fits, _ = refits.loop(workload, refits.sample(workload, given.sample))
    loop *= ((~workload.masks).sum() + len(workload.masks)) / n_fits
    ours = [step(problem, given.epochs) for _ in range(given.rounds)]
    oracle, training = (statistics.median(part) for part in zip(*ours, strict=True))
    other = plain_seconds(problem, workload, given.epochs)
    numbers = [loop, other, oracle, training]
    ratio = (loop + other) / (oracle + training)
    return [setting, *(f"{number:.2f}" for number in numbers), f"{ratio:.1f}"]


def step(problem: Problem, epochs: int) -> tuple[float, float]:
    """Seconds to simulate and score the episodes, and to train."""
    strategy = strategies.get("neural_process", epochs=epochs)
    state = trials.first_state(problem, "logistic_regression", strategy)
    streams = Streams(problem.data_seed, problem.seed)
    started = time.perf_counter()
    episodes = trials.simulate_episodes(strategy, state, streams, step=1)
    scored = time.perf_counter()
    trials.fit_learner(strategy, state, episodes, streams, step=1)
    return scored - started, time.perf_counter() - scored


def plain_seconds(problem: Problem, workload: refits.Workload, epochs: int) -> float:
    """Seconds of the plain training on the same episodes."""
    improvements = workload.fast()
    scaler = InputScaler.fit(problem.X[np.append(problem.annotated, problem.pool)], "per_feature")
    examples = Examples(workload.X, workload.masks, improvements)
    problems = examples.problems(scaler, 0.0, 1.0)
    network = plain.network(problem.X.shape[1])
    started = time.perf_counter()
    plain.plain_training(network, problems, TrainingOptions(epochs=epochs))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
