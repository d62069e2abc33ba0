"""Greedy choice from a large pool without scoring all of it for every pick.

Where scores only fall as points are chosen, a stale score is an upper bound. So it is enough to
keep the scores of a few points up to date, those that were best when all were: as long as the best
of them beats the best stale score outside, it is the best of all (Minoux 1978, "lazy greedy").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.strategies.base import FloatArray
from lalbench.strategies.ties import Ranking

_LEAST = 2**12
_SHARE = 64


def first_size(n: int, budget: int) -> int:
    """How many of n points to hold at first: few enough for the cache of a processor, enough that
    all scores are rarely brought up to date. It doubles where a frontier yields few picks.
    """
    return max(_LEAST, 4 * budget, n // _SHARE)


class Frontier:
    """The best points of a pool whose scores are all up to date now.

    Args:
        scores: (n,) float64; -inf for points that are chosen.
        ranking: decides among equal scores.
        size: how many points; all of them under a rule that looks at the whole pool.

    Attributes:
        rows: (m,) int64 pool positions of the points, ascending.
        whole: whether these are all points.
    """

    def __init__(self, scores: FloatArray, ranking: Ranking, size: int) -> None:
        if size >= len(scores) or not ranking.is_local:
            self.rows = np.arange(len(scores))
            self._floor = -np.inf
        else:
            best = ranking.top(scores, size + 1)
            self.rows = np.sort(best[:-1])
            self._floor = float(scores[best[-1]])
        self.whole = len(self.rows) == len(scores)
        self._ranking = ranking.among(self.rows)
        self._first = True

    def best(self, scores: FloatArray, rise: float = 0.0) -> int | None:
        """Place among ``rows`` of the point to choose; None if one outside might be better.

        Args:
            scores: (m,) up-to-date scores of ``rows``; -inf for chosen ones.
            rise: what scores outside may have gained at most, rounding included.
        """
        place = self._ranking.best(scores)
        safe = self._first or self.whole or scores[place] > self._floor + rise
        self._first = False
        return place if safe else None


def in_single(points: NDArray[Any], frontier: Frontier) -> NDArray[Any]:
    """The frontier's rows of ``points`` (n, D), float16 in float32, ready for many passes."""
    near = points if frontier.whole else points[frontier.rows]
    return near if near.dtype == np.float64 else np.ascontiguousarray(near, dtype=np.float32)
