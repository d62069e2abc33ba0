"""Which classes strategies acquire, and how fast the annotated set becomes balanced.

All of it follows from ``class_counts``, the annotated labels per class after each step.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench.problems.settings import class_scheme
from lalbench.results.analysis import Analysis, Place
from lalbench.results.scores import PLACE
from lalbench.results.summaries import strategy_curves, unit_means
from lalbench.results.targets import censored_median

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BALANCED = 0.9
"""An annotated set with at least this normalised entropy counts as balanced.

With two classes that is a share of 0.32 for the smaller one; with ten classes of which five are
equally rare, 0.18 of the points for the five together.
"""


def entropy(counts: NDArray[np.integer]) -> FloatArray:
    """Normalised entropy of class distributions, (…, C) counts → (…,) in 0 … 1.

    -Σ p ln p / ln C (Shannon; Pielou's evenness): 1 where all classes are equally frequent, 0 where
    only one is there. NaN without any point, and with a single class.
    """
    total = counts.sum(axis=-1, keepdims=True)
    share = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    logs = np.log(share, out=np.zeros_like(share), where=share != 0)
    classes = counts.shape[-1]
    if classes < 2:
        return np.full(counts.shape[:-1], np.nan)
    # adding zero turns -0.0 of a single class into 0.0
    return np.asarray(-(share * logs).sum(axis=-1) / np.log(classes) + 0.0)


def rare_classes(analysis: Analysis, setting: str, n_classes: int) -> list[int]:
    """The labels of the smallest frequency of a setting, or the rare class that it names.

    Empty where all classes are equally frequent, or as frequent as in the data, and none is named.
    """
    spec = analysis.study.setting(setting)
    if spec.rare_class is not None:
        return [spec.rare_class]
    if spec.frequencies == "natural":
        return []
    factors = class_scheme(spec, [1] * n_classes).frequencies
    smallest = min(factors)
    if smallest == max(factors):
        return []
    return [label for label, factor in enumerate(factors) if factor == smallest]


def rare_share(
    analysis: Analysis, place: Place, counts: IntArray, *, fallback: bool = False
) -> FloatArray:
    """(m, T) share of the rare classes among (m, T, C) points.

    NaN where no class is rare; with ``fallback`` the share of the first class, as in the rare-class
    scores.
    """
    rare = rare_classes(analysis, place[2], counts.shape[-1]) or ([0] if fallback else [])
    if not rare:
        return np.full(counts.shape[:-1], np.nan)
    return np.asarray(counts[..., rare].sum(axis=-1) / counts.sum(axis=-1))


def acquired_rare_share(analysis: Analysis, place: Place, counts: IntArray) -> FloatArray:
    """(m, T - 1) share of the rare (or first) classes among all points acquired up to each step."""
    return rare_share(analysis, place, counts[:, 1:] - counts[:, :1], fallback=True)


def acquired_table(analysis: Analysis) -> pd.DataFrame:
    """Newly acquired points per step and class: one row per place, strategy, step and class.

    Columns: those of ``PLACE``, ``strategy``, ``step``, ``class`` (the label), ``rare``,
    ``units``, ``acquired`` (mean over units of the points that this step added), ``std`` (ddof of
    the protocol) and ``annotated`` (mean after the step).
    """
    parts = []
    for place in analysis.places:
        runs, counts = analysis.at(place), analysis.class_counts(place)
        if runs is None:
            continue
        steps, classes = counts.shape[1] - 1, counts.shape[2]
        rare = rare_classes(analysis, place[2], classes)
        new = np.diff(counts, axis=1).reshape(len(runs), -1)
        held = counts[:, 1:].reshape(len(runs), -1)
        grid = pd.MultiIndex.from_product([range(1, steps + 1), range(classes)])
        for label in analysis.strategies:
            added = unit_means(strategy_curves(runs, new.astype(float), label))
            if added.empty:
                continue
            part = grid.to_frame(index=False, name=["step", "class"])
            part["rare"] = part["class"].isin(rare)
            part["units"] = len(added)
            part["acquired"] = added.mean().to_numpy()
            part["std"] = added.std(ddof=analysis.protocol.ddof).to_numpy()
            annotated = unit_means(strategy_curves(runs, held.astype(float), label))
            part["annotated"] = annotated.mean().to_numpy()
            parts.append(part.assign(strategy=label, **dict(zip(PLACE, place, strict=True))))
    columns = [*PLACE, "strategy", "step", "class", "rare", "units", "acquired", "std", "annotated"]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns]


def balance_table(analysis: Analysis) -> pd.DataFrame:
    """Balance of the annotated set after every step: one row per place, strategy and step.

    Columns: those of ``PLACE``, ``strategy``, ``step``, ``labels``, ``units``, ``entropy`` (mean
    over units of the normalised entropy, :func:`entropy`) and ``entropy_std``, ``rare_share`` (of
    all rare classes; NaN where none is rare) and ``rare_share_std``.
    """
    parts = []
    for place in analysis.places:
        runs, counts = analysis.at(place), analysis.class_counts(place)
        if runs is None:
            continue
        values = {"entropy": entropy(counts), "rare_share": rare_share(analysis, place, counts)}
        labels = runs.labels.astype(float)
        for label in analysis.strategies:
            sizes = unit_means(strategy_curves(runs, labels, label))
            if sizes.empty:
                continue
            part = pd.DataFrame({"step": np.arange(counts.shape[1]), "labels": sizes.mean()})
            part["units"] = len(sizes)
            for name, curves in values.items():
                units = unit_means(strategy_curves(runs, curves, label))
                part[name] = units.mean().to_numpy()
                part[f"{name}_std"] = units.std(ddof=analysis.protocol.ddof).to_numpy()
            parts.append(part.assign(strategy=label, **dict(zip(PLACE, place, strict=True))))
    columns = [*PLACE, "strategy", "step", "labels", "units", "entropy", "entropy_std"]
    columns += ["rare_share", "rare_share_std"]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns]


def reached_table(analysis: Analysis) -> pd.DataFrame:
    """How fast a strategy balances the classes: one row per place and strategy.

    Columns: those of ``PLACE``, ``strategy``, ``start``, ``highest`` and ``last`` (mean normalised
    entropy before the first step, at its highest, and after the last step), ``rare_start`` and
    ``rare_last`` (mean share of the rare classes), ``steps`` and ``labels`` (medians over trials
    until the entropy first reaches ``BALANCED``; inf where half of them never do), ``reached`` of
    ``trials``.
    """
    return analysis.cached("reached", partial(_reached_table, analysis))


def _reached_table(analysis: Analysis) -> pd.DataFrame:
    rows = []
    for place in analysis.places:
        runs, counts = analysis.at(place), analysis.class_counts(place)
        if runs is None:
            continue
        curves, shares = entropy(counts), rare_share(analysis, place, counts)
        there = curves >= BALANCED
        first = np.where(there.any(axis=1), there.argmax(axis=1), -1)
        for label in analysis.strategies:
            mine = (runs.keys["strategy"] == label).to_numpy()
            if not mine.any():
                continue
            ends = unit_means(strategy_curves(runs, curves, label))
            rare = unit_means(strategy_curves(runs, shares, label)).mean()
            steps = np.where(first[mine] < 0, np.nan, first[mine])
            needed = np.take_along_axis(runs.labels[mine], first[mine][:, None], axis=1)[:, 0]
            rows.append(
                {
                    **dict(zip(PLACE, place, strict=True)),
                    "strategy": label,
                    "start": ends.mean().iloc[0],
                    "highest": ends.max(axis=1).mean(),
                    "last": ends.mean().iloc[-1],
                    "rare_start": rare.iloc[0],
                    "rare_last": rare.iloc[-1],
                    "steps": censored_median(steps),
                    "labels": censored_median(np.where(first[mine] < 0, np.nan, needed)),
                    "reached": int((first[mine] >= 0).sum()),
                    "trials": int(mine.sum()),
                }
            )
    columns = [*PLACE, "strategy", "start", "highest", "last", "rare_start", "rare_last", "steps"]
    return pd.DataFrame(rows, columns=[*columns, "labels", "reached", "trials"])
