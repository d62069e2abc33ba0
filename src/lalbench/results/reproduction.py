"""``docs/reproduction.md``: our numbers beside the published ones, and why some differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lalbench import files
from lalbench.config import Figures, Study
from lalbench.errors import UserError
from lalbench.results import published as pub
from lalbench.results.render import number
from lalbench.results.reproduction_figure import agreement_figure
from lalbench.results.style import drawing, save

OUTCOMES = ("agrees", "differs", "incomplete", "not run")
MARKS = {"agrees": "✓", "differs": "✗", "incomplete": "…", "not run": ""}
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
    "the published numbers in [studies/reference](../studies/reference/README.md). The protocol "
    "is `published`: the conventions of the authors' released code ([protocols](protocols.md)). "
    "Paper: T. Bakker, H. van Hoof, M. Welling, *Learning Objective-Specific Active Learning "
    "Strategies with Attentive Neural Processes*, 2023."
)

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
precision and recall at least the number above) |

Published numbers are rounded to two decimals, so half a hundredth is unavoidable. Only cells with
all nine runs are counted. Standard deviations (ddof 0) are printed, not judged."""


@dataclass(frozen=True)
class Comparison:
    """Published numbers with ours: ``pub.compare`` of each file, and the single curves.

    Of every data set and classifier of the studies, run or not.
    """

    studies: tuple[str, ...]
    tables: pd.DataFrame
    recomputed: pd.DataFrame
    figures: pd.DataFrame
    curves: pd.DataFrame
    reasons: pd.DataFrame
    software: tuple[dict[str, str], ...]


def write_reproduction(studies: Sequence[Study], reference_dir: Path, output: Path) -> None:
    """Writes the comparison as Markdown, with its figure beside it.

    Args:
        studies: studies of the paper.
        reference_dir: folder with the published numbers (``studies/reference``).
        output: the Markdown file; the figure goes to a folder of the same name beside it. The same
            trials give the same bytes.

    Raises:
        CorruptFileError: a trial file that cannot be read or contradicts others.
        UserError: no trial, or a reference file is missing.
    """
    found = compare_all(studies, reference_dir)
    with drawing():
        figure = agreement_figure(found.tables)
    save(figure, output.with_suffix(""), "agreement", Figures(formats=["svg"]))
    files.write_text(output, document(found, f"{output.stem}/agreement.svg"))


def compare_all(studies: Sequence[Study], reference_dir: Path) -> Comparison:
    """Reads trials and published numbers and compares them (errors as the function above)."""
    ours = pub.Results.of(*[study.folder for study in studies])
    places = {
        (dataset.label, classifier.label)
        for study in studies
        for dataset in study.datasets
        for classifier in study.classifiers
    }
    figures = _read(reference_dir, "npal_figures.csv")
    cells = ours.cells
    derived = [pub.legend_cells(cells), pub.rank_cells(cells, figures[figures["metric"] == "rank"])]
    tables = _read(reference_dir, "npal_published.csv")
    figures["std"] = figures["std"].fillna(_table_std(tables, figures))
    with_derived = pd.concat([cells, *[part for part in derived if len(part)]], ignore_index=True)
    recomputed = _read(reference_dir, "npal_recomputed.csv")
    golden = _read(reference_dir, "npal_curves_waveform.csv")
    return Comparison(
        studies=tuple(study.study for study in studies),
        tables=pub.compare(_within(places, tables), cells),
        recomputed=pub.compare(_within(places, recomputed), cells),
        figures=pub.compare(_within(places, figures), with_derived),
        curves=pub.curve_agreement(_within(places, golden), ours.curves),
        reasons=_read(reference_dir, "npal_reasons.csv"),
        software=ours.software,
    )


def _within(places: Collection[tuple[str, str]], published: pd.DataFrame) -> pd.DataFrame:
    """The rows of (data set, classifier) in ``places``; those of no data set need all UCI sets."""
    inside = [
        all((name, classifier) in places for name in ([dataset] if dataset else pub.UCI))
        for dataset, classifier in zip(published["dataset"], published["classifier"], strict=True)
    ]
    return published[inside].reset_index(drop=True)


