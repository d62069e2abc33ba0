"""ALBL: the bandit beside a plain loop, and its draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

import lalbench
from lalbench import strategies
from lalbench.errors import UserError
from lalbench.strategies.albl import Albl, free_stream
from lalbench.strategies.base import LearningState, check_needs

NewRun = Callable[..., Any]
ARMS = ("entropy", "random", "quire")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Plain:
    """Hsu and Lin's loop over one run, with plain weights, one point after another."""

    def __init__(self, run: Any, arms: tuple[str, ...], horizon: int, delta: float = 0.1) -> None:
        self.run, self.arms, self.horizon, self.delta = run, arms, horizon, delta
        self.start = run.pool.copy()
        self.weights = [1.0] * len(arms)
        self.draws: list[tuple[int, float]] = []  # row, W
        self.waiting: list[tuple[int, list[float], list[float]]] = []

    def probabilities(self) -> list[float]:
        k = len(self.arms)
        least = np.sqrt(np.log(k) / (k * self.horizon))
        return [(1 - k * least) * w / sum(self.weights) + least for w in self.weights]

    def shares(self, row: int, taken: list[int]) -> list[float]:
        """φ_k(row) for a point of the pool of the start."""
        state, found = self.run.state(), []
        left = [p for p, r in enumerate(self.run.pool) if r not in taken]
        for arm in self.arms:
            if arm == "random":
                found.append(1.0 / (len(self.start) - len(taken)))
                continue
            if arm == "quire":
                scores = self.quire(state)
            else:
                p = state.classifier.predict_proba(state.X_pool)
                scores = -(p * np.log(p)).sum(axis=1)
            best = max(left, key=lambda position: scores[position])
            found.append(float(self.run.pool[best] == row))
        return found

    def quire(self, state: LearningState) -> Any:
        """The criterion over annotated points and one more: ``min_u`` leaves the others out."""
        found = []
        for x in state.X_pool:
            X = np.concatenate([state.X_annotated, [x]])
            gaps = ((X[:, None] - X) ** 2).sum(axis=2)
            inverse = np.linalg.inv(np.exp(-gaps / 3) + np.eye(len(X)))
            labels = [np.append(2.0 * state.y_annotated - 1, sign) for sign in (-1, 1)]
            found.append(-max(y @ inverse @ y for y in labels))
        return np.array(found)

    def reward(self, row: int, p: list[float], shares: list[float]) -> None:
        q = sum(a * b for a, b in zip(p, shares, strict=True))
        self.draws.append((row, 1 / q))
        f, run, k = self.run.state().classifier, self.run, len(self.arms)
        right = [W for x, W in self.draws if f.predict(run.X[[x]])[0] == run.y[x]]
        r = sum(right) / (len(run.y) * self.horizon)
        least = np.sqrt(np.log(k) / (k * self.horizon))
        for arm in range(k):
            bonus = np.sqrt(np.log(k / self.delta) / (k * self.horizon)) / p[arm]
            self.weights[arm] *= np.exp(least / 2 * (r * shares[arm] / q + bonus))

    def begin_step(self) -> None:
        """The labels of the last step are known."""
        waiting, self.waiting = self.waiting, []
        for row, p, shares in waiting:
            self.reward(row, p, shares)

    def before_a_pick(self, taken: list[int]) -> int:
        """Draws of labelled points until one is not; how many there were."""
        acquired = [row for row in self.run.known if row in self.start]
        ids = self.run.ids
        first = np.array([row for row in self.run.known if row not in self.start])
        stream, count = free_stream(ids[first], ids[np.array(acquired + taken, dtype=int)]), 0
        while acquired:
            p = self.probabilities()
            shares = [
                1 / (len(self.start) - len(taken)) if arm == "random" else 0.0 for arm in self.arms
            ]
            hit = len(acquired) * sum(a * b for a, b in zip(p, shares, strict=True))
            if stream.random() >= hit:
                break
            self.reward(acquired[stream.integers(len(acquired))], p, shares)
            count += 1
        return count

    def pick(self, row: int, taken: list[int]) -> None:
        self.waiting.append((row, self.probabilities(), self.shares(row, taken)))


@pytest.mark.parametrize("arms", [ARMS, ("quire", "entropy"), ("random", "entropy")])
@pytest.mark.parametrize("budget", [1, 3])
def test_a_trial_equals_the_plain_loop(arms: tuple[str, ...], budget: int, new_run: NewRun) -> None:
    again = sum(compare_with_the_plain_loop(new_run(seed, n=18), arms, budget) for seed in range(8))
    assert again >= 4 if "random" in arms else again == 0


def compare_with_the_plain_loop(run: Any, arms: tuple[str, ...], budget: int) -> int:
    """How often labelled points were drawn in a trial that uses up its pool."""
    strategy, plain, again = Albl(arms=arms, horizon=12), Plain(run, arms, horizon=12), 0
    while len(run.pool):
        plain.begin_step()
        found = strategy.arm_probabilities(run.state(), budget)
        np.testing.assert_allclose(found, plain.probabilities(), rtol=1e-9)
        positions = strategy.select(run.state(), budget, rng(run.step)).indices
        assert len(positions) == budget  # what is drawn again costs nothing
        taken: list[int] = []
        for row in run.pool[positions].tolist():
            again += plain.before_a_pick(taken)
            plain.pick(row, taken)
            assert sum(plain.waiting[-1][2]) > 0  # some arm would draw it
            taken.append(row)
        run.acquire(positions)
    return again


