"""Regression data of LAL: states of candidates and what their labels turned out to be worth.

Algorithms 1 and 2 of Konyushkova, Sznitman and Fua (2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import classifiers, oracle, stored
from lalbench.compute import using
from lalbench.errors import CorruptFileError
from lalbench.learners.lal.states import columns_of, states
from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MeanOver = Literal["pool", "candidates"]
RandomNumbers = Literal["common", "independent"]
Targets = Literal["change", "advantage"]


@dataclass(frozen=True)
class Task:
    """A labelled set to simulate on.

    Attributes:
        X: (n, d) float64 features.
        y: (n,) int64 labels 0 … n_classes - 1.
        scorer: the objective on other labelled points.
        fit_weights: (n_classes,) float64 weights in training, or None.
    """

    X: FloatArray
    y: IntArray
    scorer: Scorer
    fit_weights: FloatArray | None = None


@dataclass(frozen=True)
class RegressionData:
    """Rows for the regressor.

    Attributes:
        columns: names of the columns.
        states: (n, n_columns) float64.
        improvements: (n,) float64 what the regressor is to predict; larger is better.
    """

    columns: tuple[str, ...]
    states: FloatArray
    improvements: FloatArray

    def __len__(self) -> int:
        return len(self.improvements)

    @classmethod
    def joined(cls, parts: Sequence[RegressionData]) -> RegressionData:
        """All rows of several parts, in their order."""
        return cls(
            parts[0].columns,
            np.concatenate([part.states for part in parts]),
            np.concatenate([part.improvements for part in parts]),
        )

    def without(self, column: str) -> RegressionData:
        """The same rows without a column."""
        kept = [place for place, name in enumerate(self.columns) if name != column]
        names = tuple(self.columns[place] for place in kept)
        return RegressionData(names, self.states[:, kept], self.improvements)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays without object types."""
        return {
            "columns": np.array(self.columns),
            "states": self.states,
            "improvements": self.improvements,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> RegressionData:
        """The inverse of :meth:`to_arrays`.

        Raises:
            CorruptFileError: arrays that are missing or do not fit together.
        """
        try:
            names = stored.texts(arrays, "columns")
            states = stored.take(arrays, "states", np.float64, None, len(names))
            improvements = stored.take(arrays, "improvements", np.float64, len(states))
        except stored.DAMAGE as error:
            raise CorruptFileError(
                f"stored rows of a regressor are damaged ({error}); delete their file and run again"
            ) from error
        return cls(names, states, improvements)


@dataclass(frozen=True)
class MonteCarlo:
    """How one annotated set is turned into rows.

    Attributes:
        classifier: unfitted; its ``random_state``, if it has one, is drawn anew each time.
        candidates: M, points of the pool whose labels are tried.
        mean_over: the points whose mean is the sixth column: the ``"pool"``, as when the strategy
            is used, or the ``"candidates"``, as in the released data.
        random_numbers: ``"common"``: the classifiers before and after share theirs as far as the
            oracle's engine can, so that a useless label is worth nothing; ``"independent"``: every
            fit has its own, as in the released code.
        targets: what becomes of the objective after minus the objective before: the ``"change"``
            as it is, as in the released data, or its ``"advantage"`` over the mean of the state's
            candidates. Which candidate of a state is best depends on the advantage alone, and
            half of the variance of the change is the state's.
    """

    classifier: Any
    candidates: int = 10
    mean_over: MeanOver = "pool"
    random_numbers: RandomNumbers = "common"
    targets: Targets = "change"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the states."""
        return columns_of(self.classifier)

    def rows(self, task: Task, annotated: IntArray, rng: Generator) -> RegressionData:
        """Algorithm 1: tries the labels of random points of the pool.

        Args:
            task: the labelled set.
            annotated: (tau,) positions that play "annotated"; the others play "pool".
            rng: of the candidates and the classifiers.

        Returns:
            min(M, n - tau) rows; with more than two classes as many for each of
            :func:`viewpoints`, one after the other, with the same improvements.
        """
        outside = np.ones(len(task.y), dtype=bool)
        outside[annotated] = False
        pool = np.flatnonzero(outside)
        places = rng.choice(len(pool), size=min(self.candidates, len(pool)), replace=False)
        before = self.seeded(rng)
        n_classes = task.scorer.n_classes
        fitted = self._fit(classifiers.clone(before), task, annotated)
        found = [
            states(
                fitted,
                task.y[annotated],
                task.X[pool],
                n_classes,
                positive=label,
                places=places,
                mean_over=self.mean_over,
            )
            for label in viewpoints(n_classes)
        ]
        improvements = self._changes(task, annotated, pool[places], before, rng)
        if self.targets == "advantage":
            improvements = improvements - improvements.mean()
        return RegressionData(
            self.columns, np.concatenate(found), np.tile(improvements, len(found))
        )

    def seeded(self, rng: Generator) -> Any:
        """An unfitted copy of the classifier with its next random state."""
        own = classifiers.clone(self.classifier)
        seed = int(rng.integers(2**31 - 1))
        if "random_state" in own.get_params():
            own.set_params(random_state=seed)
        return own

    def _changes(
        self, task: Task, annotated: IntArray, candidates: IntArray, before: Any, rng: Generator
    ) -> FloatArray:
        rows = np.append(annotated, candidates)
        mask = np.arange(len(rows))[None] < len(annotated)
        # tables on disk would cost more than the refits
        with using(cache=None):
            if self.random_numbers == "common":
                weights = None if task.fit_weights is None else task.fit_weights[task.y[rows]]
                refits = oracle.refit_scores(
                    before, task.X[rows], task.y[rows], mask, task.scorer, sample_weight=weights
                )
                return refits.improvements[0, len(annotated) :]
            base = task.scorer(self._fit(before, task, annotated))
            after = []
            for candidate in candidates:
                grown = self._fit(self.seeded(rng), task, np.append(annotated, candidate))
                after.append(task.scorer(grown))
            return np.array(after) - base

    def _fit(self, classifier: Any, task: Task, rows: IntArray) -> Any:
        return classifiers.fit(classifier, task.X[rows], task.y[rows], task.fit_weights)


def viewpoints(n_classes: int) -> range:
    """Classes whose states describe a candidate, each against all others.

    Class 0 alone stands for a problem of two, as published; of more, each in turn.
    """
    return range(n_classes) if n_classes > 2 else range(1)


def first_points(y: IntArray, rng: Generator) -> IntArray:
    """One random position per class, in the order of the classes."""
    return np.array([rng.choice(np.flatnonzero(y == label)) for label in np.unique(y)])


def random_annotated(y: IntArray, size: int, rng: Generator) -> IntArray:
    """(size,) positions: one random point of each class, the others from all that are left."""
    start = first_points(y, rng)
    left = np.setdiff1d(np.arange(len(y)), start)
    return np.append(start, rng.choice(left, size=size - len(start), replace=False))
