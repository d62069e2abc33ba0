"""The report of a study: one HTML file that can be read without the code or the network."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lalbench import files
from lalbench.config import Study
from lalbench.results import design, figures, shown_facts, style, tables
from lalbench.results.analysis import Analysis
from lalbench.results.cautions import cautions
from lalbench.results.class_names import class_rows
from lalbench.results.findings import findings
from lalbench.results.label_counts import with_labels
from lalbench.results.render import Table

PIXELS = 120
"""Of a figure's inch on the page: letters of 7.5 points become as large as those of the tables."""


@dataclass(frozen=True)
class Picture:
    """A drawn figure, inlined; ``alternative`` says in words what it shows."""

    name: str
    title: str
    caption: str
    alternative: str
    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading, a sentence, then tables and figures."""

    id: str
    title: str
    intro: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()

    @property
    def count(self) -> str:
        """How much there is in it, for the list of contents."""
        every = {"table": len(self.tables), "figure": len(self.pictures)}
        return ", ".join(design.counted(count, noun) for noun, count in every.items() if count)


def write_report(study: Study, results_dir: Path, output: Path, drawn: Path | None = None) -> None:
    """Writes the report of ``study``.

    It names the package versions and shows measured times, so it may differ between runs; its other
    tables and its figures are those of the folders ``tables`` and ``figures``. The table of times
    is also written to ``<results_dir>/timings``.

    Args:
        study: the study.
        results_dir: its folder.
        output: where the report is written.
        drawn: folder with every figure of the study as SVG, as
            :func:`lalbench.results.figures.write_figures` leaves it; without it they are drawn.

    Raises:
        CorruptFileError: a trial file that cannot be read or contradicts others.
        UserError: no trial of the study is there.
    """
    analysis = Analysis.of(study, results_dir)
    files.write_text(output, _template().render(**_content(analysis, results_dir, drawn)))
    if len(analysis.records.timings):
        _cost_table(analysis).write(results_dir / "timings")


def _cost_table(analysis: Analysis) -> Table:
    return with_labels(analysis, shown_facts.cost_table(analysis))


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lalbench.results", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _content(analysis: Analysis, results_dir: Path, drawn: Path | None) -> dict[str, Any]:
    study = analysis.study
    coverage = analysis.records.coverage[["planned", "finished"]].sum()
    css, script = _beside_this("report.css"), _beside_this("report.js")
    pictures = _pictures(analysis, drawn)
    return {
        "study": study,
        "objective": analysis.objective,
        "compared": design.compared(analysis),
        "details": [*design.details(analysis), *class_rows(study, results_dir)],
        "findings": findings(analysis),
        "standing": [picture for name, picture in pictures.items() if name == "standing"],
        "planned": int(coverage["planned"]),
        "complete": bool(coverage["planned"] == coverage["finished"]),
        "cautions": cautions(analysis),
        "roles": analysis.roles,
        "sections": [part for part in _sections(analysis, pictures) if part.count],
        "yaml": _yaml(study),
        "software": analysis.records.software,
        "environment": environment(),
        "study_hash": files.digest(study.model_dump(mode="json", by_alias=True)),
        "style": css,
        "style_hash": _policy_hash(css),
        "script": script,
        "script_hash": _policy_hash(script),
    }


def _beside_this(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    """How a content security policy names a script or style: nothing else in the page runs."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


PROBABILITIES = (
    "Uncertainty sampling takes points whose probability is close to 0.5; other strategies need "
    "not (Konyushkova et al. 2017, Figure 5)."
)
REGRESSORS = (
    "LAL asks a regressor that knows the state of the classifier, not the features of a point; the "
    "importances say which columns of the state decide."
)


