"""The myopic oracle: how much an objective improves when one candidate's label is added.

Algorithm 2 of Bakker, van Hoof and Welling (2023): refit the classifier with each candidate added
in turn and score it on the evaluation set of the scorer. Three engines give the same improvements:

- ``logistic``: all candidates of L2-penalised logistic regression together, each at the exact
  optimum (:mod:`lalbench.oracle.logistic`);
- ``svm``: the same for scikit-learn's ``SVC`` (:mod:`lalbench.oracle.svm`);
- ``reference``: a clone of any classifier per candidate (:mod:`lalbench.oracle.reference`).

Forests draw their rows at random. For them there are refits that share their random numbers, so
that a candidate changes only what it must:

- ``forest``: of scikit-learn's forests (:mod:`lalbench.oracle.forest`);
- ``compiled_forest``: of the package's own (:mod:`lalbench.oracle.compiled_forest`).

Memory, processes, device and the folder of finished tables (:mod:`lalbench.oracle.tables`) are
those of :func:`lalbench.compute.current`.

Rows of one class cannot be fitted. The classifier of such rows is the one that always predicts that
class, for every engine; rows of weight 0 do not count.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.compute import current
from lalbench.errors import NotConvergedError, UserError, suggest
from lalbench.oracle import tables

if TYPE_CHECKING:
    from lalbench.objectives import AnyScorer

Engine = Literal["logistic", "svm", "forest", "compiled_forest", "reference"]

logger = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ENGINES = ("auto", *get_args(Engine))

__all__ = ["Refits", "check_engine", "choose_engine", "improvements", "refit_scores"]


@dataclass(frozen=True)
class Refits:
    """Scores of S annotated subsets of the same n rows, and of each with one more row.

    Attributes:
        base_scores: (S,) float64.
        scores: (S, n) float64 after adding the row; NaN for annotated rows.
        engine: what computed them.
    """

    base_scores: FloatArray
    scores: FloatArray
    engine: Engine

    @property
    def improvements(self) -> FloatArray:
        """(S, n) float64 score after minus score before; NaN for annotated rows."""
        return self.scores - self.base_scores[:, None]


def improvements(
    classifier: Any,
    X_annotated: ArrayLike,
    y_annotated: ArrayLike,
    X_candidates: ArrayLike,
    y_candidates: ArrayLike,
    scorer: AnyScorer,
    *,
    sample_weight: ArrayLike | None = None,
    engine: str = "auto",
) -> FloatArray:
    """The improvement of the objective by each candidate (Bakker et al. 2023, algorithm 2).

    Args:
        classifier: a name of :func:`lalbench.classifiers.names`, or a classifier (left unfitted).
        X_annotated: (n_annotated, d) features.
        y_annotated: (n_annotated,) integer labels 0 … n_classes - 1.
        X_candidates: (n_candidates, d) features.
        y_candidates: (n_candidates,) their true labels.
        scorer: objective on the evaluation points.
        sample_weight: (n_annotated + n_candidates,) weights in training, annotated rows first; or
            (n_annotated,) with one value per class, which candidates of that class then have too.
        engine: ``"auto"`` (:func:`choose_engine`), ``"logistic"``, ``"svm"``, ``"forest"``,
            ``"compiled_forest"`` or ``"reference"``.

    Returns:
        (n_candidates,) float64. Candidates with the same predictions get bit-identical values.

    Raises:
        UserError: arrays that do not fit together, an unknown engine, or one that does not apply.
        NotConvergedError: a fast engine could not reach an optimum (unscaled features). Of an SVM
            only if the engine is named; ``"auto"`` goes on with ``"reference"``, and logs that.
    """
    first, second = np.asarray(X_annotated, np.float64), np.asarray(X_candidates, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise UserError(
            "X_candidates",
            f"shape {second.shape} beside annotated rows of shape {first.shape}",
            "give matrices (n, d) with the same features",
        )
    y_first, y_second = np.asarray(y_annotated), np.asarray(y_candidates)
    if not y_second.size:  # an empty list has no integer type
        y_second = y_second.astype(np.int64)
    for key, labels, rows in (
        ("y_annotated", y_first, first),
        ("y_candidates", y_second, second),
    ):
        if labels.shape != (len(rows),):
            raise UserError(
                key, f"shape {labels.shape} for {len(rows)} rows", "give one integer label per row"
            )
    y = np.concatenate([y_first, y_second])
    mask = np.zeros((1, len(y)), dtype=bool)
    mask[0, : len(first)] = True
    weights = None if sample_weight is None else _expand_weights(sample_weight, y_first, y_second)
    found = refit_scores(
        classifier,
        np.concatenate([first, second]),
        y,
        mask,
        scorer,
        sample_weight=weights,
        engine=engine,
    )
    return found.improvements[0, len(first) :]


def refit_scores(
    classifier: Any,
    X: ArrayLike,
    y: ArrayLike,
    masks: ArrayLike,
    scorer: AnyScorer,
    *,
    sample_weight: ArrayLike | None = None,
    engine: str = "auto",
) -> Refits:
    """Scores of annotated subsets of the same rows, and of each with one more row.

    Args:
        classifier: a name or a classifier.
        X: (n, d) features.
        y: (n,) integer labels 0 … n_classes - 1.
        masks: (S, n) bool, the annotated rows of each subset; the others are its candidates.
        scorer: objective on the evaluation points.
        sample_weight: (n,) weights in training.
        engine: as in :func:`improvements`.

    Raises:
        UserError, NotConvergedError: as in :func:`improvements`.
    """
    rows, labels, subsets, weights = _check(X, y, masks, scorer, sample_weight)
    if isinstance(classifier, str):
        from lalbench import classifiers

        classifier = classifiers.get(classifier)
    check_engine(engine, classifier, scorer)
    chosen = choose_engine(classifier, scorer) if engine == "auto" else engine
    module = _module(chosen)
    arrays = (rows, labels, subsets, weights)
    folder = current().cache
    path = folder and tables.table_file(folder, chosen, classifier, arrays, scorer)
    table = tables.load(path) if path else None
    if table is None:
        try:
            table = module.score_refits(classifier, rows, labels, subsets, scorer, weights)
        except NotConvergedError as error:
            if engine != "auto" or chosen != "svm":
                raise
            # SVC gives an answer even there: it stops where it makes no progress
            logger.warning("%s. Refitting one by one with scikit-learn instead.", error)
            return refit_scores(
                classifier, X, y, masks, scorer, sample_weight=sample_weight, engine="reference"
            )
        if path:
            tables.save(path, table)
    return Refits(table[0], table[1], chosen)  # type: ignore[arg-type]


def check_engine(engine: str, classifier: Any, scorer: AnyScorer) -> None:
    """Raises :class:`UserError` for an unknown engine, or one that does not apply."""
    if engine not in ENGINES:
        raise UserError("engine", f'unknown engine "{engine}"', suggest(engine, ENGINES))
    if engine in ("auto", "reference"):
        return
    module = _module(engine)
    if not module.applies(classifier, scorer):
        raise UserError(
            "engine",
            f'"{engine}" with {type(classifier).__name__} and {scorer.n_classes} classes',
            f'{module.APPLIES_TO}; use "auto"',
        )


def choose_engine(classifier: Any, scorer: AnyScorer) -> Engine:
    """The engine that ``"auto"`` takes: the fast one that applies, else ``"reference"``.

    Args:
        classifier: a name or a classifier.
        scorer: objective with the number of classes.
    """
    if isinstance(classifier, str):
        from lalbench import classifiers

        classifier = classifiers.get(classifier)
    for engine in get_args(Engine):
        if engine != "reference" and _module(engine).applies(classifier, scorer):
            found: Engine = engine
            return found
    return "reference"


def _module(engine: str) -> Any:
    # imported only where used, and by name, so that their code counts for the stages (codehash)
    from lalbench.oracle import compiled_forest, forest, logistic, reference, svm

    known = {
        "logistic": logistic,
        "svm": svm,
        "forest": forest,
        "compiled_forest": compiled_forest,
        "reference": reference,
    }
    return known[engine]


def _expand_weights(sample_weight: ArrayLike, y: IntArray, y_candidates: IntArray) -> FloatArray:
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape == (len(y) + len(y_candidates),):
        return weights
    remedy = "give one weight per annotated row and candidate"
    if weights.shape != (len(y),):
        raise UserError(
            "sample_weight",
            f"shape {weights.shape} for {len(y)} annotated rows and {len(y_candidates)} candidates",
            remedy,
        )
    by_class: dict[int, float] = {}
    for label, weight in zip(y.tolist(), weights.tolist(), strict=True):
        if by_class.setdefault(label, weight) != weight:
            raise UserError("sample_weight", f"different weights in class {label}", remedy)
    unknown = sorted(set(y_candidates.tolist()) - set(by_class))
    if unknown:
        raise UserError(
            "sample_weight", f"no annotated row tells the weight of class {unknown[0]}", remedy
        )
    return np.append(weights, [by_class[label] for label in y_candidates.tolist()])


def _check(
    X: ArrayLike, y: ArrayLike, masks: ArrayLike, scorer: AnyScorer, sample_weight: ArrayLike | None
) -> tuple[FloatArray, IntArray, BoolArray, FloatArray | None]:
    rows, labels = np.asarray(X, dtype=np.float64), np.asarray(y)
    subsets = np.atleast_2d(np.asarray(masks, dtype=bool))
    n = len(rows)
    if rows.ndim != 2 or scorer.X.ndim != 2 or rows.shape[1] != scorer.X.shape[1]:
        raise UserError(
            "X",
            f"shape {rows.shape} with evaluation points of shape {scorer.X.shape}",
            "give a matrix (n, d) with the same features",
        )
    if labels.shape != (n,) or (n and labels.dtype.kind not in "iub"):
        raise UserError(
            "y",
            f"labels of type {labels.dtype} and shape {labels.shape} for {n} rows",
            "give one integer label per row",
        )
    if n and not (labels.min() >= 0 and labels.max() < scorer.n_classes):
        raise UserError(
            "y",
            f"labels {labels.min()} … {labels.max()} with {scorer.n_classes} class weights",
            "give labels 0, 1, … and one class weight per class",
        )
    if subsets.shape[1] != n or not subsets.any(axis=1).all():
        raise UserError("masks", f"shape {subsets.shape} for {n} rows", "annotate at least one row")
    if not np.isfinite(rows).all():
        raise UserError("X", "a feature is missing or infinite", "fill or drop such rows")
    if not np.isfinite(scorer.X).all():
        raise UserError(
            "scorer",
            "a feature of an evaluation point is missing or infinite",
            "fill or drop such points",
        )
    weights = None if sample_weight is None else _check_weights(sample_weight, subsets)
    return rows, labels.astype(np.int64), subsets, weights


def _check_weights(sample_weight: ArrayLike, masks: BoolArray) -> FloatArray:
    weights = np.asarray(sample_weight, dtype=np.float64)
    shape = masks.shape[1:]
    if weights.shape != shape:
        raise UserError(
            "sample_weight", f"shape {weights.shape} for {shape[0]} rows", "give one per row"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UserError("sample_weight", "a weight is negative or not finite", "give weights ≥ 0")
    if not (masks & (weights > 0)).any(axis=1).all():
        raise UserError(
            "sample_weight", "no annotated row has a positive weight", "give weights above 0"
        )
    return weights
