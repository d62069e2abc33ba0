"""Look-ahead against loops of scikit-learn's refits, the oracle, and what may not change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from lalbench import classifiers, label_models, objectives, strategies
from lalbench.classifiers.margins import fit_slope
from lalbench.errors import UserError
from lalbench.objectives import Scorer
from lalbench.strategies.base import LearningState, Need
from lalbench.strategies.look_ahead import seen_labels
from lalbench.strategies.smoothing import consensus

Make = Callable[..., LearningState]


def test_rounding_tells_nothing() -> None:
    """Neither beside a real difference nor alone, whatever the objective's scale."""
    draws = np.random.default_rng(0)
    real = draws.normal(size=30)
    noise = 1e-16 * draws.normal(size=(30, 2))
    found = consensus(np.column_stack([real, noise]))
    np.testing.assert_allclose(found, (real - real.mean()) / real.std() / 3, rtol=1e-9)
    assert not consensus(noise).any()
    large = 1e6 * np.column_stack([real, noise])
    np.testing.assert_allclose(consensus(large), found, rtol=1e-9)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def exact(name: str) -> Any:
    return LogisticRegression(tol=1e-12, max_iter=10_000) if name == "logistic" else SVC(tol=1e-10)


def with_classifier(state: LearningState, classifier: Any) -> LearningState:
    fitted = classifiers.fit(
        classifiers.clone(classifier), state.X_annotated, state.y_annotated, state.fit_weights
    )
    return replace(state, classifier=fitted, new_classifier=lambda: classifiers.clone(classifier))


def probabilities(fitted: Any, X: np.ndarray, slope: float) -> np.ndarray:
    if hasattr(fitted, "predict_proba"):
        return fitted.predict_proba(X)
    if len(fitted.classes_) == 2:
        second = expit(slope * fitted.decision_function(X))
        return np.column_stack([1 - second, second])
    fitted.decision_function_shape = "ovo"
    values, n_classes, k = fitted.decision_function(X), len(fitted.classes_), 0
    margins = np.zeros((len(X), n_classes, n_classes))
    for a in range(n_classes):
        for b in range(a + 1, n_classes):
            margins[:, a, b], margins[:, b, a] = values[:, k], -values[:, k]
            k += 1
    return softmax(slope * margins.mean(2), axis=1)


def value(state, classifier, rows, labels, weights, X, v, slope, sharpness):
    """Expected weighted accuracy of the classifier fitted to the rows."""
    fitted = classifiers.clone(classifier).fit(rows, labels, sample_weight=weights)
    p = probabilities(fitted, X, slope) ** sharpness
    p /= p.sum(1, keepdims=True)
    w = state.class_weights
    return (w * v * p).sum() / (w * v).sum()


def by_hand(state, classifier, q, X, v, slope, sharpness=1.0, chosen=()):
    """(n_pool,) expected improvements; ``chosen`` are annotated with every label, weighed by q."""
    fit_weights = np.ones(state.n_classes) if state.fit_weights is None else state.fit_weights
    rows, labels = [*state.X_annotated], [*state.y_annotated]
    weights = [*fit_weights[state.y_annotated]]
    for place in chosen:
        for c in range(state.n_classes):
            rows.append(state.X_pool[place])
            labels.append(c)
            weights.append(fit_weights[c] * q[place, c])
    args = (X, v, slope, sharpness)
    base = value(state, classifier, np.array(rows), labels, weights, *args)
    found = np.zeros(state.n_pool)
    for i in range(state.n_pool):
        for c in range(state.n_classes):
            after = value(
                state, classifier, np.array([*rows, state.X_pool[i]]), [*labels, c],
                [*weights, fit_weights[c]], *args,
            )  # fmt: skip
            found[i] += q[i, c] * (after - base)
    return found


def label_probabilities(state: LearningState) -> np.ndarray:
    """Those of the default label model, rows in the order of their ids, the reward set behind."""
    order = np.argsort(state.annotated_ids)
    X, y = state.X_annotated[order], state.y_annotated[order]
    if state.reward_scorer is not None:
        X = np.concatenate([X, state.reward_scorer.X])
        y = np.concatenate([y, state.reward_scorer.y])
    return label_models.fit_label_model(X, y, state.n_classes).probabilities(state.X_pool)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["logistic", "svm"])
