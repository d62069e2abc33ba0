"""Parquet files of the user's, read once they are known to fit into memory.

A file may repeat one value a billion times in a few bytes, and say less of itself than it holds. It
is therefore read some rows at a time until it is too much; text is read as a dictionary, and
written out only if it fits.
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
_ROWS = 2**16
"""That are read at a time."""
_WIDEST = 1000
"""Bytes of a value of fixed width."""


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
    """All columns, which are of numbers, text, dates and the like.

    Raises:
        UserError: they do not fit into memory, or one holds lists or the like.
        OSError, pyarrow.ArrowException: no Parquet file, or a damaged one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = opened_parquet(path).schema_arrow
    for field in schema:
        _check_type(f'{path}, column "{field.name}"', field.type)
    text = [field.name for field in schema if _is_text(field.type)]
    batches, taken = [], 0
    for batch in pq.ParquetFile(path, read_dictionary=text).iter_batches(batch_size=_ROWS):
        numbers = max(batch.nbytes, 8 * batch.num_rows * batch.num_columns)
        taken += numbers + sum(_text_bytes(batch.column(name)) for name in text)
        check_memory(path, taken, copies=3)
        batches.append(batch)
    if not batches:
        return schema.empty_table()
    table = pa.Table.from_batches(batches)
    table.validate(full=True)  # text that is no UTF-8, for example
    for place, field in enumerate(schema):
        if field.name in text and table.column(place).type != field.type:
            table = table.set_column(place, field.name, table.column(place).cast(field.type))
    return table


def _check_type(where: str, kind: pa.DataType) -> None:
    """What one value takes is known."""
    import pyarrow as pa

    if pa.types.is_nested(kind):
        raise UserError(where, f"holds {kind}, no numbers or text", "write the file without it")
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width > _WIDEST:
        raise UserError(
            where, f"holds values of {kind.byte_width} bytes", "write the file without it"
        )


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


def _text_bytes(column: pa.Array) -> int:
    """Of a column of dictionaries, written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = pc.fill_null(pc.binary_length(column.dictionary), 0)
    return pc.sum(lengths.take(column.indices).cast("int64")).as_py() or 0
