"""Stages ``rows``, ``step`` and ``regressor``: LAL's data and what is learned from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lalbench import classifiers, files, pretraining, protocols, strategies
from lalbench.config import Study
from lalbench.errors import naming
from lalbench.learners.lal import RegressionData, Regressor
from lalbench.stages.inputs import computing


def rows(study: Study, key: str, part: str, steps: list[Path], output: Path) -> None:
    """Collects the rows of one part; ``steps`` are the regressors of smaller sizes, in order."""
    wanted, strategy = _strategy(study, key)
    classifier = classifiers.get(study.classifier(wanted.classifier), protocol=study.protocol)
    collection = strategy.collection(classifier)
    with computing(study):
        if wanted.iterative:
            known = dict(zip(wanted.sizes, map(_regressor, steps), strict=False))
            found = collection.iterative(wanted.parts[part], known)
        else:
            found = collection.independent(wanted.parts[part])
    files.write_npz(output, found.to_arrays())


def step(study: Study, key: str, size: int, parts: list[Path], output: Path) -> None:
    """Fits the regressor that chooses at annotated sets of one size."""
    _, strategy = _strategy(study, key)
    found = strategy.step_regressor(_data(parts), size, study.compute.processes)
    files.write_npz(output, found.to_arrays())


def regressor(study: Study, key: str, parts: list[Path], output: Path) -> None:
    """Fits the regressor that the strategy asks, on all rows."""
    _, strategy = _strategy(study, key)
    found = strategy.regressor(_data(parts), study.compute.processes)
    files.write_npz(output, found.to_arrays())


def _strategy(study: Study, key: str) -> tuple[pretraining.Pretraining, Any]:
    wanted = pretraining.named(study, key)
    spec = study.strategy(wanted.strategy).model_copy(update={"subsample": None})
    return wanted, strategies.resolve(spec, protocols.get(study.protocol))


def _data(parts: list[Path]) -> RegressionData:
    return RegressionData.joined([_rows(path) for path in parts])


def _rows(path: Path) -> RegressionData:
    arrays = files.read_npz(path)
    with naming(path):
        return RegressionData.from_arrays(arrays)


def _regressor(path: Path) -> Regressor:
    arrays = files.read_npz(path)
    with naming(path):
        return Regressor.from_arrays(arrays)
