"""The exact batch of CBAL, by linear and mixed-integer programming."""

from __future__ import annotations

import numpy as np

from lalbench.strategies.base import FloatArray, IntArray

_CORE = 200
"""Points over which the mixed-integer programme decides."""
_SIFTED = 2000
"""Points of the linear programmes that solve the relaxation."""
_ROUNDS = 100
"""Limit on their number; a handful is the rule."""
_GAP = 1e-10
"""Largest relative difference between a solution of the relaxation and its dual."""
_NODES = 2000
"""Limit on its branch-and-bound nodes: a limit on time would make results depend on the machine."""


def best_batch(
    values: FloatArray, p: FloatArray, target: FloatArray, budget: int, penalty: float
) -> IntArray:
    """Positions of the batch that minimises ``-Σ values + penalty · ‖target - Σ p‖₁``.

    The linear relaxation is solved first. It has at most K + 1 fractional entries; these and the
    points with the smallest reduced costs, 200 (or 2 K) in all, are decided by a mixed-integer
    programme, and the rest keep their values of 0 or 1.

    Args:
        values: (n,) what a point brings.
        p: (n, K) class probabilities.
        target: (K,) wanted sums of the chosen rows of ``p``.
        budget: size of the batch, at most n.
        penalty: weight of the deviation from the target.

    Returns:
        (budget,) int64 positions, ascending.
    """
    n, n_classes = p.shape
    size = max(_CORE, 2 * n_classes)
    if n <= size:
        return _mixed_integer(values, p, target, budget, penalty, np.full(n, budget / max(n, 1)))
    share, reduced = _relaxation(values, p, target, budget, penalty)
    decided = (share < 1e-9) | (share > 1 - 1e-9)
    order = np.lexsort((np.abs(reduced), decided))
    core, rest = np.sort(order[:size]), order[size:]
    taken = rest[share[rest] > 0.5]
    inside = _mixed_integer(
        values[core],
        p[core],
        target - p[taken].sum(axis=0),
        budget - len(taken),
        penalty,
        share[core],
    )
    return np.sort(np.concatenate([taken, core[inside]]))


def _relaxation(
    values: FloatArray, p: FloatArray, target: FloatArray, budget: int, penalty: float
) -> tuple[FloatArray, FloatArray]:
    """(n,) entries of the linear relaxation, each in [0, 1], and their reduced costs.

    Its dual has one variable per class, ``max μ·target - (sum of the b largest values + μ·p)`` with
    ``|μ_c| ≤ penalty``, and one evaluation costs O(nK). The multipliers come from linear programmes
    over the points nearest to being undecided, the others staying as they are (sifting, Bixby et
    al. 1992), until the dual's value proves that nothing better exists.
    """
    n = len(values)
    size = min(n, max(_SIFTED, 20 * p.shape[1]))
    # a sample of the pool in proportion, to begin with; points come in random order
    scale = size / n
    _, multipliers = _programme(values[:size], p[:size], target * scale, budget * scale, penalty)
    share: FloatArray | None = None
    reduced = np.empty(n)
    for _ in range(_ROUNDS):
        worth = values + p @ multipliers
        order = np.argpartition(-worth, budget - 1)
        reduced = worth[order[budget - 1]] - worth
        if share is None:
            share = np.zeros(n)
            share[order[:budget]] = 1.0
        dual = multipliers @ target - worth[order[:budget]].sum()
        primal = penalty * np.abs(target - share @ p).sum() - share @ values
        if primal - dual <= _GAP * (1.0 + abs(primal) + np.abs(target).sum()):
            break
        free = _undecided(share, reduced, size)
        fixed = share.copy()
        fixed[free] = 0.0
        share[free], multipliers = _programme(
            values[free], p[free], target - fixed @ p, budget - fixed.sum(), penalty
        )
    assert share is not None
    return share, reduced


def _undecided(share: FloatArray, reduced: FloatArray, size: int) -> IntArray:
    """Positions, ascending, of the ``size`` points that a better solution would change: fractional
    ones, those on the wrong side (half of the room at most), and the nearest to the threshold.
    """
    fractional = (share > 1e-9) & (share < 1 - 1e-9)
    wrong = np.where(share > 0.5, reduced, -reduced)
    urgency = -np.abs(reduced)
    urgency[fractional] = np.inf
    if len(urgency) > size:
        worst = np.argpartition(-wrong, size // 2)[: size // 2]
        worst = worst[wrong[worst] > 0]
        urgency[worst] = np.maximum(urgency[worst], wrong[worst])
        return np.sort(np.argpartition(-urgency, size - 1)[:size])
    return np.arange(len(urgency))


def _programme(
    values: FloatArray, p: FloatArray, target: FloatArray, budget: float, penalty: float
) -> tuple[FloatArray, FloatArray]:
    """(n,) solution of the linear programme, entries in [0, 1], and (K,) multipliers μ."""
    from scipy.optimize import linprog

    n, n_classes = p.shape
    deviations = np.eye(n_classes)
    found = linprog(
        np.concatenate([-values, np.full(n_classes, penalty)]),
        A_ub=-np.block([[p.T, deviations], [-p.T, deviations]]),
        b_ub=np.concatenate([-target, target]),
        A_eq=np.concatenate([np.ones(n), np.zeros(n_classes)])[None],
        b_eq=[budget],
        bounds=[(0, 1)] * n + [(0, None)] * n_classes,
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.x is None:
        raise ArithmeticError(f"HiGHS found no solution of CBAL's relaxation: {found.message}")
    above, below = np.split(found.ineqlin.marginals, 2)
    return found.x[:n], np.clip(below - above, -penalty, penalty)


def _mixed_integer(
    values: FloatArray,
    p: FloatArray,
    target: FloatArray,
    budget: int,
    penalty: float,
    share: FloatArray,
) -> IntArray:
    """Positions of the best batch, or of the best that the limited search found.

    ``share`` (n,) ranks the points of the batch that the search has to beat.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    n, n_classes = p.shape
    deviations = np.eye(n_classes)
    rows = np.block(
        [
            [p.T, deviations],
            [-p.T, deviations],
            [np.ones((1, n)), np.zeros((1, n_classes))],
        ]
    )
    lower = np.concatenate([target, -target, [budget]])
    upper = np.concatenate([np.full(2 * n_classes, np.inf), [budget]])
    found = milp(
        np.concatenate([-values, np.full(n_classes, penalty)]),
        integrality=np.concatenate([np.ones(n), np.zeros(n_classes)]),
        bounds=Bounds(0.0, np.concatenate([np.ones(n), np.full(n_classes, np.inf)])),
        constraints=LinearConstraint(rows, lower, upper),
        options={"mip_rel_gap": 0.0, "node_limit": _NODES},
    )
    batches = [np.sort(np.argsort(-share, kind="stable")[:budget])]
    if found.x is not None:
        batches.append(np.flatnonzero(found.x[:n] > 0.5))

    def objective(batch: IntArray) -> float:
        deviation = np.abs(target - p[batch].sum(axis=0)).sum()
        return float(penalty * deviation - values[batch].sum())

    return min(reversed(batches), key=objective)
