"""Objectives by name, by specification or as the user's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lalbench.errors import UserError, suggest
from lalbench.objectives.binary import (
    ApproximateMedianSignificance,
    Dice,
    IntersectionOverUnion,
    RocAuc,
)
from lalbench.objectives.counts import Labels
from lalbench.objectives.measures import (
    BalancedAccuracy,
    CostMatrix,
    FBeta,
    LogLoss,
    MacroF1,
    Objective,
    RarePrecision,
    RareRecall,
    UserFunction,
    WeightedAccuracy,
)

if TYPE_CHECKING:
    from lalbench.config import ObjectiveSpec

_REGISTRY: Mapping[str, type[Objective]] = MappingProxyType(
    {
        "weighted_accuracy": WeightedAccuracy,
        "balanced_accuracy": BalancedAccuracy,
        "macro_f1": MacroF1,
        "rare_recall": RareRecall,
        "rare_precision": RarePrecision,
        "f_beta": FBeta,
        "cost_matrix": CostMatrix,
        "log_loss": LogLoss,
        "iou": IntersectionOverUnion,
        "dice": Dice,
        "ams": ApproximateMedianSignificance,
        "roc_auc": RocAuc,
    }
)


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return list(_REGISTRY)


def class_of(name: str) -> type[Objective]:
    """The class behind a name of :func:`names`."""
    return _REGISTRY[name]


def get(
    objective: str | ObjectiveSpec | Objective | Callable[..., Any] = "weighted_accuracy",
    rare_class: int | None = None,
    **options: Any,
) -> Objective:
    """The objective for a name, an import path, a specification or a function.

    Args:
        objective: a name of :func:`names`; ``"package.module:function"``; a specification with
            ``name``, ``function`` and ``options`` (a function there wins over the name); a function
            ``f(y_true, y_pred, class_weights) -> float``; or an objective.
        rare_class: class for the rare-class objectives whose options name none.
        **options: options of the objective, for example ``beta=1.0``; for a function its further
            keyword arguments. They replace those of a specification.

    Raises:
        UserError: with the key ``objective``: unknown name or option, or an import that fails.
    """
    if isinstance(objective, Objective):
        found = _with_options(objective, options)
    elif isinstance(objective, str):
        found = _from_path(objective, options) if ":" in objective else _named(objective, options)
    elif callable(objective):
        found = _from_function(objective, options)
    elif hasattr(objective, "function") and hasattr(objective, "options"):
        options = {**objective.options, **options}
        path = objective.function
        found = _named(objective.name, options) if path is None else _from_path(path, options)
    else:
        raise UserError(
            "objective",
            f"{objective!r} is no objective",
            f"give a function or one of {', '.join(_REGISTRY)}",
        )
    return with_rare_class(found, rare_class)


def check_classes(objective: Any, n_classes: int) -> None:
    """Raises :class:`UserError` for an objective (as of :func:`get`) that is not for so many."""
    labels, weights = Labels(np.arange(n_classes), n_classes), np.ones(n_classes)
    with_rare_class(get(objective), 0).check(labels, weights)


def with_rare_class(objective: Objective, rare_class: int | None) -> Objective:
    """The objective with ``rare_class`` filled in where it has that option and none was given."""
    if rare_class is not None and getattr(objective, "rare_class", rare_class) is None:
        return _with_options(objective, {"rare_class": rare_class})
    return objective


def _named(name: str, options: Mapping[str, Any]) -> Objective:
    if name not in _REGISTRY:
        raise UserError("objective", f'unknown objective "{name}"', suggest(name, _REGISTRY))
    _check_options(name, _REGISTRY[name], options)
    if name == "cost_matrix" and "matrix" not in options:
        raise UserError(
            "objective",
            "cost_matrix without its matrix",
            "add options: {matrix: [[0, 1], [10, 0]]} (rows: true class)",
        )
    return _REGISTRY[name](**options)


def _with_options(objective: Objective, options: Mapping[str, Any]) -> Objective:
    if not options:
        return objective
    _check_options(type(objective).__name__, type(objective), options)
    return replace(objective, **options)  # type: ignore[type-var]


def _check_options(name: str, kind: type[Objective], options: Mapping[str, Any]) -> None:
    known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            remedy = suggest(option, known) if known else "remove it: there are no options"
            raise UserError("objective", f'{name} has no option "{option}"', remedy)


def _from_path(path: str, options: Mapping[str, Any]) -> Objective:
    from lalbench.imports import import_object

    function = import_object(path, "objective")
    if not callable(function):
        raise UserError("objective", f'"{path}" is no function', "name a function")
    return _from_function(function, options)


def _from_function(function: Callable[..., Any], options: Mapping[str, Any]) -> Objective:
    try:
        inspect.signature(function).bind(None, None, None, **options)
    except TypeError as error:
        raise UserError(
            "objective",
            f"{getattr(function, '__qualname__', function)} cannot be called ({error})",
            "it must take (y_true, y_pred, class_weights) and its options by keyword",
        ) from error
    except ValueError:
        pass  # built-in functions have no signature to check
    return UserFunction(function, dict(options))
