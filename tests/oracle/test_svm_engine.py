"""The SVM engine against loops of scikit-learn's ``SVC`` with a tight tolerance."""

from __future__ import annotations

import tracemalloc
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC

from lalbench import compute, oracle
from lalbench.errors import NotConvergedError, UserError
from lalbench.objectives import Scorer
from lalbench.oracle import svm_refits

UNCERTAIN = 1e-6
"""A decision this close to 0 has no certain sign: SVC stops at ``tol``, and its kernel matrix has
single precision."""

SLOW = 20_000
"""Iterations after which the engine may say that it found no optimum."""

PATIENCE = 200_000
"""Iterations after which a machine of SVC that has not converged is no measure of anything; some of
those with large linear or polynomial kernels would need a hundred times as many."""


def problem(seed: int, n: int, d: int, n_classes: int, gap: float, twins: bool, flat: bool):
    """Rows with every class among them, evaluation points, their labels."""
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), rng.choice(n_classes, n - n_classes, p=None))
    means = gap * rng.normal(size=(n_classes, d))
    X = rng.normal(size=(n, d)) + means[y]
    if twins:
        X[-3:] = X[:3]
    points = rng.integers(n_classes, size=25)
    P = rng.normal(size=(25, d)) + means[points]
    if flat:
        X[:, 0] = P[:, 0] = 2.0
    return X, y, P, points


def compare(options, X, y, masks, scorer, weights=None):
    """Equal scores wherever the loop's decisions are certain; returns how many were compared.

    Where biases of a machine are no single one, the score must be that of some of them. The engine
    may give up only where a machine of the loop takes long.
    """
    try:
        found = oracle.refit_scores(
            SVC(**options), X, y, masks, scorer, sample_weight=weights, engine="svm"
        )
    except NotConvergedError:
        fits = [loop_fit(options, X, y, rows, weights) for _, _, rows in refits(masks)]
        assert max(np.max(fitted.n_iter_) for fitted in fits if fitted is not None) > SLOW
        return 0
    n_compared = 0
    for subset, candidate, rows in refits(masks):
        score = found.base_scores[subset] if candidate is None else found.scores[subset, candidate]
        fitted = loop_fit(options, X, y, rows, weights)
        if fitted is None:
            heavy = y[rows] if weights is None else y[rows][weights[rows] > 0]
            expected = scorer.score(np.full(len(scorer.y), heavy[0]))
        elif is_certain(fitted, scorer.X):
            expected = scorer.score(fitted.predict(scorer.X))
        else:
            continue
        if fitted is not None and score != pytest.approx(expected, abs=1e-12):
            least, most, is_free = reachable(options, X, y, rows, weights, scorer, fitted)
            assert is_free, (subset, candidate, score, expected)
            assert least - 1e-12 <= score <= most + 1e-12, (subset, candidate)
            continue
        assert score == pytest.approx(expected, abs=1e-12), (subset, candidate)
        n_compared += 1
    assert np.isnan(found.scores[masks]).all()
    return n_compared


def refits(masks):
    """Subset, candidate (None: the subset itself) and rows of every refit."""
    for subset, mask in enumerate(masks):
        inside = np.flatnonzero(mask)
        yield subset, None, inside
        for candidate in np.flatnonzero(~mask):
            yield subset, candidate, np.append(inside, candidate)


def loop_fit(options, X, y, rows, weights):
    """SVC fitted to the rows; None where those that count are of one class."""
    own = None if weights is None else weights[rows]
    if len(np.unique(y[rows] if own is None else y[rows][own > 0])) == 1:
        return None
    fitted = SVC(**options, tol=1e-9, decision_function_shape="ovo", max_iter=PATIENCE)
    return fitted.fit(X[rows], y[rows], own)


def is_certain(fitted, points):
    """Whether the machine converged to decisions away from 0."""
    if np.max(fitted.n_iter_) >= PATIENCE:
        return False
    return np.abs(fitted.decision_function(points)).min() >= UNCERTAIN


