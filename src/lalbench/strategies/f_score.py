"""Smallest decision value: uncertainty sampling for SVMs (Bakker et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lalbench.strategies.base import FloatArray, LearningState, Need
from lalbench.strategies.ties import Ranked


@dataclass(frozen=True)
class FScore(Ranked):
    r"""The smallest absolute decision value; of more than two classes that of any of them.

    Rule:
        $\arg\min_i \min_c \vert f_c(x_i) \vert$, one $f$ for two classes, one-vs-rest for more

    Cost:
        $O(nK)$

    Source:
        S. Tong and D. Koller, *Support Vector Machine Active Learning with Applications to Text
        Classification*, 2001; for more classes T. Bakker, H. van Hoof and M. Welling, *Learning
        Objective-Specific Active Learning Strategies with Attentive Neural Processes*, 2023.

    Pitfalls:
        - With more than two classes it is no distance to a border: the values of scikit-learn's
          ``SVC`` are votes plus a fraction, and the smallest is that of the class without votes.
          Its rank correlation with the gap between the best two classes is -0.06 on wine and -0.10
          on digits.
        - On ten balanced classes it is no better than random sampling (MNIST: AUAC 7.484 against
          7.531; docs/reproduction-mnist.md).
        - A classifier without a decision function, such as a forest, is asked for the log-odds of
          its probabilities, whose few values make ties.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.DECISION})

    def scores(self, state: LearningState) -> FloatArray:
        """Minus the smallest absolute decision value."""
        distance = np.abs(state.decision)
        return -(distance if distance.ndim == 1 else distance.min(axis=1))
