"""Classifiers by name, specification, import path and object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC

from lalbench import classifiers, protocols
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.config import ClassifierSpec
from lalbench.errors import UserError


def spec(name: str, path: str | None = None, **options: object) -> ClassifierSpec:
    return ClassifierSpec.model_validate(
        {"name": name, "options": options} | ({"class": path} if path else {})
    )


def test_protocols_set_solver_and_tolerance() -> None:
    for protocol, solver, tol in (
        ("published", "lbfgs_unscaled", 1e-3),
        (protocols.CLEAN, "newton", 1e-8),
        (None, "newton", 1e-8),
    ):
        logistic = classifiers.get("logistic_regression", protocol=protocol)
        assert isinstance(logistic, LogisticRegression)
        assert (logistic.C, logistic.solver) == (1.0, solver)
        svm = classifiers.get("svm", protocol=protocol)
        assert isinstance(svm, SVC)
        assert (svm.C, svm.kernel, svm.gamma, svm.tol) == (1.0, "rbf", "scale", tol)
    assert classifiers.names()[:2] == ["logistic_regression", "svm"]


def test_options_win_over_the_protocol() -> None:
    found = classifiers.get(
        spec("logistic_regression", solver="newton", C=0.1), protocol="published", C=0.2
    )
    assert (found.solver, found.C) == ("newton", 0.2)


def test_any_scikit_learn_classifier_by_import_path() -> None:
    path = "sklearn.ensemble:RandomForestClassifier"
    for found in (
        classifiers.get(spec("forest", path, n_estimators=7), seed=5),
        classifiers.get(path, n_estimators=7, seed=5),
        classifiers.get(RandomForestClassifier, n_estimators=7, seed=5),
        classifiers.get(RandomForestClassifier(n_estimators=7), seed=5),
    ):
        assert isinstance(found, RandomForestClassifier)
        assert (found.n_estimators, found.random_state) == (7, 5)
    given = classifiers.get(spec("forest", path, random_state=3), seed=5)
    assert given.random_state == 3
    assert classifiers.get(RandomForestClassifier(random_state=3), seed=5).random_state == 3


def test_an_object_is_copied_not_changed() -> None:
    original = RandomForestClassifier(n_estimators=3).fit([[0.0], [1.0]], [0, 1])
    found = classifiers.get(original, seed=1)
    assert original.random_state is None
    assert not hasattr(found, "estimators_")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_classifiers.py").write_text(
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler\n"
        "from lalbench.classifiers.logistic import LogisticRegression\n"
        "number = 3\n"
        "def scaled(C=1.0):\n"
        "    return make_pipeline(StandardScaler(), LogisticRegression(C=C))\n"
        "class Bare:\n"
        "    def fit(self, X, y): return self\n"
        "    def predict(self, X): return X\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "own_classifiers"


def test_a_function_that_makes_a_classifier(module: str) -> None:
    found = classifiers.get(f"{module}:scaled", C=0.5)
    assert found[-1].C == 0.5
    X = np.array([[0.0], [1000.0], [2000.0], [3000.0]])
    assert classifiers.fit(found, X, [0, 0, 1, 1]).predict(X).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("classifier", "options", "key", "message"),
    [
        ("logistc_regression", {}, "name", 'did you mean "logistic_regression"'),
        ("zzz", {}, "name", "name its class: package.module:Class"),
        ("logistic_regression", {"c": 1}, "options.c", 'LogisticRegression has no option "c"'),
        ("logistic_regression", {"solvr": 1}, "options.solvr", 'did you mean "solver"'),
        ("logistic_regression", {"C": -1}, "options.C", "positive number"),
        ("svm", {"gama": 1}, "options.gama", 'did you mean "gamma"'),
        ("svm", {"C": -1}, "options", "'C' parameter of SVC"),
        ("sklearn.svm:SVX", {}, "class", 'no "SVX"'),
        ("no_such_module:C", {}, "class", "cannot import"),
        ("sklearn.linear_model:LinearRegression", {}, "class", "no classifier"),
        ("sklearn.ensemble:VotingClassifier", {}, "options", "needs the option estimators"),
        ("own_classifiers:number", {}, "class", "no class"),
        (LinearRegression(), {}, "class", "no classifier"),
        (SVC(), {"C": 2}, "options.C", "set them on the object"),
        (17, {}, "name", "17 is no classifier"),
    ],
)
def test_what_cannot_be_used_says_so(
    module: str, classifier: object, options: dict[str, object], key: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        classifiers.get(classifier, **options)  # type: ignore[arg-type]
    assert caught.value.key == key


def test_an_object_that_cannot_be_copied_is_refused(module: str) -> None:
    made = classifiers.get(f"{module}:Bare")
    with pytest.raises(UserError, match="cannot be copied"):
        classifiers.get(made)


def test_clones_are_unfitted_and_equal() -> None:
    for original in (
        LogisticRegression(C=0.5),
        SVC(C=0.5),
        DummyClassifier(strategy="prior"),
    ):
        copy = classifiers.clone(original.fit([[0.0], [1.0]], [0, 1]))
        assert type(copy) is type(original)
        assert copy.get_params() == original.get_params()
        assert not hasattr(copy, "classes_")


def test_the_module_whose_code_runs() -> None:
    assert classifiers.module_of(spec("logistic_regression")) == "lalbench.classifiers.logistic"
    assert classifiers.module_of("svm") == "sklearn.svm"
    assert classifiers.module_of(spec("x", "my.own:Thing")) == "my.own"
    assert classifiers.module_of("my.own:Thing") == "my.own"
    assert classifiers.module_of("unknown") == ""


@pytest.mark.parametrize("name", classifiers.names())
def test_which_names_are_networks(name: str) -> None:
    found = ClassifierSpec(name=name)
    assert classifiers.is_network(found) == classifiers.takes_images(classifiers.get(name))


def test_which_classes_are_networks() -> None:
    path = "lalbench.classifiers.networks.classifier:SmallCNN"
    assert classifiers.is_network(ClassifierSpec(name="mine", **{"class": path}))
    assert not classifiers.is_network(ClassifierSpec(name="mine", **{"class": "sklearn.svm:SVC"}))
