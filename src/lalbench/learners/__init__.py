"""What turns scored episodes into strategies; each learner is a package, imported on first use."""

from __future__ import annotations

import importlib
from typing import Any

_LEARNERS = ("neural_process",)


def __getattr__(name: str) -> Any:
    if name in _LEARNERS:
        return importlib.import_module(f"lalbench.learners.{name}")
    raise AttributeError(f"module 'lalbench.learners' has no attribute {name!r}")
