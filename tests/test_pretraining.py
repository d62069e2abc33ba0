"""Regressors shared by studies: which are needed, their parts, and what their names depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench import files, grid, pretraining, strategies
from lalbench.classifiers.random_forest import RandomForest
from lalbench.config import Study
from lalbench.errors import UserError
from lalbench.stages import pretraining as stages
from lalbench.study import parse_study

SMALL = {"repetitions": 300, "last_size": 4}


def study(*strategies: Any, **changes: Any) -> Study:
    content: dict[str, Any] = {
        "study": "tiny",
        "protocol": "clean",
        "datasets": ["wine"],
        "settings": ["balanced"],
        "classifiers": ["random_forest"],
        "strategies": [*strategies, "random"],
        "seeds": {"data": [1], "run": [1]},
    }
    return parse_study(content | changes)


def lal(name: str = "lal_independent", **options: Any) -> dict[str, Any]:
    return {"name": name, "options": {**SMALL, **options}}


def test_one_per_pretrained_strategy_and_classifier() -> None:
    found = pretraining.needed(
        study(lal(), lal("lal_iterative"), classifiers=["random_forest", "logistic_regression"])
    )
    assert [(each.strategy, each.classifier) for each in found] == [
        ("lal_independent", "random_forest"),
        ("lal_independent", "logistic_regression"),
        ("lal_iterative", "random_forest"),
        ("lal_iterative", "logistic_regression"),
    ]
    assert len({each.key for each in found}) == 4
    assert pretraining.needed(study()) == []


def test_names_depend_on_what_is_learned_alone() -> None:
    def key(entry: dict[str, Any], **changes: Any) -> str:
        return pretraining.needed(study(entry, **changes))[0].key

    first = key(lal())
    other = {"study": "other", "datasets": ["digits"], "seeds": {"data": [5], "run": [6]}}
    assert key(lal(), **other) == first
    assert key({**lal(), "label": "mine"}) == first
    assert key({**lal(), "subsample": 50}) == first
    assert key(lal(ties="first", beyond="extrapolate")) == first
    for option in ({"repetitions": 301}, {"seed": 1}, {"min_leaf": 2}, {"mean_over": "candidates"}):
        assert key(lal(**option)) != first
    assert key(lal(), protocol="published") != first
    forest = {"name": "random_forest", "options": {"n_estimators": 20}}
    assert key(lal(), classifiers=[forest]) != first
    # an iterative collection breaks ties by the rule of the strategy
    grown = lal("lal_iterative")
    assert key(grown) != key(lal("lal_iterative", ties="first"))


@pytest.mark.parametrize("name", ["lal_independent", "lal_iterative"])
def test_parts_hold_every_state_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "STATES_PER_PART", 240)
    (found,) = pretraining.needed(study(lal(name)))
    held = [state for part in found.parts.values() for state in part]
    assert held == [(size, number) for size in (2, 3, 4) for number in range(300)]
    most = pretraining.GROWN_PER_PART if found.iterative else pretraining.STATES_PER_PART
    assert max(map(len, found.parts.values())) == most
    assert len(found.rows_files()) == len(found.parts) == (4 if name == "lal_independent" else 6)


def test_a_part_waits_for_the_regressors_of_smaller_sizes() -> None:
    (found,) = pretraining.needed(study(lal("lal_iterative")))
    assert found.steps_before("002-001") == []
    assert found.steps_before("004-000") == [found.step_file(2), found.step_file(3)]
    assert [path.name for path in found.rows_files([3])] == ["003-000.npz", "003-001.npz"]
    (found,) = pretraining.needed(study(lal()))
    assert found.steps_before("all-003") == []


def test_trials_depend_on_their_regressor() -> None:
    first, second = (study(lal(seed=seed)) for seed in (0, 1))
    labels = {"dataset": "wine", "setting": "balanced", "classifier": "random_forest"}
    labels |= {"strategy": "lal_independent", "block": "000"}
    parameters = [grid.stage_parameters(each, "trials", **labels) for each in (first, second)]
    assert parameters[0]["pretrained"] == pretraining.needed(first)[0].key
    assert parameters[0]["pretrained"] != parameters[1]["pretrained"]
    plain = grid.stage_parameters(first, "trials", **{**labels, "strategy": "random"})
    assert "pretrained" not in plain
    assert all(cell.cost_class == "cheap" for cell in grid.cells(first))


def test_unknown_key() -> None:
    with pytest.raises(UserError, match='--key: no strategy of the study is learned as "abc"'):
        pretraining.named(study(lal()), "abc")


@pytest.mark.parametrize("name", ["lal_independent", "lal_iterative"])
def test_the_stages_learn_what_the_strategy_learns_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "STATES_PER_PART", 4)
    monkeypatch.setattr(pretraining, "GROWN_PER_PART", 2)
    options = {"repetitions": 3, "last_size": 5, "trees": 4, "min_leaf": 2}
    options |= {"step_trees": [4]} if name == "lal_iterative" else {}
    whole = study(lal(name, **options), results=str(tmp_path))
    (wanted,) = pretraining.needed(whole)
    done: set[Path] = set()
    for part, states in wanted.parts.items():
        file = wanted.folder / "rows" / f"{part}.npz"
        stages.rows(whole, wanted.key, part, wanted.steps_before(part), file)
        done.add(file)
        size = states[0][0]
        if wanted.iterative and done >= set(wanted.rows_files([size])):
            rows = wanted.rows_files([size])
            stages.step(whole, wanted.key, size, rows, wanted.step_file(size))
    stages.regressor(whole, wanted.key, wanted.rows_files(), wanted.regressor)
    found = files.read_npz(wanted.regressor)
    at_once = strategies.get(name, **options).pretrain(RandomForest())
    for key, array in at_once.to_arrays().items():
        assert np.array_equal(found[key], array), key
