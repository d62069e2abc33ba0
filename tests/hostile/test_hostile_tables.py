"""Tables that are bombs, that lie about themselves, or that hold what no table can hold."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hostile import makers
from tests.hostile.conftest import Refused, write_study
from tests.hostile.makers import CENTRAL, HEAD, LOCAL, N, X, Y, arrays, header, parquet, rows
from tests.hostile.sandbox import Sandbox

FETCH = ("fetch", "--study", "study.yaml", "--dataset", "mine", "--output", "results/x.npz")


def run(path: str, folder: Path, refused: Refused, words: tuple[str, ...], **more: Any) -> str:
    """Fetches a file as the data set of a study."""
    write_study(folder, datasets=[{"name": "mine", "path": path, "target": "label", **more}])
    return refused(FETCH, words)


# CSV

WIDE = ",".join(f"c{n}" for n in range(200_000))

CSVS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "many columns": (f"{WIDE},label\n1,2\n", ("has 200001 columns",)),
    "an endless header": ("a" * 1_000_000, ("no header that can be read",)),
    "an endless header of many columns": (
        "\n".join(['"' + "a" * 100_000 + '"' + "," * 5] * 170).replace("\n", ""),
        ("header of more than 16777216 bytes",),
    ),
    "short rows below a wide header": (
        ",".join(f"c{n}" for n in range(5000)) + ",label\n" + "1\n" * 100_000,
        ("GiB of memory",),
    ),
    "an endless field": (HEAD + "1," + "x" * 5_000_000 + ",1\n" + rows(), ("is no number",)),
    "an endless label": (HEAD + rows() + "1,2," + "x" * 1_000_000 + "\n", ("characters",)),
    "wide labels": (HEAD + rows(2000) + "1,2," + "x" * 100_000 + "\n", ("100000 characters",)),
    "many classes": (
        HEAD + "".join(f"1,2,c{n}\n" for n in range(20_000)),
        ("has 20000 classes", "label column"),
    ),
    "labels of fractions": (HEAD + rows() + "1,2,0.5\n", ("0.5 in data row 61", "no class label")),
    "infinite label": (HEAD + rows() + "1,2,-inf\n", ("inf in data row 61",)),
    "missing label": (HEAD + rows() + "1,2,\n", ("1 value missing", "data row 61")),
    "label of two lines": (HEAD + rows() + '1,2,"a\nb"\n', ("'a\\nb'", "printed")),
    "label with terminal codes": (HEAD + rows() + "1,2,\x1b[31m\n", ("x1b[31m", "printed")),
    "column of two lines": ('"a\nb",label\nx,1\n', ('column "a\\nb"', "'x'")),
    "infinite": (HEAD + rows() + "1e400,2,1\n", ("inf in data row 61",)),
    "missing": (HEAD + rows() + "NaN,2,1\n", ("1 value missing",)),
    "mixed types": (HEAD + rows() + "red,2,1\n", ("'red' in data row 61 is no number",)),
    "integers of 5000 digits": (HEAD + rows() + "9" * 5000 + ",2,1\n", ("inf in data row 61",)),
    "zero bytes": (HEAD + "1,2\0,0\n" + rows(), ("x00", "is no number")),
    "a quotation without end": (HEAD + '"' + rows(), ("EOF inside string",)),
    "longer rows": (HEAD + rows() + "1," * 500_000 + "1\n", ("Expected 3 fields",)),
    "two bytes per character": ((HEAD + rows()).encode("utf-16"), ("utf-8",)),
    "no bytes": (b"", ("is empty",)),
    "line ends only": (b"\n" * 1000, ("is empty",)),
    "random bytes": (np.random.default_rng(0).bytes(5000), ("cannot be read",)),
}


@pytest.mark.parametrize("name", CSVS)
def test_csv(name: str, tmp_path: Path, refused: Refused) -> None:
    content, words = CSVS[name]
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "mine.csv").write_bytes(content)
    run("mine.csv", tmp_path, refused, words)


PACKED: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "rows": (lambda: makers.gzip_of(b"1,2,1\n", 4_000_000), ("GiB of memory",)),
    "one field": (
        lambda: makers.gzip_of(b"1" * 100, 800_000, HEAD.encode() + rows().encode()),
        ("GiB of memory",),
    ),
    "damaged": (lambda: makers.gzip_of(b"1,2,1\n", 100_000)[:-9], ("cannot be read", "end")),
    "zip": (lambda: b"PK\x03\x04" + bytes(30), ("is packed (zip)", "unpack it")),
    "xz": (lambda: b"\xfd7zXZ\0" + bytes(30), ("is packed (xz)",)),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_csv(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = PACKED[name]
    (tmp_path / "mine.csv.gz").write_bytes(make())
    run("mine.csv.gz", tmp_path, refused, words, format="csv")


# Parquet


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch canary",)


def _words(n: int, length: int, *, stored: bool) -> Callable[[Path], object]:
    """n labels of one long text that is stored once."""

    def write(path: Path) -> None:
        import pyarrow as pa

        text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, "i4")), ["x" * length])
        parquet(path, {"a": np.zeros(n), "label": text}, store_schema=stored)

    return write


def _noted(notes: bytes) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        import pyarrow as pa

        parquet(
            path, pa.table({"a": X[:, 0], "label": Y}).replace_schema_metadata({"pandas": notes})
        )

    return write


def _extension(path: Path) -> None:
    import pyarrow as pa

    notes = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(_Command()),
    }
    fields = [pa.field("a", pa.float64(), metadata=notes), pa.field("label", pa.int64())]
    parquet(path, pa.table([np.full(N, np.nan), Y], schema=pa.schema(fields)))


def _lists(path: Path) -> None:
    parquet(path, {"a": [[0] * 10] * N, "label": Y})


def _wide_values(path: Path) -> None:
    import pyarrow as pa

    parquet(path, {"a": pa.array([b"x" * 5000] * N, pa.binary(5000)), "label": Y})


def _no_text(path: Path) -> None:
    import pyarrow as pa

    bytes_ = pa.array([b"\xff", b"a"] * (N // 2), pa.binary())
    text = pa.StringArray.from_buffers(N, *bytes_.buffers()[1:])
    parquet(path, {"a": X[:, 0], "label": text})


def _end(path: Path, size: int, padding: int) -> None:
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.seek(padding)
        file.write(struct.pack("<I", size) + b"PAR1")


PARQUETS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "five million rows": (
        lambda path: parquet(path, dict.fromkeys(("a", "label"), np.zeros(5_000_000, "i1"))),
        ("GiB of memory",),
    ),
    "long text often": (_words(100_000, 50_000, stored=False), ("GiB of memory",)),
    "long text often, as categories": (_words(100_000, 50_000, stored=True), ("GiB of memory",)),
    "wide values": (_wide_values, ('column "a"', "values of 5000 bytes")),
    "lists": (_lists, ('column "a"', "holds list", "no numbers or text")),
    "pickled extension": (_extension, ("60 values missing",)),
    "notes that are none": (_noted(b"{"), ("cannot be read as Parquet",)),
    "notes that are deep": (_noted(b"[" * 100_000), ("cannot be read as Parquet", "recursion")),
    "notes that are no text": (_noted(b"\xff\xfe"), ("cannot be read as Parquet",)),
    "text that is none": (_no_text, ("cannot be read as Parquet", "UTF8")),
    "footer longer than the file": (lambda path: _end(path, 2**31, 50), ("cannot be read",)),
    "endless footer": (lambda path: _end(path, 70 * 2**20, 71 * 2**20), ("footer of more than",)),
    "nothing in it": (lambda path: _end(path, 0, 10), ("cannot be read",)),
    "large integers": (
        lambda path: parquet(path, {"a": np.full(N, 2**64 - 1, "u8"), "label": Y}),
        ("18446744073709551615 is too large",),
    ),
    "bytes as labels": (
        lambda path: parquet(path, {"a": X[:, 0], "label": [b"\xff", b"a"] * (N // 2)}),
        ("b'\\xff' is no label",),
    ),
}


@pytest.mark.parametrize("name", PARQUETS)
def test_parquet(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = PARQUETS[name]
    make(tmp_path / "mine.parquet")
    run("mine.parquet", tmp_path, refused, words)


def test_notes_that_are_no_mapping_are_passed_over(tmp_path: Path, sandbox: Sandbox) -> None:
    for place, notes in enumerate((b"[]", b"3", b'{"index_columns": 3}')):
        _noted(notes)(tmp_path / f"{place}.parquet")
        write_study(
            tmp_path, datasets=[{"name": "m", "path": f"{place}.parquet", "target": "label"}]
        )
        assert sandbox.run(["validate", "study.yaml"], tmp_path).code == 0


# NPZ

WORDS = np.array(["x", "y"])[Y]

NPZS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "a thousand million columns": (
        lambda: arrays(X=header((2, 10**9)) + b"1234", label=Y[:2]),
        ("announces (2, 1000000000)",),
    ),
    "more than there are numbers": (
        lambda: arrays(X=header((10**30, 10**30))),
        ("X.npy announces",),
    ),
    "negative lengths": (lambda: arrays(X=header((-2, -3)) + bytes(48)), ("cannot be read",)),
    "values of no size": (
        lambda: arrays(X=header((10**9, 1), "<U0"), label=header((10**9,), "|S0")),
        ("announces (1000000000, 1)",),
    ),
    "gibibytes of zeros": (lambda: makers.zeros(0.15), ("GiB of memory",)),
    "many features": (lambda: arrays(X=np.zeros((N, 100_001), "i1")), ("100001 columns",)),
    "objects": (lambda: arrays(X=np.array([[_Command()]] * N)), ("object array", "pickle")),
    "labels that are objects": (
        lambda: arrays(label=np.array([_Command()] * N)),
        ("array label", "object array"),
    ),
    "a pickle": (lambda: arrays(X=pickle.dumps(_Command())), ("cannot be read",)),
    "a header that runs": (
        lambda: arrays(X=b"\x93NUMPY\1\0\x40\0" + b"__import__('os').system('id')".ljust(64)),
        ("cannot be read",),
    ),
    "a deep header": (
        lambda: arrays(X=b"\x93NUMPY\1\0" + struct.pack("<H", 9000) + b"(" * 9000),
        ("cannot be read",),
    ),
    "an endless header": (
        lambda: arrays(X=b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1) + b"{"),
        ("cannot be read",),
    ),
    "records": (lambda: arrays(X=np.zeros((N, 2), "f8,f8")), ("is no number",)),
    "complex": (lambda: arrays(X=X * 1j), ("complex128 is no number",)),
    "not a number": (lambda: arrays(X=X * np.nan), ("60 values missing",)),
    "infinite": (lambda: arrays(X=X / 0.0), ("in data row 1", "infinite")),
    "infinite as float64": (
        lambda: arrays(X=np.full((N, 1), np.longdouble("1e4000"))),
        ("inf in data row 1",),
    ),
    "labels of fractions": (lambda: arrays(label=X[:, 0]), ("is no class label",)),
    "a million classes": (
        lambda: arrays(X=np.zeros((10**6, 1), "?"), label=np.arange(10**6, dtype="i4")),
        ("1000000 classes",),
    ),
    "long labels": (
        lambda: arrays(label=np.array(["x" * 5000, "y"])[Y]),
        ("5000 characters",),
    ),
    "labels that are no text": (
        lambda: arrays(label=np.array([b"\xff", b"a"])[Y]),
        ("no UTF-8",),
    ),
    "characters that are none": (
        lambda: arrays(label=header((N,), "<U1") + b"\xff" * 4 * N),
        ("characters that are none",),
    ),
    "features of characters that are none": (
        lambda: arrays(X=header((N, 1), "<U1") + b"\xff" * 4 * N),
        ("characters that are none",),
    ),
    "other lengths": (lambda: arrays(label=Y[:3]), ("does not fit",)),
    "encrypted": (
        lambda: makers.patched(arrays(), {CENTRAL: 8, LOCAL: 6}, 1, "<H"),
        ("encrypted",),
    ),
    "packed otherwise": (
        lambda: makers.patched(arrays(), {CENTRAL: 10, LOCAL: 8}, 97, "<H"),
        ("compression method",),
    ),
    "for a later version": (
        lambda: makers.patched(arrays(), {CENTRAL: 6}, 200, "<H"),
        ("version",),
    ),
    "larger than it is": (
        lambda: makers.patched(arrays(), {CENTRAL: 24}, 2**31, "<I"),
        ("GiB of memory",),
    ),
    "no zip file": (lambda: b"PK" + bytes(100), ("cannot be read as NPZ",)),
}


@pytest.mark.parametrize("name", NPZS)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_npz(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = NPZS[name]
    (tmp_path / "mine.npz").write_bytes(make())
    run("mine.npz", tmp_path, refused, words)


def test_names_in_a_zip_file_are_no_paths(tmp_path: Path, refused: Refused) -> None:
    from tests.fuzz.packing import npy, zipped

    parts = {"../../X.npy": npy(X), "/label.npy": npy(Y), "a\nb\x1b[31m": b""}
    (tmp_path / "mine.npz").write_bytes(zipped(parts))
    run("mine.npz", tmp_path, refused, ('no "label"', 'mean "/label"'))
    (tmp_path / "mine.npz").write_bytes(zipped({f"m{n}": b"" for n in range(2000)}))
    run("mine.npz", tmp_path, refused, ('no "label"', ", …"))


# What is no file

PLACES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "link to a pipe": lambda path: (os.mkfifo(f"{path}.pipe"), path.symlink_to(f"{path}.pipe")),
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "link to nowhere": lambda path: path.symlink_to("gone"),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file(place: str, tmp_path: Path, refused: Refused) -> None:
    ending = ("csv", "parquet", "npz")[len(place) % 3]
    PLACES[place](tmp_path / f"mine.{ending}")
    run(f"mine.{ending}", tmp_path, refused, (f'no such file "mine.{ending}"',))


def test_names_of_files_are_no_commands(tmp_path: Path, sandbox: Sandbox) -> None:
    name = "-rf $(touch canary)`touch canary`;&&'\"*\n{dataset}.csv"
    (tmp_path / name).write_text(HEAD + rows())
    write_study(tmp_path, datasets=[{"name": "mine", "path": name, "target": "label"}])
    outcome = sandbox.run(FETCH, tmp_path)
    assert (outcome.code, outcome.error, outcome.events) == (0, "", ())


@pytest.mark.parametrize("name", ["{dataset}.csv", "a\nb.csv"])
def test_names_that_the_workflow_would_change(name: str, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / name).write_text(HEAD + rows())
    write_study(tmp_path, datasets=[{"name": "mine", "path": name, "target": "label"}])
    refused(["validate", "study.yaml"], ("datasets[0].path", "cannot name", "braces"))


def test_suggestions_of_a_hostile_table(tmp_path: Path, refused: Refused) -> None:
    command = ["suggest", "--data", "mine.csv", "--target", "label"]
    (tmp_path / "mine.csv").write_text(f"{WIDE},label\n1,2\n")
    refused(command, ("has 200001 columns",))
    (tmp_path / "mine.csv").unlink()
    os.mkfifo(tmp_path / "mine.csv")
    refused(command, ('no such file "mine.csv"',))
