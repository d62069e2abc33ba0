"""The engine of forests: exact marginals, shared plans, and what no score may depend on."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.stats import binom, chi2, chisquare
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from lalbench import compute, oracle
from lalbench.errors import UserError
from lalbench.objectives import Scorer
from lalbench.oracle import forest

FORESTS = {
    "plain": RandomForestClassifier(7, random_state=3),
    "options": RandomForestClassifier(
        6,
        criterion="entropy",
        max_depth=3,
        min_samples_leaf=2,
        min_samples_split=0.1,
        random_state=0,
    ),
    "few draws": RandomForestClassifier(7, max_samples=9, random_state=3),
    "class weights": RandomForestClassifier(7, class_weight={0: 1.0, 1: 4.0}, random_state=5),
    "per sample": RandomForestClassifier(7, class_weight="balanced_subsample", random_state=5),
    "extra trees": ExtraTreesClassifier(7, bootstrap=True, random_state=1),
}


def problem(seed: int, n: int = 36, n_classes: int = 2, objective="weighted_accuracy"):
    rng = np.random.default_rng(seed)

    def rows(size):
        y = np.append(np.arange(n_classes), rng.integers(n_classes, size=size - n_classes))
        return rng.normal(size=(size, 4)) + 0.8 * np.eye(n_classes, 4)[y], y

    X, y = rows(n)
    return X, y, Scorer(*rows(60), np.linspace(0.5, 1.5, n_classes), objective)


def masks_of(n: int, n_subsets: int = 2):
    masks = np.random.default_rng(0).random((n_subsets, n)) < 0.5
    masks[:, :3] = True
    return masks


def table(classifier, X, y, scorer, masks=None, **options):
    masks = masks_of(len(y)) if masks is None else masks
    return oracle.refit_scores(classifier, X, y, masks, scorer, engine="forest", **options)


def weights_of(y, weighted):
    return np.where(y == 0, 3.0, 0.5) if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
@pytest.mark.parametrize("name", list(FORESTS))
def test_the_subsets_own_score_is_that_of_scikit_learn(name, objective, weighted):
    X, y, scorer = problem(1, objective=objective)
    weights, masks = weights_of(y, weighted), masks_of(len(y))
    found = table(FORESTS[name], X, y, scorer, sample_weight=weights)
    for mask, score in zip(masks, found.base_scores, strict=True):
        theirs = forest.clone(FORESTS[name])
        theirs.fit(X[mask], y[mask], None if weights is None else weights[mask])
        assert score == scorer(theirs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", list(FORESTS))
def test_a_tree_grown_from_the_drawn_rows_is_scikit_learns(name, weighted):
    X, y, _ = problem(2)
    weights = weights_of(y, weighted)
    theirs = forest.clone(FORESTS[name]).fit(X, y, sample_weight=weights)
    for tree, draws in zip(theirs.estimators_, theirs.estimators_samples_, strict=True):
        ours = forest.grow_tree(theirs, tree, X.astype(np.float32), y, draws)
        assert ours.tree_.threshold.tobytes() == tree.tree_.threshold.tobytes()
        assert ours.tree_.feature.tobytes() == tree.tree_.feature.tobytes()
        assert ours.tree_.value.tobytes() == tree.tree_.value.tobytes()


@pytest.mark.parametrize("weighted", [False, True])
def test_improvements_are_those_of_forests_built_from_the_plan(weighted):
    """A loop over candidates and trees, with rows repeated instead of counted."""
    X, y, scorer = problem(3, objective="log_loss")
    weights = weights_of(y, weighted)
    masks = masks_of(len(y), 1)
    found = table(FORESTS["plain"], X, y, scorer, masks, sample_weight=weights)
    inside, outside = np.flatnonzero(masks[0]), np.flatnonzero(~masks[0])
    w = np.ones(len(y)) if weights is None else weights
    own = forest.clone(FORESTS["plain"]).fit(
        X[inside], y[inside], None if weights is None else w[inside]
    )
    plan = forest.Plan.of(own, w[inside] / w[inside].sum())
    for candidate in outside[:6]:
        share = w[candidate] / (w[inside].sum() + w[candidate])
        mean = np.zeros((len(scorer.y), 2))
        for b, tree in enumerate(own.estimators_):
            k = int(np.sum(plan.uniform[b] < share))
            drawn = [*inside[plan.draws[b][: len(inside) + 1 - k]], *[candidate] * k]
            assert len(drawn) == len(inside) + 1
            # scikit-learn's trees weigh rows, so those that are drawn come once, in their order
            rows, counts = np.unique(drawn, return_counts=True)
            if candidate in rows:  # the engine has the candidate last
                order = np.append(
                    np.flatnonzero(rows != candidate), np.flatnonzero(rows == candidate)
                )
                rows, counts = rows[order], counts[order]
            options = {"max_features": "sqrt", "random_state": tree.random_state}
            grown = DecisionTreeClassifier(**options).fit(X[rows], y[rows], counts)
            mean[:, grown.classes_] += grown.predict_proba(scorer.X)
        expected = scorer.score(mean / len(own.estimators_))
        assert found.scores[0, candidate] == pytest.approx(expected, abs=1e-12)


def plans(chances, share, n_trees, n_forests):
    """Counts (n_trees × n_forests, n + 1) of the subset's own draws and with a candidate."""
    n = len(chances)
    rng = np.random.default_rng(8)
    X, y = rng.normal(size=(n, 2)), np.arange(n) % 2
    own, after = [], []
    for seed in range(n_forests):
        stump = RandomForestClassifier(n_trees, max_depth=1, random_state=seed)
        fitted = stump.fit(X, y, sample_weight=chances)
        plan = forest.Plan.of(fitted, chances)
        draws, copies = plan.with_candidate(share)
        np.testing.assert_array_equal((draws == n).sum(axis=1), copies)
        own += [np.bincount(each[:-1], minlength=n + 1) for each in plan.draws]
        after += [np.bincount(each, minlength=n + 1) for each in draws]
    return np.array(own), np.array(after)


