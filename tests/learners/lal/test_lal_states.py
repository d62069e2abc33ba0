"""States of candidates: every column by hand, for every kind of classifier."""

from __future__ import annotations

import numpy as np
import pytest

from lalbench import classifiers
from lalbench.classifiers.random_forest import RandomForest
from lalbench.errors import UserError
from lalbench.learners.lal import columns_of, states
from lalbench.learners.lal.states import FOREST, GAUSSIAN_PROCESS, PROBABILISTIC


def data(seed: int = 0, n_classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=12 - n_classes))
    return rng.normal(size=(12, 3)) + y[:, None], y, rng.normal(size=(30, 3))


@pytest.mark.parametrize("theirs", [False, True])
def test_the_eight_columns_of_a_forest(theirs: bool) -> None:
    from sklearn.ensemble import RandomForestClassifier

    X, y, pool = data()
    kind = RandomForestClassifier(40, oob_score=True) if theirs else RandomForest(40)
    fitted = kind.set_params(random_state=3).fit(X, y)
    found = states(fitted, y, pool, 2)
    assert columns_of(fitted) == FOREST
    assert found.shape == (30, 8)
    assert np.allclose(found[:, 0], fitted.predict_proba(pool)[:, 0])
    # pure leaves: the deviation of zeros and ones
    assert np.allclose(found[:, 1], np.sqrt(found[:, 0] * (1 - found[:, 0])))
    assert np.allclose(found[:, 2], y.mean())
    assert np.allclose(found[:, 3], fitted.oob_score_)
    assert np.allclose(found[:, 4], np.std(fitted.feature_importances_ / 3))
    assert np.allclose(found[:, 5], found[:, 1].mean())
    if theirs:
        depths = [tree.get_depth() for tree in fitted.estimators_]
        assert np.allclose(found[:, 6], np.mean(depths))
    assert np.allclose(found[:, 7], 12)


def test_the_mean_is_over_the_pool_or_the_candidates() -> None:
    X, y, pool = data()
    fitted = RandomForest(random_state=0).fit(X, y)
    everything = states(fitted, y, pool, 2)
    places = np.array([4, 17, 2])
    part = states(fitted, y, pool, 2, places=places)
    assert np.array_equal(part, everything[places])
    own = states(fitted, y, pool, 2, places=places, mean_over="candidates")
    assert np.allclose(own[:, 5], everything[places, 1].mean())
    assert np.array_equal(np.delete(own, 5, axis=1), np.delete(part, 5, axis=1))


def test_permuting_the_pool_permutes_the_states() -> None:
    X, y, pool = data()
    fitted = RandomForest(random_state=0).fit(X, y)
    order = np.random.default_rng(1).permutation(30)
    assert np.allclose(states(fitted, y, pool[order], 2), states(fitted, y, pool, 2)[order])


def test_a_pure_forest_has_at_most_one_state_per_number_of_votes() -> None:
    X, y, _ = data()
    fitted = RandomForest(20, random_state=0).fit(X, y)
    found = states(fitted, y, np.random.default_rng(1).normal(size=(3000, 3)), 2)
    assert len(np.unique(found, axis=0)) == len(np.unique(found[:, 0])) <= 21


def test_one_class_against_the_others() -> None:
    X, y, pool = data(n_classes=3)
    fitted = RandomForest(random_state=0).fit(X, y)
    for label in range(3):
        found = states(fitted, y, pool, 3, positive=label)
        assert np.allclose(found[:, 0], fitted.predict_proba(pool)[:, label])
        assert np.allclose(found[:, 2], (y != label).mean())
    # of two classes, the other one turns probability and share round
    X, y, pool = data()
    fitted = RandomForest(random_state=0).fit(X, y)
    first, second = (states(fitted, y, pool, 2, positive=label) for label in (0, 1))
    assert np.allclose(first[:, 0], 1 - second[:, 0])
    assert np.allclose(first[:, 1], second[:, 1])
    assert np.allclose(first[:, 2], 1 - second[:, 2])


def test_a_class_that_was_never_annotated() -> None:
    X, _, pool = data()
    fitted = RandomForest(random_state=0).fit(X, np.ones(12, dtype=np.int64))
    found = states(fitted, np.ones(12, dtype=np.int64), pool, 2)
    assert (found[:, :2] == 0).all()
    assert (found[:, 2] == 1).all()


def test_other_classifiers_have_fewer_columns() -> None:
    from sklearn.gaussian_process import GaussianProcessClassifier

    X, y, pool = data()
    process = GaussianProcessClassifier().fit(X, y)
    found = states(process, y, pool, 2)
    assert columns_of(process) == GAUSSIAN_PROCESS
    _, variance = process.latent_mean_and_variance(pool)
    assert np.allclose(found[:, 1], np.sqrt(variance))
    assert np.allclose(found[:, 3], np.sqrt(variance).mean())
    plain = classifiers.get("logistic_regression").fit(X, y)
    found = states(plain, y, pool, 2)
    assert columns_of(plain) == PROBABILISTIC
    assert np.allclose(found[:, 0], plain.predict_proba(pool)[:, 0])
    assert np.allclose(found[:, 1:], [y.mean(), 12])


def test_a_forest_without_its_out_of_bag_score() -> None:
    from sklearn.ensemble import RandomForestClassifier

    X, y, pool = data()
    with pytest.raises(UserError, match=r"without its out-of-bag score; set .*oob_score: true"):
        states(RandomForestClassifier(5).fit(X, y), y, pool, 2)
