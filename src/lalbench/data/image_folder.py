"""The user's own images: a folder of PNG and JPEG files, checked before they become a table."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.dataset import CHANNELS
from lalbench.data.table import Table
from lalbench.errors import UserError, suggest
from lalbench.memory import check_memory

if TYPE_CHECKING:
    from PIL.Image import Image

OPTIONS: Mapping[str, Any] = {"size": None, "channels": None, "classes": None}
"""Options of a folder of images, with their defaults."""

ENDINGS = (".png", ".jpg", ".jpeg")
CLASSES = ("folder", "prefix")
PARTITIONS = ("train", "test")

_FORMATS = ("PNG", "JPEG")
_GREY = frozenset({"1", "L", "LA"})
# 16 bits and more: Pillow would cut them off at 255 instead of scaling them
_DEEP = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_MAX_SIDE = 4096
_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """An image file: where it lies, its class, and whether it is a test image."""

    path: Path
    label: str
    test: bool = False


def read_image_folder(path: str, given: Mapping[str, Any]) -> Table:
    """The images below a folder, in the order of their paths, train images first.

    Args:
        path: the folder.
        given: ``size`` [height, width] in pixels, to which images of other sizes are resized
            (bilinear); ``channels`` 1 (grey) or 3 (colour), by default 1 where all images are grey;
            ``classes`` ``folder`` (the first folder below ``path``) or ``prefix`` (the name up to
            its last underscore), by default folder where there are folders.

    Raises:
        UserError: what :func:`check_image_folder` finds, an unreadable file, or several sizes.
    """
    options = complete_options(given)
    found = find_images(path, options["classes"])
    size, channels = _one_shape(path, found, options)
    check_memory(path, len(found) * math.prod(size) * channels)
    X = np.empty((len(found), *size, channels), dtype=np.uint8)
    for place, image in enumerate(found):
        X[place] = _pixels(image.path, size, channels)
    given_test = any(image.test for image in found)
    return Table(
        X=X,
        labels=np.array([image.label for image in found]),
        test_mask=np.array([image.test for image in found]) if given_test else None,
    )


def check_image_folder(path: str, given: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for what options and names of files tell; opens no image."""
    find_images(path, complete_options(given)["classes"])


