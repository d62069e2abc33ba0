"""Areas, targets and paired differences against closed forms and plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lalbench.results.summaries import (
    all_differences,
    auac,
    aubc,
    labels_to_target,
    paired_differences,
    split_area,
    unit_means,
)

SCORES = arrays(np.float64, (3, 11), elements=st.floats(0, 1, width=32))


def wide(rows: list[tuple[str, int, int, float, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["unit", "data_seed", "seed", "a", "b"])
    return frame.set_index(["unit", "data_seed", "seed"])


def test_auac_of_constant_and_linear_curves() -> None:
    curves = np.stack([np.full(11, 0.7), np.linspace(0, 1, 11)])
    assert auac(curves) == pytest.approx([7.0, 5.0])


def test_auac_is_the_sum_with_halved_ends() -> None:
    curve = np.random.default_rng(0).random(11)
    assert auac(curve[None])[0] == pytest.approx(curve.sum() - (curve[0] + curve[-1]) / 2)


def test_aubc_of_a_constant_is_the_constant_on_both_scales() -> None:
    labels = np.array([[100, 110, 150, 400]])
    scores = np.full((1, 4), 0.6)
    assert aubc(scores, labels)[0] == pytest.approx(0.6)
    assert aubc(scores, labels, log=True)[0] == pytest.approx(0.6)


@given(SCORES, st.floats(0.1, 0.9))
def test_aubc_does_not_change_when_a_segment_is_split(scores: np.ndarray, share: float) -> None:
    labels = np.tile(np.arange(100, 1200, 100), (3, 1))
    at = int(100 + 100 * share)
    between = scores[:, :1] + (scores[:, 1:2] - scores[:, :1]) * (at - 100) / 100
    split = np.hstack([scores[:, :1], between, scores[:, 1:]])
    split_labels = np.hstack([labels[:, :1], np.full((3, 1), at), labels[:, 1:]])
    assert aubc(split, split_labels) == pytest.approx(aubc(scores, labels))


@given(arrays(np.float64, (2, 7), elements=st.floats(-1, 1, width=32)))
def test_split_area_equals_a_fine_quadrature(differences: np.ndarray) -> None:
    ahead, behind = split_area(differences)
    fine = np.linspace(0, 6, 60001)
    for row in range(2):
        curve = np.interp(fine, np.arange(7), differences[row])
        assert ahead[row] == pytest.approx(np.trapezoid(np.maximum(curve, 0), fine), abs=1e-4)
        assert behind[row] == pytest.approx(np.trapezoid(np.maximum(-curve, 0), fine), abs=1e-4)
    assert ahead - behind == pytest.approx(auac(differences), abs=1e-12)


def test_labels_to_target_finds_the_first_reach_and_censors() -> None:
    labels = np.tile([100, 101, 102, 103], (3, 1))
    scores = np.array([[0.5, 0.7, 0.6, 0.8], [0.5, 0.5, 0.5, 0.69], [0.9, 0.1, 0.1, 0.1]])
    found = labels_to_target(scores, labels, 0.7, smooth=False)
    assert found[0] == 101
    assert np.isnan(found[1])
    assert found[2] == 100


def test_smoothed_labels_to_target_ignore_one_lucky_step() -> None:
    labels = np.array([[100, 101, 102, 103]])
    scores = np.array([[0.5, 0.7, 0.6, 0.8]])  # the isotonic fit is 0.5, 0.65, 0.65, 0.8
    assert labels_to_target(scores, labels, 0.7, smooth=True)[0] == 103
    assert labels_to_target(scores, labels, 0.65, smooth=True)[0] == 101


def test_runs_on_one_split_are_averaged_before_the_difference() -> None:
    table = wide([("u", 0, 0, 1.0, 0.5), ("u", 0, 1, 3.0, 0.5), ("v", 1, 0, 1.0, 2.0)])
    assert unit_means(table)["a"].tolist() == [2.0, 1.0]
    assert paired_differences(table, "a", "b").tolist() == [1.5, -1.0]
    assert paired_differences(table, "b", "a").tolist() == [-1.5, 1.0]


def test_a_run_without_its_partner_leaves_the_pair_alone() -> None:
    nan = float("nan")
    table = wide([("u", 0, 0, 1.0, nan), ("u", 0, 1, 3.0, 0.5), ("v", 1, 0, 1.0, nan)])
    assert paired_differences(table, "a", "b").tolist() == [2.5]
    assert unit_means(table)["a"].tolist() == [2.0, 1.0]


def test_equal_scores_differ_by_exactly_zero() -> None:
    table = wide([("u", 0, 0, 0.1 + 0.2, 0.3)])
    assert paired_differences(table, "a", "b").tolist() == [0.0]


def test_an_unknown_strategy_gives_no_pairs() -> None:
    table = wide([("u", 0, 0, 1.0, 2.0)])
    assert [len(d) for d in all_differences(table, [("a", "b"), ("a", "missing")])] == [1, 0]
