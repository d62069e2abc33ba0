"""Splice junctions: the encoding by hand, and the real file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data.splice import splice
from lalbench.errors import UserError

HEADER = ",".join(["name", *(f"a{place}" for place in range(60)), "Class"])


def write(folder: Path, *rows: str) -> Path:
    path = folder / "splice.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def row(symbols: str, label: str) -> str:
    return ",".join(["NAME-1", *symbols.ljust(60, "A"), label])


def test_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, row("ACGTDNSR", "EI"), row("T", "IE"), row("A", "N"))
    table = splice((path,), {"classes": 2})
    assert table.X.shape == (3, 240)
    third = 1 / 3
    expected = [
        *([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]),
        *([third, 0, third, third], [0.25] * 4, [0, 0.5, 0.5, 0], [0.5, 0, 0.5, 0]),
    ]
    np.testing.assert_allclose(table.X[0, :32].reshape(8, 4), expected)
    np.testing.assert_array_equal(table.X[0, 32:].reshape(-1, 4), [[1, 0, 0, 0]] * 52)
    assert table.feature_names[:5] == ("1_A", "1_C", "1_G", "1_T", "2_A")
    assert table.labels.tolist() == [1, 1, 0]
    assert splice((path,), {"classes": 3}).labels.tolist() == [0, 1, 2]


def test_the_real_file(mirror: Path) -> None:
    dataset = data.load("splice", mirrors=[str(mirror)])
    assert dataset.X.shape == (3190, 240)
    assert np.bincount(dataset.y).tolist() == [1655, 1535]
    assert dataset.class_names == ("N", "EI or IE")
    assert dataset.test_mask is None
    np.testing.assert_allclose(dataset.X.reshape(3190, 60, 4).sum(axis=2), 1)
    assert len(dataset.X) - len(np.unique(dataset.X, axis=0)) >= 184
    with (mirror / "splice" / "splice.csv").open(newline="") as handle:
        rows = list(csv.reader(handle))[1:]
    assert len(rows) - len({tuple(one[1:]) for one in rows}) == 184
    for number in (0, 1, 1000, 3189):
        whole = dataset.X[number].reshape(60, 4)
        plain = [place for place in range(60) if rows[number][1 + place] in "ACGT"]
        found = ["ACGT"[base] for base in whole[plain].argmax(axis=1)]
        assert found == [rows[number][1 + place] for place in plain]
        assert dataset.y[number] == (rows[number][-1] != "N")


def test_three_classes_of_the_real_file(mirror: Path) -> None:
    spec = DatasetSpec(name="splice", options={"classes": 3})
    dataset = data.load(spec, mirrors=[str(mirror)])
    assert dataset.class_names == ("EI", "IE", "N")
    assert np.bincount(dataset.y).tolist() == [767, 768, 1655]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "no rows"),
        ([row("X", "EI")], "line 2"),
        ([row("A", "EI"), row("A", "EN")], "line 3"),
        ([row("A", "EI") + ",A"], "line 2"),
        (["NAME,A,C,N"], "line 2"),
        ([row("é", "EI")], "cannot be read"),
    ],
)
def test_files_with_other_content(tmp_path: Path, rows: list[str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        splice((write(tmp_path, *rows),), {"classes": 2})


@pytest.mark.parametrize(
    ("options", "key"), [({"classes": 4}, "options.classes"), ({"n": 5}, "options")]
)
def test_options_that_do_not_fit(options: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError) as caught:
        data.check(DatasetSpec(name="splice", options=options))
    assert caught.value.key == key
