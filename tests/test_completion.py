"""What bash completes, asked of bash itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lalbench.__main__ import main


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    path = tmp_path / "completion.bash"
    path.write_text(capsys.readouterr().out)
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pl"], {"plan"}),
        (["re"], {"reproduction", "rerun", "references", "report"}),
        (["list", "str"], {"strategies"}),
        (["list", ""], {"strategies", "datasets", "classifiers", "objectives"}),
        (["list", "--"], {"--help"}),
        (["suggest", "--b"], {"--budget"}),
        (["suggest", "--data", "my.csv", "--ta"], {"--target"}),
        (["rerun", "--co"], {"--cores"}),
        (["plan", "stud"], set()),
        (["plan", ""], set()),  # a file
        (["suggest", "--data", ""], set()),
        (["nothing", ""], set()),
    ],
)
def test_words_are_completed(script: Path, words: list[str], expected: set[str]) -> None:
    given = " ".join(f"'{word}'" for word in ["lalbench", *words])
    code = (
        f"source '{script}'; COMP_WORDS=({given}); COMP_CWORD={len(words)}; COMPREPLY=(); "
        'set -u; _lalbench; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected


def test_zsh_gets_the_same_by_its_own_bridge(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "zsh"]) == 0
    first, _, rest = capsys.readouterr().out.partition("\n")
    assert "bashcompinit" in first
    assert rest == script.read_text()
