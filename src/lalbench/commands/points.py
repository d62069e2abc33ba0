"""Commands about one's own points, without a study."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lalbench.commands.shared import add_command
from lalbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from lalbench.commands.shared import Commands

_SHOWN = 20
"""Rows that are printed; a file has them all."""
_OPTIONS = {
    "path": "--data",
    "target": "--target",
    "name": "--strategy",
    "strategy": "--strategy",
    "budget": "--budget",
    "seed": "--seed",
    "reward": "--reward",
    "leave-out": "--leave-out",
    "learned": "--learned",
    "processes": "--processes",
    "options": "--option",
    "classifier": "--classifier",
    "objective": "--objective",
    "class_weights": "--class-weight",
}
"""Options by the keys of studies, which messages name."""
_REMEDIES = (
    ("or remove the column", "or leave the column out with --leave-out"),
    (
        "use a .csv, .parquet or .npz file, or say which it is with the key format",
        "name a .csv or .parquet file",
    ),
    ("a folder of images needs the key format: images", "name a .csv or .parquet file"),
    ("check the file and the key format", "check the file"),
    ("group them with relabel, or choose another objective", "choose another objective"),
    ("use waveform_generator without relabel, or leave the strategy out", "choose another one"),
)
"""What studies can do, and tables in its place."""


def add(commands: Commands) -> None:
    """Declares the commands."""
    sub = add_command(commands, "suggest", _suggest, "say which rows of a table to label next")
    sub.add_argument(
        "--data",
        type=Path,
        required=True,
        help="CSV or Parquet file; rows without a label have an empty target",
    )
    sub.add_argument("--target", required=True, help="column of the labels")
    sub.add_argument("--strategy", default="look_ahead", help="default: %(default)s")
    sub.add_argument("--classifier", default="logistic_regression", help="default: %(default)s")
    sub.add_argument("--objective", default="weighted_accuracy", help="default: %(default)s")
    sub.add_argument("--budget", type=int, default=10, help="rows wanted; default: 10")
    sub.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="of the strategy"
    )
    sub.add_argument(
        "--objective-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the objective",
    )
    sub.add_argument(
        "--class-weight",
        action="append",
        default=[],
        metavar="LABEL=WEIGHT",
        help="in the objective; for every class",
    )
    sub.add_argument(
        "--leave-out", action="append", default=[], metavar="COLUMN", help="that is no feature"
    )
    sub.add_argument(
        "--unlabelled",
        action="append",
        default=[],
        metavar="TEXT",
        help="in the target that means no label, besides the empty one",
    )
    sub.add_argument(
        "--reward",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="of the labelled rows to measure on, for strategies that do; default: 0.5",
    )
    sub.add_argument("--seed", type=int, default=0, help="default: 0")
    sub.add_argument("--processes", type=int, default=1, help="of learning; default: 1")
    sub.add_argument(
        "--learned", type=Path, help="file that keeps what a strategy learns on synthetic data"
    )
    sub.add_argument("--output", type=Path, help="CSV file for the rows, with all columns")
    sub.add_argument("--log", type=Path, help="history: one line of JSON is added to it")


def _suggest(options: argparse.Namespace) -> None:
    try:
        _answer(options)
    except UserError as error:
        key, dot, rest = error.key.partition(".")
        of_file = error.key.startswith(str(options.data))  # which may be called like a key
        known = key in _OPTIONS and not of_file
        of_strategy = error.key in {text.partition("=")[0] for text in options.option}
        if of_strategy:
            key = f"--option {error.key}"
        else:
            key = f"{_OPTIONS[key]}{dot and ' '}{rest}" if known else error.key
        remedy = error.remedy
        for of_studies, here in _REMEDIES:
            remedy = remedy.replace(of_studies, here)
        raise UserError(key, error.problem, remedy) from None


def _answer(options: argparse.Namespace) -> None:
    from lalbench import files, suggestions

    _check_places(options)
    question = suggestions.Question(
        data=options.data,
        target=options.target,
        strategy=options.strategy,
        classifier=options.classifier,
        objective=options.objective,
        budget=options.budget,
        options=_pairs("--option", options.option),
        objective_options=_pairs("--objective-option", options.objective_option),
        class_weights=_pairs("--class-weight", options.class_weight) or None,
        leave_out=options.leave_out,
        unlabelled=options.unlabelled,
        reward=options.reward,
        seed=options.seed,
        learned=options.learned,
        processes=options.processes,
    )
    answer = suggestions.suggest(question)
    if options.output is not None:
        files.write_text(options.output, answer.rows.to_csv(index=False))
    if options.log is not None:
        suggestions.keep(options.log, answer.summary)
    print(_listed(answer.rows))
    if answer.note:
        print(f"note: {answer.note}")
    if len(answer.rows) < options.budget:
        print(f"all {len(answer.rows)} rows without a label, fewer than --budget {options.budget}")
    if options.output is not None:
        print(f"{options.output}: {len(answer.rows)} rows")


def _check_places(options: argparse.Namespace) -> None:
    """No file is written over another that the command reads or writes."""
    places = {"data": options.data}
    for key in ("learned", "output", "log"):
        place = getattr(options, key)
        if place is None:
            continue
        for other, known in places.items():
            if known is not None and place.resolve() == known.resolve():
                raise UserError(f"--{key}", f"{place} is what --{other} names", "name another file")
        if place.is_dir():
            raise UserError(f"--{key}", f"{place} is a folder", "name a file")
        places[key] = place


def _pairs(option: str, texts: Sequence[str]) -> dict[str, Any]:
    """Values of an option by their names, each given once."""
    found: dict[str, Any] = {}
    for text in texts:
        name, value = _pair(option, text)
        if name in found:
            raise UserError(option, f'"{name}" stands twice', "give it once")
        found[name] = value
    return found


def _pair(option: str, text: str) -> tuple[str, Any]:
    """A name and its value, read as YAML."""
    from lalbench import plain_yaml

    name, equals, value = text.partition("=")
    if equals and name:
        try:
            found = plain_yaml.parse(value)
            plain_yaml.check(found)
        except UserError as error:
            raise UserError(f"{option} {name}", error.problem, error.remedy) from None
        return name, found
    raise UserError(option, f'cannot use "{text}"', "write NAME=VALUE")


def _listed(rows: pd.DataFrame) -> str:
    """The first rows as text: which, with what score, and why."""
    from tabulate import tabulate

    shown = rows.iloc[:_SHOWN, :3]
    cells = shown.astype(object).where(shown.notna(), None).values.tolist()  # no score
    text = tabulate(cells, list(shown.columns), floatfmt=("", ".4g", ""), missingval="–")
    left = len(rows) - len(shown)
    return f"{text}\nand {left} more" if left else text
