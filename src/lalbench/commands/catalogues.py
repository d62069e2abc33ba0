"""``list`` and ``gallery``: what a study can name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lalbench.catalogues import CATALOGUES
from lalbench.commands.shared import add_command

if TYPE_CHECKING:
    from lalbench.commands.shared import Commands


def add(commands: Commands) -> None:
    """Declares the commands."""
    text = "list strategies, datasets, classifiers or objectives"
    sub = add_command(commands, "list", _list, text)
    sub.add_argument("what", choices=list(CATALOGUES))
    text = "write the page that describes every strategy"
    sub = add_command(commands, "gallery", _gallery, text)
    sub.add_argument("--output", type=Path, help="Markdown file; default: it is printed")


def _list(options: argparse.Namespace) -> None:
    found = CATALOGUES[options.what]()
    width = max(map(len, found))
    for name, line in found.items():
        print(f"{name:{width}}  {line}")


def _gallery(options: argparse.Namespace) -> None:
    from lalbench import files, gallery

    page = gallery.page()
    if options.output is None:
        print(page, end="")
    else:
        files.write_text(options.output, page)
