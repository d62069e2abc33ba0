"""What every ingredient of ``look_ahead`` is worth: the study in which one is missing at a time.

Run: ``python -m benchmarks.look_ahead_ablation studies/look-ahead-ablation.yaml [--results
FOLDER]``. A row for every strategy but ``look_ahead`` and bounds, a column for every setting of a
classifier: its mean area under the curve minus that of ``look_ahead``, over all data sets whose
trials are there, in hundredths of the objective divided by the number of steps, with the 95 %
interval of the mean over splits; a star is a Holm-adjusted p (Wilcoxon's signed ranks, over the
rows of the column) below 0.05. What is below 0 was worth having.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pandas as pd

from benchmarks.look_ahead_proof import SIGNIFICANT, WINNER, finished, markdown, total_labels
from lalbench.config import Study
from lalbench.results.analysis import Analysis, Place
from lalbench.results.statistics import compare, holm
from lalbench.study import load_study, with_results

HEAD = """Mean areas minus those of `look_ahead`, over data sets: below 0 is what the
ingredient that is missing was worth; a star is a p below 0.05, Holm over the rows of a column.
`look_ahead` has read as many labels as the rows. Written by `python -m
benchmarks.look_ahead_ablation`.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    study = given_study(__doc__, arguments)
    analysis = Analysis.of(study, study.folder)
    print(f"## {study.study}\n\n{study.description}\n\n{HEAD}")
    for classifier in analysis.classifiers:
        print(f"### {classifier}\n\n{markdown(table(analysis, classifier))}\n")


def given_study(description: str, arguments: Sequence[str] | None) -> Study:
    """The study that the command line names, with its results where they are."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("study", help="study file whose trials are finished, or some of them")
    parser.add_argument("--results", help="folder of results, if not the study's")
    given = parser.parse_args(arguments)
    return with_results(load_study(given.study), given.results)


def table(analysis: Analysis, classifier: str) -> pd.DataFrame:
    """One row per strategy, as text; a column without finished places is left out."""
    names = [name for name in analysis.contenders if name != WINNER]
    read = total_labels(analysis, analysis.places)
    columns = {"strategy": names, "total labels": [read[name] for name in names]}
    for setting in analysis.settings:
        places = [
            place
            for place in analysis.places
            if (place[0], place[2]) == (classifier, setting) and finished(analysis, place)
        ]
        if places:
            columns[f"{setting}, {len(places)} data sets"] = column(analysis, places, names)
    return pd.DataFrame(columns)


def column(analysis: Analysis, places: Sequence[Place], names: Sequence[str]) -> list[str]:
    """Differences to ``look_ahead`` over these places; a split is the mean over its data sets."""
    found = scores(analysis, places)
    results = compare([(found[name] - found[WINNER]).to_numpy().round(10) for name in names])
    adjusted = holm([result.p for result in results])
    return [
        f"{100 * result.mean:+.2f} [{100 * result.low:+.2f}, {100 * result.high:+.2f}]"
        + ("*" if p < SIGNIFICANT else "")
        for result, p in zip(results, adjusted, strict=True)
    ]


def scores(analysis: Analysis, places: Sequence[Place]) -> pd.DataFrame:
    """Splits × strategies: area under the curve divided by the steps, mean over the places."""
    every = [
        analysis.wide(place, "objective", "auac").groupby(level="data_seed").mean()
        for place in places
    ]
    found: pd.DataFrame = sum(every[1:], every[0]) / len(every) / analysis.study.steps
    return found


if __name__ == "__main__":
    main()
