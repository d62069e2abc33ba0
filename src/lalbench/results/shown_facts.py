"""How coverage, label budgets, fits without active learning, targets, regret and cost are shown."""

from __future__ import annotations

import math

import pandas as pd

from lalbench.results import facts, targets
from lalbench.results.analysis import Analysis
from lalbench.results.render import Block, Table, interval, named, number, spread


def coverage_table(analysis: Analysis) -> Table:
    """Trials planned, finished, failed, timed out and missing; cells that lack any are listed."""
    data = facts.coverage_table(analysis)
    counts = ["planned", "finished", "failed", "timed_out", "missing"]
    total = data.groupby(["classifier", "strategy"], sort=False)[counts].sum().reset_index()
    blocks = [Block("All trials", _texts(total))]
    incomplete = data[data["finished"] < data["planned"]]
    if len(incomplete):
        blocks.append(Block("Cells that are not complete", _texts(incomplete)))
    caption = (
        "A failed or missing trial is counted here and never dropped in silence: means are over "
        "the finished ones, comparisons over the pairs in which both finished."
    )
    return Table("coverage", "Trials planned and finished", caption, data, blocks)


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    shown = table.astype(object).map(str)
    return shown.rename(columns={"timed_out": "timed out", "dataset": "data set"})


def place_table(analysis: Analysis) -> Table:
    """Sizes, rare points, degenerate cells, resolution."""
    data = facts.place_table(analysis)
    shown = pd.DataFrame(
        [
            {
                "classifier": row["classifier"],
                "data set": row["dataset"],
                "setting": row["setting"],
                "splits": number(row.get("units", math.nan), 0),
                "pool": number(row.get("pool", math.nan), 0),
                "picks": number(row.get("picks", math.nan), 0),
                "rare in pool": number(row.get("rare_in_pool", math.nan), 0),
                "rare in test": number(row.get("rare_in_test", math.nan), 0),
                "copied rows": number(row.get("shared_rows", math.nan), 1),
                "± of the AUAC": number(row.get("half_width", math.nan), 3),
                "detectable": number(row.get("detectable", math.nan), 3),
                "degenerate": row["degenerate"],
            }
            for _, row in data.iterrows()
        ]
    )
    caption = (
        "Pool and rare points before the first step, the smallest over the splits. Copied rows: "
        "rows with an exact copy in another of the annotated, pool, reward and test sets (mean "
        "per split; – where the references stage was not run). ± of the AUAC: median half-width "
        "of the 95 % interval of the mean. Detectable: mean paired AUAC difference to random that "
        "a t test finds with power 0.8. Degenerate: a pool under 5 points per pick, or fewer than "
        "5 rare points in the pool or the test set; such a cell says little about strategies."
    )
    return Table(
        "cells", "Sizes of the cells and what they can tell", caption, data, [Block("", shown)]
    )


def label_budget_table(analysis: Analysis) -> Table:
    """Labels read by each strategy after the last step."""
    data = facts.label_budget_table(analysis)

    def cell(row: pd.Series) -> str:
        asked = ""
        if row["labels_asked"] > 0:
            count = f"{row['labels_asked']:.0f} answers"
            asked = " + all hidden labels" if row["role"] == "bound" else f" + {count}"
        return number(row["label_budget"], 0) + asked

    caption = (
        "Annotated and acquired labels after the last step, and the reward labels of strategies "
        "that read them; answers: hidden pool labels that a strategy asked for on the way, per "
        "trial."
    )
    if "bound" in analysis.roles.values():
        caption += " A bound reads the labels of all candidates, which no annotator could give."
    block = Block("", spread(data, cell))
    return Table("label_budget", "Labels that each strategy uses", caption, data, [block])


def reference_table(analysis: Analysis) -> Table:
    """Fits without active learning."""
    data = facts.reference_table(analysis)
    caption = (
        f"Mean {analysis.objective} on the test set without any acquisition, and how many of the "
        "strategies (bounds apart) end above it."
    )
    if data.empty:
        caption += " The references stage was not run."
        return Table("references", "Without active learning", caption, data, [])
    blocks = [
        Block(str(classifier), _reference_rows(part))
        for classifier, part in data.groupby("classifier", sort=False)
    ]
    return Table("references", "Without active learning", caption, data, blocks)


