"""Several scores of the same refits: what an engine computes once serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError
from lalbench.objectives.scorer import Scorer
from lalbench.objectives.smooth import SmoothScorer

if TYPE_CHECKING:
    from lalbench.objectives.measures import Needs

FloatArray = NDArray[np.float64]


class Panel:
    """Scorers of one problem, whose evaluation points may differ.

    The oracle takes it in place of a scorer; its scores then have one more axis, one entry per
    scorer: ``refit_scores(…, Panel([scorer, companion]))`` gives the objective and its companion
    from the same refits.

    Args:
        scorers: at least one, all of the same number of classes. Those that share the array of
            their points (the same object) share what is predicted there.

    Attributes:
        scorers: as given.
        X: (n, d) all points, each array once.
        y: (n,) what the points are counted by; holds nothing.
        n_classes: C.
        class_weights: (C,) of the first scorer.
        slope: of the smooth scorers, 1.0 without any.
        shape: ``(len(scorers),)``.

    Raises:
        UserError: no scorer, or scorers that do not fit together.
    """

    def __init__(self, scorers: Sequence[Scorer | SmoothScorer]) -> None:
        if not scorers:
            raise UserError("scorers", "an empty list", "give at least one scorer")
        self.scorers = tuple(scorers)
        self.n_classes, self.class_weights = scorers[0].n_classes, scorers[0].class_weights
        slopes = {each.slope for each in scorers if isinstance(each, SmoothScorer)}
        if any(each.n_classes != self.n_classes for each in scorers) or len(slopes) > 1:
            raise UserError(
                "scorers", "different classes or slopes", "give scorers of one problem and slope"
            )
        self.slope = slopes.pop() if slopes else 1.0
        arrays, self._places = [], []
        known: dict[int, slice] = {}
        n = 0
        for each in scorers:
            if id(each.X) not in known:
                known[id(each.X)] = slice(n, n + len(each.X))
                arrays.append(each.X)
                n += len(each.X)
            self._places.append(known[id(each.X)])
        self.X: FloatArray = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        self.y: FloatArray = np.empty((n, 0))
        self.shape: tuple[int, ...] = (len(scorers),)

    @property
    def needs(self) -> Needs:
        """``"predictions"`` if that is enough for all scorers, else ``"probabilities"``."""
        enough = all(each.needs == "predictions" for each in self.scorers)
        return "predictions" if enough else "probabilities"

    @property
    def description(self) -> list[Any]:
        """What the scores depend on, beside :attr:`arrays`."""
        places = [[place.start, place.stop] for place in self._places]
        return ["panel", places, *[each.description for each in self.scorers]]

    @property
    def arrays(self) -> tuple[Any, ...]:
        """Evaluation points, and labels and class weights of each scorer."""
        return (self.X, *[array for each in self.scorers for array in each.arrays[1:]])

    def score(self, values: ArrayLike, predictions: ArrayLike | None = None) -> FloatArray:
        """Scores of one or many prediction sets.

        Args:
            values: predicted labels (n,) or (m, n), or probabilities (n, C) or (m, n, C), as
                :attr:`needs` says.
            predictions: (n,) or (m, n) predicted labels beside probabilities, where they are not
                the most probable classes.

        Returns:
            (len(scorers),) or (m, len(scorers)) float64.
        """
        given = np.asarray(values)
        if self.needs == "predictions":
            labels = given
        else:
            labels = given.argmax(axis=-1) if predictions is None else np.asarray(predictions)
        found = []
        for each, place in zip(self.scorers, self._places, strict=True):
            hard = each.needs == "predictions"
            found.append(each.score(labels[..., place] if hard else given[..., place, :]))
        return np.stack(found, axis=-1)

    def score_decisions(self, decisions: ArrayLike) -> FloatArray:
        """Scores of (n,) or (m, n) two-class log-odds of class 1."""
        given = np.asarray(decisions)
        rows = given.reshape(-1, given.shape[-1])
        found = np.empty((len(rows), len(self.scorers)))
        if self._companions:  # compiled code is not imported for anything else
            from lalbench.objectives.sigmoids import sigmoid_sums
        for place, labels, members in self._companions:
            sharpness = np.array([self._smooth(each).sharpness for each in members])
            sums = sigmoid_sums(rows[:, place], labels, sharpness)
            for each, confusion in zip(members, sums, strict=True):
                found[:, each] = self._smooth(each).of_counts(confusion)
        alone = set(range(len(self.scorers))).difference(*(each[2] for each in self._companions))
        for each in alone:
            found[:, each] = self.scorers[each].score_decisions(rows[:, self._places[each]])
        return found.reshape(*given.shape[:-1], len(self.scorers))

    @cached_property
    def _companions(self) -> list[tuple[slice, FloatArray, list[int]]]:
        """Companions by counts that share points and labels: the points, the labels, and which."""
        found: dict[tuple[int, int], tuple[slice, FloatArray, list[int]]] = {}
        for number, (each, place) in enumerate(zip(self.scorers, self._places, strict=True)):
            if isinstance(each, SmoothScorer) and each.by_counts and each.n_classes == 2:
                key = (place.start, id(each.y))
                found.setdefault(key, (place, each.y, []))[2].append(number)
        return list(found.values())

    def _smooth(self, number: int) -> SmoothScorer:
        scorer = self.scorers[number]
        assert isinstance(scorer, SmoothScorer)
        return scorer

    def __call__(self, classifier: Any) -> FloatArray:
        """(len(scorers),) scores of a fitted classifier on the evaluation points."""
        return np.array([each(classifier) for each in self.scorers])
