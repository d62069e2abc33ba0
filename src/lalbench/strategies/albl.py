"""ALBL: a bandit that learns which strategy to follow (Hsu and Lin 2015).

A strategy is a function of the learning state, and a bandit has a memory. Here the memory is a
function of the state as well: annotated points stand in order of acquisition, so all earlier states
of the trial can be rebuilt, and nothing random goes into the memory but which points were acquired
(:func:`free_stream`). What an instance remembers of earlier steps only saves time.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, get_args

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from lalbench import interrupts
from lalbench.errors import UserError
from lalbench.strategies.bandit import Draw, Exp4P, Mixture
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, Selection
from lalbench.strategies.kapoor import Kapoor
from lalbench.strategies.options import Options
from lalbench.strategies.quire import Quire
from lalbench.strategies.ties import Ranked
from lalbench.strategies.uncertainty import Entropy, LeastConfident, Margin

Arm = Literal["entropy", "margin", "least_confident", "random", "quire", "kapoor"]
Risk = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]

_RANKED: Mapping[Arm, Callable[[], Ranked]] = MappingProxyType(
    {
        "entropy": Entropy,
        "margin": Margin,
        "least_confident": LeastConfident,
        "quire": Quire,
        "kapoor": Kapoor,
    }
)
_KEPT = 64
"""Memories per instance: trials that can be run by turns without replaying them."""


@dataclass(frozen=True)
class Memory:
    """What the bandit knows.

    Attributes:
        bandit: its weights.
        places: (t,) int64 which acquired points were drawn so far, those drawn again included.
        importances: (t,) float64 ``W`` of these draws.
        waiting: draws of the last step, whose labels were not known yet.
    """

    bandit: Exp4P
    places: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    importances: FloatArray = field(default_factory=lambda: np.empty(0))
    waiting: tuple[Draw, ...] = ()


@dataclass(frozen=True)
class Albl(Options):
    r"""Draws points from a mixture of strategies ("arms") whose weights follow Exp4.P.

    The reward of a point is the importance-weighted accuracy of the classifier refitted with it,
    ``r = Σ_t W_t 1[f(x_t) = y_t] / (n T)`` over the draws t so far, where ``W_t = 1 / q_t(x_t)``
    and n counts all points (Hsu and Lin 2015, algorithm 1). Known as ALBE in the comparisons of
    Konyushkova et al. 2017.

    The random arm also draws points that are labelled already. These cost nothing: their reward
    enters the weights, and another point is drawn within the same step.

    In a batch points are drawn one after another, each arm going on to the best point left; rewards
    come when the labels are known, in order of acquisition.

    A state of a later ``step`` must come from steps with this ``budget``, annotated points in order
    of acquisition. An instance that has not seen these steps replays them, one refit for each; the
    result is the same. With ``subsample`` every step is replayed on the part of the pool at hand.

    Attributes:
        arms: names of the strategies, with their defaults; ``random`` is uniform over the pool of
            the start. Without it only points that an arm ranks first can be drawn.
        horizon: T, the number of points that the trial will acquire. The bandit goes on beyond.
        delta: δ of Exp4.P.

    Rule:
        $i \sim \sum_k p_k \varphi_k(i)$ over the choices $\varphi_k$ of the arms; $p_k$ grows with
        the importance-weighted accuracy on what was acquired when the arm had a say

    Cost:
        that of its arms, and $O(bn)$

    Source:
        W.-N. Hsu and H.-T. Lin, *Active Learning by Learning*, 2015; ALBE in K. Konyushkova, R.
        Sznitman and P. Fua, *Learning Active Learning from Data*, 2017.

    Pitfalls:
        - ``horizon`` must be the number of points that the trial acquires; the default is right for
          a hundred only.
        - The reward is accuracy, whatever the objective of the study: points of rare classes count
          no more than others.
        - Without the random arm only points that an arm ranks first can be drawn; it is this arm
          that crosses borders which uncertainty sampling never looks at (docs/lal-results.md).
    """

    arms: tuple[Arm, ...] | list[Arm] = ("entropy", "random", "quire")
    horizon: Count = 100
    delta: Risk = 0.1
    needs: ClassVar[frozenset[Need]] = frozenset(
        {Need.PROBABILITIES, Need.EMBEDDINGS, Need.FEATURES, Need.CLASSIFIER}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.arms:
            names = ", ".join(get_args(Arm))
            raise UserError("arms", "there are none", f"name one or more of {names}")
        object.__setattr__(self, "arms", tuple(self.arms))

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Drawn points, without scores.

        Raises:
            UserError: ``state.step`` does not fit the number of annotated points, or the state
                needs a replay and has no ``new_classifier``.
        """
        moment = self._moment(state, budget)
        memory, mixture = self._recall(moment, budget), self._mixture(moment)
        chosen: list[int] = []
        for _ in range(min(budget, state.n_pool)):
            interrupts.check()
            memory = _draw_labelled(memory, mixture, moment, chosen)
            chosen.append(mixture.draw(memory.bandit.probabilities, rng))
            memory = _take(memory, mixture, moment, chosen)
        self._remember(moment.key(chosen), memory)
        return Selection(moment.order[np.asarray(chosen, dtype=np.int64)])

    def arm_probabilities(self, state: LearningState, budget: int = 1) -> FloatArray:
        """(K,) float64 probabilities of the arms at the beginning of ``state.step``."""
        return self._recall(self._moment(state, budget), budget).bandit.probabilities

    @cached_property
    def _memories(self) -> dict[str, Memory]:
        return {}

    def _remember(self, key: str, memory: Memory) -> None:
        if not key:
            return
        self._memories.pop(key, None)
        self._memories[key] = memory
        while len(self._memories) > _KEPT:
            del self._memories[next(iter(self._memories))]

    def _moment(self, state: LearningState, budget: int) -> _Moment:
        n_initial = len(state.y_annotated) - (state.step - 1) * budget
        if n_initial < 0 or (n_initial == 0 and state.step > 1):
            raise UserError(
                "state.step",
                f"{state.step} with {len(state.y_annotated)} annotated points and a budget of "
                f"{budget}",
                "give the step from 1, all steps with the same budget",
            )
        return _Moment(state, n_initial)

    def _mixture(self, moment: _Moment) -> Mixture:
        scores = [
            None if arm == "random" else _RANKED[arm]().scores(moment.fitted) for arm in self.arms
        ]
        return Mixture(scores, moment.n_acquired, moment.state.pool_ids)

    def _recall(self, moment: _Moment, budget: int) -> Memory:
        """The memory with all rewards of earlier steps, remembered or replayed."""
        memory, step = None, moment.state.step
        while step > 1 and memory is None:
            step -= 1
            earlier = moment.at(step, budget)
            memory = self._memories.get(earlier.key(earlier.acquired_next))
        if memory is None:
            memory = Memory(Exp4P.start(len(self.arms), self.horizon, self.delta))
            if moment.state.step > 1:
                memory = self._replay(memory, earlier)
        for later in range(step + 1, moment.state.step):
            interrupts.check()
            now = moment.at(later, budget)
            memory = self._replay(_rewarded(memory, now), now)
        return _rewarded(memory, moment)

    def _replay(self, memory: Memory, moment: _Moment) -> Memory:
        """The memory after the draws of a step whose choice is known."""
        mixture, chosen = self._mixture(moment), list[int]()
        for position in moment.acquired_next:
            memory = _draw_labelled(memory, mixture, moment, chosen)
            chosen.append(position)
            memory = _take(memory, mixture, moment, chosen)
        return memory


