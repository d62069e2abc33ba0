"""The gallery of strategies: the page is what the code says, and nothing is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
import yaml
from matplotlib.mathtext import MathTextParser
from pydantic import Field

from lalbench import gallery, strategies
from lalbench.__main__ import main
from lalbench.strategies.base import Need

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "gallery.md").read_text()


@dataclass(frozen=True)
class Mine:
    r"""The best
    points (:class:`lalbench.strategies.base.Selection`).

    More of it.

    Attributes:
        power, base: of ``x``; see
            docs/protocols.md [7].
        mode: which.

    Rule:
        $\arg\max_i x_i$

    Cost:
        $O(n)$

    Source:
        Somebody, 2020.

    Pitfalls:
        - First: one,
          over two lines.
        - Second.
    """

    power: Annotated[float, Field(gt=0, le=2)] = 1.0
    base: int | None = None
    mode: Literal["a", "b"] = "b"
    many: tuple[bool, ...] = (True, False)
    needs: ClassVar[frozenset[Need]] = frozenset({Need.LABEL_ORACLE, Need.IMAGES})
    least_annotated: ClassVar[int] = 4

    def select(self, state: Any, budget: int, rng: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class More(Mine):
    r"""Inherits what its base says of options, and no section.

    Attributes:
        many: a list.

    Rule:
        $y$

    Cost:
        none

    Source:
        Somebody, 2021.

    Pitfalls:
        - One.
    """


def test_the_page_is_what_the_code_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "--output", str(tmp_path / "gallery.md")]) == 0
    assert (tmp_path / "gallery.md").read_text() == PAGE, "run: make gallery"
    assert main(["gallery"]) == 0
    assert capsys.readouterr().out == PAGE


def test_every_strategy_has_all_parts() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.M | re.S))
    assert list(sections) == strategies.names()
    for name, text in sections.items():
        for part in ("Rule", "Needs", "Cost of a batch", "Source"):
            assert re.search(rf"^- \*\*{part}:\*\* .", text, flags=re.M), (name, part)
        pitfalls = re.findall(r"^  - (.+)$", text, flags=re.M)
        assert 1 <= len(pitfalls) <= 3, name
        assert all(len(pitfall) > 40 and pitfall.endswith(".") for pitfall in pitfalls), name
        assert re.search(r"Source:\*\*.* (19|20)\d\d", text), name
        assert "$" in re.findall(r"Rule:\*\* (.*)", text)[0], name
        options = re.findall(r"^\| `(\w+)` \| (\S.*?) \| (\S.*?) \| (\S.*?) \|$", text, flags=re.M)
        strategy = strategies.get(name)
        assert [option[0] for option in options] == [each.name for each in fields(strategy)]
        for option, default, *_ in options:
            value = getattr(strategy, option)
            shown = yaml.safe_load(default.strip("`"))  # as a study would have it
            assert shown == (list(value) if isinstance(value, tuple) else value), (name, option)


def test_formulas_can_be_set_and_links_lead_somewhere() -> None:
    formulas = re.findall(r"\$([^$]+)\$", PAGE)
    assert len(formulas) > 60
    parser = MathTextParser("path")
    for formula in formulas:
        # GitHub takes a backslash before punctuation away, and the underscore after a brace
        # for emphasis, before it sets a formula
        assert not re.search(r"\\[^a-zA-Z]|\}_|\*", formula), formula
        parser.parse(f"${formula}$")
    assert PAGE.count("$") % 2 == 0
    for link in re.findall(r"\]\(([\w.-]+)\)", PAGE):
        assert (DOCS / link).is_file(), link
    for anchor in re.findall(r"\]\(#(\w+)\)", PAGE):
        assert f"\n## {anchor}\n" in PAGE


def test_numbers_that_pitfalls_quote_stand_on_the_page_that_they_name() -> None:
    """The pages are written by studies; a page written anew must not leave the gallery behind."""
    quoted = 0
    for pitfall in re.findall(r"^  - (.+)$", PAGE, flags=re.M):
        pages = [(DOCS / page).read_text() for page in re.findall(r"\]\(([\w-]+\.md)\)", pitfall)]
        for number in re.findall(r"\d\d?\.\d+", pitfall) if pages else ():
            quoted += 1
            assert any(number in page for page in pages), (number, pitfall)
    assert quoted > 20


def test_every_need_has_a_name() -> None:
    assert set(gallery.NEEDS) == set(Need)
    assert len(set(gallery.NEEDS.values())) == len(Need)


def test_an_entry_is_read_from_signature_needs_and_docstring() -> None:
    found = gallery.entry("more", More)
    assert found.needs == "images, hidden labels of the pool, 4 annotated points or more"
    assert found.classifiers == "networks"
    assert found.pitfalls == ("One.",)
    assert [(each.name, each.default, each.values) for each in found.options] == [
        ("power", "`1.0`", "number > 0 and ≤ 2"),
        ("base", "`null`", "integer or `null`"),
        ("mode", "`b`", "`a`, `b`"),
        ("many", "`[true, false]`", "list, each `true`, `false`"),
    ]
    of = "of `x`; see [protocols.md](protocols.md) [7]."
    assert [each.meaning for each in found.options] == [of, of, "which.", "a list."]


def test_text_loses_its_markup_and_line_ends() -> None:
    made = type("Other", (More,), {"__doc__": Mine.__doc__})
    found = gallery.entry("mine", made)
    assert found.summary == "The best points (`Selection`)"
    assert found.pitfalls == ("First: one, over two lines.", "Second.")
    assert found.rule == r"$\arg\max_i x_i$"


@pytest.mark.parametrize("title", gallery.SECTIONS)
def test_a_strategy_without_a_part_is_refused(title: str) -> None:
    text = re.sub(rf"^    {title}:\n", "    Elsewhere:\n", More.__doc__ or "", flags=re.M)
    made = type("Other", (More,), {"__doc__": text})
    with pytest.raises(ValueError, match=f'mine: the docstring of Other has no "{title}:"'):
        gallery.entry("mine", made)


def test_an_option_that_nobody_explains_is_refused() -> None:
    with pytest.raises(ValueError, match="mine: no docstring says what the option many means"):
        gallery.entry("mine", Mine)
