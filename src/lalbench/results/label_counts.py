"""How many labels each strategy has read, stated in every row about a strategy of every table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from lalbench.results.analysis import Analysis
from lalbench.results.facts import label_budget_table
from lalbench.results.markup import levels
from lalbench.results.render import Block, Table, named

NAMES = {
    "strategy": "total labels",
    "first": "total labels of first",
    "second": "total labels of second",
}
"""Columns that name strategies → what the column of their labels is called."""
CAPTION = (
    "Total labels: all that a strategy has read after the last step: annotated, acquired, and "
    "those of the reward set where it reads them."
)
_KEYS = ("dataset", "setting")


def with_labels(analysis: Analysis, table: Table) -> Table:
    """The table with a column of total labels beside every column of strategies.

    In the numbers it is empty where nothing ran, and a range, ``"110 to 210"``, where a row is
    about data sets of different sizes. A table that has the column, or no strategies, is returned
    as it is.
    """
    told = [name for name in NAMES if name in table.data.columns]
    if not told or "label_budget" in table.data.columns:
        return table
    budgets = analysis.cached("label budgets", lambda: label_budget_table(analysis))
    data = table.data.copy()
    for name in told:
        place = data.columns.get_loc(name)
        assert isinstance(place, int)
        column = NAMES[name].replace(" ", "_")
        data.insert(place + 1, column, _looked_up(budgets, data, name))
    everywhere = _texts(budgets, ["strategy"])
    asking = set(budgets.loc[budgets["labels_asked"] > 0, "strategy"])
    shown: dict[str, str] = {}
    for label, role in analysis.roles.items():
        text = everywhere.get((label,), "–")
        text += " + all hidden ones" if role == "bound" and label in asking else ""
        shown |= {label: text, named(pd.Series({"strategy": label, "role": role})): text}
    blocks = [replace(block, shown=_beside(block, shown)) for block in table.blocks]
    return replace(table, data=data, blocks=blocks, caption=f"{table.caption} {CAPTION}")


def _texts(budgets: pd.DataFrame, keys: list[str]) -> dict[tuple[str, ...], str]:
    """Labels by values of ``keys``: a number, or the least and the most."""
    found = {}
    finished = budgets.dropna(subset="label_budget")
    for values, part in finished.groupby(keys, sort=False)["label_budget"]:
        low, high = part.min(), part.max()
        key = tuple(map(str, values)) if isinstance(values, tuple) else (str(values),)
        found[key] = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    return found


def _looked_up(budgets: pd.DataFrame, data: pd.DataFrame, name: str) -> list[str]:
    """The labels of each row: at its data set and setting where it names them."""
    keys = [key for key in _KEYS if key in data.columns]
    texts = _texts(budgets, [*keys, "strategy"])
    return [
        texts.get(tuple(map(str, values)), "")
        for values in data[[*keys, name]].itertuples(index=False, name=None)
    ]


def _beside(block: Block, labels: dict[str, str]) -> pd.DataFrame:
    """The shown part with a column of labels to the right of each column of strategies."""
    shown = block.shown.copy()
    for column in list(shown.columns):
        title = levels(column)[0]
        if title not in NAMES:
            continue
        place = shown.columns.get_loc(column)
        assert isinstance(place, int)
        texts = [labels.get(str(cell), "") for cell in shown[column]]
        new = (NAMES[title], *[""] * (shown.columns.nlevels - 1))
        shown.insert(place + 1, new if len(new) > 1 else new[0], texts)
    return shown
