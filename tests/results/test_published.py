"""Published numbers beside ours: names, tolerances, outcomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lalbench.config import Study
from lalbench.errors import UserError
from lalbench.results import published, reproduction
from lalbench.results.reproduction import compare_all, write_reproduction
from lalbench.results.reproduction_page import document, reason

Write = Callable[..., Path]
NewStudy = Callable[..., Study]
REFERENCE = Path(__file__).parents[2] / "studies" / "reference"


def read(name: str) -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / name, dtype={"table": str} | dict.fromkeys(published.CELL, str))
    return table.fillna(dict.fromkeys(published.CELL, ""))


def cell(strategy: str, mean: float, metric: str = "auac", runs: int = 9) -> dict[str, object]:
    place = {"dataset": "waveform", "classifier": "svm", "setting": "balanced"}
    return {**place, "strategy": strategy, "metric": metric, "mean": mean, "std": 0.3, "runs": runs}


def outcome(theirs: dict[str, object], ours: dict[str, object]) -> str:
    table = published.compare(pd.DataFrame([theirs]).drop(columns="runs"), pd.DataFrame([ours]))
    return str(table["outcome"].iloc[0])


def test_reference_files_have_every_cell_of_the_tables() -> None:
    table = read("npal_published.csv")
    counts = table["table"].value_counts()
    assert counts[["1", "8", "9", "10"]].tolist() == [48] * 4
    assert counts[["11", "12", "13", "14", "15"]].tolist() == [30] * 5
    assert not table.duplicated(["table", *published.CELL, "metric"]).any()
    curves = read("npal_curves_waveform.csv")
    assert len(curves) == 108
    recomputed = read("npal_recomputed.csv")
    assert not recomputed.duplicated([*published.CELL, "metric"]).any()


def test_recomputed_cells_agree_with_the_published_ones() -> None:
    # two sources of the same numbers; k-center on adult and the oracles hang on ties
    ours = read("npal_recomputed.csv").assign(runs=9).replace({"strategy": published.OURS})
    table = published.compare(read("npal_published.csv"), ours)
    both = table[table["outcome"] != "not run"]
    assert len(both) == 9 * 6 + 9 * 3 + 9
    assert (both["outcome"] == "agrees").all()


def test_golden_curves_give_the_recomputed_areas() -> None:
    curves = read("npal_curves_waveform.csv")
    steps = [f"step_{step}" for step in range(11)]
    areas = np.trapezoid(curves[steps].to_numpy(), axis=1)
    means = curves.assign(mean=areas).groupby(published.CELL)["mean"].mean().reset_index()
    recomputed = read("npal_recomputed.csv").replace({"strategy": published.OURS})
    both = recomputed[recomputed["metric"] == "auac"].merge(means, on=published.CELL)
    assert len(both) == 12
    assert (both["mean_x"] - both["mean_y"]).abs().max() < 0.0006


@pytest.mark.parametrize(
    ("strategy", "metric", "std", "expected"),
    [
        ("cbal", "auac", 0.4, 0.015),
        ("k_center_greedy", "auac", 0.4, 0.03),
        ("oracle", "auac", 0.4, 0.05),
        ("oracle", "final_accuracy", 0.04, 0.01),
        ("random", "rare_recall", 0.1, 0.02),
        ("np", "auac", 0.33, 0.22),
        ("np", "final_accuracy", 0.03, 0.02),
        ("np", "final_accuracy", 0.01, 0.01),
    ],
)
def test_tolerances(strategy: str, metric: str, std: float, expected: float) -> None:
    assert published.tolerance(metric, strategy, std) == pytest.approx(expected)


def test_outcomes_at_the_edges() -> None:
    theirs = cell("cbal", 8.65)
    assert outcome(theirs, cell("cbal", 8.665)) == "agrees"
    assert outcome(theirs, cell("cbal", 8.6651)) == "differs"
    assert outcome(theirs, cell("cbal", 8.635)) == "agrees"
    assert outcome(theirs, cell("cbal", 8.65, runs=8)) == "incomplete"
    assert outcome(theirs, cell("entropy", 8.65)) == "not run"
    three = {"classifier": "resnet18"}  # the paper's networks have three runs per cell
    assert outcome(theirs | three, cell("cbal", 8.65, runs=3) | three) == "agrees"
    assert outcome(theirs | three, cell("cbal", 8.65, runs=2) | three) == "incomplete"
    assert outcome(theirs, cell("cbal", 8.65, metric="final_accuracy")) == "not run"


def test_strategies_are_found_by_the_papers_names() -> None:
    assert outcome(cell("unc_samp", 8.65), cell("entropy", 8.65)) == "agrees"
    assert outcome(cell("np", 8.65), cell("neural_process", 8.8)) == "agrees"  # 2 * 0.3 / 3


def test_legends_of_the_figures_follow_from_the_tables() -> None:
    table = read("npal_published.csv")
    ours = table[table["metric"] == "auac"].assign(runs=9).replace({"strategy": published.OURS})
    ours = ours[[*published.CELL, "metric", "mean", "std", "runs"]]
    legends = read("npal_figures.csv")
    legends = legends[legends["strategy"].isin(["al_average", "best_al"])]
    found = published.compare(legends, published.legend_cells(ours))
    assert len(found) == 2 * 7 * 3 + 2 * 4 * 3
    assert found["difference"].abs().max() < 0.01


def test_curve_agreement_counts_equal_points() -> None:
    golden = read("npal_curves_waveform.csv").iloc[:3].copy()
    ours = golden.iloc[:2].copy()
    ours.loc[ours.index[1], "step_4"] += 0.005
    (found,) = published.curve_agreement(golden, ours).to_dict("records")
    counts = {name: found[name] for name in ("curves", "run", "identical", "points", "equal")}
    assert counts == {"curves": 3, "run": 2, "identical": 1, "points": 22, "equal": 21}


def test_the_last_matching_reason_is_given() -> None:
    reasons = read("npal_reasons.csv")
    row = pd.Series(cell("k_center_greedy", 8.0))
    assert "equal distances" in reason(row, reasons)
    deep = row.replace({"svm": "resnet18"})
    assert "two standard errors of their difference" in reason(deep, reasons)
    assert "with replacement" in reason(deep.replace({"k_center_greedy": "random"}), reasons)
    assert reason(pd.Series(cell("unheard_of", 8.0)), reasons) == ""
    known = set(reasons["strategy"])
    tabular = read("npal_published.csv").query("classifier != 'resnet18'")["strategy"]
    assert set(tabular) <= known


@pytest.fixture(scope="module")
def study(invented: tuple[Study, Path]) -> Study:
    return invented[0]


def test_page_counts_what_it_shows(study: Study, tmp_path: Path) -> None:
    output = tmp_path / "docs" / "reproduction.md"
    write_reproduction([study], REFERENCE, output)
    text = output.read_text()
    found = compare_all([study], REFERENCE)
    counts = found.tables["outcome"].value_counts()
    run = counts.get("agrees", 0) + counts["differs"]
    assert f"**{counts.get('agrees', 0)} of {run} published cells that were run agree" in text
    assert f"{counts['not run']} were not run" in text
    # invented numbers: every differing cell is listed with its reason
    differing = text.split("## Where we differ")[1].split("## Not run")[0]
    everywhere = [found.tables, found.recomputed, found.figures]
    assert differing.count("\n| ") - 1 == sum((t["outcome"] == "differs").sum() for t in everywhere)
    assert f"[studies/{study.study}.yaml]" in text
    assert (tmp_path / "docs" / "reproduction" / "agreement.svg").exists()
    assert "](reproduction/agreement.svg)" in text
    again = tmp_path / "again" / "reproduction.md"
    write_reproduction([study], REFERENCE, again)
    assert again.read_bytes() == output.read_bytes()
    figure = Path("reproduction") / "agreement.svg"
    assert (again.parent / figure).read_bytes() == (output.parent / figure).read_bytes()


def test_a_page_covers_the_data_sets_and_classifiers_of_its_studies(study: Study) -> None:
    found = compare_all([study], REFERENCE)
    places = {(d.label, c.label) for d in study.datasets for c in study.classifiers}
    for table in (found.tables, found.recomputed, found.curves):
        assert set(zip(table["dataset"], table["classifier"], strict=True)) <= places
    assert set(found.tables["table"].astype(str)) == {"1", *map(str, range(8, 15))}
    assert set(found.figures["metric"]) == {"auac", "rank"}
    fewer = study.model_copy(update={"datasets": study.datasets[1:]})
    assert set(compare_all([fewer], REFERENCE).figures["metric"]) == {"auac"}
    alone = study.model_copy(update={"datasets": [d for d in study.datasets if d.label == "adult"]})
    page = document(compare_all([alone], REFERENCE), "figure.svg")
    assert "## Single runs" not in page
    assert "waveform" not in page.replace("waveform;", "")


def test_values_on_the_page_are_those_of_the_trials(study: Study) -> None:
    ours = published.Results.of(study.folder)
    trials = ours.curves.merge(
        pd.DataFrame([{"dataset": "adult", "classifier": "svm", "setting": "balanced"}])
    )
    mine = trials[trials["strategy"] == "entropy"][[f"step_{step}" for step in range(11)]]
    areas = np.trapezoid(mine.to_numpy(), axis=1)
    cells = ours.cells.set_index([*published.CELL, "metric"])
    row = cells.loc[("adult", "svm", "balanced", "entropy", "auac")]
    assert row["mean"] == pytest.approx(areas.mean())
    assert row["std"] == pytest.approx(areas.std(ddof=0))
    assert row["runs"] == 9
    fits = cells.loc[("adult", "svm", "balanced", "annotated_reward", "final_accuracy")]
    assert fits["runs"] == 9


def test_nothing_run_is_a_sentence(study: Study, tmp_path: Path) -> None:
    elsewhere = study.model_copy(update={"results": str(tmp_path)})
    with pytest.raises(UserError, match="holds no finished trial"):
        write_reproduction([elsewhere], REFERENCE, tmp_path / "page.md")


def test_a_missing_reference_file_is_a_sentence(study: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"npal_figures\.csv: no such file"):
        reproduction.compare_all([study], tmp_path)
