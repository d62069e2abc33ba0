"""Readers of tables on small files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench.data.readers import keel_binary, pickled_binary
from lalbench.errors import UserError


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"X": np.zeros((2, 1))}, "no array 'y'"),
        ({"X": np.zeros((2, 1)), "y": np.zeros((3, 1))}, "no binary data set"),
        ({"X": np.zeros((2, 1)), "y": np.array([[0], [2]])}, "no binary data set"),
        ({"X": np.zeros(2), "y": np.zeros((2, 1))}, "no binary data set"),
    ],
)
def test_pickles_with_other_content(tmp_path: Path, content: Any, problem: str) -> None:
    path = tmp_path / "set.p"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=problem):
        pickled_binary()((path,), {})


def test_keel_files(tmp_path: Path) -> None:
    path = tmp_path / "set.dat"
    path.write_text("@relation set\n\n@data\n\n1.5,-2,-1.0\n0.25,3e-1,1.0\n")
    table = keel_binary(("-1", "1"))((path,), {})
    np.testing.assert_array_equal(table.X, [[1.5, -2], [0.25, 0.3]])
    assert table.labels.tolist() == [0, 1]
    assert table.class_names == ("-1", "1")


@pytest.mark.parametrize(
    "text", ["", "@data\n", "1,2,0\n", "1\n-1\n", "1,2,1\n1,-1\n", "a,1\n", "\u00e9,1\n"]
)
def test_keel_files_with_other_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "set.dat"
    path.write_text(text)
    with pytest.raises(UserError, match="get it anew"):
        keel_binary(("-1", "1"))((path,), {})
