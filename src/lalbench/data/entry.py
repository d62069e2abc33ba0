"""What the catalogue knows of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lalbench.data.fetch import File
from lalbench.data.readers import Reader
from lalbench.errors import UserError, suggest

NO_LICENCE = "none stated"
BY_FORMULA = "none (made by formula)"
UCI_LICENCE = "CC BY 4.0"


def _accept(_: Mapping[str, Any]) -> None:
    """Most data sets have no options to check."""


@dataclass(frozen=True)
class Entry:
    """A data set of the catalogue.

    Args:
        name: what studies call it.
        files: what is fetched, in the order the reader wants; empty if nothing is.
        reader: makes a table of the files and the options.
        licence: terms of the data.
        citation: whom to cite.
        description: one line.
        image_shape: (H, W, C) where the data are images, else None.
        options: option names with their defaults. An option ``path`` names a file of the user's.
        check: raises UserError for option values that do not fit.
        has_densities: whether the reader knows the density of each row in each class.
    """

    name: str
    files: tuple[File, ...]
    reader: Reader
    licence: str
    citation: str
    description: str
    image_shape: tuple[int, int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], None] = _accept
    has_densities: bool = False

    @property
    def is_generator(self) -> bool:
        """Whether another ``seed`` among its options draws other data."""
        return not self.files and "seed" in self.options and "path" not in self.options

    def complete_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``given`` with defaults filled in.

        Raises:
            UserError: an unknown option, or a value that does not fit.
        """
        for key in given:
            if key not in self.options:
                remedy = suggest(key, self.options) if self.options else "remove it"
                raise UserError("options", f'"{self.name}" has no option "{key}"', remedy)
        options = {**self.options, **given}
        self.check(options)
        return options
