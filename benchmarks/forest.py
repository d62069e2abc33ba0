"""What common random numbers bring for forests: spread over seeds, and seconds.

Run: ``python -m benchmarks.forest [--seeds 30] [--candidates 20]``. The same candidates are scored
for many seeds of the forest in three ways:

- common: the forest engine;
- same seed: a loop over scikit-learn's forest with one ``random_state`` for all fits;
- independent: the same loop with another ``random_state`` for every fit.

The spread is the standard deviation over seeds of a candidate's improvement, in the root mean
square of candidates; that within a ranking is the one of improvements minus their mean over
candidates, where the subset's own score cancels. Times are medians of interleaved runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.machine import header
from lalbench import oracle
from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
Improvements = Callable[[int], FloatArray]

_CASES = ((50, 20, False), (50, 20, True), (64, 20, False), (100, 50, False), (100, 50, True))
"""Annotated rows, trees, and whether the rows of the rare class weigh more."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--candidates", type=int, default=20)
    given = parser.parse_args(arguments)
    print(header(1, "scikit-learn"), "\n")
    headers = ["rows", "trees", "weights", "way", "mean", "spread", "of ranking", "s per seed"]
    for case in _CASES:
        with threadpool_limits(1):
            rows = measure(*case, given.seeds, given.candidates)
        print(tabulate(rows, headers, disable_numparse=True), "\n", flush=True)


def measure(
    n: int, n_trees: int, weighted: bool, n_seeds: int, n_candidates: int
) -> list[list[str]]:
    """The three rows of one case."""
    found: dict[str, list[FloatArray]] = {}
    seconds: dict[str, list[float]] = {}
    every = ways(n, n_trees, weighted, n_candidates)
    for seed in range(n_seeds):
        for name, improvements in every.items():
            started = time.perf_counter()
            found.setdefault(name, []).append(improvements(seed))
            seconds.setdefault(name, []).append(time.perf_counter() - started)
    return [
        [
            str(n),
            str(n_trees),
            "yes" if weighted else "no",
            name,
            f"{np.mean(found[name]):+.4f}",
            f"{spread(np.array(found[name])):.4f}",
            f"{spread(np.array(found[name]), ranking=True):.4f}",
            f"{statistics.median(seconds[name]):.2f}",
        ]
        for name in every
    ]


def spread(values: FloatArray, ranking: bool = False) -> float:
    """Root mean square over candidates of the standard deviation over seeds."""
    if ranking:
        values = values - values.mean(axis=1, keepdims=True)
    return float(np.sqrt(values.var(axis=0, ddof=1).mean()))


def ways(n: int, n_trees: int, weighted: bool, n_candidates: int) -> dict[str, Improvements]:
    """Functions of a seed that return the improvements of the same candidates."""
    rng = np.random.default_rng(n + n_trees)

    def rows(size: int) -> tuple[FloatArray, NDArray[np.int64]]:
        y = (rng.random(size) < 0.7).astype(np.int64)
        return rng.normal(size=(size, 6)) + 0.7 * y[:, None], y

    X, y = rows(n + n_candidates)
    scorer = Scorer(*rows(300), [1.4, 0.6])
    w = np.where(y == 0, 1.4, 0.6) if weighted else np.ones(len(y))
    inside = np.arange(n)

    def score(chosen: NDArray[np.int64], seed: int) -> float:
        fitted = RandomForestClassifier(n_trees, random_state=seed)
        fitted.fit(X[chosen], y[chosen], w[chosen] if weighted else None)
        return scorer(fitted)

    def common(seed: int) -> FloatArray:
        forest = RandomForestClassifier(n_trees, random_state=seed)
        weights = w if weighted else None
        return oracle.improvements(
            forest, X[:n], y[:n], X[n:], y[n:], scorer, sample_weight=weights, engine="forest"
        )

    def loop(seed: int, step: int) -> FloatArray:
        before = score(inside, seed)
        after = [score(np.append(inside, i), seed + step * (1 + i)) for i in range(n, len(y))]
        return np.array(after) - before

    return {
        "common": common,
        "same seed": lambda seed: loop(seed, 0),
        "independent": lambda seed: loop(seed, 10_000),
    }


if __name__ == "__main__":
    main()
