"""Episodes: simulated active-learning problems with known improvements.

Algorithm 1 of Bakker, van Hoof and Welling (2023). A subset of the annotated points plays
"annotated", the rest plays "pool"; the oracle scores every point of that pool on the reward set.
Learners are trained on episodes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from lalbench import files, oracle
from lalbench.errors import CorruptFileError, UserError, suggest
from lalbench.seeds import PublishedGenerator
from lalbench.stored import take

if TYPE_CHECKING:
    from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Episodes:
    """Simulated problems over the same n annotated points, scored by the oracle.

    Attributes:
        annotated_mask: (n_simulations, n) bool, True for points that play "annotated".
        improvements: (n_simulations, n) float64 of the others; NaN where ``annotated_mask``.
        base_scores: (n_simulations,) float64 objective before any acquisition.
        n_rejected: draws thrown away because they held one class only.
        engine: the oracle's engine.
    """

    annotated_mask: BoolArray
    improvements: FloatArray
    base_scores: FloatArray
    n_rejected: int
    engine: str

    def __len__(self) -> int:
        return len(self.annotated_mask)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The episodes as arrays without object types."""
        return {
            "annotated_mask": self.annotated_mask,
            "improvements": self.improvements,
            "base_scores": self.base_scores,
            "n_rejected": np.array(self.n_rejected, dtype=np.int64),
            "engine": np.array(self.engine),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Episodes:
        """The inverse of :meth:`to_arrays`.

        Raises:
            KeyError: an array is missing.
            ValueError: arrays that are no episodes.
        """
        mask = take(arrays, "annotated_mask", np.bool_, None, None)
        return cls(
            annotated_mask=mask,
            improvements=take(arrays, "improvements", np.float64, *mask.shape, finite=False),
            base_scores=take(arrays, "base_scores", np.float64, len(mask), finite=False),
            n_rejected=int(take(arrays, "n_rejected", np.int64)),
            engine=str(arrays["engine"]),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an npz file, atomically; equal episodes give equal bytes."""
        files.write_npz(path, self.to_arrays())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Episodes:
        """Reads what :meth:`save` wrote.

        Raises:
            CorruptFileError: the file is missing, damaged or holds something else.
        """
        arrays = files.read_npz(path)
        try:
            return cls.from_arrays(arrays)
        except (KeyError, ValueError) as error:
            raise CorruptFileError(
                f"{path}: no episodes in it ({error}); delete it and run again"
            ) from error


def simulate(
    X: ArrayLike,
    y: ArrayLike,
    scorer: Scorer,
    new_classifier: Callable[[], Any],
    fit_weights: ArrayLike | None,
    *,
    n_simulations: int = 300,
    fractions: Sequence[float] = FRACTIONS,
    simulation_size: Literal["round", "truncate"] = "round",
    draws: Literal["named", "released"] = "named",
    rng: Generator,
    engine: str = "auto",
) -> Episodes:
    """Draws subsets of the annotated points and scores the rest with the oracle.

    Per simulation a fraction q is drawn uniformly from ``fractions``, then k points uniformly
    without replacement, again with the same k until they hold at least two classes.

    Args:
        X: (n, d) features of the annotated points.
        y: (n,) integer labels.
        scorer: objective on the reward set.
        new_classifier: returns an unfitted task classifier.
        fit_weights: (n_classes,) weights in training, or None.
        n_simulations: number of episodes.
        fractions: values of q, in (0, 1).
        simulation_size: ``"round"``: k = round(q n) within [2, n - 1]; ``"truncate"``: k = int(q n)
            (docs/protocols.md [8]).
        draws: ``"named"``: from ``rng``; ``"released"``: from its ``numpy_legacy`` in the order of
            the released code (docs/protocols.md [17]); ``rng`` is then a
            :class:`lalbench.seeds.PublishedGenerator`.
        rng: source of all randomness.
        engine: of the oracle (:func:`lalbench.oracle.improvements`).

    Raises:
        UserError: options that cannot be used, fewer than two classes, or a subset of fewer than
            two points.
    """
    rows, labels = np.asarray(X, dtype=np.float64), np.asarray(y)
    _check_options(n_simulations, fractions, simulation_size)
    _check_points(rows, labels)
    choose = _chooser(draws, rng)
    masks = np.zeros((n_simulations, len(labels)), dtype=bool)
    n_rejected = 0
    for mask in masks:
        k = subset_size(fractions[choose(len(fractions), None)], len(labels), simulation_size)
        chosen = choose(len(labels), k)
        while (labels[chosen] == labels[chosen[0]]).all():
            n_rejected += 1
            chosen = choose(len(labels), k)
        mask[chosen] = True
    found = oracle.refit_scores(
        new_classifier(),
        rows,
        labels,
        masks,
        scorer,
        sample_weight=_row_weights(fit_weights, labels),
        engine=engine,
    )
    return Episodes(masks, found.improvements, found.base_scores, n_rejected, found.engine)


def subset_size(fraction: float, n: int, rule: Literal["round", "truncate"]) -> int:
    """Number of points that play "annotated" among n (docs/protocols.md [8]).

    >>> subset_size(0.9, 103, "truncate"), subset_size(0.9, 103, "round")
    (92, 93)

    Raises:
        UserError: the rule leaves fewer than two points, which never hold two classes.
    """
    if rule == "round":
        return min(max(round(fraction * n), 2), n - 1)
    size = int(fraction * n)
    if size < 2:
        raise UserError(
            "simulation_size",
            f'"truncate" makes subsets of {size} points from {fraction} of {n} annotated points',
            'annotate more points, drop small fractions or use "round"',
        )
    return size


def _chooser(draws: str, rng: Generator) -> Callable[[int, int | None], Any]:
    """A function of (n, k): k distinct numbers below n, or one number where k is None."""
    if draws == "named":
        return lambda n, k: (
            int(rng.integers(n)) if k is None else rng.choice(n, k, replace=False, shuffle=False)
        )
    if draws != "released":
        known = ("named", "released")
        raise UserError("draws", f"unknown value {draws!r}", suggest(draws, known))
    if not isinstance(rng, PublishedGenerator):
        raise UserError(
            "draws",
            '"released" with a generator that has no legacy stream',
            'use the protocol published, or draws: "named"',
        )
    legacy = rng.numpy_legacy
    return lambda n, k: int(legacy.choice(n)) if k is None else legacy.choice(n, k, replace=False)


def _row_weights(fit_weights: ArrayLike | None, labels: IntArray) -> FloatArray | None:
    if fit_weights is None:
        return None
    weights = np.asarray(fit_weights, dtype=np.float64)
    if weights.ndim != 1 or labels.max() >= len(weights):
        raise UserError(
            "fit_weights",
            f"shape {weights.shape} for labels up to {labels.max()}",
            "give one weight per class",
        )
    return weights[labels]


def _check_options(n_simulations: int, fractions: Sequence[float], simulation_size: str) -> None:
    if n_simulations < 1:
        raise UserError("n_simulations", f"{n_simulations}", "use at least 1")
    if not len(fractions) or not all(0 < q < 1 for q in fractions):
        raise UserError("fractions", f"{list(fractions)}", "give numbers between 0 and 1")
    if simulation_size not in ("round", "truncate"):
        raise UserError(
            "simulation_size",
            f"unknown value {simulation_size!r}",
            suggest(simulation_size, ("round", "truncate")),
        )


def _check_points(rows: FloatArray, labels: NDArray[Any]) -> None:
    if labels.shape != rows.shape[:1] or labels.dtype.kind not in "iu":
        raise UserError(
            "y",
            f"labels of type {labels.dtype} and shape {labels.shape} for {len(rows)} rows",
            "give one integer label per row",
        )
    if len(np.unique(labels)) < 2:
        raise UserError(
            "annotated",
            "episodes need annotated points of at least two classes",
            "annotate a point of another class, or start with a strategy that needs no episodes",
        )
    if len(labels) < 3:
        raise UserError("annotated", f"{len(labels)} points", "annotate at least 3")
