"""The oracle's SVM engine against a loop over scikit-learn's ``SVC``, one thread on both sides.

Run: ``python -m benchmarks.svm [--sample 1000] [--rounds 7] [--only WORD]``. The loop is the
shortest one can write: ``SVC().fit``, ``predict``, weighted accuracy. It is timed on a sample of
the same refits and scaled to all of them. Improvements are compared on that sample with ``SVC``'s
defaults and with ``SVC(tol=1e-8)``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.svm import SVC
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks import refits
from benchmarks.machine import header
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset

N_MNIST = 1000
"""Candidates of the MNIST test oracle."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1000, help="refits of the loop per workload")
    parser.add_argument("--rounds", type=int, default=7, help="runs of the engine")
    parser.add_argument("--only", default="", help="workloads whose title has this word")
    given = parser.parse_args(arguments)
    with threadpool_limits(1):
        rows = [
            refits.measure(workload, given.sample, given.rounds, tol=1e-8)
            for workload in workloads(given.only)
        ]
    print(header(1, "scikit-learn", "numba"))
    print(f"median of {given.rounds} runs of the engine\n")
    align = ["left"] + ["right"] * (len(refits.HEADERS) - 1)
    print(tabulate(rows, refits.HEADERS, disable_numparse=True, colalign=align))
    print(refits.LEGEND)


def workloads(only: str = "") -> Iterator[refits.Workload]:
    """Episodes of waveform and test oracles, those whose title has a word."""
    for setting in ("balanced", "imbalanced", "imbalanced_weighted"):
        title = f"waveform {setting}: 300 episodes"
        if only in title:
            problem, _ = refits.problem_of("waveform", setting, _waves)
            yield refits.simulations(problem, title, SVC, SVC)
    title = "waveform balanced: whole pool"
    if only in title:
        problem, _ = refits.problem_of("waveform", "balanced", _waves)
        yield refits.pool(problem, title, SVC(), SVC)
    for setting in ("balanced", "imbalanced", "imbalanced_weighted"):
        title = f"mnist {setting}: test oracle, {N_MNIST}"
        if only in title:
            problem, _ = refits.problem_of("mnist", setting, _digits)
            yield refits.pool(problem, title, SVC(), SVC, N_MNIST)


def _waves() -> DatasetSpec:
    return DatasetSpec(name="waveform_generator")


def _digits() -> Dataset:
    """4,000 rows of ten overlapping classes in 784 columns."""
    rng = np.random.default_rng(0)
    y = np.arange(4000) % 10
    X = rng.normal(size=(10, 784))[y] + 4 * rng.normal(size=(4000, 784))
    return refits.generated("digits_784", X, y)


if __name__ == "__main__":
    main()
