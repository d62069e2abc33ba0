"""Compiled functions notice changes of the functions they call, across processes and files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lalbench import jit as module
from lalbench.jit import jit

ROOT = Path(module.__file__).parent


@jit()
def reciprocal(x, scale=2.0):
    """Docstring."""
    return scale / x


def test_divisions_and_names():
    assert reciprocal(4.0) == 0.5
    assert np.isinf(reciprocal(0.0))
    assert reciprocal.py_func.__doc__ == "Docstring."
    assert reciprocal.py_func.__name__ == "reciprocal"


def test_the_hash_covers_every_module_with_compiled_code():
    users = [path for path in ROOT.rglob("*.py") if "import jit" in path.read_text()]
    assert {path.name for path in users} >= {"kernels.py", "logistic_kernel.py", "svm_lanes.py"}
    assert all(any(mark in path.read_bytes() for mark in module._MARKS) for path in users)


@pytest.mark.slow
def test_a_changed_function_in_another_file_is_compiled_again(tmp_path):
    package = tmp_path / "lalbench"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "jit.py").write_text((ROOT / "jit.py").read_text())
    use = "from lalbench.jit import jit\nfrom lalbench.inner import inner\n"
    use += "@jit()\ndef outer(x):\n    return inner(x) + 1.0\n"
    (package / "outer.py").write_text(use)

    def outcome(factor: float) -> str:
        inner = "from lalbench.jit import jit\n@jit()\ndef inner(x):\n    return "
        (package / "inner.py").write_text(f"{inner}{factor} * x\n")
        script = "from lalbench.outer import outer; print(outer(3.0), outer.stats.cache_hits)"
        run = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            # modules are compiled to files by whole seconds: two versions in one look the same
            env={"PYTHONPATH": str(tmp_path), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout

    assert outcome(2.0).startswith("7.0 ")
    assert outcome(5.0).startswith("16.0 ")
    again = outcome(5.0).split()
    assert again[0] == "16.0"
    assert "1" in again[-1]  # from the cache on disk


def test_the_command_compiles_what_studies_use(monkeypatch):
    from lalbench import oracle, warm_up
    from lalbench.learners.neural_process import batch

    engines = []
    scores = oracle.refit_scores

    def listening(*args, **options):
        found = scores(*args, **options)
        engines.append(found.engine)
        return found

    monkeypatch.setattr(oracle, "refit_scores", listening)
    for part in (warm_up._refit_svm, warm_up._refit_logistic_and_train):
        part()
    assert set(engines) == {"logistic", "svm", "compiled_forest"}
    assert batch.gradient_of_batch.signatures
