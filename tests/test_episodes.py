"""Episodes: who plays annotated, how often draws are rejected, and what the oracle says of them."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from lalbench import classifiers, oracle
from lalbench.episodes import FRACTIONS, Episodes, simulate, subset_size
from lalbench.errors import CorruptFileError, UserError
from lalbench.objectives import Scorer
from lalbench.seeds import PublishedGenerator

WEIGHTS = np.array([20 / 11, 2 / 11])


def annotated(n_rare: int = 9, n_common: int = 91, d: int = 5, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [n_rare, n_common]))
    return rng.normal(size=(len(y), d)) + 1.0 * (y == 0)[:, None], y


def scorer_of(weights=WEIGHTS, n_rare: int = 9, n_common: int = 91, d: int = 5):
    X, y = annotated(n_rare, n_common, d, seed=1)
    return Scorer(X, y, weights)


def logistic():
    return classifiers.get("logistic_regression")


class Dummy:
    """Costs nothing: for tests that are about the draws alone."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=np.int64)

    def __sklearn_clone__(self):
        return Dummy()


@settings(deadline=None, max_examples=25)
@given(
    n_rare=st.integers(1, 20),
    n_common=st.integers(20, 60),
    rule=st.sampled_from(["round", "truncate"]),
    seed=st.integers(0, 10**6),
)
def test_sizes_classes_and_cover(n_rare, n_common, rule, seed):
    X, y = annotated(n_rare, n_common, d=2, seed=seed)
    found = simulate(
        X, y, scorer_of(d=2), Dummy, None,
        n_simulations=10, simulation_size=rule, rng=np.random.default_rng(seed),
    )  # fmt: skip
    n = len(y)
    truncated = {int(q * n) for q in FRACTIONS}
    rounded = {min(max(round(q * n), 2), n - 1) for q in FRACTIONS}
    sizes = found.annotated_mask.sum(axis=1)
    assert set(sizes.tolist()) <= (truncated if rule == "truncate" else rounded)
    for mask in found.annotated_mask:
        assert set(y[mask].tolist()) == {0, 1}
    np.testing.assert_array_equal(np.isnan(found.improvements), found.annotated_mask)
    assert np.isfinite(found.base_scores).all()
    assert len(found) == 10


def test_sizes_of_both_rules():
    assert [subset_size(q, 100, "truncate") for q in FRACTIONS] == list(range(10, 100, 10))
    assert [subset_size(q, 109, "truncate") for q in FRACTIONS] == [
        10, 21, 32, 43, 54, 65, 76, 87, 98,
    ]  # fmt: skip
    assert subset_size(0.29, 100, "truncate") == 28  # 0.29 * 100 is 28.999999999999996
    assert subset_size(0.29, 100, "round") == 29
    assert subset_size(0.1, 5, "round") == 2
    assert subset_size(0.99, 5, "round") == 4


def test_every_fraction_and_every_point_is_drawn_equally_often():
    X, y = annotated(50, 50, d=1)
    found = simulate(
        X, y, scorer_of(d=1), logistic, None, n_simulations=900, rng=np.random.default_rng(0)
    )
    sizes = np.bincount(found.annotated_mask.sum(axis=1), minlength=100)[10:100:10]
    assert sizes.sum() == 900
    # 100 ± 9.4 each, and every point in half of the subsets (each ± 15 of 900)
    assert np.all(np.abs(sizes - 100) < 5 * 9.5)
    assert np.all(np.abs(found.annotated_mask.sum(axis=0) - 450) < 5 * 17)


def test_rejections_follow_the_hypergeometric_law():
    """9 rare of 100: a subset of 10 misses the rare class with probability 0.38."""
    X, y = annotated(d=1)
    n_simulations = 1000
    found = simulate(
        X, y, scorer_of(d=1), logistic, None,
        n_simulations=n_simulations, fractions=(0.1,), rng=np.random.default_rng(0),
    )  # fmt: skip
    rejected = comb(91, 10) / comb(100, 10)
    share = found.n_rejected / (found.n_rejected + n_simulations)
    error = np.sqrt(rejected * (1 - rejected) / (found.n_rejected + n_simulations))
    assert rejected == pytest.approx(0.38, abs=0.01)
    assert abs(share - rejected) < 4 * error


@pytest.mark.parametrize("fit_weights", [None, WEIGHTS])
@pytest.mark.parametrize("make", [logistic, lambda: classifiers.get("svm")])
def test_improvements_are_the_oracles(make, fit_weights):
    X, y = annotated(n_rare=15, n_common=25)
    scorer = scorer_of()
    found = simulate(X, y, scorer, make, fit_weights, n_simulations=6, rng=np.random.default_rng(3))
    assert found.engine == oracle.choose_engine(make(), scorer)
    weights = None if fit_weights is None else fit_weights[y]
    for mask, base, improvements in zip(
        found.annotated_mask, found.base_scores, found.improvements, strict=True
    ):
        row_weights = None if weights is None else np.append(weights[mask], weights[~mask])
        expected = oracle.improvements(
            make(), X[mask], y[mask], X[~mask], y[~mask], scorer, sample_weight=row_weights
        )
        np.testing.assert_array_equal(improvements[~mask], expected)
        fitted = make().fit(X[mask], y[mask], None if weights is None else weights[mask])
        assert base == scorer(fitted)


