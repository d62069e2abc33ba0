"""YAML as plain data, whatever the file: no tags that build objects, and bounded in every way.

A few lines of YAML can stand for more than any memory holds (aliases of aliases), nest deeper than
Python can follow, or hold themselves. Numbers and texts that no result file could keep are refused
here too.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lalbench.errors import UserError

LARGEST_FILE = 4 * 2**20
"""Bytes; a study that lists 200,000 seeds has half as many."""
MOST_VALUES = 250_000
"""Values of a file, each as often as aliases repeat it."""
DEEPEST = 30
"""Levels of lists and mappings."""

_LARGEST_INTEGER = 2**64
_LONGEST_NUMBER = 100
"""Characters; also of true, false and null."""
_SCALARS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
_TAGS = _SCALARS | {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
"""Those of JSON: dates stay text."""
_KEPT = frozenset("\t\n\r")
"""Control characters that texts of several lines have."""


def read(path: str | os.PathLike[str]) -> Any:
    """The plain data in a file; errors as :func:`parse`, and those of a file that is none.

    A pipe or a device is no file: the workflow reads a study many times.
    """
    place = Path(path)
    if os.path.exists(place) and not os.path.isfile(place):
        raise UserError("", "is no file", "name a YAML file")
    try:
        if place.stat().st_size > LARGEST_FILE:
            raise UserError("", f"has more than {LARGEST_FILE} bytes", "name a YAML file")
        text = place.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError("", "no such study file", "correct the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("", f"cannot be read ({error})", "make it a readable UTF-8 file") from None
    return parse(text)


def parse(text: str) -> Any:
    """The plain data that a text of YAML stands for.

    Raises:
        UserError: no YAML, a key that stands twice, a tag, or more than the bounds above; the key
            is the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except UserError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "")
        raise UserError(line, f"not valid YAML ({problem})", "correct it") from None
    except (ValueError, OverflowError) as error:  # characters and versions that are none
        raise UserError("", f"not valid YAML ({error})", "correct it") from None


def check(content: Any, key: str = "", depth: int = 0) -> None:
    """Raises :class:`UserError` for what no result file can keep: it names the place.

    Those are numbers that are not finite or have more than 64 bits, text with control characters or
    halves of surrogate pairs, and what is nested more than :data:`DEEPEST` levels.
    """
    if depth > DEEPEST:
        raise UserError(key, f"is nested more than {DEEPEST} levels deep", "flatten it")
    if isinstance(content, Mapping):
        for name, value in content.items():
            check(name, key, depth + 1)
            check(value, f"{key}.{name}" if key else str(name), depth + 1)
    elif isinstance(content, list | tuple):
        for place, value in enumerate(content):
            check(value, f"{key}[{place}]", depth + 1)
    elif isinstance(content, str):
        _check_text(content, key)
    elif isinstance(content, int) and abs(content) >= _LARGEST_INTEGER:
        raise UserError(key, f"an integer of {content.bit_length()} bits", "use a smaller one")
    elif isinstance(content, float) and not math.isfinite(content):
        raise UserError(key, f"{content} is no number that can be kept", "use a finite number")


def _check_text(text: str, key: str) -> None:
    if text.isprintable():
        return
    for letter in text:
        if letter not in _KEPT and unicodedata.category(letter) in ("Cc", "Cs"):
            raise UserError(
                key, f"holds the character U+{ord(letter):04X}, which cannot be kept", "remove it"
            )


def _guarded(
    construct: Callable[[Any, yaml.Node], Any],
) -> Callable[[yaml.SafeLoader, yaml.Node], Any]:
    """A constructor of scalars that refuses what PyYAML would stumble over, or count for hours."""

    def guarded(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode) and len(node.value) <= _LONGEST_NUMBER:
            try:
                return construct(loader, node)
            except (ValueError, LookupError, OverflowError):
                pass
        kind = node.tag.rpartition(":")[2]
        raise yaml.constructor.ConstructorError(None, None, f"no {kind}", node.start_mark)

    return guarded


class _Loader(yaml.SafeLoader):
    """Knows the types of JSON; a repeated key is an error, and so is too much of anything."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in known if tag in _TAGS]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012
        tag: _guarded(construct) if tag in _SCALARS else construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag in _TAGS or tag is None
    }

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._values = 0
        self._depth = self._reached = 0
        self._extents: dict[yaml.Node, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Counts values and levels; an alias counts as what it repeats."""
        event, above, before = self.peek_event(), self._reached, self._values
        self._depth += 1
        self._reached = self._depth
        self._check_extent(event.start_mark)
        node = super().compose_node(parent, index)
        assert node is not None
        if isinstance(event, yaml.AliasEvent):
            if node not in self._extents:
                raise _refused("an alias inside of what it repeats", event.start_mark)
            values, height = self._extents[node]
            self._values, self._reached = self._values + values, self._depth + height
        else:
            self._values += 1
            self._extents[node] = (self._values - before, self._reached - self._depth)
        self._check_extent(event.start_mark)
        self._reached = max(above, self._reached)
        self._depth -= 1
        return node

    def _check_extent(self, mark: Any) -> None:
        if self._reached > DEEPEST:
            raise _refused(f"more than {DEEPEST} levels of lists and mappings", mark)
        if self._values > MOST_VALUES:
            raise _refused(f"more than {MOST_VALUES} values, with what aliases repeat", mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, unless a key stands twice in it."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise UserError(
                    f"line {key_node.start_mark.line + 1}",
                    f'key "{key}" stands twice',
                    "remove one of them",
                )
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
