"""What is fuzzed: each reader of a file, with small valid files to begin with."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tests.fuzz.packing import Build, members, npy, spliced, with_checksums, zipped

N = 12
"""Rows of the valid files."""
BASE = {
    "study": "s",
    "datasets": ["wine"],
    "settings": ["balanced"],
    "classifiers": ["logistic_regression"],
    "strategies": ["random"],
}
"""The least that a study file holds."""


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        seeds: valid contents.
        read: reads a file with fuzzed content; refuses by a :class:`LalbenchError`.
        suffix: of the file.
        build: makes the file of fuzzed content.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    suffix: str = ""
    build: Build = bytes


def _study() -> list[bytes]:
    small = {
        "study": "s",
        "datasets": [{"name": "wine", "relabel": [[0, 1], [2]], "sizes": {"test": 9}}],
        "settings": [{"name": "m", "frequencies": [1, 2.5], "fit_weights": "score"}],
        "classifiers": [{"name": "f", "class": "sklearn.svm:SVC", "options": {"C": 2}}],
        "strategies": [{"name": "entropy", "subsample": 5, "options": {"ties": "random"}}],
        "objective": {"name": "f_beta", "options": {"beta": 2}},
        "seeds": {"data": {"first": 1, "count": 3}, "run": [1, 2, 3], "pairs": "matched"},
    }
    anchors = b"a: &a [1, 2]\nb: {c: *a, ? d : !!str 3}\n# c\ne: |\n  text\nf: 'q'\n--- \n"
    return [yaml.safe_dump(small).encode(), yaml.safe_dump(BASE).encode(), anchors]


def _read_study(path: Path) -> object:
    from lalbench.study import load_study

    return load_study(path)


def _table() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 2)).round(2), np.arange(N) % 2


def _csv() -> list[bytes]:
    X, y = _table()
    rows = [f"{a},{b},{label}" for (a, b), label in zip(X, y, strict=True)]
    plain = "\n".join(["a,b,label", *rows]) + "\n"
    words = '"a b",c,label\r\n1,-2e3,"x"\r\n0x1,inf,y\r\n,1,NA\r\nTrue,2020-01-01,x\r\n'
    whole = plain.replace("label\n", "label\n1,2,\n")
    return [plain.encode(), words.encode(), b"\xef\xbb\xbf" + whole.encode(), _gz(plain.encode())]


def _gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _own(path: Path) -> object:
    from lalbench import data
    from lalbench.config import DatasetSpec

    spec = DatasetSpec(name="mine", path=str(path), target="label")
    data.check(spec)
    return data.load(spec)


def _partly(path: Path) -> object:
    from lalbench.data.partly_labelled import read_partly_labelled

    return read_partly_labelled(str(path), "label", ["b"])


def _parquet() -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    X, y = _table()
    words = pa.array(["x", "y", "zz"] * (N // 3))
    tables = [
        pa.table({"a": X[:, 0], "b": X[:, 1], "label": y}),
        pa.table({"a": y.astype("i1"), "b": y > 0, "label": words}),
        pa.table({"a": X[:, 0].astype("f4"), "label": words.dictionary_encode()}),
        pa.table({"a": [[1], [2, 3]], "label": [{"x": 1}, {"x": 2}]}),
    ]
    found = []
    for place, table in enumerate(tables):
        buffer = io.BytesIO()
        packing = ["none", "snappy", "zstd", "none"][place]
        pq.write_table(table, buffer, compression=packing, use_dictionary=place > 0)
        found.append(buffer.getvalue())
    return found


@cache
def _npz() -> tuple[list[bytes], Build]:
    X, y = _table()
    names = np.array(["x", "yy"])[y]
    seeds, build = spliced(members({"X": X, "label": y}))
    more = [npy(array) for array in (names, names.astype("S"), X.T.copy().T, X > 0, y.astype("O"))]
    images = npy(np.zeros((N, 2, 2, 3), dtype=np.uint8))
    more += [npy(X.astype(">f4")), npy(np.zeros(N, dtype=[("a", "f8"), ("b", "U2")])), images]
    return [*seeds, *(bytes([place]) + one for one in more for place in (0, 1))], build


def _npz_files() -> list[bytes]:
    X, y = _table()
    return [zipped(members({"X": X, "label": y})), zipped({"../X.npy": npy(X), "label": b"x"})]


def _images(suffix: str) -> list[bytes]:
    from PIL import Image

    found = []
    for mode in ("L", "RGB", "P", "1", "RGBA"):
        if suffix == ".png" or mode in ("L", "RGB"):
            buffer = io.BytesIO()
            Image.effect_noise((5, 4), 50).convert(mode).save(
                buffer, {".png": "PNG", ".jpg": "JPEG"}[suffix]
            )
            found.append(buffer.getvalue())
    return found


def _read_images(path: Path) -> object:
    from lalbench import data
    from lalbench.config import DatasetSpec

    folder = path.parent / "images"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    good = folder / "a" / "1.png"
    if not good.exists():
        good.write_bytes(_images(".png")[0])
    (folder / "b" / f"1{path.suffix}").write_bytes(path.read_bytes())
    options = {"size": [4, 5]}
    return data.load(DatasetSpec(name="i", path=str(folder), format="images", options=options))


def _idx() -> list[bytes]:
    plain = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3)) + bytes(range(12))
    return [plain, _gz(plain), bytes((0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4))]


def _read_idx(path: Path) -> object:
    from lalbench.data.image_readers import read_idx

    return read_idx(path)


def _mat() -> list[bytes]:
    from scipy.io import savemat

    X, y = _table()
    found = []
    for packed, version, labels in ((False, "5", y), (True, "5", y[:, None]), (False, "4", y)):
        buffer = io.BytesIO()
        arrays = {"features": X, "labels": labels * 1.0}
        savemat(buffer, arrays, format=version, do_compression=packed)
        found.append(buffer.getvalue())
    buffer = io.BytesIO()
    savemat(buffer, {"features": {"a": X}, "labels": np.array([X, "x"], dtype=object)})
    return [*found, buffer.getvalue()]


def _read_patches(path: Path) -> object:
    from lalbench.data.lal_files import segmentation

    return segmentation(2)((), {"path": str(path), "n": None, "seed": 0})


def _credit() -> list[bytes]:
    from lalbench.data.lal_files import CREDIT_FEATURES

    head = ",".join(["id", *CREDIT_FEATURES, "Class"])
    rows = [",".join(["7", *(f"{k}.5" for k in range(30)), f'"{y}"']) for y in (0, 1, 0)]
    return ["\n".join([head, *rows]).encode()]


def _read_credit(path: Path) -> object:
    from lalbench.data.lal_files import credit_card_fraud

    return credit_card_fraud((), {"path": str(path), "n": None, "seed": 0})


def _splice() -> list[bytes]:
    rows = [",".join(["N", *("ACGTDNSR" * 8)[:60], label]) for label in ("EI", "IE", "N")]
    return ["\n".join(["head", *rows]).encode()]


def _read_splice(path: Path) -> object:
    from lalbench.data.splice import splice

    return splice((path,), {"classes": 3})


def _keel() -> list[bytes]:
    return [b"@relation x\n@data\n1.0, 2.0, -1.0\n-1e3,3,1.0\n"]


def _read_keel(path: Path) -> object:
    from lalbench.data.readers import keel_binary
    from lalbench.data.table import to_dataset

    return to_dataset(keel_binary(("-1", "1"))((path,), {}), "k", None, "k")


def _pickles() -> list[bytes]:
    X, y = _table()
    content = {"X": X, "y": y[:, None]}
    values = {b"data": X.astype("u1"), "labels": [1, 2], "names": ["a", "b"], "n": 3, "t": "x"}
    every = [pickle.dumps(one, protocol=p) for one in (content, values) for p in range(6)]
    return [one for one in every if len(one) < 4000]


def _read_pickle(path: Path) -> object:
    from lalbench.data.readers import pickled_binary
    from lalbench.data.table import to_dataset

    return to_dataset(pickled_binary()((path,), {}), "p", None, "p")


def _read_values(path: Path) -> object:
    from lalbench.data.unpickler import read_pickled_values

    return read_pickled_values(path.read_bytes(), "values")


_MEMBERS = {"a/one": b"first", "a/two": b"second" * 200}


def _tar() -> list[bytes]:
    found = []
    for packing, form in (
        ("", tarfile.USTAR_FORMAT),
        ("", tarfile.GNU_FORMAT),
        ("", tarfile.PAX_FORMAT),
        ("gz", tarfile.PAX_FORMAT),
        ("xz", tarfile.PAX_FORMAT),
        ("bz2", tarfile.GNU_FORMAT),
    ):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w:{packing}", format=form) as archive:  # type: ignore[call-overload]
            for name, content in {"é" * 60 + "/" + "x" * 90: b"", **_MEMBERS}.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        found.append(buffer.getvalue())
    return found


def _read_tar(path: Path) -> object:
    from lalbench.data.cifar import read_members

    return read_members(path, {n: hashlib.md5(c).hexdigest() for n, c in _MEMBERS.items()})


@cache
def _archive() -> dict[str, bytes]:
    from lalbench import files

    study = {"study": "s"}
    manifest = {"study": study, "study_hash": files.digest(study), "files": {"data/x": "0"}}
    parts = {"study.yaml": b"study: s\n", "manifest.json": json.dumps(manifest).encode()}
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in parts.items()]
    return {**parts, "checksums.txt": "".join(lines).encode()}


def _read_archive(path: Path) -> object:
    from lalbench.archive import checking

    return checking.verify(path)


def _read_manifest(path: Path) -> object:
    from lalbench import manifests

    manifests.check(path.parent)
    return manifests.study_at(path.parent)


def _manifest() -> list[bytes]:
    held = {"manifest.json": "0" * 64, "../x": "1"}
    return [json.dumps({"study": BASE, "files": files}).encode() for files in ({}, held)]


def _hashed(content: bytes) -> bytes:
    """With the hash of its study."""
    from lalbench import files

    try:
        found = json.loads(content)
        return json.dumps(found | {"study_hash": files.digest(found["study"])}).encode()
    except (ValueError, LookupError, TypeError, RecursionError):
        return content


def _records() -> list[bytes]:
    import tempfile

    from lalbench import records

    values = {"string": "s", "int64": 3, "float64": 0.5, "list<int64>": [1], "list<float64>": [0.5]}
    row = {name: values[kind] for name, kind in records.COLUMNS["records"].items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "r.parquet")
        records.write(path, "records", [row] * 3, {"lalbench": "{}"})
        return [path.read_bytes()]


def _read_records(path: Path) -> object:
    from lalbench import records

    return records.read(path, "records")


def target(make: Callable[[], tuple[list[bytes], Build]], read: Callable[[Path], object]) -> Target:
    """A target in an npz file of which one array is fuzzed."""
    return Target(lambda: make()[0], read, ".npz", lambda content: make()[1](content))


READERS: dict[str, Target] = {
    "study": Target(_study, _read_study, ".yaml"),
    "csv": Target(_csv, _own, ".csv"),
    "partly-labelled": Target(_csv, _partly, ".csv"),
    "parquet": Target(_parquet, _own, ".parquet"),
    "npz": target(_npz, _own),
    "npz-file": Target(_npz_files, _own, ".npz"),
    "png": Target(lambda: _images(".png"), _read_images, ".png", with_checksums),
    "jpeg": Target(lambda: _images(".jpg"), _read_images, ".jpg"),
    "idx": Target(_idx, _read_idx),
    "mat": Target(_mat, _read_patches, ".mat"),
    "credit": Target(_credit, _read_credit, ".csv"),
    "splice": Target(_splice, _read_splice, ".csv"),
    "keel": Target(_keel, _read_keel),
    "pickle": Target(_pickles, _read_pickle),
    "pickled-values": Target(_pickles, _read_values),
    "tar": Target(_tar, _read_tar),
    "archive": Target(lambda: [zipped(_archive())], _read_archive, ".zip"),
    "archive-members": Target(
        lambda: spliced(_archive())[0], _read_archive, ".zip", lambda c: spliced(_archive())[1](c)
    ),
    "manifest": Target(_manifest, _read_manifest, "", _hashed),
    "records": Target(_records, _read_records, ".parquet"),
}
"""Targets by name; those of lalbench's own arrays are in :mod:`tests.fuzz.own_files`."""
