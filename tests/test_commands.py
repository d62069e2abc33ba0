"""Commands of which other tests call only the functions behind them."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest

from lalbench import warm_up
from lalbench.__main__ import main


def partly_labelled(path: Path, missing: str) -> Path:
    """Sixty rows, the last forty with a text in the place of the label."""
    made = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    made["label"] = [*(["yes", "no", "no", "no"] * 5), *([missing] * 40)]
    made.to_csv(path, index=False)
    return path


def test_suggest_is_told_which_texts_mean_no_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[tuple[list[int], dict[str, Any]]] = []
    for missing, told in (("", []), ("NA", ["--unlabelled", "?", "--unlabelled", "NA"])):
        path = partly_labelled(tmp_path / f"my{missing}.csv", missing)
        out, log = path.with_suffix(".out"), path.with_suffix(".log")
        words = ["suggest", "--data", str(path), "--target", "label", "--budget", "3"]
        assert main([*words, *told, "--output", str(out), "--log", str(log)]) == 0
        kept = json.loads(log.read_text())
        found.append((pd.read_csv(out)["row"].tolist(), kept["labelled"]))
    expected, named = found
    assert named == expected
    assert expected[1] == {"no": 15, "yes": 5}
    capsys.readouterr()
    assert main(words) == 2  # without the option it would be a class
    assert "has a label in every row" in capsys.readouterr().err


class InOneProcess:
    """Stands in for a pool of processes: notes what is submitted, and does not call it."""

    def __init__(self, submitted: list[str], failure: Exception | None) -> None:
        self._submitted = submitted
        self._failure = failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, part: Callable[[], None]) -> Future[None]:
        self._submitted.append(part.__name__)
        future: Future[None] = Future()
        if self._failure is None or len(self._submitted) == 1:
            future.set_result(None)
        else:
            future.set_exception(self._failure)
        return future


def compiled(monkeypatch: pytest.MonkeyPatch, failure: Exception | None = None) -> list[str]:
    """Parts that the command submits; the second one may fail."""
    submitted: list[str] = []
    made = InOneProcess(submitted, failure)
    monkeypatch.setattr(warm_up, "ProcessPoolExecutor", lambda *_, **__: made)
    assert main(["compile"]) == 0
    return submitted


def test_compile_does_both_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = compiled(monkeypatch)
    assert sorted(submitted) == ["_refit_logistic_and_train", "_refit_svm"]


def test_compile_does_not_hide_a_part_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        compiled(monkeypatch, ZeroDivisionError("on purpose"))


@pytest.mark.parametrize(
    ("strategies", "output", "timings", "message"),
    [
        ("a b", "x", "s t", "--output: 1 files for 2 strategies; name one for each"),
        ("a b", "x y", "s t u", "--timings: 3 files for 2 strategies; name one for each"),
        ("a", "x y", "s", "--output: 2 files for 1 strategies; name one for each"),
        ("a a", "x y", "s t", "--strategy: one stands twice; give each once"),
        ("a b", "x x", "s t", "--output: one stands twice; give each once"),
        ("a b", "x y", "s s", "--timings: one stands twice; give each once"),
    ],
)
def test_trials_have_files_of_their_own_for_each_strategy(
    strategies: str, output: str, timings: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["trials", "--study", "s.yaml", "--data", "d.npz", "--problems", "p.npz"]
    words += ["--dataset", "wdbc", "--setting", "balanced", "--classifier", "svm"]
    words += ["--block", "000", "--strategy", *strategies.split()]
    words += ["--output", *output.split(), "--timings", *timings.split()]
    assert main(words) == 2
    assert capsys.readouterr().err == f"lalbench: {message}\n"
