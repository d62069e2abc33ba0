"""Own strategies that break their contract spoil their own trials, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.random import Generator

import lalbench
from lalbench import grid, records
from lalbench.__main__ import main
from lalbench.strategies.base import LearningState, Need, Selection
from lalbench.study import load_study

MODULE = """
import numpy as np
from lalbench.strategies.base import Selection


class First:
    needs = frozenset()

    def select(self, state, budget, rng):
        return Selection(np.arange(budget))


class Repeats(First):
    def select(self, state, budget, rng):
        return Selection(np.zeros(budget + 1, dtype=int))


class Fails(First):
    def select(self, state, budget, rng):
        raise RuntimeError("on purpose")
"""


class Meddler:
    """Writes into whatever it is given."""

    needs: frozenset[Need] = frozenset()

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        given: Any = [state.X_annotated, state.y_annotated, state.X_pool, state.class_weights]
        given += [state.pool_ids, state.annotated_ids, state.fit_weights]
        for array in given:
            if array is not None:
                array[:] = 0
        return Selection(np.arange(budget))


class Honest(Meddler):
    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        return Selection(np.arange(budget))


@pytest.mark.parametrize("setting", ["balanced", "imbalanced_weighted"])
def test_what_a_strategy_writes_into_its_state_changes_no_score(setting: str) -> None:
    sizes = {"test": 60, "reward": 20, "annotated": 20, "pool": 60}
    curves = []
    for strategy in (Honest(), Meddler()):
        problem = lalbench.build_problem("breast_cancer", setting, data_seed=1, seed=1, sizes=sizes)
        found = lalbench.run_trial(problem, classifier="svm", strategy=strategy, steps=3)
        curves.append(found[["objective", "weighted_accuracy", "acquired"]].to_numpy().tolist())
    assert curves[0] == curves[1]


def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Strategy → its rows, of a study run in a folder with the module above."""
    (folder / "own_broken.py").write_text(MODULE)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "own_broken", raising=False)
    content = {
        "study": "s",
        "datasets": ["breast_cancer"],
        "settings": ["balanced"],
        "sizes": {"test": 60, "reward": 20, "annotated": 20, "pool": 60},
        "classifiers": ["svm"],
        "strategies": [
            {"name": name.lower(), "class": f"own_broken:{name}"}
            for name in ("First", "Repeats", "Fails")
        ],
        "seeds": {"data": [1], "run": [1, 2]},
        "steps": 2,
    }
    Path("s.yaml").write_text(yaml.safe_dump(content))
    study = load_study("s.yaml")
    data, problems = study.folder / "data.npz", study.folder / "problems.npz"
    place = ["--study", "s.yaml", "--dataset", "breast_cancer"]
    assert main(["fetch", *place, "--output", str(data)]) == 0
    place += ["--setting", "balanced", "--data", str(data), "--block", "000"]
    assert main(["problems", *place, "--output", str(problems)]) == 0
    found = {}
    for cell, block in grid.jobs(study):
        output = study.folder / cell.records(block)
        names = [*place, "--classifier", "svm", "--strategy", cell.strategy]
        names += ["--problems", str(problems), "--output", str(output)]
        assert main(["trials", *names, "--timings", str(output.with_name("t.parquet"))]) == 0
        found[cell.strategy] = records.read(output, "records")
    return found


def test_their_trials_fail_and_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(tmp_path, monkeypatch)
    assert set(found["first"]["status"]) == {"ok"}
    for name, message in (
        ("repeats", "the strategy returned indices of shape (2,)"),
        ("fails", "RuntimeError: on purpose"),
    ):
        assert len(found[name]) == 2
        assert set(found[name]["status"]) == {"error"}
        assert found[name]["message"].str.startswith(message).all()
