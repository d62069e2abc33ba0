"""The CIFAR readers on small archives of the same format, whole, damaged and hostile."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data import cifar
from lalbench.errors import UserError

NAMES = ["a/one", "a/two", "a/test", "a/meta"]


def batch(y: list[int], seed: int, **changes: Any) -> dict[str, Any]:
    rows = np.random.default_rng(seed).integers(0, 256, (len(y), 3072), dtype=np.uint8)
    names = [f"{place}.png" for place in range(len(y))]
    return {"data": rows, "labels": y, "filenames": names, "batch_label": "x", **changes}


BATCHES = [batch([0, 1, 1], 0), batch([1, 0], 1), batch([1, 0, 0, 1], 2)]
META = {"label_names": ["cat", "dog"], "num_vis": 3072}


def members(*contents: Any) -> dict[str, bytes]:
    """Pickles as Python 2 wrote them: protocol 2."""
    return {
        name: pickle.dumps(content, protocol=2)
        for name, content in zip(NAMES, contents, strict=True)
    }


GOOD = members(*BATCHES, META)


def hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}


def write(path: Path, contents: Mapping[str, bytes], packing: str = "") -> Path:
    with tarfile.open(path, f"w:{packing}") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def read(path: Path, contents: Mapping[str, bytes] = GOOD) -> Any:
    return cifar.read_archive(path, hashes(contents), "labels", "label_names")


def complaint(path: Path, contents: Mapping[str, bytes] = GOOD) -> str:
    with pytest.raises(UserError) as caught:
        read(path, contents)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("packing", ["", "gz", "xz", "bz2"])
@pytest.mark.parametrize("backwards", [False, True])
def test_any_packing_and_order_of_the_members(
    tmp_path: Path, packing: str, backwards: bool
) -> None:
    listed = {"a/readme.html": b"hello", **GOOD}
    if backwards:
        listed = dict(reversed(listed.items()))
    table = read(write(tmp_path / "c.tar", listed, packing))
    assert table.X.shape == (9, 32, 32, 3)
    rows = np.concatenate([each["data"] for each in BATCHES])
    for channel in range(3):  # all red values of an image, then all green, then all blue ones
        plane = rows[:, 1024 * channel : 1024 * (channel + 1)].reshape(9, 32, 32)
        np.testing.assert_array_equal(table.X[..., channel], plane)
    assert table.labels.tolist() == [0, 1, 1, 1, 0, 1, 0, 0, 1]
    assert table.test_mask.tolist() == [False] * 5 + [True] * 4
    assert table.class_names == ("cat", "dog")


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "c.tar", GOOD, "gz")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    read(path)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["c.tar", "empty"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("changed", ["gone", "renamed", "above", "other", "link", "folder"])
def test_members_that_are_not_what_they_should_be(tmp_path: Path, name: str, changed: str) -> None:
    path = tmp_path / "c.tar"
    with tarfile.open(path, "w:gz") as archive:
        for each, content in GOOD.items():
            info, body = tarfile.TarInfo(each), content
            if each == name:
                if changed == "gone":
                    continue
                info.name = {"renamed": "b/" + name, "above": "../" + name}.get(changed, name)
                info.type = {"link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}.get(
                    changed, tarfile.REGTYPE
                )
                info.linkname = "/etc/passwd" if changed == "link" else ""
                body = content[:-1] + b"!" if changed == "other" else content
            info.size = len(body) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(body) if info.isreg() else None)
    says = {"other": "wrong content (md5", "link": "no regular file", "folder": "no regular file"}
    assert says.get(changed, f"holds no {name}") in complaint(path)


def test_a_member_beyond_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "c.tar", GOOD)
    monkeypatch.setattr(cifar, "MEMBER_LIMIT", len(GOOD["a/one"]) - 1)
    assert "a/one: is no regular file of at most" in complaint(path)


@pytest.mark.parametrize("packing", ["gz", "xz"])
def test_damaged_archives(tmp_path: Path, packing: str) -> None:
    content = write(tmp_path / "whole.tar", GOOD, packing).read_bytes()
    middle = len(content) // 2
    broken = content[:middle] + bytes(64) + content[middle + 64 :]
    for bad in (b"", b"text", content[:20], content[:middle], broken):
        (tmp_path / "bad.tar").write_bytes(bad)
        message = complaint(tmp_path / "bad.tar")
        assert "cannot be read as an archive" in message or "wrong content" in message
    with pytest.raises(UserError, match=r"none\.tar: cannot be read as an archive"):
        read(tmp_path / "none.tar")


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ((batch([0, 1], 0, labels=[0]), *BATCHES[1:], META), "images do not fit 1 labels"),
        ((batch([0, 1], 0, labels=["a", "b"]), *BATCHES[1:], META), "do not fit"),
        ((batch([0], 0, data=np.zeros((1, 3072))), *BATCHES[1:], META), "float64 images"),
        ((batch([0], 0, data=np.zeros((1, 9), np.uint8)), *BATCHES[1:], META), "do not fit"),
        (({"data": BATCHES[0]["data"]}, *BATCHES[1:], META), "labels is missing"),
        ((*BATCHES, {"label_names": 3}), "label_names is missing or of another kind"),
        ((*BATCHES, {"label_names": [None]}), "a/meta: refused to unpickle"),
    ],
)
def test_batches_with_other_content(tmp_path: Path, contents: Any, says: str) -> None:
    changed = members(*contents)
    assert says in complaint(write(tmp_path / "c.tar", changed), changed)


def test_cifar100_has_fine_and_coarse_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine, coarse = [2, 0, 1], [1, 0, 1]
    parts = [
        {"data": batch(fine, seed)["data"], "fine_labels": fine, "coarse_labels": coarse}
        for seed in (0, 1)
    ]
    meta = {"fine_label_names": ["x", "y", "z"], "coarse_label_names": ["s", "t"]}
    names = list(cifar.CIFAR100_MEMBERS)
    contents = {
        name: pickle.dumps(content, protocol=2)
        for name, content in zip(names, [*parts, meta], strict=True)
    }
    monkeypatch.setattr(cifar, "CIFAR100_MEMBERS", hashes(contents))
    path = write(tmp_path / "c.tar.gz", contents, "gz")
    found = {kind: cifar.cifar100((path,), {"labels": kind}) for kind in ("fine", "coarse")}
    assert found["fine"].labels.tolist() == fine * 2
    assert found["coarse"].labels.tolist() == coarse * 2
    assert found["fine"].class_names == ("x", "y", "z")
    assert found["coarse"].class_names == ("s", "t")


def test_another_kind_of_labels_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UserError, match=r'options\.labels.*did you mean "coarse"'):
        data.check(DatasetSpec(name="cifar100", options={"labels": "corse"}))
    data.check(DatasetSpec(name="cifar100", options={"labels": "coarse"}))
