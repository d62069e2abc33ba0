"""The idx reader against a writer of the same format, whole and damaged."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lalbench.data.readers import idx_images, pickled_binary, read_idx
from lalbench.errors import UserError


def idx(array: np.ndarray[Any, Any]) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@settings(max_examples=50, deadline=None)
@given(
    array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)),
    zipped=st.booleans(),
)
def test_an_idx_file_comes_back(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray[Any, Any], zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    found = read_idx(path)
    assert found.dtype == np.uint8
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


GOOD = idx(np.arange(24).reshape(2, 3, 4))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        GOOD[:4],
        GOOD[:15],
        GOOD[:-1],
        GOOD + b"\0",
        b"\0\0\x0d" + GOOD[3:],  # floats
        b"\1" + GOOD[1:],
        b"\0\0\x08\0",
        gzip.compress(GOOD, mtime=0)[:-3],
        gzip.compress(GOOD, mtime=0)[:12] + b"garbage" * 3,
        b"\x1f\x8b broken",
    ],
)
def test_damaged_idx_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad-idx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad-idx: .*get it anew"):
        read_idx(path)


def write_images(folder: Path, arrays: list[np.ndarray[Any, Any]]) -> tuple[Path, ...]:
    paths = tuple(folder / f"part{place}" for place in range(len(arrays)))
    for path, array in zip(paths, arrays, strict=True):
        path.write_bytes(idx(array))
    return paths


def test_train_rows_come_first_and_images_are_flattened_by_row(tmp_path: Path) -> None:
    train, test = np.arange(24).reshape(4, 2, 3), 100 + np.arange(12).reshape(2, 2, 3)
    paths = write_images(tmp_path, [train, np.array([0, 1, 1, 0]), test, np.array([1, 0])])
    table = idx_images(("a", "b"))(paths, {})
    np.testing.assert_array_equal(table.X, [*train.reshape(4, 6), *test.reshape(2, 6)])
    assert table.X.dtype == np.float64
    assert table.labels.tolist() == [0, 1, 1, 0, 1, 0]
    assert table.test_mask is not None
    assert table.test_mask.tolist() == [False] * 4 + [True] * 2
    assert table.feature_names == ("r0c0", "r0c1", "r0c2", "r1c0", "r1c1", "r1c2")


def test_images_without_their_labels(tmp_path: Path) -> None:
    images, labels = np.zeros((3, 2, 2)), np.zeros(2)
    paths = write_images(tmp_path, [images, labels, images, labels])
    with pytest.raises(UserError, match="do not fit"):
        idx_images(("a", "b"))(paths, {})


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
