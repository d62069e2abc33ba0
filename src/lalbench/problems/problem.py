"""What all strategies of a cell share: rows, features or images, and class weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from lalbench import files
from lalbench.config import ObjectiveSpec
from lalbench.data.images import Images
from lalbench.errors import UserError
from lalbench.problems.scaling import Scaler, Scaling

if TYPE_CHECKING:
    from lalbench.data.dataset import Dataset

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PARTS = ("annotated", "pool", "reward", "test")
FEW_RARE_POINTS = 5
"""Fewer points of the rare class than this in the pool or the test set make a degenerate cell."""

_HASHED_TOGETHER = 1024


@dataclass(frozen=True, eq=False)
class Problem:
    """One data set in one setting, split for one (data seed, seed).

    Features and images are read from the data set when they are first asked for.

    Attributes:
        dataset, setting, protocol: names.
        objective: the study's objective.
        data_seed, seed, study_seed: where its random numbers come from.
        source: the data set.
        y: (n,) int64 labels 0 … C - 1.
        row_ids: (n,) int64 rows of the data set, in the order in which imbalancing kept them. Rows
            of a given test partition that were not drawn, and rows beyond ``sizes.pool``, are not
            among them.
        annotated, pool, reward, test: int64 positions in X, images, y and row_ids, disjoint, in
            the order of the draw; together they are all n positions. The reward set may be empty.
        frequencies: (C,) float64 class factors of the setting.
        class_weights: (C,) float64 weights of the score.
        fit_weights: (C,) float64 weights in training, or None.
        rare_class: label that rare-class metrics are about.
        scaling: how X is made of the features of the data set.
        pixel_mean, pixel_scale: (C,) float64 mean and positive scale of each channel, for networks,
            in units of pixel values 0 … 255; None for a table.
        class_names: (C,) names of the classes.
        natural_counts: (C,) int64 rows per class of the whole data set.
        python_random_state: (625,) uint32 state of ``random.Random(seed)`` after imbalancing, which
            strategies of the authors' code go on drawing from; None where that is not in force.
        split_hash: sha256 of the row ids of the four parts.
        source_hash: sha256 of the data set.
    """

    dataset: str
    setting: str
    protocol: str
    objective: ObjectiveSpec
    data_seed: int
    seed: int
    study_seed: int
    source: Dataset
    y: IntArray
    row_ids: IntArray
    annotated: IntArray
    pool: IntArray
    reward: IntArray
    test: IntArray
    frequencies: FloatArray
    class_weights: FloatArray
    fit_weights: FloatArray | None
    rare_class: int
    scaling: Scaling
    pixel_mean: FloatArray | None
    pixel_scale: FloatArray | None
    class_names: tuple[str, ...]
    natural_counts: IntArray
    python_random_state: NDArray[np.uint32] | None
    split_hash: str
    source_hash: str

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_weights)

    @property
    def is_images(self) -> bool:
        """Whether the rows are images, so that a network can be trained on them."""
        return self.source.is_images

    @cached_property
    def scaler(self) -> Scaler:
        """The fitted scaling that makes X."""
        return self.scaling.fit(self.source)

    @cached_property
    def X(self) -> FloatArray:
        """(n, d) float64 scaled features of the rows in use, read-only; of images their pixels."""
        X = self.source.features(self.row_ids)
        self.scaler(X, out=X)
        X.setflags(write=False)
        return X

    @cached_property
    def images(self) -> Images:
        """(n, H, W, C) images of the rows in use.

        Raises:
            UserError: the data set is a table.
        """
        if not self.is_images:
            raise UserError(
                "classifiers",
                f'a network needs images: "{self.dataset}" is a table',
                "use another classifier, or a data set of images",
            )
        return Images(cast(NDArray[np.uint8], self.source.X), self.row_ids)

    @cached_property
    def posterior(self) -> FloatArray:
        """(n, C) float64 true class probabilities of the rows in use, of a made data set.

        The classes are as frequent as the setting makes them.

        Raises:
            UserError: the densities of the data set are not known.
        """
        densities = self.source.log_densities
        if densities is None:
            raise UserError(
                "datasets",
                f'the true class probabilities of "{self.dataset}" are not known',
                "use waveform_generator without relabel",
            )
        odds = densities[self.row_ids] + np.log(self.frequencies)
        odds -= odds.max(axis=1, keepdims=True)
        found: FloatArray = np.exp(odds)
        found /= found.sum(axis=1, keepdims=True)
        return found

    @property
    def X_annotated(self) -> FloatArray:
        """(n_annotated, d) float64."""
        return self.X[self.annotated]

    @property
    def y_annotated(self) -> IntArray:
        """(n_annotated,) int64."""
        return self.y[self.annotated]

    @property
    def X_pool(self) -> FloatArray:
        """(n_pool, d) float64."""
        return self.X[self.pool]

    @property
    def X_reward(self) -> FloatArray:
        """(n_reward, d) float64."""
        return self.X[self.reward]

    @property
    def y_reward(self) -> IntArray:
        """(n_reward,) int64."""
        return self.y[self.reward]

    @property
    def X_test(self) -> FloatArray:
        """(n_test, d) float64."""
        return self.X[self.test]

    @property
    def y_test(self) -> IntArray:
        """(n_test,) int64."""
        return self.y[self.test]

    def class_counts(self, part: str) -> IntArray:
        """(C,) rows per class in ``part`` (annotated, pool, reward or test)."""
        return np.bincount(self.y[getattr(self, part)], minlength=self.n_classes)

    @cached_property
    def n_shared_rows(self) -> int:
        """Rows with an exact copy (features and label) in another of the four parts."""
        rows = self.images if self.is_images else self.X
        groups: dict[bytes, list[int]] = {}
        for code, part in enumerate(PARTS):
            for start in range(0, len(getattr(self, part)), _HASHED_TOGETHER):
                block = getattr(self, part)[start : start + _HASHED_TOGETHER]
                for row, label in zip(np.asarray(rows[block]), self.y[block], strict=True):
                    key = hashlib.sha256(row.tobytes() + label.tobytes()).digest()
                    groups.setdefault(key, []).append(code)
        return sum(len(found) for found in groups.values() if len(set(found)) > 1)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes results on this problem hard to trust, one sentence each; often empty."""
        rare = f'rare class "{self.class_names[self.rare_class]}"'
        natural = int(self.natural_counts[self.rare_class])
        if natural == self.natural_counts.max() and natural > self.natural_counts.min():
            total = self.natural_counts.sum()
            rare += f" (naturally the most frequent one, {natural} of {total} rows)"
        found = []
        for part in ("pool", "test"):
            count = int(self.class_counts(part)[self.rare_class])
            if count < FEW_RARE_POINTS:
                noun = "point" if count == 1 else "points"
                found.append(f"the {part} set holds only {count} {noun} of the {rare}")
        for label in np.flatnonzero(self.class_counts("reward") == 0) if len(self.reward) else ():
            found.append(f'the reward set holds no point of class "{self.class_names[label]}"')
        if self.n_shared_rows:
            found.append(
                f"{self.n_shared_rows} rows have an exact copy in another of the annotated, pool, "
                "reward and test sets"
            )
        return tuple(found)


def assemble(
    source: Dataset, row_ids: IntArray, parts: Mapping[str, IntArray], fields: Mapping[str, Any]
) -> Problem:
    """The problem whose parts are given as rows of its data set.

    Args:
        source: the data set.
        row_ids: (n,) rows in use, in the order of the problem.
        parts: rows of each of :data:`PARTS`.
        fields: the other fields of :class:`Problem` that do not follow from these.
    """
    position = np.full(len(source.y), -1, dtype=np.int64)
    position[row_ids] = np.arange(len(row_ids))
    return Problem(
        **fields,
        source=source,
        y=source.y[row_ids].astype(np.int64),
        row_ids=row_ids,
        annotated=position[parts["annotated"]],
        pool=position[parts["pool"]],
        reward=position[parts["reward"]],
        test=position[parts["test"]],
        class_names=tuple(source.class_names),
        natural_counts=np.bincount(source.y, minlength=len(source.class_names)),
        split_hash=split_hash(parts),
        source_hash=source.source_hash,
    )


def split_hash(parts: Mapping[str, IntArray]) -> str:
    """sha256 of the row ids of the four parts, in their order."""
    return files.array_digest(*(parts[part] for part in PARTS))
