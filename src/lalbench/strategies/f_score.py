"""Smallest decision value: uncertainty sampling for SVMs (Bakker et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lalbench.strategies.base import FloatArray, LearningState, Need
from lalbench.strategies.ties import Ranked


@dataclass(frozen=True)
class FScore(Ranked):
    """``argmin |f(x)|``; for more classes the smallest ``|f_c(x)|`` over one-vs-rest columns c."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.DECISION})

    def scores(self, state: LearningState) -> FloatArray:
        """Minus the smallest absolute decision value."""
        distance = np.abs(state.decision)
        return -(distance if distance.ndim == 1 else distance.min(axis=1))
