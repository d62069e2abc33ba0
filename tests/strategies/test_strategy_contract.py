"""One contract for all strategies: of the registry, of users, of scikit-activeml, in a sub-pool, on
features with logistic regression and on images with a small network.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier

from lalbench import classifiers, protocols, strategies
from lalbench.config import StrategySpec
from lalbench.data.images import Images
from lalbench.errors import UserError
from lalbench.learners.lal import fit_regressor
from lalbench.seeds import PublishedGenerator
from lalbench.strategies.base import (
    READS_REWARDS,
    LabelOracle,
    LearningState,
    Need,
    Selection,
    Strategy,
)
from lalbench.strategies.subsample import Subsample

DOCS = Path(__file__).resolve().parents[2] / "docs" / "strategies.md"
QUICK = {
    "neural_process": {"n_simulations": 6, "epochs": 1},
    "lal_independent": {"repetitions": 3, "last_size": 4, "trees": 5, "max_depth": 8},
    "lal_iterative": {"repetitions": 3, "last_size": 4, "trees": 5, "step_trees": [5]},
    "lal_warm_start": {"repetitions": 2, "candidates": 4, "trees": 5},
    "vaal": {"epochs": 1, "width": 1 / 64, "batch_size": 8, "latent": 4},
    "uncertain_gcn": {"epochs": 20, "hidden": 16},
    "core_gcn": {"epochs": 20, "hidden": 16},
}
ON_IMAGES = " on images"
ADAPTED = ["skactiveml.pool:CoreSet", "skactiveml.pool:UncertaintySampling"]
ADAPTED += ["skactiveml.pool:TypiClust"]
FEATURES = {
    "lal_independent",
    "lal_iterative",
    "lal_warm_start",
    "neural_process",
    "expected_error_reduction",
    "look_ahead",
    "posterior_limit",
    "oracle",
    "reward_oracle",
    "albl",
}  # read rows of features
IMAGES = {"learning_loss", "vaal"}
TWO_CLASSES = {"kapoor"}
REGISTERED = [name for name in strategies.names() if name not in IMAGES]
REGISTERED += [name + ON_IMAGES for name in strategies.names() if name not in FEATURES]
SUBSAMPLED = [f"subsample {name}" for name in REGISTERED]
NAMES = [*REGISTERED, "documented example", "documented example" + ON_IMAGES]
NAMES += [*ADAPTED, *SUBSAMPLED]


def documented_example() -> Any:
    """The class that docs/strategies.md shows."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    (source,) = (block for block in blocks if "class " in block)
    names: dict[str, Any] = {"__name__": "documented"}
    exec(compile(source, "documented", "exec", dont_inherit=True), names)
    return names["NearestToRare"]


@cache
def build(name: str) -> Strategy:
    name = name.removesuffix(ON_IMAGES)
    if name.startswith("subsample "):
        return Subsample(build(name.removeprefix("subsample ")), 12)
    if name == "documented example":
        return documented_example()()
    if name.startswith("skactiveml."):
        pytest.importorskip("skactiveml")
    return replace(strategies.get(name), **QUICK.get(name, {}))


HONEST = [name for name in REGISTERED if Need.LABEL_ORACLE not in build(name).needs]
EVERY = pytest.mark.parametrize("name", NAMES)


Make = Callable[..., LearningState]


@pytest.fixture
def make(make_state: Make, make_image_state: Make) -> Make:
    """The state for a name, on features or on images."""

    def build_state(name: str, **changes: Any) -> LearningState:
        return (make_image_state if name.endswith(ON_IMAGES) else make_state)(**changes)

    return build_state


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


@cache
def pretrained() -> Any:
    """LAL's regressor for the states' classifier, from a few synthetic data sets."""
    strategy: Any = build("lal_independent")
    collection = strategy.collection(classifiers.get("logistic_regression"))
    states = [(size, number) for size in collection.sizes for number in range(3)]
    data = collection.independent(states)
    return fit_regressor(data, strategy.regressor_options(), seed=0)


def learned(strategy: Any, state: LearningState) -> LearningState:
    """The state with what the strategy's learner makes of it."""
    if Need.PRETRAINED in strategy.needs:
        return replace(state, learned=pretrained())
    if Need.LEARNED not in strategy.needs:
        return state
    episodes = strategy.simulate(state, rng(1))
    return replace(state, learned=strategy.fit(state, episodes, rng(2)))


def permuted(state: LearningState, order: Any) -> LearningState:
    return replace(
        state,
        X_pool=state.X_pool[order],
        pool_ids=state.pool_ids[order],
        posterior=None if state.posterior is None else state.posterior[order],
        labels=LabelOracle(state.labels.ask_all()[order]),
    )


