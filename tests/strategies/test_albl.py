"""ALBL: the bandit beside a plain loop, its draws, and a memory that is a function of the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare
from sklearn.tree import DecisionTreeClassifier

import lalbench
from lalbench import classifiers, strategies
from lalbench.errors import UserError
from lalbench.strategies.albl import Albl, free_stream
from lalbench.strategies.base import LearningState, check_needs

Make = Callable[..., LearningState]
ARMS = ("entropy", "random", "quire")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Run:
    """A trial by hand: 6 annotated points, the rest in the pool, labels as drawn."""

    def __init__(self, seed: int = 0, n: int = 30, make: Any = None, n_classes: int = 2) -> None:
        draw = rng(seed)
        self.y = np.arange(n) % n_classes
        self.X = draw.normal(size=(n, 3)) + 1.2 * np.eye(3)[self.y % 3]
        self.ids = draw.permutation(1000)[:n]
        self.known, self.pool = list(range(6)), np.arange(6, n)
        self.n_classes, self.step, self.seed = n_classes, 1, seed
        self.make = make or (lambda: classifiers.get("logistic_regression"))

    def state(self, **changes: Any) -> LearningState:
        X, y = self.X[self.known], self.y[self.known]
        state = LearningState(
            X_annotated=X,
            y_annotated=y,
            X_pool=self.X[self.pool],
            n_classes=self.n_classes,
            classifier=self.make().fit(X, y),
            class_weights=np.ones(self.n_classes),
            fit_weights=None,
            pool_ids=self.ids[self.pool],
            annotated_ids=self.ids[self.known],
            step=self.step,
            new_classifier=self.make,
        )
        return replace(state, **changes)

    def acquire(self, positions: Any) -> None:
        self.known += self.pool[positions].tolist()
        self.pool = np.delete(self.pool, positions)
        self.step += 1

    def go_on(self, strategy: Any, budget: int = 1, **changes: Any) -> list[int]:
        """One step; the row ids acquired."""
        generator = rng(100 * self.seed + self.step)
        found = strategy.select(self.state(**changes), budget, generator).indices
        acquired = self.ids[self.pool[found]].tolist()
        self.acquire(found)
        return acquired


class Plain:
    """Hsu and Lin's loop over one run, with plain weights, one point after another."""

    def __init__(self, run: Run, arms: tuple[str, ...], horizon: int, delta: float = 0.1) -> None:
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
def test_a_trial_equals_the_plain_loop(arms: tuple[str, ...], budget: int) -> None:
    again = sum(compare_with_the_plain_loop(seed, arms, budget) for seed in range(8))
    assert again >= 4 if "random" in arms else again == 0


def compare_with_the_plain_loop(seed: int, arms: tuple[str, ...], budget: int) -> int:
    """How often labelled points were drawn in a trial that uses up its pool."""
    strategy, run, again = Albl(arms=arms, horizon=12), Run(seed, n=18), 0
    plain = Plain(run, arms, horizon=12)
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


def test_points_are_drawn_from_the_mixture() -> None:
    run = Run(seed=2, n=16)
    plain = Plain(run, ARMS, horizon=40)
    p = np.array(plain.probabilities())
    expected = [p @ plain.shares(row, []) for row in run.pool]
    assert sum(expected) == pytest.approx(1.0)
    strategy, state = Albl(horizon=40), run.state()
    first = [int(strategy.select(state, 1, rng(seed)).indices[0]) for seed in range(1000)]
    counts = np.bincount(first, minlength=len(run.pool))
    assert chisquare(counts, 1000 * np.array(expected)).pvalue > 1e-3


def test_points_are_drawn_from_what_is_left_of_the_mixture() -> None:
    """Late in a trial the random arm loses most of its mass to labelled points."""
    run, strategy = Run(seed=2, n=18), Albl(horizon=40)
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