def _reference_rows(part: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (dataset, setting), lines in part.groupby(["dataset", "setting"], sort=False):
        shown = {"data set": str(dataset), "setting": str(setting)}
        for _, row in lines.iterrows():
            above = f"{row['strategies_above']} of {row['strategies']} above"
            text = f"{number(row['objective'], 3)} ({row['labels']:.0f} labels; {above})"
            shown[facts.REFERENCE_LINES[row["line"]]] = text
        rows.append(shown)
    return pd.DataFrame(rows).fillna("–")


TARGET_NAMES = {
    "random_final": "mean last score of random",
    "random_final_paired": "last score of random's run with the same seeds",
    "all_labels_95": "95 % of the score with all labels",
}


def target_table(analysis: Analysis) -> Table:
    """Labels needed to reach a target."""
    data = targets.target_table(analysis)
    data.insert(6, "role", data["strategy"].map(analysis.roles))

    blocks = [
        Block(f"{classifier}, {TARGET_NAMES[str(target)]}", spread(part, _target_cell))
        for (classifier, target), part in data.groupby(["classifier", "target"], sort=False)
    ]
    caption = (
        "Median number of annotated points at which the score first reaches the target, and in how "
        "many trials it does. A trial that never does counts as beyond the budget and is not "
        "dropped. Where the target is the last score of random's run with the same seeds: the "
        "median of these numbers in percent of the labels that this run of random used, with a "
        "95 % interval of order statistics (from six data splits on). Curves go up and down, so "
        "random itself reaches its last score before its last step: compare with its row. The CSV "
        "file has the same for the isotonic fit of the curves, and the share of labels saved "
        "against random over the pairs in which both reach the target."
    )
    return Table("labels_to_target", "Labels to reach a target", caption, data, blocks, long=True)


def _target_cell(row: pd.Series) -> str:
    """Labels, or their share of random's with its interval; how many trials reach the target."""
    paired = row["target"] == "random_final_paired"
    if math.isinf(row["share"] if paired else row["labels"]):
        text = "> budget"
    elif paired:
        text = f"{100 * row['share']:.0f} %"
    else:
        text = number(row["labels"], 1).removesuffix(".0")
    between = interval(100 * row["share_low"], 100 * row["share_high"], 0) if paired else ""
    return " ".join(filter(None, [text, between, f"({row['reached']}/{row['trials']})"]))


def area_table(analysis: Analysis) -> Table:
    """Area against random, split."""
    data = targets.area_table(analysis)
    data.insert(4, "role", data["strategy"].map(analysis.roles))
    blocks = [
        Block(
            str(classifier),
            spread(part, lambda r: f"{number(r['ahead'], 3)} / {number(r['behind'], 3)}"),
        )
        for classifier, part in data.groupby("classifier", sort=False)
    ]
    caption = (
        "Area between the curves of a strategy and of random: ahead of it / behind it, mean over "
        "paired units. The first minus the second is the paired AUAC difference; both large: the "
        "curves cross."
    )
    return Table("area_vs_random", "Ahead of and behind random", caption, data, blocks, long=True)


def regret_tables(analysis: Analysis) -> list[Table]:
    """Regret to the bounds; nothing in studies without any."""
    data = targets.regret_table(analysis)
    if data.empty:
        return []
    data.insert(5, "role", data["strategy"].map(analysis.roles))

    def cell(row: pd.Series) -> str:
        text = f"{number(row['regret'], 3)} {interval(row['low'], row['high'], 3)}".strip()
        share = f" · {100 * row['share']:.0f} %" if not math.isnan(row["share"]) else ""
        return text + share.replace("-", "−")

    blocks = [
        Block(f"{classifier}, regret to {bound}", spread(part, cell))
        for (classifier, bound), part in data.groupby(["classifier", "bound"], sort=False)
    ]
    caption = (
        "AUAC of the bound minus that of the strategy, paired, with 95 % interval, and the share "
        "of the bound's gain over random that the strategy reaches (only where that gain exceeds "
        "its standard error). The test oracle fits the test points themselves; the reward "
        "oracle is what a learner with perfect predictions of its training target would do, and "
        "no upper bound of the test score."
    )
    return [Table("regret", "Regret to the oracles", caption, data, blocks, long=True)]


COSTS = {
    "signals_per_step": ("signals", 4),
    "select_per_step": ("select", 4),
    "fit_per_step": ("fit", 4),
    "learn_per_step": ("learn", 3),
    "step": ("whole step", 3),
    "trial": ("whole trial", 2),
    "trials": ("trials", 0),
    "gpu_memory_mib": ("GPU memory, MiB", 0),
    "gpu_utilisation": ("GPU load, %", 0),
}
"""Columns of the table of times: heading and digits."""


def cost_table(analysis: Analysis) -> Table:
    """Measured seconds, and GPU memory where it was measured."""
    data = facts.cost_table(analysis)
    kept = [name for name in COSTS if data[name].notna().any()]
    if not (data["signals_per_step"] > 0).any():  # no networks for images
        kept = [name for name in kept if name != "signals_per_step"]
    shown = {name: COSTS[name] for name in kept}
    blocks = []
    for classifier, part in data.groupby("classifier", sort=False):
        rows = [
            {"strategy": named(row)}
            | {heading: number(row[name], digits) for name, (heading, digits) in shown.items()}
            for _, row in part.iterrows()
        ]
        blocks.append(Block(str(classifier), pd.DataFrame(rows)))
    caption = (
        "Seconds on the machines that ran the trials: medians over the steps, mean over "
        "trials. Measured, so they differ between runs."
    )
    if "signals_per_step" in shown:
        caption += " Signals: passes of the network over images, which selecting does not count."
    if "gpu_memory_mib" in shown or "gpu_utilisation" in shown:
        caption += " GPU: largest memory and mean load."
    return Table("cost", "Time per step and trial", caption, data, blocks)
