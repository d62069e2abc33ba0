"""The reader of pickled tables on files with other content."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench.data.readers import pickled_binary
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
