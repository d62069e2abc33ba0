"""How scores, paired differences, rare-class scores and all pairs are shown."""

from __future__ import annotations

import math

import pandas as pd

from lalbench.results.analysis import Analysis, Summary
from lalbench.results.render import Block, Table, by_classifier, interval, named, number, p_value
from lalbench.results.scores import BEST_RULES, PLACE, all_pairs, out_of_reach, score_table
from lalbench.results.statistics import ALPHA, BOOTSTRAP_FROM, RESAMPLES

METRIC = "objective"
DIGITS: dict[Summary, int] = {"auac": 2, "final": 3}


def score_tables(analysis: Analysis) -> list[Table]:
    """AUAC and last score, and both as paired differences to random."""
    tables = []
    for summary in ("auac", "final"):
        data = score_table(analysis, METRIC, summary)
        tables.append(_scores(analysis, data, summary))
        if analysis.random is not None:
            tables.append(_against_random(analysis, data, summary))
    return tables


def title(analysis: Analysis, summary: Summary) -> str:
    """What a summary of the objective is called."""
    of = {"auac": "Area under the curve (AUAC) of", "final": "Last score:"}[summary]
    return f"{of} {analysis.objective}"


def _scores(analysis: Analysis, data: pd.DataFrame, summary: Summary) -> Table:
    digits = DIGITS[summary]
    blocks = by_classifier(data, lambda row: score_cell(row, digits))
    return Table(summary, title(analysis, summary), _caption(analysis, data, summary), data, blocks)


def score_cell(row: pd.Series, digits: int) -> str:
    """``8.67 ± 0.17 ▲``; fewer runs than planned are counted; ERR, TLE or not run without any."""
    if not row["finished"]:
        if row["timed_out"] + row["failed"] == 0:
            return "not run"
        word = "TLE" if row["timed_out"] else "ERR"
        return f"{word} 0/{row['planned']}"
    text = number(row["mean"], digits)
    if not math.isnan(row["std"]):
        text += f" ± {number(row['std'], digits)}"
    if row["p_holm"] < ALPHA:
        text += " ▲" if row["difference"] > 0 else " ▼"
    if row["finished"] < row["planned"]:
        text += f" † {row['finished']}/{row['planned']}"
    return f"**{text}**" if row["best"] else text


def _caption(analysis: Analysis, data: pd.DataFrame, summary: Summary) -> str:
    protocol = analysis.protocol
    what = {
        "auac": f"Trapezoid of the test score over steps 0 to {analysis.study.steps} with unit "
        f"spacing (at most {analysis.study.steps} for a score in 0 to 1).",
        "final": f"Test score after step {analysis.study.steps}.",
    }[summary]
    units = data["units"].max()
    parts = [
        what,
        f"Mean ± standard deviation (ddof {protocol.ddof}) over {unit_words(analysis, units)}.",
        f"Bold: {BEST_RULES[protocol.best]}.",
    ]
    if analysis.random is not None:
        parts.append(
            "▲ or ▼: better or worse than random by the paired Wilcoxon signed-rank test, p < 0.05 "
            "after Holm's correction over all comparisons with random of the same classifier and "
            "setting." + _smallest_p(data)
        )
    if (data["finished"] < data["planned"]).any():
        parts.append("† fewer runs than planned; ERR and TLE: all failed or ran out of time.")
    return " ".join(parts)


def unit_words(analysis: Analysis, units: int) -> str:
    """What the mean is over: data splits, with the number of runs on each where it is not one."""
    runs = len(analysis.runs.keys[["data_seed", "seed"]].drop_duplicates())
    words = f"{units} data splits" if units != 1 else "1 data split"
    return words if runs == units else f"{words} ({runs} runs; runs on one split are averaged)"


def _smallest_p(data: pd.DataFrame) -> str:
    """What so few units can show at all; nothing where they are enough."""
    found = out_of_reach(data)
    if found is None:
        return ""
    units, smallest, family = found
    return (
        f" With {units} units no p can be below {smallest:.3g}, so in a family of {family} "
        "comparisons none can be marked: look at the intervals of the paired differences."
    )


def _against_random(analysis: Analysis, data: pd.DataFrame, summary: Summary) -> Table:
    columns = [*PLACE, "strategy", "role", "planned", "pairs", "difference", "difference_low"]
    columns += ["difference_high", "p", "p_holm", "effect"]
    rows = data.loc[data["strategy"] != analysis.random, columns].reset_index(drop=True)
    blocks = [
        Block(str(classifier), _difference_rows(part))
        for classifier, part in rows.groupby("classifier", sort=False)
    ]
    caption = (
        "Strategy minus random, paired by data split and seeds; only pairs in which both runs "
        f"finished, counted beside those planned. {interval_words()} p: Wilcoxon signed-rank, "
        "two-sided, zeros by Pratt's method. Holm: over all comparisons with random of the same "
        "classifier and setting. Effect: matched-pairs rank-biserial correlation (1: better in "
        "every pair)."
    )
    name = f"{summary}_vs_random"
    return Table(name, f"{title(analysis, summary)}, against random", caption, rows, blocks, True)


