"""LAL: which targets and which leaves make a regressor that ranks candidates well.

Run: ``python -m benchmarks.lal_targets [--repetitions 500] [--leaves 1 5 20 50 100 200]``.

The data are those of ``lal_independent``. A random third of the states is held out; there the
candidate that a regressor likes best is compared with the mean candidate of its state. No speed is
measured here: the table is the reason for the default options (docs/lal.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from lalbench.classifiers.random_forest import RandomForest
from lalbench.compute import using
from lalbench.learners.lal import (
    ColdStart,
    MonteCarlo,
    RegressionData,
    RegressorOptions,
    fit_regressor,
)

FloatArray = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=500, help="states per size")
    parser.add_argument("--last-size", type=int, default=49)
    parser.add_argument("--trees", type=int, default=100, help="of a regressor")
    parser.add_argument("--leaves", type=int, nargs="+", default=[1, 5, 20, 50, 100, 200])
    given = parser.parse_args(arguments)
    start = ColdStart(
        MonteCarlo(RandomForest()), last_size=given.last_size, repetitions=given.repetitions
    )
    with using(cache=None):
        states = [(size, number) for size in start.sizes for number in range(given.repetitions)]
        data = start.independent(states)
    print(f"{len(data):,} rows of {len(states):,} states")
    rows = _ranked(data, start.monte_carlo.candidates, given.leaves, given.trees)
    print(tabulate(rows, ["targets", "rows per leaf", "better by", "standard error"]))


def _ranked(
    data: RegressionData, n_candidates: int, leaves: Sequence[int], trees: int
) -> list[list[str]]:
    """What the preferred candidates of held-out states are worth."""
    changes = data.improvements.reshape(-1, n_candidates)
    advantages = changes - changes.mean(axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    held_out = rng.permutation(len(changes)) < len(changes) // 3
    inside = np.repeat(~held_out, n_candidates)
    unsure = -np.abs(data.states[~inside, 0] - 0.5)
    rows = [["(most uncertain)", "", *_worth(unsure, advantages[held_out], rng)]]
    for name, targets in (("change", changes), ("advantage", advantages)):
        learned = RegressionData(data.columns, data.states[inside], targets.ravel()[inside])
        for leaf in leaves:
            regressor = fit_regressor(learned, RegressorOptions(trees, 40, 6, leaf), seed=0)
            predicted = regressor.predict(data.states[~inside])
            rows.append([name, str(leaf), *_worth(predicted, advantages[held_out], rng)])
    return rows


def _worth(scores: FloatArray, advantages: FloatArray, rng: np.random.Generator) -> list[str]:
    """Mean advantage of the best score per state, ties broken by chance, and its error."""
    places = np.lexsort((rng.random(scores.shape), scores)).argsort().reshape(advantages.shape)
    found = advantages[np.arange(len(advantages)), places.argmax(axis=1)]
    return [f"{found.mean():+.5f}", f"{found.std(ddof=1) / len(found) ** 0.5:.5f}"]


if __name__ == "__main__":
    main()
