"""The oracle's SVM engine against a loop over scikit-learn's ``SVC``, one thread on both sides.

Run: ``python -m benchmarks.svm [--sample 300] [--rounds 5] [--only WORD]``. The loop is the
shortest one can write: ``SVC().fit``, ``predict``, weighted accuracy. It is timed on a sample of
the same refits and scaled to all of them. Improvements are compared on that sample with
``SVC(tol=1e-8)``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.machine import header
from lalbench import episodes, oracle
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.errors import DownloadError
from lalbench.objectives import Scorer
from lalbench.problems import Problem, build_problem

FloatArray = NDArray[np.float64]
N_MNIST = 1000
"""Candidates of the MNIST test oracle."""


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
    parser.add_argument("--sample", type=int, default=300, help="refits of the loop per workload")
    parser.add_argument("--rounds", type=int, default=5, help="runs of the engine")
    parser.add_argument("--only", default="", help="workloads whose title has this word")
    given = parser.parse_args(arguments)
    with threadpool_limits(1):
        rows = [
            measure(make(), given) for title, make in workloads().items() if given.only in title
        ]
    print(header(1, "scikit-learn", "numba"))
    print(f"median of {given.rounds} runs of the engine\n")
    headers = ["workload", "refits", "in loop", "loop s", "engine s", "ratio", "best ratio"]
    headers += ["max |diff|", "equal"]
    print(tabulate(rows, headers, disable_numparse=True, colalign=["left"] + ["right"] * 8))
    print()
    print("refits: with the subsets' own. in loop: how many the loop really ran; its seconds are")
    print("scaled to all. best ratio: of the fastest run. max |diff|, equal: improvements of the")
    print("engine against those of SVC(tol=1e-8), on the refits in the loop.")


def workloads() -> dict[str, Callable[[], Workload]]:
    """What to measure, by title."""
    found: dict[str, Callable[[], Workload]] = {}
    for setting in ("balanced", "imbalanced", "imbalanced_weighted"):
        title = f"waveform {setting}: 300 episodes"
        found[title] = lambda title=title, setting=setting: simulations(  # type: ignore[misc]
            problem_of("waveform", setting), title
        )
    found["waveform balanced: whole pool"] = lambda: pool(
        problem_of("waveform", "balanced"), "waveform balanced: whole pool", None
    )
    found["mnist balanced: test oracle"] = lambda: pool(
        problem_of("mnist", "balanced"), f"mnist balanced: test oracle, {N_MNIST}", N_MNIST
    )
    return found


def problem_of(name: str, setting: Any) -> Problem:
    """The real data where a mirror has them, else generated ones with as many features."""
    try:
        return build_problem(name, setting, data_seed=0, seed=0)
    except DownloadError:
        print(f"{name} is generated: no mirror has it")
        stand_in: Any = DatasetSpec(name="waveform_generator") if name == "waveform" else digits()
        return build_problem(stand_in, setting, data_seed=0, seed=0)


def digits() -> Dataset:
    """4,000 rows of ten overlapping classes in 784 columns."""
    rng = np.random.default_rng(0)
    y = np.arange(4000) % 10
    X = rng.normal(size=(10, 784))[y] + 4 * rng.normal(size=(4000, 784))
    names = tuple(map(str, range(784)))
    return Dataset("digits_784", X, y.astype(np.int64), names[:10], names)


def simulations(problem: Problem, title: str) -> Workload:
    X, y = problem.X_annotated, problem.y_annotated
    scorer = Scorer(problem.X_reward, problem.y_reward, problem.class_weights)

    def simulate() -> episodes.Episodes:
        rng = np.random.default_rng(0)
        return episodes.simulate(X, y, scorer, SVC, problem.fit_weights, rng=rng)

    weights = None if problem.fit_weights is None else problem.fit_weights[y]
    masks = simulate().annotated_mask
    return Workload(title, X, y, masks, weights, scorer, lambda: simulate().improvements)


def pool(problem: Problem, title: str, n_candidates: int | None) -> Workload:
    """One step of the oracle strategy, or the first candidates of it."""
    rows = np.append(problem.annotated, problem.pool[:n_candidates])
    X, y = problem.X[rows], problem.y[rows]
    scorer = Scorer(problem.X_test, problem.y_test, problem.class_weights)
    weights = None if problem.fit_weights is None else problem.fit_weights[y]
    mask = np.arange(len(rows))[None] < len(problem.annotated)

    def call() -> FloatArray:
        return oracle.refit_scores(SVC(), X, y, mask, scorer, sample_weight=weights).improvements

    return Workload(title, X, y, mask, weights, scorer, call)


def measure(workload: Workload, given: argparse.Namespace) -> list[str]:
    """One row of the table."""
    subsets, candidates = np.nonzero(~workload.masks)
    chosen = np.arange(len(subsets))
    if len(chosen) > given.sample:
        rng = np.random.default_rng(0)
        chosen = np.sort(rng.choice(len(chosen), given.sample, replace=False))
    pairs = list(zip(subsets[chosen].tolist(), candidates[chosen].tolist(), strict=True))
    improvements = workload.fast()
    runs, loops, n_fits = [], [], 1
    parts = np.array_split(np.arange(len(pairs)), given.rounds)
    for part in parts:  # in turn, so that both sides meet the same machine
        started = time.perf_counter()
        improvements = workload.fast()
        runs.append(time.perf_counter() - started)
        seconds, n_fits, _ = loop(workload, [pairs[i] for i in part])
        loops.append(seconds / n_fits)
    total = len(subsets) + len(workload.masks)
    _, n_fits, tight = loop(workload, pairs, tol=1e-8)
    seconds, engine = statistics.median(loops) * total, statistics.median(runs)
    difference = np.abs(improvements[subsets[chosen], candidates[chosen]] - tight)
    return [
        workload.title,
        f"{total}",
        f"{n_fits}",
        f"{seconds:.1f}",
        f"{engine:.3f}",
        f"{seconds / engine:.0f}",
        f"{min(loops) * total / min(runs):.0f}",
        f"{difference.max():.1e}",
        f"{np.mean(difference < 1e-12):.2%}",
    ]


def loop(
    workload: Workload, pairs: list[tuple[int, int]], **options: Any
) -> tuple[float, int, FloatArray]:
    """Seconds, number of fits and improvements of the pairs (subset, candidate), one by one."""
    scorer, weights = workload.scorer, workload.weights
    point_weights = scorer.class_weights[scorer.y]
    total_weight = point_weights.sum()

    def score(rows: NDArray[np.int64]) -> float:
        fitted = SVC(**options).fit(
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
