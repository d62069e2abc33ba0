"""Acquired points per class and the balance of the annotated set."""

from __future__ import annotations

from math import log

import numpy as np
import pandas as pd
import pytest

from lalbench.config import SettingSpec
from lalbench.results import balance, curve_figures, style
from lalbench.results.analysis import Analysis
from lalbench.results.shown_balance import acquired_table, balance_table, reached_table

PLACE = ["classifier", "dataset", "setting"]
HERE = ("resnet18", "svhn", "imbalanced")


def rows(analysis: Analysis, strategy: str, place: tuple[str, str, str] = HERE) -> pd.DataFrame:
    trials = analysis.records.trials
    kept = (trials[PLACE] == list(place)).all(axis=1) & (trials["strategy"] == strategy)
    return trials[kept]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([5, 5], 1.0),
        ([7, 0], 0.0),
        ([3, 3, 3, 3], 1.0),
        # 1/4 ln 4 + 3/4 ln 4/3, over ln 2
        ([1, 3], (0.25 * log(4) + 0.75 * log(4 / 3)) / log(2)),
        # two of four classes: ln 2 / ln 4
        ([6, 0, 6, 0], 0.5),
    ],
)
def test_entropy_by_hand(counts: list[int], expected: float) -> None:
    assert balance.entropy(np.array(counts)) == pytest.approx(expected, abs=1e-12)


def test_entropy_of_many_sets_at_once_is_scipys() -> None:
    from scipy.stats import entropy

    counts = np.random.default_rng(0).integers(0, 30, (4, 6, 10))
    counts[0, 0] = 0
    found = balance.entropy(counts)
    assert np.isnan(found[0, 0])
    expected = entropy(counts[1:].astype(float), axis=-1, base=10)
    assert found[1:] == pytest.approx(expected)
    assert np.isnan(balance.entropy(np.array([4]))).all()


@pytest.mark.parametrize("classes", [2, 10])
def test_the_stated_degree_is_what_its_description_says(classes: int) -> None:
    # half of the classes share the rare points
    half = classes // 2
    share = {2: 0.32, 10: 0.18}[classes]

    def at(rare: float) -> float:
        parts = np.repeat([rare / half, (1 - rare) / half], half)
        return float(balance.entropy((parts * 1e6).astype(int)))

    assert at(share - 0.01) < balance.BALANCED <= at(share + 0.005)


def test_rare_classes_follow_the_frequencies(deep_analysis: Analysis) -> None:
    assert balance.rare_classes(deep_analysis, "imbalanced", 10) == [0, 2, 4, 6, 8]
    assert balance.rare_classes(deep_analysis, "balanced", 10) == []
    named = SettingSpec(name="named", frequencies=[1.0, 10.0], rare_class=4)
    study = deep_analysis.study.model_copy(update={"settings": [named]})
    other = Analysis(study, deep_analysis.records, deep_analysis.roles)
    assert balance.rare_classes(other, "named", 10) == [4]


def test_acquired_points_are_differences_of_the_counts(deep_analysis: Analysis) -> None:
    table = balance.acquired_table(deep_analysis)
    assert len(table) == 4 * 3 * 12 * 10 * 10
    mine = table[(table[PLACE] == list(HERE)).all(axis=1) & (table["strategy"] == "cbal")]
    trials = rows(deep_analysis, "cbal")
    for step in (1, 2, 10):
        now = np.array(trials.loc[trials["step"] == step, "class_counts"].tolist())
        before = np.array(trials.loc[trials["step"] == step - 1, "class_counts"].tolist())
        here = mine[mine["step"] == step].sort_values("class")
        assert here["acquired"].to_numpy() == pytest.approx((now - before).mean(axis=0))
        assert here["std"].to_numpy() == pytest.approx((now - before).std(axis=0))
        assert here["annotated"].to_numpy() == pytest.approx(now.mean(axis=0))
    assert mine.groupby("step")["acquired"].sum().to_numpy() == pytest.approx([1000.0] * 10)
    assert sorted(set(mine.loc[mine["rare"], "class"])) == [0, 2, 4, 6, 8]
    balanced = table[table["setting"] == "balanced"]
    assert not balanced["rare"].any()


def test_balance_per_step(deep_analysis: Analysis) -> None:
    table = balance.balance_table(deep_analysis)
    mine = table[(table[PLACE] == list(HERE)).all(axis=1) & (table["strategy"] == "entropy")]
    trials = rows(deep_analysis, "entropy")
    for step, line in zip(range(11), mine.to_dict("records"), strict=True):
        counts = np.array(trials.loc[trials["step"] == step, "class_counts"].tolist())
        share = counts / counts.sum(axis=1, keepdims=True)
        expected = -(share * np.log(share)).sum(axis=1) / np.log(10)
        assert line["entropy"] == pytest.approx(expected.mean())
        assert line["entropy_std"] == pytest.approx(expected.std())
        assert line["rare_share"] == pytest.approx(share[:, ::2].sum(axis=1).mean())
        assert (line["step"], line["labels"]) == (step, 1000 * (step + 1))
    assert table.loc[table["setting"] == "balanced", "rare_share"].isna().all()


