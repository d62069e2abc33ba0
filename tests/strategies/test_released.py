"""Faults of released code: what they do, literally, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lalbench import strategies
from lalbench.config import StrategySpec
from lalbench.errors import UserError
from lalbench.protocols import CLEAN
from lalbench.strategies.base import LearningState
from lalbench.strategies.cbal import Cbal
from lalbench.strategies.hal import HalGauss
from lalbench.strategies.released import (
    CbalDrift,
    HalReversed,
    RandomWithReplacement,
    WrapperShift,
    draw_with_replacement,
    drifted_positions,
)
from lalbench.strategies.subsample import Subsample

Given = Callable[..., LearningState]
PATH = "lalbench.strategies.released:"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def literal_drift(p: Any, counts: Any, budget: int) -> list[int]:
    """The loop of the released code, repeated positions and all."""
    acquired, left, n_annotated = [], p.copy(), counts.sum()
    for _ in range(budget):
        target = np.maximum(0, n_annotated / p.shape[1] - counts)
        value = (left * np.log(left + 1e-8)).sum(axis=1) + np.abs(target - left).sum(axis=1)
        acquired.append(int(np.argmin(value)))
        left = np.delete(left, acquired[-1], axis=0)
        n_annotated += 1
    return acquired


def skewed_world(seed: int, n: int, given: Given) -> tuple[LearningState, Any]:
    """Even classes are ten times rarer; a classifier that is right for four points of five."""
    draw, n_annotated = rng(seed), 1000
    share = np.where(np.arange(10) % 2 == 0, 0.1, 1.0)
    y = draw.choice(10, size=n + n_annotated, p=share / share.sum())
    y[:10] = np.arange(10)
    logits = draw.normal(size=(len(y), 10)) * 1.5 + np.log(share) / 2
    logits[np.arange(len(y)), y] += 10 * draw.random(len(y))
    return given(logits, y_annotated=y[:n_annotated]), y[n_annotated:] % 2 == 0


def test_drift_acquires_other_points_than_it_scores(given_signals: Given) -> None:
    """Measured on such a pool with the released code: 48 of 1,000 acquired points are scored ones,
    17 are repeated, and the rare share falls from 16.9 % to 10.2 % (pool: 9.2 %).
    """
    overlaps, repeats, rare_shares, right_shares = [], [], [], []
    for seed in range(3):
        state, is_rare = skewed_world(seed, 26_500, given_signals)
        rule = Cbal(variant="npal", epsilon=1e-8, ties="first")
        scored = rule.select(state, 1000, rng()).indices
        found = CbalDrift().select(state, 1000, rng()).indices
        assert len(set(found.tolist())) == 1000
        overlaps.append(len(np.intersect1d(scored, found)) / 1000)
        repeats.append(drifted_positions(scored, 1000)[1])
        rare_shares.append(is_rare[found].mean())
        right_shares.append(is_rare[scored].mean())
        assert abs(is_rare[found].mean() - is_rare.mean()) < 0.03
    assert 0.03 < np.mean(overlaps) < 0.07  # by chance 0.038
    assert 8 <= np.mean(repeats) <= 30
    assert np.mean(right_shares) > 0.15
    assert np.mean(rare_shares) < 0.11


def test_drift_equals_the_literal_loop(given_signals: Given) -> None:
    for seed in range(5):
        state, _ = skewed_world(seed, 400, given_signals)
        counts = np.bincount(state.y_annotated, minlength=10)
        for budget in (1, 40, 150):
            acquired = literal_drift(state.probabilities, counts, 300)
            different = list(dict.fromkeys(acquired))[:budget]
            found = CbalDrift().select(state, budget, rng()).indices
            assert found.tolist() == different
        scored = Cbal(variant="npal", epsilon=1e-8, ties="first").select(state, 300, rng()).indices
        assert drifted_positions(scored, 300)[1] == 300 - len(set(acquired))
    assert len(set(acquired)) < 300  # repeats do occur


def test_drift_over_the_whole_pool_takes_every_point_once(given_signals: Given) -> None:
    state, _ = skewed_world(0, 30, given_signals)
    for budget in (29, 30, 50):
        found = CbalDrift().select(state, budget, rng()).indices
        assert len(set(found.tolist())) == min(budget, 30)


def test_shifted_features(given_signals: Given) -> None:
    """Position i has the features of pool point i - 5, the first five those of annotated points."""
    losses = np.array([0.0, 9.0, 0.0, 8.0, 0.0, *range(20)])
    state = given_signals(np.zeros((25, 2)), losses=losses, y_annotated=np.zeros(5, dtype=int))
    found = WrapperShift(strategy="learning_loss").select(state, 6, rng())
    # losses of pool points 14, 13, …, which sit five places before where they are looked for
    assert found.indices.tolist() == [19, 18, 17, 16, 15, 14]
    assert found.scores.tolist() == [0.0, 9.0, 0.0, 8.0, 0.0, *range(15)]
    right = strategies.get("learning_loss").select(state, 6, rng())
    assert right.indices.tolist() == [19, 18, 17, 16, 15, 14]
    assert right.scores.tolist() == list(range(20))


def test_shifted_centres(make_state: Callable[..., LearningState]) -> None:
    """The last pool points pass for annotated; the first positions have annotated features."""
    state = make_state(n_pool=30, n_annotated=20)
    together = np.concatenate([state.X_annotated, state.X_pool])
    as_seen = replace(state, X_pool=together[:30], X_annotated=together[30:])
    found = WrapperShift().select(state, 5, rng())
    expected = strategies.get("k_center_greedy").select(as_seen, 5, rng())
    assert np.array_equal(found.indices, expected.indices)
    right = strategies.get("k_center_greedy").select(state, 5, rng())
    assert not np.array_equal(found.indices, right.indices)


@pytest.mark.parametrize(
    "name", ["k_center_greedy", "learning_loss", "vaal", "uncertain_gcn", "core_gcn"]
)
def test_every_strategy_with_a_sub_pool_can_be_shifted(
    name: str, make_image_state: Callable[..., LearningState]
) -> None:
    quick = {"vaal": {"epochs": 1, "width": 1 / 64, "batch_size": 8}}
    options = {"strategy": name, "options": quick.get(name, {})}
    spec = {"name": "shifted", "class": PATH + "WrapperShift", "options": options}
    strategy = strategies.resolve(StrategySpec(**spec, subsample=25), CLEAN)
    assert isinstance(strategy, Subsample)
    state = make_image_state(n_pool=40)
    found = strategy.select(state, 7, rng())
    assert len(set(found.indices.tolist())) == 7
    assert np.isfinite(found.scores).sum() == 25
    adapted = strategy.adapt_classifier(state.classifier)
    assert adapted.get_params()["loss_head"] == (name == "learning_loss")


def test_reversed_hal_goes_by_pixels(make_image_state: Callable[..., LearningState]) -> None:
    state = make_image_state(n_pool=40)
    explore = HalReversed(p_exploit=0.0, delta=30.0)
    found = explore.select(state, 8, rng()).indices
    pool, annotated = (part.take().astype(float) for part in (state.images, state.annotated_images))
    both = np.concatenate([pool, annotated])
    pool, annotated = (
        ((part - both.mean()) / both.std()).reshape(len(part), -1) for part in (pool, annotated)
    )
    centres, expected = list(annotated), list[int]()
    for _ in range(8):
        sums = sum(np.exp(-((pool - c) ** 2).sum(axis=1) / 30.0) for c in centres)
        sums[expected] = -np.inf
        expected.append(int(sums.argmax()))  # the closest to the annotated ones
        centres.append(pool[expected[-1]])
    assert found.tolist() == expected
    exploit = HalReversed(p_exploit=1.0).select(state, 1, rng()).indices[0]
    ordered = np.sort(state.probabilities, axis=1)
    assert exploit == np.argmax(ordered[:, -1] - ordered[:, -2])  # the most certain


def test_reversed_hal_on_features(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    found = HalReversed().select(state, 9, rng(1))
    expected = HalGauss(directions="released", delta=10.0).select(state, 9, rng(1))
    assert np.array_equal(found.indices, expected.indices)


def test_draws_with_replacement_repeat_as_often_as_reported() -> None:
    found = [draw_with_replacement(10_000, 1000, rng(seed)) for seed in range(200)]
    assert all(len(set(numbers.tolist())) == 1000 for numbers, _ in found)
    distinct = 1000 - np.mean([repeats for _, repeats in found])
    assert distinct == pytest.approx(951.6, abs=1.5)  # standard error 0.5


def test_random_with_replacement_is_uniform(make_state: Callable[..., LearningState]) -> None:
    state = make_state(n_pool=8)
    strategy = RandomWithReplacement()
    assert sorted(strategy.select(state, 20, rng()).indices.tolist()) == list(range(8))
    chosen = [strategy.select(state, 3, rng(seed)).indices for seed in range(800)]
    counts = np.bincount(np.concatenate(chosen), minlength=8)
    assert ((counts - 300) ** 2 / 300).sum() < 26  # 0.9995 quantile for 7 degrees of freedom


def test_they_are_named_by_class_path_alone() -> None:
    for title in ("WrapperShift", "CbalDrift", "HalReversed", "RandomWithReplacement"):
        assert strategies.get(PATH + title).needs is not None
        spec = StrategySpec(name="x", **{"class": PATH + title})
        assert strategies.module_of(spec) == "lalbench.strategies.released"
    with pytest.raises(UserError, match=r'options\.options\.marjin: .*did you mean "margin"'):
        strategies.get(PATH + "WrapperShift", strategy="learning_loss", options={"marjin": 1.0})
    with pytest.raises(UserError, match=r'options\.strategy: cannot use "margin"'):
        strategies.get(PATH + "WrapperShift", strategy="margin")
