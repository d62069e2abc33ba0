"""The package's random forest: its attributes by hand, its distribution against scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from lalbench import classifiers
from lalbench.classifiers.random_forest import RandomForest
from lalbench.errors import UserError


def clouds(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    y[:2] = 0, 1
    return rng.normal(size=(n, 2)) + y[:, None], y


def test_out_of_bag_accuracy_by_hand() -> None:
    X, y = clouds(0, 25)
    fitted = RandomForest(9, random_state=3).fit(X, y)
    from lalbench.classifiers.random_forest import tree_seeds
    from lalbench.forests import grow

    growth = grow(X.astype(np.float32), y, 2, 1, tree_seeds(3, 9))
    forest, correct = growth.forest, 0
    for i in range(25):
        total = np.zeros(2)
        for b in range(9):
            if growth.counts[b, i] == 0:
                first = node = forest.starts[b]
                while forest.feature[node] >= 0:
                    right = np.float32(X[i, forest.feature[node]]) > forest.threshold[node]
                    node = first + forest.children[node, int(right)]
                total += forest.values[node]
        correct += total.argmax() == y[i]
    assert fitted.oob_score_ == correct / 25


@pytest.mark.parametrize("n", [4, 12, 40])
def test_distribution_of_scikit_learn(n: int) -> None:
    from sklearn.ensemble import RandomForestClassifier

    X, y = clouds(n, n)
    points, labels = clouds(1000, 500)
    ours, theirs = [], []
    for seed in range(60):
        fitted = RandomForest(15, random_state=seed).fit(X, y)
        depth = fitted.forest_.depths().mean()
        accuracy = (fitted.predict(points) == labels).mean()
        ours.append([accuracy, fitted.oob_score_, fitted.feature_importances_[0], depth])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = RandomForestClassifier(15, oob_score=True, random_state=seed).fit(X, y)
        depth = np.mean([tree.tree_.max_depth for tree in peer.estimators_])
        accuracy = (peer.predict(points) == labels).mean()
        theirs.append([accuracy, peer.oob_score_, peer.feature_importances_[0], depth])
    for mine, other in zip(np.transpose(ours), np.transpose(theirs), strict=True):
        assert stats.ks_2samp(mine, other).pvalue > 1e-3


def test_weights_are_chances() -> None:
    X, y = clouds(1, 30)
    weights = np.where(y == 1, 5.0, 1.0)
    plain = np.mean([RandomForest(random_state=s).fit(X, y).predict(X + 0.5) for s in range(20)])
    heavy = [RandomForest(random_state=s).fit(X, y, weights).predict(X + 0.5) for s in range(20)]
    assert np.mean(heavy) > plain
    none = RandomForest(random_state=0).fit(X, y, np.where(y == 1, 1.0, 0.0))
    assert (none.predict(X) == 1).all()
    doubled = RandomForest(random_state=0).fit(X, y, 2 * weights)
    assert np.array_equal(
        doubled.predict_proba(X), RandomForest(random_state=0).fit(X, y, weights).predict_proba(X)
    )


def test_labels_of_any_type_and_one_class() -> None:
    X, y = clouds(2, 20)
    named = RandomForest(random_state=1).fit(X, np.array(["no", "yes"])[y])
    assert set(named.predict(X)) == {"no", "yes"}
    assert np.array_equal(
        named.predict(X) == "yes", RandomForest(random_state=1).fit(X, y).predict(X) == 1
    )
    alone = RandomForest().fit(X, np.full(20, 7))
    assert set(alone.predict(X)) == {7}
    assert alone.predict_proba(X).tolist() == [[1.0]] * 20


def test_more_trees_begin_with_the_same() -> None:
    X, y = clouds(3, 20)
    few = RandomForest(5, random_state=1).fit(X, y).forest_
    many = RandomForest(8, random_state=1).fit(X, y).forest_
    assert np.array_equal(many.threshold[: few.starts[-1]], few.threshold)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_estimators": 0}, "options.n_estimators: n_estimators = 0; give a number from 1 to"),
        ({"n_estimators": 65_536}, "options.n_estimators: n_estimators = 65536"),
        ({"max_features": "log"}, 'options.max_features: max_features = .log.; give "sqrt"'),
        ({"max_features": 1.5}, "options.max_features"),
        ({"random_state": -1}, "options.random_state"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        classifiers.get("random_forest", **options)


def test_features_per_split() -> None:
    found = [
        RandomForest(max_features=wanted).features_per_split(30)
        for wanted in ("sqrt", None, 7, 100, 0.1, 0.001)
    ]
    assert found == [5, 30, 7, 30, 3, 1]
