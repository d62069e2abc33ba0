"""LAL from the labelled points of the task itself: the warm start.

Konyushkova, Sznitman and Fua (2017), who build the independent variant on the small labelled set
that a task begins with. Half of it plays the data set, the other half measures the objective; every
state draws its own halves, so that no split decides alone (a choice, docs/lal.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench.errors import UserError
from lalbench.learners.lal.collection import MonteCarlo, RegressionData, Task, random_annotated
from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class WarmStart:
    """A collection on a labelled set.

    Attributes:
        monte_carlo: how a state is turned into rows.
        objective: whose improvements are learned (:func:`lalbench.objectives.get`).
        class_weights: (n_classes,) float64 weights of the score.
        fit_weights: (n_classes,) float64 weights in training, or None.
        repetitions: Q, states per size.
    """

    monte_carlo: MonteCarlo
    objective: Any
    class_weights: FloatArray
    fit_weights: FloatArray | None = None
    repetitions: int = 500

    def sizes(self, y: IntArray) -> range:
        """Sizes of the annotated sets that (n,) labels allow.

        From one point per class to M points less than half of the labelled set; where that half has
        fewer than 2 M points, to half of the half.

        Raises:
            UserError: one class only, a class with a single point, or too few points.
        """
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            raise UserError(
                "annotated set",
                f"all {len(y)} points are of one class, and a warm start learns from two or more",
                "annotate points of another class, or choose a strategy that does not learn",
            )
        if counts.min() < 2:
            raise UserError(
                "annotated set",
                f"class {labels[counts.argmin()]} (counted from 0) has one point of {len(y)}, and "
                "a warm start halves every class",
                "annotate another point of it, or choose a strategy that does not learn",
            )
        half = int((counts // 2).sum())
        last = half - min(self.monte_carlo.candidates, half // 2)
        if last < len(labels):
            raise UserError(
                "annotated set",
                f"{len(y)} points are too few for a warm start",
                f"annotate at least {5 * len(labels) - 3}",
            )
        return range(len(labels), last + 1)

    def collect(self, X: FloatArray, y: IntArray, rng: Generator) -> RegressionData:
        """Rows of random annotated sets of all sizes.

        Args:
            X: (n, d) float64 features of the labelled points.
            y: (n,) int64 labels 0 … n_classes - 1.
            rng: source of all randomness.

        Raises:
            UserError: as :meth:`sizes`.
        """
        found = []
        for size in self.sizes(y):
            for _ in range(self.repetitions):
                task = self.task(X, y, rng)
                annotated = random_annotated(task.y, size, rng)
                found.append(self.monte_carlo.rows(task, annotated, rng))
        return RegressionData.joined(found)

    def task(self, X: FloatArray, y: IntArray, rng: Generator) -> Task:
        """One half of the points of every class to simulate on, the other to measure on."""
        inside = halves(y, rng)
        scorer = Scorer(X[~inside], y[~inside], self.class_weights, self.objective)
        return Task(X[inside], y[inside], scorer, self.fit_weights)


def halves(y: IntArray, rng: Generator) -> NDArray[np.bool_]:
    """(n,) bool, True for a random half of every class; the odd point of a class goes anywhere."""
    inside = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        odd = len(rows) % 2 and rng.integers(2)
        inside[rows[: len(rows) // 2 + odd]] = True
    return inside
