"""Labels until random's own last score, pair by pair: plain loops, censoring, exact intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import comb, inf
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lalbench.config import Study
from lalbench.results import shown_facts, targets
from lalbench.results.analysis import Analysis
from lalbench.results.scores import PLACE
from lalbench.results.statistics import median_interval

Write = Callable[..., Path]
NewStudy = Callable[..., Study]
PAIRED = "random_final_paired"
HERE = ("svm", "waveform", "balanced")


def paired_rows(analysis: Analysis, place: tuple[str, ...] = HERE) -> pd.DataFrame:
    table = targets.target_table(analysis)
    kept = (table[PLACE] == list(place)).all(axis=1) & (table["target"] == PAIRED)
    return table[kept].set_index("strategy")


def curves(analysis: Analysis, strategy: str) -> dict[tuple[int, int], list[tuple[int, float]]]:
    """Labels and scores of every run, straight from the rows."""
    trials = analysis.records.trials
    kept = (trials[PLACE] == list(HERE)).all(axis=1) & (trials["strategy"] == strategy)
    return {
        (int(d), int(s)): list(zip(run["n_annotated"], run["objective"], strict=True))
        for (d, s), run in trials[kept].groupby(["data_seed", "seed"])
    }


def shares(analysis: Analysis, strategy: str) -> list[float]:
    """By plain loops: inf for a run that never has random's last score."""
    random, found = curves(analysis, "random"), []
    for pair, run in curves(analysis, strategy).items():
        used, target = random[pair][-1]
        needed = [labels for labels, score in run if score >= target - 1e-12]
        found.append(min(needed) / used if needed else inf)
    return found


def changed(analysis: Analysis, **columns: Any) -> Analysis:
    """The same study with other columns in its trials."""
    trials = analysis.records.trials.assign(**columns)
    return Analysis(analysis.study, replace(analysis.records, trials=trials), analysis.roles)


def test_shares_by_plain_loops(whole: Analysis) -> None:
    table = paired_rows(whole)
    assert list(table.index) == whole.strategies
    for strategy, row in table.iterrows():
        found = sorted(shares(whole, str(strategy)))
        assert len(found) == row["trials"] == row["units"] == 9
        assert row["reached"] == sum(share < inf for share in found)
        assert row["share"] == pytest.approx(found[4])
        assert row["share_low"] == pytest.approx(found[1])  # 2nd and 8th of nine: 96.1 %
        assert row["share_high"] == pytest.approx(found[7])
        # labels and share are of the same runs: all of random's runs end with 110 labels
        assert row["labels"] == pytest.approx(110 * found[4])
    # somebody misses it more often than not, somebody now and then, random never
    assert (table["share"] == inf).any()
    assert ((table["reached"] < 9) & (table["share"] < inf)).any()
    assert table.loc["random", "reached"] == 9
    assert table.loc["random", "share_high"] <= 1


def test_the_target_is_that_of_the_pair_not_the_mean(whole: Analysis) -> None:
    table = targets.target_table(whole)
    here = table[(table[PLACE] == list(HERE)).all(axis=1)].set_index(["target", "strategy"])
    finals = [run[-1][1] for run in curves(whole, "random").values()]
    assert here.loc[(PAIRED, "entropy"), "score"] == pytest.approx(np.mean(finals))
    # a run that is far better in every pair than random reaches the target of every pair at once
    trials = whole.records.trials
    lucky = trials["objective"] + 2.0 * (trials["strategy"] == "entropy")
    row = paired_rows(changed(whole, objective=lucky)).loc["entropy"]
    assert (row["share"], row["share_low"], row["share_high"]) == pytest.approx([100 / 110] * 3)
    # shifting all runs of one pair moves its target along
    shifted = trials["objective"] + 0.3 * ((trials["data_seed"] == 1) & (trials["seed"] == 1))
    pd.testing.assert_frame_equal(
        paired_rows(changed(whole, objective=shifted)).drop(columns="score"),
        paired_rows(whole).drop(columns="score"),
    )


