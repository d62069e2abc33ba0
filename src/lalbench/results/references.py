"""Fits without active learning: what the same labels give when nobody chooses any.

A learned strategy reads a reward set of labels that no other strategy has. The honest comparison
stands beside the tables: one fit on annotated and reward set together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lalbench.config import ClassifierSpec

if TYPE_CHECKING:
    from lalbench.problems import Problem

LARGEST_FIT = 20_000
"""More labels than this are not fitted at once: a kernel machine would take hours."""


def reference_rows(
    problem: Problem, classifier: ClassifierSpec, *, study: str
) -> list[dict[str, Any]]:
    """Rows of kind ``references`` (:data:`lalbench.records.COLUMNS`) for one problem.

    Lines: ``annotated``, ``annotated_reward`` (left out where there is no reward set) and
    ``all_labels`` (annotated and pool; left out above ``LARGEST_FIT`` labels). Every fit has the
    classifier seed, the options and the fit weights of the trials, and is scored on the test set
    like them.
    """
    lines = {
        "annotated": problem.annotated,
        "annotated_reward": np.concatenate([problem.annotated, problem.reward]),
        "all_labels": np.concatenate([problem.annotated, problem.pool]),
    }
    if not len(problem.reward):
        del lines["annotated_reward"]
    key = {
        "study": study,
        "protocol": problem.protocol,
        "dataset": problem.dataset,
        "setting": problem.setting,
        "classifier": classifier.label,
        "data_seed": problem.data_seed,
        "seed": problem.seed,
    }
    facts = {
        "shared_rows": problem.n_shared_rows,
        "warnings": "; ".join(problem.warnings),
        "split_hash": problem.split_hash,
    }
    return [
        key | {"strategy": line, "n_labels": len(rows)} | _scores(problem, classifier, rows) | facts
        for line, rows in lines.items()
        if len(rows) <= LARGEST_FIT
    ]


def _scores(problem: Problem, spec: ClassifierSpec, rows: Any) -> dict[str, Any]:
    from lalbench import classifiers
    from lalbench.objectives import Scorer, metrics
    from lalbench.records import METRICS
    from lalbench.seeds import Streams

    seed = Streams(problem.data_seed, problem.seed, problem.study_seed).integer("model")
    classifier = classifiers.for_problem(spec, problem, seed)
    inputs = classifiers.inputs(classifier, problem)
    fitted = classifiers.fit(classifier, inputs[rows], problem.y[rows], problem.fit_weights)
    weights, X, y = problem.class_weights, inputs[problem.test], problem.y_test
    if classifiers.takes_images(fitted):
        fitted = classifiers.Answers(fitted, X, problem.n_classes)
    probabilities = None
    if hasattr(fitted, "predict_proba"):
        probabilities = classifiers.probabilities(fitted, X, problem.n_classes)
    found: dict[str, Any] = metrics(
        y, fitted.predict(X), probabilities, weights, problem.rare_class
    )
    found["objective"] = float(Scorer(X, y, weights, problem.objective)(fitted))
    return {name: found[name] for name in METRICS}
