"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

README = Path(__file__).resolve().parents[1] / "README.md"


def asked(labels: list[Any], x: Any) -> Any:
    """What a person would say of rows: whether the first number is above the second."""
    found = np.where(x[:, 0] > x[:, 1], "yes", "no")
    labels.extend(found.tolist())
    return found


def test_the_examples_in_python_run(capsys: Any) -> None:
    """One after the other, as in one session; the loop asks for ten labels and learns from them."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    rng, labels = np.random.default_rng(0), []
    X, X_pool = rng.normal(size=(12, 3)), rng.normal(size=(80, 3))
    y = asked([], X)
    names: dict[str, Any] = {"np": np, "X": X, "y": y, "X_pool": X_pool}
    names["ask"] = lambda x: asked(labels, x)
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    shown = capsys.readouterr().out
    assert "rare_recall" in shown
    assert len(labels) == 10
    assert names["y"][12:].tolist() == labels
    assert len(names["X"]) == 22
    assert len(names["X_pool"]) == 70
