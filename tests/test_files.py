"""Atomic and deterministic files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lalbench import files
from lalbench.errors import CorruptFileError, UserError


def test_atomic_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"

    def fail_half_way() -> None:
        with files.atomic(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert list(target.parent.iterdir()) == []


def test_atomic_keeps_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    files.write_text(target, "old")
    with files.atomic(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write here") as error:
        files.write_text(tmp_path / "file" / "below.txt", "")
    assert "\n" not in str(error.value)


def test_npz_round_trip_and_same_bytes(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "text": np.array("grüße"), "none": np.empty(0)}
    files.write_npz(tmp_path / "one.npz", arrays)
    files.write_npz(tmp_path / "two.npz", arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    back = files.read_npz(tmp_path / "one.npz")
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_stored_arrays_are_mapped_and_the_others_read(tmp_path: Path) -> None:
    arrays = {
        "pixels": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "packed": np.arange(5),
        "empty": np.empty((0, 3)),
        "text": np.array(["grüße", "ä"]),
    }
    stored = {"pixels", "turned", "empty"}
    files.write_npz(tmp_path / "one.npz", arrays, stored=stored)
    files.write_npz(tmp_path / "two.npz", arrays, stored=stored)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    for mapped in (True, False):
        back = files.read_npz(tmp_path / "one.npz", mapped=mapped)
        assert set(back) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(back[name], array)
            assert back[name].dtype == array.dtype
            assert isinstance(back[name], np.memmap) == (mapped and name in ("pixels", "turned"))
    with pytest.raises(ValueError, match="read-only"):
        files.read_npz(tmp_path / "one.npz", mapped=True)["pixels"][0] = 1
    with np.load(tmp_path / "one.npz") as content:  # an npz as any other
        np.testing.assert_array_equal(content["pixels"], arrays["pixels"])


def test_a_compressed_npz_has_the_bytes_that_numpy_writes(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "text": np.array("grüße")}
    files.write_npz(tmp_path / "one.npz", arrays)
    np.savez_compressed(tmp_path / "two.npz", **arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize("place", ["zip header", "npy header", "length"])
def test_a_damaged_stored_array_is_not_mapped(tmp_path: Path, place: str) -> None:
    path = tmp_path / "damaged.npz"
    files.write_npz(path, {"a": np.arange(40, dtype=np.uint8)}, stored=["a"])
    content = bytearray(path.read_bytes())
    if place == "zip header":
        content[2] ^= 1
    elif place == "npy header":
        content[content.index(b"NUMPY")] ^= 1
    else:
        at = content.index(b"(40,)")
        content[at : at + 5] = b"(41,)"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"damaged\.npz.*delete it"):
        files.read_npz(path, mapped=True)


def test_npz_refuses_objects_both_ways(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="object"):
        files.write_npz(tmp_path / "x.npz", {"a": np.array([{}], dtype=object)})
    np.savez(tmp_path / "evil.npz", a=np.array([{}], dtype=object))
    with pytest.raises(CorruptFileError, match="cannot be read"):
        files.read_npz(tmp_path / "evil.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 truncated"])
def test_damaged_npz_names_the_file_to_delete(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"damaged\.npz.*delete it"):
        files.read_npz(path)


def test_array_digest_sees_values_types_and_shapes() -> None:
    base = np.arange(6)
    variants = [base, base.reshape(2, 3), base.astype(float), base[::-1], None]
    assert len({files.array_digest(variant) for variant in variants}) == len(variants)
    assert files.array_digest(base) == files.array_digest(base.copy())


def test_a_sealed_folder_is_as_it_was(tmp_path: Path) -> None:
    for name in ("a.csv", "b.png", ".hidden"):
        (tmp_path / name).write_text(name)
    files.seal(tmp_path)
    files.check_seal(tmp_path)
    (tmp_path / ".hidden").write_text("the workflow's own")
    files.check_seal(tmp_path)
    first = (tmp_path / files.SEAL).read_bytes()
    files.seal(tmp_path)
    assert (tmp_path / files.SEAL).read_bytes() == first


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "a.csv").write_text("b"), r"a\.csv is not what was written"),
        (lambda folder: (folder / "a.csv").unlink(), r"a\.csv is not what was written"),
        (lambda folder: (folder / "c.csv").touch(), r"c\.csv is not what was written"),
        (lambda folder: (folder / files.SEAL).unlink(), "has no seal"),
        (lambda folder: (folder / files.SEAL).write_text("["), "has no seal"),
        (lambda folder: (folder / files.SEAL).write_text("3"), "has no seal"),
    ],
)
def test_what_happened_to_a_sealed_folder_is_found(
    tmp_path: Path, harm: Callable[[Path], object], words: str
) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "a.csv").write_text("a")
    files.seal(folder)
    harm(folder)
    with pytest.raises(CorruptFileError, match=f"{words}.*; delete the folder and run again"):
        files.check_seal(folder)
