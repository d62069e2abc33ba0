"""One number per trial: areas under the curve, last scores, labels needed to reach a target.

``Runs`` holds the curves of all finished trials as matrices; every function here works on all of
them at once. Definitions: Bakker et al. (2023), section 4.1 for the AUAC; docs/results.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench.records import METRICS
from lalbench.results.records import CELL, TRIAL

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Runs:
    """The curves of m finished trials with T = steps + 1 scores each.

    Attributes:
        keys: (m, …) one row per trial: the columns of ``TRIAL``, ``unit``, and facts of the trial
            (``label_budget``, ``labels_asked``, ``n_pool``, ``rare_in_pool``, ``rare_in_test``;
            counts are those before the first step, the budget that after the last).
        labels: (m, T) int64 size of the annotated set.
        scores: metric name → (m, T) float64.
        rare_acquired: (m, T) int64 points of the rare class acquired up to each step.
    """

    keys: pd.DataFrame
    labels: NDArray[np.int64]
    scores: Mapping[str, FloatArray]
    rare_acquired: NDArray[np.int64]

    @classmethod
    def from_trials(cls, trials: pd.DataFrame) -> Runs:
        """Curves from checked rows, sorted by trial and step (``results.records.load``)."""
        length = int(trials["step"].max()) + 1 if len(trials) else 1

        def matrix(column: str, kind: type) -> NDArray[Any]:
            return trials[column].to_numpy(dtype=kind).reshape(-1, length)

        first, last = trials.iloc[::length], trials.iloc[length - 1 :: length]
        facts = ["n_pool", "rare_in_pool", "rare_in_test"]
        keys = first[[*TRIAL, "split_hash", *facts]].rename(columns={"split_hash": "unit"})
        keys = keys.reset_index(drop=True)
        keys["label_budget"] = last["label_budget"].to_numpy()
        keys["labels_asked"] = matrix("labels_asked", np.int64).sum(axis=1)
        rare = matrix("rare_in_pool", np.int64)
        return cls(
            keys=keys,
            labels=matrix("n_annotated", np.int64),
            scores={metric: matrix(metric, np.float64) for metric in METRICS},
            rare_acquired=rare[:, :1] - rare,
        )

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: NDArray[np.int64]) -> Runs:
        """The runs at ``rows`` (positions)."""
        return Runs(
            self.keys.iloc[rows],
            self.labels[rows],
            {metric: values[rows] for metric, values in self.scores.items()},
            self.rare_acquired[rows],
        )

    def cells(self, columns: Sequence[str] = CELL) -> Iterator[tuple[tuple[str, ...], Runs]]:
        """The runs of each combination of ``columns``, with its labels."""
        reset = self.keys.reset_index(drop=True)
        for key, rows in reset.groupby(list(columns), sort=False).indices.items():
            yield (key if isinstance(key, tuple) else (key,)), self.take(np.asarray(rows))

    def wide(self, values: NDArray[Any]) -> pd.DataFrame:
        """Per-run values as runs × strategies; index (unit, data_seed, seed), NaN where none ran.

        Only for runs of one data set, setting and classifier.
        """
        frame = self.keys[["unit", "data_seed", "seed", "strategy"]].assign(value=values)
        return frame.pivot(index=["unit", "data_seed", "seed"], columns="strategy", values="value")


def auac(scores: FloatArray) -> FloatArray:
    """Trapezoid over the steps with unit spacing, (m, T) → (m,); at most T - 1."""
    return np.asarray(np.trapezoid(scores, dx=1.0, axis=1))


def aubc(scores: FloatArray, labels: NDArray[np.int64], *, log: bool = False) -> FloatArray:
    """Trapezoid over the number of labels divided by their range, (m, T) → (m,) in score units.

    Args:
        scores: (m, T).
        labels: (m, T) size of the annotated set.
        log: over the logarithm of the number of labels instead.
    """
    places = np.log(labels) if log else labels.astype(float)
    return np.trapezoid(scores, places, axis=1) / (places[:, -1] - places[:, 0])


def split_area(differences: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Areas above and below zero of piecewise linear curves, (m, T) → two (m,); both ≥ 0.

    Their difference is the trapezoid of the curve: who wins early and loses late shows in both.
    """
    left, right = differences[:, :-1], differences[:, 1:]
    total = (left + right) / 2
    gap = np.abs(left) + np.abs(right)
    crosses = left * right < 0
    above = np.where(crosses, np.maximum(left, right) ** 2, 2 * gap * np.maximum(total, 0))
    positive = np.divide(above, 2 * gap, out=np.zeros_like(total), where=gap > 0)
    return positive.sum(axis=1), (positive - total).sum(axis=1)


def labels_to_target(
    scores: FloatArray, labels: NDArray[np.int64], target: FloatArray | float, *, smooth: bool
) -> FloatArray:
    """Smallest number of labels at which the score reaches the target; NaN if it never does.

    Args:
        scores: (m, T).
        labels: (m, T).
        target: (m,) or one number.
        smooth: use the isotonic (non-decreasing least-squares) fit of each curve, so that one
            lucky step does not count.
    """
    curves = _isotonic(scores) if smooth else scores
    # a mean of equal scores may come out one bit below them
    reached = curves >= np.reshape(target, (-1, 1)) - 1e-12
    found = np.take_along_axis(labels, reached.argmax(axis=1)[:, None], axis=1)[:, 0].astype(float)
    return np.where(reached.any(axis=1), found, np.nan)


def _isotonic(scores: FloatArray) -> FloatArray:
    from scipy.optimize import isotonic_regression

    return np.array([isotonic_regression(curve).x for curve in scores]).reshape(scores.shape)


def unit_means(wide: pd.DataFrame) -> pd.DataFrame:
    """Units × strategies: the mean of the runs that share a data split; NaN where none ran."""
    return wide.groupby(level="unit", sort=True).mean()


def paired_differences(wide: pd.DataFrame, first: str, second: str) -> FloatArray:
    """(n,) differences ``first - second``, one per unit in which both ran.

    Runs are subtracted pair by pair, then averaged inside a unit, so a run without its partner
    counts for neither. Rounded to 10 decimals: equal scores must give exactly zero.
    """
    return all_differences(wide, [(first, second)])[0]


def all_differences(wide: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> list[FloatArray]:
    """:func:`paired_differences` of many pairs of strategies at once."""
    full = wide.reindex(columns=sorted({name for pair in pairs for name in pair}))
    first = full[[pair[0] for pair in pairs]].to_numpy()
    second = full[[pair[1] for pair in pairs]].to_numpy()
    difference = pd.DataFrame(first - second, index=wide.index)
    units = difference.groupby(level="unit", sort=True).mean().to_numpy().round(10)
    return [column[np.isfinite(column)] for column in units.T]


def strategy_curves(runs: Runs, values: FloatArray, label: str) -> pd.DataFrame:
    """Trials × steps of one strategy, indexed by unit and seeds; empty where it has no run.

    Args:
        runs: those of one data set, setting and classifier.
        values: (m, T) one row per run, for example a metric's scores.
        label: the strategy.
    """
    mine = (runs.keys["strategy"] == label).to_numpy()
    index = pd.MultiIndex.from_frame(runs.keys.loc[mine, ["unit", "data_seed", "seed"]])
    return pd.DataFrame(values[mine], index=index)


def paired_curves(first: pd.DataFrame, second: pd.DataFrame) -> FloatArray:
    """(units, T): first minus second, run by run where both are there, then averaged per unit."""
    common = first.index.intersection(second.index)
    gaps = first.loc[common] - second.loc[common].to_numpy()
    return unit_means(gaps).to_numpy().round(10)
