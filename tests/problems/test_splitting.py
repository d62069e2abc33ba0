"""Imbalancing and splitting as functions of labels and seeds."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lalbench.config import Sizes
from lalbench.errors import UserError
from lalbench.problems import splitting

ONE, TEN = Fraction(1), Fraction(10)
counts_and_factors = st.integers(2, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(1, 5000), min_size=n, max_size=n),
        st.lists(st.integers(1, 30), min_size=n, max_size=n),
    )
)


@pytest.mark.parametrize("count", [splitting.keep_counts, splitting.keep_counts_float])
@pytest.mark.parametrize(
    ("counts", "balanced", "imbalanced"),
    [
        ([3353, 1647], [1647, 1647], [164, 1647]),
        ([4208, 3916], [3916, 3916], [391, 3916]),
        ([1210, 395], [395, 395], [39, 395]),
    ],
)
def test_kept_counts_of_the_paper(count, counts, balanced, imbalanced):
    assert count(np.array(counts), [ONE, ONE]).tolist() == balanced
    assert count(np.array(counts), [ONE, TEN]).tolist() == imbalanced


@given(counts_and_factors)
def test_kept_counts_are_proportional_and_as_large_as_possible(case):
    counts, numbers = case
    factors = [Fraction(n) for n in numbers]
    kept = splitting.keep_counts(np.array(counts), factors)
    assert (kept <= counts).all()
    unit = min(Fraction(n) / f for n, f in zip(counts, factors, strict=True))
    for k, f in zip(kept, factors, strict=True):
        assert 0 <= unit * f - int(k) < 1
    assert any(k == n for k, n in zip(kept, counts, strict=True))


@given(counts_and_factors)
def test_float_arithmetic_loses_at_most_one_row_of_a_class(case):
    counts, numbers = case
    factors = [Fraction(n) for n in numbers]
    exact = splitting.keep_counts(np.array(counts), factors)
    as_released = splitting.keep_counts_float(np.array(counts), factors)
    assert set((exact - as_released).tolist()) <= {0, 1}


def test_float_arithmetic_can_lose_a_row():
    counts = np.array([2, 49])
    assert splitting.keep_counts(counts, [ONE, ONE]).tolist() == [2, 2]
    assert splitting.keep_counts_float(counts, [ONE, ONE]).tolist() == [1, 1]


def test_imbalancing_is_the_published_loop():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, size=200)
    rows = np.flatnonzero(rng.random(200) < 0.8)
    naive, generator = [], random.Random(42)
    for label, count in enumerate((4, 9, 7)):
        of_class = [int(row) for row in rows if y[row] == label]
        naive += generator.sample(of_class, len(of_class))[:count]
    mine = random.Random(42)
    kept = splitting.imbalance(y, rows, np.array([4, 9, 7]), splitting.shuffle_with_python(mine))
    assert kept.tolist() == naive
    assert mine.getstate() == generator.getstate()


def _split(y, sizes, kept=None, kept_test=None, seed=1, classes=2):
    splitter = splitting.Splitter(
        y, [f"c{k}" for k in range(classes)], sizes, splitting.SplitSeeds(seed, seed, seed, seed)
    )
    return splitter.split(np.arange(len(y)) if kept is None else kept, kept_test)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(40, 120), min_size=2, max_size=4),
    st.integers(8, 20),
    st.integers(8, 20),
    st.integers(8, 20),
    st.sampled_from([None, 10, 20]),
    st.integers(0, 2**32 - 1),
)
def test_parts_are_disjoint_stratified_and_of_the_wanted_size(
    counts, test, reward, annotated, pool, seed
):
    y = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(y)
    sizes = Sizes(test=test, reward=reward, annotated=annotated, pool=pool)
    parts = _split(y, sizes, seed=seed, classes=len(counts))
    every = np.concatenate([parts.annotated, parts.pool, parts.reward, parts.test])
    assert len(set(every.tolist())) == len(every)
    left = sum(counts) - test - reward - annotated
    assert len(parts.pool) == (left if pool is None else pool)
    if pool is None:
        assert sorted(every) == list(range(len(y)))
    for rows, size in (
        (parts.test, test),
        (parts.reward, reward),
        (parts.annotated, annotated),
    ):
        assert len(rows) == size
        shares = np.bincount(y[rows], minlength=len(counts)) / size
        # one row for the draw itself, and what earlier draws rounded away
        np.testing.assert_allclose(shares, np.array(counts) / len(y), atol=2.5 / size)


def test_test_rows_come_from_the_given_test_partition_alone():
    y = np.tile([0, 1], 100)
    kept, kept_test = np.arange(120), np.arange(120, 200)
    parts = _split(y, Sizes(test=20, reward=10, annotated=10), kept, kept_test)
    assert set(parts.test) <= set(kept_test)
    trained = np.concatenate([parts.annotated, parts.pool, parts.reward])
    assert sorted(trained) == kept.tolist()
    whole = _split(y, Sizes(test=80, reward=10, annotated=10), kept, kept_test)
    assert whole.test.tolist() == kept_test.tolist()


@pytest.mark.parametrize(
    ("counts", "sizes", "key", "words"),
    [
        ([50, 50], {"test": 60, "reward": 30, "annotated": 20}, "sizes", "110|111 rows are wanted"),
        ([50, 50], {"test": 40, "reward": 30, "annotated": 30}, "sizes", "101 rows are wanted"),
        ([50, 50], {"test": 40, "reward": 30, "annotated": 29}, "sizes.annotated", "leave 1"),
        ([50, 50], {"test": 40, "reward": 30, "annotated": 20, "pool": 11}, "sizes", "101 rows"),
        (
            [50, 50],
            {"test": 20, "reward": 20, "annotated": 20, "pool": 39},
            "sizes.pool",
            "leave 1",
        ),
        ([99, 1], {"test": 20, "reward": 20, "annotated": 20}, "sizes.test", '"c1" has 1 of'),
        ([92, 8], {"test": 75, "reward": 8, "annotated": 8}, "sizes.annotated", '"c1" has 1 of'),
        (
            [98, 2],
            {"test": 10, "reward": 20, "annotated": 20},
            "sizes.test",
            'no row of class "c1"',
        ),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(counts, sizes, key, words):
    y = np.repeat([0, 1], counts)
    with pytest.raises(UserError, match=words) as caught:
        _split(y, Sizes(**sizes))
    assert caught.value.key == key


def test_more_classes_than_rows_in_a_part_are_refused():
    with pytest.raises(UserError, match="2 rows cannot hold 3 classes"):
        _split(np.tile([0, 1, 2], 50), Sizes(test=2, reward=9, annotated=9), classes=3)


def test_more_test_rows_than_the_given_partition_has_are_refused():
    y = np.tile([0, 1], 100)
    with pytest.raises(UserError, match="only 80 rows of the given test partition"):
        _split(y, Sizes(test=81), np.arange(120), np.arange(120, 200))


def test_all_takes_the_given_test_partition_as_it_is():
    y = np.tile([0, 1], 100)
    kept, kept_test = np.arange(120), np.random.default_rng(0).permutation(np.arange(120, 200))
    parts = _split(y, Sizes(test="all", reward=10, annotated=10), kept, kept_test)
    assert parts.test.tolist() == kept_test.tolist()
    assert sorted([*parts.annotated, *parts.pool, *parts.reward]) == kept.tolist()


def test_all_of_no_test_partition_is_refused():
    with pytest.raises(UserError, match="this data set has none; write a number") as caught:
        _split(np.tile([0, 1], 100), Sizes(test="all"))
    assert caught.value.key == "sizes.test"


def test_no_reward_set_leaves_its_rows_to_the_pool():
    y = np.random.default_rng(0).permutation(np.repeat([0, 1], [150, 250]))
    none = _split(y, Sizes(test=40, reward=0, annotated=24))
    some = _split(y, Sizes(test=40, reward=30, annotated=24))
    assert none.reward.tolist() == []
    assert none.reward.dtype == np.int64
    assert len(none.pool) == len(some.pool) + 30 == 336
    assert none.test.tolist() == some.test.tolist()
    assert sorted([*none.annotated, *none.pool, *none.test]) == list(range(400))
    # three of eight labels are 0, and so are those of the annotated set
    assert np.bincount(y[none.annotated]).tolist() == [9, 15]


@pytest.mark.parametrize("test", [1, 0, -5, 2.0, True, "al", None])
def test_sizes_of_the_test_set_that_do_not_fit(test):
    with pytest.raises(ValidationError, match="is no number of test rows"):
        Sizes(test=test)


def test_sizes_of_the_test_set_that_fit():
    assert Sizes(test="all").test == "all"
    assert Sizes(test=2, reward=0).reward == 0
    with pytest.raises(ValidationError):
        Sizes(reward=-1)


@settings(max_examples=60)
@given(st.integers(4, 300), st.integers(2, 40), st.integers(3, 12), st.integers(0, 99))
def test_every_class_begins_with_a_point(common, rare, size, seed):
    kept = np.random.default_rng(seed).permutation(common + 3 * rare)
    y = np.repeat([0, 1, 2, 0, 1, 2], [common, rare, 2 * rare, 5, 5, 5])
    wanted = min(size, len(kept) - 3)
    test = np.arange(len(kept), len(y))
    parts = _split(y, Sizes(test="all", reward=0, annotated=wanted), kept, test, seed, classes=3)
    assert len(parts.annotated) == wanted
    assert np.bincount(y[parts.annotated], minlength=3).min() >= 1
    assert sorted([*parts.annotated, *parts.pool]) == sorted(kept)


def test_the_points_of_a_class_that_was_left_out_are_equally_likely():
    # a fortieth of two points rounds to none; the four points of class 1 come equally often
    y = np.repeat([0, 1, 0, 1], [156, 4, 5, 5])
    sizes, kept, test = (
        Sizes(test="all", reward=0, annotated=2),
        np.arange(160),
        np.arange(160, 170),
    )
    found = [_split(y, sizes, kept, test, seed).annotated for seed in range(800)]
    rare = np.concatenate([rows[y[rows] == 1] for rows in found])
    assert len(rare) == 800
    counts = np.bincount(rare - 156, minlength=4)
    # variance of a binomial share: five standard errors of 200
    assert np.abs(counts - 200).max() < 5 * np.sqrt(800 * 0.25 * 0.75)
