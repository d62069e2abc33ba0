"""Containers around fuzzed content: without them nearly every input would fail its checksum."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Build = Callable[[bytes], bytes]


def zipped(parts: Mapping[str, bytes]) -> bytes:
    """A zip file of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    """An array as NumPy writes it."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


def members(arrays: Mapping[str, Any]) -> dict[str, bytes]:
    """Arrays as members of an npz file."""
    return {f"{name}.npy": npy(array) for name, array in arrays.items()}


def spliced(parts: Mapping[str, bytes]) -> tuple[list[bytes], Build]:
    """Seeds, and what makes a zip file of one: its first byte names the member that it replaces."""
    names = list(parts)

    def build(content: bytes) -> bytes:
        changed = dict(parts)
        if content:
            changed[names[content[0] % len(names)]] = content[1:]
        return zipped(changed)

    return [bytes([place]) + parts[name] for place, name in enumerate(names)], build


def with_checksums(content: bytes) -> bytes:
    """PNG chunks with the checksums of what they hold."""
    found, place = content[:8], 8
    while place + 12 <= len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        body = content[place + 4 : place + 8 + size]
        found += content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + size
    return found + content[place:]
