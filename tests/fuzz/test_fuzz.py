"""A short fuzz run of every reader with fixed seeds; the long one is ``make test-fuzz``."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.fuzz.attempts import Attempts
from tests.fuzz.mutation import CHANGES, Mutation
from tests.fuzz.own_files import OWN
from tests.fuzz.targets import READERS, Target

TARGETS = {**READERS, **OWN}
RUNS = 40


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "network"])
def test_readers(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    attempts = Attempts(target, tmp_path)
    mutation = Mutation(target.seeds(), Random(0))
    answers = [attempts(seed) for seed in target.seeds()]
    for _ in range(RUNS):
        content = mutation.next()
        answers.append(attempts(content))
        mutation.told(content, answers[-1])
    assert attempts.finds == {}
    assert len({*answers}) > 1
    assert "read" in answers or name == "cached-trial"  # who refuses all tests nothing


def test_a_find_is_found(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        content = path.read_bytes()
        if len(content) > 4:
            raise KeyError("too long")
        if b"\n" in content:
            from lalbench.errors import LalbenchError

            raise LalbenchError("two\nlines")

    attempts = Attempts(Target(lambda: [b"a"], read), tmp_path)
    assert attempts(b"a") == "read"
    assert attempts(b"aaaaa").startswith("find: KeyError at test_fuzz.py:")
    assert attempts(b"\n").startswith("find: message")
    assert sorted(attempts.finds.values()) == [b"\n", b"aaaaa"]


def test_changes_change_and_are_the_same_for_the_same_seed() -> None:
    seeds = [b"study: s\nsteps: 10\n", b"\x93NUMPY" + bytes(40)]
    twice = [[Mutation(seeds, Random(1)).next() for _ in range(3)] for _ in range(2)]
    assert twice[0] == twice[1]
    for change in CHANGES:
        content = bytearray(seeds[0])
        changed = False
        for number in range(20):
            change(Random(number), content, seeds)
            changed = changed or bytes(content) != seeds[0]
            content = content or bytearray(seeds[0])
        assert changed, change.__name__
