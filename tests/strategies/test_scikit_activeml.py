"""The adapter to scikit-activeml, and our strategies beside theirs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lalbench import classifiers, strategies
from lalbench.errors import UserError
from lalbench.strategies.base import LearningState, Need
from lalbench.strategies.scikit_activeml import (
    TaskClassifier,
    _committee,
    require_scikit_activeml,
)
from lalbench.strategies.uncertainty import entropies, least_confident_scores, margin_scores

pool = pytest.importorskip("skactiveml.pool")

REGRESSION = {
    "ExpectedModelChangeMaximization",
    "ExpectedModelOutputChange",
    "ExpectedModelVarianceReduction",
    "GreedySamplingTarget",
    "KLDivergenceMaximization",
    "RegressionTreeBasedAL",
}
OWN_CLASSIFIER = {"EpistemicUncertaintySampling", "FourDs", "ProbabilisticAL"}
OTHERS = {"ExpectedErrorReduction", "ParallelUtilityEstimationWrapper", "SubSamplingWrapper"}


def query_strategies() -> list[str]:
    from skactiveml.base import SingleAnnotatorPoolQueryStrategy

    found = [name for name in pool.__all__ if inspect.isclass(getattr(pool, name))]
    return [n for n in found if issubclass(getattr(pool, n), SingleAnnotatorPoolQueryStrategy)]


USABLE = sorted(set(query_strategies()) - REGRESSION - OWN_CLASSIFIER - OTHERS)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def adapted(name: str, **options: Any) -> Any:
    return strategies.get(f"skactiveml.pool:{name}", **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", USABLE)
def test_every_usable_query_strategy_chooses_distinct_points(
    name: str, n_classes: int, make_state: Callable[..., LearningState]
) -> None:
    state = make_state(n_pool=16, n_annotated=12, n_classes=n_classes)
    one = adapted(name).select(state, 4, rng(1))
    np.random.random(100)  # another state of the global generator
    before = np.random.get_state()[1].copy()
    two = adapted(name).select(state, 4, rng(1))
    assert len(set(one.indices.tolist())) == 4
    assert set(one.indices.tolist()) <= set(range(16))
    assert one.indices.tolist() == two.indices.tolist()
    assert one.scores is None or one.scores.shape == (16,)
    assert np.array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("method", "score"),
    [
        ("entropy", entropies),
        ("margin_sampling", margin_scores),
        ("least_confident", least_confident_scores),
    ],
)
def test_uncertainty_equals_ours(
    method: str, score: Any, make_state: Callable[..., LearningState]
) -> None:
    ours = {"margin_sampling": "margin"}.get(method, method)
    for seed in range(3):
        state = make_state(n_classes=3, n_annotated=21, n_pool=50, seed=seed)
        theirs = adapted("UncertaintySampling", method=method).select(state, 8, rng())
        np.testing.assert_allclose(theirs.scores, score(state.probabilities), atol=1e-12)
        found = strategies.get(ours).select(state, 8, rng())
        assert theirs.indices.tolist() == found.indices.tolist()


def test_core_set_equals_k_center_greedy(make_state: Callable[..., LearningState]) -> None:
    for seed in range(3):
        state = make_state(n_pool=50, seed=seed)
        theirs = adapted("CoreSet").select(state, 15, rng())
        ours = strategies.get("k_center_greedy").select(state, 15, rng())
        assert theirs.indices.tolist() == ours.indices.tolist()
        np.testing.assert_allclose(theirs.scores**2, ours.scores, rtol=1e-9)


def test_typiclust_takes_the_typical_point_of_an_uncovered_cluster(
    make_state: Callable[..., LearningState],
) -> None:
    state = make_state(n_pool=30, n_annotated=4)
    centres = np.repeat([[40.0, 0, 0], [0, 40.0, 0], [0, 0, 40.0]], 10, axis=0)
    X_pool = centres + rng(1).normal(size=(30, 3))
    X_pool[[3, 14, 25]] = centres[[3, 14, 25]]  # the middle of each cluster
    annotated = rng(2).normal(size=(4, 3)) * 0.1
    state = replace(state, X_pool=X_pool, X_annotated=annotated)
    found = adapted("TypiClust", k=9).select(state, 3, rng())
    assert sorted(found.indices // 10) == [0, 1, 2]
    assert set(found.indices.tolist()) & {3, 14, 25}


def test_what_a_query_strategy_needs() -> None:
    assert adapted("CoreSet").needs == {Need.EMBEDDINGS}
    assert adapted("UncertaintySampling").needs == {
        Need.EMBEDDINGS,
        Need.PROBABILITIES,
        Need.FEATURES,
    }
    assert Need.CLASSIFIER in adapted("MonteCarloEER").needs
    assert Need.CLASSIFIER in adapted("QueryByCommittee").needs


def test_the_committee_consists_of_different_classifiers(
    make_state: Callable[..., LearningState],
) -> None:
    state = make_state(n_classes=3, n_annotated=21)
    members = [m.predict_proba(state.X_pool) for m in _committee(state, rng())]
    assert len(members) == 10
    assert all(member.shape == (30, 3) for member in members)
    assert len({member.tobytes() for member in members}) == 10


def test_the_task_classifier_is_handed_over_as_it_is(
    make_state: Callable[..., LearningState],
) -> None:
    state = make_state(n_classes=3, n_annotated=21)
    y = state.y_annotated % 2  # the third class is missing
    two = classifiers.fit(state.new_classifier(), state.X_annotated, y, state.fit_weights)
    state = replace(state, y_annotated=y, classifier=two)
    found = adapted("UncertaintySampling", method="entropy").select(state, 3, rng())
    np.testing.assert_allclose(found.scores, entropies(state.probabilities), atol=1e-12)


def test_class_weights_reach_refits(make_state: Callable[..., LearningState]) -> None:
    state = make_state()
    X, y = state.X_annotated, state.y_annotated
    task = TaskClassifier(state.new_classifier, 2, state.fit_weights).fit(X, y)
    np.testing.assert_allclose(task.predict_proba(state.X_pool), state.probabilities, atol=1e-12)
    again = TaskClassifier(state.new_classifier, 2, state.fit_weights)
    again.fit(X, y, sample_weight=np.ones(len(y)))
    np.testing.assert_allclose(again.predict_proba(state.X_pool), state.probabilities, atol=1e-9)
    assert np.array_equal(task.predict(state.X_pool), state.classifier.predict(state.X_pool))


class Repeats(pool.RandomSampling):
    """Returns its first point twice, as TypiClust may."""

    def query(self, *args: Any, batch_size: int = 1, **options: Any) -> Any:
        indices, utilities = super().query(*args, batch_size=batch_size, **options)
        indices[1:2] = indices[0]
        return indices, utilities


def test_repeated_points_are_replaced(
    monkeypatch: pytest.MonkeyPatch, make_state: Callable[..., LearningState]
) -> None:
    monkeypatch.setitem(sys.modules, "repeats", sys.modules[__name__])
    found = strategies.get("repeats:Repeats").select(make_state(), 10, rng())
    assert len(set(found.indices.tolist())) == 10


@pytest.mark.parametrize("name", sorted(REGRESSION & set(query_strategies())))
def test_regression_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}.query needs reg, which lalbench cannot supply"):
        adapted(name)


@pytest.mark.parametrize("name", sorted(OWN_CLASSIFIER))
def test_query_strategies_with_classifiers_of_their_own_fail_clearly(
    name: str, make_state: Callable[..., LearningState]
) -> None:
    with pytest.raises(UserError, match=rf"class: {name} failed \(.*correct its options"):
        adapted(name).select(make_state(), 1, rng())


def test_options(make_state: Callable[..., LearningState]) -> None:
    with pytest.raises(UserError, match=r'options\.metod: .*did you mean "method"'):
        adapted("UncertaintySampling", metod="entropy")
    with pytest.raises(UserError, match=r"options\.random_state: .*no option"):
        adapted("CoreSet", random_state=0)
    with pytest.raises(UserError, match=r"UncertaintySampling failed \(.*correct its options"):
        adapted("UncertaintySampling", method="no").select(make_state(), 1, rng())


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skactiveml", None)
    with pytest.raises(UserError, match="make install EXTRA=activeml"):
        strategies.get("skactiveml.pool:CoreSet")
    with pytest.raises(UserError, match="not installed"):
        require_scikit_activeml("skactiveml.pool:CoreSet")
