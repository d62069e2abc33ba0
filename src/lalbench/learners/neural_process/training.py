"""Training of neural processes on simulated problems (Bakker et al. 2023, Algorithm 1).

On a CPU one model is trained after the other by compiled updates
(:mod:`lalbench.learners.neural_process.compiled`), on a GPU all at once by operations of torch on
stacked weights (:mod:`lalbench.learners.neural_process.stacked`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from lalbench.errors import UserError
from lalbench.learners.neural_process.network import AttentiveNeuralProcess
from lalbench.learners.neural_process.problems import (
    Batch,
    Group,
    Problems,
    Shuffle,
    batches,
    group_by_size,
)

DECAY = 0.1 ** (1 / 100)
"""Factor on the learning rate after each epoch."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; the defaults are the published ones.

    Attributes:
        epochs: passes over all problems.
        batch_size: largest number of problems, all of equal sizes, in one update.
        learning_rate: of Adam in the first epoch.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3


class Update(Protocol):
    """One step of Adam for each of M models."""

    def __call__(self, chosen: Sequence[Batch | None], rate: float) -> Tensor:
        """Takes a batch per model, or None for a model that skips this step.

        Returns:
            (M,) mean loss of each batch over its problems, times their number.
        """


def train(
    network: AttentiveNeuralProcess, problems: Problems, options: TrainingOptions, shuffle: Shuffle
) -> NDArray[np.float64]:
    """:func:`train_many` with one model; returns its (epochs,) curve."""
    return train_many([network], [problems], options, [shuffle])[0]


def train_many(
    networks: Sequence[AttentiveNeuralProcess],
    problems: Sequence[Problems],
    options: TrainingOptions,
    shuffles: Sequence[Shuffle],
) -> NDArray[np.float64]:
    """Trains M models of equal shapes in place: Adam, a fixed schedule, problems grouped by size.

    Each model ends where it ends when trained alone, to the reordering of sums.

    Args:
        networks: on the same device as their problems.
        problems: of each model, at least one, each with at least one context point and one target.
        options: epochs, batch size, learning rate.
        shuffles: of each model: orders the problems inside each size and then the batches, anew in
            every epoch.

    Returns:
        (M, epochs) training loss of each epoch: mean over problems at the time of their update.

    Raises:
        UserError: a loss is no longer finite.
    """
    groups = [group_by_size(each) for each in problems]
    if problems[0].points.device.type == "cuda":
        from lalbench.learners.neural_process.stacked import StackedUpdate

        return run_epochs(StackedUpdate(networks, problems, groups), groups, options, shuffles)
    from lalbench.learners.neural_process.compiled import CompiledUpdate

    curves = []
    for network, given, grouped, shuffle in zip(networks, problems, groups, shuffles, strict=True):
        update = CompiledUpdate(network, given, grouped, options.batch_size)
        curves.append(run_epochs(update, [grouped], options, [shuffle]))
    return np.concatenate(curves)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Runs torch and BLAS with ``threads`` CPU threads and restores the numbers from before."""
    import scipy.linalg.cython_blas  # noqa: F401  what compiled updates use must be loaded to obey

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def run_epochs(
    update: Update,
    groups: Sequence[list[Group]],
    options: TrainingOptions,
    shuffles: Sequence[Shuffle],
) -> NDArray[np.float64]:
    """All epochs of the M models of ``update``.

    Args:
        update: one step of Adam.
        groups: the problems of each model by size.
        options, shuffles: as in :func:`train_many`.

    Returns:
        (M, epochs) curves, and raises, as in :func:`train_many`.
    """
    counts = np.array([sum(len(group.rows) for group in grouped) for grouped in groups])
    curves = np.empty((len(groups), options.epochs))
    rate = options.learning_rate
    for epoch in range(options.epochs):
        every = [
            batches(grouped, options.batch_size, shuffle)
            for grouped, shuffle in zip(groups, shuffles, strict=True)
        ]
        losses = [update(chosen, rate) for chosen in zip_longest(*every)]
        curves[:, epoch] = torch.stack(losses).sum(0).cpu().numpy() / counts
        if not np.isfinite(curves[:, epoch]).all():
            raise UserError(
                "learning_rate",
                f"training diverged in epoch {epoch + 1} at {options.learning_rate}",
                "choose a smaller one, or check the features for extreme values",
            )
        rate *= DECAY
    return curves
