"""What commands share: the study that they name, and how they are declared."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from lalbench.config import Study

Command = Callable[[argparse.Namespace], None]

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def study_of(options: argparse.Namespace, check_names: bool = False) -> Study:
    """The study that the options name, with the results folder that they name."""
    from lalbench.study import load_study, with_results

    study = load_study(options.study, check_names=check_names)
    folder = getattr(options, "results", None)
    return with_results(study, folder) if folder else study


def add_command(
    commands: Commands, name: str, command: Command, text: str
) -> argparse.ArgumentParser:
    """Declares a command without arguments."""
    sub = commands.add_parser(name, help=text, description=text)
    sub.set_defaults(command=command)
    return sub


def add_study_command(
    commands: Commands, name: str, command: Command, text: str
) -> argparse.ArgumentParser:
    """Declares a command whose argument is a study file."""
    sub = add_command(commands, name, command, text)
    sub.add_argument("study", help="study file")
    sub.add_argument("--results", help="results folder, instead of the study's")
    return sub
