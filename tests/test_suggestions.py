"""Suggestions for a partly labelled table: the rows, their reasons, what is set apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.partly_labelled import frame, question, written

from lalbench import ActiveLearner
from lalbench.__main__ import main
from lalbench.data.partly_labelled import read_partly_labelled
from lalbench.errors import UserError
from lalbench.strategies.base import LearningState, Selection
from lalbench.strategies.look_ahead import LookAhead
from lalbench.suggestions import set_apart, suggest


def test_the_rows_are_those_of_an_active_learner(tmp_path: Path) -> None:
    made = frame()
    rows = suggest(question(written(tmp_path, made), strategy="margin")).rows
    X, y = made[["a", "b"]].to_numpy(), made["label"].to_numpy()
    known = y != ""
    chosen = ActiveLearner("margin").select(X[known], y[known].astype(str), X[~known], 3)
    assert (rows["row"] - 1).tolist() == np.flatnonzero(~known)[chosen.indices].tolist()
    assert rows["score"].tolist() == np.asarray(chosen.scores)[chosen.indices].tolist()
    assert rows["id"].tolist() == [f"r{row - 1}" for row in rows["row"]]
    assert list(rows.columns) == ["row", "score", "reason", "id", "a", "b", "label"]
    assert rows["reason"][0].startswith("choice 1 of margin among 40 unlabelled rows; logistic_reg")


def test_look_ahead_is_asked_and_looks_at_some_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two thousand, unless its option says otherwise."""
    made = frame()
    path = written(tmp_path, made)
    monkeypatch.setattr("lalbench.suggestions.CANDIDATES", 5)
    X, y = made[["a", "b"]].to_numpy(), made["label"].to_numpy()
    known = y != ""
    for options, n_candidates in (({}, 5), ({"n_candidates": 7}, 7), ({"n_candidates": None}, 40)):
        rows = suggest(question(path, options=options)).rows
        active = ActiveLearner("look_ahead", n_candidates=n_candidates)
        chosen = active.select(X[known], y[known].astype(str), X[~known], 3)
        assert np.isfinite(np.asarray(chosen.scores)).sum() == n_candidates
        assert (rows["row"] - 1).tolist() == np.flatnonzero(~known)[chosen.indices].tolist()
    other = suggest(question(path, strategy="entropy"))
    assert other.summary["options"] == {}


def test_a_class_of_few_labels_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = written(tmp_path, frame(120, 52), "few.csv")  # 13 of one class
    words = ["--target", "label", "--leave-out", "id", "--budget", "1"]
    assert main(["suggest", "--data", str(few), *words]) == 0
    assert "note: 13 rows are labelled 'yes': below about 15" in capsys.readouterr().out
    assert main(["suggest", "--data", str(few), *words, "--strategy", "margin"]) == 0
    assert "note" not in capsys.readouterr().out
    enough = written(tmp_path, frame(120, 60), "enough.csv")
    assert main(["suggest", "--data", str(enough), *words]) == 0
    assert "note" not in capsys.readouterr().out


def test_a_reason_says_what_the_classifier_thinks(tmp_path: Path) -> None:
    made = frame()
    rows = suggest(question(written(tmp_path, made))).rows
    X, y = made[["a", "b"]].to_numpy(), made["label"].to_numpy()
    known = y != ""
    active = ActiveLearner("entropy")
    found = active.probabilities(X[known], y[known].astype(str), X[~known])
    assert found.shape == (40, 2)
    for reason, row in zip(rows["reason"], rows["row"], strict=True):
        no, yes = found[row - 1 - 20]
        first, second = (("yes", yes), ("no", no)) if yes > no else (("no", no), ("yes", yes))
        assert reason.endswith(f"says {first[0]} {first[1]:.2f}, {second[0]} {second[1]:.2f}")


@pytest.mark.parametrize("name", ["my.csv", "my.parquet"])
@pytest.mark.parametrize(
    "labels",
    [[0, 1], [3.0, 7.0], [True, False], ["a", "NA"], ["x", "y"]],
    ids=["integers", "floats", "booleans", "NA", "text"],
)
def test_labels_of_many_kinds(tmp_path: Path, name: str, labels: list[Any]) -> None:
    made = frame()
    given = pd.Series([labels[place % 2] for place in range(20)] + [None] * 40)
    kinds: dict[str, Any] = {"int": "Int64", "float": "float64", "bool": "boolean", "str": "string"}
    made["label"] = given.astype(kinds[type(labels[0]).__name__])
    table = read_partly_labelled(str(written(tmp_path, made, name)), "label", ["id"])
    assert table.labelled.sum() == 20
    assert sorted(map(str, set(table.labels.tolist()))) == sorted(
        str(int(label)) if isinstance(label, float) else str(label) for label in labels
    )
    assert table.X.shape == (60, 2)
    assert table.feature_names == ("a", "b")


def test_texts_that_mean_no_label(tmp_path: Path) -> None:
    made = frame()
    expected = suggest(question(written(tmp_path, made, "my.csv")))
    made["label"] = made["label"].replace("", "NA").fillna("NA")
    path = written(tmp_path, made, "other.csv")
    found = suggest(question(path, unlabelled=["NA"]))
    assert found.rows["row"].tolist() == expected.rows["row"].tolist()
    assert found.summary["labelled"] == expected.summary["labelled"]


