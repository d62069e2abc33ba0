"""Exp4.P beside its plain update, and the mixture that it draws from."""

from __future__ import annotations

import numpy as np
import pytest

from lalbench.strategies.bandit import Draw, Exp4P, Mixture


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_weights_equal_the_plain_update_and_stay_positive() -> None:
    draw, k, horizon, delta = rng(4), 3, 50, 0.1
    bandit, weights = Exp4P.start(k, horizon, delta), np.ones(k)
    least = np.sqrt(np.log(k) / (k * horizon))
    for _ in range(200):
        p = (1 - k * least) * weights / weights.sum() + least
        np.testing.assert_allclose(bandit.probabilities, p, rtol=1e-10)
        assert bandit.probabilities.sum() == pytest.approx(1.0)
        assert bandit.probabilities.min() >= least * (1 - 1e-12)
        shares, reward = draw.random(k), draw.random()
        q = (p * shares).sum()
        gain = reward * shares / q + np.sqrt(np.log(k / delta) / (k * horizon)) / p
        weights = weights * np.exp(least / 2 * gain)
        bandit = bandit.updated(reward, Draw(bandit.probabilities, shares, 0))
        np.testing.assert_allclose(np.exp(bandit.log_weights), weights, rtol=1e-9)


def test_weights_beyond_the_range_of_numbers() -> None:
    bandit = Exp4P(np.array([0.0, 5000.0, -5000.0]), 100, 0.1)
    least = np.sqrt(np.log(3) / 300)
    np.testing.assert_allclose(bandit.probabilities, [least, 1 - 2 * least, least], rtol=1e-12)


def test_a_short_horizon_makes_all_arms_equal() -> None:
    """√(ln K / (K T)) would be above 1/K."""
    bandit = Exp4P(np.array([0.0, 3.0, 9.0]), 2, 0.1)
    np.testing.assert_allclose(bandit.probabilities, 1 / 3, rtol=1e-12)


def test_the_mixture_sums_to_one() -> None:
    draw = rng(5)
    scores = [draw.integers(0, 3, size=20).astype(float), None, draw.normal(size=20)]
    mixture, p = Mixture(scores, 7, np.arange(20)), np.array([0.5, 0.3, 0.2])
    left = list(range(20))
    while left:
        pool = sum(p @ mixture.shares(position) for position in left)
        assert pool + mixture.labelled_mass(p) == pytest.approx(1.0, abs=1e-12)
        ranked = mixture.shares(left[0])[0]
        best = scores[0][left].max()
        equal = np.sum(scores[0][left] == best)
        assert ranked == (1 / equal if scores[0][left[0]] == best else 0)
        taken = mixture.draw(p, draw)
        mixture.take(taken)
        left.remove(taken)
