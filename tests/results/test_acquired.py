"""Probabilities of the chosen points: naive counts, mirror images, nothing where none are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench.config import Study
from lalbench.results import acquired_figure, style
from lalbench.results.acquired import acquired_data, acquired_tables, histogram, mode
from lalbench.results.analysis import Analysis
from lalbench.results.figures import all_figures
from lalbench.results.report import write_report
from lalbench.results.scores import PLACE

Write = Callable[..., Path]
NewStudy = Callable[..., Study]
HERE = ("logistic_regression", "mushrooms", "imbalanced")


def naive_histogram(numbers: list[Fraction]) -> list[Fraction]:
    """Exact arithmetic: half of a number on an inner border goes to either side."""
    counts = [Fraction(0)] * 20
    for number in numbers:
        for bin_ in range(20):
            low, high = Fraction(bin_, 20), Fraction(bin_ + 1, 20)
            if low < number < high or number == low == 0 or number == high == 1:
                counts[bin_] += 1
            elif number in (low, high):
                counts[bin_] += Fraction(1, 2)
    return [20 * count / len(numbers) for count in counts]


def said(analysis: Analysis, strategy: str, place: tuple[str, ...] = HERE) -> list[float]:
    """Straight from the rows."""
    trials = analysis.records.trials
    kept = (trials[PLACE] == list(place)).all(axis=1) & (trials["strategy"] == strategy)
    return [number for row in trials.loc[kept, "acquired_probability"] for number in row]


@given(st.lists(st.fractions(0, 1, max_denominator=100), min_size=1, max_size=60))
def test_bins_by_exact_arithmetic(numbers: list[Fraction]) -> None:
    found = histogram(np.array([float(number) for number in numbers]))
    assert found == pytest.approx([float(count) for count in naive_histogram(numbers)])
    assert found.mean() == pytest.approx(1)
    mirrored = histogram(np.array([float(1 - number) for number in numbers]))
    assert mirrored == pytest.approx(found[::-1])


def test_the_last_bits_of_a_mean_over_trees_decide_nothing() -> None:
    exact = histogram(np.array([0.3]))
    assert 0.1 + 0.2 != 0.3
    assert histogram(np.array([0.1 + 0.2])).tolist() == exact.tolist()
    assert exact[[5, 6]].tolist() == [10, 10]


def test_votes_of_fifty_trees_make_no_comb() -> None:
    even = histogram(np.arange(51) / 50)
    assert len(set(even[1:-1])) == 1
    plain = np.histogram(np.arange(51) / 50, bins=20, range=(0, 1))[0]
    assert len(set(plain[1:-1])) > 1


@pytest.mark.parametrize(
    ("numbers", "centre"),
    [
        ([0.01, 0.02, 0.9], 0.025),
        ([0.99, 1.0, 0.2], 0.975),
        ([0.5, 0.5], 0.5),  # half in each of the bins beside it
        ([0.01, 0.99], 0.025),  # the lowest of equally full ones, not something between them
        ([0.11, 0.17, 0.21], 0.175),  # three neighbours
        ([0.96], 0.975),
    ],
)
def test_mode(numbers: list[float], centre: float) -> None:
    assert mode(histogram(np.array(numbers))) == pytest.approx(centre)


def test_table_by_plain_counts(whole: Analysis) -> None:
    table = acquired_data(whole)
    assert set(table["classifier"]) == {"logistic_regression"}
    assert len(table) == 3 * 2 * 7
    for strategy in ("random", "entropy", "oracle"):
        numbers = said(whole, strategy)
        (row,) = table[
            (table[PLACE] == list(HERE)).all(axis=1) & (table["strategy"] == strategy)
        ].to_dict("records")
        assert row["points"] == len(numbers) == 9 * 10
        assert row["mean"] == pytest.approx(sum(numbers) / 90)
        variance = sum((number - sum(numbers) / 90) ** 2 for number in numbers) / 90
        assert row["std"] == pytest.approx(variance**0.5, abs=1e-9)
        votes = [round(50 * number) for number in numbers]
        assert row["near"] == pytest.approx(sum(20 <= vote <= 30 for vote in votes) / 90)
        full = naive_histogram([Fraction(vote, 50) for vote in votes])
        assert full[round(row["mode"] * 20 - 0.5)] == max(full)
        assert row["role"] == whole.roles[strategy]


def test_borders_of_near_belong_to_it(whole: Analysis) -> None:
    trials = whole.records.trials.copy()
    numbers = [[0.4], [0.7 - 0.1], [0.39], [0.61], [1 - 0.4]]
    kept = (trials["strategy"] == "random") & (trials[PLACE] == list(HERE)).all(axis=1)
    rows = trials[kept].iloc[: len(numbers)].assign(acquired_probability=numbers)
    small = Analysis(whole.study, replace(whole.records, trials=rows), whole.roles)
    (row,) = acquired_data(small).to_dict("records")
    assert row["points"] == 5
    assert row["near"] == pytest.approx(3 / 5)


def test_a_single_point_has_no_spread_with_ddof_1(whole: Analysis) -> None:
    rows = whole.records.trials
    rows = rows[(rows["strategy"] == "random") & (rows[PLACE] == list(HERE)).all(axis=1)].iloc[:2]
    study = whole.study.model_copy(update={"protocol": "clean"})
    small = Analysis(study, replace(whole.records, trials=rows), whole.roles)
    (row,) = acquired_data(small).to_dict("records")
    assert (row["points"], np.isnan(row["std"])) == (1, True)


def test_equal_numbers_have_no_spread(whole: Analysis) -> None:
    rows = whole.records.trials
    rows = rows[(rows["strategy"] == "random") & (rows[PLACE] == list(HERE)).all(axis=1)].iloc[:10]
    assert np.full(10, 0.34).std() > 0
    rows = rows.assign(acquired_probability=[[0.34]] * 10)
    (row,) = acquired_data(
        Analysis(whole.study, replace(whole.records, trials=rows), whole.roles)
    ).to_dict("records")
    assert row["std"] == 0


def test_shown_cells_are_those_of_the_data(whole: Analysis) -> None:
    (table,) = acquired_tables(whole)
    (block,) = table.blocks
    assert block.heading == "logistic_regression"
    cells = block.shown.set_index(("strategy", ""))
    row = table.data.query("strategy == 'entropy' and dataset == 'adult'").iloc[0]
    text = cells.loc["entropy", (row["dataset"], row["setting"])]
    assert text.startswith(f"{row['mean']:.2f} ± {row['std']:.2f} · {row['mode']:.3f} · ")
    assert text.endswith(f" {100 * row['near']:.0f} %")
    assert "oracle (bound)" in cells.index


def heights(panel: Any) -> list[np.ndarray]:
    """Densities over their largest, of the filled histograms of a panel from top to bottom."""
    filled = [patch for patch in panel.patches if patch.get_fill()]
    return [
        (patch.get_data().baseline - patch.get_data().values) / acquired_figure.FULL
        for patch in sorted(filled, key=lambda patch: patch.get_data().baseline)
    ]


def test_figure_draws_these_histograms(whole: Analysis) -> None:
    with style.drawing():
        figure = acquired_figure.acquired_histograms(whole, "logistic_regression")
    assert figure is not None
    assert len(figure.axes) == 3 * 2
    panel = figure.axes[1 * 2 + 1]  # mushrooms, imbalanced
    drawn = heights(panel)
    assert len(drawn) == len(whole.strategies)
    largest = [text.get_text() for text in panel.texts]
    for strategy, shown in zip(whole.strategies, drawn, strict=True):
        votes = Counter(round(50 * number) for number in said(whole, strategy))
        exact = naive_histogram([Fraction(vote, 50) for vote in votes.elements()])
        assert shown == pytest.approx([float(density / max(exact)) for density in exact])
        assert f"{float(max(exact)):.1f}" in largest
    names = [label.get_text() for label in figure.axes[2].get_yticklabels()]
    assert names == [style.pretty(label) for label in whole.strategies]
    assert not figure.axes[3].get_yticklabels()


def test_strategies_without_numbers_at_a_place_say_so(whole: Analysis) -> None:
    trials = whole.records.trials
    gone = (trials["strategy"] == "entropy") & (trials["setting"] == "imbalanced")
    # the whole data set "adult" has more than two classes
    rows = trials[~gone].copy()
    many = rows["dataset"] == "adult"
    rows["acquired_probability"] = [
        [] if empty else numbers
        for empty, numbers in zip(many, rows["acquired_probability"], strict=True)
    ]
    part = Analysis(whole.study, replace(whole.records, trials=rows), whole.roles)
    with style.drawing():
        figure = acquired_figure.acquired_histograms(part, "logistic_regression")
    assert figure is not None
    assert len(figure.axes) == 2 * 2
    texts = [[text.get_text() for text in panel.texts] for panel in figure.axes]
    assert [found.count("not run") for found in texts] == [0, 1, 0, 1]
    assert set(acquired_data(part)["dataset"]) == {"waveform", "mushrooms"}
    assert len(acquired_data(part)) == 2 * (7 + 6)


def test_nothing_at_all_without_probabilities(whole: Analysis, deep_analysis: Analysis) -> None:
    assert acquired_tables(deep_analysis) == []  # ten classes
    assert acquired_figure.acquired_histograms(whole, "svm") is None
    names = {
        drawing.name for analysis in (whole, deep_analysis) for drawing in all_figures(analysis)
    }
    kind = "acquired_probabilities"
    assert [name for name in names if name.startswith(kind)] == [f"{kind}-logistic_regression"]


@pytest.mark.parametrize("classifier", ["logistic_regression", "svm"])
def test_section_of_the_report(
    classifier: str, tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    study = new_study(
        tmp_path,
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=[classifier],
        strategies=["random", "entropy"],
    )
    write_report(study, write(study), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    there = classifier != "svm"
    assert ('<h2 id="probabilities">' in text) == there
    assert ("Uncertainty sampling takes points" in text) == there
    assert (">Probabilities of the chosen points</h3>" in text) == there
    assert ("<b>Probabilities of the chosen points, logistic regression.</b>" in text) == there
    assert 'id="regressors"' not in text