@pytest.mark.parametrize("points", ["pool", "reward", "both"])
def test_scores_are_those_of_a_loop_over_refits(
    make_state: Make, n_classes: int, weighted: bool, name: str, points: str
) -> None:
    state = with_classifier(
        make_state(n_pool=14, n_annotated=24, n_classes=n_classes, weighted=weighted), exact(name)
    )
    found = strategies.get("look_ahead", points=points, sharpness=2.0).select(state, 1, rng())
    q = label_probabilities(state)
    slope = 1.0
    if name == "svm":
        slope = fit_slope(exact(name), state.X_annotated, state.y_annotated, state.fit_weights)
        assert found.details["slope"] == pytest.approx(slope, abs=1e-6)
    rewards = state.reward_scorer
    sets = {
        "pool": [(state.X_pool, q)],
        "reward": [(rewards.X, np.eye(n_classes)[rewards.y])],
    }
    sets["both"] = [*sets["pool"], *sets["reward"]]
    expected = np.mean(
        [by_hand(state, exact(name), q, X, v, slope, 2.0) for X, v in sets[points]], axis=0
    )
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.indices.tolist() == [int(expected.argmax())]
    np.testing.assert_allclose(found.details["expected_labels"], q[found.indices], atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_is_conditioned_on_expected_labels(make_state: Make, weighted: bool) -> None:
    state = with_classifier(
        make_state(n_pool=10, n_annotated=20, weighted=weighted), exact("logistic")
    )
    found = strategies.get("look_ahead", sharpness=1.0).select(state, 3, rng())
    q, chosen = label_probabilities(state), []
    for _ in range(3):
        scores = by_hand(state, exact("logistic"), q, state.X_pool, q, 1.0, chosen=chosen)
        scores[chosen] = -np.inf
        chosen.append(int(scores.argmax()))
    assert found.indices.tolist() == chosen


@pytest.mark.parametrize("name", ["logistic", "svm"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_true_labels_on_the_reward_set_rank_as_the_oracle_does(
    make_state: Make, name: str, n_classes: int
) -> None:
    state = with_classifier(make_state(n_classes=n_classes), exact(name))
    state = replace(state, posterior=np.eye(n_classes)[state.labels.ask_all()])
    known = strategies.get("posterior_limit", points="reward", sharpness=1.0)
    found = known.select(state, 1, rng())
    oracle = strategies.get("reward_oracle", score="smooth").select(state, 1, rng())
    np.testing.assert_allclose(found.scores, oracle.scores, atol=1e-9)
    assert found.indices.tolist() == oracle.indices.tolist()
    hard = strategies.get("posterior_limit", points="reward", sharpness="hard")
    # SVC breaks ties of votes otherwise than the most probable class
    engine = "auto" if name == "logistic" else "reference"
    plain = strategies.get("reward_oracle", engine=engine).select(state, 1, rng())
    scores = hard.select(state, 1, rng()).scores
    np.testing.assert_allclose(scores, plain.scores, atol=1e-9)


@pytest.mark.parametrize("name", ["logistic", "svm"])
def test_order_and_names_of_what_is_annotated_change_nothing(make_state: Make, name: str) -> None:
    state = with_classifier(make_state(n_annotated=30, weighted=False), exact(name))
    strategy = strategies.get("look_ahead", n_points=20)
    first = strategy.select(state, 4, rng())
    order = np.random.default_rng(1).permutation(30)
    mixed = replace(
        state,
        X_annotated=state.X_annotated[order],
        y_annotated=state.y_annotated[order],
        annotated_ids=state.annotated_ids[order],
    )
    again = strategy.select(with_classifier(mixed, exact(name)), 4, rng())
    assert first.indices.tolist() == again.indices.tolist()
    np.testing.assert_allclose(first.scores, again.scores, atol=1e-6)
    rewards = state.reward_scorer
    turned = replace(
        state,
        y_annotated=1 - state.y_annotated,
        class_weights=state.class_weights[::-1].copy(),
        reward_scorer=Scorer(rewards.X, 1 - rewards.y, rewards.class_weights[::-1].copy()),
    )
    other = strategy.select(with_classifier(turned, exact(name)), 4, rng())
    assert first.indices.tolist() == other.indices.tolist()


def test_the_reward_set_is_read_where_there_is_one(make_state: Make) -> None:
    state = make_state()
    strategy = strategies.get("look_ahead")
    assert Need.REWARD_IF_ANY in strategy.needs
    assert Need.REWARD_SET not in strategy.needs
    alone = strategy.select(replace(state, reward_scorer=None), 1, rng())
    with_rewards = strategy.select(state, 1, rng())
    assert alone.details["label_model_log_loss"] != with_rewards.details["label_model_log_loss"]
    for points in ("reward", "both"):
        assert Need.REWARD_SET in strategies.get("look_ahead", points=points).needs
        with pytest.raises(UserError, match="reward_scorer"):
            strategies.get("look_ahead", points=points).select(
                replace(state, reward_scorer=None), 1, rng()
            )


def test_a_single_label_model_needs_no_list(make_state: Make) -> None:
    state = make_state()
    found = [
        strategies.get("look_ahead", label_model=given, n_points=20, n_candidates=5).select(
            state, 1, np.random.default_rng(0)
        )
        for given in ("svm", ["svm"], ("svm",))
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].indices, other.indices)


@pytest.mark.parametrize("name", ["logistic", "svm"])
def test_own_probabilities_as_label_model(make_state: Make, name: str) -> None:
    """Those that the objective reads too: of an SVM the sigmoid with the slope of the record."""
    state = with_classifier(make_state(n_pool=12, weighted=False), exact(name))
    own = strategies.get("look_ahead", label_model=["classifier"], sharpness=1.0)
    assert Need.REWARD_IF_ANY not in own.needs
    found = own.select(state, 1, rng())
    slope = 1.0
    if name == "svm":
        slope = fit_slope(exact(name), state.X_annotated, state.y_annotated)
        assert abs(slope - 1) > 0.1
    q = probabilities(state.classifier, state.X_pool, slope)
    expected = by_hand(state, exact(name), q, state.X_pool, q, slope)
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert "label_model" not in found.details


def test_a_label_that_cannot_be_is_no_row_of_a_batch(make_state: Make) -> None:
    """No label of class 2 is known, and the classifier itself gives it no probability at all."""
    state = make_state(n_pool=9, n_annotated=24, n_classes=3, weighted=False)
    known = state.y_annotated < 2
    state = replace(
        state,
        X_annotated=state.X_annotated[known],
        y_annotated=state.y_annotated[known],
        annotated_ids=state.annotated_ids[known],
    )
    state = with_classifier(state, SVC(class_weight="balanced", tol=1e-10))
    own = strategies.get("look_ahead", label_model=["classifier"], sharpness=1.0)
    found = own.select(state, 2, rng())
    assert len(set(found.indices)) == 2
    assert found.details["expected_labels"][0][2] == 0


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["logistic", "svm"])
@pytest.mark.parametrize("loss", ["zero_one", "log"])
def test_expected_error_reduction_is_a_loop_over_refits(
    make_state: Make, n_classes: int, name: str, loss: str
) -> None:
    state = with_classifier(make_state(n_pool=9, n_annotated=24, n_classes=n_classes), exact(name))
    weights, slope = state.fit_weights, 1.0
    if name == "svm":
        slope = fit_slope(exact(name), state.X_annotated, state.y_annotated, weights)
    q, expected = probabilities(state.classifier, state.X_pool, slope), np.zeros(9)

    def error(X: np.ndarray, y: np.ndarray) -> float:
        fitted = classifiers.fit(exact(name), X, y, weights)
        p = probabilities(fitted, state.X_pool, slope)
        errors = 1 - p.max(1) if loss == "zero_one" else -(p * np.log(p)).sum(1)
        return float(errors.mean())

    before = error(state.X_annotated, state.y_annotated)
    for i in range(9):
        for c in range(n_classes):
            X = np.concatenate([state.X_annotated, state.X_pool[[i]]])
            expected[i] += q[i, c] * (before - error(X, np.append(state.y_annotated, c)))
    found = strategies.get("expected_error_reduction", loss=loss).select(state, 1, rng())
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.indices.tolist() == [int(expected.argmax())]


@pytest.mark.parametrize("name", ["look_ahead", "expected_error_reduction"])
def test_nothing_is_chosen_from_an_empty_pool(make_state: Make, name: str) -> None:
    state = make_state()
    empty = replace(state, X_pool=state.X_pool[:0], pool_ids=state.pool_ids[:0])
    found = strategies.get(name).select(empty, 3, rng())
    assert found.indices.shape == found.scores.shape == (0,)


def test_a_batch_needs_weights(make_state: Make) -> None:
    state = with_classifier(
        make_state(n_pool=12, weighted=False), KNeighborsClassifier(n_neighbors=3)
    )
    strategy = strategies.get("look_ahead", n_points=10)
    assert len(strategy.select(state, 1, rng()).indices) == 1
    with pytest.raises(
        UserError, match=r"budget: KNeighborsClassifier\.fit takes no sample_weight"
    ):
        strategy.select(state, 2, rng())


def test_some_candidates_are_looked_at(make_state: Make) -> None:
    state = make_state(n_pool=40)
    every = strategies.get("look_ahead", sharpness=3.0).select(state, 1, rng())
    for shortlist in ("random", "uncertain"):
        some = strategies.get(
            "look_ahead", sharpness=3.0, n_candidates=9, shortlist=shortlist
        ).select(state, 1, rng())
        looked = np.isfinite(some.scores)
        assert looked.sum() == 9
        np.testing.assert_allclose(some.scores[looked], every.scores[looked], atol=1e-12)
    batch = strategies.get("look_ahead", n_candidates=2).select(state, 7, rng())
    assert set(batch.indices) == set(np.flatnonzero(np.isfinite(batch.scores)))
    assert len(set(batch.indices)) == 7


def test_the_shortlist_is_what_both_models_doubt(make_state: Make) -> None:
    state = with_classifier(make_state(n_pool=40), exact("logistic"))
    found = strategies.get("look_ahead", n_candidates=9).select(state, 1, rng())
    X, y = seen_labels(state)
    model = label_models.fit_label_model(X, y, state.n_classes, candidates=["svm"])
    mean = (state.classifier.predict_proba(state.X_pool) + model.probabilities(state.X_pool)) / 2
    doubt = [-sum(p * np.log(p) for p in row) for row in mean]
    assert set(np.flatnonzero(np.isfinite(found.scores))) == set(np.argsort(doubt)[-9:])


def test_the_consensus_is_the_mean_of_what_every_sharpness_says(make_state: Make) -> None:
    state = with_classifier(make_state(n_pool=25, weighted=False), exact("logistic"))
    expected = np.zeros(25)
    for sharpness in (1.0, 3.0, 10.0, "hard"):
        alone = strategies.get("look_ahead", sharpness=sharpness).select(state, 1, rng()).scores
        expected += (alone - alone.mean()) / alone.std() / 4
    found = strategies.get("look_ahead").select(state, 1, rng())
    np.testing.assert_allclose(found.scores, expected, atol=1e-9)
    assert found.indices.tolist() == [int(expected.argmax())]


def test_an_objective_that_is_smooth_itself_needs_no_consensus(make_state: Make) -> None:
    state = with_classifier(make_state(n_pool=25, weighted=False), exact("logistic"))
    state = replace(state, objective=objectives.get("log_loss"))
    found = strategies.get("look_ahead").select(state, 1, rng())
    alone = strategies.get("look_ahead", sharpness=1.0).select(state, 1, rng())
    np.testing.assert_array_equal(found.scores, alone.scores)


def test_an_objective_that_does_not_move_says_nothing() -> None:
    gains = np.array([[0.3, 0.0, 1.0], [0.1, 0.0, 3.0], [0.2, 0.0, 2.0]])
    spread = np.sqrt(1 / 150)  # of 0.1, 0.2, 0.3
    expected = (np.array([0.1, -0.1, 0.0]) / spread - np.array([0.1, -0.1, 0.0]) / spread) / 3
    np.testing.assert_allclose(consensus(gains), expected, atol=1e-12)
    np.testing.assert_allclose(
        consensus(gains[:, :2]), np.array([0.1, -0.1, 0.0]) / spread / 2, atol=1e-12
    )
    assert not consensus(np.ones((4, 3))).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": "test"}, "points"),
        ({"sharpness": 0.0}, "sharpness"),
        ({"sharpness": "soft"}, "sharpness"),
        ({"n_points": 0}, "n_points"),
        ({"label_model": ["svn"]}, "svn"),
        ({"label_model": []}, "no candidates"),
        ({"label_model": "svn"}, 'did you mean "svm"'),
        ({"label_model": ["classifier", "svm"]}, "name it alone, or leave it out"),
        ({"label_model": ["nosuch:Thing"]}, "label_model: cannot import"),
        ({"label_model": ["os:system"]}, "label_model: .*part of Python itself"),
        ({"label_model": ["sklearn.preprocessing:StandardScaler"]}, "so it is no classifier"),
        ({"label_model": ["sklearn.linear_model:LinearRegression"]}, "is no classifier"),
        ({"combine": "vote"}, "combine"),
    ],
)
def test_what_cannot_be_used_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        strategies.get("look_ahead", **options)
