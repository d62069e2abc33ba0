"""What a setting means for a number of classes: class frequencies, score weights, fit weights.

A setting is data (:class:`lalbench.config.SettingSpec`); this module spreads its class factors over
the classes of a data set and derives the weights (Bakker et al. 2023, section 4 and supplement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lalbench.config import SETTINGS, SettingSpec
from lalbench.errors import UserError, suggest


@dataclass(frozen=True)
class ClassScheme:
    """A setting, spelled out for the classes of one data set.

    Attributes:
        frequencies: one factor per class, lowest label first; exact, so that 0.3 means 3/10.
        class_weights: (C,) float64 weights of the score.
        fit_weights: (C,) float64 weights in training, or None for none.
        rare_class: label of the class that rare-class metrics are about.
    """

    frequencies: tuple[Fraction, ...]
    class_weights: NDArray[np.float64]
    fit_weights: NDArray[np.float64] | None
    rare_class: int


def resolve_setting(setting: str | SettingSpec) -> SettingSpec:
    """The built-in setting of that name, or the setting itself.

    Raises:
        UserError: there is no setting of that name.
    """
    if isinstance(setting, SettingSpec):
        return setting
    if setting not in SETTINGS:
        raise UserError("setting", f'unknown setting "{setting}"', suggest(setting, SETTINGS))
    return SETTINGS[setting]


def class_scheme(setting: SettingSpec, counts: Sequence[int] | NDArray[np.int64]) -> ClassScheme:
    """Spreads a setting over the classes of a data set.

    Args:
        setting: the setting.
        counts: (C,) rows per class, which only natural frequencies read.

    Raises:
        UserError: frequencies or weights do not fit the number of classes, or the rare class is
            none of them.
    """
    key = f"settings.{setting.name}"
    n_classes = len(counts)
    if setting.frequencies == "natural":
        factors = tuple(Fraction(int(count)) for count in counts)
    else:
        factors = _frequencies(setting.frequencies, n_classes, f"{key}.frequencies")
    if setting.score_weights == "inverse_frequency":
        class_weights = inverse_frequency_weights(factors)
    elif setting.score_weights == "none":
        class_weights = np.ones(n_classes)
    else:
        class_weights = _listed(setting.score_weights, n_classes, f"{key}.score_weights")
    fit_weights: NDArray[np.float64] | None
    if setting.fit_weights == "none":
        fit_weights = None
    elif setting.fit_weights == "score":
        fit_weights = class_weights.copy()
    else:
        fit_weights = _listed(setting.fit_weights, n_classes, f"{key}.fit_weights")
    rare = setting.rare_class
    if rare is None:
        rare = factors.index(min(factors))
    elif not 0 <= rare < n_classes:
        raise UserError(
            f"{key}.rare_class",
            f"{rare} is no label of a data set with {n_classes} classes",
            f"choose a label from 0 to {n_classes - 1}",
        )
    return ClassScheme(factors, class_weights, fit_weights, rare)


def inverse_frequency_weights(frequencies: Sequence[Fraction | float]) -> NDArray[np.float64]:
    """Class weights ``w_c = (1 / f_c) / mean_k(1 / f_k)`` from nominal factors, not from counts.

    Computed in rational arithmetic and rounded once: factors (1, 10) give exactly the float64
    numbers 20/11 and 2/11. The mean of the weights is 1.

    Args:
        frequencies: (C,) positive factors.

    Returns:
        (C,) float64.
    """
    inverse = [1 / Fraction(factor) for factor in frequencies]
    mean = sum(inverse, Fraction(0)) / len(inverse)
    return np.array([float(value / mean) for value in inverse])


def _frequencies(listed: Sequence[float], n_classes: int, key: str) -> tuple[Fraction, ...]:
    if not 1 <= len(listed) <= n_classes:
        raise UserError(
            key,
            f"{len(listed)} factors for a data set with {n_classes} classes",
            f"give 1 to {n_classes} factors; fewer than classes are repeated cyclically",
        )
    wrong = [factor for factor in listed if not 0 < factor < float("inf")]
    if wrong:
        raise UserError(key, f"{wrong[0]} is no positive number", "write for example [1, 10]")
    # repr gives the number as it was typed: 0.1 is one tenth, not the nearest binary fraction
    exact = [Fraction(repr(float(factor))) for factor in listed]
    return tuple(exact[label % len(exact)] for label in range(n_classes))


def _listed(weights: Sequence[float] | str, n_classes: int, key: str) -> NDArray[np.float64]:
    if isinstance(weights, str) or len(weights) != n_classes:
        raise UserError(
            key,
            f"{weights!r} for a data set with {n_classes} classes",
            f"give a list of {n_classes} weights, lowest label first",
        )
    values = np.array(weights, dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all() and (values > 0).any()):
        raise UserError(
            key, f"{list(weights)} holds a weight that cannot be used", "use weights of 0 or more"
        )
    return values
