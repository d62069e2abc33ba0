"""What one core of this machine can do: the rates behind the limits in docs/performance.md.

Run: ``python -m benchmarks.limits [--rounds 7]``. Best of several runs: large matrix products in
double and single precision (BLAS), exponentials in a compiled loop, and bytes copied.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import njit
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.machine import header
from lalbench.vector_math import exp


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=768, help="rows and columns of the matrices")
    given = parser.parse_args(arguments)
    with threadpool_limits(1):
        rows = rates(given.size, given.rounds)
    print(header(1, "numba"))
    print()
    print(tabulate(rows, ["work", "per second"], disable_numparse=True))


def rates(size: int, rounds: int) -> list[list[str]]:
    """One row per kind of work."""
    rng = np.random.default_rng(0)
    square, values = rng.normal(size=(size, size)), rng.uniform(-9, 0, size=4096)
    single, many = square.astype(np.float32), np.empty((2000, values.size))
    out, out_single = np.empty_like(square), np.empty_like(single)
    large = np.zeros(2**26 // 8)
    flops = 2.0 * size**3
    work: list[tuple[str, float, Callable[[], Any], str]] = [
        ("multiply-add, float64", flops, lambda: np.dot(square, square, out), "GFLOP"),
        ("multiply-add, float32", flops, lambda: np.dot(single, single, out_single), "GFLOP"),
        ("exponentials, float64", many.size, lambda: _exponentials(values, many), "G"),
        ("bytes copied", 2.0 * large.nbytes, large.copy, "GB"),
    ]
    return [[name, f"{n / best(run, rounds) / 1e9:.1f} {unit}"] for name, n, run, unit in work]


def best(run: Callable[[], Any], rounds: int) -> float:
    """Least seconds of several runs, after one that warms up."""
    run()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _exponentials(values: Any, out: Any) -> None:
    row = out[0]  # stays in the cache
    for _ in range(out.shape[0]):
        for i in range(values.size):
            row[i] = exp(values[i])


if __name__ == "__main__":
    main()
