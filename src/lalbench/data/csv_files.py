"""CSV files of the user's, opened for pandas once they are known to fit into memory.

A name is opened here and not by pandas, which would unpack files by their endings, however much
comes out, and take some names for URLs.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lalbench.data.limits import check_columns
from lalbench.errors import UserError
from lalbench.memory import check_memory

ENCODING = "utf-8-sig"

_LARGEST_HEADER = 16 * 2**20
"""Bytes."""
_BLOCK = 2**20
_GZIP = b"\x1f\x8b"
_PACKED = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}

Handle = BinaryIO | gzip.GzipFile


@contextmanager
def opened_csv(path: str | Path, *, whole: bool = True) -> Iterator[Handle]:
    """The text of a CSV file as bytes; one packed by gzip is unpacked on the way.

    Args:
        path: of an existing file.
        whole: whether all rows are going to be read, and not the header alone.

    Raises:
        UserError: a file packed in another way, a header that is too long, or more text or fields
            than fit into memory (rows shorter than the header become as long as it).
        OSError, EOFError, zlib.error: it cannot be read.
    """
    where = str(path)
    with open(path, "rb") as plain:
        mark = plain.read(6)
        for known, kind in _PACKED.items():
            if mark.startswith(known):
                raise UserError(where, f"is packed ({kind})", "unpack it first")
        plain.seek(0)
        with gzip.open(plain) if mark.startswith(_GZIP) else plain as handle:
            start = handle.read(_LARGEST_HEADER + 1)
            n_columns = _header_width(where, start)
            check_columns(where, n_columns)
            if whole:
                _check_size(where, start, handle, n_columns)
            handle.seek(0)
            yield handle


def _check_size(where: str, start: bytes, handle: Handle, n_columns: int) -> None:
    """Reads the rest; stops as soon as it is too much."""
    rows, n_bytes, block = 1, 0, start
    while block:
        rows += block.count(b"\n") + block.count(b"\r")
        n_bytes += len(block)
        check_memory(where, max(n_bytes, 8 * rows * n_columns), copies=3)
        block = handle.read(_BLOCK)


def _header_width(where: str, start: bytes) -> int:
    """Fields of the first row that has any."""
    text = io.StringIO(start.decode(ENCODING, errors="replace"), newline="")
    try:
        row = next((row for row in csv.reader(text) if row), [])
    except csv.Error as error:
        raise UserError(
            where, f"has no header that can be read ({error})", "name the columns in its first row"
        ) from error
    if len(start) > _LARGEST_HEADER and not text.read(1):
        raise UserError(
            where, f"has a header of more than {_LARGEST_HEADER} bytes", "use shorter names"
        )
    return len(row)