def test_only_the_paired_target_has_shares(whole: Analysis) -> None:
    table = targets.target_table(whole)
    others = table[table["target"] != PAIRED]
    assert set(others["target"]) == {"random_final", "all_labels_95"}
    assert others[["share", "share_low", "share_high"]].isna().all(axis=None)
    assert (others["units"] == 0).all()


def test_a_run_without_its_partner_is_not_counted(whole: Analysis) -> None:
    trials = whole.records.trials
    lost = (trials["strategy"] == "random") & (trials["data_seed"] == 0) & (trials["seed"] == 0)
    part = Analysis(
        whole.study,
        replace(whole.records, trials=trials[~lost].reset_index(drop=True)),
        whole.roles,
    )
    rows = paired_rows(part)
    assert (rows["trials"] == 8).all()
    table = targets.target_table(part)
    here = table[(table[PLACE] == list(HERE)).all(axis=1) & (table["target"] == "random_final")]
    assert here.set_index("strategy").loc["entropy", "trials"] == 9
    without = changed(whole, strategy=trials["strategy"].replace("random", "entropy_2"))
    assert PAIRED not in set(targets.target_table(without)["target"])


def test_runs_on_one_split_count_by_their_median(
    tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    study = new_study(
        tmp_path, protocol="clean", datasets=["waveform"], settings=["balanced"],
        classifiers=["svm"], strategies=["random", "entropy"],
    )  # fmt: skip
    analysis = Analysis.of(study, write(study))
    row = paired_rows(analysis).loc["entropy"]
    by_split = np.median(np.reshape(shares(analysis, "entropy"), (3, 3)), axis=1)
    assert row["share"] == pytest.approx(np.median(by_split))
    assert (row["units"], row["trials"]) == (3, 9)
    assert np.isnan(row["share_low"])  # three splits have no such interval


def test_how_shares_are_shown(whole: Analysis) -> None:
    table = shown_facts.target_table(whole)
    (block,) = (b for b in table.blocks if b.heading == f"svm, {shown_facts.TARGET_NAMES[PAIRED]}")
    cells = block.shown.set_index(("strategy", ""))[("waveform", "balanced")]
    rows = paired_rows(whole)
    for strategy, row in rows.iterrows():
        name = f"{strategy} (bound)" if whole.roles[str(strategy)] == "bound" else strategy
        share = "> budget" if row["share"] == inf else f"{100 * row['share']:.0f} %"
        high = "∞" if row["share_high"] == inf else f"{100 * row['share_high']:.0f}"
        between = f"[{100 * row['share_low']:.0f}, {high}]"
        if row["share_low"] < inf:
            assert cells[name] == f"{share} {between} ({row['reached']}/9)"
    assert any("∞]" in text for text in cells)


@pytest.mark.parametrize("n", [1, 5, 6, 9, 17, 50])
def test_order_statistics_around_the_median(n: int) -> None:
    sample = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    low, high = median_interval(sample)

    def coverage(k: int) -> float:
        """Chance that the k-th smallest and the k-th largest of n values enclose the median."""
        return 1 - 2 * sum(comb(n, i) for i in range(k)) / 2**n

    if n < 6:
        assert coverage(1) < 0.95
        assert np.isnan([low, high]).all()
        return
    assert high == n + 1 - low
    assert coverage(int(low)) >= 0.95 > coverage(int(low) + 1)


def test_infinite_values_keep_their_place() -> None:
    sample = np.array([0.5, inf, 0.7, inf, 0.6, inf, 0.9, 0.8, 0.4])
    assert median_interval(sample) == (0.5, inf)
    assert median_interval(np.full(9, inf)) == (inf, inf)
    assert np.isnan(median_interval(np.empty(0))).all()


def test_the_interval_covers_the_median_of_a_skewed_distribution() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for sample in rng.exponential(size=(4000, 20)):
        low, high = median_interval(sample)
        hits += low <= np.log(2) <= high
    assert hits / 4000 == pytest.approx(0.9586, abs=0.01)