def reachable(options, X, y, rows, weights, scorer, fitted):
    """Least and largest score of any optimal biases, and whether there are several of a machine.

    Where no coefficient is between its bounds, a whole interval of biases is optimal; rounding, and
    the order of the rows, decide which one SVC takes.
    """
    labels = np.unique(y[rows])
    signs, is_free = {}, False
    for a, b in combinations(labels, 2):
        lowest, highest = extremes(options, X, y, rows, weights, scorer, fitted, (a, b))
        is_free |= bool((highest - lowest).max() > UNCERTAIN)
        signs[a, b] = [
            sorted({low > UNCERTAIN, high > -UNCERTAIN})
            for low, high in zip(lowest, highest, strict=True)
        ]
    votes = [
        {
            elected([a if first else b for (a, b), first in zip(signs, outcome, strict=True)])
            for outcome in product(*(each[point] for each in signs.values()))
        }
        for point in range(len(scorer.y))
    ]
    wrong = (scorer.y + 1) % len(scorer.class_weights)
    known = [scorer.y[k] in each for k, each in enumerate(votes)]
    sure = [each == {scorer.y[k]} for k, each in enumerate(votes)]
    return (
        scorer.score(np.where(sure, scorer.y, wrong)),
        scorer.score(np.where(known, scorer.y, wrong)),
        is_free,
    )


def elected(votes):
    """The lowest class with most votes."""
    names, counts = np.unique(votes, return_counts=True)
    return names[np.argmax(counts)]


def extremes(options, X, y, rows, weights, scorer, fitted, pair):
    """Least and largest optimal decisions of one pair's machine at the evaluation points."""
    inside = rows[np.isin(y[rows], pair)]
    by_class = options.get("class_weight") or {}
    own = np.array([by_class.get(label, 1.0) for label in y[inside].tolist()])
    own = own if weights is None else own * weights[inside]
    inside, own = inside[own > 0], own[own > 0]
    target = np.where(y[inside] == pair[0], 1.0, -1.0)
    plain = {key: value for key, value in options.items() if key not in ("gamma", "class_weight")}
    machine = SVC(**plain, gamma=fitted._gamma, tol=1e-9, max_iter=PATIENCE)
    machine.fit(X[inside], target, own)
    beta = np.zeros(len(inside))
    beta[machine.support_] = machine.dual_coef_[0]
    rest = machine.decision_function(X[inside]) - machine.intercept_
    bounds = options.get("C", 1.0) * own
    up, down = np.where(target > 0, bounds, 0.0), np.where(target > 0, 0.0, -bounds)
    below, above = beta < up - 1e-7 * bounds, beta > down + 1e-7 * bounds
    least, most = (target - rest)[below].max(), (target - rest)[above].min()
    at_points = machine.decision_function(scorer.X) - machine.intercept_
    return at_points + min(least, most), at_points + max(least, most)


cases = {
    "seed": st.integers(0, 10**6),
    "n": st.integers(8, 40),
    "d": st.integers(2, 6),
    "n_classes": st.integers(2, 5),
    "gap": st.sampled_from([0.0, 0.7, 4.0]),
    "twins": st.booleans(),
    "flat": st.booleans(),
}


# powers of two and whole weights: bounds add up without rounding, and where all coefficients are at
# their bounds SVC's bias is the middle of the possible ones
@pytest.mark.filterwarnings("ignore:Solver terminated early")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(  # a nearly singular kernel
    C=8.0, gamma=0.3, weighted=False, share=0.6,
    seed=358962, n=19, d=2, n_classes=2, gap=0.0, twins=True, flat=True,
)  # fmt: skip
@given(
    C=st.sampled_from([2.0**-6, 0.25, 1.0, 8.0, 64.0]),
    gamma=st.sampled_from(["scale", "auto", 0.3]),
    weighted=st.booleans(),
    share=st.sampled_from([0.3, 0.6]),
    **cases,
)
def test_rbf_machines_are_those_of_the_loop(C, gamma, weighted, share, **case):
    X, y, P, points = problem(**case)
    rng = np.random.default_rng(case["seed"])
    masks = rng.random((2, len(y))) < share
    masks[:, 0] = True
    weights = np.where(y == 0, 10.0, 1.0) if weighted else None
    scorer = Scorer(P, points, np.linspace(0.5, 1.5, case["n_classes"]))
    compare({"C": C, "gamma": gamma}, X, y, masks, scorer, weights)


