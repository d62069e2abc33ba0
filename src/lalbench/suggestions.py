"""Which rows of a partly labelled table to label next, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench import files, objectives, strategies
from lalbench.active_learner import ActiveLearner
from lalbench.data.partly_labelled import PartlyLabelled, missing_marker, read_partly_labelled
from lalbench.errors import UserError
from lalbench.seeds import Streams, uniforms_by_id
from lalbench.strategies.base import Need

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]

STRATEGY = "look_ahead"
"""Unless another one is asked for; docs/look-ahead.md says why."""
CANDIDATES = 2000
"""Rows that it looks at unless its option says otherwise: each row wanted costs refits of all."""
FEW = 15
"""Labels of a class below which others find it sooner than look_ahead does: docs/look-ahead.md."""
_LIKELIEST = 3
"""Classes that a reason names."""


@dataclass(frozen=True)
class Question:
    """What is asked of a table.

    Attributes:
        data: CSV or Parquet file; rows without a label have an empty target.
        target: name of the label column.
        strategy: name of a strategy.
        classifier: name of a classifier.
        objective: what is to be improved (:func:`lalbench.objectives.get`).
        budget: rows wanted.
        options: of the strategy; ``n_candidates`` of ``look_ahead`` is :data:`CANDIDATES` if
            it is not there.
        objective_options: of the objective.
        class_weights: labels, as text, → weights in the objective; none: all 1.
        leave_out: columns that are no features.
        unlabelled: texts of the target that mean no label, besides the empty one.
        reward: share of the labelled rows on which strategies that need it measure the objective;
            these train nothing.
        seed: of all random numbers.
        learned: file that keeps what the strategy learned; it is read where it is there.
        processes: of learning on synthetic data.
    """

    data: Path
    target: str
    strategy: str = STRATEGY
    classifier: str = "logistic_regression"
    objective: str = "weighted_accuracy"
    budget: int = 10
    options: Mapping[str, Any] = field(default_factory=dict)
    objective_options: Mapping[str, Any] = field(default_factory=dict)
    class_weights: Mapping[str, float] | None = None
    leave_out: Sequence[str] = ()
    unlabelled: Sequence[str] = ()
    reward: float = 0.5
    seed: int = 0
    learned: Path | None = None
    processes: int = 1


@dataclass(frozen=True)
class Answer:
    """What a table is answered.

    Attributes:
        rows: one row per suggestion, the best first. Columns: ``row`` (of the file, the first below
            its header is 1), ``score`` (larger is better, NaN where the strategy has none),
            ``reason``, and those of the file.
        summary: what a history keeps of it.
        note: what the person who labels should know, or "".
    """

    rows: pd.DataFrame
    summary: dict[str, Any]
    note: str = ""


def suggest(question: Question) -> Answer:
    """The rows to label next.

    Raises:
        UserError: a file, a name or an option that cannot be used, too few labelled rows.
    """
    if not 0 < question.reward < 1:
        raise UserError("reward", f"{question.reward}", "give a share between 0 and 1")
    if question.processes < 1:
        raise UserError("processes", f"{question.processes}", "give 1 or more")
    table = read_partly_labelled(
        str(question.data), question.target, question.leave_out, unlabelled=question.unlabelled
    )
    _check_labels(table, question)
    classes = np.unique(table.labels).tolist()
    active = ActiveLearner(
        strategies.get(question.strategy, **_options(question)),
        question.classifier,
        objective=objectives.get(question.objective, **question.objective_options),
        classes=classes,
        class_weights=_by_label(question.class_weights, classes),
        seed=question.seed,
    )
    X, y = table.X[table.labelled], table.labels
    pool = table.X[~table.labelled]
    train, reward = np.arange(len(y)), None
    if Need.REWARD_SET in active.strategy.needs:
        ids = np.flatnonzero(table.labelled)
        train, apart = set_apart(y, ids, question.reward, question.seed)
        reward = (X[apart], y[apart])
    _learn(active, question, X[train], y[train], pool, reward)
    chosen = active.select(X[train], y[train], pool, question.budget, reward=reward)
    probabilities = active.probabilities(X[train], y[train], pool[chosen.indices])
    scores = np.full(len(pool), np.nan)
    if chosen.scores is not None:  # -inf: a row that the strategy did not look at
        scores = np.where(np.isfinite(chosen.scores), chosen.scores, np.nan)
    places = np.flatnonzero(~table.labelled)[chosen.indices]
    reasons = [
        _reason(question, classes, one, place, len(pool))
        for place, one in enumerate(probabilities, start=1)
    ]
    rows = table.frame.iloc[places].reset_index(drop=True)
    rows.insert(0, _free("row", rows.columns), places + 1)
    rows.insert(1, _free("score", rows.columns), scores[chosen.indices])
    rows.insert(2, _free("reason", rows.columns), reasons)
    summary = _summary(question, table, places, scores[chosen.indices])
    return Answer(rows, summary, _note(question, summary["labelled"]))


def keep(history: Path, summary: Mapping[str, Any]) -> None:
    """Appends one line of JSON to a history, with the time; an unfinished last line is ended."""
    from datetime import UTC, datetime

    entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **summary}
    line = json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n"
    history.parent.mkdir(parents=True, exist_ok=True)
    with open(history, "ab+") as handle:
        if handle.seek(0, os.SEEK_END):
            handle.seek(-1, os.SEEK_END)
            line = line if handle.read() == b"\n" else f"\n{line}"
        handle.write(line.encode())


def set_apart(y: NDArray[Any], ids: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Positions to train on and positions to measure on; of every class at least one in each.

    Each row has a draw of its own: it keeps its part when other rows get labels, but where a class
    has rows of one part only.

    Args:
        y: (n,) labels.
        ids: (n,) what names the rows in the table.
        share: probability that a row is measured on.
        seed: of the draws.

    Raises:
        UserError: a class with a single row.
    """
    draws = uniforms_by_id(Streams(seed, seed).generator("data", name="reward"), ids)
    apart = draws < share
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        if len(rows) < 2:
            raise UserError(
                "target",
                f"class {str(label)!r} has one labelled row, and the strategy trains on some rows "
                "of each class and measures on others",
                "label another one of it, or choose a strategy that measures nothing",
            )
        apart[rows[draws[rows].argmin()]] = True
        apart[rows[draws[rows].argmax()]] = False
    return np.flatnonzero(~apart), np.flatnonzero(apart)


