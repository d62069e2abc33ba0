"""Objectives by name, specification, import path and function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lalbench import objectives
from lalbench.config import ObjectiveSpec
from lalbench.errors import UserError
from lalbench.objectives import Scorer, check_classes
from lalbench.objectives.measures import FBeta, RareRecall


def test_every_name_makes_a_scorer_that_prefers_the_truth() -> None:
    y = np.array([0, 0, 1, 1, 1])
    assert len(objectives.names()) == 12
    for name in objectives.names():
        options = {"matrix": [[0, 1], [5, 0]]} if name == "cost_matrix" else {}
        scorer = Scorer(np.zeros((5, 1)), y, [2, 1], objectives.get(name, **options))
        values = np.array([y, 1 - y])
        if scorer.needs == "probabilities":
            values = np.eye(2)[values]
        truth, opposite = scorer.score(values)
        assert truth > opposite


def test_specifications_and_options() -> None:
    spec = ObjectiveSpec(name="f_beta", options={"beta": 3.0, "rare_class": 1})
    assert objectives.get(spec) == FBeta(rare_class=1, beta=3.0)
    assert objectives.get(spec, rare_class=0) == FBeta(rare_class=1, beta=3.0)
    assert objectives.get(spec, beta=1.0) == FBeta(rare_class=1, beta=1.0)
    assert objectives.get("rare_recall", rare_class=2) == RareRecall(2)
    assert objectives.get("macro_f1", rare_class=2) == objectives.get("macro_f1")
    made = objectives.get("cost_matrix", matrix=np.eye(2))
    assert objectives.get(made) == made


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a user's, on the import path."""
    (tmp_path / "own_objectives.py").write_text(
        "number = 3\n"
        "def mistakes(y_true, y_pred, class_weights, *, each=1.0):\n"
        "    return -each * float((y_true != y_pred).sum())\n"
        "def too_few(y_true, y_pred):\n"
        "    return 0.0\n"
        "def odd_needs(y_true, y_pred, class_weights):\n"
        "    return 0.0\n"
        "odd_needs.needs = 'embeddings'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "own_objectives"


def test_a_function_by_import_path_with_options(module: str) -> None:
    spec = ObjectiveSpec(name="own", function=f"{module}:mistakes", options={"each": 2.0})
    for objective in (spec, objectives.get(f"{module}:mistakes", each=2.0)):
        assert Scorer(np.zeros((3, 1)), [0, 1, 1], [1, 1], objective).score([1, 0, 1]) == -4.0


@pytest.mark.parametrize(
    ("objective", "options", "message"),
    [
        ("weighted_acuracy", {}, r'unknown objective.*did you mean "weighted_accuracy"\?'),
        ("f_beta", {"betta": 1}, r'f_beta has no option "betta"; did you mean "beta"\?'),
        ("macro_f1", {"beta": 1}, "there are no options"),
        ("f_beta", {"beta": 0}, "beta 0; give a positive number"),
        ("f_beta", {"beta": "two"}, "beta 'two'"),
        ("rare_recall", {"rare_class": -1}, "rare_class -1"),
        ("rare_recall", {"rare_class": True}, "rare_class True"),
        ("cost_matrix", {}, "without its matrix"),
        ("cost_matrix", {"matrix": [[0, 1]]}, "no square table"),
        ("cost_matrix", {"matrix": [[0, "a"], [1, 0]]}, "no square table"),
        ("cost_matrix", {"matrix": [[0, float("inf")], [1, 0]]}, "no square table"),
        ("own_objectives:mistake", {}, 'has no "mistake"'),
        ("own_objectives:number", {}, "no function"),
        ("own_objectives:too_few", {}, "cannot be called"),
        ("own_objectives:mistakes", {"eech": 2}, "eech"),
        ("own_objectives:odd_needs", {}, "needs = 'embeddings'"),
        ("no_such_module_anywhere:f", {}, "cannot import"),
        (3, {}, "3 is no objective"),
    ],
)
def test_what_cannot_be_used_says_so_under_the_key_objective(
    module: str, objective: object, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        objectives.get(objective, **options)  # type: ignore[arg-type]
    assert caught.value.key == "objective"


def test_options_that_do_not_fit_the_classes() -> None:
    for name, options, message in (
        ("cost_matrix", {"matrix": np.eye(3)}, "matrix with 3 rows for 2 classes"),
        ("rare_precision", {"rare_class": 2}, "rare_class 2 of 2 classes"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            Scorer(np.zeros((2, 1)), [0, 1], [1, 1], objectives.get(name, **options))
        assert caught.value.key == "objective"


@pytest.mark.parametrize("name", ["iou", "dice", "ams", "roc_auc"])
def test_objectives_of_two_classes_are_for_no_others(name: str) -> None:
    check_classes(name, 2)
    with pytest.raises(UserError, match="of 3 classes; it is for two classes: group them"):
        check_classes(name, 3)


@pytest.mark.parametrize("name", ["weighted_accuracy", "rare_recall", "log_loss", "macro_f1"])
def test_other_objectives_take_any_number_of_classes(name: str) -> None:
    for n_classes in (2, 3, 10):
        check_classes(name, n_classes)
