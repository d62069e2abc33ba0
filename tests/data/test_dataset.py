"""Datasets on disk: exact, deterministic, and never half right."""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lalbench.data.dataset import Dataset
from lalbench.errors import CorruptFileError


def make(X: Any, y: Any = None, **changes: Any) -> Dataset:
    X = np.asarray(X, dtype=np.float64)
    fields: dict[str, Any] = {
        "name": "toy",
        "X": X,
        "y": np.arange(len(X)) % 2 if y is None else y,
        "class_names": ("no", "yes"),
        "feature_names": tuple(f"f{column}" for column in range(X.shape[1])),
    }
    return Dataset(**{**fields, **changes})


FINITE = st.floats(allow_nan=False, allow_infinity=False)
BYTES = st.integers(0, 255).map(float)
SIGNED_ZERO = st.sampled_from([0.0, -0.0, 255.0, 256.0, -1.0])


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_saved_and_loaded_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    elements = data.draw(st.sampled_from([FINITE, BYTES, SIGNED_ZERO]))
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=5))
    X = data.draw(hnp.arrays(np.float64, shape, elements=elements))
    mask = data.draw(st.none() | hnp.arrays(np.bool_, shape[0]))
    names = data.draw(
        st.lists(st.text("aé中\n'", min_size=1), min_size=shape[1], max_size=shape[1])
    )
    saved = make(X, feature_names=tuple(names), test_mask=mask)
    folder = tmp_path_factory.mktemp("dataset")
    saved.save(folder / "one.npz")
    saved.save(folder / "two.npz")

    loaded = Dataset.load(folder / "one.npz")

    assert loaded.X.tobytes() == saved.X.tobytes()
    assert loaded.X.dtype == np.float64
    np.testing.assert_array_equal(loaded.y, saved.y)
    assert (loaded.test_mask is None) == (mask is None)
    if mask is not None:
        np.testing.assert_array_equal(loaded.test_mask, mask)
    assert (loaded.name, loaded.class_names) == (saved.name, saved.class_names)
    assert loaded.feature_names == saved.feature_names
    assert loaded.source_hash == saved.source_hash
    assert (folder / "one.npz").read_bytes() == (folder / "two.npz").read_bytes()


def test_the_hash_sees_every_part() -> None:
    X, mask = np.arange(8.0).reshape(4, 2), np.array([0, 0, 1, 1], dtype=bool)
    other_X = X.copy()
    other_X[3, 1] = np.nextafter(7.0, 8.0)
    variants = [
        make(X),
        make(other_X),
        make(-X),
        make(X.reshape(4, 2)[::-1].copy()),
        make(X, np.array([0, 0, 1, 1])),
        make(X, test_mask=mask),
        make(X, test_mask=~mask),
    ]
    assert len({variant.source_hash for variant in variants}) == len(variants)
    assert make(X).source_hash == make(np.asfortranarray(X), name="other").source_hash


def test_arrays_are_read_only_but_the_caller_keeps_theirs() -> None:
    X = np.zeros((2, 1))
    dataset = make(X)
    with pytest.raises(ValueError, match="read-only"):
        dataset.X[0, 0] = 1.0
    X[0, 0] = 1.0
    assert dataset.n_classes == 2


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"X": np.zeros((2, 1), dtype=np.float32)}, "float64"),
        ({"X": np.zeros(2)}, "X must be"),
        ({"X": np.zeros((3, 1))}, "X must be"),
        ({"X": np.array([[0.0], [np.nan]])}, "finite"),
        ({"X": np.array([[0.0], [np.inf]])}, "finite"),
        ({"y": np.array([0.0, 1.0])}, "int64"),
        ({"y": np.array([0, 2])}, "0 … 1"),
        ({"y": np.array([-1, 1])}, "0 … 1"),
        ({"y": np.zeros(0, dtype=np.int64), "X": np.zeros((0, 1))}, r"y must be \(n,\)"),
        ({"X": np.zeros((2, 3, 3, 1))}, "uint8"),
        ({"X": np.zeros((2, 3, 3), dtype=np.uint8)}, "X must be"),
        ({"X": np.zeros((2, 3, 3, 2), dtype=np.uint8)}, "1 or 3"),
        ({"X": np.zeros((3, 3, 3, 1), dtype=np.uint8)}, "X must be"),
        ({"X": np.zeros((2, 0, 3, 1), dtype=np.uint8)}, "X must be"),
        ({"feature_names": ("a", "b")}, "2 names for 1 features"),
        ({"test_mask": np.array([True])}, "test_mask"),
        ({"test_mask": np.array([0, 1])}, "test_mask"),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        dataclasses.replace(make(np.zeros((2, 1))), **changes)


def test_a_damaged_file_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "toy.npz"
    make(np.random.default_rng(0).normal(size=(20, 3))).save(path)
    content = path.read_bytes()
    for length in [0, 1, 10, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"toy\.npz.*delete it"):
            Dataset.load(path)
    with pytest.raises(CorruptFileError, match=r"none\.npz"):
        Dataset.load(tmp_path / "none.npz")


@pytest.mark.parametrize("change", ["X", "y", "source_hash"])
def test_a_changed_file_does_not_fit_its_hash(tmp_path: Path, change: str) -> None:
    path = tmp_path / "toy.npz"
    make(np.arange(8.0).reshape(4, 2) / 3).save(path)
    with np.load(path) as content:
        arrays = dict(content)
    altered = {"X": arrays["X"] + 1e-12, "y": arrays["y"][::-1], "source_hash": np.array("0" * 64)}
    np.savez(path, **{**arrays, change: altered[change]})
    with pytest.raises(CorruptFileError, match="hash"):
        Dataset.load(path)


