"""Reads pickled dictionaries of arrays and plain values without running what a pickle names.

An unpickler with an allow-list of numpy's own functions would still hand attacker-chosen state to
numpy's C code (type descriptors with object fields, arrays over bytes that are read as pointers).
Here numpy is never called by the pickle: the few names that a pickled array needs stand for small
stand-ins that keep what they are given, and the arrays are built afterwards from plain bytes, after
type, shape and length have been checked.

What the dictionary may hold is a choice of the caller: arrays alone, or also integers, text and
flat lists of these. Numbers, text and lists have opcodes of their own and ask for no name; they are
looked at once the pickle has been read, each by its exact type.

Python 2 pickles and numpy 1 and 2 module names are understood.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lalbench.errors import UserError

# Booleans, integers and floats of the usual sizes; no objects, strings, records or long doubles.
_TYPE = re.compile(r"b1|[iu][1248]|f[248]")
_MAX_DIMENSIONS = 32
_OPERATIONS: dict[int, Callable[[Any], None]] = pickle._Unpickler.dispatch  # type: ignore[assignment]
_SMALL = 1024
"""Bytes that a pickle may copy beyond what it holds."""

Value = NDArray[Any] | int | str | list[int] | list[str]
Entry = TypeVar("Entry")


def read_pickled_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a pickled ``{name: array}``; ``numpy.matrix`` becomes an array.

    Args:
        path: a pickle of any protocol; Python 2 strings are read as Latin-1.

    Raises:
        UserError: the file is damaged, holds anything else than numeric or boolean arrays, or asks
            for any name other than those that a pickled array needs. Nothing of it is run.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", "check it") from error
    return _read(content, str(path), _array, "numeric arrays")


def read_pickled_values(content: bytes, where: str) -> dict[str, Value]:
    """The entries of a pickled dictionary of arrays, integers, text and lists of either.

    Args:
        content: a pickle of any protocol; Python 2 strings are read as Latin-1, and bytes as text.
        where: file that messages name.

    Returns:
        Each entry as an array, an integer, text, a list of integers or a list of text.

    Raises:
        UserError: as :func:`read_pickled_arrays`; lists in lists, mixed lists, booleans, floats and
            integers of more than 64 bits are refused too.
    """
    return _read(content, where, _value, "arrays, integers, text and lists of them")


def _read(
    content: bytes, where: str, convert: Callable[[Any], Entry], what: str
) -> dict[str, Entry]:
    try:
        loaded = _ArrayUnpickler(content).load()
        if type(loaded) is not dict:
            raise _RefusedError(f"it holds a {type(loaded).__name__}, not a dictionary")
        return {_key(key): convert(value) for key, value in loaded.items()}
    except _RefusedError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a damaged pickle can raise nearly anything
        problem = f"it is damaged ({type(error).__name__}: {error})"
    raise UserError(
        where,
        f"refused to unpickle: {problem}",
        f"only dictionaries of {what} are read; get the file anew from its source",
    )


class _RefusedError(pickle.UnpicklingError):
    """The pickle holds something that a dictionary of arrays does not need."""


class _Inert:
    """Something a pickle may name: it can be called, but neither changed nor instantiated."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("it tries to change a function")


