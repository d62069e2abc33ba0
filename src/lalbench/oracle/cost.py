"""What refits cost before anything was measured: declared seconds, right to an order of magnitude.

They are those of one core of a server of 2023, for tens of features and a few hundred evaluation
points. ``python -m lalbench plan`` shows them apart from what earlier runs measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lalbench.oracle import choose_engine

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

SECONDS_PER_REFIT: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "logistic": (8e-6, 2e-8),
        "svm": (2e-5, 5e-6),
        "forest": (6e-4, 1e-6),  # of one tree; a candidate changes 1 - 1/e of them
        "compiled_forest": (1e-5, 5e-7),  # of one tree
        "reference": (1.5e-3, 5e-6),
    }
)
"""By engine: seconds of one refit, and what every annotated row adds."""


def cost(
    classifier: Any,
    scorer: AnyScorer,
    n_annotated: int,
    n_candidates: int,
    *,
    n_subsets: int = 1,
    engine: str = "auto",
) -> float:
    """Declared seconds, on one core, of the improvements of ``n_candidates`` candidates.

    Args:
        classifier: a name or a classifier.
        scorer: objective with the number of classes; its evaluation points do not count.
        n_annotated: annotated rows of a subset.
        n_candidates: candidates of a subset.
        n_subsets: subsets of that size.
        engine: as in :func:`lalbench.oracle.improvements`.
    """
    chosen = choose_engine(classifier, scorer) if engine == "auto" else engine
    n_trees = getattr(classifier, "n_estimators", None)
    if isinstance(n_trees, int) and chosen == "reference":
        chosen = "forest"  # trees cost the same in a reference refit
    once, per_row = SECONDS_PER_REFIT[chosen]
    seconds = once + per_row * n_annotated
    if isinstance(n_trees, int):
        seconds *= n_trees
    return n_subsets * (1 + n_candidates) * seconds