def _check_labels(table: PartlyLabelled, question: Question) -> None:
    known = np.unique(table.labels)
    if len(known) < 2:
        found = f"all labelled rows are {str(known[0])!r}" if len(known) else "no row has a label"
        raise UserError(
            f'{question.data}, column "{question.target}"',
            found,
            "label at least one row of each of two classes",
        )
    marker = missing_marker(list(map(str, known.tolist())))
    if marker is not None and not question.unlabelled:
        raise UserError(
            f'{question.data}, column "{question.target}"',
            f'"{marker}" may be a class or a missing label',
            f'say --unlabelled "{marker}", or rename the class',
        )


def _note(question: Question, labelled: Mapping[str, int]) -> str:
    fewest = min(labelled, key=lambda label: labelled[label])
    if question.strategy != STRATEGY or labelled[fewest] >= FEW:
        return ""
    return (
        f"{labelled[fewest]} rows are labelled {fewest!r}: below about {FEW} of a class "
        "--strategy k_center_greedy or quire may find more of it"
    )


def _options(question: Question) -> dict[str, Any]:
    """Those of the strategy, with what stands for ``n_candidates`` of ``look_ahead``."""
    limits = {"n_candidates": CANDIDATES} if question.strategy == STRATEGY else {}
    return {**limits, **question.options}


def _by_label(
    weights: Mapping[str, float] | None, classes: Sequence[Any]
) -> dict[Any, float] | None:
    if weights is None:
        return None
    labels = {str(label): label for label in classes}
    return {labels.get(name, name): weight for name, weight in weights.items()}


def _learn(
    active: ActiveLearner, question: Question, X: Any, y: Any, pool: Any, reward: Any
) -> None:
    """Learns what the strategy needs, or reads what it learned on synthetic data before."""
    needs = active.strategy.needs
    kept = question.learned
    if kept is not None and Need.PRETRAINED not in needs:
        raise UserError(
            "learned",
            f"{question.strategy} learns nothing on synthetic data that could be kept",
            "leave it out",
        )
    if kept is not None and kept.exists():
        active.load(kept)
        if active.learned_by != active.configuration:
            raise UserError(
                "learned",
                f"{kept} was learned with other options or another classifier",
                "name another file, or delete it",
            )
    elif needs & {Need.PRETRAINED, Need.LEARNED}:
        active.learn(X, y, pool, reward=reward, processes=question.processes)
        if kept is not None:
            active.save(kept)


def _reason(
    question: Question, classes: Sequence[Any], probabilities: Any, place: int, n_pool: int
) -> str:
    """What a person may want to know of one choice."""
    order = np.argsort(-probabilities, kind="stable")[:_LIKELIEST]
    said = ", ".join(f"{classes[label]} {probabilities[label]:.2f}" for label in order)
    return (
        f"choice {place} of {question.strategy} among {n_pool} unlabelled rows; "
        f"{question.classifier} says {said}"
    )


def _free(name: str, taken: Any) -> str:
    """``name``, or with underscores where the table has such a column."""
    while name in taken:
        name += "_"
    return name


def _summary(
    question: Question, table: PartlyLabelled, places: IntArray, scores: NDArray[np.float64]
) -> dict[str, Any]:
    labels, counts = np.unique(table.labels, return_counts=True)
    return {
        "data": str(question.data),
        "data_hash": files.file_hash(question.data),
        "target": question.target,
        "labelled": dict(zip(map(str, labels.tolist()), counts.tolist(), strict=True)),
        "unlabelled": int((~table.labelled).sum()),
        "strategy": question.strategy,
        "options": _options(question),
        "classifier": question.classifier,
        "objective": question.objective,
        "objective_options": dict(question.objective_options),
        "class_weights": dict(question.class_weights or {}),
        "seed": question.seed,
        "rows": (places + 1).tolist(),
        "scores": [float(score) if np.isfinite(score) else None for score in scores],
    }