@pytest.mark.parametrize("weighted", [False, True])
def test_counts_are_multinomial_with_and_without_the_candidate(weighted):
    n = 6
    weights = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 0.0]) if weighted else np.ones(n)
    chances = weights / weights.sum()
    share = 1.5 / (weights.sum() + 1.5) if weighted else 1 / (n + 1)
    own, after = plans(chances, share, n_trees=200, n_forests=20)
    for counts, size, p in (
        (own[:, :n], n, chances),
        (after, n + 1, np.append((1 - share) * chances, share)),
    ):
        assert (counts.sum(axis=1) == size).all()
        possible = p > 0
        assert not counts[:, ~possible].any()
        total = counts[:, possible].sum(axis=0)
        assert chisquare(total, total.sum() * p[possible]).pvalue > 1e-3
        # every second moment: n (n - 1) p_i p_j off the diagonal, within five standard errors
        products = counts[:, :, None] * counts[:, None, :] - np.eye(len(p)) * counts[:, None, :]
        spread = products.std(axis=0) / np.sqrt(len(counts))
        expected = size * (size - 1) * np.outer(p, p)
        assert (np.abs(products.mean(axis=0) - expected) <= 5 * spread + 1e-12).all()
    copies = np.bincount(after[:, n], minlength=n + 2)
    expected = len(after) * binom.pmf(np.arange(n + 2), n + 1, share)
    statistic = ((copies - expected)[expected > 5] ** 2 / expected[expected > 5]).sum()
    assert chi2.sf(statistic, (expected > 5).sum() - 1) > 1e-3


def test_the_plan_changes_only_what_it_must():
    n, X, y = 40, *problem(5, 40)[:2]
    fitted = RandomForestClassifier(300, random_state=0).fit(X, y)
    plan = forest.Plan.of(fitted, np.full(n, 1 / n))
    draws, copies = plan.with_candidate(1 / (n + 1))
    own = fitted.estimators_samples_
    for b, k in enumerate(copies):
        old = draws[b][draws[b] < n]
        np.testing.assert_array_equal(old[: n - max(0, k - 1)], own[b][: n - max(0, k - 1)])
        assert len(old) == n + 1 - k
    # a candidate that is drawn once comes on top of the tree's own sample
    assert (copies == 1).sum() > 60
    # and a heavier one is drawn wherever a lighter one is
    assert (plan.with_candidate(2 / (n + 2))[1] >= copies).all()


def test_trees_without_the_candidate_are_grown_once(monkeypatch):
    X, y, scorer = problem(6)
    masks = masks_of(len(y), 1)
    grown = []
    grow = forest.grow_tree

    def counted(own, like, rows, labels, draws):
        grown.append((like.random_state, len(rows), int((draws == len(rows) - 1).sum())))
        return grow(own, like, rows, labels, draws)

    monkeypatch.setattr(forest, "grow_tree", counted)
    table(RandomForestClassifier(50, random_state=0), X, y, scorer, masks)
    n_candidates = int((~masks).sum())
    without = [seed for seed, _, copies in grown if copies == 0]
    with_it = [seed for seed, _, copies in grown if copies > 0]
    assert len(without) == len(set(without))
    assert set(without).isdisjoint(with_it)
    assert len(set(without)) + len(set(with_it)) == 50
    assert len(with_it) == n_candidates * len(set(with_it))
    assert 10 <= len(without) <= 28  # 50 / e = 18.4, give or take three standard deviations


def test_with_an_integer_max_samples_unchanged_trees_are_the_subsets_own():
    X, y, _ = problem(7)
    fitted = forest.clone(FORESTS["few draws"]).fit(X, y)
    plan = forest.Plan.of(fitted, np.full(len(y), 1 / len(y)))
    draws, copies = plan.with_candidate(1 / (len(y) + 1))
    assert draws.shape == (7, 9)
    assert (copies == 0).any()
    for b in np.flatnonzero(copies == 0):
        np.testing.assert_array_equal(draws[b], fitted.estimators_samples_[b])


