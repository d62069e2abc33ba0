"""How the standing of the strategies over all places is shown."""

from __future__ import annotations

import pandas as pd

from lalbench.results.analysis import Analysis
from lalbench.results.render import Block, Table, interval, named, number, p_value
from lalbench.results.shown_scores import interval_words
from lalbench.results.standing import standing_table
from lalbench.results.statistics import ALPHA

DIGITS = 4
Column = tuple[str, str]


def standing_tables(analysis: Analysis) -> list[Table]:
    """The table of who is first, by how much, and how sure that is."""
    data = standing_table(analysis)
    blocks = [
        Block(str(classifier), _rows(part, analysis))
        for classifier, part in data.groupby("classifier", sort=False)
    ]
    title = f"Who is first over all data sets and settings: {analysis.objective}"
    return [Table("standing", title, _caption(analysis), data, blocks)]


def _rows(part: pd.DataFrame, analysis: Analysis) -> pd.DataFrame:
    rows = [row for _, row in part.iterrows()]
    columns: dict[Column, list[str]] = {
        ("strategy", ""): [named(row) for row in rows],
        ("score", ""): [_score(row, first=place == 0) for place, row in enumerate(rows)],
        ("splits", ""): [str(row["units"]) for row in rows],
    }
    if analysis.random is not None:
        group = f"minus {analysis.random}"
        columns |= _compared(rows, group, ("difference", "low", "high", "p_holm"))
        columns[group, "better / worse / places"] = [
            f"{row['better']} / {row['worse']} / {row['cells']}" if row["cells"] else "–"
            for row in rows
        ]
    names = ("behind", "behind_low", "behind_high", "behind_p")
    columns |= _compared(rows, "behind the first", names)
    shown = pd.DataFrame(columns)
    shown.columns = pd.MultiIndex.from_tuples(list(columns))
    return shown


def _score(row: pd.Series, *, first: bool) -> str:
    if pd.isna(row["mean"]):
        return "not everywhere"
    text = number(row["mean"], DIGITS)
    near = row["role"] != "bound" and (first or row["behind_p"] >= ALPHA)
    return f"**{text}**" if near else text


def _compared(
    rows: list[pd.Series], group: str, names: tuple[str, str, str, str]
) -> dict[Column, list[str]]:
    difference, low, high, p = names
    texts = [
        " ".join(
            filter(None, [number(row[difference], DIGITS), interval(row[low], row[high], DIGITS)])
        )
        for row in rows
    ]
    return {
        (group, "difference, 95 % interval"): texts,
        (group, "p (Holm)"): [p_value(row[p]) for row in rows],
    }


def _caption(analysis: Analysis) -> str:
    parts = [
        f"Score: mean {analysis.objective} over the steps (AUAC / steps) and over all data sets "
        "and settings, best first. The unit is one data split of all of them together: the "
        "scores of the same seeds are averaged first. A strategy that did not finish everywhere "
        "has no score.",
        "Bold: the first, and every strategy that the paired Wilcoxon signed-rank test (Holm over "
        "all pairs of the classifier) does not tell from it.",
        interval_words(),
    ]
    if analysis.random is not None:
        parts.append(
            f"Minus {analysis.random}: Holm over the strategies of the classifier. Better / worse "
            "/ places: combinations of data set and setting at which the AUAC is significantly "
            f"better or worse than that of {analysis.random}, of those compared."
        )
    if "bound" in analysis.roles.values():
        parts.append("Bounds read labels that no annotator could give; they have no place.")
    parts.append("All of it is about these data sets, not about others.")
    return " ".join(parts)
