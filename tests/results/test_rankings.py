"""Ranks against hand-made cases and the published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lalbench.results import published, rankings

REFERENCE = Path(__file__).parents[2] / "studies" / "reference"


def published_means() -> pd.DataFrame:
    """Published AUAC means (two decimals) in the shape of our own cells."""
    table = pd.read_csv(REFERENCE / "npal_published.csv", dtype={"table": str})
    table = table[(table["metric"] == "auac") & table["dataset"].isin(published.UCI)]
    cells = table[[*published.CELL, "metric", "mean", "std"]].assign(runs=9)
    return cells.replace({"strategy": published.OURS})


def published_ranks() -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "npal_figures.csv").fillna({"dataset": ""})
    return table[table["metric"] == "rank"]


def test_ties_share_their_rank() -> None:
    assert rankings.ranks(np.array([0.9, 0.5, 0.9, 0.1])).tolist() == [1.5, 3.0, 1.5, 4.0]
    # equal up to rounding in the last bits
    assert rankings.ranks(np.array([0.1 + 0.2, 0.3])).tolist() == [1.5, 1.5]


def test_mean_ranks_by_hand_with_both_ddof() -> None:
    means = pd.DataFrame({"a": [3.0, 3.0], "b": [2.0, 1.0], "c": [1.0, 2.0]})
    found = rankings.mean_ranks(means, ddof=0)
    assert found["rank"].tolist() == [1.0, 2.5, 2.5]
    assert found["std"].tolist() == [0.0, 0.5, 0.5]
    assert rankings.mean_ranks(means, ddof=1)["std"]["b"] == pytest.approx(np.sqrt(0.5))


def test_data_sets_that_lack_a_strategy_are_not_ranked() -> None:
    means = pd.DataFrame({"a": [3.0, 3.0, 1.0], "b": [2.0, np.nan, 2.0]})
    found = rankings.mean_ranks(means, ddof=0)
    assert found["n"].tolist() == [2, 2]
    assert found["rank"].tolist() == [1.5, 1.5]


def test_published_means_give_the_ranks_of_figures_4_and_13() -> None:
    expected = published_ranks()
    ours = published.rank_cells(published_means(), expected)
    table = published.compare(expected, ours)
    assert len(table) == 39
    assert table["difference"].abs().max() <= 0.34
    free = [not tied(row) for _, row in table.iterrows()]
    assert sum(free) > 15
    assert table.loc[free, "difference"].abs().max() < 0.005


def tied(row: pd.Series) -> bool:
    """Whether the strategy shares its two-decimal mean with another one in some data set."""
    means = published_means()
    label = published.OURS.get(row["strategy"], row["strategy"])
    for dataset in published.UCI:
        here = means[(means["dataset"] == dataset) & (means["setting"] == row["setting"])]
        here = here[here["classifier"] == row["classifier"]].set_index("strategy")["mean"]
        if (here == here[label]).sum() > 1:
            return True
    return False


def test_balanced_logistic_regression_ranks_from_rounded_means() -> None:
    ours = published.rank_cells(published_means(), published_ranks())
    here = ours[(ours["classifier"] == "logistic_regression") & (ours["setting"] == "balanced")]
    found = here.set_index("strategy")["mean"].round(2)
    expected = {"entropy": 4.67, "k_center_greedy": 4.50, "hal_gauss": 6.50, "neural_process": 4.67}
    assert {name: found[name] for name in expected} == expected


def test_unit_ranks_average_over_units_and_data_sets() -> None:
    first = pd.DataFrame({"a": [2.0, 2.0], "b": [1.0, 1.0]})
    second = pd.DataFrame({"a": [1.0, np.nan], "b": [2.0, 5.0]})
    found = rankings.unit_ranks([first, second])
    assert found["rank"].tolist() == [1.5, 1.5]
    assert found["n"].tolist() == [3, 3]


def test_a_clear_leader_is_no_tie_and_a_coin_flip_is_one() -> None:
    clear = pd.DataFrame({"a": [3.0] * 6, "b": [2.0, 1] * 3, "c": [1.0, 2] * 3})
    firm = rankings.robustness(clear)
    assert firm.leaders["a"] == 1.0
    assert not firm.tie
    flip = pd.DataFrame({"a": [2.0, 1] * 3, "b": [1.0, 2] * 3})
    assert rankings.robustness(flip).tie


def test_few_data_sets_are_resampled_exhaustively() -> None:
    means = pd.DataFrame({"a": [2.0, 2, 1], "b": [1.0, 1, 2]})
    leaders = rankings.robustness(means).leaders
    # a leads when at most one of three draws is the last data set: 20 of 27
    assert leaders["a"] == pytest.approx(20 / 27)


def test_kendall_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    one, many = rng.integers(0, 4, 7).astype(float), rng.integers(0, 4, (20, 7)).astype(float)
    expected = [stats.kendalltau(one, row).statistic for row in many]
    assert rankings.kendall(one, many) == pytest.approx(expected)
    assert np.isnan(rankings.kendall(one, np.zeros((1, 7)))).all()


def test_friedman_is_scipys_and_needs_three_of_each() -> None:
    means = pd.DataFrame(np.random.default_rng(0).random((5, 4)), columns=list("abcd"))
    expected = stats.friedmanchisquare(*means.to_numpy().T).pvalue
    assert rankings.friedman(means) == pytest.approx(expected)
    assert np.isnan(rankings.friedman(means.iloc[:2]))
    assert np.isnan(rankings.friedman(means[["a", "b"]]))
