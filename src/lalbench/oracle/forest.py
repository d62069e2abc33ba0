"""The engine for forests of scikit-learn with bootstrap: common random numbers for all refits.

A forest that is refitted with one more row draws new bootstrap samples, and most of the change of
its score comes from that and not from the row. Here all forests of a subset come from one plan per
tree, so that a row changes only what it must, and each of them still has exactly the distribution
of a forest of scikit-learn.

The plan of a tree over n annotated rows, where a forest draws row i with probability p_i:

- r_1 … r_n, the rows that scikit-learn draws for the tree of the subset's own forest;
- one more such row r_(n+1), because a forest of n + 1 rows draws n + 1 times;
- uniform numbers u_j, v_j for j = 1 … n + 1.

With a candidate as row n + 1 the probabilities are q_1 … q_(n+1). Draw j keeps r_j if
``u_j p_(r_j) < q_(r_j)``; else v_j picks one of the rows whose probability grew, in proportion to
``q_i - p_i``. That is row n + 1 alone unless class weights are ``balanced``. So row i is drawn with
probability ``min(p_i, q_i) + max(q_i - p_i, 0) = q_i``, independently for all j, and no coupling
keeps more draws. Without weights a draw becomes the candidate with probability 1 / (n + 1).

Trees whose draws are all kept, about 1/e of them, are the same for all candidates and are fitted
once. They are not the trees of the subset's own forest, which draw once less: no tree that draws
n + 1 times is. This one more draw shifts all improvements of a subset by the same small number.
With an integer ``max_samples`` the number of draws stays, and those trees are the subset's own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers import clone
from lalbench.compute import current
from lalbench.oracle.processes import n_processes, run_blocks
from lalbench.oracle.reference import constant_score, only_class, score_fitted

if TYPE_CHECKING:
    from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
FloatRows = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Block = tuple[int, IntArray]

APPLIES_TO = (
    "it is for RandomForestClassifier and ExtraTreesClassifier of scikit-learn 1.9 or later with "
    "bootstrap=True and max_samples none or an integer"
)
_CANDIDATES = 100
"""Scored together: the trees that they share are fitted once per block."""
_ROLE = 0x706C616E
"""Keeps the plan's random numbers apart from those that scikit-learn takes from the same seed."""


def applies(classifier: Any, scorer: Scorer) -> bool:
    """Whether this engine computes the refits of ``classifier``."""
    # without scikit-learn loaded it cannot be one of its classifiers
    theirs = sys.modules.get("sklearn.ensemble")
    if theirs is None:
        return False
    kinds = (theirs.RandomForestClassifier, theirs.ExtraTreesClassifier)
    if type(classifier) not in kinds or not classifier.bootstrap:
        return False
    limit = classifier.max_samples
    # a fraction counts weights and rounds; a list of class weights is for several outputs
    fits = limit is None or (isinstance(limit, int) and not isinstance(limit, bool))
    return fits and not isinstance(classifier.class_weight, list) and _weights_are_drawn()


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
    scorer: Scorer,
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
    blocks = _blocks(masks, scorer)
    shared = (forest, X, y, masks, scorer, weights)
    what = f"refits of {type(classifier).__name__}"
    base, after = np.empty(len(masks)), np.full(masks.shape, np.nan)
    for (subset, candidates), (before, scores) in zip(
        blocks, run_blocks(_score_block, shared, blocks, what), strict=True
    ):
        base[subset] = before
        after[subset, candidates] = scores
    return base, after


