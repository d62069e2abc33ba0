"""The training loss."""

from __future__ import annotations

import math

from torch import Tensor


def gaussian_loss(
    mu: Tensor, sigma: Tensor, improvements: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Negative log-likelihood of a Gaussian, in nats (a scalar).

    All problems of a batch have equally many targets, so the mean over all entries is the mean over
    the targets of a problem and then over problems.

    Args:
        mu, sigma, improvements: of equal shapes.
        weights: of the entries, with sum 1; None weighs all alike.
    """
    residual = (improvements - mu) / sigma
    terms = 0.5 * residual.square() + sigma.log() + 0.5 * math.log(2 * math.pi)
    return terms.mean() if weights is None else (weights * terms).sum()
