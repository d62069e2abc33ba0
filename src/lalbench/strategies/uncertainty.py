"""Uncertainty sampling by entropy, margin and least confidence (Settles 2009, section 3.1).

For two classes the three give the same ranking. Scores keep their order where probabilities are
saturated: they are sums of small probabilities, never one minus a number close to one. That is
exact up to differences of 700 between logits; the entropies of a network come from its logits,
since ``log p`` of a probability that rounds to 1 is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lalbench.strategies.base import FloatArray, LearningState, Need
from lalbench.strategies.options import NonNegative
from lalbench.strategies.ties import Ranked

_PROBABILITIES = frozenset({Need.PROBABILITIES})


def entropies(probabilities: FloatArray, epsilon: float = 0.0) -> FloatArray:
    """``-Σ_c p_c log(p_c + epsilon)`` with natural logarithms; ``0 log 0`` is 0.

    Args:
        probabilities: (n, n_classes) float64, rows sum to 1.
        epsilon: added inside the logarithm; the NPAL authors' code has 1e-8.

    Returns:
        (n,) float64.
    """
    inside = np.where(probabilities > 0, probabilities, 1.0) + epsilon
    found: FloatArray = -(probabilities * np.log(inside)).sum(axis=1)
    return found


def logit_entropies(logits: NDArray[Any]) -> FloatArray:
    """(n,) float64 entropies in nats of the softmax of (n, K) logits.

    ``log(1 + S) - Σ_c p_c s_c`` with ``s_c = logit_c - max`` and ``S = Σ exp(s_c)`` over all but
    the largest, which has no term that rounding could drop.
    """
    shifted = np.sort(logits.astype(np.float64), axis=1)
    shifted -= shifted[:, -1:]
    below = np.exp(shifted[:, :-1])
    total = below.sum(axis=1)
    found: FloatArray = np.log1p(total) - (below * shifted[:, :-1]).sum(axis=1) / (1.0 + total)
    return found


def state_entropies(state: LearningState, epsilon: float = 0.0) -> FloatArray:
    """(n_pool,) :func:`entropies` of the pool, from the logits where there are any."""
    if state.signals is None or epsilon:
        return entropies(state.probabilities, epsilon)
    return logit_entropies(state.signals.logits)


def margins(probabilities: FloatArray) -> FloatArray:
    """(n,) float64 largest minus second largest probability."""
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def margin_scores(probabilities: FloatArray) -> FloatArray:
    """(n,) float64 one minus the margin, as the sum of all but the largest plus the second."""
    ordered = np.sort(probabilities, axis=1)
    found: FloatArray = ordered[:, :-1].sum(axis=1) + ordered[:, -2]
    return found


def least_confident_scores(probabilities: FloatArray) -> FloatArray:
    """(n,) float64 one minus the largest probability, as the sum of the others."""
    found: FloatArray = np.sort(probabilities, axis=1)[:, :-1].sum(axis=1)
    return found


@dataclass(frozen=True)
class Entropy(Ranked):
    r"""The largest entropy of the class probabilities.

    Attributes:
        epsilon: added inside the logarithm; 1e-8 in the NPAL authors' code.

    Rule:
        $\arg\max_i -\sum_c p_{ic} \log(p_{ic} + \varepsilon)$

    Cost:
        $O(nK)$

    Source:
        B. Settles, *Active Learning Literature Survey*, 2009, section 3.1.

    Pitfalls:
        - It goes on asking about a border that it believes in: on the 2 × 2 checkerboard it is far
          behind random sampling (AUAC 76.0 against 84.0 with a random forest, 45.5 against 50.3
          with a Gaussian process), and on banana (66.5 against 73.4; docs/lal-results.md).
        - With two classes it ranks as ``margin`` and ``least_confident`` do; a study of all three
          compares one strategy with itself.
        - Points are ranked one by one, so near-copies of an uncertain point fill a batch.
    """

    epsilon: NonNegative = 0.0
    needs: ClassVar[frozenset[Need]] = _PROBABILITIES

    def scores(self, state: LearningState) -> FloatArray:
        """Entropies in nats."""
        return state_entropies(state, self.epsilon)


@dataclass(frozen=True)
class Margin(Ranked):
    r"""The smallest difference between the two largest class probabilities.

    Rule:
        $\arg\min_i p_{i(1)} - p_{i(2)}$

    Cost:
        $O(nK \log K)$

    Source:
        T. Scheffer, C. Decomain and S. Wrobel, *Active Hidden Markov Models for Information
        Extraction*, 2001.

    Pitfalls:
        - Behind random sampling where classes have several borders, as ``entropy``, with which it
          agrees for two classes.
        - A forest of 50 pure trees knows at most 26 margins between two classes, so that ``ties``
          decide many picks.
        - A classifier without probabilities (an SVM) is asked through a surrogate that keeps the
          order of its decision values and is not calibrated.
    """

    needs: ClassVar[frozenset[Need]] = _PROBABILITIES

    def scores(self, state: LearningState) -> FloatArray:
        """One minus the margin."""
        return margin_scores(state.probabilities)


@dataclass(frozen=True)
class LeastConfident(Ranked):
    r"""The smallest probability of the likeliest class.

    Rule:
        $\arg\min_i p_{i(1)}$

    Cost:
        $O(nK \log K)$

    Source:
        D. D. Lewis and W. A. Gale, *A Sequential Algorithm for Training Text Classifiers*, 1994.

    Pitfalls:
        - It does not see how the rest is spread: with $p = (0.5, 0.5, 0)$ and
          $p = (0.5, 0.25, 0.25)$ two points are equal, though one lies on a border.
        - Class weights count only through the fitted classifier. On mushrooms, imbalanced and
          weighted, uncertainty sampling is behind random sampling (AUAC 8.180 against 8.261 for
          logistic regression; docs/reproduction.md).
        - Behind random sampling where classes have several borders, as ``entropy``, with which it
          agrees for two classes.
    """

    needs: ClassVar[frozenset[Need]] = _PROBABILITIES

    def scores(self, state: LearningState) -> FloatArray:
        """One minus the largest probability."""
        return least_confident_scores(state.probabilities)
