"""Atomic, deterministic files: a reader finds a whole file or none."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.errors import CorruptFileError, UserError
from lalbench.memory import check_memory

SEAL = ".sha256.json"
"""The file in a folder that :func:`seal` writes."""

# Before each member of a zip file: signature, nine fields, lengths of its name and of what follows
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_BLOCK = 2**20


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` and moves it into place when the block ends well.

    The temporary name keeps the suffix of ``path``. Nothing is left behind when the block raises.

    Raises:
        UserError: the folder cannot be created or written to.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.stem[:40]}-", suffix=target.suffix
        )
    except OSError as error:
        raise UserError(
            str(target.parent),
            f"cannot write here ({error.strerror})",
            "choose a writable folder with the key results, or free the path",
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results should have the permissions of any other file
        temporary.chmod(0o666 & ~_umask())
        _flush(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes ``text`` as UTF-8 with the line ends it has, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes ``content``, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Writes ``content`` as indented JSON with sorted keys, atomically."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_npz(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    *,
    stored: Collection[str] = (),
) -> None:
    """Writes arrays as an npz, atomically and with the same bytes for the same arrays.

    Args:
        path: the file.
        arrays: what it holds, by name.
        stored: names of arrays that are not compressed, so that :func:`read_npz` can map them.

    Raises:
        TypeError: an array has object type (it would need pickle).
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise TypeError(f"array {name!r} has object type")
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            # A ZipInfo made of a name alone has a fixed date
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as handle:
                np.lib.format.write_array(handle, np.asanyarray(array), allow_pickle=False)


def read_npz(
    path: str | os.PathLike[str], prefix: str = "", *, mapped: bool = False
) -> dict[str, NDArray[Any]]:
    """Reads the arrays of an npz file whose names start with ``prefix``, without pickle.

    Args:
        path: the file.
        prefix: of the names that are read.
        mapped: arrays that are stored uncompressed are mapped into memory, read-only, instead of
            being read. Their checksums are then not looked at.

    Raises:
        CorruptFileError: the file is missing, damaged or not an npz file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                name: member
                for member in archive.infolist()
                if (name := member.filename.removesuffix(".npy")).startswith(prefix)
            }
            _check_sizes(path, members.values(), mapped)
            return {name: _array(path, archive, member, mapped) for name, member in members.items()}
    except FileNotFoundError as error:
        raise CorruptFileError(f"{path}: no such file; run the stage that writes it") from error
    except Exception as error:  # zipfile, zlib and numpy each raise their own kinds
        reason = "it is no npz file" if not _is_zip(path) else error
        raise CorruptFileError(
            f"{path}: cannot be read ({reason}); delete it and run again"
        ) from error


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """The array of a member of an npz file, without pickle.

    NumPy's own reader allocates what the header of an array announces, before it looks for it.

    Raises:
        ValueError: it is no array, one of objects, or holds more or less than it announces. Damage
            raises whatever zipfile, zlib and numpy raise.
    """
    with archive.open(member) as handle:
        version = np.lib.format.read_magic(handle)
        read_header = _READ_HEADER.get(version)
        if read_header is None:
            raise ValueError(f"{member.filename} has the unknown version {version}")
        shape, fortran, dtype = read_header(handle)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} is an object array, which would need pickle")
        size = math.prod(shape) * dtype.itemsize
        if size != member.file_size - handle.tell() or not dtype.itemsize:
            raise ValueError(
                f"{member.filename} announces {shape} values of type {dtype} in {member.file_size} "
                "bytes"
            )
        values = np.empty(math.prod(shape), dtype)
        view = values.view(np.uint8)
        for start in range(0, size, _BLOCK):
            block = handle.read(min(_BLOCK, size - start))
            if len(block) != min(_BLOCK, size - start):
                raise ValueError(f"{member.filename} ends too early")
            view[start : start + len(block)] = np.frombuffer(block, np.uint8)
        handle.read()  # the checksum of an empty array is looked at here
    if dtype.kind == "U":
        _check_text(values, member.filename)
    return values.reshape(shape, order="F" if fortran else "C")


def _check_text(values: NDArray[Any], name: str) -> None:
    """Python stops at halves of surrogate pairs and codes above U+10FFFF when it looks at them."""
    codes = values.astype(values.dtype.newbyteorder("="), copy=False).view(np.uint32)
    if (codes > 0x10FFFF).any() or ((codes >= 0xD800) & (codes < 0xE000)).any():
        raise ValueError(f"{name} holds characters that are none")


def _check_sizes(
    path: str | os.PathLike[str], members: Iterable[zipfile.ZipInfo], mapped: bool
) -> None:
    """What is read, and not mapped, fits into memory."""
    read = [each for each in members if not mapped or each.compress_type != zipfile.ZIP_STORED]
    check_memory(os.fspath(path), sum(member.file_size for member in read))


def _array(
    path: str | os.PathLike[str], archive: zipfile.ZipFile, member: zipfile.ZipInfo, mapped: bool
) -> NDArray[Any]:
    found = _map_member(path, member) if mapped else None
    return read_member(archive, member) if found is None else found


def _is_zip(path: str | os.PathLike[str]) -> bool:
    with open(path, "rb") as handle:
        return handle.read(2) == b"PK"


def _map_member(path: str | os.PathLike[str], member: zipfile.ZipInfo) -> NDArray[Any] | None:
    """The array of a stored member of an npz file, mapped; None for one that cannot be mapped."""
    if member.compress_type != zipfile.ZIP_STORED:
        return None
    with open(path, "rb") as handle:
        handle.seek(member.header_offset)
        local = handle.read(_LOCAL_HEADER.size)
        signature, *_, n_name, n_extra = _LOCAL_HEADER.unpack(local)
        if signature != b"PK\x03\x04":
            raise ValueError("a member has no header")
        start = member.header_offset + len(local) + n_name + n_extra
        handle.seek(start)
        version = np.lib.format.read_magic(handle)
        if version != (1, 0):
            return None
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(handle)
        data = handle.tell()
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or dtype.kind == "U" or not size:
        return None
    if data - start + size != member.file_size:
        raise ValueError(f"a member holds {member.file_size} bytes, not {data - start + size}")
    return np.memmap(path, dtype, "r", data, shape, "F" if fortran else "C")


def seal(folder: Path) -> None:
    """Writes the hashes of a folder's files into it, for :func:`check_seal`."""
    found = {path.name: file_hash(path) for path in _visible(folder)}
    write_json(folder / SEAL, found)