def test_labels_until_balanced(deep_analysis: Analysis) -> None:
    table = balance.reached_table(deep_analysis).set_index([*PLACE, "strategy"])
    for strategy in ("cbal", "margin", "random"):
        trials = rows(deep_analysis, strategy)
        needed = []
        for _, run in trials.groupby(["data_seed", "seed"]):
            level = [balance.entropy(np.array(c)) for c in run.sort_values("step")["class_counts"]]
            first = next((s for s, value in enumerate(level) if value >= 0.9), None)
            needed.append(np.inf if first is None else 1000.0 * (first + 1))
        line = table.loc[(*HERE, strategy)]
        assert line["labels"] == sorted(needed)[1]
        assert line["reached"] == np.isfinite(needed).sum()
    assert np.isinf(table.loc[(*HERE, "random"), "labels"])
    assert table.loc[(*HERE, "cbal"), "steps"] == 1
    start = table.loc[("resnet18", "svhn", "balanced", "random")]
    assert (start["steps"], start["labels"]) == (0, 1000)
    assert start["start"] == pytest.approx(1.0)


def test_it_is_shown(deep_analysis: Analysis) -> None:
    reached = reached_table(deep_analysis).blocks[0].shown.set_index(("strategy", ""))
    assert reached.loc["random", ("svhn", "imbalanced")] == "> budget (0/3)"
    assert reached.loc["cbal", ("svhn", "imbalanced")] == "2000 (3/3)"
    assert reached.loc["cbal", ("svhn", "balanced")] == "from the start (3/3)"
    shown = balance_table(deep_analysis).blocks[0].shown.set_index(("strategy", ""))
    assert shown.loc["random", ("svhn", "balanced")] == "1.000"
    assert shown.loc["random", ("svhn", "imbalanced")].endswith(" %)")
    acquired = acquired_table(deep_analysis)
    block = next(b for b in acquired.blocks if b.heading == "resnet18, svhn, imbalanced")
    assert list(block.shown.columns[:3]) == ["strategy", "class 0 (rare)", "class 1"]
    line = block.shown.set_index("strategy").loc["cbal"]
    assert sum(map(float, line)) == pytest.approx(10_000, abs=1)


def test_two_classes_and_missing_runs(part: Analysis) -> None:
    table = balance.acquired_table(part).set_index([*PLACE, "strategy"])
    assert set(table["class"]) == {0, 1}
    assert "k_center_greedy" not in table.index.get_level_values("strategy")
    lacks = table.loc[("svm", "waveform", "balanced", "entropy")]
    assert set(lacks["units"]) == {8}


def test_balance_figure_draws_the_table_with_random(deep_analysis: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.balance_curves(deep_analysis, "resnet18")
    table = balance.balance_table(deep_analysis)
    panel = figure.axes[1 * 3 + 1]
    drawn = {line.get_color() + str(line.get_marker()): line for line in panel.get_lines()}
    look = style.looks(deep_analysis.roles)
    for strategy in deep_analysis.strategies:
        mine = table[(table[PLACE] == list(HERE)).all(axis=1) & (table["strategy"] == strategy)]
        line = drawn[look[strategy].color + look[strategy].marker]
        assert line.get_ydata() == pytest.approx(mine["entropy"].to_numpy())
        assert line.get_xdata() == pytest.approx(mine["labels"].to_numpy())
    # the degree at which it counts as balanced, where a curve begins below it
    assert any(set(line.get_ydata()) == {balance.BALANCED} for line in panel.get_lines())
    assert not any(set(line.get_ydata()) == {0.9} for line in figure.axes[3].get_lines())


def test_rare_share_of_acquired_points_is_of_all_rare_classes(deep_analysis: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.class_balance(deep_analysis, "resnet18")
    counts = np.array(rows(deep_analysis, "cbal")["class_counts"].tolist()).reshape(3, 11, 10)
    acquired = (counts[:, 1:] - counts[:, :1]).astype(float)
    expected = (acquired[..., ::2].sum(axis=2) / acquired.sum(axis=2)).mean(axis=0)
    lines = [line.get_ydata() for line in figure.axes[1 * 3 + 1].get_lines()]
    assert any(len(y) == 10 and np.allclose(y, expected) for y in lines)
    assert any(np.allclose(y, 0.09) for y in lines)  # 5 · 18 of 1000 at the start
