"""Data sets made by formula: any size, no download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.data.options import check_flag, check_integer, check_seed
from lalbench.data.table import Table
from lalbench.errors import UserError
from lalbench.seeds import Streams

POSITIONS = np.arange(1, 22)
# Centres of the two base waves that each class mixes; classes 0, 1 and 2 as in the UCI file.
CENTRES = ((7, 15), (7, 11), (11, 15))
HEIGHT = 6

WAVEFORM_OPTIONS: Mapping[str, Any] = {"n": 5000, "seed": 0, "classes": 2, "standardise": True}


def waveform(_: tuple[Path, ...], options: Mapping[str, Any]) -> Table:
    """Breiman's waveforms (Breiman et al. 1984, section 2.6.2), for any number of rows.

    A row of class k is ``u·a(t) + (1-u)·b(t) + ε(t)`` on t = 1 … 21, with ``u ~ U(0, 1)`` once per
    row, ``ε ~ N(0, 1)`` per position, and a, b the two triangular waves ``max(0, 6 - |t - c|)`` of
    the class (:data:`CENTRES`). The three classes are equally likely.

    Args:
        _: no files.
        options: ``n`` rows; ``seed``; ``classes``: 3 as in the original, or 2 (the default), where
            label 1 is the original class 1 and label 0 the other two, as in the set ``waveform``;
            ``standardise`` columns to mean 0 and standard deviation 1 (ddof = 1), as there.

    Raises:
        UserError: a value that does not fit, or so few rows that a class is missing.
    """
    check_waveform_options(options)
    n, n_classes = options["n"], options["classes"]
    rng = Streams(data_seed=options["seed"], seed=0).generator("data", name="waveform_generator")
    original = rng.integers(0, len(CENTRES), size=n)
    mix = rng.uniform(size=(n, 1))
    noise = rng.standard_normal((n, len(POSITIONS)))
    first, second = (base_waves()[:, side][original] for side in (0, 1))
    X = mix * first + (1 - mix) * second + noise
    labels = original if n_classes == len(CENTRES) else (original == 1).astype(np.int64)
    densities = waveform_log_densities(X)
    if n_classes < len(CENTRES):  # classes 0 and 2 are equally likely
        both = np.logaddexp(densities[:, 0], densities[:, 2]) - np.log(2)
        densities = np.column_stack([both, densities[:, 1]])
    if len(np.unique(labels)) < n_classes:
        raise UserError("options.n", f"{n} rows leave a class empty", "generate more rows")
    if options["standardise"]:
        X = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    return Table(
        X=X,
        labels=labels,
        feature_names=tuple(f"t{t}" for t in POSITIONS),
        class_names=waveform_class_names(options),
        log_densities=densities,
    )


def waveform_log_densities(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log density of rows in each of the three classes, up to a constant of the row.

    With D = a - b, r = x - b, m = r·D / |D|² the density ∫₀¹ N(x; u a + (1-u) b, I) du is, up to a
    factor, exp(-(|r|² - m² |D|²) / 2) [Φ((1-m) |D|) - Φ(-m |D|)] / |D|: a Gaussian integral.

    Args:
        X: (n, 21) rows as they are generated, not standardised.

    Returns:
        (n, 3) float64.
    """
    from scipy.special import log_ndtr

    found = np.empty((len(X), len(CENTRES)))
    for label, (first, second) in enumerate(base_waves()):
        length = np.linalg.norm(first - second)
        rest = X - second
        along = rest @ (first - second) / length
        upper, lower = length - along, -along
        # the difference of two probabilities of the tail in which both are small
        mirrored = lower > 0
        top = np.where(mirrored, -lower, upper)
        bottom = np.where(mirrored, -upper, lower)
        below = log_ndtr(bottom) - log_ndtr(top)
        across = (rest**2).sum(axis=1) - along**2
        found[:, label] = -across / 2 + log_ndtr(top) + np.log(-np.expm1(below)) - np.log(length)
    return found


def base_waves() -> NDArray[np.float64]:
    """(3, 2, 21) the two base waves of each class."""
    centres = np.asarray(CENTRES, dtype=np.float64)
    return np.maximum(0.0, HEIGHT - np.abs(POSITIONS - centres[:, :, None]))


def waveform_class_names(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes for these options."""
    return ("0", "1", "2") if options["classes"] == len(CENTRES) else ("0 or 2", "1")


def check_waveform_options(options: Mapping[str, Any]) -> None:
    """Raises :class:`UserError` for a value that does not fit."""
    check_integer(options, "n", 3, 10_000_000)
    check_seed(options)
    check_integer(options, "classes", 2, 3)
    check_flag(options, "standardise")
