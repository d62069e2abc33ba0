"""What stands beside the scores: degenerate cells, budgets, reference fits, targets, regret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lalbench.config import Study
from lalbench.results import facts, shown_facts, targets
from lalbench.results.analysis import Analysis
from lalbench.results.cautions import cautions
from lalbench.results.scores import PLACE, score_table

Write = Callable[..., Path]
NewStudy = Callable[..., Study]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"pool": 49}, "pool of 49 for 10 picks"),
        ({"rare_in_pool": 4}, "4 rare points in the pool"),
        ({"rare_in_test": 4, "pool": 30}, "pool of 30 for 10 picks; 4 rare points in the test"),
    ],
)
def test_degenerate_cells_are_named(changes: dict[str, object], reason: str) -> None:
    row: dict[str, object] = {"pool": 50, "picks": 10, "rare_in_pool": 5, "rare_in_test": 5}
    assert facts.degenerate(row | changes) == reason


def test_small_pools_are_flagged_in_the_table_and_at_the_top(whole: Analysis) -> None:
    table = facts.place_table(whole)
    flagged = table[table["degenerate"] != ""]
    assert set(flagged["dataset"] + " " + flagged["setting"]) == {"adult imbalanced"}
    assert any(line.startswith("adult, imbalanced: degenerate") for line in cautions(whole))


def test_resolution_of_a_cell(whole: Analysis) -> None:
    scores = score_table(whole, "objective", "auac")
    place = facts.place_table(whole).set_index(PLACE).loc[("svm", "waveform", "balanced")]
    here = scores.set_index(PLACE).loc[("svm", "waveform", "balanced")]
    assert place["half_width"] == pytest.approx((here["high"] - here["low"]).median() / 2)
    assert 0 < place["detectable"] < 1


def test_label_budgets_count_reward_labels(whole: Analysis) -> None:
    table = facts.label_budget_table(whole).set_index("strategy")
    assert (table.loc["random", "label_budget"] == 110).all()
    assert (table.loc["neural_process", "label_budget"] == 210).all()
    assert (table.loc["entropy", "labels_asked"] == 0).all()
    assert any("neural_process reads 100 reward labels" in line for line in cautions(whole))


def test_reference_lines_count_the_strategies_above(whole: Analysis) -> None:
    table = facts.reference_table(whole)
    scores = score_table(whole, "objective", "final")
    line = table[(table["line"] == "annotated_reward") & (table["dataset"] == "waveform")].iloc[0]
    here = scores[(scores[PLACE] == line[PLACE].to_numpy()).all(axis=1)]
    contenders = here[here["role"] != "bound"]
    assert line["labels"] == 200
    assert line["strategies"] == 5
    assert line["strategies_above"] == (contenders["mean"] > line["objective"]).sum()


def test_without_the_references_stage_the_table_is_empty(part: Analysis) -> None:
    assert facts.reference_table(part).empty
    assert facts.place_table(part)["shared_rows"].isna().all()


def test_cost_sums_the_measured_seconds(whole: Analysis) -> None:
    table = facts.cost_table(whole).set_index(["classifier", "strategy"])
    row = table.loc[("svm", "random")]
    assert row["trials"] == 3 * 2 * 9
    assert row["select_per_step"] == pytest.approx(0.01)
    assert row["step"] == pytest.approx(0.012)
    assert row["trial"] == pytest.approx(11 * 0.012)


@pytest.mark.parametrize(
    ("needed", "median"),
    [([1, 2, 9], 2), ([1, 2, np.nan], 2), ([1, np.nan, np.nan], np.inf), ([1, 3], 2)],
)
def test_censored_median(needed: list[float], median: float) -> None:
    assert targets.censored_median(np.array(needed, dtype=float)) == median


def test_trials_that_never_reach_the_target_count_but_save_nothing(whole: Analysis) -> None:
    table = targets.target_table(whole)
    finals = score_table(whole, "objective", "final").set_index([*PLACE, "strategy"])["mean"]
    place = ("svm", "waveform", "balanced")
    here = table[(table[PLACE] == list(place)).all(axis=1) & (table["target"] == "random_final")]
    assert here["score"].to_numpy() == pytest.approx(finals.loc[(*place, "random")])
    rows = whole.records.trials
    rows = rows[(rows[PLACE] == list(place)).all(axis=1)]
    target = here["score"].iloc[0]
    first: dict[str, pd.Series] = {}
    for strategy, curves in rows.groupby("strategy"):
        reached = curves[curves["objective"] >= target - 1e-12]
        first[str(strategy)] = reached.groupby(["data_seed", "seed"])["n_annotated"].min()
    for _, row in here.iterrows():
        assert row["reached"] == len(first[row["strategy"]])
        assert row["trials"] == 9
        if row["strategy"] != "random":
            both = pd.concat([first[row["strategy"]], first["random"]], axis=1).dropna()
            assert row["saving_pairs"] == len(both)
            assert row["pairs"] == 9
            if len(both):
                assert row["saving"] == pytest.approx(
                    (1 - both.iloc[:, 0] / both.iloc[:, 1]).mean()
                )
    assert here["reached"].min() < 9


def test_area_ahead_minus_behind_is_the_paired_difference(whole: Analysis) -> None:
    areas = targets.area_table(whole)
    scores = score_table(whole, "objective", "auac")
    both = areas.merge(scores, on=[*PLACE, "strategy"])
    assert len(both) == 2 * 3 * 2 * 6
    assert (both["ahead"] - both["behind"]).to_numpy() == pytest.approx(
        both["difference"].to_numpy()
    )


def test_regret_and_share_of_the_oracle_gain(whole: Analysis) -> None:
    regret = targets.regret_table(whole)
    means = score_table(whole, "objective", "auac").set_index([*PLACE, "strategy"])["mean"]
    place = ("svm", "waveform", "balanced")
    row = regret[(regret[PLACE] == list(place)).all(axis=1)]
    row = row[(row["bound"] == "oracle") & (row["strategy"] == "entropy")].iloc[0]
    best, mine, random = (means.loc[(*place, name)] for name in ("oracle", "entropy", "random"))
    assert row["regret"] == pytest.approx(best - mine)
    assert row["low"] < row["regret"] < row["high"]
    assert row["share"] == pytest.approx((mine - random) / (best - random))


def test_a_study_without_oracles_has_no_regret(
    tmp_path: Path, write: Write, new_study: NewStudy, whole: Analysis
) -> None:
    study = new_study(tmp_path, classifiers=["svm"], strategies=["random", "entropy"])
    assert shown_facts.regret_tables(Analysis.of(study, write(study))) == []
    assert [table.name for table in shown_facts.regret_tables(whole)] == ["regret"]


def test_share_is_not_given_for_a_gain_within_its_error() -> None:
    index = pd.MultiIndex.from_tuples(
        [(str(unit), unit, 0) for unit in range(4)], names=["unit", "data_seed", "seed"]
    )
    wide = pd.DataFrame(
        {"s": [1.0, 2, 3, 4], "random": [1.0, 1, 1, 1], "oracle": [2.0, 0, 2.1, 0.1]}, index=index
    )
    assert np.isnan(targets._share(wide, "s", "oracle", "random"))


def test_failures_stand_at_the_top(part: Analysis) -> None:
    lines = cautions(part)
    assert any("10 of 378 trials failed" in line for line in lines)
    assert any("1 of 378 trials ran out of time" in line for line in lines)
    assert any("55 of 378 trials are missing" in line for line in lines)
