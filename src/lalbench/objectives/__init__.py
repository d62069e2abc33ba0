"""What is to be improved: scores of (labels, predictions, class weights), larger is better.

>>> scorer = Scorer([[0.0], [1.0]], [0, 1], class_weights=[20 / 11, 2 / 11])
>>> round(scorer.score([0, 0]), 4)
0.9091
"""

from lalbench.objectives.expected_error import ExpectedErrorScorer
from lalbench.objectives.measures import Objective
from lalbench.objectives.metrics import metrics
from lalbench.objectives.panel import Panel
from lalbench.objectives.registry import check_classes, class_of, get, names, with_rare_class
from lalbench.objectives.scorer import Scorer
from lalbench.objectives.smooth import SmoothScorer

AnyScorer = Scorer | SmoothScorer | ExpectedErrorScorer | Panel
"""What scores the refits of an oracle."""

__all__ = [
    "AnyScorer",
    "ExpectedErrorScorer",
    "Objective",
    "Panel",
    "Scorer",
    "SmoothScorer",
    "check_classes",
    "class_of",
    "get",
    "metrics",
    "names",
    "with_rare_class",
]
