"""Faults of the NPAL authors' released code for networks, for comparison and nothing else.

Results of that code can be understood by running its faults next to the right strategies
(docs/protocols.md [16]). They are used by class path alone, e.g.
``{name: k_center_shifted, class: "lalbench.strategies.released:WrapperShift", subsample: 10000}``.
All of them go by pool position, as that code does, so the order of the pool has an influence.

That code can acquire a point twice in a batch. A :class:`~lalbench.strategies.base.Selection`
cannot: repeated points are replaced by the next ones that the same rule gives, and the functions
:func:`drifted_positions` and :func:`draw_with_replacement` count them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench.data.images import Images
from lalbench.errors import UserError, suggest
from lalbench.strategies.base import IntArray, LearningState, Need, Selection, Strategy
from lalbench.strategies.cbal import Cbal
from lalbench.strategies.graph_sampling import CoreGcn, UncertainGcn
from lalbench.strategies.hal import Directions, HalGauss
from lalbench.strategies.k_center_greedy import KCenterGreedy
from lalbench.strategies.learning_loss import LearningLoss
from lalbench.strategies.options import Options, Positive
from lalbench.strategies.vaal import Vaal

_SHIFTED: Mapping[str, Callable[..., Strategy]] = {
    "k_center_greedy": KCenterGreedy,
    "learning_loss": LearningLoss,
    "vaal": Vaal,
    "uncertain_gcn": UncertainGcn,
    "core_gcn": CoreGcn,
}


@dataclass(frozen=True)
class WrapperShift(Options):
    """A strategy that gets the features of other points than those it chooses.

    The data wrapper puts annotated points before pool points, the selection takes pool points to be
    first: pool position i has the features of annotated point i, or of pool point
    i - n_annotated, and the last n_annotated pool points pass for the annotated ones.

    Attributes:
        strategy: which; in that code those with a sub-pool.
        options: of that strategy.
    """

    strategy: Literal["k_center_greedy", "learning_loss", "vaal", "uncertain_gcn", "core_gcn"] = (
        "k_center_greedy"
    )
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = inspect.signature(_SHIFTED[self.strategy]).parameters
        for option in self.options:
            if option not in known:
                problem = f'{self.strategy} has no option "{option}"'
                raise UserError(f"options.{option}", problem, suggest(option, known))
        self._inner()

    @property
    def needs(self) -> frozenset[Need]:
        """What the strategy reads."""
        return self._inner().needs

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The strategy's choice among the wrong features, taken as pool positions."""
        together = _joined(state.X_annotated, state.X_pool)
        shifted = replace(
            state, X_pool=together[: state.n_pool], X_annotated=together[state.n_pool :]
        )
        return self._inner().select(shifted, budget, rng)

    def adapt_classifier(self, classifier: Any) -> Any:
        """The classifier with the loss head that learning_loss trains; others leave it alone."""
        inner = self._inner()
        return inner.adapt_classifier(classifier) if isinstance(inner, LearningLoss) else classifier

    def _inner(self) -> Strategy:
        return _SHIFTED[self.strategy](**self.options)


