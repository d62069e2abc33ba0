"""The table of the proof of look-ahead against plain counting on invented trials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import bootstrap, wilcoxon
from statsmodels.stats.multitest import multipletests

from benchmarks import look_ahead_ablation as ablation
from benchmarks import look_ahead_proof as proof
from lalbench.config import Study
from lalbench.results.analysis import Analysis
from lalbench.results.records import load

STRATEGIES = ["random", "entropy", "hal_gauss", "look_ahead", "neural_process"]
BOUND = {"name": "oracle", "label": "oracle_smooth", "options": {"score": "smooth"}}


@pytest.fixture
def made(tmp_path: Path, write: Callable[..., Path]) -> Study:
    content: dict[str, Any] = {
        "study": "invented", "protocol": "clean", "results": str(tmp_path),
        "seeds": {"data": {"first": 0, "count": 9}, "run": {"first": 0, "count": 9},
                  "pairs": "matched"},
        "datasets": ["waveform", "mushrooms"], "settings": ["balanced", "imbalanced"],
        "classifiers": ["svm"], "strategies": [*STRATEGIES, BOUND],
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(content))
    study = Study.model_validate(content)
    write(study)
    return study


def areas(study: Study) -> pd.DataFrame:
    """(data set, setting, seed) × strategy areas under the curve, from the plain rows."""
    trials = load(study, study.folder).trials.sort_values("step")
    keys = ["dataset", "setting", "data_seed", "strategy"]
    return trials.groupby(keys)["objective"].apply(np.trapezoid).unstack("strategy")


def test_rows_by_plain_counting(made: Study) -> None:
    cells = proof.cell_table(Analysis.of(made, made.folder))
    assert len(cells) == 4
    assert cells["share"].notna().any()
    every = areas(made)
    for _, row in cells.iterrows():
        here = every.loc[row["dataset"], row["setting"]]
        means = here.mean()
        best = means[["entropy", "hal_gauss"]].idxmax()
        assert row["best"] == best
        for name, other in (("random", "random"), ("best", best), ("learned", "neural_process")):
            gap = here["look_ahead"] - here[other]
            assert row[f"{name}_difference"] == pytest.approx(gap.mean() / made.steps)
            assert row[f"{name}_difference_low"] < gap.mean() / made.steps
            assert row[f"{name}_difference_high"] > gap.mean() / made.steps
            counted = [(gap > 0).sum(), (gap == 0).sum(), (gap < 0).sum()]
            assert row[f"{name}_wins"] == " / ".join(map(str, counted))
        gains = means[["look_ahead", "oracle_smooth"]] - means["random"]
        bound = here["oracle_smooth"] - here["random"]
        if bound.mean() > bound.std() / 3:  # its standard error, of nine splits
            assert row["share"] == pytest.approx(gains["look_ahead"] / gains["oracle_smooth"])
            low, high = row["share_interval"]
            resampled = scipy_interval(here)
            assert low == pytest.approx(resampled.low, abs=0.1 * (resampled.high - resampled.low))
            assert high == pytest.approx(resampled.high, abs=0.1 * (resampled.high - resampled.low))
        else:
            assert np.isnan(row["share"])
        rank = means.drop("oracle_smooth").rank(ascending=False)["look_ahead"]
        assert row["rank"] == rank


def scipy_interval(here: pd.DataFrame) -> Any:
    """Of the share of the bound's gain over random, by another program."""
    gains = [here[name] - here["random"] for name in ("look_ahead", "oracle_smooth")]
    found = bootstrap(
        gains, lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1),
    )  # fmt: skip
    return found.confidence_interval


def test_the_rank_of_the_winner_is_always_shown() -> None:
    ranks = {name: place for place, name in enumerate("abcde", 1)}
    assert proof._ranks({**ranks, "look_ahead": 5.5}).endswith("d 4.0, look_ahead 5.5 (of 6)")
    assert proof._ranks({**ranks, "look_ahead": 0.5}) == "look_ahead 0.5, a 1.0, b 2.0, c 3.0"


def test_the_page(made: Study, capsys: pytest.CaptureFixture[str]) -> None:
    proof.main([str(Path(made.results) / "s.yaml")])
    text = capsys.readouterr().out
    assert text.count("| svm ") == 4 + 2
    assert "share of oracle_smooth" in text
    assert "minus neural_process" in text
    assert text.count("| 110 / 110 / 110 / 210 ") == 4  # here the learned one alone reads rewards


def test_several_studies_together(made: Study, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(Path(made.results) / "s.yaml")
    proof.main([path, path, "--together", "invented"])
    text = capsys.readouterr().out.partition("## invented and invented, together")[2]
    every = areas(made).drop(columns="oracle_smooth")
    for setting in ("balanced", "imbalanced"):
        means = every.xs(setting, level="setting").groupby("dataset").mean()
        ranks = means.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
        (line,) = (each for each in text.splitlines() if f"| {setting} " in each)
        assert f" {ranks.index[0]} {ranks.iloc[0]:.1f}, " in line
        assert line.count("of 4") == 3  # two data sets, twice


def test_the_ablation_is_a_mean_over_data_sets(
    made: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    analysis = Analysis.of(made, made.folder)
    shown = ablation.table(analysis, "svm").set_index("strategy")
    assert list(shown.index) == ["random", "entropy", "hal_gauss", "neural_process"]
    every = areas(made)
    for setting in ("balanced", "imbalanced"):
        gaps = {}
        for other in shown.index:
            gap = every[other] - every["look_ahead"]
            gaps[other] = gap.xs(setting, level="setting").groupby("data_seed").mean() / made.steps
        p = multipletests([wilcoxon(gap).pvalue for gap in gaps.values()], method="holm")[1]
        for (other, gap), adjusted in zip(gaps.items(), p, strict=True):
            text = str(shown.loc[other, f"{setting}, 2 data sets"])
            assert text.startswith(f"{100 * gap.mean():+.2f} [")
            assert text.endswith("*") == (adjusted < 0.05)
    ablation.main([str(Path(made.results) / "s.yaml")])
    assert "| hal_gauss " in capsys.readouterr().out
