"""The report of a study: one HTML file that can be read without the code or the network."""

from __future__ import annotations

import base64
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lalbench import files
from lalbench.config import Study
from lalbench.results import figures, overall, shown_facts, style, tables
from lalbench.results.analysis import Analysis
from lalbench.results.cautions import cautions
from lalbench.results.render import Table


@dataclass(frozen=True)
class Picture:
    """A drawn figure, inlined."""

    title: str
    caption: str
    source: str


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading, a sentence, then tables and figures."""

    id: str
    title: str
    intro: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = field(default_factory=list)


def write_report(study: Study, results_dir: Path, output: Path) -> None:
    """Writes the report of ``study``.

    It names the package versions and shows measured times, so it may differ between runs; its other
    tables and its figures are those of the folders ``tables`` and ``figures``. The table of times
    is also written to ``<results_dir>/timings``.

    Raises:
        CorruptFileError: a trial file that cannot be read or contradicts others.
        UserError: no trial of the study is there.
    """
    analysis = Analysis.of(study, results_dir)
    files.write_text(output, _template().render(**_content(analysis)))
    if len(analysis.records.timings):
        shown_facts.cost_table(analysis).write(results_dir / "timings")


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


def _content(analysis: Analysis) -> dict[str, Any]:
    study = analysis.study
    coverage = analysis.records.coverage[["planned", "finished"]].sum()
    return {
        "study": study,
        "objective": analysis.objective,
        "cautions": cautions(analysis),
        "findings": findings(analysis),
        "planned": int(coverage["planned"]),
        "finished": int(coverage["finished"]),
        "splits": int(analysis.runs.keys.groupby(["dataset", "setting"])["unit"].nunique().max()),
        "pairs": len(analysis.runs.keys[["data_seed", "seed"]].drop_duplicates()),
        "roles": analysis.roles,
        "sections": list(_sections(analysis)),
        "yaml": _yaml(study),
        "software": analysis.records.software,
        "environment": environment(),
        "study_hash": files.digest(study.model_dump(mode="json", by_alias=True)),
    }


def findings(analysis: Analysis) -> list[str]:
    """What the numbers say, one sentence per classifier; nothing that no test or interval backs."""
    found = []
    for _, row in overall.across_table(analysis).iterrows():
        leader = row.get("leads_most")
        if not isinstance(leader, str):
            continue
        share = f"{100 * row['leads_share']:.0f} %"
        where = f"{row['classifier']}: over {row['units']} combinations of data set and setting, "
        if row["units"] < overall.LEAST_UNITS:
            found.append(f"{where}which are too few to rank. {_against_random(analysis, row)}")
            continue
        if row["first"] == "tie":
            text = f"no strategy is clearly first by mean rank; {leader} leads in {share}"
        else:
            text = f"{leader} is first by mean rank, in {share}"
        found.append(f"{where}{text} of the resamples. {_against_random(analysis, row)}")
    return found


def _against_random(analysis: Analysis, row: Any) -> str:
    from lalbench.results.scores import score_table

    if analysis.random is None:
        return ""
    table = score_table(analysis, "objective", "auac")
    kept = table["role"].isin(["strategy", "learned"]) & (table["classifier"] == row["classifier"])
    kept &= table["pairs"] > 0
    clear = table[kept & (table["p_holm"] < 0.05)]
    better = int((clear["difference"] > 0).sum())
    return (
        f"Against {analysis.random}, {better} of {int(kept.sum())} compared cells are "
        f"significantly better and {len(clear) - better} worse (AUAC, paired, Holm-adjusted)."
    )


PROBABILITIES = (
    "Uncertainty sampling takes points whose probability is close to 0.5; other strategies need "
    "not (Konyushkova et al. 2017, Figure 5)."
)
REGRESSORS = (
    "LAL asks a regressor that knows the state of the classifier, not the features of a point; the "
    "importances say which columns of the state decide."
)


def _sections(analysis: Analysis) -> Sequence[Section]:
    every = {table.name: table for table in tables.all_tables(analysis)}
    pictures = _pictures(analysis)

    def some(*names: str) -> list[Table]:
        return [every[name] for name in names if name in every]

    def drawn(*kinds: str) -> list[Picture]:
        return [
            p
            for k in kinds
            for name, p in pictures.items()
            if name == k or name.startswith(k + "-")
        ]

    cost = [shown_facts.cost_table(analysis)] if len(analysis.records.timings) else []
    return [
        Section("scores", "Scores", "", some("auac", "final", "auac_vs_random", "final_vs_random")),
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


def _pictures(analysis: Analysis) -> dict[str, Picture]:
    found = {}
    for drawing in figures.all_figures(analysis):
        with style.drawing():
            figure = drawing.draw()
        if figure is not None:
            source = base64.b64encode(style.svg(figure)).decode()
            found[drawing.name] = Picture(
                drawing.title, drawing.caption, f"data:image/svg+xml;base64,{source}"
            )
    return found


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
