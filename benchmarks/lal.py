"""LAL: collecting its regression data, and choosing from large pools.

Run: ``python -m benchmarks.lal [--only collection|selection] [--states 96] [--rounds 3]``.

The other side is what one writes with scikit-learn: a loop of ``RandomForestClassifier`` fits, and
the trees asked one by one. It collects the same states (data sets, annotated points, candidates)
and asks the very same regressor; its classifiers have other random numbers. ``least r`` is the
least correlation of a column of the states with scikit-learn's.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from benchmarks.machine import header
from lalbench import strategies
from lalbench.classifiers.random_forest import RandomForest
from lalbench.compute import using
from lalbench.forests import Forest
from lalbench.learners.lal import (
    ColdStart,
    MonteCarlo,
    RegressionData,
    Regressor,
    RegressorOptions,
    parts,
)
from lalbench.learners.lal.collection import random_annotated
from lalbench.learners.lal.states import FOREST
from lalbench.strategies.base import LearningState

FloatArray = NDArray[np.float64]

POOLS = {"22,934 x 188": (22_934, 188), "276,130 x 272": (276_130, 272)}
"""The MRI and striatum pools of the paper's table of times."""
N_ANNOTATED = 100


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["collection", "selection"])
    parser.add_argument("--states", type=int, default=96, help="annotated sets, over all sizes")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of each selection; the median counts"
    )
    parser.add_argument("--trees", type=int, default=2000, help="of the regressor")
    parser.add_argument("--pool", choices=POOLS, help="this pool alone")
    given = parser.parse_args(arguments)
    with using(cache=None), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few trees leave rows without an out-of-bag judge
        print(header(1, "scikit-learn"), flush=True)
        if given.only != "selection":
            collection(given.states)
        if given.only != "collection":
            selection([given.pool] if given.pool else list(POOLS), given.rounds, given.trees)


def collection(n_states: int) -> None:
    """Seconds for the same states on all sides, and how alike their improvements are."""
    start = ColdStart(MonteCarlo(RandomForest()), repetitions=500)
    apart = replace(start, monte_carlo=MonteCarlo(RandomForest(), random_numbers="independent"))
    sizes = np.linspace(start.first_size, start.last_size, n_states).astype(int)
    chosen = [(int(size), number) for number, size in enumerate(sizes)]
    start.independent(chosen[:1])  # compiled or read from the disk
    sides: dict[str, Callable[[], RegressionData]] = {
        "compiled, common random numbers": lambda: start.independent(chosen),
        "compiled, independent": lambda: apart.independent(chosen),
        "scikit-learn, independent": lambda: RegressionData.joined(
            [_plain_rows(start, *state) for state in chosen]
        ),
    }
    found, seconds = {}, {}
    for side, work in sides.items():
        began = time.perf_counter()
        found[side] = work()
        seconds[side] = time.perf_counter() - began
    slowest = seconds["scikit-learn, independent"]
    # rows of a state share their classifier: a state counts once
    means = {
        side: data.improvements.reshape(n_states, -1).mean(axis=1) for side, data in found.items()
    }
    rows = [
        [
            side,
            f"{seconds[side]:.2f}",
            f"{seconds[side] * 48 * 500 / n_states / 60:.1f}",
            f"{slowest / seconds[side]:.1f}",
            f"{means[side].mean():+.5f}",
            f"{means[side].std(ddof=1) / n_states**0.5:.5f}",
            f"{data.improvements.std():.5f}",
            f"{_least_correlation(data, found['scikit-learn, independent']):.3f}",
        ]
        for side, data in found.items()
    ]
    names = [
        "collection",
        "seconds",
        "240,000 rows, min",
        "ratio",
        "mean change",
        "its error",
        "std",
        "least r",
    ]
    print(tabulate(rows, names, disable_numparse=True) + "\n", flush=True)


def _least_correlation(ours: RegressionData, theirs: RegressionData) -> float:
    columns = zip(ours.states.T, theirs.states.T, strict=True)
    return float(min(np.corrcoef(*pair)[0, 1] for pair in columns))


def _plain_rows(start: ColdStart, size: int, repetition: int) -> RegressionData:
    """The rows of one state with scikit-learn's forests, each with a seed of its own."""
    from sklearn.ensemble import RandomForestClassifier

    rng = start._generator(size, repetition)
    task = start.task(rng)
    annotated = random_annotated(task.y, size, rng)
    pool = np.setdiff1d(np.arange(len(task.y)), annotated)
    candidates = pool[rng.choice(len(pool), size=10, replace=False)]
    X_test, y_test = task.scorer.X, task.scorer.y

    def fit(rows: NDArray[np.int64], **options: Any) -> Any:
        forest = RandomForestClassifier(50, random_state=int(rng.integers(2**31 - 1)), **options)
        return forest.fit(task.X[rows], task.y[rows])

    before = fit(annotated, oob_score=True)
    known = _plain_states(before, task.y[annotated], task.X[pool])
    known = known[np.searchsorted(pool, candidates)]
    base = (before.predict(X_test) == y_test).mean()
    after = [
        (fit(np.append(annotated, candidate)).predict(X_test) == y_test).mean()
        for candidate in candidates
    ]
    return RegressionData(FOREST, known, np.array(after) - base)


