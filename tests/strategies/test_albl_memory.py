"""ALBL: its memory is a function of the state, whatever the instance has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from lalbench import classifiers
from lalbench.errors import UserError
from lalbench.strategies.albl import Albl, free_stream

NewRun = Callable[..., Any]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("budget", [1, 2])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_new_instance_goes_on_as_the_old_one_would(
    budget: int, n_classes: int, new_run: NewRun
) -> None:
    whole, resumed, strategy = (new_run(5, 26, n_classes=n_classes) for _ in range(2)), None, Albl()
    undisturbed, resumed = whole
    while len(undisturbed.pool) >= budget:
        assert undisturbed.go_on(strategy, budget) == resumed.go_on(Albl(), budget)
        ours = strategy.arm_probabilities(undisturbed.state(), budget)
        assert np.array_equal(ours, Albl().arm_probabilities(resumed.state(), budget))


def test_trials_of_one_instance_do_not_meet(new_run: NewRun) -> None:
    """Run by turns: other draws, other data under the same row ids, another classifier."""

    def runs() -> list[Any]:
        made = [new_run(7, 24), new_run(7, 24), new_run(7, 24), new_run(7, 24, make=tree)]
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
def test_a_memory_belongs_to_one_history(other: str, new_run: NewRun) -> None:
    """Another trial that acquires the same row ids does not get it."""
    strategy, one, two = Albl(horizon=10), new_run(seed=6), new_run(seed=6)
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


def test_asking_twice_gives_the_same_answer(new_run: NewRun) -> None:
    strategy, run = Albl(), new_run(seed=9)
    for _ in range(6):
        state = run.state()
        one, two = (strategy.select(state, 1, rng(run.step)).indices for _ in range(2))
        assert one.tolist() == two.tolist()
        strategy.select(state, 1, rng(77))  # another choice, which is not made
        run.acquire(one)
    np.testing.assert_array_equal(
        strategy.arm_probabilities(run.state()), Albl().arm_probabilities(run.state())
    )


def test_what_an_instance_remembers_saves_refits(new_run: NewRun) -> None:
    fits: list[int] = []

    class Counted(DecisionTreeClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            fits.append(len(y))
            return super().fit(X, y, sample_weight)

    # a local class cannot be pickled by name, so this one is never remembered
    strategy, run = Albl(), new_run(make=lambda: Counted(random_state=0))
    for _ in range(3):
        run.go_on(strategy)
    assert fits == [6, 7, 6, 8, 6, 7]  # the trial's own fit, then the replay
    run, calls = new_run(), []
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


def test_order_and_names_of_classes_change_nothing(new_run: NewRun) -> None:
    """Of the pool, of the points annotated at the start, at a late step."""
    run = new_run(seed=4)
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


def test_steps_that_cannot_be(new_run: NewRun) -> None:
    run = new_run()
    for step, budget in ((7, 1), (3, 3), (2, 7)):
        with pytest.raises(UserError, match=r"state\.step: .* 6 annotated points and a budget"):
            Albl().select(run.state(step=step), budget, rng())
    run.go_on(Albl())
    with pytest.raises(UserError, match=r"state\.new_classifier: albl needs it to replay step 1"):
        Albl().select(run.state(new_classifier=None), 1, rng())
