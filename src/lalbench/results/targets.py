"""Labels needed to reach a target, area against random, and regret to the oracles."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lalbench.results.analysis import Analysis, Place
from lalbench.results.scores import PLACE
from lalbench.results.statistics import mean_intervals
from lalbench.results.summaries import (
    Runs,
    all_differences,
    labels_to_target,
    paired_curves,
    split_area,
    strategy_curves,
    unit_means,
)

METRIC = "objective"


def target_table(analysis: Analysis) -> pd.DataFrame:
    """Labels until the score reaches a target, per place, target and strategy.

    Targets: ``random_final``, the mean last score of random; ``all_labels_95``, 95 % of the mean
    score with all labels (where the references stage was run). Columns: ``labels`` and
    ``labels_smooth``, medians over trials (inf: more than half never reach it, so the median lies
    beyond the budget), ``reached`` and ``trials``; ``saving``, mean of 1 - labels / labels of
    random over the pairs in which both reach it, ``saving_pairs`` of ``pairs``.
    """
    rows = [
        row
        for place in analysis.places
        if (runs := analysis.at(place)) is not None
        for name, target in _targets(analysis, place, runs).items()
        for row in _target_rows(analysis, place, runs, name, target)
    ]
    columns = [*PLACE, "target", "score", "strategy", "labels", "labels_smooth", "reached"]
    columns += ["trials", "saving", "saving_pairs", "pairs"]
    return pd.DataFrame(rows, columns=columns)


def _targets(analysis: Analysis, place: Place, runs: Runs) -> dict[str, float]:
    found = {}
    if analysis.random is not None:
        final = analysis.units(place, METRIC, "final")[analysis.random].mean()
        found["random_final"] = float(final)
    table = analysis.records.references
    every = table[(table[PLACE] == list(place)).all(axis=1) & (table["strategy"] == "all_labels")]
    if len(every):
        found["all_labels_95"] = 0.95 * float(every["objective"].mean())
    return {name: target for name, target in found.items() if np.isfinite(target)}


def _target_rows(
    analysis: Analysis, place: Place, runs: Runs, name: str, target: float
) -> list[dict[str, object]]:
    needed = labels_to_target(runs.scores[METRIC], runs.labels, target, smooth=False)
    smooth = labels_to_target(runs.scores[METRIC], runs.labels, target, smooth=True)
    wide = runs.wide(needed)
    rows: list[dict[str, object]] = []
    for label in analysis.strategies:
        mine = (runs.keys["strategy"] == label).to_numpy()
        if not mine.any():
            continue
        rows.append(
            {
                **dict(zip(PLACE, place, strict=True)),
                "target": name,
                "score": target,
                "strategy": label,
                "labels": censored_median(needed[mine]),
                "labels_smooth": censored_median(smooth[mine]),
                "reached": int(np.isfinite(needed[mine]).sum()),
                "trials": int(mine.sum()),
                **_saving(wide, runs, label, analysis.random),
            }
        )
    return rows


def censored_median(needed: np.ndarray) -> float:
    """Median with NaN (never reached) counted as beyond every number: inf if it falls there."""
    ordered = np.sort(np.where(np.isnan(needed), np.inf, needed))
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _saving(
    wide: pd.DataFrame, runs: Runs, label: str, random: str | None
) -> dict[str, float | int]:
    if random is None or random not in wide or label == random:
        return {"saving": float("nan"), "saving_pairs": 0, "pairs": 0}
    # a NaN in ``wide`` is a trial that never reached the target, or none at all: tell them apart
    ran = runs.wide(np.ones(len(runs)))[[label, random]].notna().all(axis=1)
    ratio = (1 - wide[label] / wide[random])[ran].dropna()
    saving = float(ratio.mean()) if len(ratio) else float("nan")
    return {"saving": saving, "saving_pairs": len(ratio), "pairs": int(ran.sum())}


def area_table(analysis: Analysis) -> pd.DataFrame:
    """Area between a strategy's curve and random's, split: ahead of it, behind it (mean of units).

    ``ahead - behind`` is the mean paired AUAC difference; both large means that the curves cross.
    """
    rows = []
    for place in analysis.places:
        runs = analysis.at(place)
        if runs is None or analysis.random is None:
            continue
        random = strategy_curves(runs, runs.scores[METRIC], analysis.random)
        for label in analysis.strategies:
            if label == analysis.random:
                continue
            curves = strategy_curves(runs, runs.scores[METRIC], label)
            ahead, behind = split_area(paired_curves(curves, random))
            counts = {"units": len(ahead), "ahead": _mean(ahead), "behind": _mean(behind)}
            rows.append({**dict(zip(PLACE, place, strict=True)), "strategy": label, **counts})
    return pd.DataFrame(rows, columns=[*PLACE, "strategy", "units", "ahead", "behind"])


def regret_table(analysis: Analysis) -> pd.DataFrame:
    """AUAC of each bound minus that of each strategy, paired, and the share of the bound's gain.

    ``share`` = (strategy - random) / (bound - random) of the mean AUACs, given only where the
    denominator exceeds its standard error.
    """
    bounds = [label for label in analysis.strategies if analysis.roles[label] == "bound"]
    rows, samples = [], []
    for place in analysis.places:
        wide = analysis.wide(place, METRIC, "auac")
        for bound in bounds:
            for label in analysis.contenders:
                regret = all_differences(wide, [(bound, label)])[0]
                samples.append(regret)
                rows.append(
                    {
                        **dict(zip(PLACE, place, strict=True)),
                        "bound": bound,
                        "strategy": label,
                        "pairs": len(regret),
                        "regret": _mean(regret),
                        "share": _share(wide, label, bound, analysis.random),
                    }
                )
    columns = [*PLACE, "bound", "strategy", "pairs", "regret", "low", "high", "share"]
    table = pd.DataFrame(rows, columns=columns)
    table[["low", "high"]] = mean_intervals(samples)
    return table


def _share(wide: pd.DataFrame, label: str, bound: str, random: str | None) -> float:
    if random is None or label == random:
        return float("nan")
    complete = unit_means(wide[[label, bound, random]].dropna())
    if len(complete) < 2:
        return float("nan")
    gain = complete[bound] - complete[random]
    if not gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
        return float("nan")
    return float((complete[label] - complete[random]).mean() / gain.mean())


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
