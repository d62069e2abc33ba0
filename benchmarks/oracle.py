"""The oracle's logistic engine against a loop over scikit-learn, one thread on both sides.

Run: ``python -m benchmarks.oracle [--sample 1000] [--rounds 7] [--full]``, or with ``--scale`` for
the seconds of one call by the number of candidates. The loop is the shortest one can write:
``LogisticRegression().fit``, ``predict``, weighted accuracy. It is timed on a sample of the same
refits and scaled to all of them (``--full`` runs them all). Improvements are compared on that
sample with scikit-learn's defaults and with a tightly converged lbfgs (tol 1e-12).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks import refits
from benchmarks.machine import header
from lalbench import classifiers, oracle
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.objectives import Scorer
from lalbench.problems import Problem

FloatArray = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1000, help="refits of the loop per workload")
    parser.add_argument(
        "--rounds", type=int, default=7, help="runs of the engine; the median counts"
    )
    parser.add_argument("--only", default="", help="workloads whose title holds this text")
    parser.add_argument("--full", action="store_true", help="all refits in the loop (minutes)")
    parser.add_argument(
        "--scale", type=int, nargs="?", const=10**6, metavar="CANDIDATES",
        help="instead: seconds of one call with 1,000 to so many candidates (1,000,000)",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.scale:
        with threadpool_limits(1):
            scale(given.scale)
        return
    warnings.simplefilter("ignore")  # lbfgs at tolerances that it cannot reach
    tight = {"tol": 1e-12, "max_iter": 100_000}
    size = 10**9 if given.full else given.sample
    with threadpool_limits(1):
        rows = [
            refits.measure(workload, size, given.rounds, **tight)
            for workload in workloads(given.only)
        ]
    print(header(1, "scikit-learn", "numba"))
    print(f"median of {given.rounds} runs of the engine\n")
    align = ["left"] + ["right"] * (len(refits.HEADERS) - 1)
    print(tabulate(rows, refits.HEADERS, disable_numparse=True, colalign=align))
    print(refits.LEGEND)


def scale(largest: int) -> None:
    """Seconds and microseconds per candidate of one call, d = 21, 100 annotated."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(100, 21))
    rows = []
    for n_classes in (2, 3):
        scorer = Scorer(points, rng.integers(n_classes, size=100), [1.0] * n_classes)
        n = 1000
        while n <= largest:
            y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n + 100 - n_classes))
            X = rng.normal(size=(len(y), 21)) + 0.8 * np.eye(n_classes, 21)[y]
            args = ("logistic_regression", X[:100], y[:100], X[100:], y[100:], scorer)
            oracle.improvements(*args[:3], X[100:200], y[100:200], scorer)  # compiles
            started = time.perf_counter()
            oracle.improvements(*args)
            seconds = time.perf_counter() - started
            rows.append([n_classes, f"{n:,}", f"{seconds:.3f}", f"{1e6 * seconds / n:.1f}"])
            n *= 10
    print(tabulate(rows, ["classes", "candidates", "seconds", "µs each"], disable_numparse=True))


def workloads(only: str = "") -> Iterator[refits.Workload]:
    """The simulations of two data sets, weighted and not, and two other uses of the engine."""
    for name in ("waveform", "adult"):
        for setting in ("balanced", "imbalanced", "imbalanced_weighted"):
            problem, origin = problem_of(name, setting)
            title = f"{origin}, d = {problem.X.shape[1]}, {setting}"
            if only in f"{title}: 300 episodes":
                yield simulations(problem, f"{title}: 300 episodes")
            if name == "waveform" and setting == "imbalanced_weighted":
                if only in f"{title}: 300 calls of improvements":
                    yield single_calls(problem, f"{title}: 300 calls of improvements")
                if only in f"{title}: whole pool, one call":
                    ours = classifiers.get("logistic_regression")
                    title = f"{title}: whole pool, one call"
                    yield refits.pool(problem, title, ours, LogisticRegression)


def problem_of(name: str, setting: str) -> tuple[Problem, str]:
    """Waveform or adult, or generated data of the same shape."""
    waves = DatasetSpec(name="waveform_generator")
    return refits.problem_of(name, setting, lambda: waves if name == "waveform" else _one_hot())


def _one_hot() -> Dataset:
    """1605 rows of 14 categories in 119 columns of 0 and 1, as adult has."""
    rng = np.random.default_rng(0)
    sizes = [8, 8, 10, 7, 14, 6, 5, 2, 8, 9, 10, 12, 10, 10]
    columns = [
        np.eye(size)[rng.choice(size, 1605, p=rng.dirichlet(np.ones(size)))] for size in sizes
    ]
    X = np.column_stack(columns)
    decision = X @ rng.normal(size=X.shape[1]) + rng.logistic(size=1605)
    y = (decision > np.quantile(decision, 0.75)).astype(np.int64)
    return refits.generated("one_hot", X, y)


def simulations(problem: Problem, title: str) -> refits.Workload:
    """300 episodes with the package's logistic regression."""
    template = classifiers.get("logistic_regression")
    return refits.simulations(problem, title, lambda: template, LogisticRegression)


def single_calls(problem: Problem, title: str) -> refits.Workload:
    """The same episodes, one call each: what the interpreter costs."""
    base = simulations(problem, title)
    template = classifiers.get("logistic_regression")

    def call() -> FloatArray:
        found = np.full(base.masks.shape, np.nan)
        for mask, values in zip(base.masks, found, strict=True):
            weights = base.weights
            values[~mask] = oracle.improvements(
                template, base.X[mask], base.y[mask], base.X[~mask], base.y[~mask], base.scorer,
                sample_weight=None if weights is None else np.append(weights[mask], weights[~mask]),
            )  # fmt: skip
        return found

    return replace(base, title=title, fast=call)


if __name__ == "__main__":
    main()
