"""What ``list`` says, and that the manual leaves nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from lalbench.__main__ import main
from lalbench.catalogues import CATALOGUES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    "strategies": "gallery.md",
    "datasets": "data.md",
    "classifiers": "study.md",
    "objectives": "study.md",
}


@pytest.mark.parametrize("what", CATALOGUES)
def test_every_name_has_a_line(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = CATALOGUES[what]()
    assert [line.split()[0] for line in lines] == list(found)
    for name, text in found.items():
        assert 10 < len(text) < 150, name
        assert text.strip() == text
        assert "`" not in text


@pytest.mark.parametrize("what", CATALOGUES)
def test_the_manual_has_every_name(what: str) -> None:
    page = (DOCS / PAGES[what]).read_text()
    missing = [name for name in CATALOGUES[what]() if f"`{name}`" not in page]
    assert not missing


def test_what_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["list", "strategy"])
    assert caught.value.code == 2
    assert "strategies" in capsys.readouterr().err


def test_the_manual_has_every_command_for_people() -> None:
    from lalbench.commands import parser

    page = (DOCS / "commands.md").read_text()
    commands = next(action for action in parser()._actions if action.choices)
    assert commands.choices is not None
    names = list(commands.choices)
    for name in names[: names.index("fetch")]:
        assert f"`{name}" in page, name
