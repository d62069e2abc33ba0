"""How well Gaussians around annotated and chosen points cover the pool (exploration of HAL)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.strategies.base import FloatArray, IntArray
from lalbench.strategies.distances import row_blocks, squared_distances, squared_distances_to
from lalbench.strategies.frontier import Frontier, first_size, in_single
from lalbench.strategies.ties import Ranking


class GaussianCover:
    """``log g_i``, ``g_i = Σ_l exp(-‖z_i - z_l‖² / delta)``, and the point where it is extreme.

    The sums are computed when they are first asked for; each chosen point is added. For embeddings
    of networks those of a few points are kept up to date (:mod:`lalbench.strategies.frontier`), and
    equal rows have equal sums.

    Args:
        points: (n, D) floats, the pool.
        centres: (m, D) annotated points.
        ids: (n,) row ids of the pool.
        delta: width.
        sign: -1 looks for the smallest sum, 1 for the largest.
        ranking: decides among equal sums.
        budget: number of picks, of which some ask here.
    """

    def __init__(
        self,
        points: NDArray[Any],
        centres: NDArray[Any],
        ids: IntArray,
        delta: float,
        sign: float,
        ranking: Ranking,
        budget: int,
    ) -> None:
        self._points, self._centres, self._ids = points, centres, ids
        self._delta, self._sign, self._ranking = delta, sign, ranking
        self._exact = points.dtype == np.float64
        # sums grow: only a search for the smallest may leave points out
        lazy = sign < 0 and not self._exact
        self._size = first_size(len(points), budget) if lazy else len(points)
        self._log_sums: FloatArray | None = None
        self._n_summed = 0
        self._equal: IntArray | None = None
        self._frontier: Frontier | None = None

    def draw(self) -> None:
        """No random numbers."""

    def signal(self) -> FloatArray:
        """(n,) float64 ``sign · log g`` before any point is chosen."""
        return self._sign * self._sums()

    def best(self, chosen: list[int]) -> int:
        """Position of the extreme among points that are not ``chosen``; these are added before."""
        frontier = self._frontier or self._look(chosen)
        place = frontier.best(self._scores(frontier, chosen))
        if place is None:
            frontier = self._look(chosen)
            place = frontier.best(self._scores(frontier, chosen))
            assert place is not None  # the first of a new frontier is the best of all
        return int(frontier.rows[place])

    def _sums(self) -> FloatArray:
        if self._log_sums is None:
            self._log_sums = self._sums_over(self._centres)
        return self._log_sums

    def _look(self, chosen: list[int]) -> Frontier:
        """Brings all sums up to date and starts a new frontier."""
        sums, new = self._sums(), chosen[self._n_summed :]
        if self._frontier is not None and len(new) < 64:
            self._size *= 2
        if self._exact:
            for position in new:
                sums = self._add(sums, self._points, position)
        elif new:
            sums = np.logaddexp(sums, self._sums_over(self._points[new]))
        self._log_sums, self._n_summed = sums, len(chosen)
        scores = self._sign * sums
        scores[chosen] = -np.inf
        frontier = Frontier(scores, self._ranking, self._size)
        rows = frontier.rows
        self._near = in_single(self._points, frontier)
        self._inside, self._n_inside = sums[rows], len(chosen)
        self._closed = np.isin(rows, chosen)
        self._frontier = frontier
        return frontier

    def _scores(self, frontier: Frontier, chosen: list[int]) -> FloatArray:
        """(m,) up-to-date scores of the frontier."""
        for position in chosen[self._n_inside :]:
            self._inside = self._add(self._inside, self._near, position)
        new = np.asarray(chosen[self._n_inside :], dtype=np.int64)
        place = np.searchsorted(frontier.rows, new).clip(max=len(frontier.rows) - 1)
        self._closed[place[frontier.rows[place] == new]] = True
        self._n_inside = len(chosen)
        return np.where(self._closed, -np.inf, self._sign * self._inside)

    def _add(self, sums: FloatArray, points: NDArray[Any], position: int) -> FloatArray:
        distances = squared_distances_to(points, self._points[position])
        found: FloatArray = np.logaddexp(sums, -distances / self._delta)
        return found

    def _sums_over(self, centres: NDArray[Any]) -> FloatArray:
        if self._exact or not len(centres):
            return log_gaussian_sums(self._points, centres, self._delta)
        from lalbench.strategies import single_distances

        if self._equal is None:
            hashes = single_distances.row_hashes(self._points)
            self._equal = single_distances.representatives(hashes, self._ids)
        order = np.argsort(self._ids)
        return single_distances.log_gaussian_sums(self._points, centres, self._delta, order)[
            self._equal
        ]


def log_gaussian_sums(points: FloatArray, centres: FloatArray, delta: float) -> FloatArray:
    """(n,) ``log Σ_l exp(-‖points_i - centres_l‖² / delta)``; -inf without centres.

    Args:
        points: (n, D) float64.
        centres: (m, D) float64.
        delta: width.
    """
    from scipy.special import logsumexp

    found = np.full(len(points), -np.inf)
    if not len(centres):
        return found
    for rows in row_blocks(len(points), len(centres)):
        found[rows] = logsumexp(-squared_distances(points[rows], centres) / delta, axis=1)
    return found
