"""What the numbers say, in sentences for the top of the report; each has a test or interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import pandas as pd

from lalbench.results import overall
from lalbench.results.analysis import Analysis
from lalbench.results.facts import extra_labels
from lalbench.results.render import interval, number, p_value
from lalbench.results.shown_standing import DIGITS
from lalbench.results.standing import ranked, smallest_p, standing_table
from lalbench.results.statistics import ALPHA

NAMED = 3
"""Strategies that a sentence names before it counts the others."""


@dataclass(frozen=True)
class Finding:
    """What was found with one classifier.

    Attributes:
        classifier: its label.
        winner: who won, by how much; or that nobody can be said to have won.
        more: how sure that is, and what else the tests say.
    """

    classifier: str
    winner: str
    more: Sequence[str]


def findings(analysis: Analysis) -> list[Finding]:
    """One finding per classifier, in the study's order."""
    table = standing_table(analysis)
    across = {row["classifier"]: row for _, row in overall.across_table(analysis).iterrows()}
    return [
        _finding(analysis, str(classifier), part, across[classifier])
        for classifier, part in table.groupby("classifier", sort=False)
    ]


def _finding(analysis: Analysis, classifier: str, part: pd.DataFrame, across: pd.Series) -> Finding:
    rows = ranked(part)
    if rows.empty:
        winner = "Nobody can be first: no strategy finished at every data set and setting."
        return Finding(classifier, winner, _cells(analysis, part))
    first = rows.iloc[0]
    if len(rows) == 1:
        winner = f"Only {first['strategy']} finished at every data set and setting."
        return Finding(classifier, winner, _cells(analysis, part))
    apart = list(part.loc[(part["role"] != "bound") & part["mean"].isna(), "strategy"])
    winner = f"{_verdict(rows, whole=not apart)} {_size(analysis, first)}"
    more = [
        *_separation(rows),
        *_left_out(apart),
        *_more_labels(analysis, first["strategy"]),
        *_ranks(across),
        *_cells(analysis, part),
    ]
    return Finding(classifier, winner, more)


def _left_out(apart: list[str]) -> list[str]:
    """Strategies that might have been first, had they finished."""
    if not apart:
        return []
    return [f"Not in this order, as they did not finish everywhere: {', '.join(apart)}."]


def _more_labels(analysis: Analysis, first: str) -> list[str]:
    extra = extra_labels(analysis, first)
    if extra <= 0:
        return []
    return [f"{first} reads {extra:.0f} labels more than {analysis.random} does."]


def _verdict(rows: pd.DataFrame, *, whole: bool) -> str:
    """Who has the highest score, and whether the test tells it from all others."""
    first, others = rows.iloc[0]["strategy"], rows.iloc[1:]
    if (others["behind_p"] < ALPHA).all():
        every = "every other strategy" if whole else "the others that finished everywhere"
        return f"{first} is first, and the paired test tells it apart from {every}."
    return f"No clear winner; {first} has the highest mean."


def _size(analysis: Analysis, first: pd.Series) -> str:
    """The first strategy's score, and its paired difference to random."""
    score = f"Its {analysis.objective}, averaged over steps, {_places(first)} and "
    score += f"{_splits(first['units'])}, is {number(first['mean'], DIGITS)}"
    random = analysis.random
    if random is None:
        return f"{score}."
    if first["strategy"] == random:
        return f"{score}: no strategy has a higher one than {random} selection."
    difference = first["difference"]
    between = interval(first["low"], first["high"], DIGITS) or "no interval"
    told = "" if first["p_holm"] < ALPHA else f": not told apart from {random}"
    return (
        f"{score}: {number(abs(difference), DIGITS)} {'above' if difference >= 0 else 'below'} "
        f"{random} (95 % interval of the difference {between}; "
        f"{_p(first['p_holm'])}, Holm-adjusted{told})."
    )


def _separation(rows: pd.DataFrame) -> list[str]:
    """From whom the paired test tells the first strategy, or that it cannot."""
    first, others = rows.iloc[0]["strategy"], rows.iloc[1:]
    near = others[~(others["behind_p"] < ALPHA)]
    pairs = comb(len(rows), 2)
    lead = _lead(first, others.iloc[0])
    if near.empty:
        largest = _p(others["behind_p"].max())
        return [f"{lead} Against the others at most {largest}, Holm-adjusted over all pairs."]
    units = int(rows["units"].min())
    if smallest_p(units) * pairs > ALPHA:
        return [
            f"{lead} With {_splits(units)} no p of the test is small enough for Holm's correction "
            f"over {_all_pairs(pairs)} of strategies, so no first place can be certain."
        ]
    return [f"{lead} The paired test does not tell it from {_list(list(near['strategy']))}."]


def _lead(first: str, second: pd.Series) -> str:
    between = interval(second["behind_low"], second["behind_high"], DIGITS)
    if second["behind"] == second["behind_low"] == second["behind_high"] == 0:
        return f"{first} and {second['strategy']} have the same scores in every data split."
    ahead = " ".join(filter(None, [number(second["behind"], DIGITS), between]))
    return f"{first} is {ahead} ahead of the second, {second['strategy']}."


def _ranks(across: pd.Series) -> list[str]:
    """How firm the order by mean rank is over data sets and settings."""
    leader, units = across.get("leads_most"), int(across["units"])
    if not isinstance(leader, str) or units < overall.LEAST_UNITS:
        return []
    share = f"{100 * across['leads_share']:.0f} % of the resamples of the {units} combinations"
    if across["first"] == "tie":
        return [f"By mean rank {leader} leads in {share}: a tie."]
    few = ", which are too few for a test" if smallest_p(units) > ALPHA else ""
    return [f"By mean rank {leader} leads in {share}{few}."]


def _cells(analysis: Analysis, part: pd.DataFrame) -> list[str]:
    """Comparisons with random at single places."""
    kept = part[part["role"].isin(["strategy", "learned"])]
    compared = int(kept["cells"].sum())
    if analysis.random is None or not compared:
        return []
    better, worse = int(kept["better"].sum()), int(kept["worse"].sum())
    return [
        f"At single data sets and settings, {better} of {compared} comparisons with "
        f"{analysis.random} are significantly better and {worse} worse (AUAC, paired, "
        "Holm-adjusted)."
    ]


def _places(row: pd.Series) -> str:
    count = int(row["places"])
    return f"{count} combinations of data set and setting" if count > 1 else "one data set"


def _splits(units: int) -> str:
    return f"{units} data splits" if units != 1 else "one data split"


def _all_pairs(count: int) -> str:
    return f"all {count} pairs" if count > 1 else "the one pair"


def _p(value: float) -> str:
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def _list(names: list[str]) -> str:
    """``a, b, c and 4 others``."""
    if len(names) <= NAMED + 1:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} others"
