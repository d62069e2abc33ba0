"""The task classifier of a problem, and what it takes: scaled features, or images for a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers import registry
from lalbench.classifiers.signals import probabilities

if TYPE_CHECKING:
    from lalbench.config import ClassifierSpec
    from lalbench.problems import Problem


def takes_images(classifier: Any) -> bool:
    """Whether a classifier is a network for images."""
    return bool(getattr(classifier, "takes_images", False))


def for_problem(classifier: str | ClassifierSpec | Any, problem: Problem, seed: int) -> Any:
    """The unfitted task classifier of a problem; a network standardises by the problem's pixels.

    Args:
        classifier: as :func:`lalbench.classifiers.get` takes it.
        problem: whose protocol and pixel statistics are in force.
        seed: ``random_state`` of the classifier.
    """
    found = registry.get(classifier, protocol=problem.protocol, seed=seed)
    if takes_images(found):
        found.set_params(pixel_mean=problem.pixel_mean, pixel_scale=problem.pixel_scale)
    return found


def inputs(classifier: Any, problem: Problem) -> Any:
    """What ``classifier`` takes of all rows of a problem.

    Returns:
        (n, d) float64 scaled features, or (n, H, W, C) images for a network.

    Raises:
        UserError: a network and a data set of features.
    """
    return problem.images if takes_images(classifier) else problem.X


class Answers:
    """What a fitted network says about fixed images, from one pass; asks like a classifier.

    Args:
        classifier: fitted.
        X: the images.
        n_classes: number of classes of the problem.
    """

    def __init__(self, classifier: Any, X: Any, n_classes: int) -> None:
        self.classes_ = np.arange(n_classes)
        self._probabilities = probabilities(classifier, X, n_classes)

    def predict_proba(self, _: Any) -> NDArray[np.float64]:
        """(n, n_classes) of the images given at first."""
        return self._probabilities

    def predict(self, _: Any) -> NDArray[np.int64]:
        """(n,) labels; the lowest of equally likely ones."""
        return self._probabilities.argmax(axis=1)
