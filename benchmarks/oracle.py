"""The oracle's logistic engine against a loop over scikit-learn, one thread on both sides.

Run: ``python -m benchmarks.oracle [--sample 1000] [--rounds 7] [--full]``, or with ``--scale`` for
the seconds of one call by the number of candidates. The loop is the shortest one can write:
``LogisticRegression().fit``, ``predict``, weighted accuracy. It is timed on a sample of the same
refits and scaled to all of them (``--full`` runs them all). Improvements are compared on that
sample with scikit-learn's defaults and with a tightly converged lbfgs (tol 1e-12).
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.machine import header
from lalbench import classifiers, episodes, oracle
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.errors import DownloadError
from lalbench.objectives import Scorer
from lalbench.problems import Problem, build_problem

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Workload:
    """Subsets of the same rows, to be scored with every other row added.

    ``fast`` computes the improvements (S, n) from nothing, as a study does.
    """

    title: str
    X: FloatArray
    y: NDArray[np.int64]
    masks: NDArray[np.bool_]
    weights: FloatArray | None
    scorer: Scorer
    fast: Callable[[], FloatArray]


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
    with threadpool_limits(1):
        every = [workload for workload in workloads() if given.only in workload.title]
        rows = [measure(workload, given) for workload in every]
    print(header(1, "scikit-learn", "numba"))
    print(f"median of {given.rounds} runs of the engine\n")
    headers = ["workload", "refits", "in loop", "loop s", "engine s", "ratio"]
    headers += ["max |diff| tight", "equal tight", "equal default"]
    print(tabulate(rows, headers, disable_numparse=True, colalign=["left"] + ["right"] * 8))
    print()
    print("refits: with the subsets' own. in loop: how many the loop really ran; its seconds are")
    print("scaled to all. tight, default: improvements of the engine against those of scikit-learn")
    print("with tol 1e-12 and with its defaults, on the refits in the loop.")


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


def workloads() -> list[Workload]:
    """The simulations of two data sets, weighted and not, and two other uses of the engine."""
    found = []
    for name in ("waveform", "adult"):
        for setting in ("balanced", "imbalanced", "imbalanced_weighted"):
            problem, origin = problem_of(name, setting)
            title = f"{origin}, d = {problem.X.shape[1]}, {setting}"
            found.append(simulations(problem, f"{title}: 300 episodes"))
            if name == "waveform" and setting == "imbalanced_weighted":
                found.append(single_calls(problem, f"{title}: 300 calls of improvements"))
                found.append(pool(problem, f"{title}: whole pool, one call"))
    return found


def problem_of(name: str, setting: str) -> tuple[Problem, str]:
    """The real data where a mirror has them, else generated ones of the same shape."""
    try:
        return build_problem(name, setting, data_seed=0, seed=0), name
    except DownloadError:
        stand_in: Any = DatasetSpec(name="waveform_generator") if name == "waveform" else one_hot()
        return build_problem(stand_in, setting, data_seed=0, seed=0), f"{name} (generated)"


def one_hot() -> Dataset:
    """1605 rows of 14 categories in 119 columns of 0 and 1, as adult has."""
    rng = np.random.default_rng(0)
    sizes = [8, 8, 10, 7, 14, 6, 5, 2, 8, 9, 10, 12, 10, 10]
    columns = [
        np.eye(size)[rng.choice(size, 1605, p=rng.dirichlet(np.ones(size)))] for size in sizes
    ]
    X = np.column_stack(columns)
    decision = X @ rng.normal(size=X.shape[1]) + rng.logistic(size=1605)
    y = (decision > np.quantile(decision, 0.75)).astype(np.int64)
    return Dataset("one_hot", X, y, ("0", "1"), tuple(map(str, range(X.shape[1]))))


def simulations(problem: Problem, title: str) -> Workload:
    X, y = problem.X_annotated, problem.y_annotated
    scorer = Scorer(problem.X_reward, problem.y_reward, problem.class_weights)
    template = classifiers.get("logistic_regression")

    def simulate() -> episodes.Episodes:
        rng = np.random.default_rng(0)
        return episodes.simulate(X, y, scorer, lambda: template, problem.fit_weights, rng=rng)

    weights = None if problem.fit_weights is None else problem.fit_weights[y]
    return Workload(
        title, X, y, simulate().annotated_mask, weights, scorer, lambda: simulate().improvements
    )


def single_calls(problem: Problem, title: str) -> Workload:
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

    return Workload(title, base.X, base.y, base.masks, base.weights, base.scorer, call)


def pool(problem: Problem, title: str) -> Workload:
    """One step of the oracle strategy."""
    rows = np.append(problem.annotated, problem.pool)
    X, y = problem.X[rows], problem.y[rows]
    scorer = Scorer(problem.X_test, problem.y_test, problem.class_weights)
    weights = None if problem.fit_weights is None else problem.fit_weights[y]
    n = len(problem.annotated)
    mask = np.arange(len(rows))[None] < n

    def call() -> FloatArray:
        found = np.full(mask.shape, np.nan)
        found[0, n:] = oracle.improvements(
            "logistic_regression", X[:n], y[:n], X[n:], y[n:], scorer, sample_weight=weights
        )
        return found

    return Workload(title, X, y, mask, weights, scorer, call)


def measure(workload: Workload, given: argparse.Namespace) -> list[str]:
    """One row of the table."""
    subsets, candidates = np.nonzero(~workload.masks)
    chosen = np.arange(len(subsets))
    if not given.full and len(chosen) > given.sample:
        rng = np.random.default_rng(0)
        chosen = np.sort(rng.choice(len(chosen), given.sample, replace=False))
    pairs = list(zip(subsets[chosen].tolist(), candidates[chosen].tolist(), strict=True))
    seconds, n_fits, default = loop(workload, pairs)
    total = len(subsets) + len(workload.masks)
    seconds *= total / n_fits
    runs = []
    improvements = workload.fast()
    for _ in range(given.rounds):
        started = time.perf_counter()
        improvements = workload.fast()
        runs.append(time.perf_counter() - started)
    engine = statistics.median(runs)
    values = improvements[subsets[chosen], candidates[chosen]]
    _, _, tight = loop(workload, pairs, tol=1e-12, max_iter=100_000)
    difference = np.abs(values - tight)
    return [
        workload.title,
        f"{total}",
        f"{n_fits}",
        f"{seconds:.1f}",
        f"{engine:.3f}",
        f"{seconds / engine:.0f}",
        f"{difference.max():.1e}",
        f"{np.mean(difference < 1e-12):.2%}",
        f"{np.mean(np.abs(values - default) < 1e-12):.2%}",
    ]


def loop(
    workload: Workload, pairs: list[tuple[int, int]], **options: Any
) -> tuple[float, int, FloatArray]:
    """Seconds, number of fits and improvements of the pairs (subset, candidate), one by one."""
    scorer, weights = workload.scorer, workload.weights
    point_weights = scorer.class_weights[scorer.y]
    total_weight = point_weights.sum()

    def score(rows: NDArray[np.int64]) -> float:
        fitted = LogisticRegression(**options).fit(
            workload.X[rows], workload.y[rows], None if weights is None else weights[rows]
        )
        return float(point_weights[fitted.predict(scorer.X) == scorer.y].sum() / total_weight)

    started = time.perf_counter()
    inside = {subset: np.flatnonzero(workload.masks[subset]) for subset, _ in pairs}
    before = {subset: score(rows) for subset, rows in inside.items()}
    found = [score(np.append(inside[e], candidate)) - before[e] for e, candidate in pairs]
    return time.perf_counter() - started, len(pairs) + len(before), np.array(found)


if __name__ == "__main__":
    main()
