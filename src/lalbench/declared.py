"""What trials will do and cost before anything was measured: refits and trainings of a study.

Counts follow from the study, seconds from declared costs (:mod:`lalbench.oracle.cost`), which are
right to an order of magnitude. No data set is read but those that the study has fetched already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lalbench import files, grid
from lalbench.config import Study

if TYPE_CHECKING:
    from lalbench.objectives import Scorer
    from lalbench.strategies.lal import LalWarmStart
    from lalbench.strategies.neural_process import NeuralProcess
    from lalbench.strategies.oracle import Oracle, RewardOracle

IntArray = NDArray[np.int64]

SECONDS_PER_TRAINING = 5.0
"""Of a neural process on 300 episodes of 100 points for 100 epochs (docs/neural_process.md)."""

SECONDS_PER_ROW = 4e-6
"""Of LAL's regressor, per row of its data and tree."""


@dataclass(frozen=True)
class Work:
    """What one trial does beside fitting its classifier once per step.

    Attributes:
        refits: of the classifier, by the oracle.
        trainings: of a learner.
        seconds: of both on one core, as declared.
    """

    refits: int
    trainings: int
    seconds: float


def trials(study: Study, cells: Iterable[grid.Cell]) -> dict[grid.Cell, Work | None]:
    """The work of one trial of each cell.

    None stands for what the study does not tell: a strategy that neither refits nor trains, a
    strategy by import path, or an oracle over a whole pool of data that are not fetched yet.
    """
    known: dict[grid.Cell, Work | None] = {}
    for cell in cells:
        if cell not in known:
            known[cell] = _trial(study, cell)
    return known


def _trial(study: Study, cell: grid.Cell) -> Work | None:
    from lalbench import protocols, strategies
    from lalbench.strategies.lal import LalWarmStart
    from lalbench.strategies.neural_process import NeuralProcess
    from lalbench.strategies.oracle import Oracle, RewardOracle

    spec = study.strategy(cell.strategy)
    if spec.class_path is not None:
        return None
    whole = spec.model_copy(update={"subsample": None})
    strategy = strategies.resolve(whole, protocols.get(study.protocol))
    if isinstance(strategy, NeuralProcess):
        return _neural_process(study, cell, strategy)
    if isinstance(strategy, LalWarmStart):
        return _warm_start(study, cell, strategy)
    if isinstance(strategy, Oracle | RewardOracle):
        return _oracle(study, cell, strategy, spec.subsample)
    return None


def _oracle(
    study: Study, cell: grid.Cell, strategy: Oracle | RewardOracle, subsample: int | None
) -> Work | None:
    seen = _counts(study, cell)
    pool = _pool_size(study, cell, seen)
    if pool is None and subsample is None:
        return None
    rounds = study.budget if strategy.batch == "greedy" else 1
    price = _price(study, cell, seen, strategy.engine)
    refits, seconds = 0, 0.0
    for step in range(study.steps):
        n_annotated = study.dataset_sizes(cell.dataset).annotated + step * study.budget
        left = None if pool is None else max(1, pool - step * study.budget)
        n_candidates = min(size for size in (subsample, left) if size is not None)
        refits += rounds * (1 + n_candidates)
        seconds += rounds * price(n_annotated, n_candidates)
    return Work(refits, 0, seconds)


def _neural_process(study: Study, cell: grid.Cell, strategy: NeuralProcess) -> Work:
    price = _price(study, cell, _counts(study, cell), "auto")
    trainings = 1 if strategy.refit == "once" else study.steps
    mean = sum(strategy.fractions) / len(strategy.fractions)
    refits, seconds = 0, 0.0
    for step in range(trainings):
        n = study.dataset_sizes(cell.dataset).annotated + step * study.budget
        inside = round(mean * n)
        refits += strategy.n_simulations * (1 + n - inside)
        seconds += price(inside, n - inside, n_subsets=strategy.n_simulations)
    later = strategy.epochs
    if strategy.refit == "warm":
        later = min(strategy.warm_epochs, later)
    epochs = strategy.epochs + (trainings - 1) * later
    share = strategy.n_simulations / 300 * epochs / 100
    return Work(refits, trainings, seconds + share * SECONDS_PER_TRAINING)


def _warm_start(study: Study, cell: grid.Cell, strategy: LalWarmStart) -> Work:
    """As if the annotated set held its classes in equal shares."""
    price = _price(study, cell, _counts(study, cell), "auto")
    half = study.dataset_sizes(cell.dataset).annotated // 2
    n_candidates = min(strategy.candidates, half // 2)
    refits, seconds = 0, 0.0
    for size in range(2, half - n_candidates + 1):
        refits += strategy.repetitions * (1 + n_candidates)
        seconds += price(size, n_candidates, n_subsets=strategy.repetitions)
    rows = strategy.repetitions * n_candidates * max(0, half - n_candidates - 1)
    return Work(refits, 1, seconds + rows * strategy.trees * SECONDS_PER_ROW)


def _price(study: Study, cell: grid.Cell, seen: IntArray | None, engine: str) -> partial[float]:
    """:func:`lalbench.oracle.cost.cost` with the classifier and the objective of a cell."""
    from lalbench import classifiers
    from lalbench.oracle.cost import cost

    spec = study.classifier(cell.classifier)
    classifier = classifiers.get(spec, protocol=study.protocol)
    relabel = study.dataset(cell.dataset).relabel
    # two classes are the rule; a wrong guess changes the engine, and so the roughness
    n_classes = len(seen) if seen is not None else len(relabel or (0, 1))
    return partial(cost, classifier, _scorer(study, n_classes), engine=engine)


def _scorer(study: Study, n_classes: int) -> Scorer:
    """The study's objective on one point per class; the choice of an engine reads no points."""
    from lalbench.objectives import Scorer

    points = np.zeros((n_classes, 1))
    return Scorer(points, np.arange(n_classes), np.ones(n_classes), study.objective)


def _counts(study: Study, cell: grid.Cell) -> IntArray | None:
    """(C,) rows per class outside a given test partition; None before the data are fetched."""
    path = study.folder / "data" / f"{cell.dataset}.npz"
    if not path.exists():
        return None
    y = files.read_npz(path, "y")["y"]
    mask = files.read_npz(path, "test_mask").get("test_mask", np.zeros(len(y), dtype=bool))
    return np.bincount(y[~mask], minlength=int(y.max()) + 1)


def _pool_size(study: Study, cell: grid.Cell, counts: IntArray | None) -> int | None:
    """Points in the pool of a problem; None before the data are fetched."""
    from lalbench.problems.settings import class_scheme
    from lalbench.problems.splitting import keep_counts

    sizes = study.dataset_sizes(cell.dataset)
    if sizes.pool is not None or counts is None:
        return sizes.pool
    frequencies = class_scheme(study.setting(cell.setting), counts).frequencies
    left = int(keep_counts(counts, frequencies).sum()) - sizes.reward - sizes.annotated
    path = study.folder / "data" / f"{cell.dataset}.npz"
    given_test = bool(files.read_npz(path, "test_mask"))
    drawn = 0 if given_test or sizes.test == "all" else sizes.test
    return max(1, left - drawn)
