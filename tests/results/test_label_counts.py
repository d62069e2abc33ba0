"""Every row about a strategy states how many labels that strategy has read."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from lalbench.results.analysis import Analysis
from lalbench.results.label_counts import with_labels
from lalbench.results.render import Block, Table
from lalbench.results.tables import all_tables


def expected(analysis: Analysis, label: str) -> str:
    """From the records themselves: 100 annotated, and what the steps and the reward set add."""
    trials = analysis.records.trials
    mine = trials[trials["strategy"].astype(str) == label]
    (most,) = set(mine.groupby(["dataset", "setting", "seed"], observed=True)["label_budget"].max())
    return str(most)


def test_every_table_about_strategies_states_their_labels(whole: Analysis) -> None:
    counted = 0
    for table in all_tables(whole):
        for name, column in (("strategy", "total_labels"), ("second", "total_labels_of_second")):
            if name not in table.data.columns or "label_budget" in table.data.columns:
                continue
            for label, labels in table.data[[name, column]].itertuples(index=False):
                if label in whole.strategies:
                    assert labels == expected(whole, label), (table.name, label)
                    counted += 1
            headings = [str(column) for block in table.blocks for column in block.shown.columns]
            assert not headings or any("total labels" in heading for heading in headings)
    assert counted > 200


def test_a_strategy_that_reads_rewards_has_more_labels_in_what_is_shown(whole: Analysis) -> None:
    table = next(table for table in all_tables(whole) if table.name == "auac")
    shown = table.blocks[0].shown
    labels = dict(zip(shown["strategy", ""], shown["total labels", ""], strict=True))
    assert labels["random"] == "110"
    assert labels["neural_process"] == "210"
    assert labels["oracle (bound)"] == "110 + all hidden ones"
    assert "Total labels" in table.caption


@pytest.mark.parametrize("two", [("one", "one"), ("one", "another")])
def test_a_row_over_places_of_different_sizes_has_a_range(
    whole: Analysis, monkeypatch: pytest.MonkeyPatch, two: tuple[str, str]
) -> None:
    budgets = pd.DataFrame(
        {
            "dataset": ["a", "b"],
            "setting": ["balanced"] * 2,
            "strategy": ["random"] * 2,
            "labels_asked": [0.0, 0.0],
            "label_budget": [110.0, 110.0 if two == ("one", "one") else 210.0],
        }
    )
    monkeypatch.setattr("lalbench.results.label_counts.label_budget_table", lambda _: budgets)
    data = pd.DataFrame({"strategy": ["random", "ghost"], "mean": [1.0, 2.0]})
    empty = dataclasses.replace(whole, cache={})
    table = with_labels(empty, Table("t", "T", "C.", data, [Block("", data.astype(str))]))
    text = "110" if two == ("one", "one") else "110 to 210"
    assert list(table.data["total_labels"]) == [text, ""]
    assert list(table.blocks[0].shown["total labels"]) == [text, ""]


def test_tables_without_strategies_stay_as_they_are(whole: Analysis) -> None:
    table = Table("t", "T", "C.", pd.DataFrame({"data set": ["a"]}))
    assert with_labels(whole, table) is table
