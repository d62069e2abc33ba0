"""Imbalancing and splitting: which rows survive, and which of four parts each of them joins.

Pure functions of labels and seeds; rows are int64 positions in the arrays of the data set.
Conventions of Bakker et al. 2023 (supplement, data section); protocol differences are numbered as
in ``docs/protocols.md``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lalbench.config import Sizes
from lalbench.errors import UserError

IntArray = NDArray[np.int64]
Shuffle = Callable[[IntArray], IntArray]


def shuffle_with_python(generator: random.Random) -> Shuffle:
    """Shuffles as the authors' code does: ``random.sample`` of all rows of a class [1]."""

    def shuffle(rows: IntArray) -> IntArray:
        listed = rows.tolist()
        return np.array(generator.sample(listed, len(listed)), dtype=np.int64)

    return shuffle


def shuffle_with_numpy(rng: Generator) -> Shuffle:
    """Shuffles with a named stream [1]."""
    return lambda rows: rng.permutation(rows)


def keep_counts(counts: IntArray, frequencies: Sequence[Fraction]) -> IntArray:
    """How many rows of each class survive, in exact arithmetic.

    The class counts become proportional to the frequencies (truncated to integers), as large as the
    scarcest class allows; that class keeps all its rows.

    Args:
        counts: (C,) rows per class, positive.
        frequencies: (C,) positive factors.

    Returns:
        (C,) int64.
    """
    unit = min(Fraction(int(n)) / f for n, f in zip(counts, frequencies, strict=True))
    return np.array([int(unit * f) for f in frequencies], dtype=np.int64)


def keep_counts_float(counts: IntArray, frequencies: Sequence[Fraction]) -> IntArray:
    """The same in float64, operation by operation as the authors' code [1].

    Rounding can lose one row of a class (2 and 49 rows, balanced, keep 1 and 1); it does so on none
    of the data sets of the paper.
    """
    factors = np.array([float(f) for f in frequencies])
    wanted = counts.max() * factors / factors.max()
    kept: IntArray = ((counts / wanted).min() * wanted).astype(np.int64)
    return kept


def imbalance(y: IntArray, rows: IntArray, kept: IntArray, shuffle: Shuffle) -> IntArray:
    """The surviving rows: of every class in label order, the first ``kept[c]`` after a shuffle.

    Args:
        y: (n,) labels of the data set.
        rows: rows to choose from, ascending.
        kept: (C,) rows to keep per class.
        shuffle: returns its argument in random order; called once per class, in label order.

    Returns:
        (sum of kept,) int64 rows, class after class.
    """
    labels = y[rows]
    return np.concatenate(
        [shuffle(rows[labels == label])[:count] for label, count in enumerate(kept)]
    )


@dataclass(frozen=True)
class SplitSeeds:
    """The integer seed of every stratified draw [2]."""

    test: int
    reward: int
    annotated: int
    pool: int


@dataclass(frozen=True, eq=False)
class Parts:
    """The four parts as int64 rows, in the order in which they were drawn."""

    annotated: IntArray
    pool: IntArray
    reward: IntArray
    test: IntArray

    def with_rewards_annotated(self) -> Parts:
        """The reward rows behind the annotated ones, and no reward set."""
        annotated = np.concatenate([self.annotated, self.reward])
        return replace(self, annotated=annotated, reward=self.reward[:0])


