"""Archives that were changed, damaged or made to harm are refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lalbench import files
from lalbench.__main__ import main
from lalbench.archive import checking, writing
from lalbench.config import Study
from lalbench.errors import CorruptFileError, LalbenchError, UserError

Members = dict[str, bytes]


@pytest.fixture
def archive(study: Study, study_file: Path) -> Path:
    writing.write(study, study_file, Path("whole.zip"))
    return Path("whole.zip")


def changed(archive: Path, change: Callable[[Members], None], *, hashes: bool = False) -> Path:
    """A copy with other members, and, if asked for, with hashes that fit them."""
    with zipfile.ZipFile(archive) as source:
        contents = {name: source.read(name) for name in source.namelist()}
    change(contents)
    if hashes:
        import hashlib

        contents["checksums.txt"] = "".join(
            f"{hashlib.sha256(content).hexdigest()}  {name}\n"
            for name, content in contents.items()
            if name != "checksums.txt"
        ).encode()
    path = archive.with_name("changed.zip")
    with zipfile.ZipFile(path, "w") as target:
        for name, content in contents.items():
            target.writestr(name, content)
    return path


def test_every_hash_is_checked(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    n_files = checking.verify(archive)
    with zipfile.ZipFile(archive) as content:
        assert n_files == len(content.namelist()) - 1
    assert main(["verify", str(archive)]) == 0
    assert f"{n_files} files, each with its hash" in capsys.readouterr().out
    assert checking.verify(changed(archive, lambda members: None)) == n_files


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update({"tables/auac.csv": b"!"}), r"auac\.csv does not have its hash"),
        (lambda m: m.pop("tables/auac.csv"), r"tables/auac\.csv is missing"),
        (lambda m: m.update({"new.txt": b""}), r"new\.txt has no hash"),
        (lambda m: m.pop("checksums.txt"), r"checksums\.txt is missing"),
        (lambda m: m.update({"checksums.txt": b"\xff\n"}), "has no hash|is missing"),
    ],
)
def test_what_was_changed_is_named(
    archive: Path, change: Callable[[Members], None], words: str
) -> None:
    with pytest.raises(CorruptFileError, match=words):
        checking.verify(changed(archive, change))


@pytest.mark.parametrize("change", [lambda c: c + b"zz", lambda c: b"zz" + c])
def test_nothing_is_added_around_an_archive(
    archive: Path, change: Callable[[bytes], bytes]
) -> None:
    archive.write_bytes(change(archive.read_bytes()))
    with pytest.raises(CorruptFileError, match="bytes were added before or behind it"):
        checking.verify(archive)


def test_the_manifest_is_checked_too(archive: Path) -> None:
    """Hashes that were made to fit do not help: the manifest knows the results."""

    def other_table(members: Members) -> None:
        members["tables/auac.csv"] = b"better"

    with pytest.raises(CorruptFileError, match=r"auac\.csv is not what manifest\.json says"):
        checking.verify(changed(archive, other_table, hashes=True))

    def other_study(members: Members) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["study"]["steps"] += 1
        members["manifest.json"] = json.dumps(manifest).encode()

    with pytest.raises(CorruptFileError, match="does not have its hash"):
        checking.verify(changed(archive, other_study, hashes=True))
    for wrong in (b"[]", b"{}", b"\xff", b'{"study": 1, "study_hash": "x", "files": 3}'):
        with pytest.raises(CorruptFileError):
            checking.verify(
                changed(archive, lambda m, c=wrong: m.update({"manifest.json": c}), hashes=True)
            )


@pytest.mark.parametrize(
    "name", ["../out.txt", "/etc/passwd", "a/../../b", "a//b", "./a", "C:/x", "a\\b", "folder/"]
)
def test_names_outside_of_a_folder_are_refused(archive: Path, name: str) -> None:
    with (
        pytest.raises(CorruptFileError, match="is no name below a folder"),
        checking.opened(changed(archive, lambda members: members.update({name: b""}))),
    ):
        pass


def test_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile("links.zip", "w") as target:
        target.writestr(info, "/etc/passwd")
    with pytest.raises(CorruptFileError, match="link is no plain file"):
        checking.verify(Path("links.zip"))


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_BZIP2) as target:
        target.writestr("study.yaml", b"0" * 2**25)
    with pytest.raises(CorruptFileError, match="claims more bytes than it can hold"):
        checking.verify(Path("bomb.zip"))
    with zipfile.ZipFile("large.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("checksums.txt", b"0" * (checking.LARGEST_TEXT + 1))
    with pytest.raises(CorruptFileError, match=r"checksums\.txt is larger than it can be"):
        checking.verify(Path("large.zip"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("twice.zip", "w") as target:
        target.writestr("a", b"1")
        target.writestr("a", b"2")
    with pytest.raises(CorruptFileError, match="a is there twice"):
        checking.verify(Path("twice.zip"))


def test_files_that_are_no_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        checking.verify(Path("none.zip"))
    for content in (b"", b"PK\x03\x04 nothing", b"text"):
        Path("text.zip").write_bytes(content)
        assert main(["verify", "text.zip"]) == 1
        assert "is no zip file" in capsys.readouterr().err


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_anywhere_is_found_or_harmless(archive: Path, data: st.DataObject) -> None:
    """Nothing but our own errors, whatever byte changes; what passes reads as it was."""
    content = bytearray(archive.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        content[place] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del content[place:]
    else:
        content[place:place] = data.draw(st.binary(min_size=1, max_size=20))
    path = archive.with_name("damaged.zip")
    path.write_bytes(content)
    try:
        checking.verify(path)
    except LalbenchError:
        return
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(path) as other:
        assert other.read("tables/auac.csv") == whole.read("tables/auac.csv")
        assert files.digest(json.loads(other.read("manifest.json"))) == files.digest(
            json.loads(whole.read("manifest.json"))
        )
