"""Where strategies choose: what the classifier said of the points that they acquired.

Konyushkova, Sznitman and Fua (2017), Figure 5: uncertainty sampling takes points whose probability
is close to 0.5, LAL does not.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lalbench.results.analysis import Analysis
from lalbench.results.render import Table, by_classifier, number
from lalbench.results.scores import PLACE

FloatArray = NDArray[np.float64]

BINS = 20
"""Of equal width, from 0 to 1."""

NEAR = 0.1
"""Probabilities at most this far from 0.5 are called near it."""

_DIGITS = 9  # what is left of rounding: a mean over 50 trees may miss 0.1 by its last bits


def histogram(probabilities: FloatArray) -> FloatArray:
    """Density of probabilities in ``BINS`` bins, (n,) → (``BINS``,) with the mean 1; n > 0.

    A number on the border of two bins counts half in each. So the histogram of one minus the
    numbers is the mirrored one, and the votes of 50 trees, which know multiples of 0.02 only, make
    no comb: two or three of them lie in a bin, by turns.
    """
    places = np.round(probabilities * BINS, _DIGITS)
    counts = np.zeros(BINS)
    for side in (np.ceil(places) - 1, np.floor(places)):
        bins = np.clip(side, 0, BINS - 1).astype(np.int64)
        counts += np.bincount(bins, minlength=BINS) / 2
    return counts * BINS / len(probabilities)


def mode(density: FloatArray) -> float:
    """Centre of the fullest bin; of equally full neighbours their middle, else the lowest."""
    first = int(density.argmax())
    others = np.flatnonzero(density[first:] != density[first])
    last = first + (int(others[0]) if len(others) else BINS - first) - 1
    return (first + last + 1) / (2 * BINS)


def acquired_data(analysis: Analysis) -> pd.DataFrame:
    """Probabilities of class 0 of the acquired points: one row per place and strategy.

    Columns: those of ``PLACE``, ``strategy``, ``role``, ``points`` (acquired in all steps of all
    finished trials), ``mean``, ``std`` (over these points, ddof of the protocol), ``near`` (share
    within 0.5 ± ``NEAR``), ``mode`` (:func:`mode`). Places and strategies without probabilities
    have no row.
    """
    return analysis.cached("acquired", partial(_acquired_data, analysis))


def _acquired_data(analysis: Analysis) -> pd.DataFrame:
    rows = []
    for place in analysis.places:
        for label, found in analysis.acquired_probabilities(place).items():
            ddof = analysis.protocol.ddof
            rows.append(
                {
                    **dict(zip(PLACE, place, strict=True)),
                    "strategy": label,
                    "role": analysis.roles[label],
                    "points": len(found),
                    "mean": found.mean(),
                    # equal numbers have no spread, whatever their mean is rounded to
                    "std": found.std(ddof=ddof).round(_DIGITS) if len(found) > ddof else np.nan,
                    "near": (np.round(np.abs(found - 0.5), _DIGITS) <= NEAR).mean(),
                    "mode": mode(histogram(found)),
                }
            )
    columns = [*PLACE, "strategy", "role", "points", "mean", "std", "near", "mode"]
    return pd.DataFrame(rows, columns=columns)


def acquired_tables(analysis: Analysis) -> list[Table]:
    """The table of these numbers; none where no trial has any."""
    data = acquired_data(analysis)
    if data.empty:
        return []

    def cell(row: pd.Series) -> str:
        spread_out = f"{number(row['mean'], 2)} ± {number(row['std'], 2)}"
        return f"{spread_out} · {number(row['mode'], 3)} · {100 * row['near']:.0f} %"

    blocks = by_classifier(data, cell)
    caption = (
        "Probability of class 0 that the classifier gave the chosen points before it had their "
        "labels, over all steps and finished trials: mean ± standard deviation · mode (centre of "
        f"the fullest of {BINS} bins) · share from {0.5 - NEAR:.1f} to {0.5 + NEAR:.1f}. The CSV "
        "file has the number of points. Two classes only, and classifiers that give probabilities."
    )
    title = "Probabilities of the chosen points"
    return [Table("acquired_probabilities", title, caption, data, blocks)]
