"""Expected error of a classifier on unlabelled points, by its own probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.objectives.scorer import blockwise, check_probabilities, two_columns

if TYPE_CHECKING:
    from lalbench.objectives.measures import Needs

FloatArray = NDArray[np.float64]
Loss = Literal["zero_one", "log"]


class ExpectedErrorScorer:
    """Minus the error that a classifier expects of itself (Roy and McCallum 2001, eq. 4 and 5).

    ``zero_one``: ``mean max_c p(c|x) - 1``; ``log``: ``mean Σ_c p(c|x) log p(c|x)``, minus the
    entropy. Larger is better. Labels have no part in it.

    Args:
        X: (n, d) unlabelled points, n ≥ 1.
        n_classes: C.
        loss: which error.
        slope: of the sigmoid for margins, as of :class:`lalbench.objectives.SmoothScorer`.
    """

    def __init__(self, X: ArrayLike, n_classes: int, loss: Loss, slope: float = 1.0) -> None:
        self.X: FloatArray = np.asarray(X, dtype=np.float64)
        self.y: FloatArray = np.empty((len(self.X), 0))
        self.n_classes, self.loss, self.slope = n_classes, loss, float(slope)
        self.class_weights: FloatArray = np.ones(n_classes)
        self.shape: tuple[int, ...] = ()

    @property
    def needs(self) -> Needs:
        """Class probabilities."""
        return "probabilities"

    @property
    def description(self) -> list[Any]:
        """What the score depends on, beside :attr:`arrays`."""
        return ["expected_error", self.loss, self.slope]

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The points."""
        return (self.X,)

    def score(self, values: ArrayLike) -> Any:
        """A float for (n, C) probabilities, (m,) float64 for (m, n, C).

        Raises:
            ValueError: a wrong shape, or probabilities that are not finite or do not sum to 1.
        """
        given = np.asarray(values)
        check_probabilities(given)
        return blockwise(given, (len(self.X), self.n_classes), self._of)

    def score_decisions(self, decisions: ArrayLike) -> Any:
        """A float for two-class log-odds (n,), (m,) float64 for (m, n)."""
        given = np.asarray(decisions)
        return blockwise(given, (len(self.X),), lambda block: self._of(two_columns(block)))

    def __call__(self, classifier: Any) -> float:
        """The score of a fitted classifier; margins go through the sigmoid of :attr:`slope`."""
        from lalbench.classifiers.margins import soft_probabilities

        found = soft_probabilities(classifier, self.X, self.n_classes, self.slope)
        return float(self.score(found))

    def _of(self, p: NDArray[Any]) -> FloatArray:
        if self.loss == "zero_one":
            errors = p.max(axis=2) - 1
        else:
            errors = (p * np.log(np.maximum(p, np.finfo(np.float64).tiny))).sum(axis=2)
        found: FloatArray = errors.mean(axis=1)
        return found
