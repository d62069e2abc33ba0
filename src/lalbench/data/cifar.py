"""CIFAR-10 and CIFAR-100: pickled batches in a tar archive, read in memory.

Nothing of an archive is written to disk. Members are found by their exact names, must be regular
files of the expected content (each has an md5 of its own, so that any packing will do), and their
pickles are read without running anything (:mod:`lalbench.data.unpickler`).

Source: Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images; the format is
described at https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.image_readers import ByteArray, train_and_test
from lalbench.data.readers import damaged
from lalbench.data.table import Table
from lalbench.data.unpickler import Value, read_pickled_values
from lalbench.errors import UserError, suggest
from lalbench.stored import DAMAGE

SIDE = 32
MEMBER_LIMIT = 200 << 20
"""Bytes of a member; the largest one, the train images of CIFAR-100, has 155 million."""

CIFAR10_MEMBERS: Mapping[str, str] = {
    "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
    "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
    "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
    "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
"""md5 of each member by its name: train batches, test batch, names of the classes."""

CIFAR100_MEMBERS: Mapping[str, str] = {
    "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
    "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "cifar-100-python/meta": "7973b15100ade9c7d40fb424638fde48",
}

ARCHIVE_LIMIT = 1 << 30
"""Bytes of all members up to the last one that is wanted; those of either set have 190 million."""

_HEADER_LIMIT = 1 << 16
"""Bytes of a member that holds a long name, or attributes, of the next one."""
_DAMAGED = (tarfile.TarError, zlib.error, lzma.LZMAError)
_ABOUT_OTHERS = frozenset(
    {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE}
    | {tarfile.SOLARIS_XHDTYPE}
)

LABELS_OPTIONS: Mapping[str, Any] = {"labels": "fine"}
"""CIFAR-100 has 100 fine and 20 coarse classes."""


def cifar10(paths: tuple[Path, ...], _: Mapping[str, Any]) -> Table:
    """60,000 colour images of ten classes; 50,000 of them train images.

    Raises:
        UserError: the archive is not what it should be.
    """
    return read_archive(paths[0], CIFAR10_MEMBERS, "labels", "label_names")


def cifar100(paths: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
    """60,000 colour images of 100 classes, or of 20 with ``labels: coarse``.

    Raises:
        UserError: the archive is not what it should be.
    """
    check_labels_option(options)
    kind = options["labels"]
    return read_archive(paths[0], CIFAR100_MEMBERS, f"{kind}_labels", f"{kind}_label_names")


def check_labels_option(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for another kind of labels than ``fine`` and ``coarse``."""
    if options["labels"] not in ("fine", "coarse"):
        raise UserError(
            "options.labels",
            f"{options['labels']!r} is no kind of labels",
            suggest(options["labels"], ["fine", "coarse"]),
        )


def read_archive(path: Path, members: Mapping[str, str], labels: str, names: str) -> Table:
    """The table of an archive.

    Args:
        path: a tar archive, compressed or not.
        members: md5 by name: train batches, then the test batch, then the names of the classes.
        labels: key of a batch's labels.
        names: key of the names of the classes.

    Raises:
        UserError: a member is missing, other than it should be, or damaged.
    """
    *batches, about = (
        read_pickled_values(content, f"{path}, {name}")
        for name, content in read_members(path, members).items()
    )
    class_names = _entry(about, names, list, path)
    *train, test = (_batch(batch, labels, path) for batch in batches)
    images = np.concatenate([part[0] for part in train])
    return train_and_test(class_names, (images, np.concatenate([part[1] for part in train])), test)


def read_members(path: Path, members: Mapping[str, str]) -> dict[str, bytes]:
    """The content of some members of a tar archive, in the order of ``members``.

    The archive is read once, from its beginning, until all of them are found.

    Args:
        path: a tar archive, compressed or not.
        members: md5 by exact name.

    Raises:
        UserError: the archive cannot be read, or a member is missing, no regular file, longer than
            :data:`MEMBER_LIMIT` or other than it should be.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|*", tarinfo=_Member) as archive:
            unpacked = 0
            for member in archive:
                unpacked += member.size
                if unpacked > ARCHIVE_LIMIT:
                    raise damaged(path, f"unpacks to more than {ARCHIVE_LIMIT} bytes")
                if member.name in members and member.name not in found:
                    found[member.name] = _content(archive, member, members[member.name], path)
                if len(found) == len(members):
                    break
    except UserError:
        raise
    except (OSError, EOFError, *DAMAGE, *_DAMAGED) as error:
        raise damaged(path, f"cannot be read as an archive ({error})") from error
    missing = [name for name in members if name not in found]
    if missing:
        raise damaged(path, f"holds no {missing[0]}")
    return {name: found[name] for name in members}


class _Member(tarfile.TarInfo):
    """A member that takes little memory before it is asked for."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # tarfile reads these as a whole, whatever their size; of sparse files it reads the map
        if self.type in _ABOUT_OTHERS and self.size > _HEADER_LIMIT:
            raise tarfile.ReadError("a name or attributes of a member are too long")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a member is sparse")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise tarfile.ReadError("a member is sparse")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, md5: str, path: Path) -> bytes:
    where = f"{path}, {member.name}"
    if not member.isreg() or member.size > MEMBER_LIMIT:
        raise damaged(where, f"is no regular file of at most {MEMBER_LIMIT} bytes")
    handle = archive.extractfile(member)
    content = b"" if handle is None else handle.read()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest != md5:
        raise damaged(where, f"wrong content (md5 {digest[:12]}…, not {md5[:12]}…)")
    return content


def _batch(
    batch: Mapping[str, Value], labels: str, path: Path
) -> tuple[ByteArray, NDArray[np.int64]]:
    """(n, 32, 32, 3) images and (n,) labels of a batch.

    A row of its ``data`` is all red values of an image, then all green, then all blue ones.
    """
    data = _entry(batch, "data", np.ndarray, path)
    y = np.asarray(_entry(batch, labels, list, path))
    if data.shape != (len(y), 3 * SIDE * SIDE) or data.dtype != np.uint8 or y.dtype.kind != "i":
        raise damaged(path, f"{data.shape} {data.dtype} images do not fit {len(y)} labels")
    planes = data.reshape(len(y), 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), y.astype(np.int64)


def _entry(content: Mapping[str, Value], key: str, kind: Callable[..., Any], path: Path) -> Any:
    value = content.get(key)
    if not isinstance(value, kind):  # type: ignore[arg-type]
        raise damaged(path, f"{key} is missing or of another kind")
    return value
