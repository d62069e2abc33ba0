"""The oracle on the real data of the NPAL study (Bakker et al. 2023, tables 1 and 4 to 15)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression

from lalbench import classifiers, oracle
from lalbench.objectives import Scorer
from lalbench.problems import build_problem

SEEDS = (42, 43, 44)

# mean AUAC over nine runs with the exact solver
AUAC = {
    ("waveform", "balanced"): 9.131,
    ("waveform", "imbalanced"): 8.849,
    ("waveform", "imbalanced_weighted"): 9.221,
    ("mushrooms", "balanced"): 9.223,
    ("mushrooms", "imbalanced"): 7.794,
    ("mushrooms", "imbalanced_weighted"): 9.160,
    ("adult", "balanced"): 8.067,
    ("adult", "imbalanced"): 6.704,
    ("adult", "imbalanced_weighted"): 7.165,
}


def problem_of(dataset, setting, mirror, data_seed=42, seed=42):
    return build_problem(
        dataset, setting, data_seed=data_seed, seed=seed, protocol="published", mirror=str(mirror)
    )


def last_of_scalar_argsort(values):
    """The pick of the released code: last position of NumPy's quicksort.

    NumPy sorts floats with vector instructions where the processor has them, and those order ties
    differently; it sorts time differences with the quicksort that it used for floats until 1.24.
    """
    ranks = np.unique(values, return_inverse=True)[1]
    return int(np.argsort(ranks.astype(np.int64).view("m8[ns]"))[-1])


def curve(problem, steps: int = 10):
    """Scores of the task classifier while the test oracle acquires."""
    classifier = classifiers.get("logistic_regression", protocol="published")
    scorer = Scorer(problem.X_test, problem.y_test, problem.class_weights)
    X, y, annotated, pool = problem.X, problem.y, problem.annotated, problem.pool
    scores = []
    for step in range(steps + 1):
        weights = None if problem.fit_weights is None else problem.fit_weights[y[annotated]]
        fitted = classifiers.clone(classifier).fit(X[annotated], y[annotated], weights)
        scores.append(scorer(fitted))
        if step < steps:
            values = oracle.improvements(
                classifier, X[annotated], y[annotated], X[pool], y[pool], scorer,
                sample_weight=weights,
            )  # fmt: skip
            chosen = last_of_scalar_argsort(values)
            annotated, pool = np.append(annotated, pool[chosen]), np.delete(pool, chosen)
    return np.array(scores)


@pytest.mark.filterwarnings("ignore:lbfgs_unscaled stopped")
@pytest.mark.parametrize(("dataset", "setting"), list(AUAC))
def test_oracle_row_of_the_published_tables(mirror, dataset, setting):
    runs = [
        np.trapezoid(curve(problem_of(dataset, setting, mirror, data_seed, seed)))
        for data_seed in SEEDS
        for seed in SEEDS
    ]
    assert np.mean(runs) == pytest.approx(AUAC[dataset, setting], abs=0.05)


@pytest.mark.parametrize("setting", ["balanced", "imbalanced_weighted"])
def test_200_candidates_equal_a_tight_loop(mirror, setting):
    problem = problem_of("waveform", setting, mirror)
    X, y, annotated, pool = problem.X, problem.y, problem.annotated, problem.pool[:200]
    weights = None
    if problem.fit_weights is not None:
        weights = problem.fit_weights[y[np.append(annotated, pool)]]
    scorer = Scorer(problem.X_test, problem.y_test, problem.class_weights)
    args = (X[annotated], y[annotated], X[pool], y[pool], scorer)
    found = oracle.improvements("logistic_regression", *args, sample_weight=weights)
    tight = TheirLogisticRegression(tol=1e-12, max_iter=100_000)
    expected = oracle.improvements(tight, *args, sample_weight=weights, engine="reference")
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 3
