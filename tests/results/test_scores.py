"""Score tables against plain loops over the records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lalbench.config import Study
from lalbench.results.analysis import Analysis
from lalbench.results.roles import baseline, roles
from lalbench.results.scores import PLACE, all_pairs, score_table
from lalbench.results.statistics import holm

Write = Callable[..., Path]
NewStudy = Callable[..., Study]


def row(table: pd.DataFrame, *key: str) -> pd.Series:
    found = table.set_index([*PLACE, "strategy"]).loc[key]
    assert isinstance(found, pd.Series)
    return found


def areas(analysis: Analysis, *cell: str) -> pd.Series:
    """AUAC by (data seed, seed), straight from the rows."""
    rows = analysis.records.trials
    for column, value in zip((*PLACE, "strategy"), cell, strict=True):
        rows = rows[rows[column] == value]
    grouped = rows.sort_values("step").groupby(["data_seed", "seed"])["objective"]
    return grouped.apply(lambda curve: np.trapezoid(curve.to_numpy()))


def test_roles_follow_what_strategies_read(invented: tuple[Study, Path]) -> None:
    found = roles(invented[0])
    assert [name for name, role in found.items() if role == "bound"] == ["oracle", "reward_oracle"]
    assert found["neural_process"] == "learned"
    assert found["entropy"] == found["hal_gauss"] == "strategy"
    assert baseline(found) == "random"


def test_mean_spread_and_difference_of_one_cell(whole: Analysis) -> None:
    place = ("svm", "mushrooms", "imbalanced")
    mine, random = areas(whole, *place, "entropy"), areas(whole, *place, "random")
    found = row(score_table(whole, "objective", "auac"), *place, "entropy")
    assert found["units"] == found["pairs"] == 9
    assert found["mean"] == pytest.approx(mine.mean())
    assert found["std"] == pytest.approx(mine.std(ddof=0))
    gap = (mine - random).to_numpy()
    assert found["difference"] == pytest.approx(gap.mean())
    assert found["p"] == pytest.approx(stats.wilcoxon(gap.round(10), zero_method="pratt").pvalue)
    interval = stats.bootstrap(
        (gap,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    assert found["difference_low"] == pytest.approx(interval.low, abs=0.01)
    assert found["difference_high"] == pytest.approx(interval.high, abs=0.01)


def test_families_of_random_and_of_all_pairs(whole: Analysis) -> None:
    table = score_table(whole, "objective", "auac")
    family = table[(table["classifier"] == "svm") & (table["setting"] == "balanced")]
    assert family["p"].notna().sum() == 3 * 6
    assert np.allclose(family["p_holm"], holm(family["p"].to_numpy()), equal_nan=True)
    pairs = all_pairs(whole, "objective", "auac")
    family = pairs[(pairs["classifier"] == "svm") & (pairs["setting"] == "balanced")]
    assert len(family) == 3 * 21
    assert np.allclose(family["p_holm"], holm(family["p"].to_numpy()))


def test_random_is_not_compared_with_itself(whole: Analysis) -> None:
    table = score_table(whole, "objective", "final")
    mine = table[table["strategy"] == "random"]
    assert (mine["pairs"] == 0).all()
    assert mine[["difference", "p", "p_holm"]].isna().all(axis=None)


def test_band_rule_marks_all_whose_band_holds_the_best(whole: Analysis) -> None:
    table = score_table(whole, "objective", "auac")
    assert not table.loc[table["role"] == "bound", "best"].any()
    for _, here in table[table["role"] != "bound"].groupby(PLACE):
        top = here["mean"].max()
        expected = here["mean"] + here["std"] >= top
        assert here["best"].tolist() == expected.tolist()


def test_test_rule_marks_those_that_the_test_does_not_tell_apart(
    tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    study = new_study(
        tmp_path,
        protocol="clean",
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=["svm"],
        strategies=["random", "entropy", "hal_gauss", "neural_process"],
        seeds={"data": {"first": 0, "count": 40}, "run": {"first": 0, "count": 40}}
        | {"pairs": "matched"},
    )
    analysis = Analysis.of(study, write(study))
    table = score_table(analysis, "objective", "auac").set_index("strategy")
    pairs = all_pairs(analysis, "objective", "auac")
    best = table["mean"].idxmax()
    for name in table.index.drop(best):
        pair = pairs[pairs[["first", "second"]].isin([best, name]).all(axis=1)].iloc[0]
        assert table.loc[name, "best"] == (pair["p_holm"] >= 0.05)
    assert table.loc[best, "best"]
    assert not table.loc["hal_gauss", "best"]
    assert table["std"]["random"] == pytest.approx(
        areas(analysis, "svm", "waveform", "balanced", "random").std(ddof=1)
    )


def test_runs_on_one_split_are_one_unit(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    study = new_study(
        tmp_path,
        protocol="clean",
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=["svm"],
        strategies=["random", "entropy"],
        seeds={"data": list(range(5)), "run": [0, 1, 2]},
    )
    analysis = Analysis.of(study, write(study))
    found = row(
        score_table(analysis, "objective", "auac"), "svm", "waveform", "balanced", "entropy"
    )
    mine = areas(analysis, "svm", "waveform", "balanced", "entropy").groupby("data_seed").mean()
    assert found["units"] == found["pairs"] == 5
    assert found["finished"] == 15
    assert found["mean"] == pytest.approx(mine.mean())
    assert found["std"] == pytest.approx(mine.std(ddof=1))
    values = sorted(float(value) for value in found["values"].split())
    assert values == pytest.approx(sorted(mine), abs=1e-4)
    half = stats.t.ppf(0.975, 4) * mine.std(ddof=1) / np.sqrt(5)
    assert (found["low"], found["high"]) == pytest.approx((mine.mean() - half, mine.mean() + half))


def test_a_missing_run_removes_the_pair_and_nothing_else(part: Analysis) -> None:
    place = ("svm", "waveform", "balanced")
    table = score_table(part, "objective", "auac")
    entropy, random = row(table, *place, "entropy"), row(table, *place, "random")
    assert (entropy["finished"], entropy["pairs"], entropy["missing"]) == (8, 8, 1)
    assert random["finished"] == random["units"] == 9
    assert random["mean"] == pytest.approx(areas(part, *place, "random").mean())
    gap = areas(part, *place, "entropy") - areas(part, *place, "random")
    assert entropy["difference"] == pytest.approx(gap.dropna().mean())


def test_a_failed_cell_has_no_mean_but_a_row(part: Analysis) -> None:
    found = row(score_table(part, "objective", "auac"), "svm", "adult", "imbalanced", "entropy")
    assert (found["finished"], found["failed"], found["pairs"]) == (0, 9, 0)
    assert np.isnan(found["mean"])
    assert np.isnan(found["p_holm"])