def test_points_are_drawn_from_the_mixture(new_run: NewRun) -> None:
    run = new_run(seed=2, n=16)
    plain = Plain(run, ARMS, horizon=40)
    p = np.array(plain.probabilities())
    expected = [p @ plain.shares(row, []) for row in run.pool]
    assert sum(expected) == pytest.approx(1.0)
    strategy, state = Albl(horizon=40), run.state()
    first = [int(strategy.select(state, 1, rng(seed)).indices[0]) for seed in range(1000)]
    counts = np.bincount(first, minlength=len(run.pool))
    assert chisquare(counts, 1000 * np.array(expected)).pvalue > 1e-3


def test_points_are_drawn_from_what_is_left_of_the_mixture(new_run: NewRun) -> None:
    """Late in a trial the random arm loses most of its mass to labelled points."""
    run, strategy = new_run(seed=2, n=18), Albl(horizon=40)
    plain = Plain(run, ARMS, horizon=40)
    for _ in range(8):
        plain.begin_step()
        plain.before_a_pick([])
        positions = strategy.select(run.state(), 1, rng(run.step)).indices
        plain.pick(int(run.pool[positions[0]]), [])
        run.acquire(positions)
    plain.begin_step()
    plain.before_a_pick([])
    expected = np.array([plain.probabilities() @ np.array(plain.shares(r, [])) for r in run.pool])
    assert expected.sum() < 0.9
    state = run.state()
    first = [int(strategy.select(state, 1, rng(seed)).indices[0]) for seed in range(1500)]
    counts = np.bincount(first, minlength=len(run.pool))
    assert chisquare(counts, 1500 * expected / expected.sum()).pvalue > 1e-3


def test_labelled_points_are_drawn_as_often_as_the_random_arm_hits_them(new_run: NewRun) -> None:
    """With the random arm alone every draw hits one of k among n with probability k / n."""
    strategy, counts = Albl(arms=("random",)), []
    for seed in range(300):
        run = new_run(seed=seed, n=14)  # 8 in the pool of the start
        for _ in range(5):
            run.go_on(strategy)
        strategy.select(run.state(), 1, rng(seed))
        (memory,) = list(strategy._memories.values())[-1:]
        assert len(run.pool) == 3
        counts.append(len(memory.places) - 5)
    expected = sum(k / (8 - k) for k in range(1, 6))  # mean of geometric numbers
    variance = sum(8 * k / (8 - k) ** 2 for k in range(1, 6))
    assert abs(np.mean(counts) - expected) < 4 * np.sqrt(variance / 300)


def test_identical_arms_keep_equal_weights(new_run: NewRun) -> None:
    strategy, run = Albl(arms=("margin", "least_confident", "random"), horizon=30), new_run(seed=1)
    seen = []
    for _ in range(15):
        run.go_on(strategy)
        p = strategy.arm_probabilities(run.state())
        assert p[0] == pytest.approx(p[1], rel=1e-12)
        seen.append(p[2])
    assert np.ptp(seen) > 0.01  # the weights did move


def test_a_point_that_no_arm_would_draw_has_no_say(new_run: NewRun) -> None:
    strategy, run = Albl(arms=("entropy", "quire")), new_run(seed=1)
    shares = [sum(Plain(run, ("entropy", "quire"), 100).shares(row, [])) for row in run.pool]
    run.acquire([int(np.argmin(shares))])
    assert min(shares) == 0
    np.testing.assert_allclose(strategy.arm_probabilities(run.state()), 0.5, rtol=1e-12)


def test_a_trial_of_the_package() -> None:
    problem = lalbench.build_problem("waveform_generator", "imbalanced", data_seed=0, seed=0)
    strategy = strategies.get("albl", horizon=8, arms=["margin", "random", "quire", "kapoor"])

    def acquired(given: Any) -> list[list[int]]:
        records = lalbench.run_trial(
            problem, classifier="logistic_regression", strategy=given, steps=4, budget=2
        )
        return [list(ids) for ids in records["acquired"]]

    found = acquired(strategy)
    assert [len(ids) for ids in found] == [0, 2, 2, 2, 2]
    assert acquired(strategy) == found
    assert acquired(replace(strategy)) == found


def test_networks_are_refused() -> None:
    with pytest.raises(UserError, match="network"):
        check_needs(Albl(), "albl", network="resnet18", has_rewards=True, has_posterior=False)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("arms", ()),
        ("arms", ("entropy", "hal")),
        ("arms", "entropy"),
        ("horizon", 0),
        ("horizon", 1.5),
        ("delta", 0.0),
        ("delta", 1.0),
    ],
)
def test_options_that_cannot_be_used(option: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^options\.{option}: "):
        strategies.get("albl", **{option: value})
