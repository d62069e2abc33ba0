"""Support vector machines of many candidates side by side in torch, on any device.

The active-set iteration of :mod:`lalbench.oracle.svm_lanes`, for stacks of machines instead of
lanes: the same optimum, the same kernel of training in single precision, the same tests of what is
solved. What it cannot solve, as machines without a free coefficient, with equal rows, or of a class
that the subset lacks, is told and left to the compiled engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.oracle.svm_lanes import KKT, LINEAR, MAX_STEPS, PIVOT, RBF
from lalbench.oracle.svm_smo import states_near

if TYPE_CHECKING:
    import torch

    from lalbench.oracle.place import Place

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Subset:
    """An annotated subset with its candidates.

    Attributes:
        options: (kind, coef0, degree) of the kernel.
        between: (k, n) squared distances or inner products, its lines of all annotated rows.
        itself: (n,) of each row and itself.
        toward: (n, m) of rows and evaluation points.
        y: (n,) labels.
        bounds: (n,) C times the weights of the row and its class.
        inside: (k,) row numbers of the subset, all with positive bounds.
        outside: (c,) row numbers of the candidates.
        gammas: (c + 1,) γ with each candidate added, last that of the subset.
        n_classes: K.
    """

    options: tuple[int, float, int]
    between: FloatArray
    itself: FloatArray
    toward: FloatArray
    y: IntArray
    bounds: FloatArray
    inside: IntArray
    outside: IntArray
    gammas: FloatArray
    n_classes: int

    def kernel(self, values: Any, gammas: Any) -> Any:
        """The kernel of squared distances or inner products, NumPy's or torch's."""
        kind, coef0, degree = self.options
        if kind == RBF:
            return (-gammas * values).exp() if hasattr(values, "exp") else np.exp(-gammas * values)
        return values if kind == LINEAR else (gammas * values + coef0) ** degree


def predict(subset: Subset, place: Place, memory: int) -> tuple[IntArray, BoolArray]:
    """Predictions of a subset's refits.

    Args:
        subset: what to refit.
        place: of torch's tensors.
        memory: bytes of temporary arrays.

    Returns:
        (c + 1, m) int64 predicted labels, last those of the subset; (c + 1,) whether known.
    """
    torch, m = place.xp, subset.toward.shape[1]
    counts = np.bincount(subset.y[subset.inside], minlength=subset.n_classes)
    joins = np.append(subset.bounds[subset.outside] > 0, False)
    labels = np.append(subset.y[subset.outside], 0)
    known = ~joins | (counts[labels] > 0)
    if np.count_nonzero(counts) < 2:
        return np.zeros((len(known), m), np.int64), np.zeros(len(known), bool)
    votes = torch.zeros((len(known), subset.n_classes, m), dtype=torch.int64, device=place.device)
    present = np.flatnonzero(counts)
    for i, first in enumerate(present):
        for second in present[i + 1 :]:
            own = joins & ((labels == first) | (labels == second))
            rows = subset.inside[np.isin(subset.y[subset.inside], (first, second))]
            for jobs in _blocks(known, own, len(rows), m, memory):
                solved, wins = _refit(subset, place, rows, jobs, own[jobs[0]], int(first))
                known[jobs] = solved
                votes[jobs, first] += wins
                votes[jobs, second] += ~wins
    order = torch.arange(subset.n_classes - 1, -1, -1, device=place.device)
    best = (votes * subset.n_classes + order[:, None]).argmax(dim=1)  # the first with most votes
    return place.get(best), known


def _blocks(known: BoolArray, own: BoolArray, p: int, m: int, memory: int) -> list[IntArray]:
    """Jobs that are still known, those with a candidate of the pair and those without apart."""
    each = 8 * (6 * (p + 1) ** 2 + 3 * (p + 1) * m)
    size = max(1, memory // (2 * each))
    found = []
    for jobs in (np.flatnonzero(known & own), np.flatnonzero(known & ~own)):
        found += [jobs[first : first + size] for first in range(0, len(jobs), size)]
    return found


def _refit(
    subset: Subset, place: Place, rows: IntArray, jobs: IntArray, joining: bool, first: int
) -> tuple[BoolArray, Any]:
    """Which machines of a pair were solved; (b, m) where they decide for the first class."""
    signs = np.where(subset.y == first, 1.0, -1.0)
    start = _start(subset, rows, signs)
    gammas = place.put(subset.gammas[jobs])[:, None, None]
    shape = (len(jobs), len(rows), len(rows))
    values = place.put(subset.between[np.ix_(rows, rows)]).expand(shape)
    toward = place.put(subset.toward[rows]).expand((len(jobs), len(rows), -1))
    y, bounds = np.tile(signs[rows], (len(jobs), 1)), np.tile(subset.bounds[rows], (len(jobs), 1))
    state = np.tile(start, (len(jobs), 1))
    if joining:
        added = subset.outside[jobs]
        values = _border(place, values, subset.between[np.ix_(rows, added)], subset.itself[added])
        toward = place.xp.cat([toward, place.put(subset.toward[added])[:, None]], dim=1)
        y = np.column_stack([y, signs[added]])
        bounds = np.column_stack([bounds, subset.bounds[added]])
        state = np.column_stack([state, np.zeros(len(jobs))])  # mostly it stays free
    K = subset.kernel(values, gammas).float().double()
    hi, lo = np.where(y > 0, bounds, 0.0), np.where(y > 0, 0.0, -bounds)
    given = [place.put(array) for array in (y, lo, hi, state)]
    beta, bias, solved = solve_stack(given[0], given[1], given[2], given[3], K, place.xp)
    decisions = (beta[:, None] @ subset.kernel(toward, gammas))[:, 0] + bias[:, None]
    return place.get(solved), decisions > 0


def _border(place: Place, values: Any, columns: FloatArray, corners: FloatArray) -> Any:
    """(b, n + 1, n + 1) from (b, n, n), with the candidates' columns (n, b) and corners (b,)."""
    column = place.put(np.ascontiguousarray(columns.T))[:, :, None]
    line = place.xp.cat([column.swapaxes(1, 2), place.put(corners)[:, None, None]], dim=2)
    return place.xp.cat([place.xp.cat([values, column], dim=2), line], dim=1)


