"""How acquired points per class and the balance of the annotated set are shown."""

from __future__ import annotations

import math

import pandas as pd

from lalbench.results import balance
from lalbench.results.analysis import Analysis
from lalbench.results.render import Block, Table, by_classifier, named, number
from lalbench.results.scores import PLACE


def acquired_table(analysis: Analysis) -> Table:
    """Points acquired per class: all steps in the CSV file, their sums shown."""
    data = balance.acquired_table(analysis)
    rare = data[data["rare"]].groupby(PLACE, sort=False)["class"].unique().to_dict()
    blocks = []
    for place, part in data.groupby(PLACE, sort=False):
        total = part.groupby(["strategy", "class"], sort=False)["acquired"].sum().unstack()
        shown = total.map(lambda value: number(value, 1).removesuffix(".0"))
        marked = rare.get(place, ())
        shown.columns = pd.Index(
            [f"class {label}{' (rare)' if label in marked else ''}" for label in total.columns]
        )
        shown.insert(0, "strategy", _names(analysis, total.index))
        blocks.append(Block(", ".join(str(label) for label in place), shown))
    caption = (
        "Points of each class acquired over all steps, mean over data splits; with the points "
        "annotated at the start they make the annotated set of the last step. The CSV file has the "
        "newly acquired points of every step. Rare: classes with the smallest frequency of the "
        "setting."
    )
    title = "Points acquired per class"
    return Table("acquired_per_class", title, caption, data, blocks, long=True)


def balance_table(analysis: Analysis) -> Table:
    """Balance of the annotated set: all steps in the CSV file, the last one shown."""
    data = balance.balance_table(analysis)
    data.insert(4, "role", data["strategy"].map(analysis.roles))
    last = data[data["step"] == analysis.study.steps]

    def cell(row: pd.Series) -> str:
        text = number(row["entropy"], 3)
        if not math.isnan(row["rare_share"]):
            text += f" ({100 * row['rare_share']:.1f} %)"
        return text

    blocks = by_classifier(last, cell)
    caption = (
        f"Normalised entropy −Σ p ln p / ln C of the classes of the annotated set after step "
        f"{analysis.study.steps} (1: all C classes equally frequent), and in brackets the share of "
        "the rare classes; mean over data splits. Rare: classes with the smallest frequency of the "
        "setting; none in a balanced one. The CSV file has every step."
    )
    return Table("class_balance", "Balance of the annotated set", caption, data, blocks)


def reached_table(analysis: Analysis) -> Table:
    """Labels until the annotated set is balanced."""
    data = balance.reached_table(analysis)
    data.insert(4, "role", data["strategy"].map(analysis.roles))

    def cell(row: pd.Series) -> str:
        text = "> budget"
        if row["steps"] == 0:
            text = "from the start"
        elif not math.isinf(row["labels"]):
            text = number(row["labels"], 1).removesuffix(".0")
        return f"{text} ({row['reached']}/{row['trials']})"

    blocks = by_classifier(data, cell)
    caption = (
        "Median number of annotated points at which their normalised entropy first reaches "
        f"{balance.BALANCED}, and in how many trials it does. A trial that never does counts as "
        "beyond the budget. The CSV file has the steps, and the entropy at the start, at its "
        "highest and after the last step: it falls again where the rare points of the pool run out."
    )
    title = "Labels until the annotated set is balanced"
    return Table("labels_to_balance", title, caption, data, blocks)


def _names(analysis: Analysis, labels: pd.Index) -> list[str]:
    return [
        named(pd.Series({"strategy": label, "role": analysis.roles[label]})) for label in labels
    ]
