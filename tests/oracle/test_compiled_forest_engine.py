"""The engine of the package's random forest: common random numbers, exact distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lalbench import oracle
from lalbench.classifiers.random_forest import RandomForest
from lalbench.compute import using
from lalbench.objectives import Scorer


def problem(
    seed: int, n: int, n_classes: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Scorer]:
    """n annotated rows, ten candidates and a scorer of 400 points."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n + 410)
    y[:n_classes] = np.arange(n_classes)
    X = rng.normal(size=(len(y), 2)) + y[:, None]
    masks = np.arange(n + 10)[None] < n
    scorer = Scorer(X[n + 10 :], y[n + 10 :], np.ones(n_classes))
    return X[: n + 10], y[: n + 10], masks, scorer


@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_subset_has_its_own_forest(n_classes: int, objective: str) -> None:
    X, y, masks, scorer = problem(0, 12, n_classes)
    scorer = Scorer(scorer.X, scorer.y, np.ones(n_classes), objective)
    found = oracle.refit_scores(RandomForest(random_state=4), X, y, masks, scorer)
    assert found.engine == "compiled_forest"
    fitted = RandomForest(random_state=4).fit(X[:12], y[:12])
    assert found.base_scores[0] == pytest.approx(scorer(fitted), abs=1e-12)


@pytest.mark.parametrize("n", [2, 6, 30])
def test_improvements_have_the_distribution_of_independent_forests(n: int) -> None:
    from sklearn.ensemble import RandomForestClassifier

    X, y, masks, scorer = problem(1, n)
    ours = []
    for seed in range(120):
        found = oracle.refit_scores(RandomForest(20, random_state=seed), X, y, masks, scorer)
        ours.append(found.scores[0, n])
    plus = np.append(np.arange(n), n)
    theirs = [
        scorer(RandomForestClassifier(20, random_state=seed).fit(X[plus], y[plus]))
        for seed in range(120)
    ]
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


def test_a_duplicate_changes_less_than_with_independent_forests() -> None:
    common, independent = [], []
    for seed in range(40):
        X, y, masks, scorer = problem(seed, 10)
        X[10], y[10] = X[0], y[0]
        found = oracle.refit_scores(RandomForest(random_state=seed), X, y, masks, scorer)
        common.append(found.improvements[0, 10])
        rows = np.arange(11)
        after = scorer(RandomForest(random_state=1000 + seed).fit(X[rows], y[rows]))
        independent.append(after - found.base_scores[0])
    assert np.std(common) <= 0.6 * np.std(independent)


def test_no_score_depends_on_the_other_candidates() -> None:
    X, y, masks, scorer = problem(2, 8)
    classifier = RandomForest(random_state=0)
    whole = oracle.refit_scores(classifier, X, y, masks, scorer).scores[0, 8:]
    order = np.append(np.arange(8), 8 + np.arange(10)[::-1])
    turned = oracle.refit_scores(classifier, X[order], y[order], masks, scorer).scores[0, 8:]
    assert np.array_equal(turned[::-1], whole)
    with using(memory=2**20, cache=None):
        blockwise = oracle.refit_scores(classifier, X, y, masks, scorer).scores[0, 8:]
    assert np.array_equal(blockwise, whole)
    alone = oracle.refit_scores(classifier, X[:9], y[:9], masks[:, :9], scorer)
    assert alone.scores[0, 8] == whole[0]


def test_weights_and_processes() -> None:
    X, y, masks, scorer = problem(3, 8)
    weights = np.where(y == 1, 3.0, 1.0)
    classifier = RandomForest(random_state=1)
    found = oracle.refit_scores(classifier, X, y, masks, scorer, sample_weight=weights)
    fitted = RandomForest(random_state=1).fit(X[:8], y[:8], weights[:8])
    assert found.base_scores[0] == scorer(fitted)
    with using(processes=2, cache=None):
        two = oracle.refit_scores(
            classifier, X, y, np.concatenate([masks, masks]), scorer, sample_weight=weights
        )
    assert np.array_equal(two.scores[1], found.scores[0], equal_nan=True)


def test_rows_of_one_class_and_rows_of_weight_0() -> None:
    X, y, masks, scorer = problem(4, 6)
    y[:6] = 1
    found = oracle.refit_scores(RandomForest(random_state=0), X, y, masks, scorer)
    assert found.base_scores[0] == scorer.score(np.ones(len(scorer.y), dtype=np.int64))
    same = found.improvements[0, 6:][y[6:] == 1]
    assert (same == 0).all()
    weights = np.ones(16)
    weights[6:] = 0.0
    ignored = oracle.refit_scores(
        RandomForest(random_state=0), X, y, masks, scorer, sample_weight=weights
    )
    assert (ignored.improvements[0, 6:] == 0).all()