def _start(subset: Subset, rows: IntArray, signs: FloatArray) -> FloatArray:
    """(p,) states near the subset's own solution."""
    K = subset.kernel(subset.between[np.ix_(rows, rows)], subset.gammas[-1])
    y, bounds = signs[rows], subset.bounds[rows]
    lo, hi = np.where(y > 0, 0.0, -bounds), np.where(y > 0, bounds, 0.0)
    found: FloatArray = states_near(np.ascontiguousarray(K), y, lo, hi)
    return found


def solve_stack(
    y: torch.Tensor, lo: torch.Tensor, hi: torch.Tensor, state: torch.Tensor, K: torch.Tensor,
    xp: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Solves b machines of n coefficients from guessed states.

    Args:
        y: (b, n) float64 -1.0 or 1.0.
        lo: (b, n) lower bounds.
        hi: (b, n) upper bounds.
        state: (b, n) -1.0 (at lo), 0.0 (free) or 1.0 (at hi).
        K: (b, n, n) kernel matrices.
        xp: torch.

    Returns:
        (b, n) coefficients; (b,) biases; (b,) bool, which are solved (the others hold nothing).
    """
    beta, bias = xp.zeros_like(y), xp.zeros_like(y[:, 0])
    solved = xp.zeros_like(bias, dtype=xp.bool)
    where = xp.arange(len(y), device=y.device)
    for _ in range(MAX_STEPS):
        now = beta_of(y[where], lo[where], hi[where], state[where], K[where], xp)
        beta[where], bias[where] = now[0], now[1]
        new, right = _correct(lo[where], hi[where], state[where], now[0], now[2])
        same = (new == state[where]).all(dim=1)
        solved[where] = same & right & now[3]
        state = state.clone()
        state[where] = new
        where = where[~same & now[3]]
        if len(where) == 0:
            break
    return beta, bias, solved


def beta_of(y: Any, lo: Any, hi: Any, state: Any, K: Any, xp: Any) -> tuple[Any, Any, Any, Any]:
    """Coefficients and biases with e = 0 at the free rows; e; which systems are regular."""
    free = (state == 0.0).double()
    fixed = xp.where(state < 0, lo, hi) * (1 - free)
    A = K * free[:, :, None] * free[:, None, :] + xp.diag_embed(1 - free)
    L, info = xp.linalg.cholesky_ex(A)
    pivots = L.diagonal(dim1=1, dim2=2) ** 2
    regular = (info == 0) & (pivots > PIVOT * A.diagonal(dim1=1, dim2=2)).all(dim=1)
    right = (y - (K @ fixed[:, :, None])[:, :, 0]) * free
    both = xp.cholesky_solve(xp.stack([right, free], dim=2), L)
    bias = (fixed.sum(dim=1) + both[:, :, 0].sum(dim=1)) / both[:, :, 1].sum(dim=1)
    beta = fixed + (both[:, :, 0] - bias[:, None] * both[:, :, 1]) * free
    e = (K @ beta[:, :, None])[:, :, 0] + bias[:, None] - y
    return beta, bias, e, regular


def _correct(lo: Any, hi: Any, state: Any, beta: Any, e: Any) -> tuple[Any, Any]:
    """Corrected states; whether e of the free rows is 0 and some of them lies inside."""
    free = state == 0.0
    margin = KKT * (hi - lo)
    inside = free & (beta > lo + margin) & (beta < hi - margin)
    right = ((e.abs() <= KKT) | ~free).all(dim=1) & inside.any(dim=1)
    new = (beta > hi).double() - (beta < lo).double()
    wrong = (e * state > KKT) & (lo < hi)  # at lo e must not be < 0, at hi not > 0
    return new * free + state * (~free & ~wrong), right
