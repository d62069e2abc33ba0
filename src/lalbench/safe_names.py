"""What may become the name of a file or folder of results, and a word of a shell command."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_FOLDER = re.compile(r"[^-{}<>\x00-\x1f\x7f][^{}<>\x00-\x1f\x7f]*")
_LONGEST_PATH = 1000
_LONGEST_PART = 255
"""Bytes that file systems allow."""


def _safe_name(value: str) -> str:
    # Names become folder names and words of shell commands.
    if not _NAME.fullmatch(value):
        raise ValueError(
            "must be letters, digits, '.', '_' or '-', at most 80, starting with a letter or digit"
        )
    return value


SafeName = Annotated[
    str,
    AfterValidator(_safe_name),
    Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"}),
]


def results_folder(value: str) -> str:
    """``value`` where it can be the folder of results; ValueError else.

    Snakemake takes braces for wildcards and angle brackets for variables of paths; behind a hyphen
    the commands would look for an option.
    """
    if (value and not _FOLDER.fullmatch(value)) or not value.isprintable():
        raise ValueError(
            "names no folder that the workflow can use; leave out braces, angle brackets, line "
            "breaks and a hyphen at its beginning"
        )
    if len(value) > _LONGEST_PATH or any(
        len(os.fsencode(p)) > _LONGEST_PART for p in Path(value).parts
    ):
        raise ValueError("is too long for a folder of results; choose a shorter name")
    return value


ResultsFolder = Annotated[
    str,
    AfterValidator(results_folder),
    Field(min_length=1, json_schema_extra={"pattern": f"^{_FOLDER.pattern}$"}),
]
