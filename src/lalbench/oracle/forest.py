"""The engine for forests of scikit-learn with bootstrap: common random numbers for all refits.

Forests that are refitted independently differ by their bootstrap samples, and most of the change of
the score comes from that and not from the candidate. Here all forests of a subset come from one
plan per tree, so that a candidate changes only what it must, and each of them still has exactly the
distribution of a forest of scikit-learn.

The plan of a tree over n annotated rows, of which the forest draws row i with probability p_i:

- r_1 … r_n, the rows that scikit-learn draws for the tree of the subset's own forest;
- one more such row r_(n+1), because a forest of n + 1 rows draws n + 1 times;
- uniform numbers u_1 … u_(n+1).

With a candidate that is drawn with probability q (1 / (n + 1) without weights, else its share of
all weights) the tree draws the candidate ``k = #{j: u_j < q}`` times and the rows r_1 … r_(n+1-k)
once each. So k is Binomial(n + 1, q), and given k the others are independent draws from p: the
counts are multinomial with probabilities (1 - q) p_1 … (1 - q) p_n, q, as scikit-learn's are. A
candidate drawn once, the likeliest case, comes on top of the very sample of the subset's own tree.
The seed of a tree, which chooses its features, is that of the subset's own, too.

Trees with k = 0, about 1/e of them, are the same for all candidates and are fitted once. They are
not the trees of the subset's own forest, which draw once less: no tree that draws n + 1 times is.
With an integer ``max_samples`` all forests draw that often, and those trees are the subset's own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers import clone
from lalbench.oracle.candidate_blocks import Block, score_blocks
from lalbench.oracle.reference import constant_score, only_class

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
FloatRows = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

APPLIES_TO = (
    "it is for RandomForestClassifier and ExtraTreesClassifier of scikit-learn 1.9 or later with "
    "bootstrap=True, max_samples none or an integer, and class weights that no candidate changes"
)
_ROLE = 0x706C616E
"""Keeps the plan's random numbers apart from those that scikit-learn takes from the same seed."""


def applies(classifier: Any, scorer: AnyScorer) -> bool:
    """Whether this engine computes the refits of ``classifier``."""
    # without scikit-learn loaded it cannot be one of its classifiers
    theirs = sys.modules.get("sklearn.ensemble")
    if theirs is None:
        return False
    kinds = (theirs.RandomForestClassifier, theirs.ExtraTreesClassifier)
    if type(classifier) not in kinds or not classifier.bootstrap:
        return False
    limit = classifier.max_samples
    # a fraction counts weights and rounds
    countable = limit is None or (isinstance(limit, int) and not isinstance(limit, bool))
    # balanced weights of all rows change with the candidate; a list is for several outputs
    weighted = classifier.class_weight
    fixed = weighted in (None, "balanced_subsample") or isinstance(weighted, dict)
    return countable and fixed and _weights_are_drawn()


def _weights_are_drawn() -> bool:
    """Whether sample weights are probabilities of draws, as from scikit-learn 1.9 on."""
    import sklearn

    major, minor = sklearn.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (1, 9)


