"""Published numbers beside ours, cell by cell: tolerances, agreement, and what was not run.

The published values are those of Bakker et al. (2023); the files are described in
``studies/reference/README.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lalbench.errors import UserError
from lalbench.results.rankings import ranks
from lalbench.results.records import read_all, read_references
from lalbench.results.summaries import Runs, auac

PLACE = ["dataset", "classifier", "setting"]
CELL = [*PLACE, "strategy"]
RUNS = 9
"""Runs per cell of the paper: three data seeds, three run seeds."""

NETWORK_RUNS = {"resnet18": 3}
"""Runs per cell of the paper's networks: three seeds (Tables 4 to 7)."""

OURS = {"unc_samp": "entropy", "np": "neural_process"}
"""Our labels of strategies that the paper calls otherwise."""

MEMBERS = {
    "logistic_regression": ("entropy", "k_center_greedy", "hal_uniform", "hal_gauss", "cbal"),
    "svm": ("f_score", "k_center_greedy"),
    "resnet18": (
        "entropy",
        "margin",
        "least_confident",
        "k_center_greedy",
        "learning_loss",
        "vaal",
        "uncertain_gcn",
        "core_gcn",
        "hal_uniform",
        "hal_gauss",
        "cbal",
    ),
}
"""The strategies in the paper's "AL average" and "best" of each classifier."""

UCI = ("waveform", "mushrooms", "adult")


@dataclass(frozen=True)
class Results:
    """What our trials of the paper's studies say, in the paper's terms.

    Attributes:
        cells: columns of ``CELL``, ``metric``, ``mean``, ``std`` (ddof 0), ``runs``.
        curves: trials with ``CELL``, ``data_seed``, ``seed`` and one column per step.
        software: the distinct sets of package versions that the trial files name.
    """

    cells: pd.DataFrame
    curves: pd.DataFrame
    software: tuple[dict[str, str], ...]

    @classmethod
    def of(cls, *results_dirs: Path) -> Results:
        """Reads the finished trials and the reference fits below the studies' folders.

        Raises:
            CorruptFileError: a file that cannot be read or contradicts others.
            UserError: there is no finished trial.
        """
        trials, software = read_all(*results_dirs)
        if trials.empty:
            raise UserError(
                ", ".join(map(str, results_dirs)),
                "holds no finished trial",
                "run studies/npal-tabular.yaml first",
            )
        runs = Runs.from_trials(trials)
        steps = pd.DataFrame(runs.scores["weighted_accuracy"])
        steps.columns = [f"step_{step}" for step in steps.columns]
        curves = runs.keys[[*CELL, "data_seed", "seed"]].join(steps)
        parts = [_cells(runs), _reference_cells(read_references(*results_dirs))]
        return cls(
            pd.concat([part for part in parts if len(part)], ignore_index=True), curves, software
        )


def _cells(runs: Runs) -> pd.DataFrame:
    values = {
        "auac": auac(runs.scores["weighted_accuracy"]),
        "final_accuracy": runs.scores["weighted_accuracy"][:, -1],
        "rare_precision": runs.scores["rare_precision"][:, -1],
        "rare_recall": runs.scores["rare_recall"][:, -1],
    }
    parts = [
        runs.keys[CELL].assign(value=column, metric=metric) for metric, column in values.items()
    ]
    return _summary(pd.concat(parts))


def _reference_cells(references: pd.DataFrame) -> pd.DataFrame:
    scores = references["weighted_accuracy"]
    return _summary(references[CELL].assign(value=scores, metric="final_accuracy"))


def _summary(values: pd.DataFrame) -> pd.DataFrame:
    grouped = values.groupby([*CELL, "metric"], sort=False)["value"]
    table = grouped.agg(mean="mean", std=lambda column: column.std(ddof=0), runs="size")
    return table.reset_index()


def tolerance(metric: str, strategy: str, published_std: float) -> float:
    """Largest difference of two means that counts as agreement.

    Two decimals are half a hundredth off at most; the rest covers ties. The neural process is
    trained anew, so its means may differ by two standard errors of the published runs.
    """
    base = {"auac": 0.015, "final_accuracy": 0.01, "rank": 0.34}.get(metric, 0.02)
    if metric == "auac":
        base = {"k_center_greedy": 0.03, "oracle": 0.05, "reward_oracle": 0.05}.get(strategy, base)
    if strategy == "np" and np.isfinite(published_std):
        base = max(base if metric != "auac" else 0.0, 2 * published_std / np.sqrt(RUNS))
    return base


def network_tolerance(metric: str, runs: int, published_std: float, our_std: float) -> float:
    """Largest difference of two means of trained networks that counts as agreement.

    Both sides draw new networks in each run, so two standard errors of the difference of two means
    are allowed, 2·√((s² + s'²) / (n - 1)) with the deviations of ddof 0 that the paper prints; at
    least what the rounding of any other cell gets.
    """
    spreads = np.nan_to_num(np.array([published_std, our_std]))
    noise = 2 * np.sqrt(np.sum(spreads**2) / (runs - 1))
    return max(tolerance(metric, "", float("nan")), float(noise))


