"""A folder that looks like that of a finished study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lalbench import files
from lalbench.config import Study
from lalbench.study import load_study

RESULTS = {
    "data/mine.npz": b"data of the user's",
    "problems/mine/balanced/block-000.npz": b"rows",
    "tables/auac.csv": b"strategy,mean\nrandom,1\n",
    "tables/auac.md": b"| strategy |\n" * 500,
    "figures/curves.png": b"\x89PNG",
    "trials/mine/balanced/svm/random/block-000.parquet": b"PAR1",
}
OWN = """
from my_package.other import f


class Mine:
    needs = frozenset()

    def select(self, state, budget, rng): ...
"""
BESIDE = {
    "report.html": b"<html></html>",
    "logs/trials.log": b"trials random: 1 of 1\n",
    "timings/t.parquet": b"PAR1",
    "cache/trials/00/x.json": b"{}",
    "tables/.snakemake_timestamp": b"",
}


@pytest.fixture
def study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study file in the current folder, beside the user's data."""
    monkeypatch.chdir(tmp_path)
    content: dict[str, Any] = {
        "study": "small",
        "description": "Two strategies.",
        "datasets": [{"name": "mine", "path": "mine.csv", "target": "label"}, "wdbc"],
        "settings": ["balanced"],
        "classifiers": ["svm"],
        "strategies": ["random", {"name": "own", "class": "my_package.mine:Mine"}],
    }
    Path("study.yaml").write_text(yaml.safe_dump(content))
    Path("mine.csv").write_text("a,label\n" + "1,x\n2,y\n" * 50)
    package = Path("my_package")
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text(OWN)
    (package / "other.py").write_text("def f(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return Path("study.yaml")


@pytest.fixture
def study(study_file: Path) -> Study:
    """The study, finished."""
    found = load_study(study_file, check_names=False)
    for name, content in (RESULTS | BESIDE).items():
        files.write_bytes(found.folder / name, content)
    resolved = found.model_dump(mode="json", by_alias=True)
    manifest = {
        "study": resolved,
        "study_hash": files.digest(resolved),
        "software": {"numpy": "0.0"},
        "files": {name: files.file_hash(found.folder / name) for name in RESULTS},
    }
    files.write_json(found.folder / "manifest.json", manifest)
    return found
