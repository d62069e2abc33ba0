"""Parquet files of the user's, read once they are known to fit into memory.

A column chunk may repeat one value a billion times in a few bytes. What it holds stands in the
footer, which is looked at first; text is read as a dictionary, and written out only if it fits.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

from lalbench.data.limits import check_columns
from lalbench.errors import UserError
from lalbench.memory import check_memory

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_LARGEST_FOOTER = 64 * 2**20
"""Bytes; a column takes about 200, and twelve times as many in memory."""
_MARK = b"PAR1"


def opened_parquet(path: str) -> pq.ParquetFile:
    """An open file with a checked number of columns.

    Raises:
        UserError: a footer that is too long, or too many columns.
        OSError, pyarrow.ArrowException: no Parquet file.
    """
    import pyarrow.parquet as pq

    with open(path, "rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(0, size - 8))
        end = handle.read()
    if end[4:] == _MARK and _LARGEST_FOOTER < struct.unpack("<I", end[:4])[0] < size:
        raise UserError(
            path,
            f"has a footer of more than {_LARGEST_FOOTER} bytes",
            "write it with fewer columns or larger row groups",
        )
    file = pq.ParquetFile(path)
    check_columns(path, file.metadata.num_columns)
    return file


def index_columns(schema: pa.Schema) -> list[Any]:
    """Columns that pandas wrote as the index of a data frame; none where its notes are no notes.

    Raises:
        ValueError, RecursionError: the notes are no JSON.
    """
    notes = schema.pandas_metadata
    found = notes.get("index_columns") if isinstance(notes, dict) else None
    return found if isinstance(found, list) else []


def read_table(path: str) -> pa.Table:
    """All columns.

    Raises:
        UserError: they do not fit into memory.
        OSError, pyarrow.ArrowException: no Parquet file, or a damaged one.
    """
    import pyarrow.parquet as pq

    file = opened_parquet(path)
    check_memory(path, _bytes(file.metadata), copies=2)
    schema = file.schema_arrow
    text = [field.name for field in schema if _is_text(field.type)]
    table = pq.ParquetFile(path, read_dictionary=text).read()
    check_memory(path, sum(_text_bytes(table.column(name)) for name in text), copies=2)
    for place, field in enumerate(schema):
        if field.name in text and table.column(place).type != field.type:
            table = table.set_column(place, field.name, table.column(place).cast(field.type))
    return table


def _is_text(kind: pa.DataType) -> bool:
    """Whether values have no fixed width, also where they are stored as a dictionary."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(
        test(kind)
        for test in (
            *(types.is_string, types.is_large_string, types.is_string_view),
            *(types.is_binary, types.is_large_binary, types.is_binary_view),
        )
    )


def _bytes(metadata: pq.FileMetaData) -> int:
    """Of all values in memory, text not counted but as an index of a dictionary."""
    widths = [
        max(8, metadata.schema.column(place).length or 0) for place in range(metadata.num_columns)
    ]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return sum(
        width * group.column(place).num_values
        for group in groups
        for place, width in enumerate(widths)
    )


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Of a column of dictionaries, written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.binary_length(chunk.dictionary), 0)
        total += pc.sum(lengths.take(chunk.indices).cast("int64")).as_py() or 0
    return total