def complete_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` with defaults filled in.

    Raises:
        UserError: an unknown option, or a value that does not fit.
    """
    for key in given:
        if key not in OPTIONS:
            raise UserError(
                "options", f'a folder of images has no option "{key}"', suggest(key, OPTIONS)
            )
    options = {**OPTIONS, **given}
    size = options["size"]
    if size is not None and not (
        isinstance(size, list | tuple)
        and len(size) == 2
        and all(type(side) is int and 1 <= side <= _MAX_SIDE for side in size)
    ):
        raise UserError(
            "options.size", f"{size!r} is no size", "write [height, width] in pixels, as [200, 200]"
        )
    if options["channels"] not in (None, *CHANNELS):
        raise UserError(
            "options.channels",
            f"{options['channels']!r} does not fit",
            "use 1 for grey or 3 for colour",
        )
    if options["classes"] not in (None, *CLASSES):
        raise UserError(
            "options.classes",
            f"{options['classes']!r} is no choice",
            suggest(options["classes"], CLASSES),
        )
    return options


def find_images(path: str, classes: str | None) -> list[Found]:
    """The image files below a folder with their classes, sorted by path, train images first.

    Where the folder has sub-folders ``train`` and ``test``, those are the two partitions, and
    classes are looked for below each. Names that begin with a dot are passed over.

    Raises:
        UserError: no such folder, no images, an image without a class, or one class only.
    """
    root = Path(path)
    if not os.path.isdir(path):  # unlike Path.is_dir, it takes any text
        raise UserError("path", f'no such folder "{path}"', "correct the path")
    parts = [part for part in PARTITIONS if (root / part).is_dir()]
    files = _image_files(root)
    for file in files:
        if not (root / file).is_file():  # a pipe, or a link to nowhere
            raise UserError(str(root / file), "is no file", "remove it")
    if not files:
        raise UserError("path", f'no image below "{path}"', "put .png or .jpg files into it")
    if len(parts) == len(PARTITIONS):
        stray = [file for file in files if file.parts[0] not in PARTITIONS]
        if stray:
            raise UserError(
                f"{path}, {stray[0]}",
                "lies beside the folders train and test",
                "move it into one of them",
            )
        below = [(part, _below(files, part)) for part in PARTITIONS]
    else:
        below = [("", files)]
    kind = classes or (
        "folder" if any(len(f.parts) > 1 for _, fs in below for f in fs) else "prefix"
    )
    found = [
        Found(root / part / file, _label(root / part / file, file, kind), part == "test")
        for part, files in below
        for file in files
    ]
    _check_classes(path, found, kind)
    return found


def _image_files(root: Path) -> list[Path]:
    """Paths of image files below ``root``, relative to it, sorted."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(folder, name).relative_to(root)
            for name in names
            if name.lower().endswith(ENDINGS) and not name.startswith(".")
        ]
    return sorted(found, key=lambda path: path.parts)


def _below(files: Sequence[Path], part: str) -> list[Path]:
    return [file.relative_to(part) for file in files if file.parts[0] == part]


def _label(path: Path, file: Path, kind: str) -> str:
    if kind == "folder":
        if len(file.parts) < 2:
            raise UserError(
                str(path),
                "lies in no folder of a class",
                "move it into one, or take classes from names with options: {classes: prefix}",
            )
        return file.parts[0]
    prefix, _, number = file.stem.rpartition("_")
    if not prefix or not number:
        raise UserError(
            str(path),
            "has no class before the last underscore of its name",
            "call it <class>_<number>, or take classes from folders with options: "
            "{classes: folder}",
        )
    return prefix


def _check_classes(path: str, found: Sequence[Found], kind: str) -> None:
    labels = sorted({image.label for image in found})
    if kind == "folder" and set(labels) & {*PARTITIONS, "val", "valid", "validation"}:
        raise UserError(
            path,
            f"its folders {', '.join(labels[:_SHOWN])} are partitions rather than classes",
            "call the two partitions train and test, and leave others out",
        )
    if len(labels) < 2:
        raise UserError(
            path,
            f'one class only ("{labels[0]}")',
            "at least two are needed; check the option classes (folder or prefix)",
        )


def _one_shape(
    path: str, found: Sequence[Found], options: Mapping[str, Any]
) -> tuple[tuple[int, int], int]:
    """((height, width), channels) of all images: as wanted, else as they are."""
    sizes: dict[tuple[int, int], Path] = {}
    grey = True
    for image in found:
        with _opened(image.path) as opened:
            sizes.setdefault((opened.height, opened.width), image.path)
            grey = grey and opened.mode in _GREY
    size = options["size"]
    if size is None and len(sizes) > 1:
        (one, one_path), (other, other_path) = list(sizes.items())[:2]
        raise UserError(
            path,
            f"images of {len(sizes)} sizes ({one_path.name} {one[0]} x {one[1]}, {other_path.name} "
            f"{other[0]} x {other[1]})",
            "say to which [height, width] they are resized, for example options: "
            f"{{size: [{one[0]}, {one[1]}]}}",
        )
    height, width = next(iter(sizes)) if size is None else size
    return (height, width), options["channels"] or (1 if grey else 3)


def _pixels(path: Path, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """(height, width, channels) bytes of an image file."""
    from PIL.Image import Resampling

    height, width = size
    with _opened(path) as opened:
        try:
            image = opened.convert("L" if channels == 1 else "RGB")
        except Exception as error:  # Pillow and its decoders each raise their own kinds
            raise _unreadable(path, error) from error
    if image.size != (width, height):
        image = image.resize((width, height), Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8).reshape(height, width, channels)


def _opened(path: Path) -> Image:
    """An image whose header has been read."""
    from PIL import Image as Pillow

    try:
        with warnings.catch_warnings():
            # An image of a suspicious size is a warning to Pillow
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            opened = Pillow.open(path, formats=_FORMATS)
    except Exception as error:  # as above
        raise _unreadable(path, error) from error
    if opened.mode in _DEEP:
        opened.close()
        raise UserError(
            str(path), "has more than 8 bits per channel", "convert it to 8 bits per channel"
        )
    return opened


def _unreadable(path: Path, error: Exception) -> UserError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return UserError(
        str(path), f"cannot be read as PNG or JPEG ({lines[0]})", "replace it or leave it out"
    )
