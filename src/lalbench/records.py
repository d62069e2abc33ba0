"""What a trial leaves behind: the columns of its records, timings and learning curves.

Records and curves are the same bytes for the same configuration; measured seconds are not, so they
have a file of their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lalbench.errors import CorruptFileError
from lalbench.files import atomic

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

KEYS = ("study", "protocol", "dataset", "setting", "classifier", "strategy", "data_seed", "seed")
"""Columns that name a trial; they come first in every file."""

METRICS = (
    "objective",
    "weighted_accuracy",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "rare_precision",
    "rare_recall",
    "rare_f1",
    "rare_average_precision",
    "weighted_log_loss",
)
"""Scores on the test set; ``objective`` is the study's own, the others are always there."""

_KEY_TYPES = dict.fromkeys(KEYS[:6], "string") | {"data_seed": "int64", "seed": "int64"}

COLUMNS: dict[str, Mapping[str, str]] = {
    "records": _KEY_TYPES
    | {"step": "int64", "n_annotated": "int64", "n_pool": "int64", "acquired": "list<int64>"}
    # What the classifier before the step gave each acquired point for class 0, in the same order;
    # empty for more than two classes, without predict_proba, and at step 0.
    | {"acquired_probability": "list<float64>"}
    | dict.fromkeys(METRICS, "float64")
    | {
        "class_recall": "list<float64>",
        "class_counts": "list<int64>",
        "rare_in_pool": "int64",
        "rare_in_test": "int64",
        "labels_asked": "int64",
        # JSON: what the strategy says of its choice, such as its label model; empty if nothing.
        "selection_details": "string",
        "label_budget": "int64",
        "engine": "string",
        "split_hash": "string",
        "status": "string",
        "message": "string",
    },
    "timings": _KEY_TYPES
    | {
        "step": "int64",
        "seconds_signals": "float64",
        "seconds_select": "float64",
        "seconds_fit": "float64",
        "seconds_learn": "float64",
        "gpu_memory_mib": "float64",
        "gpu_utilisation": "float64",
    },
    "curves": _KEY_TYPES | {"step": "int64", "epoch": "int64", "loss": "float64"},
    # Fits without active learning; strategy is the name of the line (results/references.py).
    "references": _KEY_TYPES
    | {"n_labels": "int64"}
    | dict.fromkeys(METRICS, "float64")
    | {"shared_rows": "int64", "warnings": "string", "split_hash": "string"},
}
"""Columns and Arrow types of each kind of file."""


def schema(kind: str, metadata: Mapping[str, str] | None = None) -> pa.Schema:
    """The Arrow schema of ``kind``: a key of :data:`COLUMNS`."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "list<int64>": pa.list_(pa.int64()),
        "list<float64>": pa.list_(pa.float64()),
    }
    fields = [(name, types[kind_name]) for name, kind_name in COLUMNS[kind].items()]
    return pa.schema(fields, metadata=dict(metadata or {}))


def write(
    path: str | os.PathLike[str],
    kind: str,
    rows: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes rows as Parquet, atomically; ``metadata`` is the provenance of the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema(kind, metadata))
    with atomic(path) as temporary:
        # zstd alone does not notice a changed bit: it would become other numbers
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read(path: str | os.PathLike[str], kind: str) -> pd.DataFrame:
    """Reads one file of ``kind``; raises what :func:`read_table` raises."""
    return read_table(path, kind).to_pandas()


def read_table(path: str | os.PathLike[str], kind: str) -> pa.Table:
    """Reads one file of ``kind`` as it is stored, without a Python object for every list.

    Raises:
        CorruptFileError: the file is damaged, lacks a column or has one of another type.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except Exception as error:  # Arrow raises OSError, ArrowInvalid and more for a damaged file
        said = " ".join(str(error).split())  # some of Arrow's messages have two lines
        raise CorruptFileError(
            f"{path}: cannot be read ({said}); delete it and run again"
        ) from error
    missing = [name for name in COLUMNS[kind] if name not in table.column_names]
    if missing:
        raise CorruptFileError(f"{path}: column {missing[0]} is missing; delete it and run again")
    for field in schema(kind):
        # the checksums are those of pages, not of the schema
        if not _alike(table.schema.field(field.name).type, field.type):
            raise CorruptFileError(
                f"{path}: column {field.name} is no {field.type}; delete it and run again"
            )
    return table.select(list(COLUMNS[kind])).cast(schema(kind))


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether two types are the same; what lists call their elements does not count."""
    import pyarrow as pa

    lists = pa.types.is_list(found) and pa.types.is_list(wanted)
    return bool(found.value_type == wanted.value_type if lists else found == wanted)
