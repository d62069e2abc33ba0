"""Commands about studies, for people."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lalbench.commands.shared import add_command, add_study_command, study_of
from lalbench.config import Study
from lalbench.errors import UserError

if TYPE_CHECKING:
    from lalbench.commands.shared import Commands


def add(commands: Commands) -> None:
    """Declares the commands."""
    add_study_command(commands, "validate", _validate, "check a study file")
    plan = add_study_command(commands, "plan", _plan, "say what a study will run, and its time")
    plan.add_argument("--cores", type=int, default=_cores(), help="default: those here")
    plan.add_argument("--price-per-core-hour", type=float, metavar="PRICE", help="for the cost")
    add_study_command(commands, "status", _status, "say how far a study is")
    compare = add_command(
        commands, "compare", _compare, "compare two studies, paired by data split"
    )
    for place in ("first", "second"):
        compare.add_argument(place, type=Path, help="study file, or folder of a finished study")
    compare.add_argument("--final", action="store_true", help="last scores, instead of areas")
    compare.add_argument("--output", type=Path, help="CSV file for the numbers")
    text = "compare studies of a paper with its published numbers"
    reproduction = add_command(commands, "reproduction", _reproduction, text)
    reproduction.add_argument("studies", nargs="+", help="study files")
    reproduction.add_argument("--results", help="results folder, instead of the studies'")
    reproduction.add_argument("--output", type=Path, required=True)
    reproduction.add_argument("--reference", type=Path, default=Path("studies/reference"))


def add_upkeep(commands: Commands) -> None:
    """Declares the commands that one seldom needs."""
    text = "delete the oracle tables below a results folder"
    add_study_command(commands, "clean-cache", _clean_cache, text)
    text = "delete the learned regressors below a results folder"
    add_study_command(commands, "clean-pretrained", _clean_pretrained, text)
    text = "compile all kernels, so that the first jobs need not"
    add_command(commands, "compile", _compile, text)
    schema = add_command(commands, "schema", _schema, "write the JSON schema of study files")
    schema.add_argument("--output", type=Path)


def _validate(options: argparse.Namespace) -> None:
    study = study_of(options, check_names=True)
    print(f"{options.study}: study {study.study} is valid")


def _plan(options: argparse.Namespace) -> None:
    from lalbench import plan

    study = study_of(options, check_names=True)
    print(plan.describe(study, options.cores, options.price_per_core_hour))


def _cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _status(options: argparse.Namespace) -> None:
    from lalbench import status

    print(status.describe(study_of(options)))


def _compare(options: argparse.Namespace) -> None:
    from lalbench import files, manifests, workload
    from lalbench.results import study_comparison
    from lalbench.results.analysis import Analysis, Summary

    if options.output is not None and options.output.is_dir():
        raise UserError("--output", f"{options.output} is a folder", "name a file")
    both = [manifests.study_at(place) for place in (options.first, options.second)]
    for place, (study, _) in zip((options.first, options.second), both, strict=True):
        if not place.is_dir():  # a folder has the description in its manifest
            workload.check_described(study)
    first, second = (Analysis.of(study, folder) for study, folder in both)
    summary: Summary = "final" if options.final else "auac"
    table = study_comparison.compare_studies(first, second, summary)
    if options.output is not None:
        files.write_text(options.output, table.to_csv(index=False))
    print(study_comparison.as_text(table, summary))


def _reproduction(options: argparse.Namespace) -> None:
    from lalbench.results.reproduction import write_reproduction
    from lalbench.study import load_study, with_results

    studies = [load_study(path, check_names=False) for path in options.studies]
    studies = [with_results(study, options.results) for study in studies]
    write_reproduction(studies, options.reference, options.output)


def _clean_cache(options: argparse.Namespace) -> None:
    from lalbench import files

    folder = study_of(options).tables_folder
    n_files, size = files.remove_tree(folder)
    print(f"{folder}: removed {n_files} oracle tables, {size / 2**20:.1f} MiB")


def _clean_pretrained(options: argparse.Namespace) -> None:
    from lalbench import files

    folder = study_of(options).pretrained_folder
    n_regressors = len(list(folder.glob("*/regressor.npz")))
    n_files, size = files.remove_tree(folder)
    print(
        f"{folder}: removed {n_regressors} learned regressors, {n_files} files in all, "
        f"{size / 2**20:.1f} MiB"
    )


def _compile(options: argparse.Namespace) -> None:
    from lalbench.warm_up import compile_kernels

    compile_kernels()


def _schema(options: argparse.Namespace) -> None:
    from lalbench import files

    schema = Study.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    if options.output is None:
        print(json.dumps(schema, indent=2, sort_keys=True))
    else:
        files.write_json(options.output, schema)
