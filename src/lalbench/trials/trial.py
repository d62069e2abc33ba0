"""What one trial is called, what it leaves behind, and what it asks of its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.errors import ContractError, UserError
from lalbench.records import METRICS
from lalbench.strategies.base import Selection

if TYPE_CHECKING:
    from lalbench.problems import Problem

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Names:
    """How a trial is called in its records."""

    study: str = ""
    classifier: str = ""
    strategy: str = ""


@dataclass
class Trial:
    """What one trial leaves behind: rows for :mod:`lalbench.records`, one per step 0 … steps."""

    records: list[dict[str, Any]] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)


def key_of(problem: Problem, names: Names, step: int) -> dict[str, Any]:
    """The columns that name a row of a trial."""
    return {
        "study": names.study,
        "protocol": problem.protocol,
        "dataset": problem.dataset,
        "setting": problem.setting,
        "classifier": names.classifier,
        "strategy": names.strategy,
        "data_seed": problem.data_seed,
        "seed": problem.seed,
        "step": step,
    }


def failed_trial(problem: Problem, names: Names, message: str) -> Trial:
    """A trial that ended with an error: one row that says so, with no score."""
    key = key_of(problem, names, 0)
    unknown: dict[str, Any] = dict.fromkeys(METRICS, float("nan"))
    counts = {"n_annotated": len(problem.annotated), "n_pool": len(problem.pool)}
    lists = ("acquired", "acquired_probability", "class_recall", "class_counts")
    rest: dict[str, Any] = {name: [] for name in lists}
    rest |= {
        "labels_asked": 0,
        "selection_details": "",
        "label_budget": 0,
        "rare_in_pool": 0,
        "rare_in_test": 0,
        "engine": "",
    }
    outcome = {"split_hash": problem.split_hash, "status": "error", "message": message}
    return Trial(records=[key | counts | unknown | rest | outcome])


def check_steps(problem: Problem, steps: int, budget: int) -> None:
    """Raises :class:`UserError` when the pool has fewer points than the trial acquires."""
    if steps < 1 or budget < 1:
        raise UserError("steps", f"{steps} steps of {budget} points", "use at least 1 of each")
    if steps * budget > len(problem.pool):
        raise UserError(
            "steps",
            f"{steps} steps of {budget} acquire {steps * budget} points, but the pool of "
            f"{problem.dataset} ({problem.setting}) has {len(problem.pool)}",
            "lower steps or budget, or make test, reward or annotated in sizes smaller",
        )


def check_selection(selection: Selection, budget: int, n_pool: int) -> IntArray:
    """The chosen positions, after checking them against the contract.

    Raises:
        ContractError: wrong number, repeated or outside the pool: the strategy is at fault.
    """
    chosen = np.asarray(selection.indices)
    wanted = min(budget, n_pool)
    if chosen.shape != (wanted,) or chosen.dtype.kind not in "iu":
        raise ContractError(
            f"the strategy returned indices of shape {chosen.shape} and type {chosen.dtype}; "
            f"it must return {wanted} integers"
        )
    if len(np.unique(chosen)) != wanted or chosen.min() < 0 or chosen.max() >= n_pool:
        raise ContractError(
            "the strategy returned repeated positions or positions outside the pool"
        )
    return chosen.astype(np.int64)
