"""Who is first over all places: plain loops over the rows, and what the sentences may claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon
from statsmodels.stats.multitest import multipletests

from lalbench.config import Study
from lalbench.results import alternatives, overall, standing, standing_figure, style
from lalbench.results.analysis import Analysis
from lalbench.results.cautions import cautions
from lalbench.results.figures import all_figures
from lalbench.results.findings import findings
from lalbench.results.shown_standing import standing_tables

Write = Callable[..., Path]
NewStudy = Callable[..., Study]


def by_seeds(analysis: Analysis, classifier: str, strategy: str) -> pd.Series:
    """Seeds → mean over places of the mean score over steps, straight from the rows."""
    rows = analysis.records.trials
    mine = rows[(rows["classifier"] == classifier) & (rows["strategy"] == strategy)]
    mine = mine.sort_values("step")
    curves = mine.groupby(["data_seed", "seed", "dataset", "setting"])["objective"]
    areas = curves.agg(lambda scores: np.trapezoid(scores) / (len(scores) - 1))
    return areas.groupby(level=["data_seed", "seed"]).mean()


def rows_of(analysis: Analysis, classifier: str) -> pd.DataFrame:
    table = standing.standing_table(analysis)
    return table[table["classifier"] == classifier].set_index("strategy")


def test_numbers_by_plain_loops(whole: Analysis) -> None:
    for classifier in whole.classifiers:
        found = rows_of(whole, classifier)
        scores = {name: by_seeds(whole, classifier, name) for name in whole.strategies}
        best = max(whole.contenders, key=lambda name: scores[name].mean())
        assert found.index[0] == standing.leader(whole, classifier) == best
        assert list(found.index[-2:]) == ["oracle", "reward_oracle"]
        for name, row in found.iterrows():
            assert row["mean"] == pytest.approx(scores[name].mean())
            assert (row["places"], row["units"]) == (6, 9)
            if name != "random":
                gaps = (scores[name] - scores["random"]).round(10)
                assert row["difference"] == pytest.approx(gaps.mean())
                assert row["low"] < gaps.mean() < row["high"]
            if row["role"] != "bound" and name != "random":
                assert row["p"] == pytest.approx(wilcoxon(gaps).pvalue)
            if row["role"] != "bound" and name != best:
                assert row["behind"] == pytest.approx((scores[best] - scores[name]).mean())
        contenders = found[(found["role"] != "bound") & (found.index != "random")]
        adjusted = multipletests(contenders["p"], method="holm")[1]
        assert contenders["p_holm"].to_numpy() == pytest.approx(adjusted)
        assert found.loc[["oracle", "random"], ["p", "p_holm"]].isna().all(axis=None)


def test_order_is_that_of_the_multi_comparison(whole: Analysis) -> None:
    found = overall.comparison(whole, "svm")
    kept = [name for name in found.strategies if whole.roles[name] != "bound"]
    rows = rows_of(whole, "svm")
    assert list(rows.index[: len(kept)]) == kept
    means = dict(zip(found.strategies, found.means, strict=True))
    assert rows["mean"].to_dict() == pytest.approx(means)


def test_first_is_compared_with_holm_over_all_pairs(whole: Analysis) -> None:
    rows = standing.ranked(rows_of(whole, "svm").reset_index())
    scores = [by_seeds(whole, "svm", name) for name in rows["strategy"]]
    pairs = [(i, j) for i in range(len(scores)) for j in range(i + 1, len(scores))]
    p = [wilcoxon((scores[i] - scores[j]).round(10)).pvalue for i, j in pairs]
    adjusted = dict(zip(pairs, multipletests(p, method="holm")[1], strict=True))
    expected = [adjusted[0, j] for j in range(1, len(scores))]
    assert rows["behind_p"].to_numpy()[1:] == pytest.approx(expected)


def test_runs_on_one_split_are_one_unit(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    study = new_study(
        tmp_path, protocol="clean", classifiers=["svm"], strategies=["random", "entropy"]
    )
    analysis = Analysis.of(study, write(study))
    row = rows_of(analysis, "svm").loc["entropy"]
    gaps = by_seeds(analysis, "svm", "entropy") - by_seeds(analysis, "svm", "random")
    splits = gaps.groupby(level="data_seed").mean()
    assert (row["units"], row["pairs"]) == (3, 3)
    assert row["p"] == pytest.approx(wilcoxon(splits).pvalue)
    half = 4.302652729911275 * splits.std(ddof=1) / np.sqrt(3)  # t of 2 degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx((splits.mean() - half, splits.mean() + half))


def test_lost_trials_leave_no_wrong_place(part: Analysis) -> None:
    rows = rows_of(part, "svm")
    assert rows.loc[["entropy", "k_center_greedy"], "mean"].isna().all()  # failed, not run
    assert rows.loc["hal_gauss", ["units", "pairs"]].tolist() == [8, 8]
    assert rows.loc["neural_process", ["units", "pairs"]].tolist() == [8, 8]
    # means of all are over the seeds with which all of them finished
    common = by_seeds(part, "svm", "random").drop([(0, 0), (2, 2)])
    assert rows.loc["random", "mean"] == pytest.approx(common.mean())
    shown = standing_tables(part)[0].blocks[0].shown
    assert shown["score", ""].tolist()[3:5] == ["not everywhere"] * 2
    finding = findings(part)[0]
    assert "every other strategy" not in finding.winner
    left_out = "Not in this order, as they did not finish everywhere: entropy, k_center_greedy."
    assert left_out in finding.more
    texts = cautions(part)
    assert "k_center_greedy: 54 are missing (not run, or not finished yet), in 6 of 6 cells." in (
        texts
    )
    assert any(line.startswith("hal_gauss: 1 failed, in 1 of 6 cells. The first") for line in texts)


def of_one_classifier(analysis: Analysis) -> Analysis:
    study = analysis.study.model_copy(update={"classifiers": analysis.study.classifiers[:1]})
    return Analysis(study, analysis.records, analysis.roles, {})


def shifted(analysis: Analysis, gains: dict[str, float]) -> Analysis:
    """The study as if each strategy had random's curves plus a gain with a little noise."""
    trials = analysis.records.trials.copy()
    keys = ["dataset", "setting", "classifier", "data_seed", "seed", "step"]
    random = trials[trials["strategy"] == "random"].set_index(keys)["objective"]
    noise = np.random.default_rng(0).uniform(0.9, 1.1, len(trials))
    base = random.reindex(pd.MultiIndex.from_frame(trials[keys])).to_numpy()
    trials["objective"] = base + trials["strategy"].map(gains).fillna(0).to_numpy() * noise
    return Analysis(analysis.study, replace(analysis.records, trials=trials), analysis.roles, {})


