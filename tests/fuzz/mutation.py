"""Random changes of valid files, kept where they lead to a new kind of answer."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from random import Random

Change = Callable[[Random, bytearray, Sequence[bytes]], None]

_NUMBERS = (
    0,
    1,
    2,
    255,
    2**15,
    2**16 - 1,
    10**9,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
_WORDS = (b"\0", b"\n", b"\r", b'"', b"'", b",", b"nan", b"inf", b"-1", b"1e999", b"9" * 400)
_WORDS += (
    b"../",
    b"/etc/passwd",
    b"$(touch canary)",
    b"`id`",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\x1b[31m",
)
_WORDS += (b"*a", b"&a ", b"!!python/object/apply:os.system [id]", b"? ", b"- " * 40, b"[" * 40)
_WORDS += (
    b"cos\nsystem\n(S'id'\ntR.",
    b"\x80\x05",
    b"O",
    b"<U0",
    b"|O",
    b"(2, 1000000000)",
    b"{}",
    b"null",
)


def flip(rng: Random, content: bytearray, _: Sequence[bytes]) -> None:
    """One bit."""
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def put(rng: Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A byte."""
    content[rng.randrange(len(content))] = rng.choice((0, 1, 32, 127, 128, 255, rng.randrange(256)))


def number(rng: Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A number of 1, 2, 4 or 8 bytes of which much hangs by the largest."""
    kind = rng.choice("BHIQ")
    value = rng.choice(_NUMBERS) % (256 ** struct.calcsize(f"<{kind}"))
    packed = struct.pack(rng.choice("<>") + kind, value)
    place = rng.randrange(len(content))
    content[place : place + len(packed)] = packed


def digits(rng: Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A number in digits."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", content))
    if found:
        chosen = rng.choice(found)
        text = rng.choice((b"0", b"-1", b"1e9", b"1000000000", b"9" * 30, b"nan", b"1.5", b""))
        content[chosen.start() : chosen.end()] = text


def word(rng: Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A word that means something to somebody."""
    place = rng.randrange(len(content) + 1)
    content[place:place] = rng.choice(_WORDS)


def cut(rng: Random, content: bytearray, _: Sequence[bytes]) -> None:
    """Leaves a part out."""
    place = rng.randrange(len(content))
    del content[place : place + rng.choice((1, 2, 4, 16, len(content)))]


def repeat(rng: Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A part again, perhaps often."""
    start = rng.randrange(len(content))
    part = content[start : start + rng.choice((1, 4, 16, 64))]
    place = rng.randrange(len(content) + 1)
    content[place:place] = part * rng.choice((1, 1, 2, 30))


def graft(rng: Random, content: bytearray, others: Sequence[bytes]) -> None:
    """A part of another content."""
    other = rng.choice(others)
    start = rng.randrange(len(other) + 1)
    place = rng.randrange(len(content) + 1)
    content[place : place + rng.choice((0, 4, 32))] = other[
        start : start + rng.choice((4, 32, 400))
    ]


CHANGES: tuple[Change, ...] = (flip, put, number, digits, word, cut, repeat, graft)
LARGEST = 1 << 16
"""Bytes of a content."""


class Mutation:
    """Makes contents; tell it what became of each.

    Args:
        seeds: valid contents.
        rng: of all choices.
    """

    def __init__(self, seeds: Sequence[bytes], rng: Random) -> None:
        self._rng = rng
        self._seeds, self._kept = list(seeds), list(seeds)
        self._seen: set[str] = set()

    def next(self) -> bytes:
        """A changed content."""
        among = self._seeds if self._rng.random() < 0.5 else self._kept
        content = bytearray(self._rng.choice(among))
        for _ in range(self._rng.choice((1, 1, 2, 4, 8))):
            if content:
                self._rng.choice(CHANGES)(self._rng, content, self._kept)
        return bytes(content[:LARGEST])

    def told(self, content: bytes, answer: str) -> None:
        """Keeps what got an answer that nothing got before."""
        if answer not in self._seen and len(self._kept) < 2000:
            self._seen.add(answer)
            self._kept.append(content)
