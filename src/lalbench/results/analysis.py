"""The checked trials of a study with everything that tables and figures share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench import protocols
from lalbench.config import ObjectiveSpec, Study
from lalbench.errors import CorruptFileError
from lalbench.results import roles as role_names
from lalbench.results.records import Records, load
from lalbench.results.summaries import Runs, auac, unit_means

FloatArray = NDArray[np.float64]
Summary = Literal["auac", "final"]
Place = tuple[str, str, str]
"""Classifier, data set, setting."""


@dataclass(frozen=True)
class Analysis:
    """Study, records and curves, with the paired values of each place computed once."""

    study: Study
    records: Records
    roles: dict[str, role_names.Role]
    cache: dict[str, pd.DataFrame] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, results_dir: Path) -> Analysis:
        """Reads the trials of ``study`` (errors as :func:`lalbench.results.records.load`)."""
        return cls(study, load(study, results_dir), role_names.roles(study))

    def cached(self, key: str, build: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """What ``build`` returns, computed once per key; the caller gets a copy."""
        if key not in self.cache:
            self.cache[key] = build()
        return self.cache[key].copy()

    @property
    def protocol(self) -> protocols.Protocol:
        """The conventions of the study."""
        return protocols.get(self.study.protocol)

    @property
    def objective(self) -> str:
        """What the objective is called in headings."""
        spec = self.study.objective
        unnamed = spec.function is not None and spec.name == ObjectiveSpec().name
        path = (spec.function or "").replace(":", ".") if unnamed else spec.name
        return path.rpartition(".")[2].replace("_", " ")

    @property
    def random(self) -> str | None:
        """Label of the baseline."""
        return role_names.baseline(self.roles)

    @property
    def strategies(self) -> list[str]:
        """Labels in the study's order."""
        return [spec.label for spec in self.study.strategies]

    @property
    def contenders(self) -> list[str]:
        """Labels of all strategies but the bounds."""
        return [label for label in self.strategies if self.roles[label] != "bound"]

    @property
    def datasets(self) -> list[str]:
        """Labels in the study's order."""
        return [spec.label for spec in self.study.datasets]

    @property
    def settings(self) -> list[str]:
        """Names in the study's order."""
        return [spec.name for spec in self.study.settings]

    @property
    def classifiers(self) -> list[str]:
        """Labels in the study's order."""
        return [spec.label for spec in self.study.classifiers]

    @property
    def places(self) -> list[Place]:
        """Every (classifier, data set, setting), in the study's order."""
        return [(c, d, s) for c in self.classifiers for d in self.datasets for s in self.settings]

    @cached_property
    def runs(self) -> Runs:
        """The curves of all finished trials."""
        return Runs.from_trials(self.records.trials)

    @cached_property
    def _by_place(self) -> dict[Place, Runs]:
        columns = ["classifier", "dataset", "setting"]
        return {(key[0], key[1], key[2]): part for key, part in self.runs.cells(columns)}

    def at(self, place: Place) -> Runs | None:
        """The runs of all strategies at one place; None where none finished."""
        return self._by_place.get(place)

    @cached_property
    def _rows_by_place(self) -> dict[Place, NDArray[np.int64]]:
        columns = ["classifier", "dataset", "setting"]
        # of these columns alone: a study may have millions of rows
        places = self.records.trials[columns].reset_index(drop=True)
        parts = places.groupby(columns, sort=False)
        return {
            (str(key[0]), str(key[1]), str(key[2])): rows.index.to_numpy() for key, rows in parts
        }

    def class_counts(self, place: Place) -> NDArray[np.int64]:
        """(m, T, C) annotated labels per class of the runs :meth:`at` a place; (0, T, 0) if none.

        C depends on the data set, so this is no part of ``Runs``.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        length = self.study.steps + 1
        rows = self._rows_by_place.get(place)
        if rows is None:
            return np.zeros((0, length, 0), dtype=np.int64)
        lists = pa.array(self.records.trials["class_counts"].iloc[rows])
        counts = pc.list_flatten(lists).to_numpy()
        if pc.count_distinct(pc.list_value_length(lists)).as_py() != 1:
            raise CorruptFileError(f"trials of {'/'.join(place)} differ in their number of classes")
        return counts.reshape(-1, length, len(counts) // len(rows))

    def acquired_probabilities(self, place: Place) -> dict[str, FloatArray]:
        """Strategy → (n,) probabilities of class 0 that its acquired points had when it chose them.

        Pooled over all steps of all finished trials at a place, in the study's order. Strategies
        without any are left out: more than two classes, or a classifier that gives none.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = self._rows_by_place.get(place)
        if rows is None:
            return {}
        here = self.records.trials.iloc[rows]
        said = here["acquired_probability"].groupby(here["strategy"], sort=False)
        pooled = {
            str(label): pc.list_flatten(pa.array(lists)).to_numpy(zero_copy_only=False)
            for label, lists in said
        }
        return {label: pooled[label] for label in self.strategies if len(pooled.get(label, ()))}

    def wide(self, place: Place, metric: str, summary: Summary) -> pd.DataFrame:
        """Runs × strategies (all of the study, NaN where none ran) at one place."""
        runs = self.at(place)
        if runs is None:
            return _empty(self.strategies)
        return runs.wide(summarise(runs, metric, summary)).reindex(columns=self.strategies)

    def units(self, place: Place, metric: str, summary: Summary) -> pd.DataFrame:
        """Units × strategies at one place: runs that share a data split averaged."""
        key = f"units {place} {metric} {summary}"
        return self.cached(key, lambda: unit_means(self.wide(place, metric, summary)))

    def means(
        self, classifier: str, setting: str, metric: str, summary: Summary = "auac"
    ) -> pd.DataFrame:
        """Data sets × strategies: means over units."""
        rows = [
            self.units((classifier, name, setting), metric, summary).mean()
            for name in self.datasets
        ]
        return pd.DataFrame(rows, index=pd.Index(self.datasets), columns=self.strategies)


def summarise(runs: Runs, metric: str, summary: Summary) -> FloatArray:
    """The AUAC or the last score of a metric, (m,)."""
    scores = runs.scores[metric]
    return auac(scores) if summary == "auac" else scores[:, -1]


def _empty(strategies: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_arrays([[], [], []], names=["unit", "data_seed", "seed"])
    return pd.DataFrame(index=index, columns=pd.Index(strategies), dtype=float)
