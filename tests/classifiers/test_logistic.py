"""The estimator: scikit-learn's conventions, labels, bad input, and no import of scikit-learn."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lalbench.classifiers.logistic import LogisticRegression
from lalbench.errors import UserError


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    return X, (X[:, 0] + rng.logistic(size=90) > 0).astype(int) + (X[:, 1] > 1)


@pytest.mark.parametrize("labels", [[-5, 7], [3, 1, 2], ["no", "yes"]])
def test_any_labels_come_back(data: tuple[np.ndarray, np.ndarray], labels: list[object]) -> None:
    X, y = data[0], np.array(labels)[data[1] % len(labels)]
    ours, theirs = LogisticRegression().fit(X, y), Reference(tol=1e-10).fit(X, y)
    assert ours.classes_.tolist() == theirs.classes_.tolist() == sorted(labels)  # type: ignore[type-var]
    assert (ours.predict(X) == theirs.predict(X)).all()
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert ours.decision_function(X).shape == theirs.decision_function(X).shape
    assert ours.score(X, y) == theirs.score(X, y)


def test_renaming_the_labels_permutes_the_model(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    first = LogisticRegression().fit(X, y)
    second = LogisticRegression().fit(X, np.array([2, 0, 1])[y])
    np.testing.assert_allclose(second.coef_[[2, 0, 1]], first.coef_, atol=1e-9)
    flipped = LogisticRegression().fit(X, y == 0)
    two = LogisticRegression().fit(X, y != 0)
    np.testing.assert_allclose(flipped.coef_, -two.coef_, atol=1e-9)


def test_a_point_on_the_border_is_of_the_first_class() -> None:
    classifier = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    classifier.intercept_ = np.zeros(1)
    assert classifier.predict([[0.0]]).tolist() == [0]


def test_scikit_learns_tools_take_it(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    assert is_classifier(LogisticRegression())
    options = {"C": 2.0, "solver": "lbfgs_unscaled", "max_iter": 70, "tol": 1e-3}
    copy = clone(LogisticRegression(**options).fit(X, y))
    assert copy.get_params() == options
    assert not hasattr(copy, "coef_")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    expected = LogisticRegression().fit(scaled, y)
    np.testing.assert_array_equal(pipeline[-1].coef_, expected.coef_)
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=3).fit(X, y)
    assert search.best_params_["C"] in (0.01, 1.0)
    assert repr(LogisticRegression(C=2.0)).startswith("LogisticRegression(C=2.0, solver='newton'")


def test_parameters_can_be_changed() -> None:
    classifier = LogisticRegression().set_params(C=3.0)
    assert classifier.C == 3.0
    with pytest.raises(UserError, match='did you mean "max_iter"'):
        classifier.set_params(max_itr=5)


@pytest.mark.parametrize("solver", ["newton", "lbfgs_unscaled"])
@pytest.mark.parametrize(
    ("X", "y", "weights", "message"),
    [
        ([[0.0], [1.0]], [1, 1], None, "1 class among 2 training labels"),
        ([[0.0], [1.0]], [0, 1], [1, 0], "class 1 has only rows of weight 0"),
        ([[0.0], [1.0], [2.0]], [0, 1, 2], [1, 1, 0], "class 2 has only rows of weight 0"),
        ([[0.0], [np.nan]], [0, 1], None, "missing or infinite"),
        ([[0.0], [np.inf]], [0, 1], None, "missing or infinite"),
        ([0.0, 1.0], [0, 1], None, "shape"),
        ([[0.0], [1.0]], [0, 1, 1], None, "shape"),
        ([[0.0], [1.0]], [0, 1], [1], "shape"),
        ([[0.0], [1.0]], [0, 1], [1, -1], "negative"),
        ([[0.0], [1.0]], [0, 1], [1, np.nan], "not finite"),
    ],
)
def test_bad_data_are_value_errors(
    solver: str, X: object, y: object, weights: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        LogisticRegression(solver=solver).fit(X, y, weights)  # type: ignore[arg-type]
    assert isinstance(caught.value, UserError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "newtn"}, 'did you mean "newton"'),
        ({"C": 0}, "C = 0; give a positive number"),
        ({"C": "1"}, "C = '1'"),
        ({"C": None}, "C = None"),
        ({"tol": -1e-3}, "tol"),
        ({"max_iter": 2.5}, "whole number"),
        ({"max_iter": True}, "whole number"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LogisticRegression(**options).fit([[0.0], [1.0]], [0, 1])  # type: ignore[arg-type]


def test_new_points_must_have_the_features_of_the_fit() -> None:
    classifier = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(UserError, match=r"give a matrix \(n, 1\)"):
        classifier.predict([[0.0, 1.0]])


def test_neither_import_nor_fit_loads_scikit_learn() -> None:
    code = (
        "import sys, numpy as np\n"
        "from lalbench import classifiers\n"
        "light = {'sklearn', 'scipy', 'pandas', 'torch'} & set(sys.modules)\n"
        "X = np.random.default_rng(0).normal(size=(20, 3))\n"
        "for protocol in ('clean', 'published'):\n"
        "    for n_classes in (2, 3):\n"
        "        c = classifiers.get('logistic_regression', protocol=protocol)\n"
        "        c = classifiers.clone(c)\n"
        "        c = classifiers.fit(c, X, np.arange(20) % n_classes, np.ones(n_classes))\n"
        "        classifiers.probabilities(c, X, n_classes)\n"
        "        classifiers.decision(c, X, n_classes)\n"
        "print(sorted(light), 'sklearn' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
