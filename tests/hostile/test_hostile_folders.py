"""Folders of images, MATLAB files and other files that users name, made to take what there is."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.fuzz.packing import members, zipped
from tests.hostile import makers
from tests.hostile.conftest import Refused, write_study
from tests.hostile.makers import chunk, png

FETCH = ("fetch", "--study", "study.yaml", "--output", "results/x.npz", "--dataset")
BOMB = zlib.compress(bytes(2**27), 1)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with two good images of each of two classes."""
    for name in ("a/1", "a/2", "b/1", "b/2"):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path)
    return tmp_path / "images"


def _large(folder: Path, count: int) -> None:
    """Images of 36 million pixels in 36,000 bytes."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(6001)) for _ in range(6000)) + packer.flush()
    whole = png(6000, 6000)
    start = whole.index(b"IDAT") - 4
    content = whole[:start] + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    for path in folder.rglob("*.png"):
        path.unlink()
    for number in range(count):
        (folder / "ab"[number % 2] / f"{number}.png").write_bytes(content)


IMAGES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "pipe": (lambda f: os.mkfifo(f / "a/x.png"), ("a/x.png", "is no file")),
    "link to nowhere": (lambda f: (f / "a/x.png").symlink_to("gone"), ("a/x.png", "is no file")),
    "device": (lambda f: (f / "a/x.png").symlink_to("/dev/zero"), ("a/x.png", "is no file")),
    "loop": (lambda f: (f / "a/x.png").symlink_to("x.png"), ("a/x.png", "is no file")),
    "size of a bomb": (
        lambda f: (f / "a/x.png").write_bytes(png(100_000, 100_000)),
        ("a/x.png", "decompression bomb"),
    ),
    "many large images": (lambda f: _large(f, 20), ("images", "GiB of memory")),
    "bomb of text": (
        lambda f: (f / "a/x.png").write_bytes(png(8, 8, chunks=chunk(b"zTXt", b"a\0\0" + BOMB))),
        ("a/x.png", "cannot be read as PNG"),
    ),
    "pixels that end": (
        lambda f: (f / "a/x.png").write_bytes(png(8, 8)[:45]),
        ("a/x.png", "cannot be read as PNG"),
    ),
    "program": (
        lambda f: (f / "a/x.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"),
        ("a/x.png", "cannot be read as PNG"),
    ),
    "name of two lines": (lambda f: (f / "a/x\n.png").write_text("x"), ("a/x\\n.png",)),
    "name that is no text": (
        lambda f: (f / "a" / os.fsdecode(b"\xff.png")).write_text("x"),
        ("a/\\udcff.png",),
    ),
    "class of two lines": (lambda f: (f / "a").rename(f / "a\nb"), ("'a\\nb'", "printed")),
    "class that is no text": (
        lambda f: (f / "a").rename(f / os.fsdecode(b"\xff")),
        ("udcff", "printed"),
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(name: str, images: Path, refused: Refused) -> None:
    make, words = IMAGES[name]
    make(images)
    write_study(images.parent, datasets=[{"name": "m", "path": "images", "format": "images"}])
    refused([*FETCH, "m"], words)


def test_a_pipe_in_the_place_of_a_folder(tmp_path: Path, refused: Refused) -> None:
    os.mkfifo(tmp_path / "images")
    write_study(tmp_path, datasets=[{"name": "m", "path": "images", "format": "images"}])
    refused(["validate", "study.yaml"], ('no such folder "images"',))


def _savemat(path: Path, **arrays: Any) -> None:
    from scipy.io import savemat

    savemat(path, arrays)


MATS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "a thousand million rows": (
        lambda path: path.write_bytes(makers.mat((10**9, 272), 2**20)),
        ("features", "GiB of memory"),
    ),
    "cells": (
        lambda path: _savemat(path, features=np.array([[1, "x"]], dtype=object), labels=[1]),
        ("features is a cell",),
    ),
    "structure": (
        lambda path: _savemat(path, features={"a": 1}, labels=[1]),
        ("features is a struct",),
    ),
    "labels of text": (
        lambda path: _savemat(path, features=np.zeros((2, 272)), labels=["a", "b"]),
        ("labels of shape",),
    ),
    "labels that are missing": (
        lambda path: _savemat(path, features=np.zeros((2, 272)), labels=[1, np.nan]),
        ("labels of shape",),
    ),
    "other width": (
        lambda path: _savemat(path, features=np.zeros((2, 3)), labels=[1, 0]),
        ("272 numbers",),
    ),
    "random bytes": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(3000)),
        ("cannot be read",),
    ),
    "pipe": (os.mkfifo, ("no such file",)),
}


@pytest.mark.parametrize("name", MATS)
def test_matlab_files(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = MATS[name]
    make(tmp_path / "s.mat")
    write_study(tmp_path, datasets=[{"name": "striatum", "options": {"path": "s.mat"}}])
    refused([*FETCH, "striatum"], words)


def test_pipes_in_a_folder_of_arrays(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "s").mkdir()
    for name in ("train_features.mat", "train_labels.npz"):
        os.mkfifo(tmp_path / "s" / name)
    write_study(tmp_path, datasets=[{"name": "mri", "options": {"path": "s"}}])
    refused(["validate", "study.yaml"], ("holds no file train_features",))


def test_arrays_that_announce_more_than_they_hold(tmp_path: Path, refused: Refused) -> None:
    parts = {"features.npy": makers.header((10**9, 272)) + b"12", **members({"labels": [1, 0]})}
    (tmp_path / "s.npz").write_bytes(zipped(parts))
    write_study(tmp_path, datasets=[{"name": "striatum", "options": {"path": "s.npz"}}])
    refused([*FETCH, "striatum"], ("announces (1000000000, 272)",))


CREDIT = ",".join(["Time", *(f"V{n}" for n in range(1, 29)), "Amount", "Class"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{CREDIT},{','.join(f'x{n}' for n in range(200_000))}\n", ("has 200031 columns",)),
        (CREDIT + "\n" + "1," * 30 + "\0\n", ("'\\x00' in data row 1 is no class",)),
        (CREDIT + "\n" + "1," * 30 + "\n", ("in data row 1 is no class",)),
        (CREDIT + "\n" + "inf," * 30 + "0\n", ("inf in data row 1",)),
        (CREDIT + "\n" + "red," * 30 + "0\n", ("cannot be read",)),
        (None, ("no such file",)),
    ],
    ids=["many columns", "zero byte", "no class", "infinite", "text", "pipe"],
)
def test_tables_of_the_catalogue(
    content: str | None, words: tuple[str, ...], tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "c.csv"
    os.mkfifo(path) if content is None else path.write_text(content)
    write_study(tmp_path, datasets=[{"name": "credit_card_fraud", "options": {"path": "c.csv"}}])
    refused([*FETCH, "credit_card_fraud"], words)


IDX: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "a thousand million images": (
        bytes((0, 0, 8, 3)) + struct.pack(">3I", 10**9, 28, 28),
        ("GiB of memory",),
    ),
    "many dimensions": (bytes((0, 0, 8, 255)) + bytes(4 * 255), ("is no idx file",)),
    "no images of any size": (
        bytes((0, 0, 8, 4)) + bytes(4) + b"\xff" * 12,
        ("cannot be read",),
    ),
    "no dimensions": (bytes((0, 0, 8, 0)), ("is no idx file",)),
    "more than announced, packed": (
        makers.gzip_of(bytes(1000), 1_000_000, bytes((0, 0, 8, 1)) + struct.pack(">I", 5)),
        ("holds more than 5 values",),
    ),
}


@pytest.mark.parametrize("name", IDX)
def test_idx_files(name: str, tmp_path: Path, refused: Refused) -> None:
    content, words = IDX[name]
    (tmp_path / "images").write_bytes(content)
    refused(["read:lalbench.data.image_readers:read_idx", "images"], words)