def check_seal(folder: Path) -> None:
    """Checks that a folder is as it was when it was sealed.

    Raises:
        CorruptFileError: a file was changed, added or removed, or there is no seal.
    """
    try:
        sealed = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        found = {path.name: file_hash(path) for path in _visible(folder)}
        wrong = sorted(name for name in {*sealed, *found} if sealed.get(name) != found.get(name))
    except (OSError, ValueError, TypeError) as error:
        raise CorruptFileError(
            f"{folder}: has no seal ({error}); delete the folder and run again"
        ) from error
    if wrong:
        raise CorruptFileError(
            f"{folder}: {wrong[0]} is not what was written; delete the folder and run again"
        )


def _visible(folder: Path) -> list[Path]:
    """Files of a folder that are not hidden: hidden ones are the workflow's time stamps."""
    return [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]


def remove_tree(folder: Path) -> tuple[int, int]:
    """Deletes a folder with all that is in it; returns how many files it held, and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    if folder.exists():
        shutil.rmtree(folder)
    return len(sizes), sum(sizes)


def file_hash(path: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """Hexadecimal hash of a file: sha256 or md5."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def digest(content: Any) -> str:
    """sha256 of the canonical JSON of ``content`` (sorted keys, no blanks)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def array_digest(*arrays: NDArray[Any] | None) -> str:
    """sha256 over type, shape and bytes of arrays; None counts as absent."""
    state = hashlib.sha256()
    for array in arrays:
        if array is None:
            state.update(b"absent")
            continue
        block = np.ascontiguousarray(array)
        state.update(f"{block.dtype.str}{block.shape}".encode())
        state.update(block.data)
    return state.hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
