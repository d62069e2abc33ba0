"""Checks that several data sets make of their options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lalbench.errors import UserError, suggest


def check_integer(options: Mapping[str, Any], key: str, least: int, most: int) -> None:
    """Raises :class:`UserError` unless the option is an integer from ``least`` to ``most``."""
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UserError(
            f"options.{key}", f"{value!r} does not fit", f"use an integer from {least} to {most}"
        )


def check_seed(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` unless ``seed`` is an integer from 0 to 2³² - 1."""
    check_integer(options, "seed", 0, 2**32 - 1)


def check_flag(options: Mapping[str, Any], key: str) -> None:
    """Raises :class:`UserError` unless the option is true or false."""
    if not isinstance(options[key], bool):
        raise UserError(f"options.{key}", f"{options[key]!r} is no choice", "use true or false")


def check_choice(options: Mapping[str, Any], key: str, known: Collection[str]) -> None:
    """Raises :class:`UserError` unless the option is one of ``known``."""
    if options[key] not in known:
        raise UserError(
            f"options.{key}", f"{options[key]!r} is no choice", suggest(options[key], known)
        )