@dataclass(frozen=True)
class CbalDrift(Options):
    """CBAL that loses track of positions: a chosen row is deleted from the matrix of probabilities,
    and later positions in it are taken for positions in the pool.

    The rule is :class:`~lalbench.strategies.cbal.Cbal` with the options of the published protocol.

    Attributes:
        penalty: λ.
        epsilon: inside the logarithm of the entropy.
    """

    penalty: Positive = 1.0
    epsilon: Positive = 1e-8
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES})

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Drifted positions; scores are those of :class:`~lalbench.strategies.cbal.Cbal`."""
        rule = Cbal(variant="npal", penalty=self.penalty, epsilon=self.epsilon, ties="first")
        budget, wanted = min(budget, state.n_pool), budget
        while True:
            # a smaller batch of this rule is the beginning of a larger one
            found = rule.select(state, min(wanted, state.n_pool), rng)
            positions, _ = drifted_positions(found.indices, budget)
            if len(positions) == budget or wanted >= state.n_pool:
                break
            wanted += max(1, wanted // 8)
        rest = np.setdiff1d(np.arange(state.n_pool), positions)[: budget - len(positions)]
        return Selection(np.concatenate([positions, rest]), found.scores)


def drifted_positions(scored: IntArray, budget: int) -> tuple[IntArray, int]:
    """What is acquired when chosen rows are deleted and later positions are not mapped back.

    Args:
        scored: (m,) int64 pool positions in order of choice, m ≥ ``budget``.
        budget: number of different positions wanted.

    Returns:
        At most ``budget`` different positions in order of choice, and how many of the first
        ``budget`` acquisitions repeat an earlier one.
    """
    gone: list[int] = []
    drifted = []
    for position in scored.tolist():
        drifted.append(position - int(np.searchsorted(gone, position)))
        gone.insert(int(np.searchsorted(gone, position)), position)
    different = np.asarray(list(dict.fromkeys(drifted)), dtype=np.int64)
    return different[:budget], budget - len(set(drifted[:budget]))


@dataclass(frozen=True)
class HalReversed(HalGauss):
    """HAL by the Gaussian rule on normalised pixels, with both directions reversed.

    For classifiers of features it is :class:`~lalbench.strategies.hal.HalGauss` on these. Unlike in
    that code the Gaussian sums do not underflow, and no point is taken twice. Its uniform rule is
    ``hal_uniform`` with ``directions: released``.
    """

    directions: Directions = "released"
    delta: Positive | Literal["median"] = 10.0
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBABILITIES, Need.EMBEDDINGS})

    def _points(self, state: LearningState) -> tuple[NDArray[Any], NDArray[Any]]:
        if not isinstance(state.X_pool, Images):
            return super()._points(state)
        pool, annotated = (_pixels(part) for part in (state.X_pool, state.X_annotated))
        both = [part.reshape(-1, state.X_pool.shape[3]) for part in (pool, annotated)]
        count = sum(map(len, both))
        mean = sum(part.sum(axis=0, dtype=np.float64) for part in both) / count
        square = sum(np.einsum("ij,ij->j", part - mean, part - mean) for part in both) / count
        scale = np.where(square > 0, np.sqrt(square), 1.0)
        for part in both:
            part -= mean.astype(np.float32)
            part /= scale.astype(np.float32)
        return pool, annotated


@dataclass(frozen=True)
class RandomWithReplacement(Options):
    """Random acquisition with replacement, to be run with ``subsample: 10000``.

    1,000 draws from 10,000 points give 951.6 different ones on average. As a selection has no
    repeated points, drawing goes on until there are enough, and what is left of the fault is the
    sub-pool; :func:`draw_with_replacement` counts the repeated draws.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Positions in the order in which they are first drawn, without scores."""
        return Selection(draw_with_replacement(state.n_pool, min(budget, state.n_pool), rng)[0])


def draw_with_replacement(n: int, budget: int, rng: Generator) -> tuple[IntArray, int]:
    """Draws from ``range(n)`` until ``budget`` different numbers are there.

    Returns:
        (budget,) int64 numbers in order of their first draw, and how many of the first ``budget``
        draws repeat an earlier one.
    """
    draws: list[int] = []
    while len(set(draws)) < budget:
        draws += rng.integers(n, size=max(budget, 1)).tolist()
    different = np.asarray(list(dict.fromkeys(draws)), dtype=np.int64)
    return different[:budget], budget - len(set(draws[:budget]))


def _joined(first: Any, second: Any) -> Any:
    if not isinstance(first, Images):
        return np.concatenate([first, second])
    if first.pixels is second.pixels:
        return Images(first.pixels, np.concatenate([first.rows, second.rows]))
    return Images(np.concatenate([first.take(), second.take()]))


def _pixels(images: Images) -> NDArray[np.float32]:
    """(n, H W C) float32."""
    return images.take().reshape(len(images), -1).astype(np.float32)