def interval_words() -> str:
    """How the intervals were made."""
    return (
        f"95 % intervals: BCa bootstrap of the paired differences ({RESAMPLES:,} resamples), or "
        f"the t interval for fewer than {BOOTSTRAP_FROM} units."
    )


def _difference_rows(part: pd.DataFrame) -> pd.DataFrame:
    shown = [
        {
            "data set": row["dataset"],
            "setting": row["setting"],
            "strategy": named(row),
            "pairs": f"{row['pairs']}/{row['planned']}",
            "difference": number(row["difference"], 3),
            "95 % interval": interval(row["difference_low"], row["difference_high"], 3) or "–",
            "p": p_value(row["p"]),
            "p (Holm)": p_value(row["p_holm"]),
            "effect": number(row["effect"], 2),
        }
        for _, row in part.iterrows()
    ]
    return pd.DataFrame(shown)


def rare_class_table(analysis: Analysis) -> Table:
    """Precision and recall of the rare class after the last step (Bakker et al., Tables 8, 12)."""
    keys = [*PLACE, "strategy"]
    parts = {
        name: score_table(analysis, name, "final") for name in ("rare_precision", "rare_recall")
    }
    data = parts["rare_precision"][[*keys, "role", "planned", "finished", "failed", "timed_out"]]
    for name, part in parts.items():
        columns = {"mean": name, "std": f"{name}_std", "low": f"{name}_low", "high": f"{name}_high"}
        data = data.merge(part[[*keys, *columns]].rename(columns=columns), on=keys)
    blocks = [
        Block(f"{classifier}, {dataset}", _rare_rows(part))
        for (classifier, dataset), part in data.groupby(["classifier", "dataset"], sort=False)
    ]
    caption = (
        "Test points after the last step, unweighted; mean ± standard deviation "
        f"(ddof {analysis.protocol.ddof}) over data splits. Precision is 0 where the rare class is "
        "never predicted. The rare class is the first of those with the smallest frequency, so "
        "in a balanced setting the first of all."
    )
    return Table("rare_class", "Precision and recall of the rare class", caption, data, blocks)


def _rare_rows(part: pd.DataFrame) -> pd.DataFrame:
    columns: dict[tuple[str, str], list[str]] = {}
    for setting, rows in part.groupby("setting", sort=False):
        columns.setdefault(("strategy", ""), [named(row) for _, row in rows.iterrows()])
        for name, short in (("rare_precision", "precision"), ("rare_recall", "recall")):
            columns[str(setting), short] = [
                f"{number(row[name], 2)} ± {number(row[f'{name}_std'], 2)}"
                if row["finished"]
                else score_cell(row, 2)
                for _, row in rows.iterrows()
            ]
    shown = pd.DataFrame(columns)
    shown.columns = pd.MultiIndex.from_tuples(list(columns))
    return shown


def pair_tables(analysis: Analysis) -> list[Table]:
    """Every pair of strategies at every place, for the AUAC and the last score."""
    tables = []
    for summary in ("auac", "final"):
        data = all_pairs(analysis, METRIC, summary)
        blocks = [
            Block(f"{classifier}, {dataset}, {setting}", _pair_rows(part))
            for (classifier, dataset, setting), part in data.groupby(PLACE, sort=False)
        ]
        caption = (
            f"First minus second, paired by data split and seeds. {interval_words()} Holm: over "
            "all pairs at all data sets of the same classifier and setting, bounds included."
        )
        name = f"{summary}_all_pairs"
        heading = f"{title(analysis, summary)}, all pairs"
        tables.append(Table(name, heading, caption, data, blocks, long=True))
    return tables


def _pair_rows(part: pd.DataFrame) -> pd.DataFrame:
    shown = [
        {
            "first": row["first"],
            "second": row["second"],
            "pairs": str(row["pairs"]),
            "difference": number(row["difference"], 3),
            "95 % interval": interval(row["difference_low"], row["difference_high"], 3) or "–",
            "p": p_value(row["p"]),
            "p (Holm)": p_value(row["p_holm"]),
            "effect": number(row["effect"], 2),
        }
        for _, row in part.iterrows()
    ]
    return pd.DataFrame(shown)
