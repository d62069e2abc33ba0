"""One sandbox for all cases, and what a refusal is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.hostile.sandbox import Outcome, Sandbox

STUDY: dict[str, Any] = {
    "study": "hostile",
    "datasets": ["wine"],
    "settings": ["balanced"],
    "classifiers": ["logistic_regression"],
    "strategies": ["random"],
    "sizes": {"test": 30, "reward": 15, "annotated": 15},
    "seeds": {"data": [0], "run": [0]},
    "steps": 1,
}
LONGEST = 1300
"""Characters of a sentence."""

Refused = Callable[..., str]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Shared by all cases of a worker."""
    made = Sandbox()
    yield made
    made.close()


@pytest.fixture
def refused(sandbox: Sandbox, tmp_path: Path) -> Refused:
    """Runs a command in ``tmp_path`` and checks that it ends with one sentence, and nothing else.

    Returns the sentence. ``code`` is 2 for a mistake of the user's, 1 for a damaged file.
    """

    def run(
        arguments: Sequence[str], words: Sequence[str], code: int = 2, mebibytes: int = 600
    ) -> str:
        outcome = sandbox.run(arguments, tmp_path)
        check(outcome, words, code, mebibytes)
        return outcome.error

    return run


def check(outcome: Outcome, words: Sequence[str], code: int, mebibytes: float) -> None:
    """One sentence, in bounded time and memory; nothing was run or written."""
    error = outcome.error
    assert outcome.events == ()
    assert outcome.code == code, error
    assert error.startswith("lalbench: ")
    assert error.endswith("\n")
    assert error[:-1].isprintable(), error
    assert "; " in error, error
    assert len(error) <= LONGEST
    for word in words:
        assert word in error
    assert outcome.mebibytes < mebibytes
    assert outcome.seconds < 10


def write_study(folder: Path, **changes: Any) -> None:
    """The study with some keys changed, as ``study.yaml``."""
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | changes), encoding="utf-8")
