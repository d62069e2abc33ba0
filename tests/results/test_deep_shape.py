"""A study of the deep study's shape: twelve strategies, ten classes, three seeds, no reward set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from lalbench.config import Study
from lalbench.results import (
    curve_figures,
    facts,
    overall,
    overview_figures,
    published,
    references,
    shown_facts,
    shown_overall,
    shown_scores,
    style,
)
from lalbench.results.analysis import Analysis
from lalbench.results.cautions import cautions
from lalbench.results.report import write_report
from lalbench.results.reproduction import compare_all, write_reproduction
from lalbench.results.roles import Role

REFERENCE = Path(__file__).parents[2] / "studies" / "reference"
NO_REFERENCE = {
    "k_center_greedy",
    "learning_loss",
    "vaal",
    "uncertain_gcn",
    "core_gcn",
    "cbal",
    "hal_uniform",
    "hal_gauss",
}

Write = Callable[..., Path]
NewStudy = Callable[..., Study]


def curves(analysis: Analysis, dataset: str, setting: str, strategy: str) -> np.ndarray:
    """(3, 11) straight from the rows."""
    trials = analysis.records.trials
    kept = (trials["dataset"] == dataset) & (trials["setting"] == setting)
    mine = trials[kept & (trials["strategy"] == strategy)]
    return mine.sort_values(["data_seed", "seed", "step"])["objective"].to_numpy().reshape(3, 11)


def test_tables_4_to_7_are_there(deep_analysis: Analysis) -> None:
    tables = {table.name: table for table in shown_scores.score_tables(deep_analysis)}
    for name, summary, digits in (("auac", np.trapezoid, 2), ("final", lambda c: c[:, -1], 3)):
        table = tables[name]
        assert len(table.data) == 12 * 3 * 4
        assert "ddof 0" in table.caption
        assert "3 data splits" in table.caption
        shown = table.blocks[0].shown.set_index(("strategy", ""))
        for dataset, setting, strategy in (
            ("cifar10", "balanced", "vaal"),
            ("mnist", "imbalanced_weighted", "random"),
        ):
            values = summary(curves(deep_analysis, dataset, setting, strategy))
            text = f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"
            assert text in shown.loc[strategy, (dataset, setting)]


def test_penalties_by_plain_loops(deep_analysis: Analysis) -> None:
    # Ash et al. (2020); with three units the 5 % quantile of t has 2 degrees of freedom: 4.3027
    found = overall.penalty(deep_analysis, "resnet18")
    for first, second in (("cbal", "random"), ("entropy", "margin"), ("random", "vaal")):
        shares = []
        for dataset in deep_analysis.datasets:
            for setting in deep_analysis.settings:
                gap = curves(deep_analysis, dataset, setting, first)
                gap = gap - curves(deep_analysis, dataset, setting, second)
                wins = 0
                for step in range(1, 11):
                    d = gap[:, step]
                    wins += d.mean() > 0 and np.sqrt(3) * d.mean() / d.std(ddof=1) > 4.3027
                shares.append(wins / 10)
        assert found.loc[first, second] == pytest.approx(np.mean(shares))
    assert found.loc["cbal", "random"] > 0.5
    data = shown_overall.penalty_table(deep_analysis).data
    beaten = data.set_index("strategy").loc["mean (beaten)", "random"]
    column = found["random"].drop("random")
    assert beaten == pytest.approx(column.mean())


def test_published_cells_stand_beside_ours(deep: tuple[Study, Path], tmp_path: Path) -> None:
    found = compare_all([deep[0]], REFERENCE)
    assert set(found.tables["table"]) == {"4", "5", "6", "7"}
    assert len(found.tables) == 4 * 12 * 3 * 2
    judged = found.tables["outcome"].isin(["agrees", "differs"])
    assert set(found.tables.loc[~judged, "strategy"]) == NO_REFERENCE
    assert set(found.tables.loc[~judged, "outcome"]) == {"no reference"}
    assert set(found.tables.loc[judged, "strategy"]) == {
        "entropy",
        "margin",
        "least_confident",
        "random",
    }
    assert set(found.figures["figure"]) == {"Figure 1", "Figure 6", "Figure 7", "Figure 8"}
    legends = found.figures.groupby("strategy")["outcome"].unique()
    assert legends["al_average"].tolist() == legends["best_al"].tolist() == ["no reference"]
    assert set(legends["random"]) <= {"agrees", "differs"}
    output = tmp_path / "page.md"
    write_reproduction([deep[0]], REFERENCE, output)
    text = output.read_text()
    assert "192 more stand beside published cells that are no reference" in text
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "± " in line}
    assert lines["`vaal`"].count("○") == 6
    assert "○" not in lines["`margin`"]
    reasons = text.split("## Published rows that are no reference")[1].split("\n## ")[0]
    for strategy in NO_REFERENCE:
        assert f"| `{strategy}` " in reasons
    assert "`random`" not in reasons
    assert "fewer than three runs" in text
    assert "nine runs, –" not in text


def test_protocol_of_the_page_is_that_of_the_study(
    tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    study = new_study(
        tmp_path,
        protocol="clean",
        datasets=["waveform"],
        classifiers=["svm"],
        strategies=["random", "f_score"],
    )
    write(study)
    write_reproduction([study], REFERENCE, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert "protocol is `clean`" in text
    assert "fewer than nine runs" in text
    assert "no reference" not in text


def test_report_without_reward_set_or_all_labels(deep: tuple[Study, Path], tmp_path: Path) -> None:
    whole, folder = deep
    study = whole.model_copy(update={"datasets": whole.datasets[:1]})  # figures take their time
    write_report(study, folder, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "annotated and reward set, no acquisition" not in text
    assert "reward labels must beat" not in text
    assert "annotated set before any acquisition" in text
    assert "annotated set and the whole pool" not in text
    assert "The bounds say" not in text
    for heading in ("Points acquired per class", "Labels until the annotated set is balanced"):
        assert heading in text
    analysis = Analysis.of(study, folder)
    budgets = facts.label_budget_table(analysis)
    assert (budgets["label_budget"] == 11_000).all()
    assert not any("reward labels" in line for line in cautions(analysis))
    table = facts.reference_table(analysis)
    assert set(table["line"]) == {"annotated"}


def test_all_strategies_of_a_data_set_in_one_figure(deep_analysis: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.dataset_curves(deep_analysis, "resnet18", "mnist")
    above, below = figure.axes[1], figure.axes[4]
    random = curves(deep_analysis, "mnist", "imbalanced", "random")
    for strategy in deep_analysis.strategies:
        mine = curves(deep_analysis, "mnist", "imbalanced", strategy)
        for panel, expected in ((above, mine.mean(axis=0)), (below, (mine - random).mean(axis=0))):
            assert any(np.allclose(y, expected) for y in map(_y, panel.get_lines()))
    assert len(figure.legends[0].get_texts()) == 12


def _y(line: Any) -> np.ndarray:
    return np.asarray(line.get_ydata())


def test_relative_overview_has_a_marker_per_data_set(deep_analysis: Analysis) -> None:
    with style.drawing():
        figure = overview_figures.relative_overview(deep_analysis, "resnet18")
    assert figure is not None
    means, *sets = [c.get_offsets()[:, 0] for c in figure.axes[2].collections]
    names = [name for name in deep_analysis.strategies if name != "random"]
    place = names.index("cbal")
    percents = []
    for dataset, drawn in zip(deep_analysis.datasets, sets, strict=True):
        areas = {
            name: np.trapezoid(
                curves(deep_analysis, dataset, "imbalanced_weighted", name).mean(axis=0)
            )
            for name in ("cbal", "random")
        }
        percents.append(100 * (areas["cbal"] / areas["random"] - 1))
        assert drawn[place] == pytest.approx(percents[-1])
    assert means[place] == pytest.approx(np.mean(percents))


def test_an_overview_needs_random(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    study = new_study(
        tmp_path, datasets=["waveform"], classifiers=["svm"], strategies=["entropy", "f_score"]
    )
    analysis = Analysis.of(study, write(study))
    assert overall.relative_table(analysis).empty
    assert overview_figures.relative_overview(analysis, "svm") is None
    with style.drawing():
        figure = curve_figures.dataset_curves(analysis, "svm", "waveform")
    assert len(figure.axes) == 2  # scores alone


# Machado, Oliveira & Fernandes (2009), severity 1.0, for linear RGB
VISION = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(color: str, vision: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* (D65) of a colour as seen."""
    srgb = np.array(to_rgb(color))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(vision @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("name", VISION)
def test_twelve_lines_can_be_told_apart(deep_analysis: Analysis, name: str) -> None:
    found = style.looks(deep_analysis.roles)
    assert len({look.marker for look in found.values()}) == 12
    for one, other in combinations(found.values(), 2):
        if one.linestyle == other.linestyle:  # without markers, colour or dashes must do
            gap = lab(one.color, VISION[name]) - lab(other.color, VISION[name])
            assert np.linalg.norm(gap) > 15, (one, other)


@pytest.mark.parametrize("name", VISION)
def test_lines_of_lal_and_its_baselines_can_be_told_apart(name: str) -> None:
    roles: dict[str, Role] = {"random": "baseline", "oracle": "bound", "neural_process": "learned"}
    roles |= dict.fromkeys(("lal_independent", "lal_iterative", "lal_warm_start"), "learned")
    plain = ("entropy", "margin", "k_center_greedy", "hal_uniform", "cbal", "quire", "kapoor")
    found = style.looks(roles | dict.fromkeys((*plain, "albl"), "strategy"))
    markers = [look.marker for label, look in found.items() if label not in ("random", "oracle")]
    assert len(set(markers)) == len(markers)
    for one, other in combinations(found.values(), 2):
        if one.linestyle == other.linestyle:
            gap = lab(one.color, VISION[name]) - lab(other.color, VISION[name])
            assert np.linalg.norm(gap) > 15, (one, other)


def test_known_looks_do_not_depend_on_the_study(deep_analysis: Analysis) -> None:
    every = style.looks(deep_analysis.roles)
    few: dict[str, Role] = {"core_gcn": "strategy", "random": "baseline", "vaal": "strategy"}
    assert all(look == every[label] for label, look in style.looks(few).items())


def test_a_strategy_that_trains_otherwise_is_named(deep_analysis: Analysis) -> None:
    assert not any("start from the same" in line for line in cautions(deep_analysis))
    trials = deep_analysis.records.trials.copy()
    mine = (trials["strategy"] == "learning_loss") & (trials["step"] == 0)
    trials.loc[mine, "objective"] += 0.01
    changed = replace(deep_analysis.records, trials=trials)
    lines = cautions(Analysis(deep_analysis.study, changed, deep_analysis.roles))
    (line,) = (line for line in lines if "start from the same" in line)
    assert line.startswith("In 36 of 36 problems")
    assert "(apart: learning_loss)" in line


def timed(analysis: Analysis, **columns: object) -> Analysis:
    table = analysis.records.timings
    table = table.drop(columns=[name for name in columns if name in table]).assign(**columns)
    return Analysis(analysis.study, replace(analysis.records, timings=table), analysis.roles)


def test_cost_of_a_step_with_signals_and_gpu(deep_analysis: Analysis) -> None:
    steps = deep_analysis.records.timings["step"].to_numpy()
    signals = np.where(steps == 0, 0.0, 0.5)
    memory = 1000.0 + steps
    analysis = timed(
        deep_analysis, seconds_signals=signals, gpu_memory_mib=memory, gpu_utilisation=80.0
    )
    row = facts.cost_table(analysis).set_index(["classifier", "strategy"]).loc[("resnet18", "vaal")]
    assert row["signals_per_step"] == pytest.approx(0.5)
    assert row["select_per_step"] == pytest.approx(0.01)
    assert row["fit_per_step"] == pytest.approx(0.002)
    assert row["step"] == pytest.approx(0.512)
    assert row["trial"] == pytest.approx(10 * 0.512 + 0.012)
    assert (row["gpu_memory_mib"], row["gpu_utilisation"]) == (1010, 80)
    table = shown_facts.cost_table(analysis)
    shown = table.blocks[0].shown.set_index("strategy").loc["vaal"]
    assert shown["signals"] == "0.5000"
    assert shown["GPU memory, MiB"] == "1010"
    assert "passes of the network" in table.caption


def test_cost_without_signals_or_gpu(deep_analysis: Analysis) -> None:
    absent = deep_analysis.records.timings.drop(
        columns=["seconds_signals", "gpu_memory_mib", "gpu_utilisation"], errors="ignore"
    )
    old = Analysis(
        deep_analysis.study, replace(deep_analysis.records, timings=absent), deep_analysis.roles
    )
    nothing = timed(deep_analysis, gpu_memory_mib=np.nan, gpu_utilisation=np.nan)
    for analysis in (old, nothing):
        table = shown_facts.cost_table(analysis)
        assert not {"signals", "GPU memory, MiB", "GPU load, %"} & set(table.blocks[0].shown)
        assert "GPU" not in table.caption
        assert table.data["step"].to_numpy() == pytest.approx([0.012] * 12)


def test_without_a_reward_set_there_is_no_line_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_scores", lambda *_: {})
    names = ("protocol", "dataset", "setting", "data_seed", "seed", "n_shared_rows", "split_hash")
    problem: Any = SimpleNamespace(
        **dict.fromkeys(names, 0),
        warnings=(),
        annotated=np.arange(5),
        pool=np.arange(5, 9),
        reward=np.arange(0),
    )
    spec: Any = SimpleNamespace(label="resnet18")
    rows = references.reference_rows(problem, spec, study="s")
    assert [(row["strategy"], row["n_labels"]) for row in rows] == [
        ("annotated", 5),
        ("all_labels", 9),
    ]


def test_not_a_reference_lists_every_row_once() -> None:
    listed = pd.read_csv(REFERENCE / "npal_not_a_reference.csv")
    assert not listed.duplicated(["source", "classifier", "strategy"]).any()
    tables = listed[listed["source"].str.startswith("Table")]
    assert set(tables["source"]) == {f"Table {number}" for number in range(4, 8)}
    for _, part in tables.groupby("source"):
        assert set(part["strategy"]) == NO_REFERENCE
    known = pd.read_csv(REFERENCE / "npal_published.csv").query("classifier == 'resnet18'")
    assert set(known["strategy"]) - NO_REFERENCE == {
        "entropy",
        "margin",
        "least_confident",
        "random",
    }
    assert listed["reason"].str.endswith(".").all()


@pytest.mark.parametrize(
    ("metric", "published_std", "our_std", "expected"),
    [
        ("auac", 0.03, 0.04, 2 * 0.05 / np.sqrt(2)),
        ("auac", 0.0, 0.0, 0.015),
        ("final_accuracy", 0.0, 0.0, 0.01),
        ("final_accuracy", 0.02, np.nan, 2 * 0.02 / np.sqrt(2)),
    ],
)
def test_tolerance_of_networks(
    metric: str, published_std: float, our_std: float, expected: float
) -> None:
    found = published.network_tolerance(metric, 3, published_std, our_std)
    assert found == pytest.approx(expected)
