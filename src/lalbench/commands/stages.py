"""One command per stage of the workflow; rules call them, people hardly ever."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lalbench.commands.shared import Command, add_command, study_of
from lalbench.errors import UserError

if TYPE_CHECKING:
    from lalbench.commands.shared import Commands
    from lalbench.stages.inputs import Inputs


def add(commands: Commands) -> None:
    """Declares the commands."""
    _add_stage(commands, "fetch", _fetch, "get a data set", "dataset")
    _add_stage(commands, "problems", _problems, "split a data set", "dataset", "setting", "block")
    cell = ("dataset", "setting", "classifier", "strategy", "block")
    _add_stage(commands, "episodes", _episodes, "simulate and score episodes", *cell)
    learn = _add_stage(commands, "learn", _learn, "train a learned strategy", *cell)
    learn.add_argument("--episodes", type=Path, required=True)
    _add_pretraining(commands)
    trials = _add_stage(commands, "trials", _trials, "run trials", *cell, several="strategy")
    trials.add_argument("--timings", type=Path, nargs="+", required=True)
    trials.add_argument("--learned", type=Path)
    trials.add_argument("--curves", type=Path)
    trials.add_argument("--initial", type=Path)
    reference = ("dataset", "setting", "classifier", "block")
    _add_stage(commands, "initial", _initial, "train networks on the initial sets", *reference)
    _add_stage(commands, "references", _references, "fit without active learning", *reference)
    _add_stage(commands, "tables", _tables, "write tables")
    _add_stage(commands, "figures", _figures, "write figures")
    _add_stage(commands, "report", _report, "write the report")
    _add_stage(commands, "manifest", _manifest, "write the manifest")


def _add_pretraining(commands: Commands) -> None:
    rows = _add_stage(
        commands, "pretrain-rows", _pretrain_rows, "collect synthetic data", "key", "part"
    )
    rows.add_argument("--steps", type=Path, nargs="*", default=[])
    step = _add_stage(
        commands, "pretrain-step", _pretrain_step, "learn to choose at one size", "key"
    )
    step.add_argument("--size", type=int, required=True)
    final = _add_stage(commands, "pretrain", _pretrain, "learn from synthetic data", "key")
    for stage in (step, final):
        stage.add_argument("--rows", type=Path, nargs="+", required=True)


def _add_stage(
    commands: Commands, name: str, command: Command, text: str, *labels: str, several: str = ""
) -> argparse.ArgumentParser:
    """Declares a stage whose jobs have these labels; one label may have several values, each with
    an output of its own.
    """
    sub = add_command(commands, name, command, text)
    sub.add_argument("--study", required=True, help="study file")
    sub.add_argument("--results", help="results folder, instead of the study's")
    sub.add_argument("--output", type=Path, required=True, nargs="+" if several else None)
    for label in labels:
        sub.add_argument(f"--{label}", required=True, nargs="+" if label == several else None)
    if "setting" in labels:
        sub.add_argument("--data", type=Path, required=True, help="output of fetch")
    if "classifier" in labels:
        sub.add_argument("--problems", type=Path, nargs="+", required=True)
    return sub


def _fetch(options: argparse.Namespace) -> None:
    from lalbench.stages import fetch

    fetch.run(study_of(options), options.dataset, options.output)


def _problems(options: argparse.Namespace) -> None:
    from lalbench.stages import problems

    problems.run(
        study_of(options),
        options.dataset,
        options.setting,
        options.block,
        options.data,
        options.output,
    )


def _episodes(options: argparse.Namespace) -> None:
    from lalbench.stages import learning

    learning.episodes(study_of(options), _inputs(options), options.output)


def _learn(options: argparse.Namespace) -> None:
    from lalbench.stages import learning

    learning.learn(study_of(options), _inputs(options), options.episodes, options.output)


def _pretrain_rows(options: argparse.Namespace) -> None:
    from lalbench.stages import pretraining

    pretraining.rows(study_of(options), options.key, options.part, options.steps, options.output)


def _pretrain_step(options: argparse.Namespace) -> None:
    from lalbench.stages import pretraining

    pretraining.step(study_of(options), options.key, options.size, options.rows, options.output)


def _pretrain(options: argparse.Namespace) -> None:
    from lalbench.stages import pretraining

    pretraining.regressor(study_of(options), options.key, options.rows, options.output)


def _trials(options: argparse.Namespace) -> None:
    from lalbench.stages import trials
    from lalbench.stages.inputs import Inputs

    strategies = options.strategy
    for key in ("strategy", "output", "timings"):
        named = getattr(options, key)
        if len(named) != len(strategies):
            problem = f"{len(named)} files for {len(strategies)} strategies"
            raise UserError(f"--{key}", problem, "name one for each")
        if len(set(named)) != len(named):
            raise UserError(f"--{key}", "one stands twice", "give each once")
    cell = _cell(options)
    every = {
        Inputs(strategy=strategy, **cell): trials.Outputs(output, timings, options.curves)
        for strategy, output, timings in zip(
            strategies, options.output, options.timings, strict=True
        )
    }
    trials.run(study_of(options), every, options.learned, options.initial)


def _initial(options: argparse.Namespace) -> None:
    from lalbench.stages import initial
    from lalbench.stages.inputs import ClassifierInputs

    initial.run(study_of(options), ClassifierInputs(**_cell(options)), options.output)


def _references(options: argparse.Namespace) -> None:
    from lalbench.stages import references
    from lalbench.stages.inputs import ClassifierInputs

    references.run(study_of(options), ClassifierInputs(**_cell(options)), options.output)


def _inputs(options: argparse.Namespace) -> Inputs:
    from lalbench.stages.inputs import Inputs

    return Inputs(strategy=options.strategy, **_cell(options))


def _cell(options: argparse.Namespace) -> dict[str, Any]:
    names = ("dataset", "setting", "classifier", "block", "data", "problems")
    return {name: getattr(options, name) for name in names} | {"problems": tuple(options.problems)}


def _tables(options: argparse.Namespace) -> None:
    from lalbench.stages import tables

    tables.run(study_of(options), options.output)


def _figures(options: argparse.Namespace) -> None:
    from lalbench.stages import figures

    figures.run(study_of(options), options.output)


def _report(options: argparse.Namespace) -> None:
    from lalbench.stages import report

    report.run(study_of(options), options.output)


def _manifest(options: argparse.Namespace) -> None:
    from lalbench.stages import manifest

    manifest.run(study_of(options), options.output)