class _Moment:
    """One step of a trial, its pool in order of the row ids.

    Args:
        state: at that step; without ``classifier`` it is refitted when it is needed.
        n_initial: annotated points at step 1.
        acquired_next: positions that were acquired in that step, where it is past.
    """

    def __init__(
        self, state: LearningState, n_initial: int, acquired_next: list[int] | None = None
    ) -> None:
        self.order = np.argsort(state.pool_ids, kind="stable")
        self.state = replace(
            state, X_pool=state.X_pool[self.order], pool_ids=state.pool_ids[self.order]
        )
        self.n_initial, self.acquired_next = n_initial, acquired_next or []

    @property
    def n_acquired(self) -> int:
        return len(self.state.y_annotated) - self.n_initial

    @property
    def n_points(self) -> int:
        return len(self.state.y_annotated) + self.state.n_pool

    @cached_property
    def fitted(self) -> LearningState:
        """The state with its classifier."""
        from lalbench import classifiers

        state = self.state
        if state.classifier is not None:
            return state
        if state.new_classifier is None:
            raise UserError(
                "state.new_classifier",
                f"albl needs it to replay step {state.step}",
                "build the state with new_classifier, or keep one instance for all steps",
            )
        made = state.new_classifier()
        fitted = classifiers.fit(made, state.X_annotated, state.y_annotated, state.fit_weights)
        return replace(state, classifier=fitted)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """(n_acquired,) whether the classifier is right about each acquired point."""
        if not self.n_acquired:
            return np.empty(0, dtype=bool)
        X, y = self.state.X_annotated[self.n_initial :], self.state.y_annotated[self.n_initial :]
        found: NDArray[np.bool_] = np.asarray(self.fitted.classifier.predict(X)) == y
        return found

    def at(self, step: int, budget: int) -> _Moment:
        """An earlier step of the trial."""
        state, n_known = self.state, self.n_initial + (step - 1) * budget
        pool_ids = np.concatenate([state.pool_ids, state.annotated_ids[n_known:]])
        earlier = replace(
            state,
            step=step,
            X_annotated=state.X_annotated[:n_known],
            y_annotated=state.y_annotated[:n_known],
            annotated_ids=state.annotated_ids[:n_known],
            X_pool=np.concatenate([state.X_pool, state.X_annotated[n_known:]]),
            pool_ids=pool_ids,
            classifier=None,
        )
        acquired = state.annotated_ids[n_known : n_known + budget]
        places = np.searchsorted(np.sort(pool_ids), acquired)
        return _Moment(earlier, self.n_initial, places.tolist())

    def free_stream(self, chosen: list[int]) -> Generator:
        """The :func:`free_stream` after the acquisitions of a batch so far."""
        ids, n_initial = self.state.annotated_ids, self.n_initial
        acquired = np.concatenate([ids[n_initial:], self.state.pool_ids[chosen]])
        return free_stream(ids[:n_initial], acquired)

    def key(self, chosen: list[int]) -> str:
        """A name for all that the memory after acquiring ``chosen`` depends on; or ""."""
        return f"{self._digest} {self.n_initial} {chosen}" if self._digest else ""

    @cached_property
    def _digest(self) -> str:
        import joblib

        state = self.state
        try:
            maker = state.new_classifier
            made_by = "" if maker is None else joblib.hash(maker())
        except (pickle.PicklingError, AttributeError, TypeError):
            return ""  # a classifier that cannot be named: every step is replayed
        found = hashlib.blake2b(f"{made_by} {state.step} {state.n_classes}".encode())
        parts = [state.X_annotated, state.y_annotated, state.annotated_ids, state.X_pool]
        for part in (*parts, state.pool_ids, state.fit_weights):
            array = np.ascontiguousarray([] if part is None else part)
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(array.data.cast("B") if array.size else b"")
        return found.hexdigest()


