"""Hostile files: small ones that announce, or unpack to, more than any memory holds, and others."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tests.fuzz.packing import npy, zipped

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
"""What headers in a zip file begin with."""
N = 60
"""Rows of tables that are otherwise good."""
HEAD = "a,b,label\n"
X = np.random.default_rng(0).normal(size=(N, 2))
Y = np.arange(N) % 2


def rows(n: int = N) -> str:
    """Of a good CSV file."""
    return "".join(f"{i * 0.37 % 5:.2f},{i * 0.71 % 3:.2f},{i % 2}\n" for i in range(n))


def header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """Of an array in a file, whatever follows."""
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"


def arrays(**changes: Any) -> bytes:
    """An npz file with X and label, some of them replaced by arrays or bytes."""
    whole: Mapping[str, Any] = {"X": X, "label": Y} | changes
    return zipped(
        {
            f"{name}.npy": value if isinstance(value, bytes) else npy(value)
            for name, value in whole.items()
        }
    )


def zeros(gibibytes: float) -> bytes:
    """An npz file whose features really are so many zeros, in a thousandth of the bytes."""
    n = int(gibibytes * 2**30) // 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("X.npy", "w", force_zip64=True) as member:
            member.write(header((n, 2)))
            for _ in range(n * 16 // 2**24):
                member.write(bytes(2**24))
        archive.writestr("label.npy", npy(Y))
    return buffer.getvalue()


def patched(content: bytes, at: Mapping[bytes, int], value: int, form: str) -> bytes:
    """A zip file with a field of all its headers changed: offsets by signature."""
    changed = bytearray(content)
    for signature, offset in at.items():
        place = changed.find(signature)
        while place >= 0:
            struct.pack_into(form, changed, place + offset, value)
            place = changed.find(signature, place + 1)
    return bytes(changed)


def gzip_of(line: bytes, times: int, head: bytes = HEAD.encode()) -> bytes:
    """A file that repeats a line, a multiple of ten thousand times, packed."""
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb", compresslevel=1) as packed:
        packed.write(head)
        for _ in range(times // 10_000):
            packed.write(line * 10_000)
    return buffer.getvalue()


def parquet(path: Path, table: Any, **options: Any) -> None:
    """Writes a table of pyarrow, or columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(table) if isinstance(table, dict) else table, path, **options)


def png(width: int, height: int, *, chunks: bytes = b"", data: bytes | None = None) -> bytes:
    """An image that announces a size, whatever it holds."""
    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000) if data is None else data)
    parts = [chunk(b"IHDR", size), chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG file, with its checksum."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def mat(shape: tuple[int, int], n_bytes: int) -> bytes:
    """A packed MATLAB file of features with a shape, and so many bytes of zeros behind it."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    inner = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", *shape))
    inner += element(1, b"features") + struct.pack("<II", 9, n_bytes)
    packer = zlib.compressobj(1)
    packed = packer.compress(struct.pack("<II", 14, len(inner) + n_bytes) + inner)
    for _ in range(n_bytes // 2**20):
        packed += packer.compress(bytes(2**20))
    packed += packer.flush()
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    return start + struct.pack("<II", 15, len(packed)) + packed