def compare(
    published: pd.DataFrame, ours: pd.DataFrame, no_reference: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Published rows with our numbers and the outcome.

    Args:
        published: columns of ``CELL`` (the paper's names), ``metric``, ``mean``, ``std``; ``table``
            or ``figure`` where they come from one.
        ours: columns of ``CELL`` (our labels), ``metric``, ``mean``, ``std``, ``runs``.
        no_reference: rows of ``npal_not_a_reference.csv``.

    Returns:
        ``published`` with ``our_mean``, ``our_std``, ``runs``, ``difference``, ``tolerance``,
        ``no_reference`` (why the published row is none; empty if it is one) and ``outcome``:
        ``agrees``, ``differs``, ``incomplete`` (fewer runs than the paper's), ``no reference`` or
        ``not run``.
    """
    keys = [*CELL, "metric"]
    mine = ours.rename(columns={"mean": "our_mean", "std": "our_std", "strategy": "label"})
    named = published.assign(label=published["strategy"].replace(OURS))
    left = ["label" if key == "strategy" else key for key in keys]
    table = named.merge(mine, on=left, how="left").drop(columns="label")
    table["difference"] = (table["our_mean"] - table["mean"]).round(9)
    table["tolerance"] = [_tolerance(row) for _, row in table.iterrows()]
    table["no_reference"] = _why_no_reference(table, no_reference)
    table["outcome"] = [_outcome(row) for _, row in table.iterrows()]
    return table


def planned_runs(classifier: str) -> int:
    """Runs behind each of the paper's cells of a classifier."""
    return NETWORK_RUNS.get(classifier, RUNS)


def _tolerance(row: pd.Series) -> float:
    metric = str(row["metric"])
    if row["classifier"] in NETWORK_RUNS:
        runs = planned_runs(row["classifier"])
        return network_tolerance(metric, runs, row["std"], row["our_std"])
    return tolerance(metric, str(row["strategy"]), row["std"])


def _why_no_reference(table: pd.DataFrame, listed: pd.DataFrame | None) -> list[str]:
    """The reason per row; a source is "Table 4" or "Figure 1"."""
    if listed is None or table.empty:
        return [""] * len(table)
    keys = ["source", "classifier", "strategy"]
    reasons = listed.set_index(keys)["reason"].to_dict()
    sources = "Table " + table["table"] if "table" in table else table.get("figure", "")
    named = table.assign(source=sources)[keys]
    return [str(reasons.get(key, "")) for key in named.itertuples(index=False, name=None)]


def _outcome(row: pd.Series) -> str:
    if np.isnan(row["our_mean"]):
        return "not run"
    if row["runs"] < planned_runs(row["classifier"]):
        return "incomplete"
    if row["no_reference"]:
        return "no reference"
    return "agrees" if abs(row["difference"]) <= row["tolerance"] + 1e-9 else "differs"


def legend_cells(ours: pd.DataFrame) -> pd.DataFrame:
    """``al_average`` and ``best_al`` of every place whose members all ran; columns of ``ours``."""
    rows = []
    scores = ours[ours["metric"] == "auac"]
    for place, part in scores.groupby(PLACE, sort=False):
        members = MEMBERS.get(str(place[1]), ())
        found = part.set_index("strategy").reindex(members)
        if not members or found["mean"].isna().any():
            continue
        for name, value in (("al_average", found["mean"].mean()), ("best_al", found["mean"].max())):
            here = dict(zip(PLACE, place, strict=True))
            numbers = {"mean": value, "std": np.nan, "runs": int(found["runs"].min())}
            rows.append({**here, "strategy": name, "metric": "auac", **numbers})
    return pd.DataFrame(rows, columns=ours.columns)


def rank_cells(ours: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Mean ranks over the UCI sets among the strategies that the paper ranks; columns of ``ours``.

    Args:
        ours: our cells.
        published: rows with the metric ``rank``: which strategies are ranked for a classifier.
    """
    rows = []
    for (classifier, setting), part in published.groupby(["classifier", "setting"], sort=False):
        labels = list(part["strategy"].replace(OURS))
        here = ours[(ours["metric"] == "auac") & (ours["classifier"] == classifier)]
        here = here[(here["setting"] == setting) & here["strategy"].isin(labels)]
        means = here.pivot(index="dataset", columns="strategy", values="mean")
        means = means.reindex(index=UCI, columns=labels)
        if means.isna().any(axis=None):
            continue
        placed = ranks(means.to_numpy())
        for place, label in enumerate(labels):
            row = {"dataset": "", "classifier": classifier, "setting": setting, "strategy": label}
            column = placed[:, place]
            numbers = {"mean": column.mean(), "std": column.std(), "runs": int(here["runs"].min())}
            rows.append({**row, "metric": "rank", **numbers})
    return pd.DataFrame(rows, columns=ours.columns)


def curve_agreement(golden: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Equal scores per step against curves of an independent implementation, by cell.

    Returns:
        Columns of ``CELL``, ``curves`` (there), ``run`` (by us), ``identical`` (at every step),
        ``points`` and ``equal`` (scores of the curves that we ran, and those equal to 1e-6).
    """
    steps = [name for name in golden.columns if name.startswith("step_")]
    keys = [*CELL, "data_seed", "seed"]
    known = [name for name in steps if name in ours.columns]
    table = golden.merge(
        ours[[*keys, *known]], on=keys, how="left", suffixes=("", "_ours"), indicator=True
    ).reset_index(drop=True)
    table = table.reindex(columns=[*table.columns, *(f"{s}_ours" for s in steps if s not in known)])
    theirs, mine = table[steps].to_numpy(), table[[f"{step}_ours" for step in steps]].to_numpy()
    equal = np.isclose(theirs, mine, rtol=0, atol=1e-6)
    ran = (table["_merge"] == "both").to_numpy()
    counts = table[CELL].assign(
        curves=1,
        run=ran.astype(int),
        identical=(equal.all(axis=1) & ran).astype(int),
        points=ran * len(steps),
        equal=(equal & ran[:, None]).sum(axis=1),
    )
    return counts.groupby(CELL, sort=False).sum().reset_index()