def _plain_states(forest: Any, y: NDArray[np.int64], X: FloatArray) -> FloatArray:
    said = np.array([tree.predict_proba(X)[:, 0] for tree in forest.estimators_])
    deviation = said.std(axis=0)
    shared = [
        y.mean(),
        forest.oob_score_,
        np.std(forest.feature_importances_ / X.shape[1]),
        deviation.mean(),
        np.mean([tree.tree_.max_depth for tree in forest.estimators_]),
        len(y),
    ]
    return np.column_stack([said.mean(axis=0), deviation, np.tile(shared, (len(X), 1))])


def selection(pools: Sequence[str], rounds: int, n_trees: int) -> None:
    """Processor seconds per step: fit the classifier, describe the pool, ask the regressor."""
    from sklearn.ensemble import RandomForestRegressor

    start = ColdStart(MonteCarlo(RandomForest()), repetitions=20)
    data = start.independent(parts(start.sizes, 20, 10_000)[0])
    theirs = RandomForestRegressor(n_trees, max_depth=40, max_features=6, random_state=0)
    theirs.fit(data.states, data.improvements)
    ours = Regressor(
        FOREST,
        Forest.from_sklearn(theirs),
        start.last_size,
        float("nan"),
        theirs.feature_importances_,
        RegressorOptions(n_trees),
    )
    rows = []
    for title in pools:
        pool = _large_pool(*POOLS[title], ours)
        _step(*pool)  # compiled or read from the disk
        fast, slow = [], []
        for _ in range(rounds):  # in turns: the machine is as busy for both
            fast.append(_timed(_step, *pool))
            slow.append(_timed(_plain_step, theirs, *pool))
        alike = _same_scores(theirs, *pool)
        seconds = [float(np.median(times)) for times in (fast, slow)]
        shown = [f"{value:.3f}" for value in seconds]
        rows.append([title, *shown, f"{seconds[1] / seconds[0]:.0f}", f"{alike:.0e}"])
        print(" ".join(rows[-1]), flush=True)
    names = ["pool", "compiled, CPU s", "scikit-learn, CPU s", "ratio", "largest difference"]
    print("\n" + tabulate(rows, names, disable_numparse=True))


def _large_pool(n: int, d: int, learned: Regressor) -> tuple[LearningState, FloatArray, Any]:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=N_ANNOTATED)
    X = rng.normal(size=(N_ANNOTATED, d)) + 0.3 * y[:, None]
    state = LearningState(
        X_annotated=X,
        y_annotated=y,
        X_pool=rng.normal(size=(n, d)),
        n_classes=2,
        classifier=None,
        class_weights=np.ones(2),
        fit_weights=None,
        pool_ids=np.arange(n),
        annotated_ids=np.arange(n, n + N_ANNOTATED),
        learned=learned,
    )
    return state, X, y


def _step(state: LearningState, X: FloatArray, y: Any) -> None:
    fitted = RandomForest(random_state=0).fit(X, y)
    strategy = strategies.get("lal_independent", beyond="extrapolate")
    strategy.select(replace(state, classifier=fitted), 1, np.random.default_rng(0))


def _plain_step(regressor: Any, state: LearningState, X: FloatArray, y: Any) -> None:
    from sklearn.ensemble import RandomForestClassifier

    fitted = RandomForestClassifier(50, oob_score=True, random_state=0).fit(X, y)
    np.argmax(regressor.predict(_plain_states(fitted, y, state.X_pool)))


def _same_scores(regressor: Any, state: LearningState, X: FloatArray, y: Any) -> float:
    """Largest difference of the scores of 2,000 pool points for one forest of scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier

    fitted = RandomForestClassifier(50, oob_score=True, random_state=0).fit(X, y)
    part = replace(
        state, classifier=fitted, X_pool=state.X_pool[:2000], pool_ids=state.pool_ids[:2000]
    )
    strategy = strategies.get("lal_independent", beyond="extrapolate")
    found = strategy.select(part, 1, np.random.default_rng(0)).scores
    assert found is not None
    wanted = regressor.predict(_plain_states(fitted, y, part.X_pool))
    return float(np.abs(found - wanted).max())


def _timed(work: Callable[..., None], *given: Any) -> float:
    """Seconds of the processor, one thread at work: those of other jobs do not count."""
    began = time.process_time()
    work(*given)
    return time.process_time() - began


if __name__ == "__main__":
    main()