def _read(folder: Path, name: str) -> pd.DataFrame:
    path = folder / name
    if not path.exists():
        raise UserError(str(path), "no such file", "give the folder studies/reference")
    table = pd.read_csv(path, dtype={"table": str} | dict.fromkeys(pub.CELL, str))
    return table.fillna(dict.fromkeys(pub.CELL, ""))


def _table_std(tables: pd.DataFrame, figures: pd.DataFrame) -> pd.Series:
    """Published standard deviations of the AUACs in the legends, which print none."""
    keys = [*pub.CELL, "metric"]
    known = tables.drop_duplicates(keys)[[*keys, "std"]]
    merged = figures[keys].merge(known, on=keys, how="left")
    return merged["std"].set_axis(figures.index)


def document(found: Comparison, figure: str) -> str:
    """The whole page; ``figure`` is the path of the figure from there."""
    by_metric = dict(list(found.figures.groupby("metric", sort=False)))
    links = [f"[studies/{name}.yaml](../studies/{name}.yaml)" for name in found.studies]
    parts = [
        "# Reproduction of Bakker et al. (2023)",
        INTRO.format(studies=" and ".join(links)),
        _headline(found),
        _versions(found),
        _overview(found),
        f"![Our values against the published ones]({figure})",
        FIGURE_CAPTION,
        RULES,
        "## The tables, side by side",
        "Ours (published); ✓ agrees, ✗ differs, … fewer than nine runs, – not run.",
        *_tables(found.tables),
    ]
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


def _counted(table: pd.DataFrame) -> dict[str, int]:
    counts = table["outcome"].value_counts()
    return {outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES}


def _headline(found: Comparison) -> str:
    counts = _counted(found.tables)
    run = counts["agrees"] + counts["differs"]
    share = f" ({100 * counts['agrees'] / run:.1f} %)" if run else ""
    return (
        f"**{counts['agrees']} of {run} published cells that were run agree{share};** "
        f"{counts['differs']} differ, {counts['incomplete']} have fewer than nine runs yet, "
        f"{counts['not run']} were not run."
    )


def _versions(found: Comparison) -> str:
    sets = [", ".join(f"{name} {number}" for name, number in v.items()) for v in found.software]
    return f"Trials were run with {'; '.join(sets)}." if sets else "Package versions are not known."


def _overview(found: Comparison) -> str:
    rows = [
        [f"Table {name}", _what(part), *_counted(part).values()]
        for name, part in found.tables.groupby("table", sort=False)
    ]
    rows.sort(key=lambda row: int(str(row[0]).split()[1]))
    names = ("**all tables**", "cells with three decimals", "legends and ranks")
    every = (found.tables, found.recomputed, found.figures)
    for name, part in zip(names, every, strict=True):
        if len(part):
            rows.append([name, "", *_counted(part).values()])
    curves = found.curves
    if len(curves):
        missing = int((curves["curves"] - curves["run"]).sum())
        same = int(curves["identical"].sum())
        rows.append(["single runs", "waveform", same, int(curves["run"].sum()) - same, 0, missing])
    return _pipe(["", "content", "agree", "differ", "incomplete", "not run"], rows)


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
        reasons = {reason(row, found.reasons) for _, row in part.iterrows()}
        whole = len(part) == int((found.tables["table"] == table).sum())
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(part["strategy"]))
        why = " ".join(sorted(reasons)) if classifier == "resnet18" else ""
        cells = f"all {len(part)}" if whole else str(len(part))
        rows.append([f"Table {table}", f"{dataset}, {classifier}", cells, names, why])
    rows.sort(key=lambda row: int(row[0].split()[1]))
    return _pipe(["source", "data set, classifier", "cells", "strategies", "why"], rows)


def _pipe(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    from tabulate import tabulate

    texts = [[str(cell) for cell in row] for row in rows]
    return tabulate(texts, headers=header, tablefmt="pipe", disable_numparse=True)
