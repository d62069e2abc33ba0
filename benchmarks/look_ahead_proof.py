"""The tables by which docs/look-ahead.md judges ``look_ahead``, from finished studies.

Run: ``python -m benchmarks.look_ahead_proof studies/look-ahead*.yaml [--results FOLDER]``. It was
written before the studies ran, and prints Markdown: a row for every data set, setting and
classifier, one for every setting and classifier, and the study's own table of who is first over all
of them (added afterwards, as is ``--together``: one table for studies of one label budget).
Differences are paired by data split, in hundredths of the objective, areas divided by the number of
steps; intervals and tests are those of docs/results.md, a star means a Holm-adjusted p below 0.05.
The *best hand-made* strategy of a row is the one with the highest mean there, chosen by the same
trials, which favours it over ``look_ahead``. Added when results had been read: intervals of shares,
the columns of total labels and of the neural process, and the rank of ``look_ahead`` where it is
none of the first four.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

from lalbench.results.analysis import Analysis, Place, Summary
from lalbench.results.facts import cost_table, label_budget_table
from lalbench.results.label_counts import with_labels
from lalbench.results.scores import all_pairs, score_table
from lalbench.results.shown_standing import standing_tables
from lalbench.study import load_study, with_results

WINNER = "look_ahead"
LEARNED = "neural_process"
LIMITS = ("posterior_limit", "oracle_smooth")
NOT_HAND_MADE = (WINNER, "random", LEARNED)
SIGNIFICANT = 0.05
RESAMPLES = 10_000
HEAD = """# Look-ahead: results of the proof