class Splitter:
    """Draws the four parts, stratified by class: test, then reward, then annotated, then pool.

    Args:
        y: (n,) labels of the data set.
        class_names: (C,) names for messages.
        sizes: rows wanted in each part.
        seeds: seeds of the draws.
    """

    def __init__(
        self, y: IntArray, class_names: Sequence[str], sizes: Sizes, seeds: SplitSeeds
    ) -> None:
        self._y = y
        self._names = class_names
        self._sizes = sizes
        self._seeds = seeds

    def split(self, kept: IntArray, kept_test: IntArray | None = None) -> Parts:
        """Splits the surviving rows.

        Args:
            kept: surviving rows; of the train partition where the data set has a test partition.
            kept_test: surviving rows of the given test partition, or None to draw the test set from
                ``kept``.

        Raises:
            UserError: the sizes do not fit the surviving rows, or a class is too small to be in
                every part that needs it.
        """
        sizes, seeds = self._sizes, self._seeds
        n_test = self._n_test(kept_test)
        self._check_total(kept, kept_test, n_test)
        if kept_test is None:
            rest, test = self._draw(kept, n_test, seeds.test, "test")
        elif n_test == len(kept_test):
            rest, test = kept, kept_test
        else:
            rest, test = kept, self._draw(kept_test, n_test, seeds.test, "test")[1]
        reward = kept[:0]
        if sizes.reward:
            rest, reward = self._draw(rest, sizes.reward, seeds.reward, "reward")
        annotated, pool = self._draw_annotated(rest)
        if sizes.pool is not None and sizes.pool != len(pool):
            pool = self._draw(pool, sizes.pool, seeds.pool, "pool", True)[0]
        self._check_classes("test", test)
        self._check_classes("annotated", annotated)
        return Parts(annotated, pool, reward, test)

    def _draw(
        self, rows: IntArray, size: int, seed: int, part: str, first: bool = False
    ) -> tuple[IntArray, IntArray]:
        """One stratified draw of ``size`` rows as the second part, or as the first one.

        Which of the two it is matters for the published rows: the function deals the first part out
        before the second.
        """
        from sklearn.model_selection import train_test_split

        self._check_draw(rows, size, part)
        wanted = {"train_size" if first else "test_size": size}
        one, other = train_test_split(rows, **wanted, random_state=seed, stratify=self._y[rows])
        return one, other

    def _draw_annotated(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Annotated set and pool; a class that the draw left out gets one random point.

        Few points of a rare class round to none: a classifier cannot begin with that.
        """
        seed = self._seeds.annotated
        annotated, pool = self._draw(rows, self._sizes.annotated, seed, "annotated", True)
        rng = np.random.RandomState(seed)
        counts = np.bincount(self._y[annotated], minlength=len(self._names))
        for label in np.flatnonzero(counts == 0):
            most = int(np.bincount(self._y[annotated]).argmax())
            out = rng.choice(np.flatnonzero(self._y[annotated] == most))
            new = rng.choice(np.flatnonzero(self._y[pool] == label))
            annotated[out], pool[new] = pool[new], annotated[out]
        return annotated, pool

    def _n_test(self, kept_test: IntArray | None) -> int:
        if self._sizes.test != "all":
            return self._sizes.test
        if kept_test is None:
            raise UserError(
                "sizes.test",
                '"all" means a given test partition, and this data set has none',
                "write a number of rows",
            )
        return len(kept_test)

    def _check_total(self, kept: IntArray, kept_test: IntArray | None, n_test: int) -> None:
        sizes = self._sizes
        wanted = {"reward": sizes.reward, "annotated": sizes.annotated, "pool": sizes.pool or 1}
        if kept_test is None:
            wanted = {"test": n_test, **wanted}
        elif n_test > len(kept_test):
            raise UserError(
                "sizes.test",
                f"{n_test} rows are wanted, but only {len(kept_test)} rows of the given test "
                "partition survive imbalancing",
                "make it smaller",
            )
        if sum(wanted.values()) > len(kept):
            listed = " + ".join(f"{part} {size}" for part, size in wanted.items())
            raise UserError(
                "sizes",
                f"{listed} = {sum(wanted.values())} rows are wanted, but only {len(kept)} rows "
                "survive imbalancing",
                "make the sizes smaller, the frequencies milder, or use more data",
            )

    def _check_draw(self, rows: IntArray, size: int, part: str) -> None:
        # The conditions under which a stratified draw is defined, with words a user can act on.
        n_classes = len(self._names)
        left = len(rows) - size
        if size < n_classes:
            raise UserError(
                f"sizes.{part}",
                f"{size} rows cannot hold {n_classes} classes",
                f"use at least {n_classes}",
            )
        if left < n_classes:
            raise UserError(
                f"sizes.{part}",
                f"{size} of {len(rows)} rows leave {left} for the rest, fewer than the {n_classes} "
                "classes",
                "make it smaller or use more data",
            )
        counts = np.bincount(self._y[rows], minlength=n_classes)
        scarce = int(counts.argmin())
        if counts[scarce] < 2:
            raise UserError(
                f"sizes.{part}",
                f'class "{self._names[scarce]}" has {counts[scarce]} of the {len(rows)} rows left '
                f"for the {part} set, too few to split",
                "use smaller sizes, milder frequencies or more data",
            )

    def _check_classes(self, part: str, rows: IntArray) -> None:
        counts = np.bincount(self._y[rows], minlength=len(self._names))
        scarce = int(counts.argmin())
        if counts[scarce] == 0:
            raise UserError(
                f"sizes.{part}",
                f'no row of class "{self._names[scarce]}" is among the {len(rows)} rows of the '
                f"{part} set",
                "make it larger or the frequencies milder",
            )
