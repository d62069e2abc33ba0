"""Blocks of candidates of a subset, which engines that refit one by one work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.compute import current
from lalbench.oracle.processes import n_processes, run_blocks
from lalbench.oracle.reference import blank_scores

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Block = tuple[int, IntArray]

_CANDIDATES = 100
"""Scored together: the trees that they share are grown once per block."""


def score_blocks(
    score_block: Callable[..., tuple[FloatArray, FloatArray]],
    shared: tuple[Any, ...],
    masks: BoolArray,
    scorer: AnyScorer,
    bytes_each: int,
    what: str,
) -> tuple[FloatArray, FloatArray]:
    """Scores of all subsets and candidates, block by block, in processes where these are wanted.

    Args:
        score_block: ``score_block(*shared, (subset, candidates))`` gives the score of a subset and
            (k,) scores with each of k candidates added.
        shared: its other arguments.
        masks: (S, n) annotated rows of each subset; the others are its candidates.
        scorer: the objective.
        bytes_each: memory that a candidate takes in its block.
        what: said in front of the progress.

    Returns:
        (S,) scores of the subsets; (S, n) scores with the candidate added, NaN where ``masks``.
    """
    base, after = blank_scores(scorer, masks)
    blocks = _blocks(masks, bytes_each)
    for (subset, candidates), (before, scores) in zip(
        blocks, run_blocks(score_block, shared, blocks, what), strict=True
    ):
        base[subset] = before
        after[subset, candidates] = scores
    return base, after


def _blocks(masks: BoolArray, bytes_each: int) -> list[Block]:
    """Pairs (subset, some of its candidates); a subset without candidates has one, too."""
    fitting = current().memory // (n_processes() * max(1, bytes_each))
    # several processes share the candidates of few subsets
    shares = -(-4 * n_processes() // max(1, len(masks)))
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
