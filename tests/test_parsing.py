"""The command line says in one sentence what it cannot read."""

from __future__ import annotations

import pytest

import lalbench
from lalbench.__main__ import main


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "COMMAND: missing; see lalbench --help"),
        ("plam x", 'COMMAND: "plam" is no choice, did you mean "plan"; see lalbench --help'),
        ("plan", "study: missing; see lalbench plan --help"),
        ("plan x --coers 3", '--coers: no such option, did you mean "--cores"; see lalbench plan'),
        ("plan x --coers=3", '--coers: no such option, did you mean "--cores"; see lalbench plan'),
        ("plan x y", "y: one argument too many; see lalbench plan --help"),
        ("plan x --cores a", '--cores: "a" is no whole number; see lalbench plan --help'),
        ("plan x --cores", "--cores: expected one argument; see lalbench plan --help"),
        ("plan x --price-per-core-hour a", '--price-per-core-hour: "a" is no number; see lalb'),
        ("list strategy", 'what: "strategy" is no choice, did you mean "strategies"; see lalbench'),
        ("list zzz", 'what: "zzz" is no choice, choose one of classifiers, datasets, objectives,'),
        ("suggest --data a", "--target: missing; see lalbench suggest --help"),
        ("rerun", "archive: missing; see lalbench rerun --help"),
        ("fetch --study s", "--output, --dataset: missing; see lalbench fetch --help"),
    ],
)
def test_one_sentence_and_code_2(
    words: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"lalbench: {expected}")
    assert shown.err.count("\n") == 1


def test_line_breaks_of_arguments_break_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "x", "--a\nb"])
    assert capsys.readouterr().err.startswith("lalbench: --a b: no such option, choose one of")


@pytest.mark.parametrize("words", ["--help", "plan --help", "suggest -h"])
def test_help_is_as_it_was(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"usage: lalbench {words.split('-')[0]}[-h]")
    assert shown.out.count("\n") > 8
    assert shown.err == ""


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"lalbench {lalbench.__version__}\n"
