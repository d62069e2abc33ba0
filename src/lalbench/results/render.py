"""One table as CSV, Markdown, LaTeX and HTML, all from the same data frame."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lalbench import files
from lalbench.results import markup
from lalbench.results.markup import levels

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "²": "$^2$",
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "<": "$<$",
    ">": "$>$",
    "∞": r"$\infty$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
    "†": r"\dag{}",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
    "τ": r"$\tau$",
    "Σ": r"$\Sigma$",
    "–": "--",
    "·": r"$\cdot$",
}


@dataclass(frozen=True)
class Block:
    """A part of a table as it is shown.

    Attributes:
        heading: what sets it apart from the other parts; may be empty.
        shown: text cells, ``**bold**`` allowed; columns with one or two levels.
        summary_rows: rows at the end that sum the others up; sorting leaves them there.
    """

    heading: str
    shown: pd.DataFrame
    summary_rows: int = 0


@dataclass(frozen=True)
class Table:
    """A table: all its numbers (CSV) and how they are shown (Markdown, LaTeX, HTML).

    Attributes:
        name: file name without ending.
        title: what it is, in a few words.
        caption: units, rules, families and footnotes.
        data: tidy numbers.
        blocks: what is shown, made from ``data``.
        long: the report folds it away.
    """

    name: str
    title: str
    caption: str
    data: pd.DataFrame
    blocks: list[Block] = field(default_factory=list)
    long: bool = False

    def csv(self) -> str:
        """Numbers with ten significant digits, empty where there is none."""
        return self.data.to_csv(index=False, float_format="%.10g", lineterminator="\n")

    def markdown(self) -> str:
        """Title, caption and one pipe table per block."""
        from tabulate import tabulate

        parts = [f"# {self.title}", self.caption]
        for block in self.blocks:
            if block.heading:
                parts.append(f"## {block.heading}")
            header = [" · ".join(filter(None, levels(c))) for c in block.shown.columns]
            rows = [[_pipes(cell) for cell in row] for row in block.shown.to_numpy().tolist()]
            plain = dict.fromkeys(("disable_numparse", "preserve_whitespace"), True)
            parts.append(tabulate(rows, headers=header, tablefmt="pipe", **plain))  # type: ignore[arg-type]
        return "\n\n".join(parts) + "\n"

    def latex(self) -> str:
        """One ``table`` environment per block; needs booktabs, graphicx, amssymb."""
        parts = ["% needs \\usepackage{booktabs,graphicx,amssymb}"]
        parts += [self._latex_block(number, block) for number, block in enumerate(self.blocks)]
        return "\n".join(parts) + "\n"

    def _latex_block(self, number: int, block: Block) -> str:
        shown = block.shown.map(_latex_cell)
        names = [[_latex_text(part) for part in levels(column)] for column in shown.columns]
        if len(names[0]) > 1:
            shown.columns = pd.MultiIndex.from_tuples([tuple(name) for name in names])
        else:
            shown.columns = pd.Index([name[0] for name in names])
        tabular = shown.style.hide(axis="index").to_latex(
            hrules=True, multicol_align="c", column_format="l" + "r" * (shown.shape[1] - 1)
        )
        heading = f" {_latex_text(block.heading)}." if block.heading else ""
        label = self.name.replace("_", "-") + (f"-{number + 1}" if len(self.blocks) > 1 else "")
        return (
            "\\begin{table}\n\\centering\n"
            f"\\caption{{{_latex_text(self.title)}.{heading} {_latex_text(self.caption)}}}\n"
            f"\\label{{tab:{label}}}\n"
            f"\\resizebox{{\\linewidth}}{{!}}{{%\n{tabular.strip()}}}\n\\end{{table}}"
        )

    def html(self) -> str:
        """The blocks as HTML tables that can be sorted; every text is escaped."""
        return "\n".join(
            markup.block(
                block.shown,
                ", ".join(filter(None, [self.title, block.heading])),
                block.heading,
                block.summary_rows,
            )
            for block in self.blocks
        )

    def write(self, folder: Path) -> None:
        """Writes ``name.csv``, ``name.md`` and ``name.tex`` to ``folder``."""
        files.write_text(folder / f"{self.name}.csv", self.csv())
        files.write_text(folder / f"{self.name}.md", self.markdown())
        files.write_text(folder / f"{self.name}.tex", self.latex())


def number(value: float, digits: int) -> str:
    """A number with a true minus sign; a dash where there is none.

    >>> number(-0.125, 2), number(float("nan"), 2)
    ('−0.12', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def p_value(value: float) -> str:
    """Three decimals, never 0."""
    if math.isnan(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def interval(low: float, high: float, digits: int) -> str:
    """``[low, high]``, or nothing where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def by_classifier(table: pd.DataFrame, cell: Callable[[pd.Series], str]) -> list[Block]:
    """A block of :func:`spread` for each classifier, in the order in which they come."""
    return [
        Block(str(classifier), spread(part, cell))
        for classifier, part in table.groupby("classifier", sort=False)
    ]


def spread(table: pd.DataFrame, cell: Callable[[pd.Series], str]) -> pd.DataFrame:
    """Strategies as rows, (data set, setting) as columns, in the order in which they come.

    Args:
        table: rows with ``strategy``, ``dataset``, ``setting``; ``role`` if bounds are to be named.
        cell: the text of one row of ``table``.
    """
    texts: dict[tuple[str, str], dict[str, str]] = {("strategy", ""): {}}
    for _, row in table.iterrows():
        texts[("strategy", "")][row["strategy"]] = named(row)
        texts.setdefault((row["dataset"], row["setting"]), {})[row["strategy"]] = cell(row)
    order = list(texts[("strategy", "")])
    columns = {key: [cells.get(name, "–") for name in order] for key, cells in texts.items()}
    shown = pd.DataFrame(columns)
    shown.columns = pd.MultiIndex.from_tuples(list(columns))
    return shown


def named(row: pd.Series) -> str:
    """A strategy's label; bounds say that they are one."""
    bound = row.get("role") == "bound"
    return f"{row['strategy']} (bound)" if bound else str(row["strategy"])


def _pipes(cell: object) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _latex_cell(cell: object) -> str:
    bold = re.fullmatch(r"\*\*(.*)\*\*", str(cell))
    return f"\\textbf{{{_latex_text(bold[1])}}}" if bold else _latex_text(str(cell))
