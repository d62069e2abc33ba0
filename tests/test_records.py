"""Files of trials: round trip, same bytes, and clear errors for damaged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench import records
from lalbench.errors import CorruptFileError

VALUES = {
    "string": "größe",
    "int64": 2**40,
    "float64": 0.1 + 0.2,
    "list<int64>": [3, 1],
    "list<float64>": [0.5, float("nan")],
}


def row(kind: str) -> dict[str, Any]:
    """A row with a value in every column."""
    return {name: VALUES[value] for name, value in records.COLUMNS[kind].items()}


@pytest.mark.parametrize("kind", list(records.COLUMNS))
def test_round_trip_and_same_bytes(tmp_path: Path, kind: str) -> None:
    rows = [row(kind), row(kind)]
    records.write(tmp_path / "one.parquet", kind, rows, {"lalbench": "{}"})
    records.write(tmp_path / "two.parquet", kind, rows, {"lalbench": "{}"})
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    frame = records.read(tmp_path / "one.parquet", kind)
    assert list(frame.columns) == list(records.COLUMNS[kind])
    for name, value in row(kind).items():
        np.testing.assert_array_equal(frame[name].iloc[1], value)


def test_no_rows_is_a_file_too(tmp_path: Path) -> None:
    records.write(tmp_path / "none.parquet", "curves", [])
    assert records.read(tmp_path / "none.parquet", "curves").empty


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really PAR1"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"damaged\.parquet.*delete it and run again"):
        records.read(path, "records")


def test_missing_column(tmp_path: Path) -> None:
    records.write(tmp_path / "t.parquet", "timings", [row("timings")])
    with pytest.raises(CorruptFileError, match="column n_annotated is missing"):
        records.read(tmp_path / "t.parquet", "records")
