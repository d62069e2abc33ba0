"""Reads archives, trusting nothing in them: names, sizes and hashes are checked first."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from lalbench import files, manifests
from lalbench.archive.members import CHECKSUMS, STUDY
from lalbench.errors import CorruptFileError, UserError

LARGEST_TEXT = 64 * 2**20
"""Bytes of a member that is read as a whole."""
LARGEST_RATIO = 2000
"""Bytes that a member may be larger than in the archive; deflate can do 1032."""


_END = b"PK\x05\x06" + bytes(18)
"""The last record of a zip file without a comment, but for the numbers in it."""


class Archive:
    """An open archive whose names are safe.

    Args:
        path: zip file.

    Raises:
        UserError: there is no such file.
        CorruptFileError: no archive of a study, or one that could write outside of a folder.
    """

    def __init__(self, path: Path, handle: zipfile.ZipFile) -> None:
        self.path, self._handle = path, handle
        self._infos = {info.filename: info for info in handle.infolist()}
        repeated = [name for name, n in Counter(handle.namelist()).items() if n > 1]
        if repeated:
            raise self.damaged(f"{repeated[0]} is there twice")
        for info in self._infos.values():
            self._check_name(info)
        if sum(info.compress_size for info in self._infos.values()) > path.stat().st_size:
            raise self.damaged("members overlap")
        self._check_ends()

    @property
    def names(self) -> list[str]:
        """All members."""
        return list(self._infos)

    def read(self, name: str) -> bytes:
        """A small member.

        Raises:
            CorruptFileError: it is missing, damaged or large.
        """
        if name not in self._infos:
            raise self.damaged(f"{name} is missing")
        if self._infos[name].file_size > LARGEST_TEXT:
            raise self.damaged(f"{name} is larger than it can be")
        return b"".join(self._blocks(name))

    def read_json(self, name: str) -> Any:
        """A small JSON member."""
        try:
            return json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"{name} is no JSON") from error

    def file_hash(self, name: str) -> str:
        """sha256 of a member."""
        state = hashlib.sha256()
        for block in self._blocks(name):
            state.update(block)
        return state.hexdigest()

    def damaged(self, problem: str) -> CorruptFileError:
        """The error that says so."""
        return CorruptFileError(f"{self.path}: {problem}; get the archive again")

    def _blocks(self, name: str) -> Iterator[bytes]:
        try:
            with self._handle.open(name) as member:
                while block := member.read(1 << 20):
                    yield block
        except Exception as error:  # zipfile, zlib and struct each raise their own kinds
            raise self.damaged(f"{name} cannot be read ({error})") from error

    def _check_ends(self) -> None:
        """Nothing stands before the first member or behind the record that ends a zip file."""
        with self.path.open("rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            ends = file.read()
        starts = min((info.header_offset for info in self._infos.values()), default=0)
        if starts or ends[:4] != _END[:4] or ends[-2:] != _END[-2:]:
            raise self.damaged("bytes were added before or behind it")

    def _check_name(self, info: zipfile.ZipInfo) -> None:
        parts = PurePosixPath(info.filename).parts
        plain = "/".join(parts) == info.filename and "\\" not in info.filename
        if (
            not plain
            or not parts
            or ".." in parts
            or ":" in parts[0]
            or info.filename.startswith("/")
        ):
            raise self.damaged(f"{info.filename!r} is no name below a folder")
        kind = info.external_attr >> 16
        if kind and not stat.S_ISREG(kind) and stat.S_IFMT(kind):
            raise self.damaged(f"{info.filename} is no plain file")
        if info.file_size > LARGEST_RATIO * max(1, info.compress_size):
            raise self.damaged(f"{info.filename} claims more bytes than it can hold")


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive in a file; errors as :class:`Archive`."""
    if not path.is_file():
        raise UserError("archive", f'no such file "{path}"', "correct the path")
    try:
        handle = zipfile.ZipFile(path)
    except Exception as error:  # as above
        raise CorruptFileError(
            f"{path}: is no zip file ({error}); get the archive again"
        ) from error
    with handle:
        yield Archive(path, handle)


def verify(path: Path) -> int:
    """Checks the hash of every member, and the manifest against them; returns how many there are.

    Raises:
        UserError: there is no such file.
        CorruptFileError: a member that is missing, added or changed.
    """
    with opened(path) as archive:
        wanted = _checksums(archive)
        others = set(archive.names) - {CHECKSUMS}
        for name in sorted(set(wanted) ^ others):
            problem = "is missing" if name in wanted else "has no hash"
            raise archive.damaged(f"{name} {problem}")
        for name, value in wanted.items():
            if archive.file_hash(name) != value:
                raise archive.damaged(f"{name} does not have its hash")
        for name in (STUDY, manifests.NAME):
            if name not in wanted:
                raise archive.damaged(f"{name} is missing")
        _check_manifest(archive, wanted)
        return len(wanted)


def _checksums(archive: Archive) -> dict[str, str]:
    lines = archive.read(CHECKSUMS).decode("utf-8", errors="replace").splitlines()
    return {line[66:]: line[:64] for line in lines}


def _check_manifest(archive: Archive, hashes: dict[str, str]) -> None:
    """What the manifest says of the results is what the archive holds."""
    manifest = archive.read_json(manifests.NAME)
    try:
        whole = files.digest(manifest["study"]) == manifest["study_hash"]
        results = dict(manifest["files"].items())
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise archive.damaged(f"{manifests.NAME} is none") from error
    if not whole:
        raise archive.damaged(f"the study in {manifests.NAME} does not have its hash")
    for name, value in results.items():
        # data sets are no part of archives
        if not name.startswith("data/") and hashes.get(name) != value:
            raise archive.damaged(f"{name} is not what {manifests.NAME} says")