def test_a_strategy_that_measures_sets_labelled_rows_apart(tmp_path: Path) -> None:
    path = written(tmp_path, frame(60, 40))
    options = {"n_simulations": 4, "epochs": 1}
    answer = suggest(question(path, strategy="neural_process", options=options))
    assert len(answer.rows) == 3
    assert answer.rows["row"].min() > 40
    assert answer.summary["options"] == options


@given(
    st.lists(st.sampled_from("ab"), min_size=4).filter(
        lambda y: min(y.count("a"), y.count("b")) > 1
    ),
    st.floats(0.01, 0.99),
    st.integers(0, 10),
)
def test_every_class_is_trained_and_measured(y: list[str], share: float, seed: int) -> None:
    labels = np.array(y)
    train, apart = set_apart(labels, np.arange(len(y)), share, seed)
    assert sorted([*train, *apart]) == list(range(len(y)))
    for part in (train, apart):
        assert set(labels[part]) == {"a", "b"}


def test_rows_keep_their_part_when_others_get_labels() -> None:
    y = np.array(["a", "b"] * 50)
    _, before = set_apart(y[:60], np.arange(60), 0.5, 0)
    _, after = set_apart(y, np.arange(100), 0.5, 0)
    assert set(before) == {place for place in after if place < 60}
    assert 15 < len(before) < 45
    ids = np.arange(60)[::-1]
    _, turned = set_apart(y[:60][::-1], ids, 0.5, 0)
    assert set(ids[turned]) == set(before)


def test_a_class_with_one_row_cannot_be_divided() -> None:
    with pytest.raises(UserError, match="class 'b' has one labelled row"):
        set_apart(np.array(["a", "a", "b"]), np.arange(3), 0.5, 0)


def test_what_was_learned_on_synthetic_data_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, frame())
    options = {"repetitions": 2, "last_size": 4, "trees": 5}
    asked = question(
        path,
        strategy="lal_independent",
        classifier="random_forest",
        options=options,
        learned=tmp_path / "kept.npz",
    )
    first = suggest(asked)
    monkeypatch.setattr(ActiveLearner, "learn", None)
    assert suggest(asked).rows.equals(first.rows)


def test_fields_stay_as_they_are(tmp_path: Path) -> None:
    made = frame().astype(str)
    made["id"] = [f"0{place}" for place in range(60)]
    made["note"] = ["TRUE", "1.10", "NA"] * 20
    path = tmp_path / "my.csv"
    made.to_csv(path, index=False)
    rows = suggest(question(path, leave_out=["id", "note"])).rows
    for _, row in rows.iterrows():
        assert row["id"] == f"0{row['row'] - 1}"
        assert row["note"] == made["note"][row["row"] - 1]
        assert row["a"] == made["a"][row["row"] - 1]


def test_columns_of_these_names_stay(tmp_path: Path) -> None:
    made = frame().rename(columns={"a": "score", "b": "row"})
    rows = suggest(question(written(tmp_path, made))).rows
    assert list(rows.columns) == ["row_", "score_", "reason", "id", "score", "row", "label"]


def test_a_batch_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    options = {"n_candidates": 2, "n_points": 20}
    path = written(tmp_path, frame())
    rows = suggest(question(path, strategy="look_ahead", options=options, budget=4)).rows
    assert len(rows) == 4
    assert np.isfinite(rows["score"]).all()


def test_rows_that_were_not_looked_at_have_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def select(self: LookAhead, state: LearningState, budget: int, rng: Any) -> Selection:
        scores = np.full(state.n_pool, -np.inf)
        scores[:2] = 1.0
        return Selection(np.arange(budget), scores)

    monkeypatch.setattr(LookAhead, "select", select)
    path = written(tmp_path, frame())
    rows = suggest(question(path, strategy="look_ahead", budget=4)).rows
    assert np.isfinite(rows["score"]).tolist() == [True, True, False, False]
    assert rows["score"].isna().sum() == 2


def test_what_was_learned_otherwise_is_not_used(tmp_path: Path) -> None:
    path = written(tmp_path, frame())
    options = {"repetitions": 2, "last_size": 4, "trees": 5}
    asked = question(
        path, strategy="lal_independent", options=options, learned=tmp_path / "kept.npz"
    )
    suggest(asked)
    with pytest.raises(UserError, match="other options or another classifier"):
        suggest(replace(asked, classifier="svm"))
    with pytest.raises(UserError, match="other options or another classifier"):
        suggest(replace(asked, options=options | {"trees": 6}))


def test_the_rare_class_is_the_one_with_the_fewest_labels() -> None:
    """Whatever the classes are called."""
    X, pool = np.arange(10.0)[:, None], np.zeros((1, 1))
    for rare, common in (("a", "b"), ("b", "a")):
        y = np.array([rare] * 2 + [common] * 8)
        active = ActiveLearner("entropy", objective="rare_recall")
        objective: Any = active._state(X, y, pool, None).objective
        assert ["a", "b"][objective.rare_class] == rare
    weighted = ActiveLearner("entropy", objective="rare_recall", class_weights={"a": 1, "b": 9})
    state: Any = weighted._state(X, y, pool, None)
    assert state.objective.rare_class is None  # left to the weights
