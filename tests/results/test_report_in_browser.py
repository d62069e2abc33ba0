"""The report in a real browser: what it promises to a reader, and that each promise can be broken.

Needs a Chromium: one on the PATH (Debian's chromium-headless-shell or chromium), or that which
LALBENCH_CHROMIUM names, which then has to be there.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
MOST_BYTES = 15_000_000

IMAGES = """() => [...document.images].filter(i => !i.complete || !i.naturalWidth).length"""
WORDLESS = """() => [...document.images].filter(i => {
  const title = i.closest("figure").querySelector("figcaption b").textContent;
  return i.alt.length < 80 || i.alt.startsWith(title.slice(0, 20));
}).length"""
HEADINGS = """() => [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map(h => +h.tagName[1])"""
CONTENTS = """() => {
  const listed = [...document.querySelectorAll("nav a")].map(a => a.hash.slice(1));
  const there = [...document.querySelectorAll("main > h2")].map(h => h.id);
  return listed.length > 5 && listed.join() === there.join();
}"""
WIDTH = """() => document.documentElement.scrollWidth"""
BOXES = """() => [...document.querySelectorAll("table, figure img")].filter(e => {
  const box = e.closest(".scroll");
  const style = getComputedStyle(box);
  return style.overflowX !== "auto" || box.getBoundingClientRect().right > innerWidth
    || !box.getAttribute("aria-label") || box.tabIndex !== 0;
}).length"""
# letters of a figure have 7.5 points at 96 pixels per inch: 0.9 of that is the least on a phone
SMALL = """() => [...document.images].filter(i =>
  i.getBoundingClientRect().width / (i.getAttribute("width") / 120 * 96) < 0.9).length
  + [...document.querySelectorAll("p, li, dd, td, th, figcaption")].filter(e =>
  parseFloat(getComputedStyle(e).fontSize) < 12).length"""
# contrast of the text with what lies behind it (WCAG 2.2, 1.4.3: at least 4.5)
CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const ratio = e => {
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const kinds = ["body", ".lead", ".caption", "figcaption", "dt", ".cautions li", ".finding li",
    "nav a", "nav span", "tbody td", "tbody th", "thead th", "caption", "pre"];
  return Math.min(...kinds.map(kind => ratio(document.querySelector(kind))));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright, which drives the browser, is missing: make dev"
    )
    named = os.environ.get("LALBENCH_CHROMIUM")
    program = named or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium-headless-shell, or chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program)
        yield started
        started.close()


Open = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, rendered: Path) -> Iterator[Open]:
    """Opens the report from ``file://`` without a network; ``said`` of the page has its errors."""
    contexts = []

    def open_page(path: Path = rendered, **options: Any) -> Any:
        context = browser.new_context(**({"viewport": DESKTOP, "offline": True} | options))
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.said.extend(_outside(request.url)))
        page.on("requestfailed", lambda request: page.said.append(request.url[:80]))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def _outside(url: str) -> list[str]:
    return [] if url.startswith(("file:", "data:")) else [url]


def broken_promises(page: Any) -> set[str]:
    """What the page promises and does not keep, by name."""
    levels = page.evaluate(HEADINGS)
    contrast = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrast[scheme] = page.evaluate(CONTRAST)
    kept = {
        "quiet": not page.said,
        "images": page.evaluate(IMAGES) == 0,
        "words": page.evaluate(WORDLESS) == 0,
        "headings": levels.count(1) == 1 and all(b <= a + 1 for a, b in itertools.pairwise(levels)),
        "contents": page.evaluate(CONTENTS),
        "wide": page.evaluate(WIDTH) <= DESKTOP["width"],
        "light": contrast["light"] >= 4.5,
        "dark": contrast["dark"] >= 4.5,
    }
    page.set_viewport_size(PHONE)
    kept |= {
        "narrow": page.evaluate(WIDTH) <= PHONE["width"],
        "boxes": page.evaluate(BOXES) == 0,
        "small": page.evaluate(SMALL) == 0,
    }
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 690, "height": 900})  # A4 less its margins
    kept["print"] = page.evaluate(WIDTH) <= 690 and not page.is_visible("nav")
    return {name for name, good in kept.items() if not good}


def test_report_keeps_its_promises(opened: Open, rendered: Path) -> None:
    page = opened()
    assert page.url.startswith("file://")
    assert broken_promises(page) == set()
    assert page.said == []
    assert rendered.stat().st_size < MOST_BYTES / 4


BROKEN = {
    "quiet": ('"use strict";', '"use strict"; undefined.f();'),
    "images": ("data:image/svg+xml,%3C", "data:image/svg+xml,"),
    "words": ('alt="Lines:', 'alt="" data-was="'),
    "headings": ("<h3", "<h4"),
    "contents": ('<li><a href="#design">', '<li><a href="#scores">'),
    "wide": ("main { max-width: 74rem;", "main { width: 90rem;"),
    "light": ("--soft: #566071", "--soft: #b0b0b0"),
    "dark": ("--soft: #a9b3c2", "--soft: #444444"),
    "narrow": ("  main { padding: 1.2rem 1rem 3rem; }", "  main { width: 24.5rem; }"),
    "boxes": ('role="group" tabindex="0"', 'role="group"'),
    "small": ("figure img { max-width: 42rem; }", ""),
    "print": ("nav, .screen { display: none; }", ""),
}
"""Promise → a text of the page, and by what it is replaced to break that promise alone."""

