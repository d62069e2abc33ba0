"""One's own points: the same choices as in a study, and messages for what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from lalbench import ActiveLearner, classifiers, strategies
from lalbench.errors import CorruptFileError, UserError
from lalbench.strategies.base import Need

FREE = [
    name
    for name in strategies.names()
    if not strategies.get(name).needs
    & {Need.LABEL_ORACLE, Need.TEST_SET, Need.POSTERIOR, Need.LEARNED, Need.PRETRAINED}
    and not strategies.get(name).needs & {Need.IMAGES, Need.PREDICTED_LOSSES}
]
QUICK = {"repetitions": 2, "candidates": 4, "trees": 10}


def labelled(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.append([0, 1], rng.integers(2, size=n - 2))
    return rng.normal(size=(n, 3)) + 1.5 * y[:, None], y


def pool(m: int = 60) -> np.ndarray:
    return np.random.default_rng(8).normal(size=(m, 3)) + 0.7


@pytest.mark.parametrize("name", FREE)
def test_every_strategy_that_learns_nothing(name: str) -> None:
    X, y = labelled()
    found = ActiveLearner(name).select(X, y, pool(), budget=4)
    assert len(np.unique(found.indices)) == 4
    again = ActiveLearner(name).select(X, y, pool(), budget=4)
    assert np.array_equal(found.indices, again.indices)


def test_margin_by_hand() -> None:
    X, y = labelled()
    both = np.concatenate([X, pool()])
    mean, scale = both.mean(axis=0), both.std(axis=0)
    fitted = classifiers.get("logistic_regression").fit((X - mean) / scale, y)
    nearest = np.abs(fitted.predict_proba((pool() - mean) / scale)[:, 0] - 0.5).argsort()
    found = ActiveLearner("margin").select(X, y, pool(), budget=5)
    assert np.array_equal(found.indices, nearest[:5])


def test_labels_may_be_words() -> None:
    X, y = labelled()
    words = np.array(["no", "yes"])[y]
    numbers = ActiveLearner("entropy").select(X, y, pool(), budget=3)
    assert np.array_equal(
        ActiveLearner("entropy").select(X, words, pool(), budget=3).indices, numbers.indices
    )
    named = ActiveLearner("entropy", classes=["no", "yes", "maybe"]).select(X, words, pool(), 3)
    assert np.array_equal(named.indices, numbers.indices)


def test_a_warm_start_is_learned_kept_and_asked(tmp_path: Path) -> None:
    X, y = labelled()
    active = ActiveLearner("lal_warm_start", "random_forest", **QUICK).learn(X, y)
    found = active.select(X, y, pool(), budget=3)
    active.save(tmp_path / "mine.npz")
    other = ActiveLearner("lal_warm_start", "random_forest", **QUICK).load(tmp_path / "mine.npz")
    same = other.select(X, y, pool(), budget=3)
    assert np.array_equal(found.indices, same.indices)
    assert np.array_equal(found.scores, same.scores)
    assert found.scores[found.indices[0]] == found.scores.max()


@pytest.mark.parametrize("name", ["lal_independent", "lal_iterative"])
def test_a_cold_start_needs_no_points(name: str) -> None:
    options: dict[str, Any] = {**QUICK, "last_size": 4}
    options |= {"step_trees": [5]} if name == "lal_iterative" else {}
    active = ActiveLearner(name, "random_forest", **options).learn()
    assert active.learned.largest_size == 4
    assert len(active.select(*labelled(), pool(), budget=2).indices) == 2


def test_a_neural_process_measures_on_reward_points() -> None:
    active = ActiveLearner("neural_process", n_simulations=4, epochs=1)
    X, y = labelled()
    with pytest.raises(UserError, match=r"give reward=\(X, y\)"):
        active.learn(X, y)
    active.learn(X, y, pool(), reward=labelled(20, seed=1))
    assert len(active.select(X, y, pool(), reward=labelled(20, seed=1)).indices) == 1


def test_a_classifier_of_scikit_learn() -> None:
    theirs = RandomForestClassifier(20, oob_score=True, random_state=0)
    active = ActiveLearner("lal_warm_start", theirs, **QUICK).learn(*labelled())
    assert len(active.learned.columns) == 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.zeros(40, dtype=int)}, "one class only"),
        ({"y": np.zeros(39, dtype=int)}, r"shape \(39,\) for 40 points"),
        ({"X": np.full((40, 3), np.nan)}, "row 0, column 0 is nan"),
        ({"X_pool": np.zeros((5, 2))}, "2 features, and labelled points have 3"),
    ],
)
def test_points_that_do_not_fit(change: dict[str, Any], words: str) -> None:
    X, y = labelled()
    with pytest.raises(UserError, match=words):
        ActiveLearner("entropy").select(**{"X": X, "y": y, "X_pool": pool(), **change})


def test_columns_go_by_name_and_classifiers_by_their_key() -> None:
    X, y = labelled()
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    other = pd.DataFrame(pool(), columns=["a", "b", "c"])
    expected = ActiveLearner("margin").select(X, y, pool()).indices
    assert ActiveLearner("margin").select(table, y, other).indices == expected
    with pytest.raises(UserError, match="X_pool: its columns are not those of the labelled"):
        ActiveLearner("margin").select(table, y, other[["b", "a", "c"]])
    with pytest.raises(UserError, match="classifier: unknown classifier"):
        ActiveLearner("margin", "foo")
    with pytest.raises(UserError, match="y: SVC cannot learn from labels of one class"):
        ActiveLearner("look_ahead", "svm", classes=[0, 1]).select(X, np.zeros(40, int), pool())


def test_what_cannot_be_had(tmp_path: Path) -> None:
    X, y = labelled()
    with pytest.raises(UserError, match="has not learned yet; call learn first"):
        ActiveLearner("lal_warm_start", "random_forest").select(X, y, pool())
    with pytest.raises(UserError, match="sees hidden labels"):
        ActiveLearner("oracle")
    with pytest.raises(UserError, match="takes images"):
        ActiveLearner("entropy", "small_cnn")
    with pytest.raises(UserError, match='did you mean "entropy"'):
        ActiveLearner("entrpy")
    with pytest.raises(UserError, match="none of the classes"):
        ActiveLearner("entropy", classes=[0, 2]).select(X, y, pool())
    with pytest.raises(UserError, match="has learned nothing"):
        ActiveLearner("entropy").save(tmp_path / "a.npz")
    ActiveLearner("lal_warm_start", "random_forest", **QUICK).learn(X, y).save(tmp_path / "a.npz")
    with pytest.raises(UserError, match="of the strategy lal_warm_start, not neural_process"):
        ActiveLearner("neural_process").load(tmp_path / "a.npz")
    with pytest.raises(UserError, match="entropy learns nothing"):
        ActiveLearner("entropy").load(tmp_path / "a.npz")
    with pytest.raises(UserError, match="no file"):
        ActiveLearner("lal_warm_start").load(tmp_path / "b.npz")


def test_what_was_learned_keeps_its_scaling(tmp_path: Path) -> None:
    X, y = labelled()
    far = pool() * 40 + 300  # would scale the features in another way
    active = ActiveLearner("neural_process", n_simulations=4, epochs=1)
    active.learn(X, y, pool(), reward=labelled(20, seed=1)).save(tmp_path / "a.npz")
    other = ActiveLearner("neural_process").load(tmp_path / "a.npz")
    scores = [
        each.select(X, y, far, reward=labelled(20, seed=1)).scores for each in (active, other)
    ]
    assert np.array_equal(*scores)


@pytest.mark.parametrize("name", ["children", "feature", "threshold", "starts", "values", ""])
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    active = ActiveLearner("lal_warm_start", "random_forest", **QUICK).learn(*labelled())
    active.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as stored:
        arrays = dict(stored)
    if name:
        arrays[name] = arrays[name][: len(arrays[name]) // 2]
        np.savez(tmp_path / "a.npz", **arrays)
    else:
        (tmp_path / "a.npz").write_bytes(b"PK")
    with pytest.raises(CorruptFileError, match="learn again"):
        ActiveLearner("lal_warm_start", "random_forest").load(tmp_path / "a.npz")


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_scale_that_no_feature_has_is_refused(value: float, tmp_path: Path) -> None:
    active = ActiveLearner("lal_warm_start", "random_forest", **QUICK).learn(*labelled())
    active.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as stored:
        arrays = dict(stored)
    arrays["scaler.scale"][1] = value
    np.savez(tmp_path / "a.npz", **arrays)
    words = r"a\.npz: .* damaged \(scaler\.scale is not positive\); learn again"
    before, by = active.learned, active.learned_by
    active.learned_by = "another"  # nothing of the file may stay behind
    with pytest.raises(CorruptFileError, match=words):
        active.load(tmp_path / "a.npz")
    assert active.learned is before
    assert active.learned_by == "another" != by


def test_few_points_are_enough_to_tell_points_apart() -> None:
    rows = labelled(40)
    few = np.concatenate([np.flatnonzero(rows[1] == label)[:4] for label in (0, 1)])
    active = ActiveLearner("lal_warm_start", "random_forest").learn(rows[0][few], rows[1][few])
    found = active.select(rows[0][few], rows[1][few], pool(), budget=3)
    assert len(np.unique(found.scores)) > 1


def test_learning_again_takes_other_features() -> None:
    X, y = labelled()
    active = ActiveLearner("lal_warm_start", "random_forest", **QUICK).learn(X, y)
    with pytest.raises(UserError, match="2 features, and 3 the first time"):
        active.select(X[:, :2], y, pool()[:, :2])
    active.learn(X[:, :2], y)
    assert len(active.select(X[:, :2], y, pool()[:, :2]).indices) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"class_weights": [1, 2, 3]}, "3 weights for the 2 classes no, yes"),
        ({"fit_weights": [1.0]}, "give one weight per class"),
        ({"fit_weights": [1.0, 2.0, 3.0]}, "3 weights for the 2 classes"),
        ({"fit_weights": "balanced"}, r"fit_weights: .* one number for each class \(no, yes\)"),
        ({"class_weights": {"no": 1, "maybe": 2}}, "'maybe' is no class; give one for each of no"),
        ({"class_weights": {"no": 1}}, "no weight of 'yes'"),
    ],
)
def test_weights_that_do_not_fit(options: dict[str, Any], words: str) -> None:
    X, y = labelled()
    with pytest.raises(UserError, match=words):
        ActiveLearner("entropy", **options).select(X, np.array(["no", "yes"])[y], pool())


def test_weights_may_be_named() -> None:
    X, y = labelled()
    words = np.array(["no", "yes"])[y]
    listed = ActiveLearner("entropy", fit_weights=[9, 1]).select(X, words, pool())
    named = ActiveLearner("entropy", fit_weights={"yes": 1, "no": 9}).select(X, words, pool())
    plain = ActiveLearner("entropy").select(X, words, pool())
    assert np.array_equal(np.asarray(listed.scores), np.asarray(named.scores))
    assert not np.array_equal(np.asarray(listed.scores), np.asarray(plain.scores))


@pytest.mark.parametrize("options", [{"seed": -1}, {"seed": "x"}, {"seed": None}, {"seed": 1.0}])
def test_seeds_that_cannot_be_had(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"seed: cannot use .*; give a whole number from 0"):
        ActiveLearner("entropy", **options)


@pytest.mark.parametrize("reward", [None, 3, ([[0.0]],), np.zeros((4, 3))])
def test_reward_points_are_points_and_labels(reward: Any) -> None:
    with pytest.raises(UserError, match=r"reward: .* give reward="):
        ActiveLearner("neural_process").learn(*labelled(), reward=reward)


@pytest.mark.parametrize("budget", [0, -1, 2.5, "5", True])
def test_budgets_that_cannot_be_had(budget: Any) -> None:
    with pytest.raises(UserError, match="give a whole number from 1"):
        ActiveLearner("entropy").select(*labelled(), pool(), budget=budget)
