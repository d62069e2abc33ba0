"""What classes are called in the report: from the data and the problems of a results folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lalbench.data.dataset import Dataset
from lalbench.problems import build_problem, save_problems
from lalbench.results.class_names import class_rows
from lalbench.study import parse_study

SIZES = {"test": 40, "reward": 10, "annotated": 10}


@pytest.fixture
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [300, 100])
    return Dataset("mine", rng.normal(size=(400, 2)), y, ("well", "sick"), ("a", "b"))


def test_classes_and_the_rare_one_are_named(tmp_path: Path, dataset: Dataset) -> None:
    study = parse_study(
        {
            "study": "tiny",
            "datasets": [{"name": "waveform_generator", "label": "mine"}],
            "settings": ["imbalanced", "natural"],
            "sizes": SIZES,
            "classifiers": ["svm"],
            "strategies": ["random"],
            "seeds": {"data": [3], "run": [4]},
        }
    )
    assert class_rows(study, tmp_path) == []
    dataset.save(tmp_path / "data" / "mine.npz")
    assert class_rows(study, tmp_path) == [("Classes of mine", "0 = well, 1 = sick")]
    rare = {}
    for setting in study.settings:
        problem = build_problem(dataset, setting, data_seed=3, seed=4, sizes=SIZES)
        rare[setting.name] = dataset.class_names[problem.rare_class]
        save_problems(tmp_path / "problems" / "mine" / setting.name / "block-000.npz", [problem])
    assert rare == {"imbalanced": "well", "natural": "sick"}
    words = "0 = well, 1 = sick; rare class: well (imbalanced), sick (natural)"
    assert class_rows(study, tmp_path) == [("Classes of mine", words)]


def test_of_many_classes_the_first_are_named(tmp_path: Path) -> None:
    study = parse_study(
        {
            "study": "tiny",
            "datasets": [{"name": "digits", "label": "mine"}],
            "settings": ["balanced"],
            "classifiers": ["svm"],
            "strategies": ["random"],
        }
    )
    names = tuple(f"c{number}" for number in range(30))
    X = np.random.default_rng(0).normal(size=(60, 2))
    Dataset("mine", X, np.arange(60) % 30, names, ("a", "b")).save(tmp_path / "data/mine.npz")
    ((_, words),) = class_rows(study, tmp_path)
    assert words.startswith("0 = c0, 1 = c1, ")
    assert words.endswith("19 = c19 and 10 more")
