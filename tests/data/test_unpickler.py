"""The pickle reader: every array comes back exactly, nothing else comes back or runs."""

from __future__ import annotations

import copyreg
import os
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lalbench.data.unpickler import read_pickled_arrays, read_pickled_values
from lalbench.errors import UserError

TYPES = ["?", "i1", "<i2", ">i4", "<i8", "u1", ">u2", "u8", "<f2", ">f4", "<f8"]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def store(folder: Path, content: bytes) -> Path:
    path = folder / "data.p"
    path.write_bytes(content)
    return path


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(UserError) as caught:
        read_pickled_arrays(store(folder, content))
    return str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arrays_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, protocol: int, data: st.DataObject
) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(TYPES)))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
    array = data.draw(hnp.arrays(dtype, shape))
    layout = data.draw(st.sampled_from(["C", "F", "strided"]))
    if layout != "C":
        array = array[::2] if layout == "strided" and array.ndim else np.asfortranarray(array)
    folder = tmp_path_factory.mktemp("pickle")
    path = store(folder, pickle.dumps({"X": array}, protocol=protocol))

    (found,) = read_pickled_arrays(path).values()

    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()  # NaN payloads and signs of zero too
    assert found.flags.owndata


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_matrix_becomes_an_array(tmp_path: Path, protocol: int) -> None:
    matrix = np.matrix([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    path = store(tmp_path, pickle.dumps({"X": matrix, "y": np.float64(2.5)}, protocol=protocol))

    found = read_pickled_arrays(path)

    assert type(found["X"]) is np.ndarray
    np.testing.assert_array_equal(found["X"], [[1, 2], [3, 4], [5, 6]])
    assert found["y"] == 2.5


def python2_pickle(array: np.ndarray[Any, Any], core: str = "numpy.core.multiarray") -> bytes:
    """What Python 2 wrote at protocol 2: names and raw data as byte strings."""

    def short(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    raw = array.tobytes()
    return b"".join(
        (
            b"\x80\x02}(",
            short(b"X"),
            f"c{core}\n_reconstruct\n".encode(),
            b"cnumpy\nndarray\n",
            b"K\x00\x85",
            short(b"b"),
            b"\x87R",
            b"(K\x01",
            b"K" + bytes([array.shape[0]]) + b"K" + bytes([array.shape[1]]) + b"\x86",
            b"cnumpy\ndtype\n",
            short(array.dtype.str[1:].encode()),
            b"K\x00K\x01\x87R",
            b"(K\x03"
            + short(array.dtype.str[:1].encode())
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89",
            b"T" + struct.pack("<i", len(raw)) + raw,
            b"tb",
            b"u.",
        )
    )


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<i2"])
@pytest.mark.parametrize("core", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_python_2_pickles(tmp_path: Path, dtype: str, core: str) -> None:
    # every byte value occurs in the raw data, so a wrong text encoding would show
    array = np.frombuffer(bytes(range(96)) + bytes(range(160, 256)), dtype=dtype).reshape(4, -1)
    content = python2_pickle(array, core)
    if core == "numpy.core.multiarray" and dtype != ">f8":
        reference = pickle.loads(content, encoding="latin1")["X"]
        np.testing.assert_array_equal(reference, array)  # the bytes are a pickle that numpy reads

    found = read_pickled_arrays(store(tmp_path, content))["X"]

    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()


class _Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("place", ["whole", "value", "key", "beside", "inside"])
def test_a_malicious_pickle_is_refused_and_not_run(
    tmp_path: Path, protocol: int, place: str
) -> None:
    marker = tmp_path / "ran"
    command = _Command(marker)
    content: Any = {
        "whole": command,
        "value": {"X": command},
        "key": {command: np.zeros(2)},
        "beside": {"X": np.zeros(2), "extra": command},
        "inside": {"X": np.array([command], dtype=object)},
    }[place]
    pickled = pickle.dumps(content, protocol=protocol)

    message = refusal(tmp_path, pickled)

    assert not marker.exists()
    assert "refused to unpickle" in message
    assert "system" in message or place == "inside"
    if place == "value":
        pickle.loads(pickled)
        assert marker.exists()  # the attack is real: the plain unpickler falls for it


@pytest.mark.parametrize(
    "name",
    [
        "builtins\neval",
        "builtins\ngetattr",
        "os\nsystem",
        "posix\nsystem",
        "subprocess\nPopen",
        "numpy\nload",
        "numpy\nmemmap",
        "numpy\nfromfile",
        "numpy\nndarray.tofile",
        "numpy.core\nmultiarray",
        "numpy.core.multiarray\nfromstring",
        "numpy._core.multiarray\n_reconstruct.__globals__",
        "numpy\nrecarray",
        "numpy.ma.core\n_mareconstruct",
        "copyreg\n_reconstructor",
        "_codecs\ndecode",
        "lalbench.data.unpickler\n_Type",
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_other_name_is_refused(tmp_path: Path, name: str, protocol: int) -> None:
    module, attribute = name.split("\n")
    if protocol == 2:
        named = f"c{name}\n".encode()
    else:  # STACK_GLOBAL also takes dotted names apart
        named = b"".join(
            b"\x8c" + bytes([len(text)]) + text for text in (module.encode(), attribute.encode())
        )
        named += b"\x93"
    message = refusal(
        tmp_path, b"\x80" + bytes([protocol]) + b"}(" + b"X\x01\0\0\0X" + named + b"u."
    )
    assert f'asks for "{module}.{attribute}"' in message


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.array([1, "a", None], dtype=object),
        np.zeros(2, dtype=[("a", "f8"), ("b", object)]),
        np.zeros(2, dtype=[("a", "f8")]),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.array([1j]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.zeros(2, dtype="V8"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_types_that_are_no_numbers_are_refused(
    tmp_path: Path, protocol: int, array: np.ndarray[Any, Any]
) -> None:
    assert "refused" in refusal(tmp_path, pickle.dumps({"X": array}, protocol=protocol))


@pytest.mark.parametrize(
    "content",
    [[np.zeros(2)], {"X": [1, 2]}, {"X": 3}, {1: np.zeros(2)}, {"X": {"X": np.zeros(2)}}, None],
    ids=str,
)
def test_only_dictionaries_of_arrays(tmp_path: Path, content: Any) -> None:
    assert "refused" in refusal(tmp_path, pickle.dumps(content))


TYPE_F8 = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
NEW_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
EIGHT = b"U\x08" + bytes(8)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        # state that numpy's C code would trust: object flag, fields, sub-array, wrong size
        (TYPE_F8 + b"(K\x03U\x01|NU\x01aNK\x08K\x01K?tb", "array type"),
        (TYPE_F8 + b"(K\x03U\x01<K\x05NNK\x08K\x01K\x00tb", "array type"),
        (TYPE_F8 + b"(K\x03U\x01?NNNK\x08K\x01K\x00tb", "array type"),
        (b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R", "type 'O8'"),
        (b"cnumpy\ndtype\nU\x04V999K\x00K\x01\x87R", "type 'V999'"),
        # arrays whose shape and bytes do not fit
        (NEW_ARRAY + b"(K\x01K\x02\x85" + TYPE_F8 + b"\x89" + EIGHT + b"tb", "8 bytes do not make"),
        (NEW_ARRAY + b"(K\x01J\xff\xff\xff\xff\x85" + TYPE_F8 + b"\x89" + EIGHT + b"tb", "shape"),
        (NEW_ARRAY + b"(K\x01\x88\x85" + TYPE_F8 + b"\x89" + EIGHT + b"tb", "shape"),
        (NEW_ARRAY + b"(K\x01K\x01\x85N\x89" + EIGHT + b"tb", "bytes and a type"),
        (NEW_ARRAY + b"(K\x01K\x01\x85" + TYPE_F8 + b"\x89]tb", "bytes and a type"),
        (NEW_ARRAY, "not an array"),
        # using the allowed names for something else
        (b"cnumpy.core.multiarray\n_reconstruct\nN)N\x87R", "no array"),
        (b"cnumpy\nndarray\n)R", "calls numpy.ndarray"),
        (b"cnumpy\nndarray\n)\x81", "damaged"),
        (b"cnumpy.core.multiarray\n_reconstruct\n}U\x05_callNsb", "change a function"),
        (b"cnumpy\ndtype\nN}U\x04codeU\x01Os\x86b", "change a function"),
        (b"c_codecs\nencode\nX\x01\0\0\0aU\x05rot13\x86R", "Latin-1"),
        (b"c_codecs\nencode\nX\x01\0\0\0aU\x04utf8\x86R", "Latin-1"),
        (b"c_codecs\nencode\nX\x01\0\0\0a\x85R", "Latin-1"),
    ],
)
def test_forged_states_are_refused(tmp_path: Path, attack: bytes, reason: str) -> None:
    message = refusal(tmp_path, b"\x80\x02}(X\x01\0\0\0X" + attack + b"u.")
    assert "refused to unpickle" in message
    assert reason in message


def test_a_huge_memory_position_costs_nothing(tmp_path: Path) -> None:
    # LONG_BINPUT at 2**32 - 1 makes the unpickler in C ask for 64 GiB
    content = b"\x80\x02}r\xff\xff\xff\xff."
    tracemalloc.start()
    assert read_pickled_arrays(store(tmp_path, content)) == {}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_registered_extensions_are_refused(tmp_path: Path) -> None:
    copyreg.add_extension("os", "system", 77)
    try:
        message = refusal(tmp_path, b"\x80\x02}(X\x01\0\0\0X\x82\x4du.")
    finally:
        copyreg.remove_extension("os", "system", 77)
    assert "extension 77" in message


def test_a_damaged_file_is_an_error_at_every_length(tmp_path: Path) -> None:
    content = pickle.dumps({"X": np.arange(6.0), "y": np.arange(6)}, protocol=2)
    for length in range(len(content)):
        assert "refused" in refusal(tmp_path, content[:length])


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_flipped_bytes_give_arrays_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    content = bytearray(pickle.dumps({"X": np.arange(6.0), "y": np.arange(6)}, protocol=2))
    content[place % len(content)] = value
    path = store(tmp_path_factory.mktemp("flip"), bytes(content))
    try:
        found = read_pickled_arrays(path)
    except UserError:
        return
    assert all(type(array) is np.ndarray and array.dtype.kind in "biuf" for array in found.values())


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_pickled_arrays(tmp_path / "none.p")


# Arrays, integers, text and flat lists

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="latin-1"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=40, deadline=None)
@given(
    content=st.dictionaries(
        TEXT, INTEGERS | TEXT | st.lists(INTEGERS, max_size=4) | st.lists(TEXT, max_size=4)
    )
)
def test_plain_values_come_back_exactly(protocol: int, content: dict[str, Any]) -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    found = read_pickled_values(pickle.dumps({**content, "array": array}, protocol), "here")
    np.testing.assert_array_equal(found.pop("array"), array)
    assert found == {key: value for key, value in content.items() if key != "array"}
    assert all(type(found[key]) is type(value) for key, value in found.items())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_are_text(protocol: int) -> None:
    content = {b"names": [b"a", b"\xe9"], b"about": b"batch"}
    found = read_pickled_values(pickle.dumps(content, protocol), "here")
    assert found == {"names": ["a", "é"], "about": "batch"}


def test_a_python_2_dictionary_of_lists() -> None:
    content = (
        b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x03M\x00\x01e"
        b"U\x05namesq\x04]q\x05(U\x01aU\x02\xe9beu."
    )
    assert pickle.loads(content, encoding="latin1") == {"labels": [3, 256], "names": ["a", "éb"]}
    found = read_pickled_values(content, "here")
    assert found == {"labels": [3, 256], "names": ["a", "éb"]}


SELF: list[Any] = []
SELF.append(SELF)


@pytest.mark.parametrize(
    "value",
    [
        [[1]],
        [1, "a"],
        [1, True],
        [1.0],
        1.0,
        None,
        True,
        2**63,
        [-(2**63) - 1],
        (1, 2),
        {1},
        {"a": 1},
        SELF,
        [np.zeros(1)],
        bytearray(b"a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(UserError, match="here: refused to unpickle"):
        read_pickled_values(pickle.dumps({"X": value}), "here")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("place", ["whole", "value", "key", "list"])
def test_a_malicious_pickle_of_values_is_not_run(tmp_path: Path, protocol: int, place: str) -> None:
    marker = tmp_path / "ran"
    command = _Command(marker)
    content: Any = {
        "whole": command,
        "value": {"X": command},
        "key": {command: 1},
        "list": {"X": [1, command]},
    }[place]
    with pytest.raises(UserError, match=r'refused to unpickle: it asks for "\w+\.system"'):
        read_pickled_values(pickle.dumps(content, protocol), "here")
    assert not marker.exists()


@pytest.mark.parametrize("operation", [b"R", b"\x81", b"b", b"i", b"o"])
@pytest.mark.parametrize("thing", [b"K\x01", b"U\x01a", b"]", b"}"])
def test_plain_values_cannot_be_called_or_changed(thing: bytes, operation: bytes) -> None:
    # the value on the stack takes the place of a class or of an object with a state
    attack = thing + (b"}U\x01aK\x01s" if operation == b"b" else b")") + operation
    with pytest.raises(UserError, match="refused to unpickle"):
        read_pickled_values(b"\x80\x02}(U\x01X" + attack + b"u.", "here")
