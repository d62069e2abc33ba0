"""The toy study of uncertainty sampling: what a label is worth, by the predicted probability.

Konyushkova, Sznitman and Fua (2017), figure 1: with two Gaussian clouds of equal size and one
labelled point of each, a point that the classifier cannot place helps most; with clouds of unequal
size another one does. Uncertainty sampling is thus no general rule, which is why LAL learns one.

Distance of the clouds and penalty of the regression in the paper are not known. Chosen here:

- ``distance`` 4: the best accuracy is 0.977 for equal clouds. Where clouds overlap more, three
  points tell little about the boundary and the curve has no clear maximum.
- ``C`` 10: any two points can be separated, so without a penalty there is no fit at all. With C = 1
  the penalty leaves three labels to the intercept, which is not penalised: most labels then do harm
  because they make two against one, whatever they say about the boundary.

The accuracy is that on test points with the class sizes of the pool. Clouds of equal size mirror
each other, and so must the curve. A classifier of one point of each class knows nothing of unequal
sizes, while the accuracy counts the errors in the larger cloud more: nothing then distinguishes the
probability 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench import classifiers, oracle
from lalbench.compute import using
from lalbench.data.gaussian_clouds import isotropic_gaussian_clouds
from lalbench.errors import UserError
from lalbench.learners.lal.collection import first_points
from lalbench.objectives import Scorer
from lalbench.seeds import Streams

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class BinnedImprovement:
    """Mean improvements of the accuracy in bins of the predicted probability of class 0.

    Attributes:
        edges: (B + 1,) float64 of the bins, from 0 to 1.
        means: (B,) float64 accuracy after minus accuracy before, over all points of all
            experiments; NaN for a bin without points.
        covariance: (B, B) float64 of the means. Points of an experiment share their classifier, so
            the experiments count as the independent ones; NaN for a bin without points.
        counts: (B,) int64 points.
    """

    edges: FloatArray
    means: FloatArray
    covariance: FloatArray
    counts: IntArray

    @property
    def centres(self) -> FloatArray:
        """(B,) middle of every bin."""
        middles: FloatArray = (self.edges[1:] + self.edges[:-1]) / 2
        return middles

    @property
    def errors(self) -> FloatArray:
        """(B,) standard errors of the means."""
        roots: FloatArray = np.sqrt(np.diag(self.covariance))
        return roots

    @property
    def peak(self) -> float:
        """Middle of the bin with the largest mean."""
        return float(self.centres[np.nanargmax(self.means)])


def improvement_by_probability(
    share: float = 0.5,
    n_experiments: int = 10_000,
    seed: int = 0,
    *,
    bins: int = 20,
    n: int = 400,
    n_test: int = 4000,
    distance: float = 4.0,
    C: float = 10.0,
) -> BinnedImprovement:
    """Tries, in every experiment, the labels of all points but one annotated point per class.

    An experiment draws its own clouds, annotates a random point of each class, fits logistic
    regression, and refits it once for every other point. 10,000 experiments of 400 points take
    about a minute on one core.

    Args:
        share: of class 1, in the pool and in the test set; 1/3: class 0 is twice as large.
        n_experiments: 2 or more.
        seed: of all random numbers.
        bins: of equal width.
        n: points of a pool, the annotated ones included.
        n_test: points on which the accuracy is measured.
        distance: of the two means, in standard deviations.
        C: inverse strength of the penalty of the regression.

    Raises:
        UserError: fewer than two experiments, no bins, or a ``C`` that is not positive.
        ValueError: fewer than three points, or a share outside (0, 1).
    """
    if n_experiments < 2 or bins < 1:
        raise UserError(
            "n_experiments, bins", f"{n_experiments}, {bins}", "give at least 2 and at least 1"
        )
    if n < 3:
        raise ValueError(f"n {n} leaves no point beside the two annotated ones")
    rng = Streams(seed, 0).generator("data", name="lal toy study")
    classifier = classifiers.get("logistic_regression", C=C)
    sums = np.zeros((n_experiments, bins))
    counts = np.zeros((n_experiments, bins), dtype=np.int64)
    # tables on disk would cost more than the refits
    with using(cache=None):
        for number in range(n_experiments):
            clouds = isotropic_gaussian_clouds(rng, n, n_test, share, distance)
            probabilities, improvements = experiment(classifier, *clouds, rng)
            # a probability of exactly 1 belongs to the last bin
            places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
            sums[number] = np.bincount(places, improvements, bins)
            counts[number] = np.bincount(places, minlength=bins)
    return _pooled(sums, counts)


def experiment(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    X_test: FloatArray,
    y_test: IntArray,
    rng: Generator,
) -> tuple[FloatArray, FloatArray]:
    """What every label would bring beside one annotated point of each class.

    Args:
        classifier: unfitted.
        X: (n, d) float64 points.
        y: (n,) int64 their labels, 0 and 1.
        X_test: (n_test, d) float64 points on which the accuracy is measured.
        y_test: (n_test,) int64 their labels.
        rng: draws the annotated points.

    Returns:
        (n - 2,) float64 predicted probability of class 0 before, and (n - 2,) float64 accuracy
        after minus accuracy before, in the order of the points that are not annotated.
    """
    annotated = first_points(y, rng)
    mask = np.zeros((1, len(y)), dtype=bool)
    mask[0, annotated] = True
    fitted = classifiers.clone(classifier).fit(X[annotated], y[annotated])
    scorer = Scorer(X_test, y_test, np.ones(2), "weighted_accuracy")  # equal weights: accuracy
    refits = oracle.refit_scores(classifier, X, y, mask, scorer)
    others = ~mask[0]
    return fitted.predict_proba(X[others])[:, 0], refits.improvements[0, others]


def _pooled(sums: FloatArray, counts: IntArray) -> BinnedImprovement:
    """From (n_experiments, B) sums and counts: means as ratios, their errors by experiment."""
    total = counts.sum(axis=0)
    size = np.where(total > 0, total, np.nan)
    means = sums.sum(axis=0) / size
    residuals = (sums - means * counts) / size
    n = len(sums)
    return BinnedImprovement(
        np.linspace(0.0, 1.0, len(total) + 1),
        means,
        residuals.T @ residuals * (n / (n - 1)),
        total,
    )
