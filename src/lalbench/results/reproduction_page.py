"""The page that compares our numbers with the published ones, and says why some differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lalbench.results import published as pub
from lalbench.results.render import number

OUTCOMES = ("agrees", "differs", "incomplete", "not run")
NO_REFERENCE = "no reference"
MARKS = {"agrees": "✓", "differs": "✗", "incomplete": "…", NO_REFERENCE: "○", "not run": ""}
METRIC_NAMES = {
    "auac": "AUAC",
    "final_accuracy": "final",
    "rare_precision": "precision",
    "rare_recall": "recall",
    "rank": "rank",
}
DIGITS = {"auac": 3, "rank": 2}


INTRO = (
    "This page is written by `python -m lalbench reproduction` from the trials of {studies} and "
    "the published numbers in [studies/reference](../studies/reference/README.md). {protocol} "
    "Paper: T. Bakker, H. van Hoof, M. Welling, *Learning Objective-Specific Active Learning "
    "Strategies with Attentive Neural Processes*, 2023."
)

PROTOCOLS = {
    "published": "The protocol is `published`: the conventions of the authors' released code "
    "([protocols](protocols.md)).",
    "clean": "The protocol is `clean`, not that of the authors' released code "
    "([protocols](protocols.md)).",
}

FIGURE_CAPTION = (
    "Left: our means against the published ones, one point per cell. Right: the difference divided "
    "by its tolerance; inside the grey band a cell agrees."
)

RECOMPUTED = (
    "An independent implementation of the same conventions gives three decimals where the paper "
    "prints two, and rows that the paper does not have: the two HAL strategies with the directions "
    "of their paper (`…_correct`), the oracle on the reward set, and fits without active learning "
    "on the annotated set and on annotated and reward set together."
)

CURVES = (
    "Scores at every step of runs that draw no random numbers, on waveform, against the same "
    "implementation. Equal means equal to six decimals."
)

LEGENDS = (
    "Mean AUACs with three decimals. `al_average`: mean over the strategies of the paper without "
    "random, oracle and neural process; `best_al`: the best of them."
)

NO_REFERENCE_TEXT = (
    "The published rows below were made by code that does something else than the named method "
    "(`npal_not_a_reference.csv`). They stand in the tables with the mark ○; a difference from "
    "them says nothing about either side and is not counted."
)

RANKS = (
    "Rank of the mean AUAC over the three UCI sets. A rank agrees if it is at most one place in "
    "one data set off; ranks hang on differences of a few thousandths."
)

RULES = """## What counts as agreement

| quantity | largest difference of the means |
|:---|:---|
| AUAC | 0.015; `k_center_greedy` 0.03; oracles 0.05 |
| final accuracy | 0.01 |
| precision and recall of the rare class | 0.02 |
| mean rank | 0.34 |
| neural process | two standard errors of the published nine runs, 2·s/√9 (for final accuracy, \
precision and recall at least the number above) |{networks}

