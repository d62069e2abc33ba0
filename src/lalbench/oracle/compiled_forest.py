"""The engine for the package's own random forest: compiled, with common random numbers.

The trees of all forests of a subset follow the plan of :mod:`lalbench.oracle.forest`: a candidate
changes only what it must, trees that do not draw it are shared, and every forest has exactly the
distribution of one that is fitted alone. The score of a subset itself is that of
:class:`~lalbench.classifiers.random_forest.RandomForest` with the same ``random_state``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.forests.counting import add_tree
from lalbench.forests.growing import draw_rows, grow_tree
from lalbench.forests.splitting import next_uniform
from lalbench.jit import jit
from lalbench.oracle.candidate_blocks import Block, score_blocks

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

APPLIES_TO = "it is for lalbench's RandomForest"

_COPIES = np.uint64(0x434F50494553)
"""Keeps the numbers that say how often a candidate is drawn apart from the others of a tree."""


def applies(classifier: Any, scorer: AnyScorer) -> bool:
    """Whether this engine computes the refits of ``classifier``."""
    from lalbench.classifiers.random_forest import RandomForest

    return type(classifier) is RandomForest


def score_refits(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: AnyScorer,
    weights: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Scores of every annotated subset and of each of them with one more row.

    No score depends on the other candidates, on their order, on the memory or on the number of
    processes.

    Args:
        classifier: a :class:`~lalbench.classifiers.random_forest.RandomForest`.
        X: (n, d) rows.
        y: (n,) labels.
        masks: (S, n) annotated rows of each subset; the others are its candidates.
        scorer: the objective.
        weights: (n,) sample weights, or None.

    Returns:
        (S,) scores of the subsets; (S, n) scores with the candidate added, NaN where ``masks``.

    Raises:
        UserError: an option of the classifier has a value that it cannot have.
        LalbenchError: a process of the pool was killed.
    """
    classifier._validate_params()
    seed = classifier.seed()
    columns = np.ascontiguousarray(scorer.X.T, dtype=np.float32)
    shared = (classifier, seed, X.astype(np.float32), y, masks, scorer, weights, columns)
    # votes, shares and the scorer's copy, of every class
    bytes_each = len(scorer.y) * scorer.n_classes * 18
    return score_blocks(_score_block, shared, masks, scorer, bytes_each, "refits of RandomForest")


def _score_block(
    classifier: Any,
    seed: int,
    X: NDArray[np.float32],
    y: IntArray,
    masks: BoolArray,
    scorer: AnyScorer,
    weights: FloatArray | None,
    columns: NDArray[np.float32],
    block: Block,
) -> tuple[FloatArray, FloatArray]:
    from lalbench.classifiers.random_forest import tree_seeds

    subset, candidates = block
    rows = np.flatnonzero(masks[subset])
    steps, shares_drawn = _chances(rows, candidates, weights)
    shape = (len(candidates) + 1, scorer.n_classes, len(scorer.y))
    votes, shares = np.zeros(shape, dtype=np.uint16), np.zeros(shape)
    _vote(
        X[rows],
        y[rows],
        X[candidates],
        y[candidates],
        steps,
        shares_drawn,
        classifier.features_per_split(X.shape[1]),
        tree_seeds(seed, classifier.n_estimators),
        columns,
        votes,
        shares,
    )
    shares += votes
    if scorer.needs == "predictions" and scorer.n_classes == 2:
        scores = np.asarray(scorer.score_decisions(shares[:, 1] - shares[:, 0]))
    elif scorer.needs == "predictions":
        scores = np.asarray(scorer.score(shares.argmax(axis=1)))
    else:
        scores = np.asarray(scorer.score(np.swapaxes(shares, 1, 2) / classifier.n_estimators))
    return scores[0], scores[1:]


def _chances(
    rows: IntArray, candidates: IntArray, weights: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Steps by which rows are drawn (empty: equally), and the chance of each candidate."""
    if weights is None:
        return np.empty(0), np.full(len(candidates), 1 / (len(rows) + 1))
    total = weights[rows].sum()
    return np.cumsum(weights[rows] / total), weights[candidates] / (total + weights[candidates])


@jit()
def _vote(
    X: Any,
    y: Any,
    X_new: Any,
    y_new: Any,
    steps: Any,
    chances: Any,
    max_features: Any,
    seeds: Any,
    columns: Any,
    votes: Any,
    shares: Any,
) -> None:
    """Adds the trees of the subset's own forest to place 0, those with candidate c to c + 1."""
    n, n_classes = len(X), votes.shape[1]
    grown_X = np.empty((n + 1, X.shape[1]), dtype=np.float32)
    grown_y = np.empty(n + 1, dtype=np.int64)
    grown_X[:n], grown_y[:n] = X, y
    size = 2 * n + 1
    tree = (
        np.empty(size, dtype=np.int32),
        np.empty(size),
        np.empty((size, 2), dtype=np.int32),
        np.empty((size, n_classes)),
    )
    draws, gains = np.empty(n + 1, dtype=np.int64), np.empty(X.shape[1])
    uniform = np.empty(n + 1)
    same_votes, same_shares = np.empty_like(votes[0]), np.empty_like(shares[0])
    for seed in seeds:
        draw_rows(seed, n, steps, draws)
        state = np.array([seed ^ _COPIES], dtype=np.uint64)
        for k in range(n + 1):
            uniform[k] = next_uniform(state)
        counts = _counts(draws, n, n + 1, 0)
        used = grow_tree(grown_X[:n], grown_y[:n], counts[:n], max_features, seed, tree, gains)
        add_tree(columns, tree, used, votes[0], shares[0])
        known = False
        for c in range(len(X_new)):
            copies = (uniform < chances[c]).sum()
            counts = _counts(draws, n + 1 - copies, n + 1, copies)
            grown_X[n], grown_y[n] = X_new[c], y_new[c]
            if copies > 0:
                used = grow_tree(grown_X, grown_y, counts, max_features, seed, tree, gains)
                add_tree(columns, tree, used, votes[c + 1], shares[c + 1])
                continue
            if not known:
                used = grow_tree(grown_X, grown_y, counts, max_features, seed, tree, gains)
                same_votes[:], same_shares[:] = 0, 0.0
                add_tree(columns, tree, used, same_votes, same_shares)
                known = True
            votes[c + 1] += same_votes
            shares[c + 1] += same_shares


@jit(inline=True)
def _counts(draws: Any, n_draws: Any, n: Any, copies: Any) -> Any:
    """(n,) how often each row is drawn; the last one ``copies`` times."""
    counts = np.zeros(n, dtype=np.int64)
    for k in range(n_draws):
        counts[draws[k]] += 1
    counts[n - 1] += copies
    return counts
