"""A block of a table as HTML: spanning headers, row headers, and columns that can be sorted.

Columns of numbers and of texts are told apart here; report.js sorts by what the headers say.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import groupby

import pandas as pd

NUMBER = re.compile(r"(\*\*)?\[?[<>]?\s?[+−-]?(\d+(\.\d+)?|∞)(?![\w.])")
"""How a cell with a number begins: ``8.67 ± 0.17``, ``<0.001``, ``[−0.5, 0.2]``, ``8/9``."""

MISSING = re.compile(r"–.*|not run|not everywhere|(ERR|TLE) .*|> budget.*|")
"""Cells of a column of numbers that have none."""


def block(shown: pd.DataFrame, label: str, heading: str, summary_rows: int = 0) -> str:
    """A table in a box of its own, which scrolls where the page is too narrow for it.

    Args:
        shown: text cells, ``**bold**`` allowed; columns with one or two levels.
        label: name of the box for those who cannot see it.
        heading: shown above the table; empty for none.
        summary_rows: rows at the end that sum the others up: they keep their place in any order.
    """
    columns = [levels(column) for column in shown.columns]
    rows = [[str(cell) for cell in row] for row in shown.to_numpy().tolist()]
    numbers = [_is_number([row[place] for row in rows]) for place in range(len(columns))]
    body = [_row(row, numbers) for row in rows]
    until = len(body) - summary_rows
    foot = f"<tfoot>\n{''.join(body[until:])}</tfoot>\n" if summary_rows else ""
    caption = f"<caption>{html.escape(heading)}</caption>\n" if heading else ""
    return (
        f'<div class="scroll" role="group" tabindex="0" aria-label="{html.escape(label)}">\n'
        f"<table>\n{caption}<thead>{_head(columns, numbers)}</thead>\n"
        f"<tbody>\n{''.join(body[:until])}</tbody>\n{foot}</table></div>"
    )


def levels(column: object) -> list[str]:
    """The names of a column from the top level down."""
    return [str(part) for part in column] if isinstance(column, tuple) else [str(column)]


def _is_number(cells: Sequence[str]) -> bool:
    return any(map(NUMBER.match, cells)) and all(
        NUMBER.match(cell) or MISSING.fullmatch(cell) for cell in cells
    )


def _head(columns: list[list[str]], numbers: list[bool]) -> str:
    """Equal neighbours of an upper level are joined; a column without lower names reaches down."""
    depth = len(columns[0])
    lines = []
    for level in range(depth):
        cells = []
        names = enumerate(column[level] for column in columns)
        for name, group in groupby(names, lambda entry: entry[1]):
            places = [place for place, _ in group]
            if level + 1 < depth and any(any(columns[place][level + 1 :]) for place in places):
                cells.append(
                    f'<th scope="colgroup" colspan="{len(places)}">{html.escape(name)}</th>'
                )
            elif level == 0 or name:
                cells += [_leaf(name, place, numbers[place], depth - level) for place in places]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "".join(lines)


def _leaf(name: str, place: int, is_number: bool, rows: int) -> str:
    kind = "number" if is_number else "text"
    attributes = f'scope="col" data-column="{place}" data-kind="{kind}"'
    if rows > 1:
        attributes += f' rowspan="{rows}"'
    return f"<th {attributes}>{html.escape(name)}</th>"


def _row(cells: list[str], numbers: list[bool]) -> str:
    first, *others = map(_cell, cells)
    first = first.replace("_", "_<wbr>")  # where a narrow page may break a label
    rest = "".join(
        f"<td>{text}</td>" if is_number else f'<td class="text">{text}</td>'
        for text, is_number in zip(others, numbers[1:], strict=True)
    )
    return f'<tr><th scope="row">{first}</th>{rest}</tr>\n'


def _cell(cell: str) -> str:
    return re.sub(r"^\*\*(.*)\*\*$", r"<strong>\1</strong>", html.escape(cell))
