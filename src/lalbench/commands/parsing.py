"""The parser of the command line: what it cannot read ends as one sentence, as all bad input."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from lalbench.errors import suggest

_KINDS = {"int": "whole number", "float": "number"}
"""What the types of arguments are called."""


class Parser(argparse.ArgumentParser):
    """argparse's, with messages of one line; ``--help`` is argparse's own."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with code 2 and one sentence with the remedy."""
        text = re.sub(r"^argument ([^:]+): ", r"\1: ", " ".join(message.split()))
        text = re.sub(r"^the following arguments are required: (.*)", r"\1: missing", text)
        for kind, name in _KINDS.items():
            text = re.sub(rf"invalid {kind} value: '(.*)'", rf'"\1" is no {name}', text)
        self.exit(2, f"lalbench: {text}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse's, but refuses what is unknown where it stands: behind its command."""
        found, others = super().parse_known_args(args, namespace)
        if others:
            self.error(self._unknown(others))
        return found, others

    def _unknown(self, words: Sequence[str]) -> str:
        options = [word for word in words if word.startswith("-")]
        if not options:
            return f"{words[0]}: one argument too many"
        name = options[0].partition("=")[0]
        return f"{name}: no such option, {_hint(name, self._option_string_actions)}"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            remedy = _hint(value, map(str, action.choices))
            raise argparse.ArgumentError(action, f'"{value}" is no choice, {remedy}')


def _hint(value: str, known: Iterable[str]) -> str:
    """The closest known word or all of them, for the middle of a sentence."""
    return suggest(value, known).removesuffix("?")
