"""Intervals and tests against SciPy, closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lalbench.results import statistics
from lalbench.results.statistics import (
    compare,
    detectable_difference,
    holm,
    interquartile_mean,
    mean_intervals,
    rank_biserial,
    signed_rank,
    stratified_interval,
)

VALUES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=8)


def test_nine_positive_differences_give_the_smallest_p() -> None:
    assert signed_rank(np.arange(1.0, 10.0)) == pytest.approx(2 / 512)


def test_all_zero_gives_p_one() -> None:
    assert signed_rank(np.zeros(9)) == 1.0
    assert rank_biserial(np.zeros(9)) == 0.0


def test_no_pairs_give_no_p() -> None:
    assert np.isnan(signed_rank(np.empty(0)))
    assert np.isnan(rank_biserial(np.empty(0)))


@settings(max_examples=25, deadline=None)
@given(VALUES)
def test_p_with_ties_and_zeros_equals_scipys(values: list[float]) -> None:
    sample = np.array(values)
    expected = 1.0 if not sample.any() else stats.wilcoxon(sample, zero_method="pratt").pvalue
    assert signed_rank(sample) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [14, 30, 50, 80])
def test_p_of_larger_samples_equals_scipys(n: int) -> None:
    sample = np.random.default_rng(n).normal(0.1, 1, n).round(1)
    assert signed_rank(sample) == pytest.approx(
        stats.wilcoxon(sample, zero_method="pratt").pvalue, rel=1e-12
    )


@given(VALUES)
def test_rank_biserial_changes_sign_with_the_order_of_the_pair(values: list[float]) -> None:
    sample = np.array(values)
    assert rank_biserial(-sample) == pytest.approx(-rank_biserial(sample))
    assert signed_rank(-sample) == pytest.approx(signed_rank(sample))


def test_rank_biserial_by_hand() -> None:
    # ranks 1, 2, 3, 4; the negative one has rank 2: (8 - 2) / 10
    assert rank_biserial(np.array([1.0, -2.0, 3.0, 4.0])) == pytest.approx(0.6)
    # the zero takes rank 1 and is dropped (Pratt): ranks 2, 3; (3 - 2) / 5
    assert rank_biserial(np.array([0.0, -1.0, 2.0])) == pytest.approx(0.2)


def test_holm_by_hand_and_properties() -> None:
    raw = np.array([0.01, 0.04, 0.03, np.nan])
    assert holm(raw)[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(holm(raw)[3])
    assert holm([0.02]) == pytest.approx([0.02])


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_lowers_p(raw: list[float]) -> None:
    adjusted = holm(raw)
    assert np.all(adjusted >= np.array(raw) - 1e-15)
    assert np.all(np.diff(adjusted[np.argsort(raw, kind="stable")]) >= -1e-15)


def test_small_samples_get_the_t_interval() -> None:
    sample = np.array([1.0, 2.0, 4.0, 8.0, 9.0])
    low, high = mean_intervals([sample])[0]
    expected = stats.t.interval(0.95, 4, loc=sample.mean(), scale=stats.sem(sample))
    assert (low, high) == pytest.approx(expected)
    assert np.isnan(mean_intervals([np.array([3.0])])).all()


def test_intervals_do_not_depend_on_other_samples() -> None:
    rng = np.random.default_rng(1)
    samples = [rng.exponential(size=n) for n in (9, 9, 20, 5)]
    together = mean_intervals(samples)
    alone = np.concatenate([mean_intervals([sample]) for sample in samples])
    assert np.array_equal(together, alone)


def test_constant_sample_has_an_interval_of_no_width() -> None:
    assert mean_intervals([np.full(9, 0.25)]).tolist() == [[0.25, 0.25]]


def test_bca_covers_the_mean_of_skewed_data() -> None:
    samples = np.random.default_rng(5).gamma(2.0, size=(1000, 50))
    low, high = mean_intervals(list(samples)).T
    coverage = np.mean((low <= 2.0) & (high >= 2.0))
    assert 0.93 <= coverage <= 0.97


def test_bca_is_shifted_towards_the_long_tail() -> None:
    sample = np.random.default_rng(2).exponential(size=40)
    low, high = mean_intervals([sample])[0]
    assert high - sample.mean() > sample.mean() - low


def test_compare_collects_everything() -> None:
    sample = np.array([0.1, 0.2, 0.3, 0.4])
    found = compare([sample, np.empty(0)])
    assert found[0].n == 4
    assert found[0].mean == pytest.approx(0.25)
    assert found[0].low < 0.25 < found[0].high
    assert found[0].p == pytest.approx(0.125)
    assert found[0].effect == 1.0
    assert found[1].n == 0
    assert np.isnan(found[1].mean)


def test_detectable_difference_has_the_power_it_claims() -> None:
    n, deviation = 20, 2.0
    gap = detectable_difference(deviation, n)
    draws = np.random.default_rng(3).normal(gap, deviation, (4000, n))
    found = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05)
    assert found == pytest.approx(0.8, abs=0.03)
    assert np.isnan(detectable_difference(deviation, 1))


def test_interquartile_mean_drops_a_quarter_at_each_end() -> None:
    values = np.array([100.0, 1, 2, 3, 4, 5, 6, -50])
    assert interquartile_mean(values) == pytest.approx((2 + 3 + 4 + 5) / 4)


def test_stratified_interval_keeps_data_sets_apart() -> None:
    # between data sets the values differ by 100; within them not at all
    strata = [np.zeros(5), np.full(5, 100.0)]
    assert stratified_interval(strata, trimmed=False) == (50.0, 50.0)
    assert np.isnan(stratified_interval([np.array([1.0])], trimmed=False)).all()


def test_resamples_are_the_same_every_time() -> None:
    sample = np.random.default_rng(0).random(30)
    assert np.array_equal(mean_intervals([sample]), mean_intervals([sample]))
    assert statistics.RESAMPLES == 10_000
