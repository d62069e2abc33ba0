"""Random forests as plain arrays: grown by compiled code, or taken over from scikit-learn.

``RandomForest`` (:mod:`lalbench.classifiers.random_forest`) is the classifier, the oracle's engine
``grown`` refits it (:mod:`lalbench.oracle.grown`), and LAL keeps its regressor as one.
"""

from lalbench.forests.forest import Forest
from lalbench.forests.growing import Growth, grow

__all__ = ["Forest", "Growth", "grow"]
