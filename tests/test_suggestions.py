"""Suggestions for a partly labelled table: the rows, their reasons, the history, bad tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench import ActiveLearner
from lalbench.__main__ import main
from lalbench.data.partly_labelled import read_partly_labelled
from lalbench.errors import UserError
from lalbench.strategies.base import LearningState, Selection
from lalbench.strategies.look_ahead import LookAhead
from lalbench.suggestions import Question, keep, set_apart, suggest


def frame(n: int = 60, n_labelled: int = 20) -> pd.DataFrame:
    """Two numbers and a name per row; the first rows have labels, one in four of them "yes"."""
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(n, 2)).round(3), columns=["a", "b"])
    made.insert(0, "id", [f"r{place}" for place in range(n)])
    labels = np.where(np.arange(n) % 4 == 0, "yes", "no").astype(object)
    labels[n_labelled:] = ""
    return made.assign(label=labels)


def written(folder: Path, made: pd.DataFrame, name: str = "my.csv") -> Path:
    path = folder / name
    if path.suffix == ".csv":
        made.to_csv(path, index=False)
    else:
        made.to_parquet(path, index=False)
    return path


def question(path: Path, **changes: Any) -> Question:
    return Question(
        **{"data": path, "target": "label", "leave_out": ["id"], "budget": 3, **changes}
    )


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


def test_the_command_prints_writes_and_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, frame())
    words = ["suggest", "--data", str(path), "--target", "label", "--leave-out", "id"]
    out, log = tmp_path / "out.csv", tmp_path / "history" / "log.jsonl"
    arguments = [*words, "--budget", "25", "--output", str(out), "--log", str(log)]
    assert main([*arguments, "--option", "ties=random"]) == 0
    shown = capsys.readouterr().out
    assert "and 5 more" in shown
    assert "out.csv: 25 rows" in shown
    assert len(pd.read_csv(out)) == 25
    assert main(arguments) == 0
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert first["rows"] == second["rows"] == pd.read_csv(out)["row"].tolist()
    assert first["strategy"] == "look_ahead"
    assert first["options"] == {"n_candidates": 2000, "ties": "random"}
    assert first["labelled"] == {"no": 15, "yes": 5}
    assert first["unlabelled"] == 40


@pytest.mark.parametrize(
    ("before", "lines"), [("", 1), ('{"a": 1}\n', 2), ('{"a": 1}', 2), ("é", 2), ("\n", 2)]
)
def test_a_line_is_never_glued_to_an_unfinished_one(
    before: str, lines: int, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(before, encoding="utf-8")
    keep(log, {"rows": [1]})
    text = log.read_text(encoding="utf-8")
    assert text.startswith(before)
    assert len(text.splitlines()) == lines
    assert text.endswith("\n")
    assert json.loads(text.splitlines()[-1])["rows"] == [1]


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ({}, ["--target", "lable"], 'holds no "lable"; did you mean "label"'),
        ({}, ["--strategy", "entrpy"], 'unknown strategy "entrpy"; did you mean "entropy"'),
        ({}, ["--strategy", "oracle"], "sees hidden labels"),
        ({}, ["--classifier", "smv"], '--classifier: unknown classifier "smv"; did you mean "svm"'),
        ({}, ["--option", "engine=svm"], '--option engine: "svm" with LogisticRegression'),
        ({}, ["--option", "sharpness=.inf"], "--option sharpness: "),
        (
            {},
            ["--classifier", "sklearn.neighbors:KNeighborsClassifier"],
            "--budget: KNeighborsClassifier.fit takes no sample_weight, which a batch",
        ),
        (
            {"label": ["a", "b", "c"] * 7 + [""] * 39},
            ["--objective", "iou"],
            "choose another objective",
        ),
        ({}, ["--objective", "acc"], 'unknown objective "acc"'),
        ({}, ["--objective", "log_loss", "--classifier", "svm"], "needs probabilities"),
        ({}, ["--budget", "0"], "budget: cannot use 0"),
        ({}, ["--option", "ties"], 'option: cannot use "ties"; write NAME=VALUE'),
        ({}, ["--option", "tie=first"], 'no option "tie"'),
        ({}, ["--class-weight", "yes=0", "--class-weight", "no=0"], "all weights are 0; give a po"),
        ({}, ["--leave-out", "idd"], 'leave-out: no feature "idd"; did you mean "id"'),
        ({}, ["--leave-out", "label"], 'leave-out: no feature "label"'),
        ({}, ["--seed", "-1"], "seed: cannot use -1"),
        ({}, ["--strategy", "neural_process", "--reward", "1.5"], "reward: 1.5; give a share"),
        ({"label": "yes"}, [], "has a label in every row; leave it empty where a label is wanted"),
        ({"label": ""}, [], "no row has a label; label at least one row of each of two"),
        ({"label": ["yes"] * 3 + [""] * 57}, [], "all labelled rows are 'yes'"),
        ({"label": [0.5, 1.5] + [None] * 58}, [], "0.5 in data row 1 is no class label"),
        ({"a": "red"}, [], "'red' in data row 1 is no number"),
        ({"a": "red"}, [], "or leave the column out with --leave-out"),
        ({}, ["--class-weight", "yes"], '--class-weight: cannot use "yes"; write NAME=VALUE'),
        ({}, ["--class-weight", "yes=1", "--class-weight", "yes=2"], '"yes" stands twice'),
        ({}, ["--strategy", "x"], '--strategy: unknown strategy "x"'),
        ({}, ["--strategy", "posterior_limit"], "which only made data have; choose another one"),
        ({}, ["--option", "ties=x"], '--option ties: cannot use "x"'),
        ({}, ["--processes", "0"], "--processes: 0; give 1 or more"),
        ({}, ["--learned", "kept.npz"], "--learned: look_ahead learns nothing on synthetic data"),
        ({"label": ["x", "?"] * 10 + [""] * 40}, [], '"?" may be a class or a missing label; say'),
        (
            {"label": ["NA", "x"] * 30},
            [],
            "in every row; leave it empty where a label is wanted, or",
        ),
        ({"a": np.nan}, [], "60 values missing"),
        ({"a": 1e308}, [], 'column "a": 1e+308 in data row 1 is too large to be squared; rescale'),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    change: dict[str, Any],
    arguments: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = written(tmp_path, frame().assign(**change))
    given = ["--target", "label", "--leave-out", "id", *arguments]
    assert main(["suggest", "--data", str(path), *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lalbench: ")
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.parametrize("name", ["none.csv", "my.npz", "my.txt"])
def test_files_that_are_no_tables(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "my.npz":
        np.savez(tmp_path / name, X=np.zeros((3, 1)), label=np.zeros(3))
    elif name == "my.txt":
        (tmp_path / name).write_text("a,label\n1,x\n")
    assert main(["suggest", "--data", str(tmp_path / name), "--target", "label"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the key format" not in error


@pytest.mark.parametrize("name", ["name.csv", "options.csv", "strategy.csv", "target.csv"])
def test_a_file_may_be_called_like_a_key(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, frame().assign(a="red"), name)
    monkeypatch.chdir(tmp_path)
    assert main(["suggest", "--data", name, "--target", "label"]) == 2
    assert capsys.readouterr().err.startswith(f'lalbench: {name}, column "')


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


def test_fewer_rows_than_wanted_and_no_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, frame())
    n_pool = int(frame()["label"].isna().sum() + (frame()["label"] == "").sum())
    words = ["--data", str(path), "--target", "label", "--leave-out", "id"]
    assert main(["suggest", *words, "--strategy", "random", "--budget", "1000"]) == 0
    text = capsys.readouterr().out
    assert f"all {n_pool} rows without a label, fewer than --budget 1000" in text
    assert "nan" not in text


def test_no_file_is_written_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, frame())
    before = path.read_bytes()
    words = ["suggest", "--data", str(path), "--target", "label", "--leave-out", "id"]
    for key in ("--output", "--log", "--learned"):
        assert main([*words, key, str(path)]) == 2
        assert f"{path} is what --data names; name another file" in capsys.readouterr().err
    out = str(tmp_path / "out.csv")
    assert main([*words, "--output", out, "--log", out]) == 2
    assert "is what --output names" in capsys.readouterr().err
    assert main([*words, "--output", str(tmp_path)]) == 2
    assert "is a folder; name a file" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert not Path(out).exists()


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


def test_options_have_names_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option of a strategy may be called like an argument of ours."""
    path = written(tmp_path, frame())
    words = ["suggest", "--data", str(path), "--target", "label", "--leave-out", "id"]
    assert main([*words, "--option", "seed=1"]) == 2
    assert 'no option "seed"' in capsys.readouterr().err
    weights = ["--class-weight", "yes=3", "--class-weight", "no=1"]
    assert main([*words, "--objective", "f_beta", "--objective-option", "beta=2", *weights]) == 0
    capsys.readouterr()
    assert main([*words, "--class-weight", "maybe=3"]) == 2
    assert "'maybe' is no class" in capsys.readouterr().err
