"""What there is: strategies, data sets, classifiers and objectives, with a line about each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


def strategies() -> dict[str, str]:
    """Names and first lines of the docstrings."""
    from lalbench import strategies as package
    from lalbench.imports import import_object

    return {name: _line(import_object(package.path_of(name), "class")) for name in package.names()}


def datasets() -> dict[str, str]:
    """Names and descriptions."""
    from lalbench import data

    return {name: data.CATALOGUE[name].description for name in data.names()}


def classifiers() -> dict[str, str]:
    """Names and first lines of the docstrings."""
    from lalbench import classifiers as package
    from lalbench.imports import import_object

    return {name: _line(import_object(package.path_of(name), "class")) for name in package.names()}


def objectives() -> dict[str, str]:
    """Names and first lines of the docstrings."""
    from lalbench import objectives as package

    return {name: _line(package.class_of(name)) for name in package.names()}


CATALOGUES: Mapping[str, Callable[[], dict[str, str]]] = MappingProxyType(
    {
        "strategies": strategies,
        "datasets": datasets,
        "classifiers": classifiers,
        "objectives": objectives,
    }
)
"""By the name that people ask for."""


def _line(made_by: Any) -> str:
    """The first sentence of a docstring, on one line and without its markup."""
    first = (inspect.getdoc(made_by) or "").split("\n\n")[0].replace("\n", " ")
    return first.replace("``", "").removesuffix(".")
