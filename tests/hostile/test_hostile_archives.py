"""Archives, manifests and pickles made to write elsewhere, to run, or to take what there is."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fuzz.packing import zipped
from tests.hostile import makers
from tests.hostile.conftest import STUDY, Refused
from tests.hostile.makers import CENTRAL

from lalbench import files

# Zip files


def archive(study: dict[str, Any] | None = None, **parts: bytes) -> bytes:
    """The least that is an archive, with the hashes of what it holds."""
    content = STUDY if study is None else study
    manifest = {"study": content, "study_hash": files.digest(content), "files": {}}
    whole = {
        "study.yaml": yaml.safe_dump(content).encode(),
        "manifest.json": json.dumps(manifest | {"software": {}}).encode(),
        "code.json": b"{}",
        "data.json": b"{}",
        **parts,
    }
    lines = [f"{hashlib.sha256(each).hexdigest()}  {name}\n" for name, each in whole.items()]
    return zipped({**whole, "checksums.txt": "".join(lines).encode()})


def _overlapping() -> bytes:
    """Forty names of one member."""
    whole = {f"m{number:02d}": b"x" for number in range(40)}
    whole["m00"] = bytes(2**16)
    content = bytearray(zipped(whole))
    place = content.find(CENTRAL)
    while place >= 0:
        struct.pack_into("<II", content, place + 20, 2**16, 2**16)
        struct.pack_into("<I", content, place + 42, 0)
        place = content.find(CENTRAL, place + 1)
    return bytes(content)


def _linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        target.writestr(info, "/etc/passwd")
    return buffer.getvalue()


ARCHIVES: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "name above": (lambda: archive(**{"../canary": b"x"}), ("'../canary' is no name",)),
    "absolute name": (lambda: archive(**{"/tmp/canary": b"x"}), ("'/tmp/canary' is no name",)),
    "name of two lines": (lambda: archive(**{"a\nb": b"x"}), ("is missing",)),
    "name with terminal codes": (lambda: zipped({"a\x1b[31m": b""}), ("checksums.txt",)),
    "no name": (lambda: zipped({"": b""}), ("is no name",)),
    "link": (_linked, ("link is no plain file",)),
    "overlapping members": (_overlapping, ("members overlap",)),
    "bomb": (
        lambda: makers.patched(archive(), {CENTRAL: 24}, 2**31, "<I"),
        ("claims more bytes than it can hold",),
    ),
    "deep manifest": (
        lambda: archive(**{"manifest.json": b"[" * 100_000}),
        ("manifest.json is no JSON",),
    ),
    "long number": (
        lambda: archive(**{"manifest.json": b"[" + b"9" * 10_000 + b"]"}),
        ("manifest.json is no JSON",),
    ),
    "random bytes": (lambda: bytes(range(256)) * 9, ("is no zip file",)),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = ARCHIVES[name]
    (tmp_path / "a.zip").write_bytes(make())
    command = ["rerun", "--folder", "results/again"] if "name" in name else ["verify"]
    refused([*command, "a.zip"], words, code=1)
    assert not (tmp_path / "results").exists()


def test_the_least_archive_is_whole(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.zip").write_bytes(archive())
    with pytest.raises(AssertionError):
        refused(["verify", "a.zip"], (), code=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"strategies": [{"name": "x", "class": "subprocess:Popen", "options": {"args": "id"}}]},
            ("part of Python itself",),
        ),
        (
            {"classifiers": [{"name": "x", "class": "pandas:read_pickle", "options": {"x": 1}}]},
            ("function of a library",),
        ),
        ({"datasets": [{"name": "m", "path": "pipe", "format": "csv", "target": "y"}]}, ("pipe",)),
        ({"study": "../x"}, ("study", "letters")),
    ],
    ids=["program", "pickle", "pipe", "name above"],
)
def test_a_study_in_an_archive_is_not_trusted(
    changes: dict[str, Any], words: tuple[str, ...], tmp_path: Path, refused: Refused
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.zip").write_bytes(archive(STUDY | changes))
    refused(["rerun", "a.zip", "--folder", "results/again"], words)


# Manifests in folders

MANIFESTS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "file above": (json.dumps({"../../etc/passwd": "0"}), ("is no name below its folder",)),
    "absolute file": (json.dumps({"/etc/passwd": "0"}), ("is no name below its folder",)),
    "pipe": (json.dumps({"pipe": "0"}), ("pipe: is missing",)),
    "long name": (json.dumps({"x" * 5000: "0"}), ("is missing",)),
    "name of two lines": (json.dumps({"a\nb": "0"}), ("a\\nb: is missing",)),
    "zero byte": (json.dumps({"a\0b": "0"}), ("a\\x00b: is missing",)),
    "no names": ("[]", ("manifest.json",)),
    "infinite": ("Infinity", ("manifest.json",)),
    "deep": ("[" * 100_000, ("manifest.json: cannot be read",)),
    "no text": (b"\xff\xfe", ("manifest.json: cannot be read",)),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests(name: str, tmp_path: Path, refused: Refused) -> None:
    names, words = MANIFESTS[name]
    os.mkfifo(tmp_path / "pipe")
    study = json.dumps({"study": STUDY, "study_hash": files.digest(STUDY)}).encode()
    content = names if isinstance(names, bytes) else names.encode()
    (tmp_path / "manifest.json").write_bytes(study[:-1] + b', "files": ' + content + b"}")
    refused(["verify", "."], words, code=1)


# Tar files

ONE = "cifar-10-batches-py/data_batch_1"


def _tar(*infos: tuple[tarfile.TarInfo, bytes], packing: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packing}") as target:  # type: ignore[call-overload]
        for info, content in infos:
            info.size = info.size or len(content)
            target.addfile(info, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def _member(name: str, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def _link(kind: bytes) -> bytes:
    return _tar((_member(ONE, type=kind, linkname="/etc/passwd"), b""))


def _sparse() -> bytes:
    header = _member(ONE, type=tarfile.GNUTYPE_SPARSE, size=2**40)
    return header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def _long_name() -> bytes:
    """A member that says to be a name of a million characters."""
    header = _member("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=10**6)
    return makers.gzip_of(bytes(100), 10_000, header.tobuf(tarfile.GNU_FORMAT))


def _attributes(text: bytes, **sizes: int) -> bytes:
    header = _member("x", type=tarfile.XHDTYPE, size=sizes.get("size", len(text)))
    padded = text + bytes(-len(text) % 512)
    return header.tobuf(tarfile.PAX_FORMAT) + padded + _tar((_member(ONE), b"x"))


TARS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "symbolic link": (lambda: _link(tarfile.SYMTYPE), ("is no regular file",)),
    "hard link": (lambda: _link(tarfile.LNKTYPE), ("is no regular file",)),
    "pipe": (lambda: _link(tarfile.FIFOTYPE), ("is no regular file",)),
    "device": (lambda: _link(tarfile.CHRTYPE), ("is no regular file",)),
    "name above": (lambda: _tar((_member(f"../{ONE}"), b"x")), (f"holds no {ONE}",)),
    "absolute name": (lambda: _tar((_member(f"/{ONE}"), b"x")), (f"holds no {ONE}",)),
    "long member": (
        lambda: _member(ONE, size=2**40).tobuf(tarfile.GNU_FORMAT),
        ("unpacks to more than",),
    ),
    "long member before it": (
        lambda: _member("x", size=2**40).tobuf(tarfile.GNU_FORMAT),
        ("unpacks to more than",),
    ),
    "sparse": (_sparse, ("sparse",)),
    "sparse by attributes": (
        lambda: _attributes(b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"),
        ("sparse",),
    ),
    "long name": (_long_name, ("too long",)),
    "long attributes": (lambda: _attributes(b"", size=2**33 - 1), ("too long",)),
    "other content": (lambda: _tar((_member(ONE), b"x"), packing="xz"), ("wrong content",)),
    "random bytes": (lambda: bytes(range(1, 256)) * 9, ("cannot be read as an archive",)),
}


@pytest.mark.parametrize("name", TARS)
def test_tar_files(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = TARS[name]
    (tmp_path / "a.tar").write_bytes(make())
    refused(["read:tests.hostile.readers:cifar", "a.tar"], words)


# Pickles: of what these do, tests/data/test_unpickler.py has the plain forms

START = b"\x80\x04"
DOUBLED = b"".join(
    b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86" + b"q" + bytes([n + 1]) + b"0"
    for n in range(100)
)
"""Tuple n + 1 holds tuple n twice; the memo has them all."""
TUPLES = START + b")q\x000" + DOUBLED
TYPE = b"cnumpy\ndtype\n\x8c\x02u1\x85R"


def _text(length: int) -> bytes:
    return b"X" + struct.pack("<I", length) + b"x" * length


def _repeated(times: int) -> bytes:
    """An array of one memorised text, again and again."""
    shape = b"M" + struct.pack("<H", 50_000) + b"\x85"
    array = b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01h\x02\x8c\x01CtR"
    entries = b"".join(_text(4).replace(b"xxxx", b"%04d" % n) + array for n in range(times))
    start = START + b"\x96" + struct.pack("<Q", 50_000) + bytes(50_000) + b"q\x000"
    return start + TYPE + b"q\x010" + shape + b"q\x020" + b"}(" + entries + b"u."


def _encoded(times: int) -> bytes:
    call = b"c_codecs\nencode\nh\x00\x8c\x06latin1\x86R"
    return START + _text(50_000) + b"q\x000" + b"](" + call * times + b"e."


PICKLES: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "key of doubled tuples": (lambda: TUPLES + b"}h\x60K\x01s.", ("tuple is no name",)),
    "keys of doubled tuples": (lambda: TUPLES + b"}(h\x60K\x01u.", ("tuple is no name",)),
    "dictionary of doubled tuples": (lambda: TUPLES + b"(h\x60K\x01d.", ("tuple is no name",)),
    "set of doubled tuples": (lambda: TUPLES + b"\x8f(h\x60\x90.", ("holds a set",)),
    "frozen set of doubled tuples": (lambda: TUPLES + b"(h\x60\x91.", ("holds a set",)),
    "type of doubled tuples": (
        lambda: TUPLES + b"cnumpy\ndtype\nh\x60\x85R.",
        ("arrays of type tuple",),
    ),
    "shape of doubled tuples": (
        lambda: TUPLES + b"cnumpy.core.numeric\n_frombuffer\n(C\x01x" + TYPE + b"h\x60\x8c\x01CtR.",
        ("no usable shape",),
    ),
    "value of doubled tuples": (lambda: TUPLES + b"}(\x8c\x01Xh\x60u.", ("holds a tuple",)),
    "array of bytes that are not there": (
        lambda: START + b"}(\x8c\x01X\x96" + struct.pack("<Q", 2**33) + b"xu.",
        ("ends too early",),
    ),
    "text that is not there": (
        lambda: START + b"}(\x8c\x01X\x8d" + struct.pack("<Q", 2**62) + b"xu.",
        ("damaged",),
    ),
    "one text as many arrays": (lambda: _repeated(3000), ("larger than the file",)),
    "one text encoded often": (lambda: _encoded(3000), ("larger than the file",)),
    "lists in lists": (lambda: START + b"]" * 20_000 + b"a" * 19_999 + b".", ("list",)),
    "memorised far away": (
        lambda: START + b"}r" + struct.pack("<I", 2**32 - 1) + b"(\x8c\x01XK\x01u.",
        ("holds a int",),
    ),
    "long number": (lambda: START + b"}(\x8c\x01XI" + b"9" * 10_000 + b"\nu.", ("damaged",)),
    "command": (lambda: b"cos\nsystem\n(S'touch canary'\ntR.", ('asks for "os.system"',)),
    "buffer of another process": (lambda: b"\x80\x05}(\x8c\x01X\x97u.", ("damaged",)),
    "persistent name": (lambda: b"Pcanary\n.", ("damaged", "persistent")),
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = PICKLES[name]
    (tmp_path / "a.p").write_bytes(make())
    refused(["read:lalbench.data.unpickler:read_pickled_arrays", "a.p"], words, mebibytes=300)


def test_lists_of_everything(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.p").write_bytes(pickle.dumps({"X": [1, "a", [2]]}))
    refused(["read:tests.hostile.readers:pickled_values", "a.p"], ("list of other things",))
