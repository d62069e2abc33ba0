"""How ranks, tests over data sets, matrices and further metrics are shown."""

from __future__ import annotations

import math

import pandas as pd

from lalbench.records import METRICS
from lalbench.results import overall
from lalbench.results.analysis import Analysis
from lalbench.results.render import Block, Table, interval, named, number, p_value
from lalbench.results.scores import PLACE


def rank_table(analysis: Analysis) -> Table:
    """Mean ranks over data sets and over paired units, interquartile means."""
    data = overall.rank_table(analysis)
    blocks = [
        Block(str(classifier), _rank_rows(part))
        for classifier, part in data.groupby("classifier", sort=False)
    ]
    caption = (
        "Rank 1 is the largest AUAC; bounds are ranked too. Rank: mean ± standard deviation (ddof "
        f"{analysis.protocol.ddof}) over the data sets. By unit: mean rank over paired data splits "
        "with 95 % bootstrap interval (splits resampled inside each data set). IQM: interquartile "
        "mean of AUAC / steps over all units, with its interval. – : not run on every data set. "
        "Ranks hang on differences of a few thousandths; read them with the intervals."
    )
    return Table("ranks", f"Ranks by AUAC of {analysis.objective}", caption, data, blocks)


def _rank_rows(part: pd.DataFrame) -> pd.DataFrame:
    columns: dict[tuple[str, str], list[str]] = {}
    for setting, rows in part.groupby("setting", sort=False):
        every = [row for _, row in rows.iterrows()]
        columns.setdefault(("strategy", ""), [named(row) for row in every])
        columns[str(setting), "rank"] = [_plus_minus(row["rank"], row["std"]) for row in every]
        columns[str(setting), "by unit"] = [
            f"{number(row['unit_rank'], 2)} {interval(row['low'], row['high'], 2)}".strip()
            for row in every
        ]
        columns[str(setting), "IQM"] = [
            f"{number(row['iqm'], 3)} {interval(row['iqm_low'], row['iqm_high'], 3)}".strip()
            for row in every
        ]
    shown = pd.DataFrame(columns)
    shown.columns = pd.MultiIndex.from_tuples(list(columns))
    return shown


def _plus_minus(mean: float, std: float) -> str:
    return number(mean, 2) + (f" ± {number(std, 2)}" if not math.isnan(std) else "")


def across_table(analysis: Analysis) -> Table:
    """Friedman's test and how firm the ranking is."""
    data = overall.across_table(analysis)
    rows = []
    for _, row in data.iterrows():
        first = row.get("first", "–")
        share = row.get("leads_share", math.nan)
        lead = f"{row.get('leads_most', '–')} ({100 * share:.0f} %)" if share == share else "–"
        tau = f"{number(row.get('tau', math.nan), 2)} "
        tau += interval(row.get("tau_low", math.nan), row.get("tau_high", math.nan), 2)
        shown = {
            "classifier": row["classifier"],
            "units": str(row["units"]),
            "strategies": str(row["strategies"]),
            "Friedman p": p_value(row["friedman_p"]),
            "first": str(first),
            "leads most": lead,
            "τ, resampled": tau.strip(),
        }
        for metric in overall.OTHER_METRICS:
            shown[f"τ, {metric.replace('_', ' ')}"] = number(row.get(f"tau_{metric}", math.nan), 2)
        rows.append(shown)
    caption = (
        "Over (data set, setting) units, bounds apart. Friedman: p that all strategies are the "
        "same. First: who leads by mean rank; tie: nobody leads in 95 % of the resamples of the "
        f"units, or there are fewer than {overall.LEAST_UNITS} units. τ: Kendall's correlation of "
        "the ranking with the resampled ones (mean, 95 % range), and with the ranking by the AUAC "
        "of another metric."
    )
    block = Block("", pd.DataFrame(rows))
    return Table("across_data_sets", "Over all data sets, and how firm", caption, data, [block])


def comparison_table(analysis: Analysis) -> Table:
    """Multi-comparison over (data set, setting) units."""
    data = overall.comparison_table(analysis)
    blocks = []
    for classifier, part in data.groupby("classifier", sort=False):
        rows = [
            {
                "first": row["first"],
                "second": row["second"],
                "difference": number(row["difference"], 4),
                "wins / ties / losses": f"{row['wins']} / {row['ties']} / {row['losses']}",
                "p": p_value(row["p"]),
                "p (Holm)": p_value(row["p_holm"]),
            }
            for _, row in part.iterrows()
        ]
        blocks.append(Block(str(classifier), pd.DataFrame(rows)))
    caption = (
        "First minus second: mean AUAC / steps over the (data set, setting) units in which all "
        "strategies ran, ordered by their mean. p: Wilcoxon signed-rank over units; Holm over all "
        "pairs of the classifier. Settings of one data set are not independent: read p as a guide."
    )
    name = "multi_comparison"
    return Table(name, "All strategies against all", caption, data, blocks, long=True)


def penalty_table(analysis: Analysis) -> Table:
    """Pairwise penalty matrix."""
    data = overall.penalty_table(analysis)
    blocks = []
    for classifier, part in data.groupby("classifier", sort=False):
        values = part.drop(columns="classifier").set_index("strategy")
        shown = values.map(lambda value: number(value, 2)).reset_index()
        blocks.append(Block(str(classifier), shown, summary_rows=1))
    caption = (
        "Share of label counts at which the row beats the column by a paired t test on the 5 % "
        "level, mean over (data set, setting) experiments (Ash et al. 2020). Last row: how often a "
        "strategy is beaten, on average; lower is better."
    )
    return Table("penalty", "Pairwise penalty matrix", caption, data, blocks, long=True)


def metric_table(analysis: Analysis) -> Table:
    """Mean last score of every metric."""
    data = overall.metric_table(analysis)
    names = [name for name in METRICS if name != "objective"]
    blocks = []
    for key, part in data.groupby(PLACE, sort=False):
        shown = part[["strategy"]].copy()
        for name in names:
            shown[name.replace("_", " ")] = [number(value, 3) for value in part[name]]
        blocks.append(Block(", ".join(str(label) for label in key), shown))
    caption = (
        "Means over data splits after the last step. Plain accuracy misleads where classes are "
        "imbalanced. – : the metric needs probabilities that the classifier does not give."
    )
    return Table("metrics", "Last scores by every metric", caption, data, blocks, long=True)
