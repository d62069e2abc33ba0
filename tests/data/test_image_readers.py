"""Readers of image files against writers of the same formats, whole and damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import savemat
from sklearn.datasets import load_digits

from lalbench import data
from lalbench.data.image_readers import idx_images, npz_images, read_idx, svhn
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


def test_train_images_come_first(tmp_path: Path) -> None:
    train, test = np.arange(24).reshape(4, 2, 3), 100 + np.arange(12).reshape(2, 2, 3)
    paths = write_images(tmp_path, [train, np.array([0, 1, 1, 0]), test, np.array([1, 0])])
    table = idx_images(("a", "b"))(paths, {})
    assert table.X.shape == (6, 2, 3, 1)
    assert table.X.dtype == np.uint8
    np.testing.assert_array_equal(table.X[..., 0], np.concatenate([train, test]))
    assert table.labels.tolist() == [0, 1, 1, 0, 1, 0]
    assert table.test_mask is not None
    assert table.test_mask.tolist() == [False] * 4 + [True] * 2


def test_images_without_their_labels(tmp_path: Path) -> None:
    images, labels = np.zeros((3, 2, 2)), np.zeros(2)
    paths = write_images(tmp_path, [images, labels, images, labels])
    with pytest.raises(UserError, match="do not fit"):
        idx_images(("a", "b"))(paths, {})


def write_npz(folder: Path, train: dict[str, Any], labels: Any) -> tuple[Path, ...]:
    images = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
    content = [train, {"arr_0": labels}, {"arr_0": images}, {"arr_0": np.array([1, 0, 1])}]
    paths = tuple(folder / f"{place}.npz" for place in range(4))
    for path, arrays in zip(paths, content, strict=True):
        np.savez(path, **arrays)
    return paths


FIRST = np.arange(2 * 2 * 4, dtype=np.uint8).reshape(2, 2, 4)


@pytest.mark.parametrize("train", [{"arr_0": FIRST}, {"images": FIRST, "labels": np.array([1, 0])}])
def test_the_first_images_of_a_longer_list_of_labels(tmp_path: Path, train: Any) -> None:
    table = npz_images(("a", "b"))(write_npz(tmp_path, train, np.array([1, 0, 0, 1])), {})
    assert table.X.shape == (5, 2, 4, 1)
    np.testing.assert_array_equal(table.X[:2, :, :, 0], FIRST)
    assert table.labels.tolist() == [1, 0, 1, 0, 1]
    assert table.test_mask is not None
    assert table.test_mask.tolist() == [False] * 2 + [True] * 3


@pytest.mark.parametrize(
    ("train", "problem"),
    [
        ({"images": FIRST, "labels": np.array([1, 1])}, "not those of 1.npz"),
        ({"images": FIRST.astype(float)}, "do not fit"),
        ({"images": FIRST[0]}, "do not fit"),
        ({"images": np.concatenate([FIRST] * 3)}, "do not fit"),
        ({"other": FIRST}, "arr_0"),
        ({"images": np.array([{}])}, "cannot be read"),
    ],
)
def test_npz_files_with_other_content(tmp_path: Path, train: Any, problem: str) -> None:
    paths = write_npz(tmp_path, train, np.array([1, 0, 0, 1]))
    with pytest.raises(UserError, match=problem):
        npz_images(("a", "b"))(paths, {})


def write_mat(path: Path, images: Any, labels: Any) -> Path:
    savemat(path, {"X": images, "y": labels}, do_compression=True)
    return path


def test_svhn_is_read_as_images_with_ten_for_zero(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(12, 32, 32, 3), dtype=np.uint8)
    labels = np.array([10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1], dtype=np.uint8)
    paths = tuple(
        write_mat(tmp_path / f"{name}_32x32.mat", images[part].transpose(1, 2, 3, 0), y[:, None])
        for name, part, y in (
            ("train", slice(0, 8), labels[:8]),
            ("test", slice(8, 12), labels[8:]),
        )
    )
    table = svhn(paths, {})
    np.testing.assert_array_equal(table.X, images)
    assert table.X.dtype == np.uint8
    assert table.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert table.test_mask is not None
    assert table.test_mask.tolist() == [False] * 8 + [True] * 4


GOOD_X, GOOD_Y = np.zeros((32, 32, 3, 2), dtype=np.uint8), np.array([[1], [10]])


@pytest.mark.parametrize(
    ("images", "labels", "problem"),
    [
        (GOOD_X[..., :1], GOOD_Y, "do not fit"),
        (GOOD_X.astype(float), GOOD_Y, "do not fit"),
        (GOOD_X[:31], GOOD_Y, "do not fit"),
        (GOOD_X, np.array([[1], [0]]), "labels are 1 … 10"),
        (GOOD_X, np.array([[1], [11]]), "labels are 1 … 10"),
    ],
)
def test_mat_files_with_other_content(
    tmp_path: Path, images: Any, labels: Any, problem: str
) -> None:
    good = write_mat(tmp_path / "good.mat", GOOD_X, GOOD_Y)
    bad = write_mat(tmp_path / "bad.mat", images, labels)
    with pytest.raises(UserError, match=rf"bad\.mat: .*{problem}"):
        svhn((good, bad), {})


def test_damaged_mat_files(tmp_path: Path) -> None:
    good = write_mat(tmp_path / "good.mat", GOOD_X, GOOD_Y)
    content = good.read_bytes()
    for bad in (b"", b"text", content[:140], content[: len(content) // 2]):
        (tmp_path / "bad.mat").write_bytes(bad)
        with pytest.raises(UserError, match=r"bad\.mat: cannot be read as a MATLAB file"):
            svhn((good, tmp_path / "bad.mat"), {})


def test_digits_are_the_images_of_scikit_learn() -> None:
    digits, bunch = data.load("digits"), load_digits()
    assert digits.X.shape == (1797, 8, 8, 1)
    assert digits.features(slice(None)).tobytes() == bunch.data.tobytes()
    np.testing.assert_array_equal(digits.y, bunch.target)
