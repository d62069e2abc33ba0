"""The neural-process strategy: options, choices, learning on real episodes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lalbench import classifiers, compute
from lalbench.episodes import Episodes
from lalbench.errors import CorruptFileError, UserError
from lalbench.objectives import Scorer
from lalbench.seeds import PublishedGenerator
from lalbench.strategies.base import LearningState, Need
from lalbench.strategies.neural_process import NeuralProcess

QUICK = {"n_simulations": 12, "epochs": 2}


def make_state(n_annotated: int = 20, n_pool: int = 30, seed: int = 0) -> LearningState:
    rng = np.random.default_rng(seed)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(n) % 2
        return rng.normal(size=(n, 3)) + y[:, None] * [1.5, 0, 0], y

    X, y = draw(n_annotated)
    X_pool, _ = draw(n_pool)
    weights = np.array([1.5, 0.5])

    def new_classifier() -> Any:
        return classifiers.get("logistic_regression", protocol="clean")

    return LearningState(
        X_annotated=X,
        y_annotated=y,
        X_pool=X_pool,
        n_classes=2,
        classifier=classifiers.fit(new_classifier(), X, y, weights),
        class_weights=weights,
        fit_weights=weights,
        pool_ids=np.arange(n_pool) + 1000,
        annotated_ids=np.arange(n_annotated),
        new_classifier=new_classifier,
        reward_scorer=Scorer(*draw(40), weights),
    )


def learn(strategy: NeuralProcess, state: LearningState, seed: int = 0) -> LearningState:
    rng = np.random.default_rng(seed)
    episodes = strategy.simulate(state, rng)
    return replace(state, learned=strategy.fit(state, episodes, rng))


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def known() -> LearningState:
    return learn(NeuralProcess(**QUICK), make_state())


class FixedPrediction:
    """Predicts given numbers."""

    def __init__(self, mu: list[float], sigma: list[float]) -> None:
        self.found = np.array(mu), np.array(sigma)

    def predict(self, context: Any, targets: Any) -> Any:
        assert len(targets.X) == len(self.found[0])
        return self.found


def select_fixed(mu: list[float], budget: int = 1, **options: Any) -> list[int]:
    sigma = list(np.linspace(1, 2, len(mu)))
    state = replace(make_state(n_pool=len(mu)), learned=FixedPrediction(mu, sigma))
    return NeuralProcess(**options).select(state, budget, rng()).indices.tolist()


def test_the_largest_predictions_are_chosen_in_order() -> None:
    mu = [0.1, -0.2, 0.5, 0.3]
    assert select_fixed(mu) == [2]
    assert select_fixed(mu, budget=3) == [2, 3, 0]
    assert select_fixed(mu, budget=9) == [2, 3, 0, 1]
    assert select_fixed(mu, acquisition_std=5.0) == [3]  # sigma rises along the pool
    assert select_fixed(mu, acquisition_std=-5.0) == [0]


def test_tie_rules() -> None:
    mu = [0.1, 0.5, 0.2, 0.5]
    assert select_fixed(mu, ties="first") == [1]
    assert select_fixed(mu, ties="argsort_last") == [int(np.argsort(mu)[-1])]
    assert select_fixed(mu, ties="argsort_first") == [int(np.argsort(-np.array(mu))[0])]
    state = replace(make_state(n_pool=4), learned=FixedPrediction(mu, [1.0] * 4))
    many = [
        NeuralProcess().select(state, 1, np.random.default_rng(seed)).indices[0]
        for seed in range(200)
    ]
    assert set(many) == {1, 3}
    assert 60 < sum(np.array(many) == 1) < 140


def test_permuting_the_pool_permutes_the_choice(known: LearningState) -> None:
    state = replace(known, X_pool=np.concatenate([known.X_pool] * 2), pool_ids=np.arange(60))
    order = np.random.default_rng(1).permutation(60)
    permuted = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
    for ties in ("random", "argsort_last"):
        strategy = NeuralProcess(**QUICK, ties=ties)
        one = strategy.select(state, 60, rng())
        other = strategy.select(permuted, 60, rng())
        assert np.array_equal(one.scores[order], other.scores)
        if ties == "random":
            assert np.array_equal(one.indices, order[other.indices])


def test_scores_are_the_predictions_for_the_current_annotated_points(known: LearningState) -> None:
    from lalbench.learners.neural_process import Points

    strategy = NeuralProcess(**QUICK, refit="once", acquisition_std=0.5)
    found = strategy.select(known, 1, rng())
    points = Points(known.X_annotated), Points(known.X_pool)
    mu, sigma = known.learned.predict(*points)
    assert np.array_equal(found.scores, mu + 0.5 * sigma)
    assert found.indices.dtype == np.int64
    # the network stays, the context grows
    grown = replace(
        known,
        X_annotated=np.concatenate([known.X_annotated, known.X_pool[:5]]),
        y_annotated=np.concatenate([known.y_annotated, np.zeros(5, dtype=np.int64)]),
        X_pool=known.X_pool[5:],
        pool_ids=known.pool_ids[5:],
    )
    again = strategy.select(grown, 1, rng())
    assert np.abs(again.scores - found.scores[5:]).max() > 1e-5


def test_class_labels_of_the_context_change_nothing_by_default(known: LearningState) -> None:
    other = replace(known, y_annotated=1 - known.y_annotated)
    one, two = (NeuralProcess(**QUICK).select(state, 1, rng()) for state in (known, other))
    assert np.array_equal(one.scores, two.scores)


def test_class_labels_matter_when_they_are_asked_for() -> None:
    strategy = NeuralProcess(**QUICK, context_labels=True)
    state = learn(strategy, make_state())
    other = replace(state, y_annotated=1 - state.y_annotated)
    one, two = (strategy.select(given, 1, rng()) for given in (state, other))
    assert np.abs(one.scores - two.scores).max() > 1e-5


def test_probabilities_of_the_classifier_matter_when_they_are_asked_for() -> None:
    strategy = NeuralProcess(**QUICK, classifier_probabilities=True)
    state = learn(strategy, make_state())
    assert state.learned.n_features == 3 + 2
    assert strategy.needs == NeuralProcess().needs | {Need.PROBABILITIES}
    other = replace(
        state, classifier=classifiers.fit(state.new_classifier(), -state.X_pool, np.arange(30) % 2)
    )
    one, two = (strategy.select(given, 1, rng()) for given in (state, other))
    assert np.abs(one.scores - two.scores).max() > 1e-5


def test_rewards_of_the_context_are_leave_one_out_improvements() -> None:
    strategy = NeuralProcess(**QUICK, context_rewards=True)
    state = learn(strategy, make_state())
    found = strategy._context(state).rewards
    score = state.reward_scorer(state.classifier)
    for point in range(20):
        rest = np.arange(20) != point
        y = state.y_annotated[rest]
        refit = classifiers.fit(state.new_classifier(), state.X_annotated[rest], y, [1.5, 0.5])
        assert found[point] == pytest.approx(score - state.reward_scorer(refit), abs=1e-12)
    plain = NeuralProcess(**QUICK).select(state, 1, rng())
    assert np.abs(plain.scores - strategy.select(state, 1, rng()).scores).max() > 1e-7


def test_targets_can_be_standardised() -> None:
    strategy = NeuralProcess(**QUICK, standardise_targets=True)
    state = make_state()
    episodes = strategy.simulate(state, rng())
    learned = strategy.fit(state, episodes, rng())
    targets = episodes.improvements[~episodes.annotated_mask]
    assert learned.spread == pytest.approx(targets.std())
    assert learned.center == pytest.approx(targets.mean())


@pytest.mark.parametrize("how", ["per_feature", "global_divisor"])
def test_inputs_are_scaled_with_annotated_and_pool_points(how: str) -> None:
    state = make_state()
    X_pool = state.X_pool.copy()
    X_pool[3, 1] = 50.0
    learned = learn(
        NeuralProcess(**QUICK, input_scaling=how), replace(state, X_pool=X_pool)
    ).learned
    if how == "global_divisor":
        assert np.array_equal(learned.scaler.scale, [50.0] * 3)
        assert not learned.scaler.shift.any()
    else:
        everything = np.concatenate([state.X_annotated, X_pool])
        scaled = learned.scaler(everything)
        np.testing.assert_allclose([scaled.min(axis=0), scaled.max(axis=0)], [[-1] * 3, [1] * 3])


def test_learning_is_reproducible_and_leaves_global_state_alone() -> None:
    strategy, state = NeuralProcess(**QUICK), make_state()
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    one, two = learn(strategy, state).learned, learn(strategy, state).learned
    other = learn(strategy, state, seed=1).learned
    for name, values in one.weights.items():
        assert np.array_equal(values, two.weights[name])
    assert np.array_equal(one.curve, two.curve)
    assert one.curve.shape == (2,)
    assert not np.array_equal(one.curve, other.curve)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    assert states[2] == random.getstate()


def test_released_draws_shuffle_with_the_python_generator() -> None:
    state = make_state()
    strategy = NeuralProcess(**QUICK, draws="released")
    generator = PublishedGenerator(42)
    episodes = strategy.simulate(state, generator)
    before = generator.python_legacy.getstate()
    released = strategy.fit(state, episodes, generator)
    assert generator.python_legacy.getstate() != before
    again = strategy.fit(state, episodes, PublishedGenerator(42))
    assert np.array_equal(released.curve, again.curve)
    with pytest.raises(UserError, match=r"draws: .*no legacy stream"):
        strategy.fit(state, episodes, rng())


def test_simulations_follow_the_options() -> None:
    state = make_state()
    strategy = NeuralProcess(n_simulations=9, fractions=(0.25, 0.5))
    episodes = strategy.simulate(state, rng())
    assert isinstance(episodes, Episodes)
    assert episodes.annotated_mask.shape == (9, 20)
    assert set(episodes.annotated_mask.sum(1)) <= {5, 10}


def test_learned_networks_are_stored_without_pickle(known: LearningState, tmp_path: Path) -> None:
    strategy = NeuralProcess(**QUICK)
    strategy.save_learned(tmp_path / "learned.npz", known.learned)
    strategy.save_learned(tmp_path / "again.npz", known.learned)
    assert (tmp_path / "learned.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    loaded = strategy.load_learned(tmp_path / "learned.npz")
    one = strategy.select(known, 5, rng())
    other = strategy.select(replace(known, learned=loaded), 5, rng())
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.indices, other.indices)
    (tmp_path / "learned.npz").write_bytes(b"PK")
    with pytest.raises(CorruptFileError, match=r"learned\.npz"):
        strategy.load_learned(tmp_path / "learned.npz")


def test_what_it_needs() -> None:
    assert NeuralProcess().needs == {Need.LEARNED, Need.REWARD_SET, Need.CLASSIFIER}
    state = make_state()
    with pytest.raises(UserError, match=r"state.learned: .*call simulate and fit first"):
        NeuralProcess().select(state, 1, rng())
    with pytest.raises(UserError, match=r"state.reward_scorer"):
        NeuralProcess().simulate(replace(state, reward_scorer=None), rng())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("refit", "evry_step", 'did you mean "every_step"'),
        ("ties", "last", "choose one of|did you mean"),
        ("simulation_size", "floor", "choose one of"),
        ("draws", "legacy", "choose one of"),
        ("input_scaling", None, "choose one of"),
        ("n_simulations", 0, "an integer ≥ 1"),
        ("n_simulations", True, "an integer ≥ 1"),
        ("epochs", 1.5, "an integer ≥ 1"),
        ("batch_size", -1, "an integer ≥ 1"),
        ("width", 30, "a positive multiple of 8"),
        ("learning_rate", 0.0, "a number above 0"),
        ("learning_rate", float("nan"), "a number above 0"),
        ("acquisition_std", float("inf"), "a number"),
        ("fractions", (), "numbers between 0 and 1"),
        ("fractions", (0.5, 1.0), "numbers between 0 and 1"),
        ("fractions", 0.5, "numbers between 0 and 1"),
        ("context_labels", "yes", "true or false"),
        ("context_rewards", 1, "true or false"),
    ],
)
def test_values_that_cannot_be_used(option: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        NeuralProcess(**{option: value})
    assert raised.value.key == option


def test_lists_of_a_study_file_are_accepted() -> None:
    strategy = NeuralProcess(fractions=[0.2, 0.4])
    assert strategy == NeuralProcess(fractions=(0.2, 0.4))
    assert hash(strategy) == hash(NeuralProcess(fractions=(0.2, 0.4)))


def test_absent_cuda_is_one_clear_error(
    known: LearningState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device: cuda is asked for"), compute.using(device="cuda"):
        NeuralProcess().select(known, 1, rng())


def test_warm_goes_on_from_the_network_of_the_state(known: LearningState) -> None:
    from lalbench.learners.neural_process import training

    strategy = NeuralProcess(**QUICK, refit="warm", warm_epochs=1)
    cold = NeuralProcess(**QUICK)
    episodes = strategy.simulate(known, rng())
    alone = replace(known, learned=None)
    first, other = (made.fit(alone, episodes, rng()) for made in (strategy, cold))
    assert all(np.array_equal(first.weights[k], other.weights[k]) for k in first.weights)
    warm = strategy.fit(replace(known, learned=first), episodes, rng())
    assert len(first.curve) == QUICK["epochs"]
    assert len(warm.curve) == 1
    # the rates of the last epoch of the schedule: Adam moves no weight further than that
    rate = strategy.learning_rate * training.DECAY ** (QUICK["epochs"] - 1)
    moved = max(np.abs(warm.weights[k] - first.weights[k]).max() for k in first.weights)
    assert 0 < moved < 1.5 * rate * 9  # at most nine sizes, one batch of each
    with pytest.raises(ValueError, match="start from"):
        strategy.fit_many([alone, replace(known, learned=first)], [episodes] * 2, [rng(), rng()])


def test_many_are_those_trained_alone(known: LearningState) -> None:
    strategy = NeuralProcess(**QUICK)
    episodes = [strategy.simulate(known, np.random.default_rng(seed)) for seed in (0, 1)]
    rngs = [np.random.default_rng(seed) for seed in (2, 3)]
    many = strategy.fit_many([known, known], episodes, rngs)
    for seed, scored, found in zip((2, 3), episodes, many, strict=True):
        alone = strategy.fit(known, scored, np.random.default_rng(seed))
        for name, part in alone.weights.items():
            np.testing.assert_allclose(found.weights[name], part, atol=1e-4)