@pytest.mark.parametrize("missing", ["X", "y", "name", "class_names", "source_hash"])
def test_an_npz_that_is_no_data_set(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "toy.npz"
    make(np.zeros((2, 1))).save(path)
    with np.load(path) as content:
        arrays = {name: content[name] for name in content.files if name != missing}
    np.savez(path, **arrays)
    with pytest.raises(CorruptFileError, match="no data set"):
        Dataset.load(path)


def test_nothing_is_left_behind_when_saving_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space"):
        make(np.zeros((2, 1))).save(tmp_path / "toy.npz")
    assert list(tmp_path.iterdir()) == []


# Images


def make_images(n: int = 6, shape: tuple[int, ...] = (3, 4, 3), seed: int = 0) -> Dataset:
    pixels = np.random.default_rng(seed).integers(0, 256, size=(n, *shape), dtype=np.uint8)
    return Dataset(name="toy", X=pixels, y=np.arange(n) % 2, class_names=("no", "yes"))


def is_mapped(array: np.ndarray[Any, Any]) -> bool:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3])),
    masked=st.booleans(),
)
def test_images_are_saved_and_mapped_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, shape: Any, masked: bool
) -> None:
    n = data.draw(st.integers(1, 6))
    X = data.draw(hnp.arrays(np.uint8, (n, *shape)))
    mask = np.arange(n) % 2 == 1 if masked else None
    saved = Dataset(name="toy", X=X, y=np.arange(n) % 2, class_names=("a", "b"), test_mask=mask)
    folder = tmp_path_factory.mktemp("images")
    saved.save(folder / "one.npz")
    saved.save(folder / "two.npz")

    loaded = Dataset.load(folder / "one.npz")

    assert loaded.is_images
    assert loaded.X.dtype == np.uint8
    np.testing.assert_array_equal(loaded.X, X)
    np.testing.assert_array_equal(loaded.y, saved.y)
    assert (loaded.test_mask is None) == (mask is None)
    assert loaded.source_hash == saved.source_hash
    assert is_mapped(loaded.X)
    assert not is_mapped(saved.X)
    with pytest.raises(ValueError, match="read-only"):
        loaded.X[0] = 0
    assert (folder / "one.npz").read_bytes() == (folder / "two.npz").read_bytes()


def test_features_of_images_are_flattened_by_row_with_channels_last() -> None:
    dataset = make_images(shape=(2, 3, 3))
    rows = np.array([4, 0, 4])
    naive = [
        [
            float(dataset.X[row, height, width, channel])
            for height in range(2)
            for width in range(3)
            for channel in range(3)
        ]
        for row in rows
    ]
    found = dataset.features(rows)
    assert found.dtype == np.float64
    assert found.tolist() == naive
    assert dataset.n_features == 18
    assert dataset.feature_names == tuple(f"x{column}" for column in range(18))


def test_features_of_a_table_are_its_rows() -> None:
    dataset = make(np.arange(6.0).reshape(3, 2) / 7)
    assert not dataset.is_images
    np.testing.assert_array_equal(dataset.features(np.array([2, 0])), dataset.X[[2, 0]])
    copy = dataset.features(slice(None))
    copy[:] = 0
    assert dataset.X.any()


def test_an_image_is_not_the_table_of_its_pixels() -> None:
    images = make_images()
    table = make(images.features(slice(None)), images.y)
    assert images.source_hash != table.source_hash


def test_names_of_pixels_are_not_stored(tmp_path: Path) -> None:
    make_images().save(tmp_path / "toy.npz")
    with np.load(tmp_path / "toy.npz") as content:
        assert "feature_names" not in content.files
    assert Dataset.load(tmp_path / "toy.npz").feature_names[-1] == "x35"


def test_damaged_images_are_noticed_at_every_length_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "toy.npz"
    make_images(n=40).save(path)
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"toy\.npz.*delete it and run again"):
            Dataset.load(path)
    place = content.index(make_images(n=40).X.tobytes())
    for at in (place, place + 700, place - 1, place - 40, 0):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :])
        with pytest.raises(CorruptFileError, match=r"toy\.npz.*delete it and run again"):
            Dataset.load(path)


def test_a_data_seed_takes_one_draw(tmp_path: Path) -> None:
    X = np.arange(12.0).reshape(6, 2)
    draw, mask = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 0, 0, 1], dtype=bool)
    stack = make(X, test_mask=mask, draw=draw)
    stack.save(tmp_path / "stack.npz")
    for each in (stack, Dataset.load(tmp_path / "stack.npz")):
        for data_seed, rows in ((0, [0, 1]), (4, [2, 3, 4]), (5, [5]), (300, [0, 1])):
            one = each.drawn(data_seed)
            assert one.draw is None
            np.testing.assert_array_equal(one.X, X[rows])
            np.testing.assert_array_equal(one.y, stack.y[rows])
            np.testing.assert_array_equal(one.test_mask, mask[rows])
    assert stack.source_hash != make(X, test_mask=mask).source_hash
    whole = make(X)
    assert whole.drawn(7) is whole


@pytest.mark.parametrize("draw", [[0, 0, 2], [1, 1, 2], [0, 1, 0], [0, 1]])
def test_draws_are_numbered_without_gaps(draw: list[int]) -> None:
    with pytest.raises(ValueError, match="draw must be"):
        make(np.zeros((3, 1)), draw=np.array(draw))
