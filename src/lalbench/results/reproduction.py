"""Our numbers and the published ones, compared for every page of ``docs/reproduction*.md``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from lalbench import files
from lalbench.config import Figures, Study
from lalbench.errors import UserError
from lalbench.results import published as pub
from lalbench.results.reproduction_figure import agreement_figure
from lalbench.results.reproduction_page import Comparison, document
from lalbench.results.style import drawing, save


def write_reproduction(studies: Sequence[Study], reference_dir: Path, output: Path) -> None:
    """Writes the comparison as Markdown, with its figure beside it.

    Args:
        studies: studies of the paper.
        reference_dir: folder with the published numbers (``studies/reference``).
        output: the Markdown file; the figure goes to a folder of the same name beside it. The same
            trials give the same bytes.

    Raises:
        CorruptFileError: a trial file that cannot be read or contradicts others.
        UserError: no trial, or a reference file is missing.
    """
    found = compare_all(studies, reference_dir)
    with drawing():
        figure = agreement_figure(found.tables)
    save(figure, output.with_suffix(""), "agreement", Figures(formats=["svg"]))
    files.write_text(output, document(found, f"{output.stem}/agreement.svg"))


def compare_all(studies: Sequence[Study], reference_dir: Path) -> Comparison:
    """Reads trials and published numbers and compares them (errors as the function above)."""
    ours = pub.Results.of(*[study.folder for study in studies])
    places = {
        (dataset.label, classifier.label)
        for study in studies
        for dataset in study.datasets
        for classifier in study.classifiers
    }
    figures = _read(reference_dir, "npal_figures.csv")
    cells = ours.cells
    derived = [pub.legend_cells(cells), pub.rank_cells(cells, figures[figures["metric"] == "rank"])]
    tables = _read(reference_dir, "npal_published.csv")
    figures["std"] = figures["std"].fillna(_table_std(tables, figures))
    with_derived = pd.concat([cells, *[part for part in derived if len(part)]], ignore_index=True)
    recomputed = _read(reference_dir, "npal_recomputed.csv")
    golden = _read(reference_dir, "npal_curves_waveform.csv")
    no_reference = _read(reference_dir, "npal_not_a_reference.csv")
    return Comparison(
        studies=tuple(study.study for study in studies),
        protocols=tuple(dict.fromkeys(study.protocol for study in studies)),
        tables=pub.compare(_within(places, tables), cells, no_reference),
        recomputed=pub.compare(_within(places, recomputed), cells),
        figures=pub.compare(_within(places, figures), with_derived, no_reference),
        curves=pub.curve_agreement(_within(places, golden), ours.curves),
        reasons=_read(reference_dir, "npal_reasons.csv"),
        software=ours.software,
    )


def _within(places: Collection[tuple[str, str]], published: pd.DataFrame) -> pd.DataFrame:
    """The rows of (data set, classifier) in ``places``; those of no data set need all UCI sets."""
    inside = [
        all((name, classifier) in places for name in ([dataset] if dataset else pub.UCI))
        for dataset, classifier in zip(published["dataset"], published["classifier"], strict=True)
    ]
    return published[inside].reset_index(drop=True)


def _read(folder: Path, name: str) -> pd.DataFrame:
    path = folder / name
    if not path.exists():
        raise UserError(str(path), "no such file", "give the folder studies/reference")
    table = pd.read_csv(path, dtype={"table": str} | dict.fromkeys(pub.CELL, str))
    return table.fillna(dict.fromkeys(pub.CELL, ""))


def _table_std(tables: pd.DataFrame, figures: pd.DataFrame) -> pd.Series:
    """Published standard deviations of the AUACs in the legends, which print none."""
    keys = [*pub.CELL, "metric"]
    known = tables.drop_duplicates(keys)[[*keys, "std"]]
    merged = figures[keys].merge(known, on=keys, how="left")
    return merged["std"].set_axis(figures.index)
