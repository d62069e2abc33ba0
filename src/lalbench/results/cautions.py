"""What a reader must know before believing a table: sentences for the top of the report."""

from __future__ import annotations

import re

from lalbench.results import facts
from lalbench.results.analysis import Analysis
from lalbench.results.scores import out_of_reach, score_table
from lalbench.results.statistics import BOOTSTRAP_FROM

LOST = {
    "failed": "failed",
    "timed_out": "ran out of time",
    "missing": "are missing (not run, or not finished yet)",
}
"""What becomes of a trial that does not finish: column of the coverage, and words."""

NAMED = 6
"""Strategies that lost trials and are named at the top of the report."""


def cautions(analysis: Analysis) -> list[str]:
    """Failed and missing trials, degenerate cells, too few units, unequal starts, label budgets."""
    return [
        *_incomplete(analysis),
        *_degenerate(analysis),
        *_few_units(analysis),
        *_unequal_starts(analysis),
        *_budgets(analysis),
        *_software(analysis),
    ]


def _incomplete(analysis: Analysis) -> list[str]:
    counts = analysis.records.coverage[list(LOST)].sum()
    planned = analysis.records.coverage["planned"].sum()
    totals = [
        f"{counts[name]} of {planned} trials {words}; the tables show which."
        for name, words in LOST.items()
        if counts[name]
    ]
    return [*totals, *_incomplete_strategies(analysis)]


def _incomplete_strategies(analysis: Analysis) -> list[str]:
    """One sentence per strategy that lost trials, the worst first; a few of them."""
    table = analysis.records.coverage
    table = table[table["finished"] < table["planned"]]
    order = table.groupby("strategy")[list(LOST)].sum().sum(axis=1)
    order = order.sort_values(ascending=False, kind="stable")
    sentences = []
    for label in order.index[:NAMED]:
        rows = table[table["strategy"] == label]
        lost = [f"{rows[n].sum()} {words}" for n, words in LOST.items() if rows[n].sum()]
        cells = (analysis.records.coverage["strategy"] == label).sum()
        messages = [text for text in rows["message"] if text]
        said = f" The first message: {messages[0].splitlines()[0]}" if messages else ""
        sentences.append(f"{label}: {', '.join(lost)}, in {len(rows)} of {cells} cells.{said}")
    if len(order) > NAMED:
        sentences.append(f"{len(order) - NAMED} further strategies lost trials.")
    return sentences


def _degenerate(analysis: Analysis) -> list[str]:
    """One sentence per data set and setting; classifiers share the problems."""
    table = facts.place_table(analysis)
    found = table[table["degenerate"] != ""].drop_duplicates(["dataset", "setting"])
    sentences = []
    for _, row in found.iterrows():
        natural = re.search(r'class ("[^"]*") \((naturally [^)]*)\)', str(row.get("warnings", "")))
        more = f" Its rare class {natural[1]} is {natural[2]}." if natural else ""
        sentences.append(
            f"{row['dataset']}, {row['setting']}: degenerate, {row['degenerate']}.{more} "
            "It says little about strategies."
        )
    return sentences


def _few_units(analysis: Analysis) -> list[str]:
    found = out_of_reach(score_table(analysis, "objective", "auac"))
    if found is None:
        return []
    units, smallest, family = found
    intervals = " Intervals are t intervals." if units < BOOTSTRAP_FROM else ""
    return [
        f"Only {units} data splits per cell: no p of the paired test can be below {smallest:.3g}, "
        f"so after Holm's correction no comparison in a family of {family} can be significant."
        f"{intervals} Claims need about 50 splits."
    ]


def _unequal_starts(analysis: Analysis) -> list[str]:
    """Before the first acquisition all strategies of a problem have the same classifier."""
    keys = analysis.runs.keys.assign(start=analysis.runs.scores["objective"][:, 0])
    problem = ["dataset", "setting", "classifier", "data_seed", "seed"]
    usual = keys.groupby(problem)["start"].transform("median")
    other = (keys["start"] - usual).abs() > 1e-9
    if not other.any():
        return []
    problems = len(keys[problem].drop_duplicates())
    unequal = len(keys.loc[other, problem].drop_duplicates())
    names = [label for label in analysis.strategies if (keys.loc[other, "strategy"] == label).any()]
    return [
        f"In {unequal} of {problems} problems not all strategies start from the same score "
        f"(apart: {', '.join(names)}). Either the classifier is not deterministic, or the strategy "
        "changes how it is trained; these curves are not fully paired."
    ]


def _budgets(analysis: Analysis) -> list[str]:
    sentences = []
    for label in analysis.strategies:
        extra = facts.extra_labels(analysis, label) if analysis.roles[label] == "learned" else 0
        if extra > 0:
            run = "" if len(analysis.records.references) else " (the references stage was not run)"
            sentences.append(
                f"{label} reads {extra:.0f} reward labels that {analysis.random} does not have; "
                f"compare it with the fit on annotated and reward set without any acquisition{run}."
            )
    return sentences


def _software(analysis: Analysis) -> list[str]:
    sets = len(analysis.records.software)
    if sets < 2:
        return []
    return [
        f"The trials were run with {sets} different sets of package versions; "
        "results of the same configuration may differ between them."
    ]
