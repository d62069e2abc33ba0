"""The report: one file, nothing from outside, failures shown, texts escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from lalbench.config import SettingSpec, Study
from lalbench.results import curve_figures, design, style
from lalbench.results.analysis import Analysis
from lalbench.results.report import write_report

NewStudy = Callable[..., Study]
Write = Callable[..., Path]

VOID = {"meta", "img", "br", "link", "wbr"}
SVG = "data:image/svg+xml,"


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if named.get("id"):
            self.ids.append(str(named["id"]))
        if tag == "a":
            self.links.append(str(named["href"]))
        if tag == "img":
            self.images.append(named)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def text(rendered: Path) -> str:
    return rendered.read_text()


@pytest.fixture
def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


def test_one_file_with_nothing_from_outside(text: str, parsed: Page) -> None:
    assert not parsed.open
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert all(link.startswith("#") and link[1:] in parsed.ids for link in parsed.links)
    assert len(parsed.links) >= 8
    assert not re.search(r'(src|href)="(?!#|data:)', text)
    assert not re.search(r"url\(|@import", re.findall(r"<style>(.*?)</style>", text, re.DOTALL)[0])


def test_only_its_own_script_and_style_may_run(text: str, parsed: Page) -> None:
    """A description with a script is text, and the policy of the page would refuse it anyway."""
    assert parsed.tags.count("script") == parsed.tags.count("style") == 1
    assert "&lt;script&gt;alert(1)" in text
    for tag in ("script", "style"):
        content = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    assert "default-src 'none'; img-src data:;" in text


def test_figures_are_inlined_and_said_in_words(parsed: Page) -> None:
    assert len(parsed.images) == 13  # those of the folder, all of them
    for image in parsed.images:
        source = str(image["src"])
        assert source.startswith(SVG)
        assert ET.fromstring(unquote(source.removeprefix(SVG))).tag.endswith("svg")
        assert len(str(image["alt"])) > 80
        assert "nan" not in str(image["alt"])


def test_report_says_what_failed_and_how_to_reproduce_it(text: str, rendered: Path) -> None:
    assert "ERR 0/9" in text
    assert "9 of 90 trials failed" in text
    assert "entropy: 9 failed, in 1 of 2 cells. The first message: LinAlgError" in text
    assert "planned trials finished" not in text
    assert "adult, imbalanced: degenerate" in text
    assert "make study STUDY=study.yaml" in text
    assert "numpy 2.4.0" in text
    assert "name: neural_process" in text
    assert "UCI Machine Learning Repository" in text
    assert str(rendered.parent.parent) not in text
    # measured times stand in the report and beside the timings, not among the tables
    assert (rendered.parent / "timings" / "cost.csv").exists()
    assert "whole trial" in text
    assert "<code>timings/cost.csv</code>" in text


def test_report_opens_with_what_a_reader_wants_first(text: str) -> None:
    order = ["What was compared", "Who won", "What is missing", ">Contents<", ">Scores<"]
    places = [text.index(heading) for heading in order]
    assert places == sorted(places)
    opening = text[places[0] : places[3]]
    assert "<dt>Data set</dt><dd>adult</dd>" in opening
    assert "<dt>Settings (2)</dt><dd>balanced, imbalanced</dd>" in opening
    assert "<dt>Trials</dt><dd>81 of 90 finished</dd>" in opening
    assert "100 annotated points at the start, then 10 steps of 1 point" in opening
    assert "<b>svm</b>: " in opening
    assert 'id="figure-standing"' in opening


def test_complete_study_says_so(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    study = new_study(
        tmp_path,
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=["svm"],
        strategies=["random"],
    )
    write_report(study, write(study), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "All 9 planned trials finished." in text
    assert "Only random finished at every data set and setting." in text


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"frequencies": [1.0]}, "all classes equally frequent; score weights: inverse frequency"),
        ({"frequencies": [1, 10]}, "class frequencies 1 : 10 (repeated over the classes)"),
        ({"frequencies": "natural"}, "classes as frequent as they are in the data"),
        ({"fit_weights": "score"}, "weights in training: those of the score"),
        ({"score_weights": [0.5, 2]}, "score weights: 0.5 : 2; weights in training: none"),
    ],
)
def test_settings_in_words(setting: dict[str, object], words: str) -> None:
    spec = SettingSpec.model_validate({"name": "mine", "frequencies": [1.0]} | setting)
    assert words in design.setting_words(spec)


def test_figures_stay_small(whole: Analysis) -> None:
    """Nine such panels are in each of 18 figures of npal-tabular, whose report is to stay small.

    Halos of strokes around letters made ten times as much of the relative curves.
    """
    panels = len(whole.datasets) * len(whole.settings)
    with style.drawing():
        for draw in (curve_figures.relative_curves, curve_figures.random_curves):
            assert len(style.svg(draw(whole, "svm"))) < 40_000 * panels
