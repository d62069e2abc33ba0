"""``completion``: what a shell needs to complete commands, options and choices."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lalbench.commands.shared import add_command

if TYPE_CHECKING:
    from lalbench.commands.shared import Commands

_BASH = """\
_lalbench() {{
    local word=${{COMP_WORDS[COMP_CWORD]}}
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    local choices=() options=()
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    # Options are offered where one was begun, so that all else is completed as a file.
    [[ $word == -* ]] && choices=("${{options[@]}}")
    COMPREPLY=($(compgen -W "${{choices[*]}}" -- "$word"))
}}
complete -o default -F _lalbench lalbench
"""
_CASE = "        {name}) choices=({choices}) options=({options}) ;;"
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def add(commands: Commands) -> None:
    """Declares the command."""
    text = "print the completion of commands for a shell"
    sub = add_command(commands, "completion", _completion, text)
    sub.add_argument("shell", choices=["bash", "zsh"])


def _completion(options: argparse.Namespace) -> None:
    from lalbench.commands import parser

    print((_ZSH if options.shell == "zsh" else "") + script(parser()), end="")


def script(parser: argparse.ArgumentParser) -> str:
    """A function of bash that knows all commands; files are completed where nothing else fits."""
    subs = _subparsers(parser)
    cases = [
        _CASE.format(name=name, choices=" ".join(_choices(sub)), options=" ".join(_options(sub)))
        for name, sub in subs.items()
    ]
    return _BASH.format(commands=" ".join(subs), cases="\n".join(cases))


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def _choices(sub: argparse.ArgumentParser) -> Sequence[str]:
    """Choices of positional arguments."""
    return [
        str(choice)
        for action in sub._actions
        if not action.option_strings and action.choices is not None
        for choice in action.choices
    ]


def _options(sub: argparse.ArgumentParser) -> Sequence[str]:
    return [action.option_strings[-1] for action in sub._actions if action.option_strings]
