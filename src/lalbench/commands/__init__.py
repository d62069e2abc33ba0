"""The command line: one module per group of commands, each of which declares its own."""

from __future__ import annotations

import argparse

import lalbench
from lalbench.commands.parsing import Parser


def parser() -> argparse.ArgumentParser:
    """Of ``lalbench``, with all its commands; each sets ``command`` to what it calls."""
    from lalbench.commands import archives, catalogues, completion, points, stages, studies

    found: argparse.ArgumentParser = Parser(
        prog="lalbench",
        description="Learns how to choose labels, and compares strategies of active learning.",
        epilog="Studies run by Snakemake, which calls the commands from fetch to manifest.",
    )
    found.add_argument("--version", action="version", version=f"lalbench {lalbench.__version__}")
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    studies.add(commands)
    points.add(commands)
    catalogues.add(commands)
    archives.add(commands)
    studies.add_upkeep(commands)
    completion.add(commands)
    stages.add(commands)
    return found
