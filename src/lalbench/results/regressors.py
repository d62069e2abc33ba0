"""What the regressors of LAL learned before the study: how well, and from which columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from lalbench import files, pretraining
from lalbench.errors import CorruptFileError
from lalbench.results.analysis import Analysis
from lalbench.results.render import Block, Table, number
from lalbench.stored import DAMAGE

IMPORTANCE = "importance_"
"""What the names of the columns with importances begin with."""


@dataclass(frozen=True)
class Learned:
    """What the file of a regressor says of it.

    Attributes:
        out_of_bag: R² of predictions by the trees that did not draw the row.
        trees: of the regression forest.
        largest_size: of an annotated set in its data.
        importances: by column of its states, in their order; they sum to 1, or to 0 where no tree
            has a split: too few rows for its options.
    """

    out_of_bag: float
    trees: int
    largest_size: int
    importances: dict[str, float]


def read_learned(path: Path) -> Learned:
    """Reads what describes a regressor; its trees, which may take gigabytes, are left alone.

    Raises:
        CorruptFileError: a file that is missing or damaged.
    """
    names = ("out_of_bag", "options", "largest_size", "columns", "importances")
    try:
        held = {name: files.read_npz(path, name)[name] for name in names}
        columns = [str(name) for name in held["columns"]]
        return Learned(
            out_of_bag=float(held["out_of_bag"]),
            trees=int(held["options"][0]),  # the first number that Regressor.to_arrays writes
            largest_size=int(held["largest_size"]),
            importances=dict(zip(columns, held["importances"].tolist(), strict=True)),
        )
    except KeyError as error:
        raise CorruptFileError(f"{path}: {error} is missing; delete it and run again") from error
    except DAMAGE as error:
        raise CorruptFileError(f"{path}: is damaged ({error}); delete it and run again") from error


def regressor_data(analysis: Analysis) -> pd.DataFrame:
    """One row per strategy with a regressor and classifier; empty in studies without any.

    Columns: ``classifier``, ``strategy``, ``out_of_bag`` (R²), ``trees``, ``largest_size``, and
    ``importance_<column>`` for every column of a state. A regressor whose file is not there has a
    row without numbers; so have columns that the states of its classifier lack.

    Raises:
        CorruptFileError: a damaged file.
    """
    return analysis.cached("regressors", partial(_regressor_data, analysis))


def _regressor_data(analysis: Analysis) -> pd.DataFrame:
    needed = sorted(
        pretraining.needed(analysis.study),
        key=lambda each: analysis.classifiers.index(each.classifier),
    )
    found = [read_learned(each.regressor) if each.regressor.exists() else None for each in needed]
    rows = []
    for each, learned in zip(needed, found, strict=True):
        row: dict[str, object] = {"classifier": each.classifier, "strategy": each.strategy}
        if learned is not None:
            row |= {name: getattr(learned, name) for name in FACTS}
            row |= {IMPORTANCE + name: value for name, value in learned.importances.items()}
        rows.append(row)
    # the longest states have all columns in their order
    longest = sorted((learned for learned in found if learned), key=lambda x: -len(x.importances))
    importances = dict.fromkeys(IMPORTANCE + name for one in longest for name in one.importances)
    return pd.DataFrame(rows, columns=["classifier", "strategy", *FACTS, *importances])


FACTS = {
    "out_of_bag": ("out-of-bag R²", 3),
    "trees": ("trees", 0),
    "largest_size": ("largest annotated set", 0),
}
"""Columns beside the importances: heading and digits."""


def regressor_tables(analysis: Analysis) -> list[Table]:
    """The table of these numbers; none in studies without such strategies."""
    data = regressor_data(analysis)
    if data.empty:
        return []
    blocks = [
        Block(str(classifier), _shown(part))
        for classifier, part in data.groupby("classifier", sort=False)
    ]
    caption = (
        "Regression forests that were learned on synthetic data before the study. Out-of-bag R²: "
        "of the improvements in their data, by the trees that did not draw the row. Then the "
        "importance of each column of the state (normalised mean decrease of the variance; "
        "docs/lal.md describes the columns)."
    )
    if (data.filter(like=IMPORTANCE).sum(axis=1) == 0)[data["trees"].notna()].any():
        caption += " Zeros alone: no tree has a split, so the strategy tells no candidates apart."
    if (data["out_of_bag"] <= 0).any():
        caption += (
            " An R² that is not above 0: the predictions are no better than their mean would be, "
            "and what such a regressor prefers is mostly chance."
        )
    if data["trees"].isna().any():
        caption += " Without numbers: the file of the regressor is not there."
    return [Table("regressors", "Regressors of LAL", caption, data, blocks)]


def _shown(part: pd.DataFrame) -> pd.DataFrame:
    """The rows of one classifier, with the columns that its states have."""
    kept = [
        name for name in part.columns if name.startswith(IMPORTANCE) and part[name].notna().any()
    ]
    return pd.DataFrame(
        {"strategy": part["strategy"]}
        | {
            heading: part[name].map(partial(_text, digits=d))
            for name, (heading, d) in FACTS.items()
        }
        | {
            name.removeprefix(IMPORTANCE).replace("_", " "): part[name].map(
                partial(_text, digits=3)
            )
            for name in kept
        }
    )


def _text(value: float, digits: int) -> str:
    return number(value, digits)