@pytest.fixture
def twelve(tmp_path: Path, new_study: NewStudy, write: Write) -> Analysis:
    """Enough splits for Holm's correction over the pairs of three strategies."""
    study = new_study(
        tmp_path,
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=["svm"],
        strategies=["random", "entropy", "k_center_greedy"],
        seeds={"data": {"first": 0, "count": 12}, "run": {"first": 0, "count": 12}}
        | {"pairs": "matched"},
    )
    return Analysis.of(study, write(study))


def test_a_clear_winner_is_named(twelve: Analysis) -> None:
    finding = findings(shifted(twelve, {"entropy": 0.05, "k_center_greedy": 0.02}))[0]
    assert finding.winner.startswith("entropy is first, and the paired test tells it apart")
    assert "above random (95 % interval of the difference [0.0" in finding.winner
    assert "p < 0.001, Holm-adjusted)" in finding.winner
    assert (
        "ahead of the second, k_center_greedy. Against the others at most p = 0.001"
        in (finding.more[0])
    )


def test_no_winner_is_named_without_a_difference(twelve: Analysis) -> None:
    finding = findings(shifted(twelve, {"entropy": 0.05, "k_center_greedy": 0.05}))[0]
    assert finding.winner.startswith("No clear winner; ")
    assert "The paired test does not tell it from " in finding.more[0]
    same = findings(shifted(twelve, {"entropy": 0.0, "k_center_greedy": 0.0}))[0]
    assert "no strategy has a higher one than random selection" in same.winner
    assert "random and entropy have the same scores in every data split." in same.more[0]