def score_refits(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: AnyScorer,
    weights: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Scores of every annotated subset and of each of them with one more row.

    The subset's own score is that of scikit-learn's forest with the same ``random_state``. No score
    depends on the other candidates, on their order, on the memory or on the number of processes.

    Args:
        classifier: a forest for which :func:`applies`.
        X: (n, d) rows.
        y: (n,) labels.
        masks: (S, n) annotated rows of each subset; the others are its candidates.
        scorer: the objective.
        weights: (n,) sample weights, or None.

    Returns:
        (S,) scores of the subsets; (S, n) scores with the candidate added, NaN where ``masks``.

    Raises:
        LalbenchError: a process of the pool was killed.
    """
    forest = clone(classifier).set_params(n_jobs=1, oob_score=False)
    if forest.random_state is None:  # all blocks need the same forest
        forest.set_params(random_state=int(np.random.randint(2**31 - 1)))
    shared = (forest, X, y, masks, scorer, weights)
    # probabilities of every class, and the prediction
    bytes_each = len(scorer.y) * (scorer.n_classes + 1) * 8
    what = f"refits of {type(classifier).__name__}"
    return score_blocks(_score_block, shared, masks, scorer, bytes_each, what)


def _score_block(
    forest: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: AnyScorer,
    weights: FloatArray | None,
    block: Block,
) -> tuple[FloatArray, FloatArray]:
    """The score of a subset and (k,) scores with each of k candidates added."""
    subset, candidates = block
    rows = np.flatnonzero(masks[subset])
    w = None if weights is None else weights[rows]
    fitted = clone(forest).fit(X[rows], y[rows], sample_weight=w)
    label = only_class(y[rows], w)
    base = np.asarray(scorer(fitted)) if label is None else constant_score(scorer, label)
    if not len(candidates):
        return base, np.empty((0, *scorer.shape))
    grown = [np.append(rows, candidate) for candidate in candidates]
    shares = [
        chances_of_draws(forest, y[each], None if weights is None else weights[each])[-1]
        for each in grown
    ]
    plan = Plan.of(fitted, chances_of_draws(forest, y[rows], w))
    means = _mean_probabilities(fitted, plan, X, y, rows, candidates, shares, scorer)
    if scorer.needs == "predictions":
        scores = np.asarray(scorer.score(means.argmax(axis=2)))
    else:
        scores = np.asarray(scorer.score(means))
    for place, each in enumerate(grown):
        label = only_class(y[each], None if weights is None else weights[each])
        if label is not None:
            scores[place] = constant_score(scorer, label)
    return base, scores


def chances_of_draws(forest: Any, y: IntArray, weights: FloatArray | None) -> FloatArray:
    """(n,) probabilities with which the forest draws the rows that it is fitted to."""
    found = np.ones(len(y)) if weights is None else weights
    if isinstance(forest.class_weight, dict):
        from sklearn.utils.class_weight import compute_sample_weight

        found = found * compute_sample_weight(forest.class_weight, y)
    return found / found.sum()


@dataclass(frozen=True)
class Plan:
    """Which rows the B trees of a subset draw.

    Attributes:
        draws: (B, m) rows of the subset; those of its own forest and, without ``max_samples``, one
            more.
        uniform: (B, m) numbers that say how often a candidate is drawn.
        n_rows: n, of the subset.
    """

    draws: IntArray
    uniform: FloatArray
    n_rows: int

    @classmethod
    def of(cls, fitted: Any, chances: FloatArray) -> Plan:
        """The plan of a fitted forest that draws row i with ``chances[i]``."""
        own = np.array(fitted.estimators_samples_, dtype=np.int64)
        more = 1 if fitted.max_samples is None else 0
        size = own.shape[1] + more
        # per tree, so that a forest of more trees has these among its own
        numbers = np.array(
            [
                np.random.default_rng((tree.random_state, _ROLE)).random(size + more)
                for tree in fitted.estimators_
            ]
        )
        steps = np.cumsum(chances)
        extra = np.searchsorted(steps, numbers[:, size:] * steps[-1], side="right")
        last = np.flatnonzero(chances)[-1]  # a product may round up to the whole
        draws = np.concatenate([own, np.minimum(extra, last)], axis=1)
        return cls(draws, numbers[:, :size], len(chances))

    def with_candidate(self, share: float) -> tuple[IntArray, IntArray]:
        """What the trees draw where a row is added that is drawn with probability ``share``.

        Returns:
            (B, m) rows, ``n_rows`` for the candidate; (B,) how often a tree draws it.
        """
        copies = (self.uniform < share).sum(axis=1)
        n_draws = self.draws.shape[1]
        replaced = np.arange(n_draws) >= n_draws - copies[:, None]
        return np.where(replaced, self.n_rows, self.draws), copies


def _mean_probabilities(
    fitted: Any,
    plan: Plan,
    X: FloatArray,
    y: IntArray,
    rows: IntArray,
    candidates: IntArray,
    shares: list[float],
    scorer: AnyScorer,
) -> FloatArray:
    """(k, n_eval, C) class probabilities of the forests of a subset with each of k candidates.

    Trees are added in their order, as scikit-learn does with one job.
    """
    points = scorer.X.astype(np.float32)
    total = np.zeros((len(candidates), len(points), scorer.n_classes))
    plans = {share: plan.with_candidate(share) for share in set(shares)}
    # trees keep nothing of their rows, so the last one holds one candidate after the other
    grown = np.append(rows, candidates[0])
    grown_X, grown_y = X[grown].astype(np.float32), y[grown]
    for b, tree in enumerate(fitted.estimators_):
        common = None
        for i, (candidate, share) in enumerate(zip(candidates, shares, strict=True)):
            draws, copies = plans[share]
            if copies[b] == 0 and common is not None:
                total[i] += common
                continue
            grown_X[-1], grown_y[-1] = X[candidate], y[candidate]
            new = grow_tree(fitted, tree, grown_X, grown_y, draws[b])
            found = _tree_probabilities(new, points, scorer.n_classes)
            total[i] += found
            if copies[b] == 0:
                common = found
    total /= len(fitted.estimators_)
    return total


def grow_tree(forest: Any, like: Any, X: FloatRows, y: IntArray, draws: IntArray) -> Any:
    """A tree with the options and the seed of ``like``, fitted to ``draws`` of the rows.

    As scikit-learn's forests do: the tree gets all rows, with their numbers of draws as weights.
    """
    counts = np.bincount(draws, minlength=len(y)).astype(np.float64)
    if forest.class_weight == "balanced_subsample":
        from sklearn.utils.class_weight import compute_sample_weight

        counts *= compute_sample_weight("balanced", y, indices=draws)
    return clone(like).fit(X, y, sample_weight=counts, check_input=False)


def _tree_probabilities(tree: Any, points: FloatRows, n_classes: int) -> FloatArray:
    """(n, n_classes) class probabilities; 0 for classes that the tree has not seen."""
    given = tree.predict_proba(points, check_input=False)
    if len(tree.classes_) == n_classes:
        return np.asarray(given)
    found = np.zeros((len(points), n_classes))
    found[:, tree.classes_.astype(np.int64)] = given
    return found
