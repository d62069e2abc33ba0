"""The report: one file, nothing from outside, failures shown, texts escaped."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lalbench.config import Study
from lalbench.results.report import write_report

Write = Callable[..., Path]
NewStudy = Callable[..., Study]

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.add(tag)
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
def page(tmp_path: Path, new_study: NewStudy, write: Write) -> tuple[str, Path]:
    study = new_study(
        tmp_path,
        description="A <script>alert(1)</script> study",
        datasets=["adult"],
        settings=["balanced", "imbalanced"],
        classifiers=["svm"],
        strategies=["random", "entropy", "oracle", "neural_process"],
    )
    fail = [("adult", "imbalanced", "svm", "entropy", d, s) for d in range(3) for s in range(3)]
    folder = write(study, fail=fail)
    write_report(study, folder, folder / "report.html")
    return (folder / "report.html").read_text(), folder


def test_report(page: tuple[str, Path]) -> None:
    text, folder = page
    parser = Page()
    parser.feed(text)
    assert not parser.open
    assert "script" not in parser.tags
    assert "&lt;script&gt;alert(1)" in text
    # every link stays inside, every image is inlined
    assert all(link.startswith("#") and link[1:] in parser.ids for link in parser.links)
    assert len(parser.links) >= 8
    assert all(
        str(image["src"]).startswith("data:image/svg+xml;base64,") for image in parser.images
    )
    assert all(image["alt"] for image in parser.images)
    assert not re.search(r'(src|href)="(?!#|data:)', text)
    # figures of the folder, all of them
    assert len(parser.images) == 12
    # what failed and what to beware of
    assert "ERR 0/9" in text
    assert "9 of 72 trials failed" in text
    assert "adult, imbalanced: degenerate" in text
    assert "LinAlgError" in text
    # how to reproduce it
    assert "make study STUDY=study.yaml" in text
    assert "numpy 2.4.0" in text
    assert "name: neural_process" in text
    assert str(folder.parent) not in text
    # measured times stand in the report and beside the timings, not among the tables
    assert (folder / "timings" / "cost.csv").exists()
    assert "whole trial" in text