Published numbers are rounded to two decimals, so half a hundredth is unavoidable. Only cells with
all {runs} runs are counted. Standard deviations (ddof 0) are printed, not judged."""

NETWORK_RULE = (
    "\n| ResNet-18 | two standard errors of the difference of two means of three runs, "
    "2·√((s² + s'²) / 2) with both standard deviations; at least the number above |"
)
WORDS = {3: "three", 9: "nine"}


@dataclass(frozen=True)
class Comparison:
    """Published numbers with ours: ``pub.compare`` of each file, and the single curves.

    Of every data set and classifier of the studies, run or not.
    """

    studies: tuple[str, ...]
    protocols: tuple[str, ...]
    tables: pd.DataFrame
    recomputed: pd.DataFrame
    figures: pd.DataFrame
    curves: pd.DataFrame
    reasons: pd.DataFrame
    software: tuple[dict[str, str], ...]


def document(found: Comparison, figure: str) -> str:
    """The whole page; ``figure`` is the path of the figure from there."""
    by_metric = dict(list(found.figures.groupby("metric", sort=False)))
    links = [f"[studies/{name}.yaml](../studies/{name}.yaml)" for name in found.studies]
    parts = [
        "# Reproduction of Bakker et al. (2023)",
        INTRO.format(
            studies=" and ".join(links), protocol=" ".join(PROTOCOLS[p] for p in found.protocols)
        ),
        _headline(found),
        _versions(found),
        _overview(found),
        f"![Our values against the published ones]({figure})",
        FIGURE_CAPTION,
        _rules(found),
        "## The tables, side by side",
        _legend(found),
        *_tables(found.tables),
    ]
    if _has_no_reference(found):
        parts += ["## Published rows that are no reference", NO_REFERENCE_TEXT, _unusable(found)]
    if len(found.recomputed):
        parts += ["## Cells with three decimals", RECOMPUTED]
        parts += _tables(found.recomputed, by=("classifier",))
    if len(found.curves):
        parts += ["## Single runs", CURVES, _curves(found.curves)]
    if "auac" in by_metric:
        parts += ["## Legends of the figures", LEGENDS]
        parts += _tables(by_metric["auac"], by=("figure",))
    if "rank" in by_metric:
        parts += ["## Mean ranks (Figs 4 and 13)", RANKS]
        parts += _tables(by_metric["rank"], by=("figure",))
    parts += ["## Where we differ, and why", _differences(found), "## Not run", _not_run(found)]
    return "\n\n".join(parts) + "\n"


def _has_no_reference(found: Comparison) -> bool:
    return any((table["no_reference"] != "").any() for table in (found.tables, found.figures))


def _runs(found: Comparison) -> str:
    """How many runs the cells of the page have, in words."""
    numbers = sorted({pub.planned_runs(name) for name in found.tables["classifier"]})
    return " or ".join(WORDS[count] for count in numbers)


def _rules(found: Comparison) -> str:
    networks = found.tables["classifier"].isin(pub.NETWORK_RUNS).any()
    return RULES.format(networks=NETWORK_RULE if networks else "", runs=_runs(found))


def _legend(found: Comparison) -> str:
    marked = "○ no reference, " if _has_no_reference(found) else ""
    return (
        f"Ours (published); ✓ agrees, ✗ differs, {marked}… fewer than {_runs(found)} runs, "
        "– not run."
    )


def _unusable(found: Comparison) -> str:
    """One row per strategy and reason, with the tables and figures in which it stands."""
    sources = [
        found.tables.assign(source="Table " + found.tables["table"]),
        found.figures.assign(source=found.figures.get("figure", "")),
    ]
    every = pd.concat([table[["strategy", "no_reference", "source"]] for table in sources])
    every = every[every["no_reference"] != ""]
    rows = [
        [f"`{strategy}`", ", ".join(dict.fromkeys(part["source"])), reason]
        for (strategy, reason), part in every.groupby(["strategy", "no_reference"], sort=False)
    ]
    return _pipe(["strategy", "published in", "why it is no reference"], rows)


def _counted(table: pd.DataFrame) -> dict[str, int]:
    counts = table["outcome"].value_counts()
    return {outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES}


def _headline(found: Comparison) -> str:
    counts = _counted(found.tables)
    run = counts["agrees"] + counts["differs"]
    share = f" ({100 * counts['agrees'] / run:.1f} %)" if run else ""
    return (
        f"**{counts['agrees']} of {run} published cells that were run agree{share};** "
        f"{counts['differs']} differ, {counts['incomplete']} have fewer than {_runs(found)} runs "
        f"yet, {counts['not run']} were not run.{_beside(found)}"
    )


def _beside(found: Comparison) -> str:
    """How many cells were run whose published value is no reference."""
    if not _has_no_reference(found):
        return ""
    count = int((found.tables["outcome"] == NO_REFERENCE).sum())
    return f" {count} more stand beside published cells that are no reference for their method."


def _versions(found: Comparison) -> str:
    sets = [", ".join(f"{name} {number}" for name, number in v.items()) for v in found.software]
    return f"Trials were run with {'; '.join(sets)}." if sets else "Package versions are not known."


def _overview(found: Comparison) -> str:
    beside = _has_no_reference(found)

    def counts(part: pd.DataFrame) -> list[int]:
        unusable = int((part["outcome"] == NO_REFERENCE).sum())
        return [*_counted(part).values(), *([unusable] if beside else [])]

    rows = [
        [f"Table {name}", _what(part), *counts(part)]
        for name, part in found.tables.groupby("table", sort=False)
    ]
    rows.sort(key=lambda row: int(str(row[0]).split()[1]))
    names = ("**all tables**", "cells with three decimals", "legends and ranks")
    every = (found.tables, found.recomputed, found.figures)
    for name, part in zip(names, every, strict=True):
        if len(part):
            rows.append([name, "", *counts(part)])
    curves = found.curves
    if len(curves):
        missing = int((curves["curves"] - curves["run"]).sum())
        same = int(curves["identical"].sum())
        rows.append(["single runs", "waveform", same, int(curves["run"].sum()) - same, 0, missing])
        rows[-1] += [0] if beside else []
    header = ["", "content", "agree", "differ", "incomplete", "not run"]
    return _pipe([*header, *(["no reference"] if beside else [])], rows)


def _what(part: pd.DataFrame) -> str:
    names = [
        ", ".join(dict.fromkeys(part[column])) for column in ("dataset", "classifier", "metric")
    ]
    return "; ".join(names).replace("_", " ")


def _tables(table: pd.DataFrame, by: tuple[str, ...] = ("table",)) -> list[str]:
    """One pipe table per group and data set: strategies × (setting, metric)."""
    parts = []
    for key, part in table.groupby([*by, "classifier", "dataset"], sort=False):
        head, classifier, dataset = str(key[0]), str(key[-2]), str(key[-1])
        names = [f"Table {head}" if by == ("table",) else head, dataset, classifier]
        title = ", ".join(dict.fromkeys(name.replace("_", " ") for name in names if name))
        if (part["outcome"] == "not run").all():
            continue
        columns = part[["setting", "metric"]].drop_duplicates().itertuples(index=False, name=None)
        order = list(columns)
        rows = []
        for strategy, cells in part.groupby("strategy", sort=False):
            texts = {(row["setting"], row["metric"]): _cell(row) for _, row in cells.iterrows()}
            rows.append([f"`{strategy}`", *[texts.get(column, "") for column in order]])
        header = [f"{s.replace('_', ' ')} {METRIC_NAMES[m]}" for s, m in order]
        parts += [f"**{title[:1].upper()}{title[1:]}**", _pipe(["strategy", *header], rows)]
    return parts or ["Nothing of this was run."]


def _cell(row: pd.Series) -> str:
    digits = DIGITS.get(row["metric"], 3)
    theirs = f"{row['mean']:.3f}".removesuffix("0") if digits == 3 else f"{row['mean']:.2f}"
    if row["outcome"] == "not run":
        return f"– ({theirs})"
    spread = "" if pd.isna(row["our_std"]) else f" ± {number(row['our_std'], 2)}"
    published = theirs if pd.isna(row["std"]) else f"{theirs} ± {number(row['std'], 2)}"
    return f"{number(row['our_mean'], digits)}{spread} ({published}) {MARKS[row['outcome']]}"


def _curves(curves: pd.DataFrame) -> str:
    rows = [
        [
            row["classifier"].replace("_", " "),
            row["setting"].replace("_", " "),
            f"`{row['strategy']}`",
            f"{row['run']} of {row['curves']}",
            row["identical"],
            f"{row['equal']} of {row['points']}" if row["points"] else "–",
        ]
        for _, row in curves.iterrows()
    ]
    total, run = int(curves["points"].sum()), int(curves["run"].sum())
    summary = (
        f"{int(curves['identical'].sum())} of {run} runs are identical at all steps, "
        f"{int(curves['equal'].sum())} of {total} scores are equal."
        if run
        else "None of these runs is there."
    )
    header = ["classifier", "setting", "strategy", "run", "identical", "equal scores"]
    return f"{summary}\n\n{_pipe(header, rows)}"


def _differences(found: Comparison) -> str:
    rows = []
    for name, table in (("Table", found.tables), ("", found.recomputed), ("", found.figures)):
        for _, row in table[table["outcome"] == "differs"].iterrows():
            source = f"{name} {row['table']}" if name else str(row.get("figure", "three decimals"))
            place = ", ".join(
                str(row[column]) for column in (*pub.PLACE, "strategy") if row[column]
            )
            rows.append(
                [
                    source,
                    place.replace("_", " "),
                    METRIC_NAMES[row["metric"]],
                    number(row["our_mean"], 3),
                    f"{row['mean']:g}",
                    number(row["difference"], 3),
                    number(row["tolerance"], 3),
                    reason(row, found.reasons),
                ]
            )
    if not rows:
        return "No cell that was run differs by more than its tolerance."
    header = ["source", "cell", "metric", "ours", "published", "difference", "tolerance", "why"]
    return _pipe(header, rows)


def reason(row: pd.Series, reasons: pd.DataFrame) -> str:
    """The last line of ``npal_reasons.csv`` that matches the cell; empty columns match all."""
    text = ""
    for _, line in reasons.iterrows():
        if all(line[column] in ("", row[column]) for column in pub.CELL):
            text = str(line["reason"])
    return text


def _not_run(found: Comparison) -> str:
    missing = found.tables[found.tables["outcome"] == "not run"]
    if missing.empty:
        return "Everything was run."
    rows = []
    for (table, classifier, dataset), part in missing.groupby(
        ["table", "classifier", "dataset"], sort=False
    ):
        whole = len(part) == int((found.tables["table"] == table).sum())
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(part["strategy"]))
        cells = f"all {len(part)}" if whole else str(len(part))
        rows.append([f"Table {table}", f"{dataset}, {classifier}", cells, names])
    rows.sort(key=lambda row: int(row[0].split()[1]))
    return _pipe(["source", "data set, classifier", "cells", "strategies"], rows)


def _pipe(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    from tabulate import tabulate

    texts = [[str(cell) for cell in row] for row in rows]
    return tabulate(texts, headers=header, tablefmt="pipe", disable_numparse=True)