def test_labelled_points_are_drawn_as_often_as_the_random_arm_hits_them() -> None:
    """With the random arm alone every draw hits one of k among n with probability k / n."""
    strategy, counts = Albl(arms=("random",)), []
    for seed in range(300):
        run = Run(seed=seed, n=14)  # 8 in the pool of the start
        for _ in range(5):
            run.go_on(strategy)
        strategy.select(run.state(), 1, rng(seed))
        (memory,) = list(strategy._memories.values())[-1:]
        assert len(run.pool) == 3
        counts.append(len(memory.places) - 5)
    expected = sum(k / (8 - k) for k in range(1, 6))  # mean of geometric numbers
    variance = sum(8 * k / (8 - k) ** 2 for k in range(1, 6))
    assert abs(np.mean(counts) - expected) < 4 * np.sqrt(variance / 300)


def test_identical_arms_keep_equal_weights() -> None:
    strategy, run = Albl(arms=("margin", "least_confident", "random"), horizon=30), Run(seed=1)
    seen = []
    for _ in range(15):
        run.go_on(strategy)
        p = strategy.arm_probabilities(run.state())
        assert p[0] == pytest.approx(p[1], rel=1e-12)
        seen.append(p[2])
    assert np.ptp(seen) > 0.01  # the weights did move


def test_a_point_that_no_arm_would_draw_has_no_say() -> None:
    strategy, run = Albl(arms=("entropy", "quire")), Run(seed=1)
    shares = [sum(Plain(run, ("entropy", "quire"), 100).shares(row, [])) for row in run.pool]
    run.acquire([int(np.argmin(shares))])
    assert min(shares) == 0
    np.testing.assert_allclose(strategy.arm_probabilities(run.state()), 0.5, rtol=1e-12)


@pytest.mark.parametrize("budget", [1, 2])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_new_instance_goes_on_as_the_old_one_would(budget: int, n_classes: int) -> None:
    whole, resumed, strategy = (Run(5, 26, n_classes=n_classes) for _ in range(2)), None, Albl()
    undisturbed, resumed = whole
    while len(undisturbed.pool) >= budget:
        assert undisturbed.go_on(strategy, budget) == resumed.go_on(Albl(), budget)
        ours = strategy.arm_probabilities(undisturbed.state(), budget)
        assert np.array_equal(ours, Albl().arm_probabilities(resumed.state(), budget))


def test_trials_of_one_instance_do_not_meet() -> None:
    """Run by turns: other draws, other data under the same row ids, another classifier."""

    def runs() -> list[Run]:
        made = [Run(7, 24), Run(7, 24), Run(7, 24), Run(7, 24, make=tree)]
        made[1].seed = 8
        made[2].X = made[2].X * [1.0, 2.0, 0.5]
        return made

    def tree() -> Any:
        return DecisionTreeClassifier(random_state=0)

    shared, alone = Albl(horizon=20), [Albl(horizon=20) for _ in runs()]
    together, apart = runs(), runs()
    for _ in range(12):
        for one, other, own in zip(together, apart, alone, strict=True):
            assert one.go_on(shared) == other.go_on(own)
            found = shared.arm_probabilities(one.state())
            assert np.array_equal(found, own.arm_probabilities(other.state()))
    assert len({tuple(run.known) for run in together}) == 4


@pytest.mark.parametrize("other", ["features", "labels", "weights", "classifier"])
def test_a_memory_belongs_to_one_history(other: str) -> None:
    """Another trial that acquires the same row ids does not get it."""
    strategy, one, two = Albl(horizon=10), Run(seed=6), Run(seed=6)
    changes: dict[str, Any] = {}
    if other == "features":
        two.X = two.X * [1.0, 3.0, 0.2]
    elif other == "labels":
        two.y = rng(1).permutation(two.y)
    elif other == "weights":
        changes["fit_weights"] = np.array([0.2, 1.8])
    else:
        two.make = lambda: DecisionTreeClassifier(random_state=0)
    for _ in range(5):
        acquired = one.go_on(strategy)
        two.acquire(np.flatnonzero(np.isin(two.ids[two.pool], acquired)))
    expected = Albl(horizon=10).arm_probabilities(two.state(**changes))
    found = strategy.arm_probabilities(two.state(**changes))
    assert np.array_equal(found, expected)
    assert not np.array_equal(expected, strategy.arm_probabilities(one.state()))


