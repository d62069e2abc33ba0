"""Fits without active learning against a plain fit on the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from lalbench import classifiers, records
from lalbench.config import ClassifierSpec
from lalbench.data.dataset import Dataset
from lalbench.problems import Problem, build_problem
from lalbench.results import references


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [150, 300])
    X = rng.normal(y[:, None] * 0.8, 1.0, (450, 5))
    X[1], X[0] = X[0], X[0]  # two equal rows
    table = Dataset(
        name="invented",
        X=X,
        y=y,
        class_names=("a", "b"),
        feature_names=tuple("vwxyz"),
        test_mask=None,
    )
    return build_problem(table, "imbalanced_weighted", data_seed=1, seed=2, sizes=SIZES)


SIZES = {"test": 60, "reward": 40, "annotated": 40}


def test_lines_are_fits_on_these_rows(problem: Problem) -> None:
    spec = ClassifierSpec(name="logistic_regression")
    rows = {row["strategy"]: row for row in references.reference_rows(problem, spec, study="s")}
    parts = {
        "annotated": problem.annotated,
        "annotated_reward": np.concatenate([problem.annotated, problem.reward]),
        "all_labels": np.concatenate([problem.annotated, problem.pool]),
    }
    assert list(rows) == list(parts)
    assert problem.fit_weights is not None
    for line, used in parts.items():
        fitted = classifiers.get("logistic_regression").fit(
            problem.X[used],
            problem.y[used],
            sample_weight=problem.fit_weights[problem.y[used]],
        )
        right = fitted.predict(problem.X_test) == problem.y_test
        weights = problem.class_weights[problem.y_test]
        assert rows[line]["n_labels"] == len(used)
        assert rows[line]["objective"] == pytest.approx(weights @ right / weights.sum())
        assert rows[line]["weighted_accuracy"] == rows[line]["objective"]
        assert rows[line]["shared_rows"] == problem.n_shared_rows
        assert rows[line]["split_hash"] == problem.split_hash
        assert set(rows[line]) == set(records.COLUMNS["references"])


def test_huge_pools_are_not_fitted_at_once(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "LARGEST_FIT", 100)
    spec = ClassifierSpec(name="logistic_regression")
    lines = [row["strategy"] for row in references.reference_rows(problem, spec, study="s")]
    assert lines == ["annotated", "annotated_reward"]