def _blocks(masks: BoolArray, scorer: Scorer) -> list[Block]:
    """Pairs (subset, some of its candidates); a subset without candidates has one, too."""
    bytes_each = max(1, scorer.X.shape[0] * scorer.n_classes * 8)
    fitting = current().memory // (n_processes() * bytes_each)
    # several processes share the candidates of few subsets
    shares = -(-4 * n_processes() // len(masks))
    found: list[Block] = []
    for subset, mask in enumerate(masks):
        candidates = np.flatnonzero(~mask)
        wanted = min(_CANDIDATES, fitting)
        if n_processes() > 1:
            wanted = min(wanted, -(-len(candidates) // shares))
        size = max(1, wanted)
        starts = range(0, max(1, len(candidates)), size)
        found += [(subset, candidates[start : start + size]) for start in starts]
    return found


def _score_block(
    forest: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: Scorer,
    weights: FloatArray | None,
    block: Block,
) -> tuple[float, FloatArray]:
    """The score of a subset and (k,) scores with each of k candidates added."""
    subset, candidates = block
    rows = np.flatnonzero(masks[subset])
    w = None if weights is None else weights[rows]
    fitted = clone(forest).fit(X[rows], y[rows], sample_weight=w)
    label = only_class(y[rows], w)
    base = score_fitted(fitted, scorer) if label is None else constant_score(scorer, label)
    if not len(candidates):
        return base, np.empty(0)
    grown = [np.append(rows, candidate) for candidate in candidates]
    chances = [
        chances_of_draws(forest, y[each], None if weights is None else weights[each])
        for each in grown
    ]
    plan = Plan.of(fitted, chances_of_draws(forest, y[rows], w))
    means = _mean_probabilities(fitted, plan, X, y, grown, chances, scorer)
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
    from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

    found = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    if forest.class_weight == "balanced":
        classes, places = np.unique(y, return_inverse=True)
        options = {"classes": classes, "y": y, "sample_weight": weights}
        found = found * compute_class_weight("balanced", **options)[places]
    elif isinstance(forest.class_weight, dict):
        found = found * compute_sample_weight(forest.class_weight, y)
    return found / found.sum()


@dataclass(frozen=True)
class Plan:
    """Which rows the B trees of a subset draw, and what a candidate changes of it.

    Attributes:
        draws: (B, m) rows of the subset; those of its own forest and, without ``max_samples``, one
            more.
        keep: (B, m) uniform numbers that decide which draws a candidate leaves as they are.
        place: (B, m) uniform numbers that choose the rows that replace the others.
        chances: (n,) probabilities of the rows.
    """

    draws: IntArray
    keep: FloatArray
    place: FloatArray
    chances: FloatArray

    @classmethod
    def of(cls, fitted: Any, chances: FloatArray) -> Plan:
        """The plan of a fitted forest, by its trees' own seeds."""
        own = np.array(fitted.estimators_samples_, dtype=np.int64)
        more = 1 if fitted.max_samples is None else 0
        size = own.shape[1] + more
        # per tree, so that a forest of more trees has these among its own
        numbers = np.array(
            [
                np.random.default_rng((tree.random_state, _ROLE)).random(2 * size + more)
                for tree in fitted.estimators_
            ]
        )
        extra = _pick(chances, numbers[:, 2 * size :])
        keep, place = numbers[:, :size], numbers[:, size : 2 * size]
        return cls(np.concatenate([own, extra], axis=1), keep, place, chances)

    def with_candidate(self, chances: FloatArray) -> tuple[IntArray, BoolArray]:
        """What the trees draw from one more row.

        Args:
            chances: (n + 1,) probabilities of the rows, the candidate last.

        Returns:
            (B, m) int64 rows, n for the candidate; (B,) bool, which trees differ from the plan.
        """
        kept = self.keep * self.chances[self.draws] < chances[self.draws]
        growth = np.maximum(chances - np.append(self.chances, 0.0), 0.0)
        return np.where(kept, self.draws, _pick(growth, self.place)), ~kept.all(axis=1)


def _pick(shares: FloatArray, uniform: FloatArray) -> IntArray:
    """Rows in proportion to ``shares``, one per uniform number."""
    steps = np.cumsum(shares)
    found = np.searchsorted(steps, uniform * steps[-1], side="right")
    # a product may round up to the whole
    return np.minimum(found, np.flatnonzero(shares)[-1]).astype(np.int64)


def _mean_probabilities(
    fitted: Any,
    plan: Plan,
    X: FloatArray,
    y: IntArray,
    grown: list[IntArray],
    chances: list[FloatArray],
    scorer: Scorer,
) -> FloatArray:
    """(k, n_eval, C) class probabilities of the forests of k grown subsets.

    Trees are added in their order, as scikit-learn does with one job.
    """
    points = scorer.X.astype(np.float32)
    total = np.zeros((len(grown), len(points), scorer.n_classes))
    cache: dict[bytes, tuple[IntArray, BoolArray]] = {}
    plans = []
    for each in chances:  # equal labels and weights of candidates make equal plans
        key = each.tobytes()
        if key not in cache:
            cache[key] = plan.with_candidate(each)
        plans.append(cache[key])
    rows = [X[each].astype(np.float32) for each in grown]
    # A row that nothing draws stands for the candidate: tree options may count rows.
    blank = np.append(grown[0][:-1], grown[0][0])
    blank_rows, blank_labels = X[blank].astype(np.float32), y[blank]
    for b, tree in enumerate(fitted.estimators_):
        common = None
        for i, (draws, differs) in enumerate(plans):
            if differs[b]:
                grown_tree = grow_tree(fitted, tree, rows[i], y[grown[i]], draws[b])
                total[i] += _tree_probabilities(grown_tree, points, scorer.n_classes)
                continue
            if common is None:
                grown_tree = grow_tree(fitted, tree, blank_rows, blank_labels, draws[b])
                common = _tree_probabilities(grown_tree, points, scorer.n_classes)
            total[i] += common
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