def test_asking_twice_gives_the_same_answer() -> None:
    strategy, run = Albl(), Run(seed=9)
    for _ in range(6):
        state = run.state()
        one, two = (strategy.select(state, 1, rng(run.step)).indices for _ in range(2))
        assert one.tolist() == two.tolist()
        strategy.select(state, 1, rng(77))  # another choice, which is not made
        run.acquire(one)
    np.testing.assert_array_equal(
        strategy.arm_probabilities(run.state()), Albl().arm_probabilities(run.state())
    )


def test_what_an_instance_remembers_saves_refits() -> None:
    fits: list[int] = []

    class Counted(DecisionTreeClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            fits.append(len(y))
            return super().fit(X, y, sample_weight)

    # a local class cannot be pickled by name, so this one is never remembered
    strategy, run = Albl(), Run(make=lambda: Counted(random_state=0))
    for _ in range(3):
        run.go_on(strategy)
    assert fits == [6, 7, 6, 8, 6, 7]  # the trial's own fit, then the replay
    run, calls = Run(), []
    state = run.state()

    def counting() -> Any:
        calls.append(1)
        return classifiers.get("logistic_regression")

    strategy.select(state, 1, rng())
    fresh = Albl()
    for _ in range(6):
        before = fresh._memories.copy()
        run.go_on(fresh, new_classifier=counting)
        assert len(fresh._memories) == len(before) + 1
    calls.clear()
    fresh.arm_probabilities(run.state(new_classifier=counting))
    assert len(calls) == 1  # to name the classifier; a replay would make six more


def test_order_and_names_of_classes_change_nothing() -> None:
    """Of the pool, of the points annotated at the start, at a late step."""
    run = Run(seed=4)
    for _ in range(8):
        run.go_on(Albl())
    state, order = run.state(), rng(1).permutation(len(run.pool))
    expected = Albl().arm_probabilities(state)
    ids = run.ids[run.pool[Albl().select(state, 1, rng(3)).indices]]
    moved = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    first = np.append(rng(2).permutation(6), np.arange(6, 14))
    shuffled = replace(
        state,
        X_annotated=state.X_annotated[first],
        y_annotated=state.y_annotated[first],
        annotated_ids=state.annotated_ids[first],
    )
    y = 1 - state.y_annotated
    renamed = replace(
        state, y_annotated=y, classifier=state.new_classifier().fit(state.X_annotated, y)
    )
    for other in (moved, shuffled, renamed):
        np.testing.assert_allclose(Albl().arm_probabilities(other), expected, rtol=1e-9)
        found = Albl().select(other, 1, rng(3)).indices
        assert other.pool_ids[found].tolist() == ids.tolist()


def test_numbers_for_labelled_points_follow_what_was_acquired() -> None:
    first, then = np.array([5, 1, 9]), np.array([4, 2])

    def numbers(*ids: Any) -> list[float]:
        return free_stream(*ids).random(4).tolist()

    assert numbers(first, then) == numbers(first[::-1], then) == numbers(np.sort(first), then)
    others = [(first, then[::-1]), (first, then[:1]), (first[:2], then), (first - 20, then)]
    others.append((np.array([1, 5]), np.array([9, 4, 2])))
    assert len({tuple(numbers(*ids)) for ids in [(first, then), *others]}) == 6


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
        check_needs(Albl(), "albl", network="resnet18", has_rewards=True)


def test_steps_that_cannot_be() -> None:
    run = Run()
    for step, budget in ((7, 1), (3, 3), (2, 7)):
        with pytest.raises(UserError, match=r"state\.step: .* 6 annotated points and a budget"):
            Albl().select(run.state(step=step), budget, rng())
    run.go_on(Albl())
    with pytest.raises(UserError, match=r"state\.new_classifier: albl needs it to replay step 1"):
        Albl().select(run.state(new_classifier=None), 1, rng())


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
