"""``python -m lalbench``: one sub-command per stage of the workflow, and a few for people."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lalbench.config import Study
from lalbench.errors import LalbenchError, UserError
from lalbench.interrupts import EXIT_CODE, StoppedError

if TYPE_CHECKING:
    from lalbench.stages.inputs import Inputs

Command = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one sub-command; returns 0, 1 for a failure, 2 for bad input (said in a sentence), or
    143 when SIGTERM stopped a trial that can go on.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except UserError as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return 2
    except StoppedError as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return EXIT_CODE
    except LalbenchError as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"lalbench: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def _study(options: argparse.Namespace, check_names: bool = False) -> Study:
    from lalbench.study import load_study

    study = load_study(options.study, check_names=check_names)
    changes = {"results": options.results} if getattr(options, "results", None) else {}
    return study.model_copy(update=changes)


def _validate(options: argparse.Namespace) -> None:
    study = _study(options, check_names=True)
    print(f"{options.study}: study {study.study} is valid")


def _plan(options: argparse.Namespace) -> None:
    from lalbench import plan

    print(plan.describe(_study(options, check_names=True)))


def _compile(options: argparse.Namespace) -> None:
    from lalbench.warm_up import compile_kernels

    compile_kernels()


def _clean_cache(options: argparse.Namespace) -> None:
    from lalbench import files

    folder = _study(options).tables_folder
    n_files, size = files.remove_tree(folder)
    print(f"{folder}: removed {n_files} oracle tables, {size / 2**20:.1f} MiB")


def _clean_pretrained(options: argparse.Namespace) -> None:
    from lalbench import files

    folder = _study(options).pretrained_folder
    n_regressors = len(list(folder.glob("*/regressor.npz")))
    n_files, size = files.remove_tree(folder)
    print(
        f"{folder}: removed {n_regressors} learned regressors, {n_files} files in all, "
        f"{size / 2**20:.1f} MiB"
    )


def _schema(options: argparse.Namespace) -> None:
    from lalbench import files

    schema = Study.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    if options.output is None:
        print(json.dumps(schema, indent=2, sort_keys=True))
    else:
        files.write_json(options.output, schema)


def _fetch(options: argparse.Namespace) -> None:
    from lalbench.stages import fetch

    fetch.run(_study(options), options.dataset, options.output)


def _problems(options: argparse.Namespace) -> None:
    from lalbench.stages import problems

    problems.run(
        _study(options),
        options.dataset,
        options.setting,
        options.block,
        options.data,
        options.output,
    )


def _episodes(options: argparse.Namespace) -> None:
    from lalbench.stages import learning

    learning.episodes(_study(options), _inputs(options), options.output)


def _learn(options: argparse.Namespace) -> None:
    from lalbench.stages import learning

    learning.learn(_study(options), _inputs(options), options.episodes, options.output)


def _pretrain_rows(options: argparse.Namespace) -> None:
    from lalbench.stages import pretraining

    pretraining.rows(_study(options), options.key, options.part, options.steps, options.output)


def _pretrain_step(options: argparse.Namespace) -> None:
    from lalbench.stages import pretraining

    pretraining.step(_study(options), options.key, options.size, options.rows, options.output)


def _pretrain(options: argparse.Namespace) -> None:
    from lalbench.stages import pretraining

    pretraining.regressor(_study(options), options.key, options.rows, options.output)


def _trials(options: argparse.Namespace) -> None:
    from lalbench.stages import trials

    trials.run(
        _study(options),
        _inputs(options),
        options.output,
        options.timings,
        options.learned,
        options.curves,
        options.initial,
    )


def _initial(options: argparse.Namespace) -> None:
    from lalbench.stages import initial
    from lalbench.stages.inputs import ClassifierInputs

    initial.run(_study(options), ClassifierInputs(**_cell(options)), options.output)


def _references(options: argparse.Namespace) -> None:
    from lalbench.stages import references
    from lalbench.stages.inputs import ClassifierInputs

    references.run(_study(options), ClassifierInputs(**_cell(options)), options.output)


def _inputs(options: argparse.Namespace) -> Inputs:
    from lalbench.stages.inputs import Inputs

    return Inputs(strategy=options.strategy, **_cell(options))


def _cell(options: argparse.Namespace) -> dict[str, Any]:
    names = ("dataset", "setting", "classifier", "block", "data", "problems")
    return {name: getattr(options, name) for name in names}


def _tables(options: argparse.Namespace) -> None:
    from lalbench.stages import tables

    tables.run(_study(options), options.output)


def _figures(options: argparse.Namespace) -> None:
    from lalbench.stages import figures

    figures.run(_study(options), options.output)


def _report(options: argparse.Namespace) -> None:
    from lalbench.stages import report

    report.run(_study(options), options.output)


def _manifest(options: argparse.Namespace) -> None:
    from lalbench.stages import manifest

    manifest.run(_study(options), options.output)


def _reproduction(options: argparse.Namespace) -> None:
    from lalbench.results.reproduction import write_reproduction
    from lalbench.study import load_study

    studies = [load_study(path, check_names=False) for path in options.studies]
    if options.results:
        studies = [study.model_copy(update={"results": options.results}) for study in studies]
    write_reproduction(studies, options.reference, options.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lalbench", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("validate", _validate, "check a study file"),
        ("plan", _plan, "say what a study will run"),
        ("clean-cache", _clean_cache, "delete the oracle tables below a results folder"),
        (
            "clean-pretrained",
            _clean_pretrained,
            "delete the learned regressors below a results folder",
        ),
    ):
        sub = _command(commands, name, command, text)
        sub.add_argument("study", help="study file")
        sub.add_argument("--results", help="results folder, instead of the study's")
    _command(commands, "compile", _compile, "compile all kernels, so that the first jobs need not")
    schema = _command(commands, "schema", _schema, "write the JSON schema of study files")
    schema.add_argument("--output", type=Path)
    _stage(commands, "fetch", _fetch, "get a data set", "dataset")
    _stage(commands, "problems", _problems, "split a data set", "dataset", "setting", "block")
    cell = ("dataset", "setting", "classifier", "strategy", "block")
    _stage(commands, "episodes", _episodes, "simulate and score episodes", *cell)
    learn = _stage(commands, "learn", _learn, "train a learned strategy", *cell)
    learn.add_argument("--episodes", type=Path, required=True)
    _pretraining_stages(commands)
    trials = _stage(commands, "trials", _trials, "run trials", *cell)
    trials.add_argument("--timings", type=Path, required=True)
    trials.add_argument("--learned", type=Path)
    trials.add_argument("--curves", type=Path)
    trials.add_argument("--initial", type=Path)
    reference = ("dataset", "setting", "classifier", "block")
    _stage(commands, "initial", _initial, "train networks on the initial sets", *reference)
    _stage(commands, "references", _references, "fit without active learning", *reference)
    for name, command, text in (
        ("tables", _tables, "write tables"),
        ("figures", _figures, "write figures"),
        ("report", _report, "write the report"),
        ("manifest", _manifest, "write the manifest"),
    ):
        _stage(commands, name, command, text)
    text = "compare studies of a paper with its published numbers"
    reproduction = _command(commands, "reproduction", _reproduction, text)
    reproduction.add_argument("studies", nargs="+", help="study files")
    reproduction.add_argument("--results", help="results folder, instead of the studies'")
    reproduction.add_argument("--output", type=Path, required=True)
    reproduction.add_argument("--reference", type=Path, default=Path("studies/reference"))
    return parser


def _pretraining_stages(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rows = _stage(
        commands, "pretrain-rows", _pretrain_rows, "collect synthetic data", "key", "part"
    )
    rows.add_argument("--steps", type=Path, nargs="*", default=[])
    step = _stage(commands, "pretrain-step", _pretrain_step, "learn to choose at one size", "key")
    step.add_argument("--size", type=int, required=True)
    final = _stage(commands, "pretrain", _pretrain, "learn from synthetic data", "key")
    for stage in (step, final):
        stage.add_argument("--rows", type=Path, nargs="+", required=True)


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Command,
    text: str,
) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=text, description=text)
    sub.set_defaults(command=command)
    return sub


def _stage(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Command,
    text: str,
    *labels: str,
) -> argparse.ArgumentParser:
    sub = _command(commands, name, command, text)
    sub.add_argument("--study", required=True, help="study file")
    sub.add_argument("--results", help="results folder, instead of the study's")
    sub.add_argument("--output", type=Path, required=True)
    for label in labels:
        sub.add_argument(f"--{label}", required=True)
    if "setting" in labels:
        sub.add_argument("--data", type=Path, required=True, help="output of fetch")
    if "classifier" in labels:
        sub.add_argument("--problems", type=Path, nargs="+", required=True)
    return sub


if __name__ == "__main__":
    # Block the broken-pipe traceback of `… plan | head` at the last moment, when output is flushed.
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
