"""The exact engine for logistic regression: all refits of many subsets together.

Every refit is the optimum of ``Σ s_i logloss_i + ‖w‖² / (2C)``, to a norm of the gradient of 1e-9,
or so close to it that no prediction can differ from the optimum's. The subset itself is solved
first; its factorised Hessian then serves all of its candidates. Two classes:
:mod:`lalbench.oracle.logistic_binary`, more: :mod:`lalbench.oracle.logistic_multinomial`; on the
CPU or on a CUDA device: :mod:`lalbench.oracle.place`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers.logistic import LogisticRegression
from lalbench.oracle.place import place_for

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

APPLIES_TO = "it is for L2-penalised logistic regression, class_weight None or positive by label"


def applies(classifier: Any, scorer: AnyScorer) -> bool:
    """Whether the optimum of ``classifier`` is the one that this engine computes.

    That is the one of ``C · Σ s_i logloss_i + ‖w‖² / 2`` with a free intercept, or for two classes
    without one: our logistic regression with any solver (the oracle uses the optimum also where the
    classifier stops earlier, docs/protocols.md [12]), and scikit-learn's with its default penalty
    and class weights that are given by label: they multiply the weights of the rows. Labels without
    one weigh 1, also in subsets for which scikit-learn would ask for the labels that are missing.
    """
    if type(classifier) is LogisticRegression:
        return True
    # without scikit-learn loaded it cannot be one of its classifiers
    theirs = sys.modules.get("sklearn.linear_model")
    if theirs is None or type(classifier) is not theirs.LogisticRegression:
        return False
    options = classifier.get_params()
    return bool(
        options.get("penalty", "l2") in ("l2", "deprecated")
        and options.get("l1_ratio") in (None, 0, 0.0)
        and options.get("multi_class", "auto") in ("auto", "deprecated")
        and options["solver"] != "liblinear"  # it penalises the intercept
        and (options["fit_intercept"] or scorer.n_classes == 2)
        and _is_by_label(options["class_weight"], scorer.n_classes)
        and not options["dual"]
        and 0 < options["C"] < np.inf
    )


def _is_by_label(class_weight: Any, n_classes: int) -> bool:
    """Whether ``class_weight`` is None, or positive weights of labels 0 … n_classes - 1."""
    if class_weight is None:
        return True
    return isinstance(class_weight, dict) and all(
        label in range(n_classes) and 0 < weight < np.inf for label, weight in class_weight.items()
    )


def score_refits(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: AnyScorer,
    weights: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Scores of every annotated subset and of each of them with one more row.

    Args:
        classifier: one that :func:`applies`.
        X: (n, d) finite features.
        y: (n,) labels 0 … n_classes - 1.
        masks: (S, n) annotated rows of each subset; the others are its candidates.
        scorer: the objective.
        weights: (n,) sample weights, or None.

    Returns:
        (S,) scores of the subsets; (S, n) scores with the candidate added, NaN where ``masks``.

    Raises:
        NotConvergedError: an optimum was not reached.
        UserError: CUDA is asked for and absent.
    """
    known = np.ones(len(y)) if weights is None else weights
    by_label = getattr(classifier, "class_weight", None) or {}
    known = known * np.array([by_label.get(label, 1.0) for label in range(scorer.n_classes)])[y]
    intercept = getattr(classifier, "fit_intercept", True)
    place = place_for(len(masks) + int((~masks).sum()))
    if scorer.n_classes == 2:
        from lalbench.oracle.logistic_binary import BinaryRefits

        targets = np.where(y == 1, 1.0, -1.0)
        return BinaryRefits(
            X, targets, known, scorer, 1 / float(classifier.C), bool(intercept), place
        ).score(masks)
    from lalbench.oracle.logistic_multinomial import MultinomialRefits

    return MultinomialRefits(X, y, known, scorer, float(classifier.C), place).score(masks)
