"""Readers of image files: paths and options in, a table of (n, height, width, channels) bytes out.

Sets with a given test partition have their train images first.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lalbench.data.mat_files import read_mat
from lalbench.data.readers import Reader, damaged
from lalbench.data.table import Table
from lalbench.errors import CorruptFileError, UserError
from lalbench.files import read_npz
from lalbench.memory import check_memory

ByteArray = NDArray[np.uint8]

_IDX_UNSIGNED_BYTE = 0x08
_MOST_DIMENSIONS = 32
_BLOCK = 2**20
_SVHN_SHAPE = (32, 32, 3)
_SVHN_ZERO = 10  # how the files label the digit 0


def idx_images(class_names: tuple[str, ...]) -> Reader:
    """Reader of four idx files of grey images: train images and labels, test images and labels."""

    def read(paths: tuple[Path, ...], _: Mapping[str, Any]) -> Table:
        parts = [
            grey(path, read_idx(path), read_idx(labels)) for path, labels in (paths[:2], paths[2:])
        ]
        return train_and_test(class_names, *parts)

    return read


def npz_images(class_names: tuple[str, ...]) -> Reader:
    """Reader of four npz files of grey images: train images and labels, test images and labels.

    Images are the array ``images``, or ``arr_0``; labels ``arr_0``. Where the labels outnumber the
    images, the file of images holds the first images only; its own array ``labels``, if it has one,
    must say the same.
    """

    def read(paths: tuple[Path, ...], _: Mapping[str, Any]) -> Table:
        parts = [_npz_pair(path, labels) for path, labels in (paths[:2], paths[2:])]
        return train_and_test(class_names, *parts)

    return read


def svhn(paths: tuple[Path, ...], _: Mapping[str, Any]) -> Table:
    """Street View House Numbers, cropped digits: ``train_32x32.mat`` and ``test_32x32.mat``.

    Their variables are X (32, 32, 3, n) uint8 and y (n, 1), where 10 means the digit 0.
    """
    train, test = (_svhn_part(path) for path in paths)
    return train_and_test(tuple("0123456789"), train, test)


def bundled_images(loader: str) -> Reader:
    """Reader of grey images that come with scikit-learn: ``loader`` is its function's name."""

    def read(_: tuple[Path, ...], __: Mapping[str, Any]) -> Table:
        from sklearn import datasets

        bunch = getattr(datasets, loader)()
        return Table(
            X=bunch.images.astype(np.uint8)[..., None],
            labels=bunch.target.astype(np.int64),
            class_names=tuple(str(name) for name in bunch.target_names),
        )

    return read


def train_and_test(
    class_names: Sequence[str],
    train: tuple[ByteArray, NDArray[Any]],
    test: tuple[ByteArray, NDArray[Any]],
) -> Table:
    """The table of two partitions, each (n, H, W, C) images with (n,) labels."""
    n_train = len(train[0])
    return Table(
        X=np.concatenate([train[0], test[0]]),
        labels=np.concatenate([train[1], test[1]]).astype(np.int64),
        class_names=tuple(class_names),
        test_mask=np.arange(n_train + len(test[0])) >= n_train,
    )


def grey(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> tuple[ByteArray, NDArray[Any]]:
    """(n, H, W) bytes as images of one channel, with their (n,) labels.

    Raises:
        UserError: they do not fit together.
    """
    if images.ndim != 3 or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise damaged(path, f"{images.shape} images do not fit {labels.shape} labels")
    return images[..., None], labels


def read_idx(path: str | os.PathLike[str]) -> ByteArray:
    """The array of an idx file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the type (8), the number of dimensions, each length as a big-endian
    32-bit integer, then the values, last dimension fastest.

    Raises:
        UserError: not such a file, or too short or long.
    """
    try:
        with open(path, "rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            with gzip.open(plain) if packed else plain as handle:
                return _idx(path, handle)
    except UserError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise damaged(path, f"cannot be read ({error})") from error


def _idx(path: str | os.PathLike[str], handle: BinaryIO | gzip.GzipFile) -> ByteArray:
    """The array of an open file; no more than its header announces is unpacked."""
    start = handle.read(4)
    lengths = handle.read(4 * start[3]) if len(start) == 4 else b""
    if start[:3] != bytes((0, 0, _IDX_UNSIGNED_BYTE)) or not lengths or len(lengths) % 4:
        raise damaged(path, "is no idx file of unsigned bytes")
    shape = tuple(int(length) for length in np.frombuffer(lengths, dtype=">u4"))
    if len(shape) != start[3] or len(shape) > _MOST_DIMENSIONS:
        raise damaged(path, "is no idx file of unsigned bytes")
    wanted = math.prod(shape)
    check_memory(str(path), wanted, copies=2)
    content = bytearray()
    while len(content) <= wanted and (block := handle.read(_BLOCK)):
        content += block
    if len(content) != wanted:
        held = f"more than {wanted}" if len(content) > wanted else len(content)
        raise damaged(path, f"holds {held} values, not {wanted}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _npz_pair(image_path: Path, label_path: Path) -> tuple[ByteArray, NDArray[Any]]:
    try:
        content, labels = read_npz(image_path), read_npz(label_path)["arr_0"]
        images = content["images"] if "images" in content else content["arr_0"]
    except (CorruptFileError, KeyError) as error:
        raise damaged(image_path, f"cannot be read with {label_path.name} ({error})") from error
    labels = labels[: len(images)]
    if not np.array_equal(content.get("labels", labels), labels):
        raise damaged(image_path, f"its labels are not those of {label_path.name}")
    return grey(image_path, images, labels)


def _svhn_part(path: Path) -> tuple[ByteArray, NDArray[Any]]:
    try:
        content = read_mat(path, ("X", "y"))
        images, labels = np.asarray(content["X"]), np.asarray(content["y"])
    except UserError:
        raise
    except Exception as error:  # scipy, zlib and struct each raise their own kinds
        raise damaged(path, f"cannot be read as a MATLAB file ({error})") from error
    n = len(labels)
    if images.shape != (*_SVHN_SHAPE, n) or images.dtype != np.uint8 or labels.shape != (n, 1):
        raise damaged(path, f"{images.shape} images do not fit {labels.shape} labels")
    digits = labels[:, 0].astype(np.int64)
    if not np.isin(digits, np.arange(1, _SVHN_ZERO + 1)).all():
        raise damaged(path, f"labels are 1 … {_SVHN_ZERO}, not {np.unique(digits).tolist()[:12]}")
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits % _SVHN_ZERO
