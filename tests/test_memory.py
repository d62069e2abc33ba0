"""What fits into memory, and into which."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from lalbench import memory
from lalbench.errors import UserError

GIB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of 8 GiB without groups or limits; returns where a group's limit would stand."""
    pages = {"SC_PHYS_PAGES": 8 * GIB // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    monkeypatch.setattr(memory, "_GROUP_LIMIT", tmp_path / "memory.max")
    return tmp_path / "memory.max"


def test_the_smallest_limit_counts(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.memory() == 8 * GIB
    machine.write_text("max\n")
    assert memory.memory() == 8 * GIB
    machine.write_text(f"{4 * GIB}\n")
    assert memory.memory() == 4 * GIB
    monkeypatch.setattr(memory, "_TAKEN", machine.with_name("statm"))
    machine.with_name("statm").write_text(f"{GIB // 4096} 1 1 1 0 1 0\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (3 * GIB, 3 * GIB))
    assert memory.memory() == 2 * GIB  # of its 3, 1 is taken


def test_copies_count(machine: Path) -> None:
    memory.check_memory("f", 4 * GIB, copies=2)
    with pytest.raises(UserError, match=r"f: takes 12 GiB of memory, and there are 8; use less"):
        memory.check_memory("f", 4 * GIB, copies=3)
    with pytest.raises(UserError, match=r"takes 8\.38e"):
        memory.check_memory("f", 10**21 * 9)
