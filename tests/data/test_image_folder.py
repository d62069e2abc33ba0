"""Folders of images: what works, and one clear sentence for everything that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.errors import UserError


def pixels(seed: int, shape: tuple[int, ...] = (4, 5)) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)


def write(folder: Path, *names: str, shape: tuple[int, ...] = (4, 5)) -> list[np.ndarray[Any, Any]]:
    """Random images, which come back from PNG as they were."""
    arrays = [pixels(seed, shape) for seed, _ in enumerate(names)]
    for name, array in zip(names, arrays, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / name)
    return arrays


def spec(folder: Path, **options: Any) -> DatasetSpec:
    return DatasetSpec(name="mine", path=str(folder), format="images", options=options)


def load(folder: Path, **options: Any) -> Dataset:
    return data.load(spec(folder, **options))


def complaint(folder: Path, early: bool = True, **options: Any) -> str:
    """What loading says; ``early``: and the check before anything is read too."""
    with pytest.raises(UserError) as caught:
        load(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.remedy
    if early:
        with pytest.raises(UserError) as again:
            data.check(spec(folder, **options))
        assert str(again.value) == message
    else:
        data.check(spec(folder, **options))
    return message


# What works


@pytest.mark.parametrize("channels", [1, 3])
def test_classes_by_folder_in_the_order_of_paths(tmp_path: Path, channels: int) -> None:
    shape = (4, 5) if channels == 1 else (4, 5, 3)
    arrays = write(tmp_path, "b/2.png", "a/deeper/1.PNG", "a/3.png", "b/1.png", shape=shape)
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / ".trash").mkdir()
    (tmp_path / "b" / "._1.png").write_text("no image")
    dataset = load(tmp_path)
    assert dataset.X.shape == (4, 4, 5, channels)
    expected = np.stack([arrays[2], arrays[1], arrays[3], arrays[0]])
    np.testing.assert_array_equal(dataset.X, expected.reshape(4, 4, 5, channels))
    assert dataset.y.tolist() == [0, 0, 1, 1]
    assert dataset.class_names == ("a", "b")
    assert dataset.test_mask is None


def test_classes_by_prefix(tmp_path: Path) -> None:
    write(tmp_path, "crazing_1.png", "rolled-in_scale_2.png", "crazing_10.png")
    dataset = load(tmp_path)
    assert dataset.class_names == ("crazing", "rolled-in_scale")
    assert dataset.y.tolist() == [0, 0, 1]


def test_prefixes_below_folders_when_told_so(tmp_path: Path) -> None:
    write(tmp_path, "images/a_1.png", "images/b_1.png")
    assert load(tmp_path, classes="prefix").class_names == ("a", "b")
    assert 'one class only ("images")' in complaint(tmp_path)


@pytest.mark.parametrize("kind", ["folder", "prefix"])
def test_train_and_test_are_partitions(tmp_path: Path, kind: str) -> None:
    names = ["test/a_1.png", "train/b_1.png", "train/a_1.png", "test/b_1.png", "train/b_2.png"]
    if kind == "folder":
        names = [name.replace("_", "/") for name in names]
    arrays = write(tmp_path, *names)
    dataset = load(tmp_path)
    order = [2, 1, 4, 0, 3]
    np.testing.assert_array_equal(dataset.X[..., 0], np.stack([arrays[at] for at in order]))
    assert dataset.y.tolist() == [0, 1, 1, 0, 1]
    assert dataset.test_mask is not None
    assert dataset.test_mask.tolist() == [False] * 3 + [True] * 2


def test_one_size_by_resizing(tmp_path: Path) -> None:
    constant = np.full((6, 3), 77, dtype=np.uint8)
    write(tmp_path, "a/1.png", "b/1.png")
    Image.fromarray(constant).save(tmp_path / "a" / "2.png")
    dataset = load(tmp_path, size=[8, 2])
    assert dataset.X.shape == (3, 8, 2, 1)
    assert (dataset.X[1] == 77).all()
    # a gradient keeps its direction: height and width are not exchanged
    gradient = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[:, None], 20, axis=1)
    Image.fromarray(gradient).save(tmp_path / "a" / "3.png")
    shrunk = load(tmp_path, size=[10, 4]).X[2, :, :, 0].astype(int)
    assert (np.diff(shrunk, axis=0) > 0).all()
    assert (np.diff(shrunk, axis=1) == 0).all()


def test_grey_and_colour(tmp_path: Path) -> None:
    grey = write(tmp_path, "a/1.png")[0]
    colour = pixels(9, (4, 5, 3))
    (tmp_path / "b").mkdir()
    Image.fromarray(colour).save(tmp_path / "b" / "1.png")
    mixed = load(tmp_path)
    np.testing.assert_array_equal(mixed.X[0], np.repeat(grey[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(mixed.X[1], colour)
    one = load(tmp_path, channels=1)
    np.testing.assert_array_equal(one.X[0, :, :, 0], grey)
    luma = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(one.X[1, :, :, 0], luma, atol=1)


def test_jpeg_is_close(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8) * 3
    for name in ("a_1.jpg", "b_1.JPEG"):
        Image.fromarray(smooth).save(tmp_path / name, format="JPEG", quality=95)
    X = load(tmp_path).X
    assert X.shape == (2, 32, 32, 1)
    np.testing.assert_allclose(X[0, :, :, 0], smooth.astype(int), atol=4)


def test_relabel(tmp_path: Path) -> None:
    write(tmp_path, "a_1.png", "b_1.png", "c_1.png")
    groups: list[list[int | str]] = [["c"], ["a"]]
    dataset = data.load(spec(tmp_path).model_copy(update={"relabel": groups}))
    assert dataset.y.tolist() == [1, 0]
    assert dataset.X.shape == (2, 4, 5, 1)


# What does not


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    assert "no such folder" in complaint(tmp_path / "none")
    assert "no image below" in complaint(tmp_path)
    (tmp_path / "notes.txt").write_text("a")
    assert "no image below" in complaint(tmp_path)
    write(tmp_path, "a_1.png")
    assert 'one class only ("a")' in complaint(tmp_path)
    assert "lies in no folder of a class" in complaint(tmp_path, classes="folder")


@pytest.mark.parametrize("name", ["plain.png", "_1.png", "a_.png"])
def test_names_without_a_prefix(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a_1.png", "b_1.png", name)
    message = complaint(tmp_path)
    assert f"{name}: has no class before the last underscore" in message
    assert "classes: folder" in message


def test_a_file_beside_the_classes_or_the_partitions(tmp_path: Path) -> None:
    write(tmp_path, "one/a/1.png", "one/b/1.png", "one/1.png")
    assert "lies in no folder of a class" in complaint(tmp_path / "one")
    write(tmp_path, "two/train/a_1.png", "two/test/b_1.png", "two/valid/a_2.png")
    assert "beside the folders train and test" in complaint(tmp_path / "two")


@pytest.mark.parametrize("other", ["val", "validation", "more"])
def test_partitions_are_no_classes(tmp_path: Path, other: str) -> None:
    write(tmp_path, "train/a_1.png", f"{other}/b_1.png")
    assert "are partitions rather than classes" in complaint(tmp_path)


def test_mixed_sizes(tmp_path: Path) -> None:
    write(tmp_path, "a_1.png", "b_1.png")
    write(tmp_path, "c_1.png", shape=(7, 9))
    message = complaint(tmp_path, early=False)
    assert "images of 2 sizes (a_1.png 4 x 5, c_1.png 7 x 9)" in message
    assert "size: [4, 5]" in message


@pytest.mark.parametrize("content", [b"", b"text", b"GIF89a", None])
def test_unreadable_files(tmp_path: Path, content: bytes | None) -> None:
    write(tmp_path, "a_1.png", "b_1.png", shape=(40, 50))
    if content is None:
        content = (tmp_path / "a_1.png").read_bytes()[:900]
    (tmp_path / "a_2.png").write_bytes(content)
    assert "a_2.png: cannot be read as PNG or JPEG" in complaint(tmp_path, early=False)


def test_deep_images(tmp_path: Path) -> None:
    write(tmp_path, "a_1.png", "b_1.png")
    Image.fromarray(np.full((4, 5), 40_000, dtype=np.uint16)).save(tmp_path / "a_2.png")
    assert "a_2.png: has more than 8 bits" in complaint(tmp_path, early=False)


def test_an_image_too_large_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a_1.png", "b_1.png", shape=(40, 50))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)
    assert "exceeds limit" in complaint(tmp_path, early=False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sise": [2, 2]}, 'has no option "sise"; did you mean "size"'),
        ({"size": 32}, "32 is no size"),
        ({"size": [32]}, "[32] is no size"),
        ({"size": [0, 2]}, "[0, 2] is no size"),
        ({"size": [2.0, 2]}, "is no size"),
        ({"channels": 2}, "2 does not fit"),
        ({"classes": "prefixes"}, 'did you mean "prefix"'),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    write(tmp_path, "a_1.png", "b_1.png")
    assert says in complaint(tmp_path, **options)


def test_how_a_study_names_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="a folder of images has no target"):
        DatasetSpec(name="mine", path="x", format="images", target="y")
    with pytest.raises(ValidationError, match="or format: images for a folder of images"):
        DatasetSpec(name="mine", path="x")
    with pytest.raises(ValidationError, match="target and format belong to a file"):
        DatasetSpec(name="mine", format="images")
    with pytest.raises(UserError, match="a folder of images needs the key format: images"):
        data.check(DatasetSpec(name="mine", path=str(tmp_path), target="y"))