def _sections(analysis: Analysis, pictures: dict[str, Picture]) -> Sequence[Section]:
    every = {table.name: table for table in tables.all_tables(analysis)}

    def some(*names: str) -> list[Table]:
        return [every[name] for name in names if name in every]

    def drawn(*kinds: str) -> list[Picture]:
        return [
            p
            for k in kinds
            for name, p in pictures.items()
            if name == k or name.startswith(k + "-")
        ]

    cost = [_cost_table(analysis)] if len(analysis.records.timings) else []
    return [
        Section("scores", "Scores", "",
                some("standing", "auac", "final", "auac_vs_random", "final_vs_random")),
        Section("curves", "Learning curves", "", (),
                drawn("curves", "dataset_curves", "relative", "versus_random")),
        Section("ranks", "Ranks and all pairs", "",
                some("ranks", "across_data_sets", "multi_comparison", "penalty", "auac_all_pairs",
                     "final_all_pairs"),
                drawn("ranks", "relative_overview", "multi_comparison", "penalty")),
        Section("rare", "Rare classes and balance", "",
                some("rare_class", "class_balance", "labels_to_balance", "acquired_per_class"),
                drawn("class_balance", "balance")),
        Section("probabilities", "What the classifier said of the chosen points", PROBABILITIES,
                some("acquired_probabilities"), drawn("acquired_probabilities")),
        Section("beside", "Beside the scores", _beside(analysis),
                some("label_budget", "references", "regret", "labels_to_target", "area_vs_random",
                     "metrics")),
        Section("training", "Training of learned strategies", "", (), drawn("training")),
        Section("regressors", "What LAL learned before the study", REGRESSORS,
                some("regressors"), drawn("regressor_importances")),
        Section("cells", "Cells, and what is missing or failed", "", some("cells", "coverage")),
        Section("cost", "Time", "", cost),
    ]  # fmt: skip


def _beside(analysis: Analysis) -> str:
    """What the tables beside the scores are for, as far as the study has it."""
    sentences = []
    if (analysis.records.references["strategy"] == "annotated_reward").any():
        sentences.append(
            "A strategy that reads reward labels must beat the same labels used without any choice."
        )
    if "bound" in analysis.roles.values():
        sentences.append("The bounds say how much there is to gain.")
    return " ".join(sentences)


def _pictures(analysis: Analysis, drawn: Path | None) -> dict[str, Picture]:
    found = {}
    for drawing in figures.all_figures(analysis):
        svg = _svg(drawing, drawn)
        if svg is None:
            continue
        width, height = _size(svg)
        found[drawing.name] = Picture(
            name=drawing.name,
            title=drawing.title,
            caption=drawing.caption,
            alternative=drawing.describe(),
            source=_inlined(svg),
            width=round(PIXELS * width),
            height=round(PIXELS * height),
        )
    return found


def _svg(drawing: figures.Drawing, drawn: Path | None) -> bytes | None:
    """A figure from the folder ``drawn``, or newly drawn; None where it has no data."""
    if drawn is not None:
        file = drawn / f"{drawing.name}.svg"
        return file.read_bytes() if file.exists() else None
    with style.drawing():
        figure = drawing.draw()
    return None if figure is None else style.svg(figure)


def _size(svg: bytes) -> tuple[float, float]:
    """Width and height in inches, from the points that the file's root element names."""
    found = re.search(rb'<svg[^>]* width="([\d.]+)pt"[^>]* height="([\d.]+)pt"', svg)
    assert found is not None, "no SVG of Matplotlib"
    return float(found[1]) / 72, float(found[2]) / 72


def _inlined(svg: bytes) -> str:
    """An SVG file as the address of an image; a fifth smaller than in base64."""
    return "data:image/svg+xml," + quote(" ".join(svg.decode().split()), safe=" '=:/?,;()+*@$")


def _yaml(study: Study) -> str:
    import yaml

    # where results and mirrors lie is the machine's affair, not the study's
    places = {"results", "mirrors"}
    content = study.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=places)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def environment() -> dict[str, str]:
    """Where this report was written: versions and machine."""
    import lalbench
    from lalbench import codehash

    return {
        "lalbench": lalbench.__version__,
        **codehash.software_versions(),
        "python": platform.python_version(),
        "on": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
