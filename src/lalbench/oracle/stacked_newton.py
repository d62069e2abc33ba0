"""Damped Newton for stacks of independent two-class logistic regressions.

With rows x_i (a last column of ones carries the intercept), targets t_i = ±1, weights s_i and
penalties λ the objective of one problem is

    F(θ) = Σ_i s_i log(1 + exp(-t_i θ·x_i)) + ½ Σ_j λ_j θ_j².

Rows are stored halved: with z = θ·x/2 the derivative of the loss is ``s (tanh z - t)`` and its
curvature ``s (1 - tanh² z)``, one function that never overflows. All arrays may be NumPy's or
torch's tensors on any device, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_EPSILON = float(np.finfo(np.float64).eps)
_TOLERANCE = 1e-9
_STEPS = 200
_HALVINGS = 40


@dataclass(frozen=True)
class Stack:
    """B problems of n rows each in D coordinates.

    Attributes:
        rows: (B, n, D) halved rows; the last coordinate is the intercept's ½.
        targets: (B, n) -1.0 or +1.0.
        weights: (B, n) sample weights, ≥ 0.
        xp: ``numpy`` or ``torch``, what the arrays are of.
    """

    rows: Any
    targets: Any
    weights: Any
    xp: Any = np

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: Any) -> Stack:
        """The problems at ``which``."""
        return Stack(self.rows[which], self.targets[which], self.weights[which], self.xp)

    def decisions(self, theta: Any) -> Any:
        """(B, n) halved decision values z at (B, D) parameters."""
        return (self.rows @ theta[:, :, None])[:, :, 0]

    def rounding(self) -> Any:
        """(B, n) what rounding may leave of each row's part of the gradient."""
        norms = self.xp.sqrt(self.xp.einsum("bnd,bnd->bn", self.rows, self.rows))
        return 16 * _EPSILON * 2 * self.weights * norms

    def tolerance(self) -> Any:
        """(B,) norm of the gradient at which a problem has converged.

        1e-9, smaller where weights are small (weights that sum to 1 shrink the whole problem), but
        no less than what rounding leaves.
        """
        wanted = _TOLERANCE * self.weights.mean(axis=1).clip(max=1.0)
        return self.xp.maximum(wanted, self.rounding().sum(axis=1))


def hessian(stack: Stack, penalty: Any, slopes: Any) -> Any:
    """(B, D, D) second derivatives of F where tanh z = ``slopes`` (B, n)."""
    curvature = stack.weights * (1 - slopes * slopes)
    found = (stack.rows * curvature[:, :, None]).swapaxes(1, 2) @ stack.rows
    diagonal = stack.xp.arange(found.shape[1], device=found.device)
    # The intercept has no penalty; where every tanh rounds to ±1 its curvature would be 0.
    floor = _EPSILON * stack.weights.mean(axis=1)
    found[:, diagonal, diagonal] += penalty + floor[:, None]
    return found


def minimise(stack: Stack, penalty: Any, start: Any) -> tuple[Any, Any]:
    """The minima of F: Newton steps, halved until the objective falls.

    Args:
        stack: B problems.
        penalty: (D,) λ, 0 for the intercept.
        start: (B, D) first parameters.

    Returns:
        θ (B, D) and which problems converged (B,) bool, to :meth:`Stack.tolerance`.
    """
    xp = stack.xp
    where = xp.arange(len(stack), device=start.device)
    theta, converged = start + 0.0, where < 0
    active, bound = stack, stack.tolerance() ** 2
    z = stack.decisions(theta)
    value = _value(stack, penalty, theta, z)
    for _ in range(_STEPS):
        slopes = xp.tanh(z)
        gradient = _gradient(active, penalty, theta[where], slopes)
        small = xp.einsum("bd,bd->b", gradient, gradient) <= bound[where]
        converged[where[small]] = True
        if small.all():
            break
        if 2 * small.sum() > len(small):  # copying rows pays once most problems are done
            keep = ~small
            where, active, z, value = where[keep], active.take(keep), z[keep], value[keep]
            slopes, gradient = slopes[keep], gradient[keep]
        try:
            step = xp.linalg.solve(hessian(active, penalty, slopes), gradient[:, :, None])
        except xp.linalg.LinAlgError:  # features so large that the penalty rounds away
            break
        theta[where], z, value = _descend(
            active, penalty, theta[where], value, step[:, :, 0], gradient
        )
    return theta, converged


def start_at_prior(stack: Stack) -> Any:
    """(B, D) parameters 0 with the intercept at the log-odds of the weighted classes."""
    theta = 0.0 * stack.rows[:, 0]
    positive = (stack.weights * (stack.targets > 0)).sum(axis=1)
    negative = (stack.weights * (stack.targets < 0)).sum(axis=1)
    theta[:, -1] = stack.xp.log(positive / negative)
    return theta


def _gradient(stack: Stack, penalty: Any, theta: Any, slopes: Any) -> Any:
    pull = stack.weights * (slopes - stack.targets)
    return (pull[:, None, :] @ stack.rows)[:, 0] + penalty * theta


def _value(stack: Stack, penalty: Any, theta: Any, z: Any) -> Any:
    xp = stack.xp
    rest = xp.log1p(xp.exp(-2 * xp.abs(z)))
    loss = stack.weights * ((-2 * stack.targets * z).clip(min=0.0) + rest)
    return loss.sum(axis=1) + 0.5 * (theta * theta) @ penalty


def _descend(
    stack: Stack, penalty: Any, theta: Any, value: Any, step: Any, gradient: Any
) -> tuple[Any, Any, Any]:
    """θ - step, halved per problem until F falls by 1e-4 of what its slope promises.

    Returns the new θ with its z and F.
    """
    xp = stack.xp
    promise = 1e-4 * xp.einsum("bd,bd->b", step, gradient)
    length = xp.ones_like(promise)
    for _ in range(_HALVINGS):
        trial = theta - length[:, None] * step
        z = stack.decisions(trial)
        found = _value(stack, penalty, trial, z)
        # close to the optimum the fall is smaller than the rounding of F and of z in it
        rounding = 16 * _EPSILON * (found + (stack.weights * xp.abs(z)).sum(axis=1))
        rises = ~(found <= value + rounding - length * promise)
        if not rises.any():
            break
        length[rises] /= 2
    return trial, z, found
