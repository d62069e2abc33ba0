"""LAL from synthetic data: BUILDLALINDEPENDENT and BUILDLALITERATIVE.

Algorithms 2 and 3 of Konyushkova, Sznitman and Fua (2017). Every state of the collection has a
data set of its own: two random Gaussian clouds in the plane. It has random streams of its own, too,
named by the size of its annotated set and its number: states can be collected in any order and in
parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench.data.gaussian_clouds import random_gaussian_clouds
from lalbench.learners.lal.collection import (
    MonteCarlo,
    RegressionData,
    Task,
    random_annotated,
)
from lalbench.learners.lal.regressor import Regressor
from lalbench.learners.lal.states import states
from lalbench.objectives import Scorer
from lalbench.seeds import Streams

IntArray = NDArray[np.int64]

State = tuple[int, int]
"""Size of the annotated set, and number of the repetition."""


@dataclass(frozen=True)
class ColdStart:
    """A collection on synthetic data.

    Attributes:
        monte_carlo: how a state is turned into rows.
        objective: name of the objective whose improvements are learned; both classes weigh 1.
        first_size, last_size: tau, sizes of the annotated sets, both included.
        repetitions: Q, states per size.
        seed: of all random numbers.
        ties: which of equal predictions an iterative path takes: ``"random"`` or the ``"first"``.
    """

    monte_carlo: MonteCarlo
    objective: str = "weighted_accuracy"
    first_size: int = 2
    last_size: int = 49
    repetitions: int = 500
    seed: int = 0
    ties: Literal["random", "first"] = "random"

    @property
    def sizes(self) -> range:
        """All sizes of annotated sets."""
        return range(self.first_size, self.last_size + 1)

    def independent(self, parts: Iterable[State]) -> RegressionData:
        """Rows of states whose annotated points are random, one of each class at least."""
        found = []
        for size, repetition in parts:
            rng = self._generator(size, repetition)
            task = self.task(rng)
            annotated = random_annotated(task.y, size, rng)
            found.append(self.monte_carlo.rows(task, annotated, rng))
        return RegressionData.joined(found)

    def iterative(
        self, parts: Iterable[State], regressors: Mapping[int, Regressor]
    ) -> RegressionData:
        """Rows of states whose annotated points were chosen by the regressors of smaller sizes.

        Args:
            parts: the states.
            regressors: by the size of the annotated set at which they choose; without the column
                ``size``, which does not vary in their data.
        """
        found = []
        for size, repetition in parts:
            rng = self._generator(size, repetition)
            task = self.task(rng)
            annotated = self.path(task, size, regressors, rng)
            found.append(self.monte_carlo.rows(task, annotated, rng))
        return RegressionData.joined(found)

    def path(
        self, task: Task, size: int, regressors: Mapping[int, Regressor], rng: Generator
    ) -> IntArray:
        """(size,) positions: :attr:`first_size` random points, then the best by the regressors."""
        annotated = random_annotated(task.y, self.first_size, rng)
        pool = np.setdiff1d(np.arange(len(task.y)), annotated)
        while len(annotated) < size:
            regressor = regressors[len(annotated)]
            y = task.y[annotated]
            fitted = self.monte_carlo.seeded(rng).fit(task.X[annotated], y)
            known = states(fitted, y, task.X[pool], task.scorer.n_classes)
            kept = [self.monte_carlo.columns.index(name) for name in regressor.columns]
            predicted = regressor.predict(known[:, kept])
            equal = np.flatnonzero(predicted == predicted.max())
            place = equal[0] if self.ties == "first" else rng.choice(equal)
            annotated = np.append(annotated, pool[place])
            pool = np.delete(pool, place)
        return annotated

    def task(self, rng: Generator) -> Task:
        """A new synthetic data set."""
        X, y, X_test, y_test = random_gaussian_clouds(rng)
        return Task(X, y, Scorer(X_test, y_test, np.ones(2), self.objective))

    def _generator(self, size: int, repetition: int) -> Generator:
        # states are synthetic data of their own: the role is that of data
        return Streams(self.seed, 0).generator("data", step=size, name=f"lal {repetition}")


def parts(sizes: Iterable[int], repetitions: int, states_per_part: int) -> list[list[State]]:
    """All states cut into parts, in the order of the sizes."""
    every = [(size, repetition) for size in sizes for repetition in range(repetitions)]
    return [every[i : i + states_per_part] for i in range(0, len(every), states_per_part)]
