"""``import lalbench``: fast, and every fixed name is reachable from it."""

from __future__ import annotations

import subprocess
import sys

import pytest

NAMES = [
    "ActiveLearner",
    "load_study",
    "build_problem",
    "run_trial",
    "strategies.get",
    "oracle.improvements",
    "objectives.Scorer",
    "learners.neural_process.AttentiveNeuralProcess",
]


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_name_is_reachable(name: str) -> None:
    assert run(f"import lalbench; print(callable(lalbench.{name}))").strip() == "True"


@pytest.mark.parametrize(
    "module",
    ["lalbench", "lalbench.config", "lalbench.grid", "lalbench.study", "lalbench.__main__"],
)
def test_import_loads_nothing_heavy(module: str) -> None:
    heavy = {"sklearn", "torch", "pandas", "matplotlib", "statsmodels", "scipy", "joblib", "pooch"}
    found = run(f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})")
    assert not heavy & set(found.split())


def test_unknown_name() -> None:
    import lalbench

    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = lalbench.nonsense