def joined(*parts: Any) -> Any:
    """Rows of features, or images of one array, one after the other."""
    if isinstance(parts[0], Images):
        return Images(parts[0].pixels, np.concatenate([part.rows for part in parts]))
    return np.concatenate(parts)


def blank(X: Any) -> Any:
    """The same number of points, all of them zero."""
    if isinstance(X, Images):
        return Images(np.zeros_like(X.pixels), X.rows)
    return np.zeros_like(X)


def same_points(state: LearningState) -> LearningState:
    """All pool points equal: every score is equal, too."""
    first = np.zeros(state.n_pool, dtype=int)
    posterior = None if state.posterior is None else state.posterior[first]
    return replace(state, X_pool=state.X_pool[first], posterior=posterior)


def constant_features(state: LearningState) -> LearningState:
    """Nothing to tell points apart, annotated ones included."""
    X = blank(state.X_annotated)
    classifier = state.new_classifier().fit(X, state.y_annotated)
    return replace(state, X_annotated=X, X_pool=blank(state.X_pool), classifier=classifier)


def duplicates(state: LearningState) -> LearningState:
    """Every pool point twice, and some annotated points in the pool."""
    known, pool = state.X_annotated[:6], state.X_pool[:9]
    X_pool = joined(known, pool, pool, known)
    assert len(X_pool) == state.n_pool
    return replace(state, X_pool=X_pool)


def one_class(state: LearningState) -> LearningState:
    """Only one class among the annotated points; of features only a tree can be fitted to them."""
    y = np.zeros_like(state.y_annotated)
    new_classifier = state.new_classifier
    if not isinstance(state.X_pool, Images):

        def new_classifier() -> Any:
            return DecisionTreeClassifier(random_state=0)

    classifier = new_classifier().fit(state.X_annotated, y)
    return replace(state, y_annotated=y, classifier=classifier, new_classifier=new_classifier)


LIBRARY_FAILS = {("skactiveml.pool:TypiClust", constant_features)}  # scikit-activeml 1.0
EDGES = [same_points, constant_features, duplicates, one_class]


def check(found: Selection, budget: int, state: LearningState) -> None:
    """Right number, distinct, in the pool; scores whose largest is chosen first."""
    chosen = np.asarray(found.indices)
    assert chosen.shape == (min(budget, state.n_pool),)
    assert chosen.dtype == np.int64
    assert len(set(chosen.tolist())) == len(chosen)
    assert chosen.min() >= 0
    assert chosen.max() < state.n_pool
    if found.scores is not None:
        assert found.scores.shape == (state.n_pool,)
        assert found.scores.dtype == np.float64
        assert found.scores[chosen[0]] == found.scores.max()


@contextmanager
def nothing_changes(state: LearningState) -> Iterator[None]:
    """Inputs cannot be written to, and the global generators stay as they are."""
    parts = [state, state.X_annotated, state.X_pool, state.signals, state.annotated_signals]
    parts = [vars(part) for part in parts if hasattr(part, "__dict__")]
    arrays = [value for part in parts for value in part.values() if isinstance(value, np.ndarray)]
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    for array in arrays:
        array.flags.writeable = False
    try:
        yield
    finally:
        for array in arrays:
            array.flags.writeable = True
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    assert (precision, threads) == (torch.get_float32_matmul_precision(), torch.get_num_threads())
    assert torch.is_grad_enabled()


@EVERY
@pytest.mark.parametrize("budget", [1, 5, 30, 40])
def test_distinct_positions_in_the_pool(name: str, budget: int, make: Make) -> None:
    strategy = build(name)
    state = learned(strategy, make(name))
    with nothing_changes(state):
        check(strategy.select(state, budget, rng()), budget, state)


@EVERY
def test_three_classes_and_a_pool_of_one(name: str, make: Make) -> None:
    strategy = build(name)
    for state in (make(name, n_classes=3, n_annotated=21), make(name, n_pool=1)):
        state = learned(strategy, state)
        if state.n_classes > 2 and TWO_CLASSES & set(name.split()):
            with pytest.raises(UserError, match="two classes"):
                strategy.select(state, 3, rng())
            continue
        check(strategy.select(state, 3, rng()), 3, state)


@EVERY
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("budget", [1, 7, 30])
def test_edge_cases(name: str, edge: Any, budget: int, make: Make) -> None:
    strategy = build(name)
    if (name, edge) in LIBRARY_FAILS:
        pytest.skip("fails in scikit-activeml")
    state = edge(learned(strategy, make(name)))
    check(strategy.select(state, budget, rng()), budget, state)