@pytest.mark.filterwarnings("ignore:Solver terminated early")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(  # SVC takes another bias in this order of the rows than in others
    kernel="poly", C=1.0, degree=3, coef0=1.0,
    seed=270976, n=22, d=3, n_classes=4, gap=0.7, twins=True, flat=True,
)  # fmt: skip
@example(  # no coefficient between its bounds, and the engine at one end of the biases
    kernel="linear", C=1.0, degree=3, coef0=0.0,
    seed=937381, n=34, d=2, n_classes=2, gap=0.0, twins=True, flat=False,
)  # fmt: skip
@given(
    kernel=st.sampled_from(["linear", "poly"]),
    C=st.sampled_from([2.0**-4, 0.5, 1.0]),
    degree=st.integers(1, 3),
    coef0=st.sampled_from([0.0, 1.0]),
    **cases,
)
def test_linear_and_polynomial_machines_are_those_of_the_loop(kernel, C, degree, coef0, **case):
    X, y, P, points = problem(**case)
    masks = np.random.default_rng(case["seed"]).random((1, len(y))) < 0.5
    masks[:, 0] = True
    scorer = Scorer(P, points, np.ones(case["n_classes"]))
    options = {"kernel": kernel, "C": C, "degree": degree, "coef0": coef0}
    compare(options, X, y, masks, scorer)


def test_an_example_whose_bias_depends_on_the_order_of_rows():
    X, y, P, points = problem(30603, 36, 6, 3, 0.7, True, True)
    masks = np.random.default_rng(30603).random((1, len(y))) < 0.5
    masks[:, 0] = True
    options = {"kernel": "poly", "C": 1.0, "degree": 1, "coef0": 0.0}
    assert compare(options, X, y, masks, Scorer(P, points, np.ones(3))) > 0  # of those that do not


def test_nearly_all_of_an_ordinary_problem_is_certain():
    X, y, P, points = problem(0, 60, 5, 3, 1.0, False, False)
    masks = np.random.default_rng(1).random((4, 60)) < 0.5
    scorer = Scorer(P, points, np.ones(3))
    n_compared = compare({}, X, y, masks, scorer)
    assert n_compared > 0.99 * (4 + (~masks).sum())
    assert oracle.refit_scores(SVC(), X, y, masks, scorer).engine == "svm"


def test_weights_of_classes():
    X, y, P, points = problem(1, 50, 4, 3, 0.7, False, False)
    masks = np.random.default_rng(2).random((2, 50)) < 0.4
    scorer = Scorer(P, points, np.ones(3))
    assert compare({"class_weight": {0: 8.0, 1: 0.5}}, X, y, masks, scorer) > 50
    plain = oracle.refit_scores(SVC(), X, y, masks, scorer).base_scores
    heavy = SVC(class_weight={0: 8.0, 1: 0.5})
    assert not np.array_equal(oracle.refit_scores(heavy, X, y, masks, scorer).base_scores, plain)


def test_rows_of_weight_zero_count_for_gamma_alone():
    X, y, P, points = problem(2, 40, 3, 2, 0.7, False, False)
    weights = np.random.default_rng(3).choice([0.0, 1.0, 4.0], size=40)
    masks = np.random.default_rng(4).random((2, 40)) < 0.5
    assert compare({}, X, y, masks, Scorer(P, points, np.ones(2)), weights) > 30


def test_classes_that_only_candidates_have():
    X, y, P, points = problem(3, 40, 3, 4, 0.7, False, False)
    masks = np.array([(y == 1) & (np.arange(40) < 25), (y < 2) & (np.arange(40) < 25)])
    assert compare({}, X, y, masks, Scorer(P, points, np.ones(4))) > 30


def test_equal_rows_everywhere_give_gamma_one():
    """The variance is 0, and every decision the same: SVC takes γ = 1."""
    X, y = np.full((12, 3), 0.1), np.repeat([0, 1], 6)
    y[5] = 1
    scorer = Scorer(X[:4], [0, 1, 0, 1], np.ones(2))
    masks = np.arange(12)[None] < 9
    found = oracle.refit_scores(SVC(), X, y, masks, scorer, engine="svm")
    loop = oracle.refit_scores(SVC(tol=1e-8), X, y, masks, scorer, engine="reference")
    np.testing.assert_array_equal(found.base_scores, loop.base_scores)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_memory_changes_no_score(n_classes):
    X, y, P, points = problem(4, 150, 6, n_classes, 0.7, True, False)
    masks = np.random.default_rng(5).random((3, 150)) < 0.2
    scorer = Scorer(P, points, np.ones(n_classes))
    whole = oracle.refit_scores(SVC(), X, y, masks, scorer)
    for memory in (1, 2**17, 2**20):
        with compute.using(memory=memory):
            parts = oracle.refit_scores(SVC(), X, y, masks, scorer)
        np.testing.assert_array_equal(parts.scores, whole.scores)
        np.testing.assert_array_equal(parts.base_scores, whole.base_scores)


