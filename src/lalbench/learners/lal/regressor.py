"""The regressor of LAL: a random forest from states to improvements, kept as plain arrays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lalbench import stored
from lalbench.errors import CorruptFileError, UserError
from lalbench.forests import Forest
from lalbench.learners.lal.collection import RegressionData

FloatArray = NDArray[np.float64]

Beyond = Literal["clamp", "extrapolate"]

LEAST_GAIN = 1e-4
"""By how much the out-of-bag R² of a later grid point must be larger."""

LARGEST_LEAF = 1 / 20
"""Share of the rows."""


@dataclass(frozen=True)
class RegressorOptions:
    """Options of the regression forest.

    Attributes:
        trees: number of trees.
        max_depth: of a tree.
        max_features: columns that a split looks at; no more than there are.
        min_leaf: rows that a leaf has at least, but no more than :data:`LARGEST_LEAF` of them all:
            few rows would otherwise be one leaf. The authors' 1 keeps every row of the data in the
            trees; larger leaves are smaller files and better predictions.
    """

    trees: int = 2000
    max_depth: int = 40
    max_features: int = 6
    min_leaf: int = 1


@dataclass(frozen=True)
class Regressor:
    """A fitted regression forest.

    Attributes:
        columns: names of the columns of its states.
        forest: the trees, with one value per leaf.
        largest_size: of an annotated set in its data (0 without the column ``size``).
        out_of_bag: R² of predictions by the trees that did not draw the row.
        importances: (n_columns,) normalised mean decrease of the variance.
        options: with which it was fitted.
    """

    columns: tuple[str, ...]
    forest: Forest
    largest_size: int
    out_of_bag: float
    importances: FloatArray
    options: RegressorOptions

    @property
    def curve(self) -> tuple[float, ...]:
        """Losses by epoch, as every learner has them; a forest has none."""
        return ()

    def predict(self, states: FloatArray, beyond: Beyond = "clamp") -> FloatArray:
        """(m,) predicted improvements of (m, n_columns) states.

        Candidates of one step differ in few columns and often in few values, above all those of a
        forest of B pure trees, whose probability is one of B + 1: every different state is
        predicted once.

        Args:
            states: in the order of :attr:`columns`.
            beyond: what becomes of sizes above :attr:`largest_size`: ``"clamp"`` takes the largest,
                ``"extrapolate"`` leaves the trees to it.

        Raises:
            UserError: a wrong number of columns.
        """
        if states.ndim != 2 or states.shape[1] != len(self.columns):
            raise UserError(
                "states", f"shape {states.shape}", f"give the columns {', '.join(self.columns)}"
            )
        if beyond == "clamp" and "size" in self.columns:
            place = self.columns.index("size")
            states = states.copy()
            states[:, place] = np.minimum(states[:, place], self.largest_size)
        first, inverse = _distinct(states)
        predicted: FloatArray = self.forest.mean(states[first])[:, 0]
        return predicted[inverse]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays without object types."""
        chosen = self.options
        return {
            **self.forest.to_arrays(),
            "columns": np.array(self.columns),
            "largest_size": np.array(self.largest_size),
            "out_of_bag": np.array(self.out_of_bag),
            "importances": self.importances,
            "options": np.array(
                [chosen.trees, chosen.max_depth, chosen.max_features, chosen.min_leaf]
            ),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Regressor:
        """The inverse of :meth:`to_arrays`.

        Raises:
            CorruptFileError: arrays that are missing, or no regressor.
        """
        try:
            columns, forest = stored.texts(arrays, "columns"), Forest.from_arrays(arrays)
            if forest.n_features != len(columns) or forest.values.shape[1] != 1:
                raise ValueError(f"{len(columns)} columns for trees of {forest.n_features}")
            return cls(
                columns,
                forest,
                int(stored.take(arrays, "largest_size", np.int64)),
                float(arrays["out_of_bag"]),  # not a number where every tree drew every row
                stored.take(arrays, "importances", np.float64, len(columns)),
                RegressorOptions(*stored.take(arrays, "options", np.int64, 4).tolist()),
            )
        except stored.DAMAGE as error:
            raise CorruptFileError(
                f"a stored regressor is damaged ({error}); delete it and run again"
            ) from error


def fit_regressor(
    data: RegressionData, options: RegressorOptions, seed: int, processes: int = 1
) -> Regressor:
    """Fits a regression forest.

    Args:
        data: the rows.
        options: of the forest.
        seed: of its trees.
        processes: threads that grow trees; they change no bit of the result.

    Raises:
        UserError: no rows.
    """
    return _fitted(_new(data, options, seed, processes), data, options)


def search(
    data: RegressionData, grid: Sequence[RegressorOptions], seed: int, processes: int = 1
) -> Regressor:
    """The regressor with the largest out-of-bag R² among the options of a grid.

    A later one must be better by more than :data:`LEAST_GAIN`. Forests that differ in their number
    of trees only are one forest that grows.
    """
    best: Regressor | None = None

    def shape(options: RegressorOptions) -> tuple[int, int, int]:
        return options.max_depth, options.max_features, options.min_leaf

    ordered = sorted(grid, key=lambda options: (shape(options), options.trees))
    for _, group in itertools.groupby(ordered, key=shape):
        forest = None
        for options in group:
            if forest is None:
                forest = _new(data, options, seed, processes).set_params(warm_start=True)
            forest.set_params(n_estimators=options.trees)
            found = _fitted(forest, data, options)
            if best is None or found.out_of_bag > best.out_of_bag + LEAST_GAIN:
                best = found
    if best is None:
        raise UserError("grid", "no options in it", "give at least one")
    return best


def grid(
    trees: Sequence[int], depths: Sequence[int], features: Sequence[int], min_leaf: int = 1
) -> list[RegressorOptions]:
    """All combinations, in the order of the arguments."""
    return [
        RegressorOptions(*each, min_leaf) for each in itertools.product(trees, depths, features)
    ]


def _new(data: RegressionData, options: RegressorOptions, seed: int, processes: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    if not len(data):
        raise UserError("data", "no rows to learn from", "collect at least one")
    return RandomForestRegressor(
        n_estimators=options.trees,
        max_depth=options.max_depth,
        max_features=min(options.max_features, len(data.columns)),
        min_samples_leaf=max(1, min(options.min_leaf, int(LARGEST_LEAF * len(data)))),
        oob_score=True,
        random_state=seed,
        n_jobs=processes,
    )


def _fitted(forest: Any, data: RegressionData, options: RegressorOptions) -> Regressor:
    forest.fit(data.states, data.improvements)
    sizes = data.states[:, data.columns.index("size")] if "size" in data.columns else np.zeros(1)
    return Regressor(
        data.columns,
        Forest.from_sklearn(forest),
        int(sizes.max()),
        float(forest.oob_score_),
        np.asarray(forest.feature_importances_),
        replace(options, max_features=min(options.max_features, len(data.columns))),
    )


def _distinct(states: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First place of every different row, and for all rows which of them it equals."""
    varying = np.flatnonzero((states != states[:1]).any(axis=0))
    if len(varying) > 2:
        _, first, inverse = np.unique(states, axis=0, return_index=True, return_inverse=True)
        return first, inverse.reshape(-1)
    # two real columns are one complex one, whose sort is a quick one
    parts = [states[:, place] for place in varying] + [np.zeros(len(states))] * 2
    _, first, inverse = np.unique(parts[0] + 1j * parts[1], return_index=True, return_inverse=True)
    return first, inverse