@pytest.mark.parametrize("name", ["plain", "options", "per sample"])
def test_a_candidate_does_not_depend_on_the_others(name):
    X, y, scorer = problem(9, objective="log_loss")
    args = (X[:15], y[:15])
    every = oracle.improvements(FORESTS[name], *args, X[15:], y[15:], scorer, engine="forest")
    order = np.random.default_rng(1).permutation(len(every))
    permuted = oracle.improvements(
        FORESTS[name], *args, X[15:][order], y[15:][order], scorer, engine="forest"
    )
    np.testing.assert_array_equal(permuted, every[order])
    alone = [
        oracle.improvements(FORESTS[name], *args, X[[i]], y[[i]], scorer, engine="forest")
        for i in range(15, 20)
    ]
    np.testing.assert_array_equal(np.concatenate(alone), every[:5])
    assert np.ptp(every) > 0


@pytest.mark.parametrize("name", list(FORESTS))
def test_neither_processes_nor_memory_change_a_bit(name):
    X, y, scorer = problem(10)
    weights = weights_of(y, True)
    one = table(FORESTS[name], X, y, scorer, sample_weight=weights)
    for options in ({"processes": 2}, {"memory": 3000}, {"memory": 1}):
        with compute.using(**options):
            other = table(FORESTS[name], X, y, scorer, sample_weight=weights)
        assert other.scores.tobytes() == one.scores.tobytes()
        assert other.base_scores.tobytes() == one.base_scores.tobytes()


def test_memory_bounds_what_blocks_take():
    X, y, _ = problem(17, 60)
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(20_000, 4)), rng.integers(2, size=20_000)
    scorer = Scorer(points, labels, [1.0, 1.0])
    masks = np.arange(60)[None] < 10
    stump = RandomForestClassifier(2, max_depth=1, random_state=0)
    table(stump, X, y, scorer, masks)  # what is imported or kept for later does not count

    def peak(memory):
        tracemalloc.start()
        with compute.using(memory=memory):
            table(stump, X, y, scorer, masks)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken

    everything = 50 * 20_000 * 3 * 8
    assert peak(2**30) > everything
    assert peak(everything // 10) < everything / 10 + 8 * points.nbytes


def test_a_forest_without_a_seed_has_one_plan_for_all_blocks():
    X, y, scorer = problem(11)
    masks = np.zeros((1, len(y)), dtype=bool)
    masks[0, :20] = True
    X[20:] = X[20]
    y[20:] = y[20]
    with compute.using(memory=1):  # a block for each candidate
        found = table(RandomForestClassifier(5), X, y, scorer, masks)
    assert len(set(found.improvements[0, 20:])) == 1


@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
def test_rows_of_one_class(objective):
    X, y, scorer = problem(12, 30, objective=objective)
    ones, zeros = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    rows = np.concatenate([ones[:6], ones[6:9], zeros[:4]])
    found = table(FORESTS["plain"], X[rows], y[rows], scorer, np.arange(len(rows))[None] < 6)
    reference = oracle.refit_scores(
        FORESTS["plain"], X[rows], y[rows], np.arange(len(rows))[None] < 6, scorer,
        engine="reference",
    )  # fmt: skip
    np.testing.assert_array_equal(found.base_scores, reference.base_scores)
    np.testing.assert_array_equal(found.improvements[0, 6:9], 0.0)
    assert (found.improvements[0, 9:] != 0).any()


def test_a_class_that_enters_with_a_candidate():
    X, y, scorer = problem(13, 40, n_classes=3)
    first, rest = np.flatnonzero(y < 2)[:14], np.flatnonzero(y == 2)
    rows = np.concatenate([first, rest])
    masks = np.arange(len(rows))[None] < len(first)
    found = table(RandomForestClassifier(60, random_state=2), X[rows], y[rows], scorer, masks)
    assert np.isfinite(found.scores[0, len(first) :]).all()
    assert found.improvements[0, len(first) :].max() > 0  # the new class is found at last


def test_candidates_of_weight_zero_are_never_drawn():
    X, y, scorer = problem(14)
    weights = np.ones(len(y))
    weights[25:] = 0
    masks = np.arange(len(y))[None] < 20
    found = table(FORESTS["few draws"], X, y, scorer, masks, sample_weight=weights)
    np.testing.assert_array_equal(found.improvements[0, 25:], 0.0)
    assert (found.improvements[0, 20:25] != 0).any()


@pytest.mark.parametrize(
    ("classifier", "engine"),
    [
        *((each, "forest") for each in FORESTS.values()),
        (RandomForestClassifier(bootstrap=False), "reference"),
        (ExtraTreesClassifier(), "reference"),
        (RandomForestClassifier(class_weight="balanced"), "reference"),
        (RandomForestClassifier(max_samples=0.5), "reference"),
        (type("Own", (RandomForestClassifier,), {})(), "reference"),
    ],
    ids=str,
)
def test_choice_of_the_engine(classifier, engine):
    assert oracle.choose_engine(classifier, problem(15)[2]) == engine


def test_the_engine_says_what_it_is_for():
    X, y, scorer = problem(16)
    with pytest.raises(UserError, match=r"scikit-learn 1\.9 or later with bootstrap=True"):
        table(ExtraTreesClassifier(), X, y, scorer)
