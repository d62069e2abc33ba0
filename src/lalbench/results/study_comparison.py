"""Two studies beside each other: what they share, paired split by split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lalbench.errors import UserError
from lalbench.results.analysis import Analysis, Summary
from lalbench.results.scores import PLACE
from lalbench.results.statistics import compare, holm
from lalbench.results.summaries import paired_differences, unit_means

SIGNIFICANT = 0.05
"""An adjusted p below this is called a difference."""


def compare_studies(first: Analysis, second: Analysis, summary: Summary = "auac") -> pd.DataFrame:
    """One row per classifier, data set, setting and strategy that both studies ran.

    Args:
        first: of the study that is subtracted.
        second: of the other.
        summary: of a run's scores of the objective: their area, or the last one.

    Returns:
        ``classifier``, ``dataset``, ``setting``, ``strategy``, ``pairs`` (data splits that both
        studies ran it on), ``first`` and ``second`` (means over these), ``difference`` (second
        minus first) with its 95 % interval ``low`` … ``high``, ``p`` of Wilcoxon's signed-rank test
        and ``p_holm``, adjusted for all rows. Runs are paired by data split and seeds; without a
        common one the numbers are NaN.

    Raises:
        UserError: other objectives, protocols, labels, steps or budgets, or nothing in common.
    """
    _check_alike(first, second)
    rows, samples = [], []
    for place, strategy in _shared(first, second):
        both = pd.concat(
            {
                "first": first.wide(place, "objective", summary)[strategy],
                "second": second.wide(place, "objective", summary)[strategy],
            },
            axis=1,
        ).dropna()
        means = unit_means(both).mean()
        rows.append((*place, strategy, means["first"], means["second"]))
        samples.append(paired_differences(both, "second", "first"))
    if not rows:
        raise UserError(
            "studies",
            "they share no strategy on the same data set, setting and classifier",
            "compare studies with labels in common",
        )
    table = pd.DataFrame(rows, columns=[*PLACE, "strategy", "first", "second"])
    found = compare(samples)
    table.insert(4, "pairs", [each.n for each in found])
    for name, field in (("difference", "mean"), ("low", "low"), ("high", "high"), ("p", "p")):
        table[name] = [getattr(each, field) for each in found]
    table["p_holm"] = holm(table["p"].to_numpy())
    return table


def as_text(table: pd.DataFrame, summary: Summary) -> str:
    """The table for a terminal, and how many of its rows differ."""
    from tabulate import tabulate

    digits = 2 if summary == "auac" else 4
    shown = table.copy()
    for name in ("first", "second", "difference", "low", "high"):
        shown[name] = [_number(value, digits) for value in table[name]]
    shown["95 %"] = [
        f"{low} … {high}" for low, high in zip(shown["low"], shown["high"], strict=True)
    ]
    for name in ("p", "p_holm"):
        shown[name] = [f"{value:.2g}" if np.isfinite(value) else "–" for value in table[name]]
    columns = [*PLACE, "strategy", "pairs", "first", "second", "difference", "95 %", "p", "p_holm"]
    text = tabulate(shown[columns].values.tolist(), columns, disable_numparse=True)
    n_differ = int((table["p_holm"] < SIGNIFICANT).sum())
    unpaired = int((table["pairs"] == 0).sum())
    note = f"\n{unpaired} of {len(table)} have no data split in common" if unpaired else ""
    return f"{text}\n{n_differ} of {len(table)} differ (p_holm below {SIGNIFICANT}){note}"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"


def _check_alike(first: Analysis, second: Analysis) -> None:
    """What makes numbers of two studies comparable at all."""
    for name in ("objective", "protocol", "labels", "steps", "budget"):
        one, other = getattr(first.study, name), getattr(second.study, name)
        if one != other:
            raise UserError(
                name,
                f"{_said(one)} in the first study, {_said(other)} in the second",
                "compare like with like",
            )


def _said(value: object) -> str:
    options = getattr(value, "options", None)
    return f"{getattr(value, 'name', value)}{f' {dict(options)}' if options else ''}"


def _shared(first: Analysis, second: Analysis) -> Iterator[tuple[tuple[str, str, str], str]]:
    places = set(second.places)
    strategies = set(second.strategies)
    for place in first.places:
        if place in places:
            for strategy in first.strategies:
                if strategy in strategies:
                    yield place, strategy