@EVERY
@pytest.mark.parametrize("edge", [None, *EDGES])
def test_permuting_the_pool_permutes_the_choice(name: str, edge: Any, make: Make) -> None:
    strategy = build(name)
    if (name, edge) in LIBRARY_FAILS:
        pytest.skip("fails in scikit-activeml")
    state = learned(strategy, make(name))
    state = edge(state) if edge else state
    order = rng(9).permutation(state.n_pool)
    one, other = strategy.select(state, 6, rng()), None
    other = strategy.select(permuted(state, order), 6, rng())
    assert state.pool_ids[one.indices].tolist() == state.pool_ids[order][other.indices].tolist()
    if one.scores is not None:
        np.testing.assert_allclose(one.scores[order], other.scores, rtol=1e-5, atol=1e-12)


@EVERY
def test_same_seed_same_choice(name: str, make: Make) -> None:
    strategy = build(name)
    state = learned(strategy, make(name))
    one, other = (strategy.select(state, 6, rng()) for _ in range(2))
    assert np.array_equal(one.indices, other.indices)
    if one.scores is not None:
        assert np.array_equal(one.scores, other.scores)


@EVERY
def test_equal_points_are_chosen_by_chance(name: str, make: Make) -> None:
    strategy = build(name)
    state = same_points(learned(strategy, make(name)))
    first = {int(strategy.select(state, 1, rng(seed)).indices[0]) for seed in range(25)}
    assert len(first) > 8  # 25 fair draws of 30 points: about 17


class _Forbidden:
    """Fails as soon as anything of it is used."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):  # copying is no use
            return object.__getattribute__(self, name)
        raise AssertionError(f"the strategy read {name} without declaring that it needs it")

    def __call__(self) -> Any:
        raise AssertionError("the strategy used what it does not need")


def only(needs: frozenset[Need], state: LearningState) -> LearningState:
    """The state without what the needs do not name."""
    signals = {Need.PROBABILITIES, Need.DECISION, Need.CLASSIFIER}
    if isinstance(state.X_pool, Images):
        signals |= {Need.EMBEDDINGS, Need.PREDICTED_LOSSES}
    kept = {
        "classifier": needs & signals,
        "new_classifier": needs & {Need.CLASSIFIER},
        "reward_scorer": needs & READS_REWARDS,
        "test_scorer": needs & {Need.TEST_SET},
        "posterior": needs & {Need.POSTERIOR},
        "labels": needs & {Need.LABEL_ORACLE},
    }
    return replace(state, **{name: _Forbidden() for name, keep in kept.items() if not keep})


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SUBSAMPLED])
def test_it_reads_only_what_it_needs(name: str, make: Make) -> None:
    strategy = build(name)
    state = make(name)
    count_before = state.labels.count
    allowed = learned(strategy, only(strategy.needs, state))
    check(strategy.select(allowed, 3, rng()), 3, state)
    asked = state.labels.count - count_before
    assert asked == (state.n_pool if Need.LABEL_ORACLE in strategy.needs else 0)


@pytest.mark.parametrize("name", HONEST)
def test_hidden_labels_change_nothing_for_a_strategy(name: str, make: Make) -> None:
    strategy = build(name)
    state = learned(strategy, make(name))
    other = replace(state, labels=LabelOracle(1 - state.labels.ask_all()))
    one, two = (strategy.select(given, 6, rng()) for given in (state, other))
    assert np.array_equal(one.indices, two.indices)


@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.parametrize("budget", [1, 5, 30])
def test_options_of_the_published_protocol(name: str, budget: int, make: Make) -> None:
    named = name.removesuffix(ON_IMAGES)
    strategy = strategies.resolve(StrategySpec(name=named), protocols.PUBLISHED)
    strategy = replace(strategy, **QUICK.get(named, {}))
    state = make(name)
    chosen = []
    for _ in range(2):
        generator = PublishedGenerator(42)
        if Need.PRETRAINED in strategy.needs:
            state = learned(strategy, state)
        if Need.LEARNED in strategy.needs:
            episodes = strategy.simulate(state, generator)
            state = replace(state, learned=strategy.fit(state, episodes, generator))
        found = strategy.select(state, budget, generator)
        check(found, budget, state)
        chosen.append(found.indices)
    assert np.array_equal(*chosen)


PREFIX = [
    name for name in REGISTERED if not name.startswith("cbal")
]  # its target depends on the batch


@pytest.mark.parametrize("name", PREFIX)
def test_a_smaller_batch_is_the_beginning_of_a_larger_one(name: str, make: Make) -> None:
    strategy = build(name)
    state = learned(strategy, make(name))
    large = strategy.select(state, 12, rng()).indices
    for budget in (1, 2, 7):
        assert np.array_equal(strategy.select(state, budget, rng()).indices, large[:budget])


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_without_a_network_they_say_what_they_need(
    name: str, make_state: Callable[..., LearningState]
) -> None:
    with pytest.raises(UserError, match=r"classifiers: .*network"):
        build(name).select(make_state(), 3, rng())
