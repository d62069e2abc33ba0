"""Every table of a study, written as CSV, Markdown and LaTeX."""

from __future__ import annotations

from pathlib import Path

from lalbench.config import Study
from lalbench.results import (
    acquired,
    regressors,
    shown_balance,
    shown_facts,
    shown_overall,
    shown_scores,
    shown_standing,
)
from lalbench.results.analysis import Analysis
from lalbench.results.label_counts import with_labels
from lalbench.results.render import Table


def write_tables(study: Study, results_dir: Path, output: Path) -> None:
    """Writes every table of ``study``.

    Args:
        study: the study.
        results_dir: ``results/<study>`` with ``trials/`` and, where they were run, ``curves/`` and
            ``references/``.
        output: folder of the tables; the same trials give the same bytes. Measured times differ
            between runs: their table is written by the report, beside the timings.

    Raises:
        CorruptFileError: a trial file that cannot be read or contradicts others.
        UserError: no trial of the study is there.
    """
    analysis = Analysis.of(study, results_dir)
    for table in all_tables(analysis):
        table.write(output)


def all_tables(analysis: Analysis) -> list[Table]:
    """All tables but the cost; each row about a strategy states how many labels it read."""
    return [with_labels(analysis, table) for table in _tables(analysis)]


def _tables(analysis: Analysis) -> list[Table]:
    return [
        *shown_standing.standing_tables(analysis),
        *shown_scores.score_tables(analysis),
        shown_scores.rare_class_table(analysis),
        shown_balance.balance_table(analysis),
        shown_balance.reached_table(analysis),
        shown_balance.acquired_table(analysis),
        shown_overall.rank_table(analysis),
        shown_facts.reference_table(analysis),
        shown_facts.label_budget_table(analysis),
        shown_facts.place_table(analysis),
        shown_facts.coverage_table(analysis),
        shown_facts.target_table(analysis),
        shown_facts.area_table(analysis),
        *shown_facts.regret_tables(analysis),
        shown_overall.across_table(analysis),
        shown_overall.comparison_table(analysis),
        shown_overall.penalty_table(analysis),
        shown_overall.metric_table(analysis),
        *acquired.acquired_tables(analysis),
        *regressors.regressor_tables(analysis),
        *shown_scores.pair_tables(analysis),
    ]
