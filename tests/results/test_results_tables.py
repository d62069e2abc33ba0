"""Every table in every format: the same numbers, the same bytes, nothing dropped in silence."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from lalbench.config import Study
from lalbench.results.analysis import Analysis
from lalbench.results.render import Block, Table, interval, number, p_value
from lalbench.results.tables import all_tables, write_tables

Write = Callable[..., Path]
NewStudy = Callable[..., Study]


@pytest.fixture(scope="module")
def complete(whole: Analysis) -> dict[str, Table]:
    return {table.name: table for table in all_tables(whole)}


@pytest.fixture(scope="module")
def broken(part: Analysis) -> dict[str, Table]:
    return {table.name: table for table in all_tables(part)}


def shown(table: Table, heading: str) -> pd.DataFrame:
    (block,) = (block for block in table.blocks if block.heading == heading)
    found = block.shown.copy()
    found.columns = [" ".join(c).strip() if isinstance(c, tuple) else c for c in found.columns]
    return found.set_index(found.columns[0])


def test_written_tables_rebuild_byte_identically(
    tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    strategies = ["random", "entropy", "oracle", "neural_process"]
    study = new_study(tmp_path, datasets=["waveform"], classifiers=["svm"], strategies=strategies)
    folder = write(study)
    for name in ("one", "two"):
        write_tables(study, folder, tmp_path / name)
    first = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert first == second
    assert {"auac.csv", "auac.md", "auac.tex", "ranks.csv", "coverage.md"} <= set(first)
    assert not any("cost" in name for name in first)
    assert b"seconds" not in b"".join(first.values())


def test_tables_without_anything_to_show_are_left_out(
    complete: dict[str, Table], broken: dict[str, Table]
) -> None:
    assert set(complete) - set(broken) == {"acquired_probabilities"}  # an SVM gives none
    assert "regressors" not in complete


def test_csv_holds_the_numbers(complete: dict[str, Table]) -> None:
    for table in complete.values():
        again = pd.read_csv(io.StringIO(table.csv()))
        assert list(again.columns) == list(table.data.columns)
        assert len(again) == len(table.data)
        for name in table.data.select_dtypes("number"):
            expected = table.data[name].to_numpy(dtype=float)
            assert again[name].to_numpy(dtype=float) == pytest.approx(
                expected, rel=1e-9, nan_ok=True
            )


def pipe_tables(text: str) -> list[list[list[str]]]:
    """Cells of every row of every Markdown table, with header and rule."""
    parts = (part.splitlines() for part in text.split("\n\n"))
    found = [[line for line in lines if line.startswith("|")] for lines in parts]
    return [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        for lines in found
        if lines
    ]


def test_markdown_rows_are_complete(complete: dict[str, Table]) -> None:
    for table in complete.values():
        text = table.markdown()
        assert text.startswith(f"# {table.title}\n\n{table.caption}\n")
        found = pipe_tables(text)
        assert len(found) == len(table.blocks) > 0
        for (header, rule, *rows), block in zip(found, table.blocks, strict=True):
            assert len(header) == len(rule) == block.shown.shape[1]
            assert all(re.fullmatch(":?-+:?", cell) for cell in rule)
            cells = block.shown.astype(str).to_numpy().tolist()
            assert rows == [[cell.replace("|", r"\|").strip() for cell in row] for row in cells]


def test_latex_is_balanced_and_escaped(complete: dict[str, Table]) -> None:
    for table in complete.values():
        text = table.latex()
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == len(table.blocks)
        assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
        for line in text.splitlines():
            body = line.split("%")[0] if line.startswith("%") else line
            outside = re.sub(r"\$[^$]*\$|\\label\{[^}]*\}|\\usepackage\{[^}]*\}", "", body)
            assert not re.search(r"(?<!\\)_", outside), line
            assert not re.search(r"[±−▲▼†≥∞τ]", outside), line
        rows = [line for line in text.splitlines() if line.endswith(r" \\")]
        plain = [row for row in rows if r"\multicolumn" not in row]
        for block in table.blocks:
            assert any(row.count("&") == block.shown.shape[1] - 1 for row in plain)


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":
            self.open.append(tag)
        self.cells += tag == "td" or ("scope", "row") in attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_balanced_and_whole(complete: dict[str, Table]) -> None:
    for table in complete.values():
        parser = Balance()
        parser.feed(table.html())
        assert not parser.open
        assert parser.cells == sum(block.shown.size for block in table.blocks)


def test_texts_are_escaped_everywhere() -> None:
    bad = pd.DataFrame({"strategy": ["<script>a|b_c & 50 %</script>"], "score": ["**0.5 ± 0.1**"]})
    table = Table("t", "Title_1", "Caption & more", bad, [Block("<b>", bad)])
    assert "<script>" not in table.html()
    assert "<strong>0.5 ± 0.1</strong>" in table.html()
    assert r"a\|b" in table.markdown()
    assert r"\textbf{0.5 $\pm$ 0.1}" in table.latex()
    assert r"b\_c \& 50 \%" in table.latex()


def test_header_cells_span_the_settings_of_a_data_set(complete: dict[str, Table]) -> None:
    html = complete["auac"].html()
    assert '<th scope="colgroup" colspan="2">waveform</th>' in html
    first = re.findall(r"<thead>.*?</thead>", html)[0]
    heads = re.findall(r'data-column="(\d)" data-kind="(\w+)"( rowspan="2")?>([^<]*)</th>', first)
    settings = ["balanced", "imbalanced"] * 3
    assert heads == [
        ("0", "text", ' rowspan="2"', "strategy"),
        ("1", "number", ' rowspan="2"', "total labels"),
        *((str(place), "number", "", name) for place, name in enumerate(settings, start=2)),
    ]
    assert r"\multicolumn{2}{c}{waveform}" in complete["auac"].latex()


def test_scores_are_shown_with_spread_and_best_mark(complete: dict[str, Table]) -> None:
    data = complete["auac"].data
    cells = shown(complete["auac"], "svm")
    assert "oracle (bound)" in cells.index
    for _, row in data[(data["classifier"] == "svm") & (data["role"] != "bound")].iterrows():
        text = cells.loc[row["strategy"], f"{row['dataset']} {row['setting']}"]
        assert f"{row['mean']:.2f} ± {row['std']:.2f}" in text
        assert text.startswith("**") == row["best"]
    assert "one standard deviation" in complete["auac"].caption
    assert "ddof 0" in complete["auac"].caption


def test_failed_missing_and_partial_cells_are_visible(broken: dict[str, Table]) -> None:
    svm = shown(broken["auac"], "svm")
    assert svm.loc["entropy", "adult imbalanced"] == "ERR 0/9"
    assert svm.loc["k_center_greedy", "adult balanced"] == "not run"
    assert svm.loc["hal_gauss", "waveform balanced"].strip("*").endswith("† 8/9")
    assert svm.loc["neural_process", "mushrooms imbalanced"].strip("*").endswith("† 8/9")
    assert "† fewer runs than planned" in broken["auac"].caption
    against = broken["auac_vs_random"]
    (block,) = (block for block in against.blocks if block.heading == "svm")
    row = block.shown[
        (block.shown["data set"] == "waveform")
        & (block.shown["setting"] == "balanced")
        & (block.shown["strategy"] == "entropy")
    ]
    assert row["pairs"].tolist() == ["8/9"]
    counts = broken["coverage"].blocks[1].shown
    assert len(counts) == 4 + 3 * 2  # four cells with trouble, one strategy never run


def test_caption_says_when_nothing_can_be_significant(
    complete: dict[str, Table], tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    # 2/512 times 18 comparisons is above 0.05; 2/1048576 is not
    assert "none can be marked" in complete["auac"].caption
    study = new_study(
        tmp_path,
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=["svm"],
        strategies=["random", "entropy"],
        seeds={"data": {"first": 0, "count": 20}, "run": {"first": 0, "count": 20}}
        | {"pairs": "matched"},
    )
    analysis = Analysis.of(study, write(study))
    table = next(table for table in all_tables(analysis) if table.name == "auac")
    assert "none can be marked" not in table.caption
    assert "▲" in shown(table, "svm").loc["entropy", "waveform balanced"]


def test_ranks_cover_bounds_and_leave_out_strategies_without_a_data_set(
    complete: dict[str, Table], broken: dict[str, Table]
) -> None:
    ranks = complete["ranks"].data.set_index(["classifier", "setting", "strategy"])
    assert (ranks.loc[("svm", "balanced")]["rank"].sum()) == pytest.approx(7 * 8 / 2)
    assert ranks.loc[("svm", "balanced", "oracle"), "rank"] == 1
    lacking = broken["ranks"].data.set_index(["classifier", "setting", "strategy"])["rank"]
    assert pd.isna(lacking[("svm", "imbalanced", "entropy")])
    assert pd.notna(lacking[("svm", "balanced", "entropy")])
    assert shown(broken["ranks"], "svm").loc["entropy", "imbalanced rank"] == "–"


def test_a_study_without_random_has_no_comparison_with_it(
    tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    study = new_study(
        tmp_path, datasets=["waveform"], strategies=["entropy", "oracle"], classifiers=["svm"]
    )
    tables = {t.name: t for t in all_tables(Analysis.of(study, write(study)))}
    assert "auac_vs_random" not in tables
    assert "random" not in tables["auac"].caption
    assert tables["area_vs_random"].data.empty


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1.005, 2, "1.00"), (-0.125, 1, "−0.1"), (-0.001, 2, "0.00"), (float("inf"), 1, "∞")],
)
def test_numbers(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_p_values_and_intervals() -> None:
    nan = float("nan")
    assert [p_value(p) for p in (0.0004, 0.0123, 1.0, nan)] == ["<0.001", "0.012", "1.000", "–"]
    assert interval(-0.5, 0.25, 2) == "[−0.50, 0.25]"
    assert interval(nan, 1.0, 2) == ""
