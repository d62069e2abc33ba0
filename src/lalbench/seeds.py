"""Named random streams: every random number of a study has a role, and every role its own stream.

A stream is derived with :class:`numpy.random.SeedSequence` from (study seed, data seed, seed, role,
name, step), so no draw depends on job order, on the number of cores or on what other strategies
draw. The ``published`` protocol instead replays the two generators that the NPAL authors' code
seeds with the run seed (docs/protocols.md [17]); they travel inside a :class:`PublishedGenerator`.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator, RandomState, SeedSequence
from numpy.typing import NDArray

Role = Literal["data", "initial_set", "episodes", "strategy", "learner", "model"]


@dataclass(frozen=True)
class Streams:
    """The random streams of one (study seed, data seed, seed).

    ``data`` and ``initial_set`` ignore the run seed, which never touches data.
    """

    data_seed: int
    seed: int
    study_seed: int = 0

    def sequence(self, role: Role, step: int = 0, name: str = "") -> SeedSequence:
        """The seed sequence of ``role`` at ``step``; ``name`` separates users of one role."""
        run = 0 if role in ("data", "initial_set") else self.seed + 1
        words = (self.study_seed, self.data_seed, run, _word(role), _word(name), step)
        return SeedSequence(words)

    def generator(self, role: Role, step: int = 0, name: str = "") -> Generator:
        """A fresh generator for ``role`` at ``step``."""
        return np.random.default_rng(self.sequence(role, step, name))

    def integer(self, role: Role, step: int = 0, name: str = "") -> int:
        """A seed below 2**31 for libraries that want an integer."""
        return int(self.sequence(role, step, name).generate_state(1)[0] >> 1)


class PublishedGenerator(Generator):
    """A generator that also carries the two legacy generators of the NPAL authors' code.

    Only strategies with a ``released`` option read them; they advance over the steps of a trial as
    the global generators did.

    Args:
        seed: run seed; seeds the legacy NumPy generator (and this generator itself).
        python_state: state of ``random.Random(seed)`` after imbalancing drew from it
            (:func:`pack_python_state`), or None for a fresh one.
    """

    def __init__(self, seed: int, python_state: NDArray[np.uint32] | None = None) -> None:
        super().__init__(np.random.PCG64(SeedSequence((seed, _word("published")))))
        self.numpy_legacy = RandomState(seed)
        self.python_legacy = random.Random(seed)
        if python_state is not None:
            version, _, gauss = self.python_legacy.getstate()
            self.python_legacy.setstate((version, tuple(int(word) for word in python_state), gauss))

    def state(self) -> dict[str, Any]:
        """All three generators as plain JSON, for :meth:`restore`."""
        kind, keys, *rest = self.numpy_legacy.get_state(legacy=True)
        version, words, next_gauss = self.python_legacy.getstate()
        return {
            "own": self.bit_generator.state,
            "numpy": [kind, np.asarray(keys).tolist(), *rest],
            "python": [version, list(words), next_gauss],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a :meth:`state`."""
        self.bit_generator.state = state["own"]
        kind, keys, *rest = state["numpy"]
        self.numpy_legacy.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
        version, words, next_gauss = state["python"]
        self.python_legacy.setstate((version, tuple(words), next_gauss))


def pack_python_state(generator: random.Random) -> NDArray[np.uint32]:
    """The state of a Python generator as 625 words, to be stored without pickle."""
    return np.asarray(generator.getstate()[1], dtype=np.uint32)


def uniforms_by_id(rng: Generator, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """One uniform number per row id, whatever the order of the rows.

    Drawn as a keyed hash (SplitMix64) of the ids, so permuting the pool permutes the numbers:
    random strategies and random tie-breaking stay equivariant.

    Args:
        rng: advanced by exactly one draw.
        ids: (n,) distinct row ids.

    Returns:
        (n,) float64 in [0, 1).
    """
    key = rng.integers(0, 2**64, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.asarray(ids).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _word(text: str) -> int:
    return zlib.crc32(text.encode())