Written by `make look-ahead-results`, that is `python -m benchmarks.look_ahead_proof`, from the
studies that [look-ahead.md](look-ahead.md#the-proof-configuration-hypotheses-analysis) describes.
In the tables by setting and place, differences are in hundredths of the weighted accuracy, areas
divided by the number of steps, with 95 % intervals; a star is a Holm-adjusted p below 0.05. An
interval is of a mean and of its row alone, p is of signed ranks and adjusted for a whole family, so
that the two may differ. The family of differences to random is all of a classifier and setting,
that of the other differences all pairs of strategies there: with six data sets, nine strategies and
a bound 270. Shares have 95 % percentile intervals of a bootstrap over splits. The best hand-made
strategy of a row is chosen by the same trials. Total labels: all that a strategy has read after the
last step, in the order of the row. Seconds were measured while other work ran on the same machine.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+", help="study files whose trials are finished")
    parser.add_argument("--results", help="folder of results, if not the study's")
    parser.add_argument("--together", nargs="*", default=[], help="studies of one label budget")
    given = parser.parse_args(arguments)
    print(HEAD)
    parts = []
    for path in given.studies:
        study = with_results(load_study(path), given.results)
        analysis = Analysis.of(study, study.folder)
        cells = cell_table(analysis)
        print(f"## {study.study}\n\n{study.description}\n")
        if len(cells) < len(analysis.places):
            print(f"**Not finished**: {len(cells)} of {len(analysis.places)} places.\n")
        else:
            print(f"{first_of_all(analysis)}\n\n### Settings, and all places\n")
        print(markdown(setting_table(analysis, cells)))
        print(f"\n{markdown(shown_cells(cells))}\n")
        if study.study in given.together:
            parts.append((analysis, cells))
    if parts:
        names = " and ".join(analysis.study.study for analysis, _ in parts)
        print(f"## {names}, together\n\n{markdown(joint_table(parts))}\n")


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table of texts."""
    return tabulate(
        table, headers="keys", tablefmt="github", showindex=False, disable_numparse=True
    )


def cell_table(analysis: Analysis) -> pd.DataFrame:
    """A row per finished place: ``look_ahead`` against random and the best hand-made strategy."""
    return pd.DataFrame(
        [cell_row(analysis, place) for place in analysis.places if finished(analysis, place)]
    )


def finished(analysis: Analysis, place: Place) -> bool:
    """Whether every strategy has every split."""
    units = analysis.units(place, "objective", "auac")
    return len(units) == len(analysis.study.seeds.data) and bool(units.notna().all(axis=None))


def cell_row(analysis: Analysis, place: Place) -> dict[str, object]:
    """What one place says; areas are divided by the number of steps.

    The columns named *learned* are of the neural process, where the study has it.
    """
    steps = analysis.study.steps
    best = best_hand_made(analysis, place)
    row: dict[str, object] = dict(zip(("classifier", "dataset", "setting"), place, strict=True))
    row["best"] = best
    others = {"random": "random", "best": best}
    if LEARNED in analysis.strategies:
        others["learned"] = LEARNED
    for name, other in others.items():
        found = difference(analysis, place, other, "auac")
        for part in ("difference", "difference_low", "difference_high"):
            row[f"{name}_{part}"] = found[part] / steps
        row[f"{name}_p"] = found["p_holm"]
        row[f"{name}_final"] = difference(analysis, place, other, "final")["difference"]
        units = analysis.units(place, "objective", "auac")
        gaps = (units[WINNER] - units[other]).dropna()
        row[f"{name}_wins"] = f"{(gaps > 0).sum()} / {(gaps == 0).sum()} / {(gaps < 0).sum()}"
    hand = hand_made(analysis)
    worst = [difference(analysis, place, other, "auac") for other in hand]
    row["below"] = [
        other
        for other, found in zip(hand, worst, strict=True)
        if found["difference"] < 0 and found["p_holm"] < SIGNIFICANT
    ]
    row["rank"] = mean_rank(analysis, [place], WINNER)
    limit = next((name for name in LIMITS if name in analysis.strategies), None)
    if limit is not None:
        share = share_of(analysis, [place], limit)
        row["share"] = share
        if not np.isnan(share):
            row["share_interval"] = share_interval(analysis, [place], limit)
    read = total_labels(analysis, [place])
    row["labels"] = " / ".join(read[name] for name in (WINNER, *others.values()))
    return row


def hand_made(analysis: Analysis) -> list[str]:
    """What ``look_ahead`` has to beat, without random and what is learned."""
    return [name for name in analysis.contenders if name not in NOT_HAND_MADE]


def mean_of(analysis: Analysis, place: Place, label: str) -> float:
    return float(analysis.units(place, "objective", "auac")[label].mean())


def best_hand_made(analysis: Analysis, place: Place) -> str:
    """The one with the highest mean area under the curve."""
    return max(hand_made(analysis), key=lambda label: mean_of(analysis, place, label))


def difference(analysis: Analysis, place: Place, other: str, summary: Summary) -> dict[str, float]:
    """``look_ahead`` minus another strategy: to random by the table of scores, else by all pairs.

    The two differ in the family that Holm's p is over.
    """
    names = ["difference", "difference_low", "difference_high", "p_holm"]
    if other == "random":
        table = score_table(analysis, "objective", summary)
        rows = table[(table["strategy"] == WINNER) & _at(table, place)]
        return {name: float(rows.iloc[0][name]) for name in names}
    table = all_pairs(analysis, "objective", summary)
    here = table[_at(table, place)]
    forward = here[(here["first"] == WINNER) & (here["second"] == other)]
    if len(forward):
        return {name: float(forward.iloc[0][name]) for name in names}
    row = here[(here["first"] == other) & (here["second"] == WINNER)].iloc[0]
    low, high = -float(row["difference_high"]), -float(row["difference_low"])
    return dict(
        zip(names, (-float(row["difference"]), low, high, float(row["p_holm"])), strict=True)
    )


def _at(table: pd.DataFrame, place: Place) -> pd.Series:
    same = [table[n] == v for n, v in zip(("classifier", "dataset", "setting"), place, strict=True)]
    return same[0] & same[1] & same[2]


def mean_rank(analysis: Analysis, places: Sequence[Place], label: str) -> float:
    """Among all strategies but the bounds, by mean area; 1 is best, equals share."""
    found = []
    for place in places:
        means = np.array([mean_of(analysis, place, name) for name in analysis.contenders])
        own = mean_of(analysis, place, label)
        found.append((means > own).sum() + ((means == own).sum() + 1) / 2)
    return float(np.mean(found))


def share_of(analysis: Analysis, places: Sequence[Place], limit: str) -> float:
    """Gain over random divided by that of a bound; NaN where the bound gains nothing for sure."""
    own, most = [], []
    for place in places:
        units = analysis.units(place, "objective", "auac")
        own.append((units[WINNER] - units["random"]).mean())
        gains = (units[limit] - units["random"]).dropna()
        most.append(gains.mean())
        if len(places) == 1 and gains.mean() <= gains.std() / np.sqrt(len(gains)):
            return float("nan")
    return float(np.sum(own) / np.sum(most))


def share_interval(analysis: Analysis, places: Sequence[Place], limit: str) -> tuple[float, float]:
    """95 % of the shares of resampled splits, the same ones in all places."""
    units = [analysis.units(place, "objective", "auac").sort_index() for place in places]
    own = np.sum([each[WINNER] - each["random"] for each in units], axis=0)
    most = np.sum([each[limit] - each["random"] for each in units], axis=0)
    drawn = np.random.default_rng(0).integers(len(own), size=(RESAMPLES, len(own)))
    shares = own[drawn].sum(axis=1) / most[drawn].sum(axis=1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


def total_labels(analysis: Analysis, places: Sequence[Place]) -> dict[str, str]:
    """Strategy → labels that it has read after the last step, from–to where places differ."""
    table = label_budget_table(analysis).set_index(["dataset", "setting"])
    here = table.loc[sorted({(dataset, setting) for _, dataset, setting in places})]
    budgets = here.groupby("strategy")["label_budget"]
    return {
        str(name): "–".join(f"{value:.0f}" for value in sorted({part.min(), part.max()}))
        for name, part in budgets
    }


def shown_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """The table of all places as text; differences in points of a hundred."""
    shown = cells[["classifier", "dataset", "setting"]].copy()
    headings = {
        "random": "minus random",
        "best": "minus best hand-made",
        "learned": f"minus {LEARNED}",
    }
    for name, heading in headings.items():
        if f"{name}_difference" not in cells:
            continue
        if name == "best":
            shown["best hand-made"] = cells["best"]
        shown[heading] = [_interval(row, name) for _, row in cells.iterrows()]
        shown[f"wins / ties / losses, {name}"] = cells[f"{name}_wins"]
        shown[f"last score, {heading}"] = [f"{100 * v:+.2f}" for v in cells[f"{name}_final"]]
    if "share" in cells:
        shown["share of the bound's gain"] = [
            "" if np.isnan(row["share"]) else _share(row["share"], row["share_interval"])
            for _, row in cells.iterrows()
        ]
    shown["rank"] = [f"{value:g}" for value in cells["rank"]]
    shown["total labels, in this order"] = cells["labels"]
    shown["significantly below"] = [", ".join(names) for names in cells["below"]]
    return shown


def _interval(row: pd.Series, name: str) -> str:
    mean, low, high = (
        100 * row[f"{name}_{part}"] for part in ("difference", "difference_low", "difference_high")
    )
    mark = "*" if row[f"{name}_p"] < SIGNIFICANT else ""
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]{mark} p {row[f'{name}_p']:.2g}"


def _share(value: float, interval: tuple[float, float]) -> str:
    low, high = (100 * bound for bound in interval)
    return f"{100 * value:.0f} % [{low:.0f}, {high:.0f}]"


def _labels(analysis: Analysis, places: Sequence[Place]) -> str:
    read = total_labels(analysis, places)
    return f"{WINNER} {read[WINNER]}, random {read['random']}"


def _ranks(ranks: Mapping[str, float]) -> str:
    """The first four, and ``look_ahead`` where it is none of them."""
    order = sorted(ranks, key=lambda name: ranks[name])
    shown = order[:4] if WINNER in order[:4] else [*order[:4], WINNER]
    place = "" if WINNER in order[:4] else f" (of {len(order)})"
    return ", ".join(f"{name} {ranks[name]:.1f}" for name in shown) + place


def setting_table(analysis: Analysis, cells: pd.DataFrame) -> pd.DataFrame:
    """A row per classifier and setting: ranks of all strategies, counts, share, seconds, labels."""
    costs = cost_table(analysis)
    rows = []
    for (classifier, setting), part in cells.groupby(["classifier", "setting"], sort=False):
        places = [(str(classifier), str(d), str(setting)) for d in part["dataset"]]
        ranks = {name: mean_rank(analysis, places, name) for name in analysis.contenders}
        mine = costs[(costs["strategy"] == WINNER) & (costs["classifier"] == classifier)]
        row = {
            "classifier": classifier,
            "setting": setting,
            "mean ranks": _ranks(ranks),
            **counts(part),
            "seconds per selection": f"{mine['select_per_step'].median():.2f}",
            "total labels": _labels(analysis, places),
        }
        limit = next((name for name in LIMITS if name in analysis.strategies), None)
        if limit is not None:
            interval = share_interval(analysis, places, limit)
            row[f"share of {limit}"] = _share(share_of(analysis, places, limit), interval)
        rows.append(row)
    return pd.DataFrame(rows)


def joint_table(parts: Sequence[tuple[Analysis, pd.DataFrame]]) -> pd.DataFrame:
    """A row per classifier and setting over the data sets of several studies.

    A rank is among all strategies of a place's own study; means are of strategies in all studies.
    """
    cells = pd.concat([part for _, part in parts])
    shared = set.intersection(*(set(analysis.contenders) for analysis, _ in parts))
    rows = []
    for (classifier, setting), part in cells.groupby(["classifier", "setting"], sort=False):
        total = dict.fromkeys(sorted(shared), 0.0)
        labels = set()
        for analysis, own in parts:
            here = own[(own["classifier"] == classifier) & (own["setting"] == setting)]
            places = [(str(classifier), str(d), str(setting)) for d in here["dataset"]]
            if places:
                labels.add(_labels(analysis, places))
            for name in total:
                total[name] += sum(mean_rank(analysis, [place], name) for place in places)
        row = {
            "classifier": classifier,
            "setting": setting,
            "mean ranks": _ranks({name: value / len(part) for name, value in total.items()}),
            "total labels": "; ".join(sorted(labels)),
        }
        rows.append(row | counts(part))
    return pd.DataFrame(rows)


def counts(part: pd.DataFrame) -> dict[str, str]:
    """In how many of these places ``look_ahead`` is significantly better or worse."""
    return {
        "above random": f"{_count(part, 'random', +1)} of {len(part)}",
        "above the best hand-made": f"{_count(part, 'best', +1)} of {len(part)}",
        "below some hand-made": f"{sum(map(bool, part['below']))} of {len(part)}",
    }


def first_of_all(analysis: Analysis) -> str:
    """The study's own table of who is first over all data sets and settings, as Markdown."""
    (table,) = standing_tables(analysis)
    lines = with_labels(analysis, table).markdown().splitlines()
    return "\n".join(f"##{line}" if line.startswith("#") else line for line in lines)


def _count(part: pd.DataFrame, name: str, sign: int) -> int:
    sure = part[f"{name}_p"] < SIGNIFICANT
    return int((sure & (sign * part[f"{name}_difference"] > 0)).sum())


if __name__ == "__main__":
    main()
