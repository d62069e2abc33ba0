"""Reading trial files: what is missing, what failed, what contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lalbench import grid, records
from lalbench.config import Study
from lalbench.errors import CorruptFileError, UserError
from lalbench.results.records import check, load, read_all

Write = Callable[..., Path]
NewStudy = Callable[..., Study]


@pytest.fixture
def small(tmp_path: Path, new_study: NewStudy) -> Study:
    return new_study(
        tmp_path, datasets=["waveform"], settings=["balanced"], strategies=["random", "entropy"]
    )


def test_a_complete_study_is_read_whole(invented: tuple[Study, Path]) -> None:
    study, folder = invented
    found = load(study, folder)
    assert len(found.trials) == 3 * 2 * 2 * 7 * 9 * 11
    assert found.failed.empty
    assert (found.coverage["finished"] == 9).all()
    assert found.coverage[["failed", "timed_out", "missing"]].to_numpy().sum() == 0
    assert set(found.curves["strategy"]) == {"neural_process"}
    assert found.software == ({"numpy": "2.4.0", "scipy": "1.17.0"},)


def test_failed_timed_out_and_missing_trials_are_counted(incomplete: tuple[Study, Path]) -> None:
    study, folder = incomplete
    table = load(study, folder).coverage.set_index(["dataset", "setting", "classifier", "strategy"])
    failed = table.loc[("adult", "imbalanced", "svm", "entropy")]
    assert (failed["finished"], failed["failed"]) == (0, 9)
    assert failed["message"] == "LinAlgError: Singular matrix"
    missing = table.loc[("waveform", "balanced", "svm", "entropy")]
    assert (missing["finished"], missing["missing"]) == (8, 1)
    late = table.loc[("mushrooms", "imbalanced", "svm", "neural_process")]
    assert (late["finished"], late["timed_out"], late["failed"]) == (8, 1, 0)
    never = table.loc[("waveform", "balanced", "svm", "k_center_greedy")]
    assert (never["finished"], never["missing"]) == (0, 9)
    parts = ["finished", "failed", "timed_out", "missing"]
    assert (table[parts].sum(axis=1) == table["planned"]).all()


def test_files_of_an_older_division_into_blocks_are_not_read(small: Study, write: Write) -> None:
    folder = write(small)
    cell, block = next(grid.jobs(small))
    old = (small.folder / cell.records(block)).with_name("block-007.parquet")
    old.write_bytes((small.folder / cell.records(block)).read_bytes())
    assert len(load(small, folder).trials) == 2 * 2 * 9 * 11


def test_no_trials_is_a_sentence(small: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no trial of the study; run the study first"):
        load(small, tmp_path / "nothing")


def test_a_damaged_file_is_named(small: Study, write: Write) -> None:
    folder = write(small)
    cell, block = next(grid.jobs(small))
    path = small.folder / cell.records(block)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CorruptFileError, match=rf"{path}.*delete it"):
        load(small, folder)


def test_a_file_in_the_wrong_folder_is_refused(
    small: Study, write: Write, new_study: NewStudy, tmp_path: Path
) -> None:
    folder = write(small)
    other = new_study(tmp_path / "other", datasets=["adult"], strategies=["random"])
    write(other)
    source = next(iter(sorted((other.folder / "trials").rglob("*.parquet"))))
    cell, block = next(grid.jobs(small))
    (small.folder / cell.records(block)).write_bytes(source.read_bytes())
    with pytest.raises(CorruptFileError, match="which the study does not plan"):
        load(small, folder)


def rows(folder: Path) -> pd.DataFrame:
    found, _ = read_all(folder)
    return found


def test_contradictions_are_refused(small: Study, write: Write) -> None:
    whole = rows(write(small))
    check(whole, steps=10)
    with pytest.raises(CorruptFileError, match="steps 0 to 10 once"):
        check(whole.drop(index=5), steps=10)
    with pytest.raises(CorruptFileError, match="steps 0 to 20 once"):
        check(whole, steps=20)
    unscored = whole.copy()
    unscored.loc[3, "objective"] = np.nan
    with pytest.raises(CorruptFileError, match="without a score"):
        check(unscored, steps=10)
    moved = whole.copy()
    moved.loc[:10, "split_hash"] = "another"
    with pytest.raises(CorruptFileError, match="do not share one split"):
        check(moved, steps=10)


def test_the_schema_of_reference_lines_is_written_and_read(tmp_path: Path) -> None:
    keys = dict.fromkeys(records.KEYS[:6], "x") | {"data_seed": 1, "seed": 2}
    row = keys | {"n_labels": 200, "shared_rows": 0, "warnings": "", "split_hash": "h"}
    row |= dict.fromkeys(records.METRICS, 0.5)
    records.write(tmp_path / "f.parquet", "references", [row])
    assert records.read(tmp_path / "f.parquet", "references").to_dict("records") == [row]