def test_memory_is_bounded():
    rng = np.random.default_rng(6)
    n, memory = 20_000, 16 * 2**20
    X, y = rng.normal(size=(n, 5)), rng.integers(2, size=n)
    scorer = Scorer(rng.normal(size=(300, 5)), rng.integers(2, size=300), np.ones(2))
    mask = np.arange(n)[None] < 20
    X[:, 0] += y

    def peak() -> int:
        tracemalloc.start()
        with compute.using(memory=memory):
            oracle.refit_scores(SVC(), X, y, mask, scorer)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    with compute.using(memory=memory):  # compilation takes memory too
        oracle.refit_scores(SVC(), X[:50], y[:50], mask[:, :50], scorer)
    # squared distances alone would take 48 MB; tracemalloc does not see the compiled code's arrays,
    # which are counted in the same blocks
    assert peak() < memory


@pytest.mark.parametrize("n_classes", [3, 5])
@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_machines_without_the_candidate_change_with_gamma(n_classes, kernel):
    """A candidate of any class moves γ, and with it the states of all pairs' machines."""
    rng = np.random.default_rng(n_classes)
    y = np.arange(60) % n_classes
    X = rng.normal(size=(60, 6)) * rng.lognormal(size=(60, 1)) + np.eye(n_classes, 6)[y]
    masks = np.arange(60)[None] < np.array([12, 20, 40])[:, None]
    scorer = Scorer(rng.normal(size=(40, 6)), rng.integers(n_classes, size=40), [1.0] * n_classes)
    options = {"kernel": kernel, "degree": 2, "coef0": 1.0}
    found = oracle.refit_scores(SVC(**options), X, y, masks, scorer, engine="svm")
    n_compared = 0
    for subset, candidate in zip(*np.nonzero(~masks), strict=True):
        rows = np.append(np.flatnonzero(masks[subset]), candidate)
        fitted = SVC(**options, tol=1e-9, decision_function_shape="ovo").fit(X[rows], y[rows])
        if np.abs(fitted.decision_function(scorer.X)).min() > UNCERTAIN:
            expected = scorer.score(fitted.predict(scorer.X))
            assert found.scores[subset, candidate] == pytest.approx(expected, abs=1e-12)
            n_compared += 1
    assert n_compared > 80


def small():
    X, y, P, points = problem(3, 20, 3, 2, 0.7, False, False)
    masks = np.arange(20)[None] < np.array([6, 12])[:, None]
    return X, y, masks, Scorer(P, points, [1.0, 1.0])


def test_gamma_zero_is_no_other_gamma():
    """All kernels are 1 then, in scikit-learn and here."""
    args = small()
    found = oracle.refit_scores(SVC(gamma=0.0), *args, engine="svm")
    expected = oracle.refit_scores(SVC(gamma=0.0), *args, engine="reference")
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-12)


@pytest.mark.parametrize("options", [{"gamma": -1.0}, {"gamma": "foo"}, {"degree": -1}])
def test_options_that_svc_refuses_are_left_to_its_error(options):
    X, y, masks, scorer = small()
    with pytest.raises(UserError, match="engine"):
        oracle.refit_scores(SVC(**options), X, y, masks, scorer, engine="svm")
    with pytest.raises(Exception, match="parameter of SVC"):
        oracle.refit_scores(SVC(**options), X, y, masks, scorer)


def test_evaluation_points_must_be_finite():
    X, y, masks, scorer = small()
    scorer.X[0, 0] = np.nan
    with pytest.raises(UserError, match="evaluation point"):
        oracle.refit_scores(SVC(), X, y, masks, scorer)


def test_what_does_not_converge_is_left_to_svc_and_told(monkeypatch, caplog):
    """Or an error, where the engine is named."""
    X, y, P, points = problem(4, 30, 3, 2, 0.7, False, False)
    mask, scorer = (np.arange(30) < 20)[None], Scorer(P, points, np.ones(2))
    expected = oracle.refit_scores(SVC(), X, y, mask, scorer, engine="reference")
    solve = svm_refits.refit_subsets
    monkeypatch.setattr(svm_refits, "refit_subsets", lambda *given: (*solve(*given)[:4], 3))
    with pytest.raises(NotConvergedError, match="3 support vector machines did not converge"):
        oracle.refit_scores(SVC(), X, y, mask, scorer, engine="svm")
    found = oracle.refit_scores(SVC(), X, y, mask, scorer)
    assert found.engine == "reference"
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert "3 support vector machines did not converge" in caplog.text
