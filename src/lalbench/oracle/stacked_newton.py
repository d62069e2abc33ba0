"""Damped Newton for stacks of independent two-class logistic regressions.

With rows x_i (a last column of ones carries the intercept), targets t_i = ±1, weights s_i and
penalties λ the objective of one problem is

    F(θ) = Σ_i s_i log(1 + exp(-t_i θ·x_i)) + ½ Σ_j λ_j θ_j².

Rows are stored halved: with z = θ·x/2 the derivative of the loss is ``s (tanh z - t)`` and its
curvature ``s (1 - tanh² z)``, one function that never overflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

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
    """

    rows: FloatArray
    targets: FloatArray
    weights: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: IntArray | BoolArray) -> Stack:
        """The problems at ``which``."""
        return Stack(self.rows[which], self.targets[which], self.weights[which])

    def decisions(self, theta: FloatArray) -> FloatArray:
        """(B, n) halved decision values z at (B, D) parameters."""
        found: FloatArray = (self.rows @ theta[:, :, None])[:, :, 0]
        return found

    def rounding(self) -> FloatArray:
        """(B, n) what rounding may leave of each row's part of the gradient."""
        norms = np.sqrt(np.einsum("bnd,bnd->bn", self.rows, self.rows))
        found: FloatArray = 16 * _EPSILON * 2 * self.weights * norms
        return found

    def tolerance(self) -> FloatArray:
        """(B,) norm of the gradient at which a problem has converged.

        1e-9, smaller where weights are small (weights that sum to 1 shrink the whole problem), but
        no less than what rounding leaves.
        """
        wanted = _TOLERANCE * np.minimum(1.0, self.weights.mean(axis=1))
        return np.maximum(wanted, self.rounding().sum(axis=1))


def hessian(stack: Stack, penalty: FloatArray, slopes: FloatArray) -> FloatArray:
    """(B, D, D) second derivatives of F where tanh z = ``slopes`` (B, n)."""
    curvature = stack.weights * (1 - slopes * slopes)
    found: FloatArray = (stack.rows * curvature[:, :, None]).transpose(0, 2, 1) @ stack.rows
    diagonal = np.arange(found.shape[1])
    # The intercept has no penalty; where every tanh rounds to ±1 its curvature would be 0.
    floor = _EPSILON * stack.weights.mean(axis=1, keepdims=True)
    found[:, diagonal, diagonal] += penalty + floor
    return found


def minimise(stack: Stack, penalty: FloatArray, start: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The minima of F: Newton steps, halved until the objective falls.

    Args:
        stack: B problems.
        penalty: (D,) λ, 0 for the intercept.
        start: (B, D) first parameters.

    Returns:
        θ (B, D) and which problems converged (B,), to :meth:`Stack.tolerance`.
    """
    theta, converged = start.copy(), np.zeros(len(stack), dtype=bool)
    where, active, bound = np.arange(len(stack)), stack, stack.tolerance() ** 2
    z = stack.decisions(theta)
    value = _value(stack, penalty, theta, z)
    for _ in range(_STEPS):
        slopes = np.tanh(z)
        gradient = _gradient(active, penalty, theta[where], slopes)
        small = np.einsum("bd,bd->b", gradient, gradient) <= bound[where]
        converged[where[small]] = True
        if small.all():
            break
        if 2 * small.sum() > len(small):  # copying rows pays once most problems are done
            keep = ~small
            where, active, z, value = where[keep], active.take(keep), z[keep], value[keep]
            slopes, gradient = slopes[keep], gradient[keep]
        try:
            step = np.linalg.solve(hessian(active, penalty, slopes), gradient[:, :, None])
        except np.linalg.LinAlgError:  # features so large that the penalty rounds away
            break
        theta[where], z, value = _descend(
            active, penalty, theta[where], value, step[:, :, 0], gradient
        )
    return theta, converged


def start_at_prior(stack: Stack) -> FloatArray:
    """(B, D) parameters 0 with the intercept at the log-odds of the weighted classes."""
    theta = np.zeros((len(stack), stack.rows.shape[2]))
    positive = (stack.weights * (stack.targets > 0)).sum(axis=1)
    negative = (stack.weights * (stack.targets < 0)).sum(axis=1)
    theta[:, -1] = np.log(positive / negative)
    return theta


def _gradient(
    stack: Stack, penalty: FloatArray, theta: FloatArray, slopes: FloatArray
) -> FloatArray:
    pull = stack.weights * (slopes - stack.targets)
    found: FloatArray = (pull[:, None, :] @ stack.rows)[:, 0] + penalty * theta
    return found


def _value(stack: Stack, penalty: FloatArray, theta: FloatArray, z: FloatArray) -> FloatArray:
    loss = stack.weights * (
        np.maximum(-2 * stack.targets * z, 0.0) + np.log1p(np.exp(-2 * np.abs(z)))
    )
    found: FloatArray = loss.sum(axis=1) + 0.5 * (theta * theta) @ penalty
    return found


def _descend(
    stack: Stack,
    penalty: FloatArray,
    theta: FloatArray,
    value: FloatArray,
    step: NDArray[Any],
    gradient: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """θ - step, halved per problem until F falls by 1e-4 of what its slope promises.

    Returns the new θ with its z and F.
    """
    promise = 1e-4 * np.einsum("bd,bd->b", step, gradient)
    length = np.ones(len(stack))
    for _ in range(_HALVINGS):
        trial = theta - length[:, None] * step
        z = stack.decisions(trial)
        found = _value(stack, penalty, trial, z)
        # close to the optimum the fall is smaller than the rounding of F and of z in it
        rounding = 16 * _EPSILON * (found + (stack.weights * np.abs(z)).sum(axis=1))
        rises = ~(found <= value + rounding - length * promise)
        if not rises.any():
            break
        length[rises] /= 2
    return trial, z, found