def free_stream(initial_ids: IntArray, acquired_ids: IntArray) -> Generator:
    """Random numbers for draws of labelled points, from the points acquired so far.

    Which points are acquired is random, so these numbers are, too; and they can be drawn again when
    the step is past, unlike those of the generator that a strategy is given.

    Args:
        initial_ids: (m,) row ids of the points annotated at the start, in any order.
        acquired_ids: (k,) row ids of those acquired since, in order.
    """
    words = np.concatenate([np.sort(initial_ids), [len(initial_ids)], acquired_ids])
    digest = hashlib.blake2b(np.ascontiguousarray(words, dtype="<i8").tobytes(), digest_size=16)
    return np.random.default_rng(int.from_bytes(digest.digest(), "little"))


def _draw_labelled(memory: Memory, mixture: Mixture, moment: _Moment, chosen: list[int]) -> Memory:
    """Draws, and gets the rewards of, labelled points until the next draw is of another one."""
    if not moment.n_acquired:
        return memory
    stream = moment.free_stream(chosen)
    while True:
        probabilities = memory.bandit.probabilities
        if stream.random() >= mixture.labelled_mass(probabilities):
            return memory
        place = int(stream.integers(moment.n_acquired))
        draw = Draw(probabilities, mixture.labelled_shares(), place)
        memory = _reward(memory, draw, moment)


def _take(memory: Memory, mixture: Mixture, moment: _Moment, chosen: list[int]) -> Memory:
    """Notes the last of the chosen points; one that no arm would draw has no say."""
    shares, place = mixture.shares(chosen[-1]), moment.n_acquired + len(chosen) - 1
    mixture.take(chosen[-1])
    draw = Draw(memory.bandit.probabilities, shares, place)
    return replace(memory, waiting=(*memory.waiting, draw)) if shares.any() else memory


def _rewarded(memory: Memory, moment: _Moment) -> Memory:
    """The memory with the rewards of the waiting draws, whose labels ``moment`` has."""
    waiting, memory = memory.waiting, replace(memory, waiting=())
    for draw in waiting:
        memory = _reward(memory, draw, moment)
    return memory


def _reward(memory: Memory, draw: Draw, moment: _Moment) -> Memory:
    """Updates the weights with the importance-weighted accuracy, that of ``draw`` included."""
    places = np.append(memory.places, draw.place)
    importances = np.append(memory.importances, draw.importance)
    total = float(importances @ moment.correct[places])
    bandit = memory.bandit.updated(total / (moment.n_points * memory.bandit.horizon), draw)
    return replace(memory, bandit=bandit, places=places, importances=importances)
