"""Learn how to choose labels, and compare pool-based active-learning strategies fairly.

The front door: :class:`ActiveLearner`, :func:`load_study`, :func:`build_problem`,
:func:`run_trial`, ``lalbench.strategies.get``, ``lalbench.oracle.improvements``,
``lalbench.objectives.Scorer`` and ``lalbench.learners.neural_process.AttentiveNeuralProcess``.
Everything is imported on first use, so that ``import lalbench`` takes milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "ActiveLearner",
    "__version__",
    "build_problem",
    "load_study",
    "run_trial",
]

_FUNCTIONS = {
    "ActiveLearner": "lalbench.active_learner",
    "build_problem": "lalbench.problems",
    "load_study": "lalbench.study",
    "run_trial": "lalbench.trials",
}
_MODULES = (
    "classifiers",
    "config",
    "data",
    "episodes",
    "grid",
    "learners",
    "objectives",
    "oracle",
    "problems",
    "protocols",
    "results",
    "seeds",
    "strategies",
    "trials",
)

if TYPE_CHECKING:
    from lalbench.active_learner import ActiveLearner
    from lalbench.problems import build_problem
    from lalbench.study import load_study
    from lalbench.trials import run_trial


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"lalbench.{name}")
    raise AttributeError(f"module 'lalbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
