"""The user's own files: what works, and one clear sentence for everything that does not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.data.user_columns import LARGEST
from lalbench.errors import UserError

FORMATS = ("csv", "parquet", "npz")
GOOD = pd.DataFrame({"a": [1, 2, 3, 4], "b": [0.5, -1.5, 2.25, 1e-3], "y": [7, 3, 3, 7]})


def spec(path: Path | str, target: str = "y", **changes: Any) -> DatasetSpec:
    return DatasetSpec(name="mine", path=str(path), target=target, **changes)


def load(path: Path | str, target: str = "y", **changes: Any) -> Dataset:
    return data.load(spec(path, target, **changes))


def write(frame: pd.DataFrame, folder: Path, kind: str) -> Path:
    path = folder / f"mine.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        X = frame.drop(columns="y").to_numpy()
        y = frame["y"].to_numpy()
        np.savez(path, X=X, y=y if y.dtype.kind in "biuf" else y.astype(str))
    return path


def csv(folder: Path, text: str | bytes, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(path: Path | str, target: str = "y", **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(path, target, **changes)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.remedy
    return message


# What works


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=40, deadline=None)
@given(data_=st.data())
def test_numbers_survive_every_format(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data_: st.DataObject
) -> None:
    n, d = data_.draw(st.integers(2, 8)), data_.draw(st.integers(1, 4))
    finite = st.floats(-LARGEST, LARGEST)
    X = data_.draw(hnp.arrays(np.float64, (n, d), elements=finite))
    labels = data_.draw(
        st.lists(st.integers(-9, 9), min_size=n, max_size=n).filter(lambda y: len(set(y)) > 1)
    )
    frame = pd.DataFrame(X, columns=[f"f{column}" for column in range(d)]).assign(y=labels)
    dataset = load(write(frame, tmp_path_factory.mktemp("user"), kind))
    np.testing.assert_array_equal(dataset.X, X)
    assert [dataset.class_names[k] for k in dataset.y] == [str(label) for label in labels]
    assert [int(name) for name in dataset.class_names] == sorted(set(labels))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_three_formats_agree(tmp_path: Path, kind: str) -> None:
    dataset = load(write(GOOD, tmp_path, kind))
    np.testing.assert_array_equal(dataset.X, GOOD[["a", "b"]])
    assert dataset.y.tolist() == [1, 0, 0, 1]
    assert dataset.class_names == ("3", "7")
    assert dataset.feature_names == (("x0", "x1") if kind == "npz" else ("a", "b"))
    assert dataset.name == "mine"
    assert dataset.test_mask is None


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b", "ä"], ("a", "b", "ä")),
        ([True, False, True, True], ("False", "True")),
        ([1.0, 10.0, 9.0, 1.0], ("1", "9", "10")),
        ([-1, 1, 1, -1], ("-1", "1")),
    ],
)
def test_kinds_of_labels(tmp_path: Path, kind: str, labels: Any, names: tuple[str, ...]) -> None:
    dataset = load(write(GOOD.assign(y=labels), tmp_path, kind))
    assert dataset.class_names == names


def test_labels_may_be_in_any_alphabet(tmp_path: Path) -> None:
    frame = GOOD.assign(y=["größe ≤ 3", "東京\u3000駅", "a\u00a0b", "größe ≤ 3"])
    path = write(frame, tmp_path, "csv")
    assert load(path).class_names == ("a\u00a0b", "größe ≤ 3", "東京\u3000駅")


def test_na_and_none_can_be_classes(tmp_path: Path) -> None:
    path = csv(tmp_path, "a,y\n1,NA\n2,None\n3,nan\n4,NA\n")
    assert load(path).class_names == ("NA", "None", "nan")


def test_booleans_are_numbers(tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        path = write(GOOD.assign(a=[True, False, False, True]), tmp_path, kind)
        assert load(path).X[:, 0].tolist() == [1, 0, 0, 1]


def test_the_target_may_stand_anywhere(tmp_path: Path) -> None:
    dataset = load(csv(tmp_path, 'a,the label,b\n1,"x, y",2\n3,z,4\n'), "the label")
    assert dataset.feature_names == ("a", "b")
    assert dataset.X.tolist() == [[1, 2], [3, 4]]
    assert dataset.class_names == ("x, y", "z")


def test_a_byte_order_mark_is_no_part_of_the_name(tmp_path: Path) -> None:
    path = csv(tmp_path, "y,a\n1,2\n0,3\n".encode("utf-8-sig"))
    assert load(path).class_names == ("0", "1")


def test_the_key_format_overrides_the_ending(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD.to_csv(index=False), "mine.txt")
    assert load(path, format="csv").class_names == ("3", "7")
    upper = csv(tmp_path, GOOD.to_csv(index=False), "MINE.CSV")
    assert load(upper).class_names == ("3", "7")


def test_npz_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.eye(3, dtype=np.float32), labels=np.array([[1], [2], [1]]))
    dataset = load(tmp_path / "a.npz", "labels")
    np.testing.assert_array_equal(dataset.X, np.eye(3))
    assert dataset.y.tolist() == [0, 1, 0]


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 2, 3, 1), (4, 2, 3, 3)])
def test_npz_of_images(tmp_path: Path, shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", X=X, y=["b", "a", "b", "a"])
    dataset = load(tmp_path / "a.npz")
    assert dataset.is_images
    np.testing.assert_array_equal(dataset.X, X.reshape(4, 2, 3, -1))
    assert dataset.y.tolist() == [1, 0, 1, 0]


def test_npz_of_bytes_in_two_dimensions_is_a_table(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.arange(8, dtype=np.uint8).reshape(4, 2), y=[0, 1, 0, 1])
    dataset = load(tmp_path / "a.npz")
    assert not dataset.is_images
    assert dataset.X.tolist() == np.arange(8.0).reshape(4, 2).tolist()


def test_relabel_of_a_file(tmp_path: Path) -> None:
    path = write(GOOD.assign(y=["b", "a", "c", "a"]), tmp_path, "csv")
    dataset = load(path, relabel=[["c"], ["a"]])
    assert dataset.y.tolist() == [1, 0, 1]
    assert dataset.X[:, 0].tolist() == [2, 3, 4]
    assert '"d" is no label' in complaint(path, relabel=[["a"], ["d"]])


# What does not


@pytest.mark.parametrize("kind", FORMATS)
def test_a_missing_target_gets_a_hint(tmp_path: Path, kind: str) -> None:
    path = write(GOOD, tmp_path, kind)
    for call in (load, lambda *args: data.check(spec(*args))):
        with pytest.raises(UserError, match='did you mean "y"') as caught:
            call(path, "yy")
        assert caught.value.key == "target"
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.nan, "1 value missing (NaN)"),
        (np.inf, "inf"),
        (-np.inf, "-inf"),
        (-1e308, "-1e+308 in data row 3 is too large to be squared; rescale the column"),
    ],
)
def test_missing_and_infinite_features(tmp_path: Path, kind: str, value: float, says: str) -> None:
    path = write(GOOD.assign(b=[0.5, 1.0, value, 2.0]), tmp_path, kind)
    message = complaint(path)
    assert says in message
    assert "data row 3" in message
    assert ("column 1" if kind == "npz" else 'column "b"') in message


@pytest.mark.parametrize("kind", FORMATS)
def test_text_features(tmp_path: Path, kind: str) -> None:
    message = complaint(write(GOOD.assign(b=["red", "blue", "red", "red"]), tmp_path, kind))
    if kind == "npz":  # numpy itself turns a mixed frame into objects
        assert "array X: is an object array" in message
        np.savez(tmp_path / "t.npz", X=np.array([["1", "2"]] * 4), y=GOOD["y"])
        assert "column 0: holds numbers as <U1" in complaint(tmp_path / "t.npz")
        np.savez(tmp_path / "t.npz", X=np.array([["red", "2"]] * 4), y=GOOD["y"])
        message = complaint(tmp_path / "t.npz")
    assert "'red' in data row 1 is no number; encode text first" in message
    assert 'column "b"' in message or "column 0" in message


@pytest.mark.parametrize("kind", FORMATS)
def test_one_class(tmp_path: Path, kind: str) -> None:
    path = write(GOOD.assign(y=5), tmp_path, kind)
    assert 'one class only ("5")' in complaint(path)
    assert str(path) in complaint(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_labels_that_are_a_quantity(tmp_path: Path, kind: str) -> None:
    message = complaint(write(GOOD.assign(y=[1.0, 2.0, 2.5, 1.0]), tmp_path, kind))
    assert "2.5 in data row 3 is no class label" in message
    assert "make classes of it" in message


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_missing_labels(tmp_path: Path, kind: str) -> None:
    for labels in ([1.0, None, 2.0, None], ["a", None, "b", None]):
        message = complaint(write(GOOD.assign(y=labels), tmp_path, kind))
        assert "2 values missing" in message
        assert "data row 2" in message


@pytest.mark.parametrize("kind", FORMATS)
def test_integers_that_a_float_cannot_hold(tmp_path: Path, kind: str) -> None:
    frame = GOOD[["a", "y"]].assign(a=[1, 2, 3, 2**53 + 1])
    assert f"{2**53 + 1} is too large" in complaint(write(frame, tmp_path, kind))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,y\n", "has no rows"),
        ("a,a,y\n1,2,0\n3,4,1\n", 'column "a" stands twice'),
        (",a,y\n0,1,0\n1,2,1\n", "column 1: has no name"),
        ("a,y,\n0,1,0\n1,2,1\n", "column 3: has no name"),
        ("y\n0\n1\n", 'no column besides "y"'),
        ("a;y\n1;0\n2;1\n", "separate the columns with commas"),
        ("a\ty\n1\t0\n", "separate the columns with commas"),
        ("a,y\n1,0,5\n2,1,5\n", "more fields than its header"),
        ("a,y\n1,0\n2,1,5\n", "cannot be read as CSV"),
        ("a,b,y\n1,2,0\n1\n", 'column "b": 1 value missing'),
        ("a,y\n1,0\nx,1\n", "'x' in data row 2 is no number"),
        ("a,y\nNA,0\n,1\n", "2 values missing"),
        ("a,y\n1,\n2,0\n", "1 value missing"),
        ('a,y\n"1,0\n', "cannot be read as CSV"),
        (b"a,y\n\xff,0\n", "cannot be read as CSV"),
        (b"\x00\x01\x02", "mine.csv"),
    ],
)
def test_csv_files_that_cannot_be_used(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = csv(tmp_path, text)
    message = complaint(path)
    assert says in message
    assert str(path) in message


def test_parquet_files_that_cannot_be_used(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    twice = pa.table([[1, 2], [3, 4], [0, 1]], names=["a", "a", "y"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    assert 'column "a" stands twice' in complaint(tmp_path / "twice.parquet")

    GOOD.assign(a=[1, 2, 4, 8]).set_index("a").to_parquet(tmp_path / "index.parquet")
    assert 'column "a": is the row index' in complaint(tmp_path / "index.parquet")
    GOOD.iloc[[0, 1, 3]].to_parquet(tmp_path / "filtered.parquet")
    assert "is the row index" in complaint(tmp_path / "filtered.parquet")

    GOOD.assign(a=pd.to_datetime("2020-01-01")).to_parquet(tmp_path / "date.parquet")
    assert "is no number" in complaint(tmp_path / "date.parquet")

    GOOD.assign(a=pd.array([1, None, 3, 4], dtype="Int64")).to_parquet(tmp_path / "null.parquet")
    assert "1 value missing" in complaint(tmp_path / "null.parquet")

    GOOD.assign(y=[[1], [2], [1], [2]]).to_parquet(tmp_path / "lists.parquet")
    assert 'column "y": holds list' in complaint(tmp_path / "lists.parquet")

    GOOD.iloc[:0].to_parquet(tmp_path / "empty.parquet")
    assert "has no rows" in complaint(tmp_path / "empty.parquet")

    csv(tmp_path, GOOD.to_csv(), "wrong.parquet")
    assert "cannot be read as Parquet" in complaint(tmp_path / "wrong.parquet")


def test_a_saved_range_index_is_no_feature(tmp_path: Path) -> None:
    GOOD.to_parquet(tmp_path / "range.parquet")  # with pandas' own default index
    assert load(tmp_path / "range.parquet").feature_names == ("a", "b")


def test_categories_of_parquet_are_labels_but_no_features(tmp_path: Path) -> None:
    category = pd.Categorical(["b", "a", "b", "a"])
    GOOD.assign(y=category).to_parquet(tmp_path / "y.parquet")
    assert load(tmp_path / "y.parquet").y.tolist() == [1, 0, 1, 0]
    GOOD.assign(a=category).to_parquet(tmp_path / "x.parquet")
    assert "'b' in data row 1 is no number; encode" in complaint(tmp_path / "x.parquet")


X4, Y4 = np.zeros((4, 2)), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"X": X4}, 'holds no "y"'),
        ({"y": Y4}, "neither X nor x"),
        ({"X": X4, "x": X4, "y": Y4}, "X and x"),
        ({"X": X4, "y": Y4[:3]}, "does not fit"),
        ({"X": X4, "y": np.zeros((4, 2))}, "does not fit"),
        ({"X": X4[:, :0], "y": Y4}, "does not fit"),
        ({"X": X4[:0], "y": Y4[:0]}, "does not fit"),
        ({"X": np.zeros((4, 2, 2)), "y": Y4}, "reshape it"),
        ({"X": np.zeros((4, 2, 2, 1)), "y": Y4}, "type uint8"),
        ({"X": np.zeros((4, 2, 2, 2), dtype=np.uint8), "y": Y4}, "1 or 3) and type uint8"),
        ({"X": np.zeros((4, 2, 0), dtype=np.uint8), "y": Y4}, "does not fit"),
        ({"X": np.zeros((3, 2, 2), dtype=np.uint8), "y": Y4}, "does not fit"),
        ({"X": np.zeros(4), "y": Y4}, "reshape it"),
        ({"X": X4.astype(object), "y": Y4}, "array X: is an object array"),
        ({"X": X4, "y": Y4.astype(object)}, "array y: is an object array"),
        ({"X": X4.astype(complex), "y": Y4}, "complex128 is no number"),
        ({"X": X4, "y": Y4.astype(complex)}, "complex128 is no label"),
        ({"X": X4.astype("M8[D]"), "y": Y4}, "is no number"),
        ({"X": X4, "y": np.array([b"\xff", b"a"] * 2)}, "no UTF-8"),
        ({"X": X4, "y": np.array([0, 1, np.nan, 1])}, "data row 3"),
        ({"X": X4, "y": np.array([0, 1, np.inf, 1])}, "inf in data row 3"),
    ],
)
def test_npz_files_that_cannot_be_used(
    tmp_path: Path, arrays: dict[str, np.ndarray[Any, Any]], says: str
) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    assert says in complaint(tmp_path / "mine.npz")


def test_an_object_array_is_not_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Command:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    np.savez(tmp_path / "bad.npz", X=np.array([[Command()]] * 4, dtype=object), y=Y4)
    assert "object array" in complaint(tmp_path / "bad.npz")
    assert not marker.exists()


def test_damaged_npz_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=np.random.default_rng(0).normal(size=(4, 2)), y=Y4)
    content = buffer.getvalue()
    broken = content[:60] + b"\0\0\0\0" + content[64:]
    for bad in (b"", b"text", content[:-30], broken):
        assert "cannot be read as NPZ" in complaint(csv(tmp_path, bad, "bad.npz"))
    np.save(tmp_path / "plain.npy", X4)
    (tmp_path / "plain.npy").rename(tmp_path / "plain.npz")
    assert "cannot be read as NPZ" in complaint(tmp_path / "plain.npz")


# Paths, formats, options; what is found before anything is read


def test_wrong_paths(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        for call in (data.load, data.check):
            with pytest.raises(UserError, match="no such file") as caught:
                call(spec(path))
            assert caught.value.key == "path"
    text = csv(tmp_path, "a,y\n", "mine.xlsx")
    with pytest.raises(UserError, match=r'ends in ".xlsx"; use a .csv, .parquet or .npz'):
        data.check(spec(text))


@pytest.mark.parametrize("kind", FORMATS)
def test_check_accepts_what_loads(tmp_path: Path, kind: str) -> None:
    data.check(spec(write(GOOD, tmp_path, kind), relabel=[[3], [7]]))


def test_check_finds_unusable_specs(tmp_path: Path) -> None:
    path = write(GOOD, tmp_path, "csv")
    with pytest.raises(UserError, match='a file has no option "n"'):
        data.check(spec(path, options={"n": 3}))
    with pytest.raises(UserError, match="stands twice"):
        data.check(spec(path, relabel=[[3], [3]]))
    with pytest.raises(UserError, match='did you mean "mushrooms"'):
        data.check("mushroom")
    with pytest.raises(UserError, match="options"):
        data.check(DatasetSpec(name="waveform_generator", options={"m": 3}))
    data.check("mnist")  # nothing is fetched
