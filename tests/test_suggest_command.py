"""``lalbench suggest``: what it prints, writes and keeps, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.partly_labelled import frame, written

from lalbench.__main__ import main
from lalbench.suggestions import keep


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
