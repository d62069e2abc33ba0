"""What ``look_ahead`` asked about: how sure its label model was, and whether it was right.

Run: ``python -m benchmarks.look_ahead_picks studies/look-ahead.yaml [--results FOLDER]``. A row for
every classifier and setting, the means over all data sets, splits and steps whose trials are
there: the largest probability that the label model gave to a label of the chosen point, the share
of points whose label was the likeliest one, and how many were of the class with the fewest
annotated points at first, beside that share of what entropy asked about. It explains results and
is no part of the analysis that was written down before them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tabulate import tabulate

from benchmarks.look_ahead_ablation import given_study

OTHER = "entropy"
KEYS = ["classifier", "setting", "strategy", "dataset", "data_seed", "seed"]


def main(arguments: Sequence[str] | None = None) -> None:
    study = given_study(__doc__, arguments)
    found = pd.concat(
        [picks(pd.read_parquet(path)) for path in trial_files(study.folder)], ignore_index=True
    )
    print(tabulate(table(found), headers="keys", tablefmt="github", floatfmt=".2f"))


def trial_files(folder: Path) -> Iterator[Path]:
    """Those of ``look_ahead`` and of what it is compared with."""
    for strategy in ("look_ahead", OTHER):
        yield from sorted((folder / "trials").glob(f"*/*/*/{strategy}/block-*.parquet"))


def picks(trials: pd.DataFrame) -> pd.DataFrame:
    """A row for every step of one point, from records.

    Columns: those that name the place, ``rarest`` (whether the point is of the class that was
    annotated least before step 1; the last one of several), and, where the strategy says what
    labels it expected, ``surest`` (the largest probability) and ``expected`` (whether the label is
    the likeliest); NaN else.
    """
    found = []
    for keys, trial in trials.groupby(KEYS):
        trial = trial.sort_values("step")
        counts = np.stack(trial["class_counts"].to_list())
        rarest = len(counts[0]) - 1 - int(np.argmin(counts[0][::-1]))
        for label, details in zip(
            np.diff(counts, axis=0).argmax(axis=1), trial["selection_details"].iloc[1:], strict=True
        ):
            row = dict(zip(KEYS, keys, strict=True))
            row |= {"rarest": label == rarest, "surest": np.nan, "expected": np.nan}
            if details:
                q = np.array(json.loads(details)["expected_labels"][0])
                row |= {"surest": q.max(), "expected": float(q.argmax() == label)}
            found.append(row)
    return pd.DataFrame(found)


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Means by classifier and setting."""
    keys = ["classifier", "setting"]
    own = found[found["strategy"] == "look_ahead"].groupby(keys)
    shown = own[["surest", "expected", "rarest"]].mean()
    other = found[found["strategy"] == OTHER].groupby(keys)["rarest"].mean()
    shown[f"rarest, {OTHER}"] = other
    return shown.reset_index()


if __name__ == "__main__":
    main()
