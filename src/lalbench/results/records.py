"""Reads the trial files of a study, checks them, and says what is missing or failed.

The columns are those of :data:`lalbench.records.COLUMNS`; this module adds the checks that one file
alone cannot answer: whole curves, no trial twice, one split for all strategies of a problem.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lalbench import grid, records
from lalbench.config import Study
from lalbench.errors import CorruptFileError, UserError
from lalbench.stored import DAMAGE

if TYPE_CHECKING:
    import pyarrow as pa

CELL = ["dataset", "setting", "classifier", "strategy"]
"""Columns that name a cell."""

TRIAL = [*CELL, "data_seed", "seed"]
"""Columns that name a trial inside a study."""

UNUSED = ("acquired", "class_recall", "selection_details")
"""Columns of ``records`` that no result is made of; they are large, so they are not kept."""

PROBLEM = ["dataset", "setting", "data_seed", "seed"]
"""Columns that name a problem inside a study: its split is the same for all strategies."""


@dataclass(frozen=True)
class Records:
    """All that the trials of a study left behind.

    Attributes:
        trials: rows of finished trials, sorted by trial and step (columns ``records`` without
            ``UNUSED``; lists stay Arrow's).
        failed: one row per failed trial (columns ``records``; ``status`` and ``message`` say why).
        coverage: one row per planned cell: planned, finished, failed, timed_out, missing, message.
        curves: training loss of learned strategies per step and epoch (columns ``curves``).
        references: fits without active learning (columns ``references``).
        timings: measured seconds (columns ``timings``).
        software: package versions that the trial files name, one mapping per distinct set.
    """

    trials: pd.DataFrame
    failed: pd.DataFrame
    coverage: pd.DataFrame
    curves: pd.DataFrame
    references: pd.DataFrame
    timings: pd.DataFrame
    software: tuple[dict[str, str], ...] = ()


def load(study: Study, results_dir: Path) -> Records:
    """Reads and checks the files of the planned trials of ``study`` below ``results_dir``.

    Files that the study does not plan (other labels, blocks of an older division) are not read.

    Raises:
        CorruptFileError: a file that cannot be read, or rows that contradict each other.
        UserError: no trial of the study is there at all.
    """
    files = _planned(study, results_dir, "trials")
    failed, trials = _read_trials(files)
    if not len(failed) + len(trials):
        raise UserError(
            str(results_dir / "trials"), "holds no trial of the study", "run the study first"
        )
    failed = failed.drop_duplicates(TRIAL, ignore_index=True)
    _check_labels(study, trials)
    _check_labels(study, failed)
    check(trials, steps=study.steps)
    return Records(
        trials=trials,
        failed=failed,
        coverage=_coverage(study, trials, failed),
        curves=_read(_planned(study, results_dir, "curves"), "curves"),
        references=_read(_reference_paths(study, results_dir), "references"),
        timings=_read(_planned(study, results_dir, "timings"), "timings"),
        software=_software(files),
    )


def read_all(*results_dirs: Path) -> tuple[pd.DataFrame, tuple[dict[str, str], ...]]:
    """The checked rows of all finished trials below study folders, whatever the studies plan.

    Also returns the distinct sets of package versions that the files name.
    """
    files = [
        path
        for folder in results_dirs
        for path in sorted((folder / "trials").glob("*/*/*/*/block-*.parquet"))
    ]
    _, trials = _read_trials(files)
    if len(trials):
        check(trials, steps=int(trials["step"].max()))
    return trials, _software(files)


def read_references(*results_dirs: Path) -> pd.DataFrame:
    """The rows of all fits without active learning below study folders."""
    files = [
        path
        for folder in results_dirs
        for path in sorted((folder / "references").glob("*/*/*/block-*.parquet"))
    ]
    return _read(files, "references")


def _check_labels(study: Study, rows: pd.DataFrame) -> None:
    """A file in the folder of another cell or block would be counted where it does not belong."""
    cells = {(c.dataset, c.setting, c.classifier, c.strategy) for c in grid.cells(study)}
    planned = {(*cell, *pair) for cell in cells for pair in grid.pairs(study)}
    for key in rows[TRIAL].drop_duplicates().itertuples(index=False, name=None):
        if key not in planned:
            name = "/".join(str(part) for part in key)
            raise CorruptFileError(
                f"trials: holds {name}, which the study does not plan; "
                "delete the file that stands in the wrong folder and run again"
            )


def check(trials: pd.DataFrame, *, steps: int) -> None:
    """Raises :class:`CorruptFileError` for rows of finished trials that contradict each other.

    Args:
        trials: rows sorted by trial and step.
        steps: every trial must have the steps 0 … ``steps``, once each.
    """
    sizes = trials.groupby(TRIAL, sort=False, observed=True).size().to_numpy()
    expected = np.tile(np.arange(steps + 1), len(sizes))
    if np.any(sizes != steps + 1) or not np.array_equal(trials["step"].to_numpy(), expected):
        first = _first(trials, trials.groupby(TRIAL)["step"].transform("size") != steps + 1)
        raise CorruptFileError(
            f"trials{first}: does not have each of the steps 0 to {steps} once; "
            "delete the file of its block and run again"
        )
    unscored = ~np.isfinite(trials["objective"].to_numpy(dtype=float))
    if unscored.any():
        raise CorruptFileError(
            f"trials{_first(trials, pd.Series(unscored))}: a finished trial without a score; "
            "delete the file of its block and the folder cache/trials, and run again"
        )
    splits = trials.groupby(PROBLEM, observed=True)["split_hash"].nunique()
    if (splits > 1).any():
        name = "/".join(str(part) for part in splits[splits > 1].index[0])
        raise CorruptFileError(
            f"trials of {name}: the strategies do not share one split, so they cannot be paired; "
            "delete these trials and run again"
        )


def _first(trials: pd.DataFrame, wrong: pd.Series) -> str:
    rows = trials[wrong.to_numpy()] if wrong.any() else trials
    return "/" + "/".join(str(part) for part in rows.iloc[0][TRIAL])


def _planned(study: Study, results_dir: Path, kind: str) -> list[Path]:
    """The files of all planned blocks that are there."""
    paths = (results_dir / cell.records(block, kind) for cell, block in grid.jobs(study))
    return [path for path in paths if path.exists()]


def _reference_paths(study: Study, results_dir: Path) -> list[Path]:
    """The files of the references stage: one per data set, setting, classifier and block."""
    places = {cell.path.parent for cell in grid.cells(study)}
    names = [f"block-{block.id}.parquet" for block in grid.blocks(study, "cheap")]
    every = (results_dir / "references" / place / name for place in places for name in names)
    return sorted(path for path in every if path.exists())


def _read(paths: Iterable[Path], kind: str) -> pd.DataFrame:
    return _frame(_table(paths, kind))


def _read_trials(paths: Iterable[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of failed trials, and those of finished ones, sorted by trial and step.

    A study may have millions of rows, so they are filtered and sorted before they become a frame.
    """
    import pyarrow.compute as pc

    table = _table(paths, "records").drop_columns(list(UNUSED))
    finished = pc.equal(table["status"], "ok")
    failed = _frame(table.filter(pc.invert(finished)))
    table = table.filter(finished)
    return failed, _frame(table.sort_by([(name, "ascending") for name in (*TRIAL, "step")]))


def _table(paths: Iterable[Path], kind: str) -> pa.Table:
    import pyarrow as pa

    empty = records.schema(kind).empty_table()
    return pa.concat_tables([empty, *(records.read_table(path, kind) for path in paths)])


def _frame(table: pa.Table) -> pd.DataFrame:
    """A frame whose lists are not Python objects."""
    import pyarrow as pa

    def kept(found: pa.DataType) -> pd.ArrowDtype | None:
        return pd.ArrowDtype(found) if pa.types.is_list(found) else None

    return table.to_pandas(types_mapper=kept, ignore_metadata=True)


def _coverage(study: Study, trials: pd.DataFrame, failed: pd.DataFrame) -> pd.DataFrame:
    """One row per planned cell, in the study's order."""
    planned = len(grid.pairs(study))
    finished = trials[trials["step"] == 0].groupby(CELL).size().to_dict()
    ends = (
        failed.assign(late=failed["status"] == "timeout").groupby([*CELL, "late"]).size().to_dict()
    )
    messages = failed.groupby(CELL)["message"].first().to_dict()
    rows = []
    for cell in grid.cells(study):
        key = (cell.dataset, cell.setting, cell.classifier, cell.strategy)
        wrong, timed_out = int(ends.get((*key, False), 0)), int(ends.get((*key, True), 0))
        done = int(finished.get(key, 0))
        counts = {"planned": planned, "finished": done, "failed": wrong, "timed_out": timed_out}
        counts["missing"] = planned - done - wrong - timed_out
        rows.append(dict(zip(CELL, key, strict=True)) | counts | {"message": messages.get(key, "")})
    return pd.DataFrame(rows)


def _software(files: Iterable[Path]) -> tuple[dict[str, str], ...]:
    """The distinct sets of package versions in the provenance of the trial files."""
    import pyarrow.parquet as pq

    found = set()
    for path in files:
        metadata = pq.read_schema(path).metadata or {}
        try:
            software = json.loads(metadata.get(b"lalbench", b"{}")).get("software")
        except DAMAGE as error:
            raise CorruptFileError(
                f"{path}: its notes cannot be read ({error}); delete it and run again"
            ) from error
        if software:
            found.add(json.dumps(software, sort_keys=True))
    return tuple(json.loads(text) for text in sorted(found))
