"""LAL in the workflow: learned once, shared by studies, the same bytes with more jobs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from lalbench.records import read

pytestmark = pytest.mark.workflow

OPTIONS = {"repetitions": 4, "last_size": 4, "trees": 10, "candidates": 4}
STUDY: dict[str, Any] = {
    "study": "tiny",
    "protocol": "clean",
    "datasets": [{"name": "waveform_generator", "options": {"n": 300}}],
    "settings": ["balanced"],
    "sizes": {"annotated": 4, "reward": 0, "test": 60},
    "classifiers": ["random_forest"],
    "strategies": [
        {"name": "lal_independent", "options": OPTIONS},
        {"name": "lal_iterative", "options": {**OPTIONS, "step_trees": [10]}},
        "random",
    ],
    "seeds": {"data": [0, 1], "run": [0, 1], "pairs": "matched"},
    "steps": 3,
    "figures": {"formats": ["svg"]},
}


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.npz"))
    }


def test_learned_once_and_shared(fresh: Any) -> None:
    fresh.edit("config.yaml", lambda _: yaml.safe_dump(STUDY))
    fresh.run("--cores", "2")
    shared = fresh.results.parent / ".cache" / "pretrained"
    first = hashes(shared)
    assert sum("regressor.npz" in name for name in first) == 2
    assert sum("/steps/" in name for name in first) == 2  # at sizes 2 and 3
    # the plan reads how long each took
    for name in first:
        path = shared / name
        kind = {"rows": "rows-", "steps": "step-"}.get(path.parent.name, "")
        folder = path.parent.parent if kind else path.parent
        seconds = pd.read_csv(folder / "benchmarks" / f"{kind}{path.stem}.tsv", sep="\t")["s"]
        assert (seconds > 0).all()
    records = pd.concat(
        read(path, "records") for path in fresh.results.glob("trials/*/*/*/*/*.parquet")
    )
    assert (records["status"] == "ok").all()
    assert set(records["strategy"]) == {"lal_independent", "lal_iterative", "random"}
    # another study, from another file, reads the same files
    other = yaml.safe_dump({**STUDY, "study": "other", "steps": 2})
    (fresh.folder / "other.yaml").write_text(other)
    output, messages = fresh.run("--dry-run", "--cores", "1", "--config", "study=other.yaml")
    assert "rule trials" in output + messages
    assert "pretrain_" not in output + messages
    # one job at a time writes the same bytes
    for path in shared.rglob("*.npz"):
        path.unlink()
    wanted = [str((shared / name).relative_to(fresh.folder)) for name in first if "regr" in name]
    fresh.run("--cores", "1", *wanted)
    assert hashes(shared) == first
