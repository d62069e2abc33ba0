"""What jobs will do and cost before anything was measured: refits and trainings of a study.

Counts follow from the study, seconds from declared costs (:mod:`lalbench.oracle.cost`), which are
right to an order of magnitude. No data set is read but those that the study has fetched already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
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

SECONDS_PER_JOB: Mapping[str, float] = MappingProxyType(
    {
        "fetch": 2.0,
        "problems": 2.0,
        "references": 5.0,
        "tables": 3.0,
        "figures": 4.0,
        "report": 4.5,
        "manifest": 0.5,
    }
)
"""Of the stages whose work does not depend on the strategy, in small studies: medians of some
fifteen on two cores. Downloads and thousands of trials take longer."""

SECONDS_PER_TRAINING = 5.0
"""Of a neural process on 300 episodes of 100 points for 100 epochs (docs/neural_process.md)."""

SECONDS_PER_ROW = 4e-6
"""Of LAL's regressor, per row of its data and tree."""


@dataclass(frozen=True)
class Work:
    """What a stage does for one seed pair beside fitting its classifier once per step.

    Attributes:
        refits: of the classifier, by the oracle.
        trainings: of a learner.
        seconds: of both on one core, as declared.
    """

    refits: int = 0
    trainings: int = 0
    seconds: float = 0.0


Works = Mapping[grid.Stage, Work]
"""By the stages ``episodes``, ``learn`` and ``trials``, as far as a cell has them."""


def of_cells(study: Study, cells: Iterable[grid.Cell]) -> dict[grid.Cell, Works]:
    """The work of each cell for one seed pair.

    Empty is what the study does not tell: a strategy that neither refits nor trains, a strategy by
    import path, or an oracle over a whole pool of data that are not fetched yet.
    """
    known: dict[grid.Cell, Works] = {}
    for cell in cells:
        if cell not in known:
            known[cell] = _of_cell(study, cell)
    return known


def _of_cell(study: Study, cell: grid.Cell) -> Works:
    from lalbench import protocols, strategies
    from lalbench.strategies.lal import LalWarmStart
    from lalbench.strategies.neural_process import NeuralProcess
    from lalbench.strategies.oracle import Oracle, RewardOracle

    spec = study.strategy(cell.strategy)
    if spec.class_path is not None:
        return {}
    whole = spec.model_copy(update={"subsample": None})
    strategy = strategies.resolve(whole, protocols.get(study.protocol))
    if isinstance(strategy, NeuralProcess):
        return _neural_process(study, cell, strategy)
    if isinstance(strategy, LalWarmStart):
        return _warm_start(study, cell, strategy)
    if isinstance(strategy, Oracle | RewardOracle):
        return _oracle(study, cell, strategy, spec.subsample)
    return {}


def _oracle(
    study: Study, cell: grid.Cell, strategy: Oracle | RewardOracle, subsample: int | None
) -> Works:
    seen = _counts(study, cell)
    pool = _pool_size(study, cell, seen)
    if pool is None and subsample is None:
        return {}
    rounds = study.budget if strategy.batch == "greedy" else 1
    price = _price(study, cell, seen, strategy.engine)
    refits, seconds = 0, 0.0
    for step in range(study.steps):
        n_annotated = study.n_annotated(cell.dataset) + step * study.budget
        left = None if pool is None else max(1, pool - step * study.budget)
        n_candidates = min(size for size in (subsample, left) if size is not None)
        refits += rounds * (1 + n_candidates)
        seconds += rounds * price(n_annotated, n_candidates)
    return {"trials": Work(refits, 0, seconds)}


def _neural_process(study: Study, cell: grid.Cell, strategy: NeuralProcess) -> Works:
    """Step 1 has stages of its own; the others are part of the trial."""
    price = _price(study, cell, _counts(study, cell), "auto")
    mean = sum(strategy.fractions) / len(strategy.fractions)

    def episodes(step: int) -> Work:
        n = study.n_annotated(cell.dataset) + step * study.budget
        inside = round(mean * n)
        refits = strategy.n_simulations * (1 + n - inside)
        seconds = price(inside, n - inside, n_subsets=strategy.n_simulations)
        return Work(refits=refits, seconds=seconds)

    share = strategy.n_simulations / 300 * SECONDS_PER_TRAINING / 100  # per epoch
    warm = strategy.refit == "warm"
    epochs = min(strategy.warm_epochs, strategy.epochs) if warm else strategy.epochs
    later = [] if strategy.refit == "once" else [episodes(step) for step in range(1, study.steps)]
    return {
        "episodes": episodes(0),
        "learn": Work(trainings=1, seconds=share * strategy.epochs),
        "trials": Work(
            sum(work.refits for work in later),
            len(later),
            sum(work.seconds + share * epochs for work in later),
        ),
    }


def _warm_start(study: Study, cell: grid.Cell, strategy: LalWarmStart) -> Works:
    """As if the annotated set held its classes in equal shares."""
    price = _price(study, cell, _counts(study, cell), "auto")
    half = study.n_annotated(cell.dataset) // 2
    n_candidates = min(strategy.candidates, half // 2)
    refits, seconds = 0, 0.0
    for size in range(2, half - n_candidates + 1):
        refits += strategy.repetitions * (1 + n_candidates)
        seconds += price(size, n_candidates, n_subsets=strategy.repetitions)
    rows = strategy.repetitions * n_candidates * max(0, half - n_candidates - 1)
    learning = Work(trainings=1, seconds=rows * strategy.trees * SECONDS_PER_ROW)
    return {"episodes": Work(refits=refits, seconds=seconds), "learn": learning, "trials": Work()}


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