def test_few_splits_cannot_make_a_winner(whole: Analysis) -> None:
    """Nine splits: the smallest p is 2 / 512, which Holm multiplies by 10 pairs; it still can.

    With three splits nothing can, however large the difference.
    """
    gains = {"entropy": 0.05, "k_center_greedy": 0.01, "hal_gauss": -0.01, "neural_process": 0.02}
    study = shifted(of_one_classifier(whole), gains)
    assert findings(study)[0].winner.startswith("entropy is first")
    keys = study.records.trials["data_seed"] == study.records.trials["seed"]
    trials = study.records.trials[keys].reset_index(drop=True)
    few = Analysis(study.study, replace(study.records, trials=trials), study.roles, {})
    (finding,) = findings(few)
    assert finding.winner.startswith("No clear winner; entropy has the highest mean.")
    assert "not told apart from random" in finding.winner
    assert "With 3 data splits no p of the test is small enough" in finding.more[0]
    assert "0 of 24 comparisons with random are significantly better" in finding.more[-1]


def test_a_winner_that_reads_more_labels_says_so(whole: Analysis) -> None:
    one = of_one_classifier(whole)
    learned = findings(shifted(one, {"neural_process": 0.05}))[0]
    assert learned.winner.startswith("neural_process is first")
    assert "neural_process reads 100 labels more than random does." in learned.more
    plain = findings(shifted(one, {"entropy": 0.05}))[0]
    assert not any("labels more" in line for line in plain.more)


def test_losing_to_random_is_said(twelve: Analysis) -> None:
    worse = shifted(twelve, {"entropy": -0.05, "k_center_greedy": -0.02})
    finding = findings(worse)[0]
    assert finding.winner.startswith("random is first")
    assert "no strategy has a higher one than random" in finding.winner


def test_figure_shows_the_table(whole: Analysis) -> None:
    with style.drawing():
        figure = standing_figure.standing_intervals(whole)
    assert figure is not None
    rows = standing.ranked(rows_of(whole, "svm").reset_index()).dropna(subset="difference")
    panel = figure.axes[1]
    names = [text.get_text() for text in panel.get_yticklabels()]
    assert names == [style.pretty(name) for name in rows["strategy"]]
    segments = [line.get_xdata() for line in panel.get_lines()[1:]]
    assert np.allclose(segments, rows[["low", "high"]])
    drawn = [points.get_offsets()[0][0] for points in panel.collections]
    assert np.allclose(drawn, rows["difference"])


def test_no_figure_without_random(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    study = new_study(
        tmp_path, datasets=["waveform"], classifiers=["svm"], strategies=["entropy", "hal_gauss"]
    )
    analysis = Analysis.of(study, write(study))
    assert standing_figure.standing_intervals(analysis) is None
    assert "random" not in standing_tables(analysis)[0].caption
    assert "above" not in findings(analysis)[0].winner


def test_every_figure_is_said_in_words(whole: Analysis, part: Analysis) -> None:
    for analysis in (of_one_classifier(whole), part):
        for drawing in all_figures(analysis):
            words = drawing.describe()
            assert words.endswith(".")
            assert 80 < len(words) < 1000
            assert not words.startswith(drawing.title)
            assert "nan" not in words.split()


def test_words_of_a_figure_are_those_of_the_rows(whole: Analysis) -> None:
    rows = whole.records.trials
    last = rows[(rows["classifier"] == "svm") & (rows["step"] == whole.study.steps)]
    last = last[last["strategy"].isin(whole.contenders)]
    means = last.groupby(["dataset", "setting", "strategy"])["objective"].mean().unstack()
    tops = means.idxmax(axis=1).value_counts()
    words = alternatives.score_curves(whole, "svm", "objective")
    for name, count in tops.items():
        assert f"{style.pretty(str(name))} in {count}" in words
    assert f"between {means.min().min():.3f} and {means.max().max():.3f}" in words
    above = (means.sub(means["random"], axis=0) > 0).sum()
    words = alternatives.random_curves(whole, "svm")
    assert f"entropy in {above['entropy']}" in words
    assert words.endswith("of 6 panels.")
