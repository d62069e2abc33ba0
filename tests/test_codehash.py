"""Hashes of code: what counts, what does not, and that nothing a trial runs is forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from lalbench import codehash, grid
from lalbench.study import parse_study

FILES = {
    "__init__.py": "",
    "config.py": "DEFAULT = 1",
    "stages/__init__.py": "",
    "stages/trials.py": (
        "from typing import TYPE_CHECKING\n"
        "from lalbench import config, strategies\n"
        "if TYPE_CHECKING:\n    from lalbench.shapes import Shape\n"
        "else:\n    from lalbench import numbers_\n"
        "def run():\n    from ..inner import late\n    return late.x\n"
    ),
    "strategies/__init__.py": (
        "from lalbench.strategies import base\n"
        '_REGISTRY = {"a": "lalbench.strategies.a:A", "b": "lalbench.strategies.b:B"}\n'
    ),
    "strategies/base.py": "class Base:\n    pass\n",
    "strategies/a.py": "from .base import Base\nclass A(Base):\n    x = 1\n",
    "strategies/b.py": "from .base import Base\nclass B(Base):\n    x = 2\n",
    "catalogue.py": '_ENTRIES = (entry("one", 1), Entry(name="two", size=2))\nREST = 0\n',
    "inner/__init__.py": "",
    "inner/late.py": "from lalbench import catalogue\nx = 'page.j2'\n",
    "inner/page.j2": "<p>",
    "inner/other.j2": "<p>",
    "numbers_.py": "n = 3",
    "shapes.py": "class Shape:\n    pass\n",
    "unrelated.py": "y = 1",
}

Hash = Callable[..., str]


@pytest.fixture
def hashed(tmp_path: Path) -> Hash:
    """Hashes the trials stage of a small package with some files changed; strategy a is in use."""
    numbers = count()

    def compute(
        changes: dict[str, str] | None = None, names: tuple[str, ...] = ("a", "one")
    ) -> str:
        # A new folder each time, as sources are read once per process.
        root = tmp_path / str(next(numbers)) / "lalbench"
        for name, text in (FILES | (changes or {})).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        extra = ["lalbench.strategies.a"]
        return codehash.stage_hash("lalbench.stages.trials", extra, names, root=root)

    return compute


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("strategies/a.py", "# why\n" + FILES["strategies/a.py"].replace("1", "(1)  # one\n")),
        ("strategies/a.py", '"""Doc."""\n' + FILES["strategies/a.py"] + '    """Doc."""\n'),
        ("strategies/base.py", 'class Base:\n    """Doc."""\n'),
        ("strategies/b.py", "class B:\n    x = 3\n"),
        ("shapes.py", "class Shape:\n    size = 1\n"),
        ("unrelated.py", "y = 2"),
        ("config.py", "DEFAULT = 2"),
        ("inner/other.j2", "<b>"),
        ("strategies/__init__.py", FILES["strategies/__init__.py"].replace("}", ', "c": "new:C"}')),
        ("strategies/__init__.py", FILES["strategies/__init__.py"].replace("b:B", "a:B")),
        ("catalogue.py", '_ENTRIES = [Entry(name="two"), Three(), entry("one", 1)]\nREST = 0\n'),
    ],
)
def test_what_does_not_count(hashed: Hash, file: str, text: str) -> None:
    assert FILES[file] != text
    assert hashed({file: text}) == hashed()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("stages/trials.py", FILES["stages/trials.py"].replace("late.x", "late.x + 1")),
        ("stages/trials.py", FILES["stages/trials.py"] + '"text"\nadded = "text"\n'),
        ("stages/__init__.py", "z = 0"),
        ("strategies/a.py", FILES["strategies/a.py"].replace("1", "2")),
        ("strategies/base.py", "class Base:\n    x = 0\n"),
        ("strategies/__init__.py", FILES["strategies/__init__.py"].replace("a:A", "a:Base")),
        ("strategies/__init__.py", FILES["strategies/__init__.py"] + "x = 1\n"),
        ("catalogue.py", FILES["catalogue.py"].replace('("one", 1)', '("one", 2)')),
        ("catalogue.py", FILES["catalogue.py"].replace("REST = 0", "REST = 1")),
        ("inner/late.py", "x = 2"),
        ("inner/page.j2", "<b>"),
        ("numbers_.py", "n = 4"),
    ],
)
def test_what_counts(hashed: Hash, file: str, text: str) -> None:
    assert hashed({file: text}) != hashed()


def test_entries_count_by_the_names_in_use(hashed: Hash) -> None:
    changed = {"catalogue.py": FILES["catalogue.py"].replace("size=2", "size=3")}
    assert hashed(changed, names=("a", "one")) == hashed(names=("a", "one"))
    assert hashed(changed, names=("a", "two")) != hashed(names=("a", "two"))


def test_every_file_of_the_package_is_named_by_the_module_that_reads_it() -> None:
    modules = list(codehash.ROOT.rglob("*.py"))
    named = {file for module in modules for file in codehash._resources(module)}
    kept = [file for file in codehash.ROOT.rglob("*.*") if file.parent.name != "__pycache__"]
    others = {file for file in kept if file.suffix != ".py"}
    assert others - named == {codehash.ROOT / "py.typed"}


def test_missing_module(hashed: Hash, tmp_path: Path) -> None:
    hashed()
    with pytest.raises(ModuleNotFoundError, match=r"lalbench\.stages\.nothing"):
        codehash.stage_hash("lalbench.stages.nothing", root=tmp_path / "0" / "lalbench")


def _with_users_module(hashed_files: dict[str, str], folder: Path) -> str:
    """The hash of a stage with the user's ``mine.rule``, computed by a process in ``folder``."""
    for name, text in hashed_files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    call = (
        "from lalbench import codehash\n"
        'print(codehash.stage_hash("lalbench.stages.fetch", ["mine.rule"]))'
    )
    environment = os.environ | {"PYTHONPATH": str(codehash.ROOT.parent)}
    done = subprocess.run(
        [sys.executable, "-c", call],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_modules_of_the_user_count_with_their_own_imports(tmp_path: Path) -> None:
    files = {
        "mine/__init__.py": "",
        "mine/rule.py": "import json\nimport sklearn\nimport helper\nfrom . import parts\n",
        "mine/parts.py": "x = 1\n",
        "helper.py": "y = 1\n",
        "other.py": "z = 1\n",
    }
    before = _with_users_module(files, tmp_path)
    assert (
        _with_users_module(files | {"mine/rule.py": "# said\n" + files["mine/rule.py"]}, tmp_path)
        == before
    )
    assert _with_users_module(files | {"other.py": "z = 2\n"}, tmp_path) == before
    assert _with_users_module(files | {"mine/parts.py": "x = 2\n"}, tmp_path) != before
    assert _with_users_module(files | {"helper.py": "y = 2\n"}, tmp_path) != before
    assert (
        _with_users_module(files | {"mine/rule.py": files["mine/rule.py"] + "w = 1\n"}, tmp_path)
        != before
    )


def test_installed_modules_count_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute() -> str:
        codehash._stage_hash.cache_clear()
        codehash._installed_version.cache_clear()
        return codehash.stage_hash("lalbench.stages.fetch", ["joblib.parallel"])

    before = compute()
    assert compute() == before
    monkeypatch.setattr(codehash, "version", lambda name: "0.0")
    changed = compute()
    monkeypatch.undo()
    assert compute() == before != changed


def test_software_hash_follows_each_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = codehash.version
    hashes = {codehash.software_hash()}
    for library in codehash.LIBRARIES:
        monkeypatch.setattr(
            codehash, "version", lambda name, new=library: "0.0" if name == new else real(name)
        )
        hashes.add(codehash.software_hash())
    monkeypatch.setattr(codehash, "version", lambda name: real("no-such-package"))
    assert set(codehash.software_versions().values()) >= {"absent"}
    hashes.add(codehash.software_hash())
    assert len(hashes) == len(codehash.LIBRARIES) + 2


RUN = """
import json, sys
from lalbench import build_problem, run_trial
import lalbench.stages.trials
problem = build_problem("waveform_generator", "imbalanced", data_seed=0, seed=0)
run_trial(problem, classifier={classifier!r}, strategy={strategy!r}, steps=1)
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "lalbench")))
"""


@pytest.mark.parametrize("strategy", ["entropy", "hal_gauss", "oracle"])
@pytest.mark.parametrize("classifier", ["logistic_regression", "svm"])
def test_nothing_that_a_trial_imports_is_forgotten(strategy: str, classifier: str) -> None:
    code = RUN.format(strategy=strategy, classifier=classifier)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    study = parse_study(
        {
            "study": "s",
            "datasets": ["waveform_generator"],
            "settings": ["imbalanced"],
            "classifiers": [classifier],
            "strategies": [strategy],
        }
    )
    cell = grid.cells(study)[0]
    labels = {
        name: getattr(cell, name) for name in ("dataset", "setting", "classifier", "strategy")
    }
    covered = codehash.closure(grid.stage_modules(study, "trials", **labels)) | codehash.PLUMBING
    front_door = {"lalbench.study"}
    assert set(json.loads(done.stdout)) - covered <= front_door


def test_strategies_count_for_their_own_cells_alone() -> None:
    study = parse_study(
        {
            "study": "s",
            "datasets": ["waveform_generator"],
            "settings": ["balanced"],
            "classifiers": ["logistic_regression"],
            "strategies": ["random", "entropy", "k_center_greedy", "oracle", "neural_process"],
        }
    )
    for cell in grid.cells(study):
        labels = {
            name: getattr(cell, name) for name in ("dataset", "setting", "classifier", "strategy")
        }
        modules = codehash.closure(grid.stage_modules(study, "trials", **labels))
        for other in grid.cells(study):
            if other != cell:
                theirs = grid.stage_modules(
                    study, "trials", **(labels | {"strategy": other.strategy})
                )[1]
                assert theirs not in modules, f"{cell.strategy} imports {theirs}"