class _Type:
    """Stands for ``numpy.dtype``: kind, size and byte order, nothing else."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *flags: Any) -> None:
        # numpy writes (code, align, copy); the flags mean nothing for these types
        if not isinstance(code, str) or not _TYPE.fullmatch(code) or len(flags) > 2:
            shown = repr(code) if isinstance(code, str) else f"{type(code).__name__}"
            raise _RefusedError(f"arrays of type {shown} are not read")
        self.code = code
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, subarray, names, fields, size, alignment, flags[, metadata])
        plain = isinstance(state, tuple) and len(state) in (8, 9)
        if not plain or state[1] not in ("<", ">", "|", "=") or any(state[2:5]):
            raise _RefusedError("an array type has parts that are not read")
        self.order = state[1]

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(f"{self.order}{self.code}")


class _Array:
    """Stands for an array under construction."""

    __slots__ = ("_spend", "value")

    def __init__(self, spend: Callable[[int], None]) -> None:
        self.value: NDArray[Any] | None = None
        self._spend = spend

    def __setstate__(self, state: Any) -> None:
        # (version, shape, type, Fortran order, bytes); version is absent in the oldest files
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise _RefusedError("an array has parts that are not read")
        shape, kind, fortran, data = state[-4:]
        self.value = _build(data, kind, shape, "F" if fortran else "C", self._spend)


class _ArrayUnpickler(pickle._Unpickler):
    """Knows the names that a pickled array needs and refuses all others.

    The unpickler written in Python: the one in C allocates memory for whatever position a pickle
    wants to memorise something at, up to 2**32 of them. There are few steps in a pickled array.

    A pickle can name what it has memorised any number of times. What is copied out of it may
    therefore not be more than the pickle itself holds, and nothing is hashed but text: of a tuple
    that holds another twice, and so on, the hash takes forever.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_OPERATIONS)
    stack: list[Any]  # what lies above the last mark
    read: Callable[[int], bytes]

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._left = 2 * len(content) + _SMALL
        self._names = {
            **_NAMES,
            ("_codecs", "encode"): _Inert(self._encode),
            **{
                (f"numpy.{core}.{module}", name): _Inert(function)
                for core in ("core", "_core")
                for module, name, function in (
                    ("multiarray", "_reconstruct", self._reconstruct),
                    ("multiarray", "scalar", self._scalar),
                    ("numeric", "_frombuffer", self._from_buffer),
                )
            },
        }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            raise _RefusedError(f'it asks for "{module}.{name}"')
        return self._names[module, name]

    def get_extension(self, code: int) -> None:
        raise _RefusedError(f"it asks for registered extension {code}")

    def spend(self, n_bytes: int) -> None:
        """Counts what is copied."""
        self._left -= n_bytes
        if self._left < 0:
            raise _RefusedError("its arrays are larger than the file")

    def _reconstruct(self, *arguments: Any) -> _Array:
        # (subclass, shape, type letter) of an empty array; the state that follows replaces it all
        if len(arguments) != 3 or arguments[0] is not _NDARRAY:
            raise _RefusedError("it builds something that is no array")
        return _Array(self.spend)

    def _from_buffer(self, data: Any, kind: Any, shape: Any, order: Any) -> _Array:
        array = _Array(self.spend)
        array.value = _build(data, kind, shape, order, self.spend)
        return array

    def _scalar(self, kind: Any, data: Any) -> _Array:
        return self._from_buffer(data, kind, (), "C")

    def _encode(self, *arguments: Any) -> bytes:
        # Protocol 2 has no bytes: Python 3 writes them as encode(text, "latin1")
        if len(arguments) != 2 or arguments[1] not in ("latin1", "latin-1"):
            raise _RefusedError("it encodes text other than as Latin-1")
        text = arguments[0]
        if not isinstance(text, str):
            raise _RefusedError("it encodes something that is no text")
        self.spend(len(text))
        return text.encode("latin1")

    def _check_keys(self, keys: Sequence[Any]) -> None:
        for key in keys:
            if type(key) not in (str, bytes):
                raise _RefusedError(f"a key of type {type(key).__name__} is no name of an array")

    def _set_item(self) -> None:
        self._check_keys(self.stack[-2:-1])
        _OPERATIONS[pickle.SETITEM[0]](self)

    def _set_items(self) -> None:
        self._check_keys(self.stack[::2])
        _OPERATIONS[pickle.SETITEMS[0]](self)

    def _make_dictionary(self) -> None:
        self._check_keys(self.stack[::2])
        _OPERATIONS[pickle.DICT[0]](self)

    def _bytes(self) -> None:
        # A bytearray is otherwise made, and filled with zeros, before it is looked for
        length = int.from_bytes(self.read(8), "little")
        content = bytearray(self.read(length))
        if len(content) != length:
            raise _RefusedError("it ends too early")
        self.stack.append(content)

    def _no_set(self) -> None:
        raise _RefusedError("it holds a set")

    dispatch[pickle.SETITEM[0]] = _set_item
    dispatch[pickle.SETITEMS[0]] = _set_items
    dispatch[pickle.DICT[0]] = _make_dictionary
    dispatch[pickle.BYTEARRAY8[0]] = _bytes
    for _operation in (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET):
        dispatch[_operation[0]] = _no_set


def _build(
    data: Any, kind: Any, shape: Any, order: Any, spend: Callable[[int], None]
) -> NDArray[Any]:
    """An array of its own from plain bytes, once type, shape and length fit."""
    if isinstance(data, str):
        spend(len(data))
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray) or not isinstance(kind, _Type):
        raise _RefusedError("an array does not consist of bytes and a type")
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MAX_DIMENSIONS
        or any(type(length) is not int or not 0 <= length < 2**63 for length in shape)
        or order not in ("C", "F")
    ):
        raise _RefusedError("an array has no usable shape")
    dtype = kind.numpy()
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise _RefusedError(f"{len(data)} bytes do not make a {shape} array of {dtype}")
    spend(len(data))
    return np.frombuffer(data, dtype=dtype).reshape(shape, order=order).copy(order)


def _no_instance(*_: Any) -> Any:
    raise _RefusedError("it calls numpy.ndarray")


def _key(key: Any) -> str:
    key = _text(key)
    if type(key) is not str:
        raise _RefusedError(f"a key of type {type(key).__name__} is no name of an array")
    return key


def _array(value: Any) -> NDArray[Any]:
    if not isinstance(value, _Array) or value.value is None:
        raise _RefusedError(f"it holds a {type(value).__name__.lstrip('_').lower()}, not an array")
    return value.value


def _value(value: Any) -> Value:
    value = _text(value)
    if type(value) is str or _is_integer(value):
        return cast(Value, value)
    if type(value) is list:
        items = [_text(item) for item in value]
        if all(type(item) is str for item in items) or all(map(_is_integer, items)):
            return items
        raise _RefusedError("it holds a list of other things than integers or text")
    return _array(value)


def _text(value: Any) -> Any:
    """Byte strings as text, as those of Python 2 are."""
    return value.decode("latin1") if type(value) is bytes else value


def _is_integer(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


_NDARRAY = _Inert(_no_instance)
_NAMES: dict[tuple[str, str], _Inert] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "matrix"): _NDARRAY,
    ("numpy.matrixlib.defmatrix", "matrix"): _NDARRAY,
    ("numpy", "dtype"): _Inert(_Type),
}