NOISY = [
    ('"use strict";', '"use strict"; '),
    ("<main>", "<main><script>document.title = 1</script>"),
    ("<main>", '<main><link rel="stylesheet" href="https://example.org/a.css">'),
]
"""What the policy of the page has to refuse: a changed script, another one, another address."""


def test_checks_notice_broken_promises(opened: Open, rendered: Path, tmp_path: Path) -> None:
    """The policy is off, as it would refuse a changed style altogether."""
    text = rendered.read_text().replace("Content-Security-Policy", "x-policy")
    for old, new in BROKEN.values():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "broken.html").write_text(text)
    assert broken_promises(opened(tmp_path / "broken.html")) == set(BROKEN)


@pytest.mark.parametrize(("old", "new"), NOISY, ids=["changed", "script", "network"])
def test_policy_refuses_strangers(
    old: str, new: str, opened: Open, rendered: Path, tmp_path: Path
) -> None:
    text = rendered.read_text()
    assert old in text
    (tmp_path / "noisy.html").write_text(text.replace(old, new, 1))
    assert opened(tmp_path / "noisy.html").said


COLUMN = """([name, place]) => [...document.querySelectorAll(name + " tbody tr")]
  .map(row => row.cells[place].textContent.trim())"""


def test_tables_are_sorted_by_mouse_and_keyboard(opened: Open) -> None:
    page = opened()
    table = "#table-standing ~ .scroll table"
    page.evaluate("document.querySelector('#table-standing ~ .scroll').id = 'first'")
    heading = page.locator("#first th", has_text="difference, 95 % interval").first
    column = int(heading.get_attribute("data-column"))

    def cells(place: int = column) -> list[str]:
        return list(page.evaluate(COLUMN, ["#first", place]))

    assert page.locator(table).count() >= 1
    before = cells()
    numbers = [_value(text) for text in before]
    present = sorted(value for value in numbers if value is not None)
    assert min(present) < 0 < max(present)  # a true minus sign among them
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [_value(text) for text in cells()] == [*present, *[None] * numbers.count(None)]
    page.keyboard.press("Enter")  # the focus is on the button
    assert heading.get_attribute("aria-sort") == "descending"
    assert [_value(text) for text in cells()] == [*present[::-1], *[None] * numbers.count(None)]
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") is None
    assert cells() == before
    names = page.locator("#first th[data-column='0'] button")
    names.focus()
    page.keyboard.press("Enter")
    assert cells(0) == sorted(cells(0))
    assert page.locator("#first th[aria-sort]").count() == 1


def _value(text: str) -> float | None:
    number = text.split(" ")[0].replace("−", "-")
    return None if number == "–" else float(number)


MADE = {
    "p": ["0.020", "<0.001", "1.000", "–", "0.001"],
    "labels": ["> budget (0/9)", "104 (9/9)", "99.5 (8/9)", "–", "∞"],
    "score": ["**8.67 ± 0.17 ▲**", "ERR 0/9", "10.20 ± 0.01", "not run", "9.10 † 8/9"],
    "interval": ["[−0.5, 0.1]", "[0.2, 0.3]", "–", "[−1.5, 2.0]", "[0.1, 0.2]"],
    "name": ["s10", "s9", "S1", "", "s2"],
    "same": ["1", "1", "1", "1", "1"],
}
ORDER = {  # rows from the smallest up, and from the largest down
    "p": ([1, 4, 0, 2, 3], [2, 0, 4, 1, 3]),
    "labels": ([2, 1, 0, 4, 3], [0, 4, 1, 2, 3]),
    "score": ([0, 4, 2, 1, 3], [2, 4, 0, 1, 3]),
    "interval": ([3, 0, 4, 1, 2], [1, 4, 0, 3, 2]),
    "name": ([2, 4, 1, 0, 3], [0, 1, 4, 2, 3]),
    "same": ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
}


def test_cells_of_all_kinds_are_sorted_by_value(browser: Any, tmp_path: Path) -> None:
    """Numbers by size, missing ones last in both directions, equal ones as they were, sums last."""
    import pandas as pd

    from lalbench.results import markup, report

    shown = pd.DataFrame({"row": [str(row) for row in range(5)]} | MADE)
    shown.loc[5] = ["sum", *["0"] * len(MADE)]
    table = markup.block(shown, "made", "", summary_rows=1)
    script = Path(report.__file__).with_name("report.js").read_text()
    page = browser.new_page()
    page.set_content(f"<!DOCTYPE html>{table}<script>{script}</script>")
    for place, name in enumerate(MADE, start=1):
        button = page.locator(f"th[data-column='{place}'] button")
        for expected in ORDER[name]:
            button.click()
            assert page.evaluate(COLUMN, ["", 0]) == [str(row) for row in expected], name
        button.click()
        assert page.evaluate(COLUMN, ["", 0]) == list("01234")
    assert page.locator("tfoot th").inner_text() == "sum"
    page.close()


def test_page_is_whole_without_script(opened: Open) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("thead button").count() == 0
    assert not page.is_visible(".needs-script")
    assert page.is_visible("#table-standing ~ .scroll table >> nth=0")
    assert page.locator("thead th", has_text="strategy").first.inner_text() == "strategy"
