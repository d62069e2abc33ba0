"""Labels needed to reach a target, area against random, and regret to the oracles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench.results.analysis import Analysis, Place
from lalbench.results.scores import PLACE
from lalbench.results.statistics import mean_intervals, median_interval
from lalbench.results.summaries import (
    Runs,
    all_differences,
    labels_to_target,
    paired_curves,
    split_area,
    strategy_curves,
    unit_means,
)

FloatArray = NDArray[np.float64]
METRIC = "objective"


@dataclass(frozen=True)
class _Target:
    """A score to be reached at one place.

    Attributes:
        name: in the table.
        score: the score, or its mean over the runs.
        each: (m,) the score that each run has to reach; NaN where there is none.
        budget: (m,) labels that random used until it had that score after its last step; NaN where
            the score is not that of one run of random.
    """

    name: str
    score: float
    each: FloatArray
    budget: FloatArray


def target_table(analysis: Analysis) -> pd.DataFrame:
    """Labels until the score reaches a target, per place, target and strategy.

    Targets: ``random_final``, the mean last score of random; ``random_final_paired``, the last
    score of random's run with the same seeds; ``all_labels_95``, 95 % of the mean score with all
    labels (where the references stage was run). Columns: ``labels`` and ``labels_smooth``, medians
    over trials (inf: more than half never reach it, so the median lies beyond the budget),
    ``reached`` and ``trials`` (those that have the target); ``saving``, mean of 1 - labels / labels
    of random over the pairs in which both reach it, ``saving_pairs`` of ``pairs``.

    Of ``random_final_paired`` alone: ``share``, labels divided by the labels that random's run had
    after its last step, median over ``units`` (runs on one split count by their median) with the
    interval ``share_low`` … ``share_high`` (:func:`statistics.median_interval`); a trial that never
    reaches the target counts as inf.
    """
    rows = [
        row
        for place in analysis.places
        if (runs := analysis.at(place)) is not None
        for target in _targets(analysis, place, runs)
        for row in _target_rows(analysis, place, runs, target)
    ]
    columns = [*PLACE, "target", "score", "strategy", "labels", "labels_smooth", "reached"]
    columns += ["trials", "saving", "saving_pairs", "pairs", "share", "share_low", "share_high"]
    return pd.DataFrame(rows, columns=[*columns, "units"])


def _targets(analysis: Analysis, place: Place, runs: Runs) -> list[_Target]:
    nothing = np.full(len(runs), np.nan)
    found = []
    if analysis.random is not None:
        final = float(analysis.units(place, METRIC, "final")[analysis.random].mean())
        found.append(_Target("random_final", final, np.full(len(runs), final), nothing))
        each = _of_random(runs, runs.scores[METRIC][:, -1], analysis.random)
        budget = _of_random(runs, runs.labels[:, -1], analysis.random)
        found.append(_Target("random_final_paired", final, each, budget))
    table = analysis.records.references
    every = table[(table[PLACE] == list(place)).all(axis=1) & (table["strategy"] == "all_labels")]
    if len(every):
        score = 0.95 * float(every["objective"].mean())
        found.append(_Target("all_labels_95", score, np.full(len(runs), score), nothing))
    return [target for target in found if np.isfinite(target.score)]


def _of_random(runs: Runs, values: NDArray[Any], random: str) -> FloatArray:
    """(m,) the value that random's run with the same split and seeds has; NaN without one."""
    wide = runs.wide(values.astype(float))
    here = pd.MultiIndex.from_frame(runs.keys[["unit", "data_seed", "seed"]])
    if random not in wide:
        return np.full(len(runs), np.nan)
    return wide[random].reindex(here).to_numpy()


def _target_rows(
    analysis: Analysis, place: Place, runs: Runs, target: _Target
) -> list[dict[str, object]]:
    scores = runs.scores[METRIC]
    needed = labels_to_target(scores, runs.labels, target.each, smooth=False)
    smooth = labels_to_target(scores, runs.labels, target.each, smooth=True)
    wide = runs.wide(needed)
    rows: list[dict[str, object]] = []
    for label in analysis.strategies:
        mine = (runs.keys["strategy"] == label).to_numpy() & np.isfinite(target.each)
        if not mine.any():
            continue
        rows.append(
            {
                **dict(zip(PLACE, place, strict=True)),
                "target": target.name,
                "score": target.score,
                "strategy": label,
                "labels": censored_median(needed[mine]),
                "labels_smooth": censored_median(smooth[mine]),
                "reached": int(np.isfinite(needed[mine]).sum()),
                "trials": int(mine.sum()),
                **_saving(wide, runs, label, analysis.random),
                **_share_of_labels(runs.keys["unit"][mine], needed[mine], target.budget[mine]),
            }
        )
    return rows


def _share_of_labels(
    units: pd.Series, needed: FloatArray, budget: FloatArray
) -> dict[str, float | int]:
    """Labels needed as a share of random's, by data split; nothing where no run of random has them.

    Args:
        units: (k,) data split of each run.
        needed: (k,) labels until the target; NaN for never.
        budget: (k,) labels that random used.
    """
    names = ("share", "share_low", "share_high")
    if not np.isfinite(budget).any():
        return dict.fromkeys(names, float("nan")) | {"units": 0}
    ratios = pd.Series(needed / budget, index=units.to_numpy())
    by_unit = np.array([censored_median(part.to_numpy()) for _, part in ratios.groupby(level=0)])
    values = (censored_median(by_unit), *median_interval(by_unit))
    return dict(zip(names, values, strict=True)) | {"units": len(by_unit)}


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
