"""``list``: what a study can name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lalbench.catalogues import CATALOGUES
from lalbench.commands.shared import add_command

if TYPE_CHECKING:
    from lalbench.commands.shared import Commands


def add(commands: Commands) -> None:
    """Declares the command."""
    text = "list strategies, datasets, classifiers or objectives"
    sub = add_command(commands, "list", _list, text)
    sub.add_argument("what", choices=list(CATALOGUES))


def _list(options: argparse.Namespace) -> None:
    found = CATALOGUES[options.what]()
    width = max(map(len, found))
    for name, line in found.items():
        print(f"{name:{width}}  {line}")
