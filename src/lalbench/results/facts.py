"""What stands beside the scores: coverage, label budgets, fits without active learning, cost.

Scores alone mislead where pools are small or classes rare, and where one strategy reads more labels
than another.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from lalbench.problems.problem import FEW_RARE_POINTS
from lalbench.results.analysis import Analysis, Place
from lalbench.results.scores import PLACE, score_table
from lalbench.results.statistics import detectable_difference
from lalbench.results.summaries import all_differences

FEW_PER_PICK = 5
"""A pool with fewer points per pick than this leaves nothing to choose from."""

REFERENCE_LINES = {
    "annotated": "annotated set before any acquisition",
    "annotated_reward": "annotated and reward set, no acquisition",
    "all_labels": "annotated set and the whole pool",
}
"""Fits without active learning (:mod:`lalbench.results.references`)."""


def coverage_table(analysis: Analysis) -> pd.DataFrame:
    """Planned, finished, failed, timed-out and missing trials per cell, with the first message."""
    table = analysis.records.coverage
    return table[[*PLACE, *[name for name in table.columns if name not in PLACE]]]


def place_table(analysis: Analysis) -> pd.DataFrame:
    """One row per place: sizes, rare points, copies, degenerate flags, what can be detected.

    ``degenerate`` names the reason: fewer than 5 pool points per pick, or fewer than 5 points of
    the rare class in the pool or the test set (the smallest over the splits decides).
    ``shared_rows`` (mean) and ``warnings`` (of one problem) come from the references stage.
    ``half_width`` is the median half-width of the 95 % interval of the mean AUAC,
    ``detectable`` the mean paired AUAC difference to random that the design finds with power 0.8.
    """
    rows = []
    for place in analysis.places:
        runs = analysis.at(place)
        row: dict[str, object] = dict(zip(PLACE, place, strict=True))
        if runs is None:
            rows.append(row | {"degenerate": ""})
            continue
        keys = runs.keys
        row |= {
            "units": keys["unit"].nunique(),
            "pool": int(keys["n_pool"].min()),
            "picks": analysis.study.steps * analysis.study.budget,
            "rare_in_pool": int(keys["rare_in_pool"].min()),
            "rare_in_test": int(keys["rare_in_test"].min()),
        }
        row |= _from_problems(analysis, place)
        row["half_width"], row["detectable"] = _resolution(analysis, place)
        rows.append(row | {"degenerate": degenerate(row)})
    return pd.DataFrame(rows)


def degenerate(row: dict[str, object]) -> str:
    """Why a cell is too small to tell strategies apart; empty if it is not."""
    numbers = {name: value for name, value in row.items() if isinstance(value, int)}
    reasons = []
    if numbers["pool"] < FEW_PER_PICK * numbers["picks"]:
        reasons.append(f"pool of {numbers['pool']} for {numbers['picks']} picks")
    for part in ("pool", "test"):
        count = numbers[f"rare_in_{part}"]
        if count < FEW_RARE_POINTS:
            reasons.append(f"{count} rare points in the {part}")
    return "; ".join(reasons)


def _from_problems(analysis: Analysis, place: Place) -> dict[str, object]:
    """What only the problems know: rows with a copy in another part, and their own warnings."""
    found = _references_at(analysis, place)
    if found.empty:
        return {"shared_rows": float("nan"), "warnings": ""}
    warnings = sorted({text for text in found["warnings"] if text})
    return {
        "shared_rows": float(found["shared_rows"].mean()),
        "warnings": warnings[0] if warnings else "",
    }


def _resolution(analysis: Analysis, place: Place) -> tuple[float, float]:
    table = score_table(analysis, "objective", "auac")
    here = table[(table[PLACE] == list(place)).all(axis=1)]
    half = (here["high"] - here["low"]).median() / 2
    if analysis.random is None:
        return float(half), float("nan")
    pairs = [(name, analysis.random) for name in analysis.contenders if name != analysis.random]
    samples = all_differences(analysis.wide(place, "objective", "auac"), pairs)
    known = [sample for sample in samples if len(sample) > 1]
    if not known:
        return float(half), float("nan")
    deviation = float(np.median([sample.std(ddof=1) for sample in known]))
    return float(half), detectable_difference(deviation, int(max(map(len, known))))


def label_budget_table(analysis: Analysis) -> pd.DataFrame:
    """Labels that each strategy has read after the last step, per data set and setting.

    ``label_budget``: annotated, acquired, and reward labels if it reads them. ``labels_asked``:
    hidden pool labels it asked for on the way, per trial (bounds ask for all of them).
    """
    columns = ["dataset", "setting", "strategy"]
    parts = analysis.runs.keys.groupby(columns, sort=False)
    found = parts[["label_budget", "labels_asked"]].mean()
    every = list(product(analysis.datasets, analysis.settings, analysis.strategies))
    table = found.reindex(pd.MultiIndex.from_tuples(every, names=columns)).reset_index()
    return table.assign(role=table["strategy"].map(analysis.roles))


def extra_labels(analysis: Analysis, label: str) -> float:
    """Labels that a strategy reads more than random, mean over trials; 0 where one did not run."""
    keys = analysis.runs.keys
    mine = keys.loc[keys["strategy"] == label, "label_budget"]
    plain = keys.loc[keys["strategy"] == analysis.random, "label_budget"]
    return float(mine.mean() - plain.mean()) if len(mine) and len(plain) else 0.0


def reference_table(analysis: Analysis) -> pd.DataFrame:
    """Scores without active learning beside the last scores of the strategies.

    One row per place and line of ``REFERENCE_LINES``: labels used, objective (mean over units),
    and how many strategies (bounds apart) end above it. Empty where the stage was not run.
    """
    rows = []
    for place in analysis.places:
        found = _references_at(analysis, place)
        final = analysis.units(place, "objective", "final")[analysis.contenders].mean()
        for line in REFERENCE_LINES:
            here = found[found["strategy"] == line]
            if here.empty:
                continue
            score = here.groupby("split_hash")["objective"].mean().mean()
            rows.append(
                {
                    **dict(zip(PLACE, place, strict=True)),
                    "line": line,
                    "labels": here["n_labels"].mean(),
                    "objective": score,
                    "strategies_above": int((final > score).sum()),
                    "strategies": int(final.notna().sum()),
                }
            )
    columns = [*PLACE, "line", "labels", "objective", "strategies_above", "strategies"]
    return pd.DataFrame(rows, columns=columns)


def _references_at(analysis: Analysis, place: Place) -> pd.DataFrame:
    table = analysis.records.references
    return table[(table[PLACE] == list(place)).all(axis=1)]


PARTS = ("seconds_signals", "seconds_select", "seconds_fit", "seconds_learn")
"""What a step takes; they do not overlap."""

GPU = {"gpu_memory_mib": "max", "gpu_utilisation": "mean"}
"""Columns that only steps on a GPU have, and how they are put together."""


def cost_table(analysis: Analysis) -> pd.DataFrame:
    """Measured seconds per classifier and strategy; differs between runs, so never in ``tables/``.

    Columns: median seconds of a step for the network's passes over images, to select (without
    them), to fit and to learn; ``step``, the median of the four together; mean seconds of a whole
    trial, trials measured; the largest GPU memory in MiB and the mean utilisation in percent. What
    no trial measured is NaN.
    """
    columns = ["classifier", "strategy"]
    timings = analysis.records.timings
    names = [*PARTS, *GPU]
    # records of older versions lack some columns
    measured = timings[[*columns, "dataset", "setting", "data_seed", "seed", "step"]].join(
        timings.reindex(columns=names).astype(float)
    )
    measured["seconds"] = measured[list(PARTS)].sum(axis=1)
    rounds = measured[measured["step"] > 0].groupby(columns)
    trial = measured.groupby([*columns, "dataset", "setting", "data_seed", "seed"])["seconds"].sum()
    table = pd.DataFrame(
        {
            "signals_per_step": rounds["seconds_signals"].median(),
            "select_per_step": rounds["seconds_select"].median(),
            "fit_per_step": rounds["seconds_fit"].median(),
            "learn_per_step": rounds["seconds_learn"].median(),
            "step": rounds["seconds"].median(),
            "trial": trial.groupby(columns).mean(),
            "trials": trial.groupby(columns).size(),
            **{name: measured.groupby(columns)[name].agg(how) for name, how in GPU.items()},
        }
    )
    every = [(c, s) for c in analysis.classifiers for s in analysis.strategies]
    return table.reindex(pd.MultiIndex.from_tuples(every, names=columns)).reset_index()