def test_improvements_are_multiples_of_what_one_point_is_worth():
    X, y = annotated()
    rng = np.random.default_rng(4)
    found = simulate(X, y, scorer_of(), logistic, WEIGHTS, n_simulations=40, rng=rng)
    values = found.improvements[~found.annotated_mask]
    # 2/11 and 20/11 of Σ w = 362/11: 0.0055 for a common and 0.055 for a rare reward point
    np.testing.assert_allclose(values * 181, np.round(values * 181), atol=1e-9)
    assert np.abs(values).max() > 8 / 181
    plain = simulate(
        X, y, scorer_of(np.ones(2)), logistic, None, n_simulations=40, rng=np.random.default_rng(4)
    )
    values = plain.improvements[~plain.annotated_mask]
    np.testing.assert_allclose(values * 100, np.round(values * 100), atol=1e-9)
    assert len(np.unique(values)) > 3


@pytest.mark.parametrize(("make", "engine"), [(logistic, "logistic"), (GaussianNB, "reference")])
def test_three_classes(make, engine):
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], 8)
    X = rng.normal(size=(24, 3)) + np.eye(3)[y]
    scorer = Scorer(X, y, [1.0, 1.0, 1.0])
    found = simulate(X, y, scorer, make, None, n_simulations=8, rng=rng)
    assert found.engine == engine
    assert all(len(np.unique(y[mask])) >= 2 for mask in found.annotated_mask)
    mask = found.annotated_mask[0]
    expected = oracle.improvements(make(), X[mask], y[mask], X[~mask], y[~mask], scorer)
    np.testing.assert_array_equal(found.improvements[0, ~mask], expected)


def test_released_draws_replay_the_order_of_the_released_code():
    X, y = annotated(d=1)
    rng = PublishedGenerator(42)
    found = simulate(
        X, y, scorer_of(d=1), logistic, None,
        n_simulations=50, simulation_size="truncate", draws="released", rng=rng,
    )  # fmt: skip
    np.random.seed(42)
    fractions, n_rejected = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], 0
    for mask in found.annotated_mask:
        size = int(np.random.choice(fractions) * len(y))
        chosen = np.random.choice(range(len(y)), size=size, replace=False)
        while len(set(y[chosen].tolist())) < 2:
            n_rejected += 1
            chosen = np.random.choice(range(len(y)), size=size, replace=False)
        np.testing.assert_array_equal(np.flatnonzero(mask), np.sort(chosen))
    assert found.n_rejected == n_rejected > 0
    assert rng.numpy_legacy.random_sample() == np.random.random_sample()


def test_same_generator_same_bytes_and_files_round_trip(tmp_path):
    X, y = annotated()
    paths = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for path in paths:
        rng = np.random.default_rng(7)
        simulate(X, y, scorer_of(), logistic, None, n_simulations=5, rng=rng).save(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = simulate(
        X, y, scorer_of(), logistic, None, n_simulations=5, rng=np.random.default_rng(7)
    )
    loaded = Episodes.load(paths[0])
    np.testing.assert_array_equal(loaded.annotated_mask, again.annotated_mask)
    np.testing.assert_array_equal(loaded.improvements, again.improvements)
    np.testing.assert_array_equal(loaded.base_scores, again.base_scores)
    assert (loaded.n_rejected, loaded.engine) == (again.n_rejected, "logistic")
    other = simulate(
        X, y, scorer_of(), logistic, None, n_simulations=5, rng=np.random.default_rng(8)
    )
    assert not np.array_equal(other.annotated_mask, loaded.annotated_mask)


def test_damaged_and_foreign_files_are_told(tmp_path):
    path = tmp_path / "broken.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(CorruptFileError, match=r"broken\.npz"):
        Episodes.load(path)
    np.savez(tmp_path / "other.npz", something=np.ones(2))
    with pytest.raises(CorruptFileError, match="annotated_mask"):
        Episodes.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"n_simulations": 0}, "n_simulations"),
        ({"fractions": ()}, "fractions"),
        ({"fractions": (0.5, 1.0)}, "fractions"),
        ({"simulation_size": "floor"}, "simulation_size"),
        ({"simulation_size": "truncate", "fractions": (0.01,)}, "simulation_size"),
        ({"draws": "relased"}, "draws"),
        ({"draws": "released"}, "draws"),
        ({"engine": "logistik"}, "engine"),
    ],
)
def test_options_that_cannot_be_used(options, key):
    X, y = annotated()
    with pytest.raises(UserError) as error:
        simulate(X, y, scorer_of(), logistic, None, rng=np.random.default_rng(0), **options)
    assert error.value.key == key


def test_points_that_cannot_be_used():
    X, y = annotated()
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="at least two classes"):
        simulate(X[y == 1], y[y == 1], scorer_of(), logistic, None, rng=rng)
    with pytest.raises(UserError, match="one integer label per row"):
        simulate(X, y[:-1], scorer_of(), logistic, None, rng=rng)
    with pytest.raises(UserError, match="one weight per class"):
        simulate(X, y, scorer_of(), logistic, [1.0], rng=rng)
    with pytest.raises(UserError, match="annotate at least 3"):
        simulate(X[[0, np.argmin(y)]], np.array([1, 0]), scorer_of(), logistic, None, rng=rng)
