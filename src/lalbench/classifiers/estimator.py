"""What the package's own classifiers share: scikit-learn's conventions, without importing it."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError, suggest

FloatArray = NDArray[np.float64]


class Classifier:
    """A base whose options are the arguments of the constructor, kept under their names.

    ``sklearn.base.clone``, pipelines and searches of scikit-learn take it.
    """

    _estimator_type = "classifier"
    _parameters: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._parameters = tuple(inspect.signature(cls).parameters)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(n,) labels."""
        raise NotImplementedError

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy, as scikit-learn's tools expect it of a classifier."""
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        return float(np.average(self.predict(X) == np.asarray(y), weights=weights))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor (scikit-learn's convention)."""
        return {name: getattr(self, name) for name in self._parameters}

    def set_params(self, **params: Any) -> Self:
        """Changes arguments of the constructor; raises :class:`UserError` for an unknown one."""
        for name, value in params.items():
            if name not in self._parameters:
                title = type(self).__name__
                raise UserError(
                    name, f'{title} has no option "{name}"', suggest(name, self._parameters)
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({options})"

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self.get_params())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classes_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
        )


def check_rows(
    X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[FloatArray, NDArray[Any], FloatArray]:
    """(n, d) features, (n,) labels and (n,) weights; raises :class:`UserError` unless they fit."""
    rows, labels = matrix(X), np.asarray(y)
    if labels.shape != (len(rows),):
        raise UserError("y", f"shape {labels.shape} for {len(rows)} rows", "give one label per row")
    if not np.isfinite(rows).all():
        raise UserError("X", "a feature is missing or infinite", "fill or drop such rows")
    if sample_weight is None:
        return rows, labels, np.ones(len(rows))
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != labels.shape:
        raise UserError(
            "sample_weight", f"shape {weights.shape} for {len(rows)} rows", "give one per row"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UserError("sample_weight", "a weight is negative or not finite", "give weights ≥ 0")
    return rows, labels, weights


def matrix(X: ArrayLike, n_features: int | None = None) -> FloatArray:
    """(n, d) float64 in C order; raises :class:`UserError` for another shape."""
    rows = np.ascontiguousarray(X, dtype=np.float64)
    if rows.ndim != 2 or (n_features is not None and rows.shape[1] != n_features):
        expected = "(n, d)" if n_features is None else f"(n, {n_features})"
        raise UserError("X", f"features of shape {rows.shape}", f"give a matrix {expected}")
    return rows
