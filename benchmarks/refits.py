"""What the benchmarks of the oracle's engines share: workloads, and loops over scikit-learn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench import episodes, oracle
from lalbench.data.dataset import Dataset
from lalbench.errors import DownloadError
from lalbench.objectives import Scorer
from lalbench.problems import Problem, build_problem

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Workload:
    """Subsets of the same rows, to be scored with every other row added.

    Attributes:
        title: its line in the table.
        theirs: scikit-learn's class.
        X: (n, d) features.
        y: (n,) labels.
        masks: (S, n) the subsets.
        weights: (n,) sample weights, or None.
        scorer: the objective.
        fast: computes the improvements (S, n) from nothing, as a study does.
    """

    title: str
    theirs: Callable[..., Any]
    X: FloatArray
    y: IntArray
    masks: NDArray[np.bool_]
    weights: FloatArray | None
    scorer: Scorer
    fast: Callable[[], FloatArray]


def problem_of(name: str, setting: Any, stand_in: Callable[[], Any]) -> tuple[Problem, str]:
    """The real data where a mirror has them, else generated ones of the same shape; their name."""
    try:
        return build_problem(name, setting, data_seed=0, seed=0), name
    except DownloadError:
        return build_problem(stand_in(), setting, data_seed=0, seed=0), f"{name} (generated)"


def generated(name: str, X: FloatArray, y: IntArray) -> Dataset:
    """A data set of made rows."""
    classes = tuple(map(str, range(int(y.max()) + 1)))
    return Dataset(name, X, y.astype(np.int64), classes, tuple(map(str, range(X.shape[1]))))


def simulations(
    problem: Problem, title: str, ours: Callable[[], Any], theirs: Callable[..., Any]
) -> Workload:
    """The episodes of one step of the neural process."""
    X, y = problem.X_annotated, problem.y_annotated
    scorer = Scorer(problem.X_reward, problem.y_reward, problem.class_weights)

    def simulate() -> episodes.Episodes:
        rng = np.random.default_rng(0)
        return episodes.simulate(X, y, scorer, ours, problem.fit_weights, rng=rng)

    weights = None if problem.fit_weights is None else problem.fit_weights[y]
    masks = simulate().annotated_mask
    return Workload(
        title, theirs, X, y, masks, weights, scorer, lambda: simulate().improvements
    )  # fmt: skip


def pool(
    problem: Problem, title: str, ours: Any, theirs: Callable[..., Any], n: int | None = None
) -> Workload:
    """One step of the oracle strategy, or the first n candidates of it."""
    rows = np.append(problem.annotated, problem.pool[:n])
    X, y = problem.X[rows], problem.y[rows]
    scorer = Scorer(problem.X_test, problem.y_test, problem.class_weights)
    weights = None if problem.fit_weights is None else problem.fit_weights[y]
    mask = np.arange(len(rows))[None] < len(problem.annotated)

    def call() -> FloatArray:
        return oracle.refit_scores(ours, X, y, mask, scorer, sample_weight=weights).improvements

    return Workload(title, theirs, X, y, mask, weights, scorer, call)


def sample(workload: Workload, size: int) -> list[tuple[int, int]]:
    """Some pairs (subset, candidate), ordered."""
    subsets, candidates = np.nonzero(~workload.masks)
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(len(subsets), min(size, len(subsets)), replace=False))
    return list(zip(subsets[chosen].tolist(), candidates[chosen].tolist(), strict=True))


def loop(
    workload: Workload, pairs: list[tuple[int, int]], **options: Any
) -> tuple[float, int, FloatArray]:
    """Seconds, number of fits and improvements of the pairs (subset, candidate), one by one."""
    scorer, weights = workload.scorer, workload.weights
    point_weights = scorer.class_weights[scorer.y]
    total_weight = point_weights.sum()

    def score(rows: IntArray) -> float:
        fitted = workload.theirs(**options).fit(
            workload.X[rows], workload.y[rows], None if weights is None else weights[rows]
        )
        return float(point_weights[fitted.predict(scorer.X) == scorer.y].sum() / total_weight)

    started = time.perf_counter()
    inside = {subset: np.flatnonzero(workload.masks[subset]) for subset, _ in pairs}
    before = {subset: score(rows) for subset, rows in inside.items()}
    found = [score(np.append(inside[e], candidate)) - before[e] for e, candidate in pairs]
    return time.perf_counter() - started, len(pairs) + len(before), np.array(found)


HEADERS = (
    "workload", "refits", "in loop", "loop s", "engine s", "ratio", "best ratio",
    "max |diff| tight", "equal tight", "equal default",
)  # fmt: skip
LEGEND = """
refits: with the subsets' own. in loop: how many the loop really ran; its seconds are scaled to
all. best ratio: of the fastest runs of both. tight, default: improvements of the engine against
those of scikit-learn at a tight tolerance and with its defaults, on the refits in the loop.
"""


def measure(workload: Workload, size: int, rounds: int, **tight: Any) -> list[str]:
    """One line of the table.

    Args:
        workload: what to measure.
        size: refits in the loop.
        rounds: runs of the engine, between which the loop runs in parts, so that both sides meet
            the same machine.
        tight: scikit-learn's options for the comparison of results.
    """
    pairs = sample(workload, size)
    improvements = workload.fast()
    runs, loops, default, n_fits = [], [], [], 0
    for part in np.array_split(np.arange(len(pairs)), rounds):
        started = time.perf_counter()
        improvements = workload.fast()
        runs.append(time.perf_counter() - started)
        seconds, n, found = loop(workload, [pairs[i] for i in part])
        loops.append(seconds / n)
        default.append(found)
        n_fits += n
    total = int((~workload.masks).sum()) + len(workload.masks)
    values = np.array([improvements[pair] for pair in pairs])
    difference = np.abs(values - loop(workload, pairs, **tight)[2])
    seconds, engine = statistics.median(loops) * total, statistics.median(runs)
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
        f"{np.mean(np.abs(values - np.concatenate(default)) < 1e-12):.2%}",
    ]
