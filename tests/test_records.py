"""Files of trials: round trip, same bytes, and clear errors for damaged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_a_column_of_another_type_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([row("curves")], schema=records.schema("curves"))
    place = table.column_names.index("epoch")
    table = table.set_column(place, "epoch", table["epoch"].cast(pa.float64()))
    pq.write_table(table, tmp_path / "c.parquet")
    with pytest.raises(CorruptFileError, match="column epoch is no int64; delete it"):
        records.read(tmp_path / "c.parquet", "curves")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A file of 300 rows with numbers that do not repeat, and what it holds."""
    path = tmp_path_factory.mktemp("records") / "whole.parquet"
    rng = np.random.default_rng(0)
    rows = [
        row("records")
        | {"step": step, "accuracy": rng.random(), "class_counts": rng.integers(9, size=3).tolist()}
        for step in range(300)
    ]
    records.write(path, "records", rows)
    return path, records.read(path, "records")


@settings(max_examples=400, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_no_changed_byte_becomes_another_number(
    written: tuple[Path, pd.DataFrame], place: float, bits: int
) -> None:
    whole, expected = written
    content = bytearray(whole.read_bytes())
    content[int(place * len(content))] ^= bits
    damaged = whole.with_name("damaged.parquet")
    damaged.write_bytes(content)
    try:
        found = records.read(damaged, "records")
    except CorruptFileError:
        return
    pd.testing.assert_frame_equal(found, expected)


def test_a_message_of_two_lines_is_one_sentence(tmp_path: Path) -> None:
    """Arrow says "Invalid data" and a line end of a file whose footer is damaged."""
    path = tmp_path / "trial.parquet"
    records.write(path, "curves", [])
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little")
    content[-8 - footer : -8] = b"\xff" * footer
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"delete it and run again$") as caught:
        records.read(path, "curves")
    assert "\n" not in str(caught.value)
