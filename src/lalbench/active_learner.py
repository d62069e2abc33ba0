"""Strategies for one's own labelled points and pool, without a study."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench import classifiers, files, objectives, stored, strategies, user_arrays
from lalbench.errors import CorruptFileError, LalbenchError, UserError
from lalbench.problems.scaling import Scaler, fit_per_feature
from lalbench.seeds import Streams
from lalbench.strategies.base import (
    READS_REWARDS,
    LearningState,
    Need,
    Selection,
    Strategy,
    check_needs,
)
from lalbench.trials.trial import check_selection

FloatArray = NDArray[np.float64]
Labelled = tuple[ArrayLike, ArrayLike]
Weights = ArrayLike | Mapping[Any, float]


class ActiveLearner:
    """Chooses which points of a pool to label next.

    It belongs to one data set: the first call settles how features are scaled.

    >>> import numpy as np
    >>> X, y = np.array([[0.0], [0.2], [1.0], [1.2]]), ["no", "no", "yes", "yes"]
    >>> pool = np.array([[-1.0], [0.6], [2.0]])
    >>> ActiveLearner("margin").select(X, y, pool).indices
    array([1])

    Args:
        strategy: name of a strategy, or a strategy.
        classifier: name of a classifier of features, or an unfitted scikit-learn classifier.
        objective: what is to be improved (:func:`lalbench.objectives.get`). The rare class of
            objectives that have one is, unless an option names it, the one with the largest weight,
            without weights the one with the fewest labels.
        classes: all labels that there are; by default those of the labelled points, sorted.
        class_weights: weights of the classes in the objective: (C,) numbers in the order of
            ``classes``, or a mapping from labels to numbers; default all 1.
        fit_weights: weights of the classes in training, likewise; default none.
        seed: of all random numbers.
        **options: of the strategy.

    Attributes:
        learned: what the strategy learned, or None.
        learned_by: the :attr:`configuration` that learned it; of a loaded file, the one that it was
            saved from.

    Raises:
        UserError: an unknown name or option, or a strategy that a pool without labels cannot have.
    """

    def __init__(
        self,
        strategy: str | Strategy,
        classifier: Any = "logistic_regression",
        *,
        objective: Any = "weighted_accuracy",
        classes: Sequence[Any] | None = None,
        class_weights: Weights | None = None,
        fit_weights: Weights | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.strategy: Any = (
            strategies.get(strategy, **options) if isinstance(strategy, str) else strategy
        )
        self._title = strategy if isinstance(strategy, str) else type(strategy).__name__
        if not hasattr(self.strategy, "needs"):
            raise UserError("strategy", f"cannot use {strategy!r}", "give a name or a strategy")
        seed = user_arrays.whole_number("seed", seed, 0)
        self._streams = Streams(seed, seed)
        model_seed = self._streams.integer("model")
        self.classifier = _classifier(classifier, model_seed)
        self._check_needs()
        self._objective = objectives.get(objective)
        if self._objective.needs == "probabilities" and not hasattr(
            self.classifier, "predict_proba"
        ):
            raise UserError(
                "objective",
                f"it needs probabilities, which {type(self.classifier).__name__} does not give",
                "choose an objective of predictions or a classifier with predict_proba",
            )
        self._classes = None if classes is None else user_arrays.class_names((), classes)
        self._class_weights, self._fit_weights = class_weights, fit_weights
        self._scaler: Scaler | None = None
        self.learned: Any = None
        self.learned_by = ""

    def learn(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        X_pool: ArrayLike | None = None,
        *,
        reward: Labelled | None = None,
        processes: int = 1,
    ) -> Self:
        """Trains a learned strategy; others have nothing to learn.

        Args:
            X: (n, d) labelled points. Strategies of synthetic data (``lal_independent``,
                ``lal_iterative``) need none; with their defaults they take minutes.
            y: (n,) labels.
            X_pool: (m, d) pool, where it is known: features are then scaled by it, too.
            reward: other labelled points on which the objective is measured, for strategies that
                need them (``neural_process``).
            processes: of the learning on synthetic data.

        Raises:
            UserError: points or labels that do not fit, or too few to learn from.
        """
        self._scaler = None
        self.learned_by = self.configuration
        if Need.PRETRAINED in self.strategy.needs:
            processes = user_arrays.whole_number("processes", processes, 1)
            self.learned = self.strategy.pretrain(self.classifier, processes)
        elif Need.LEARNED in self.strategy.needs:
            if X is None or y is None:
                raise UserError(
                    "learn", f"{self._title} learns from labelled points", "give X and y"
                )
            pool = user_arrays.matrix("X", X)[:0] if X_pool is None else X_pool
            state = self._state(X, y, pool, reward)
            episodes = self.strategy.simulate(state, self._streams.generator("episodes"))
            rng = self._streams.generator("learner")
            self.learned = self.strategy.fit(state, episodes, rng)
        return self

    def select(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_pool: ArrayLike,
        budget: int = 1,
        *,
        reward: Labelled | None = None,
    ) -> Selection:
        """The points to label next.

        Args:
            X: (n, d) labelled points.
            y: (n,) labels.
            X_pool: (m, d) pool.
            budget: how many points are wanted.
            reward: as in :meth:`learn`.

        Returns:
            ``indices``, (min(budget, m),) int64 positions in the pool, in order of choice, and
            ``scores``, (m,) float64, larger is better, or None.

        Raises:
            UserError: points or labels that do not fit, or a strategy that has not learned yet.
        """
        budget = user_arrays.whole_number("budget", budget, 1)
        needs = self.strategy.needs
        if self.learned is None and needs & {Need.LEARNED, Need.PRETRAINED}:
            raise UserError("select", f"{self._title} has not learned yet", "call learn first")
        state = self._state(X, y, X_pool, reward)
        rng = self._streams.generator("strategy", step=len(state.y_annotated))
        found = self.strategy.select(state, budget, rng)
        if not isinstance(found, Selection):
            raise LalbenchError(f"{self._title}.select returned {type(found).__name__}")
        n_pool = state.n_pool
        chosen = check_selection(found, budget, n_pool) if n_pool else found.indices
        if found.scores is not None and np.shape(found.scores) != (n_pool,):
            raise LalbenchError(f"{self._title}.select returned {np.shape(found.scores)} scores")
        return Selection(chosen, found.scores)

    def probabilities(self, X: ArrayLike, y: ArrayLike, X_pool: ArrayLike) -> FloatArray:
        """(m, C) class probabilities of pool points, in the order of the classes.

        Those of the classifier trained on the labelled points, as the strategy sees them; of a
        classifier without any, what its decision values suggest, not calibrated.

        Raises:
            UserError: points or labels that do not fit.
        """
        return self._state(X, y, X_pool, None, measured=False).probabilities

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes what was learned, and the scaling of the features, as npz without pickle."""
        if self.learned is None:
            raise UserError("save", f"{self._title} has learned nothing", "call learn first")
        arrays = {"strategy": np.array(self._title), **self.learned.to_arrays()}
        arrays["made_from"] = np.array(self.learned_by)
        if self._scaler is not None:
            arrays |= {"scaler.mean": self._scaler.mean, "scaler.scale": self._scaler.scale}
        files.write_npz(path, arrays)

    def load(self, path: str | os.PathLike[str]) -> Self:
        """Reads what :meth:`save` wrote for the same strategy.

        Raises:
            CorruptFileError: the file is damaged, or none of :meth:`save`.
            UserError: there is no file, or it is of another strategy.
        """
        if not self.strategy.needs & {Need.LEARNED, Need.PRETRAINED}:
            raise UserError("load", f"{self._title} learns nothing", "use it without")
        if not os.path.isfile(path):
            raise UserError("load", f'no file "{os.fspath(path)}"', "give one that save wrote")
        try:
            arrays = files.read_npz(path)
            title, made_from = str(arrays.pop("strategy")), str(arrays.pop("made_from"))
            if title == self._title:
                scaler = _scaler(arrays) if "scaler.mean" in arrays else None
                learned = self.strategy.learned_from_arrays(arrays)
                # all of it or, of a damaged file, nothing
                self.learned_by, self._scaler, self.learned = made_from, scaler, learned
        except (CorruptFileError, *stored.DAMAGE) as error:
            raise CorruptFileError(
                f"{path}: nothing that an ActiveLearner saved, or damaged ({error}); learn again"
            ) from error
        if title != self._title:
            raise UserError(
                "load", f"{path} is of the strategy {title}, not {self._title}", "learn again"
            )
        return self

    @property
    def configuration(self) -> str:
        """Strategy and classifier with all their options, as text."""
        parameters = sorted(self.classifier.get_params().items())
        return f"{self.strategy!r} {type(self.classifier).__name__} {parameters!r}"

    def _check_needs(self) -> None:
        if classifiers.takes_images(self.classifier):
            raise UserError(
                "classifier",
                f"{type(self.classifier).__name__} takes images, and an ActiveLearner features",
                "choose another, or run a study",
            )
        if self.strategy.needs & {Need.LABEL_ORACLE, Need.TEST_SET}:
            raise UserError(
                "strategy",
                f"{self._title} sees hidden labels, which a pool has not",
                "choose another",
            )
        check_needs(self.strategy, self._title, network="", has_rewards=True, has_posterior=False)

    def _state(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_pool: ArrayLike,
        reward: Labelled | None,
        *,
        measured: bool = True,
    ) -> LearningState:
        rows = user_arrays.matrix("X", X)
        pool = user_arrays.matrix("X_pool", X_pool, rows.shape[1])
        user_arrays.check_columns("X_pool", X_pool, X)
        known = user_arrays.class_names(y, None) if self._classes is None else self._classes
        labels = user_arrays.numbered("y", y, len(rows), known)
        objectives.check_classes(self._objective, len(known))
        if self._scaler is None:
            self._scaler = fit_per_feature(np.concatenate([rows, pool]))
        if self._scaler.mean.shape != rows.shape[1:]:
            raise UserError(
                "X",
                f"{rows.shape[1]} features, and {len(self._scaler.mean)} the first time",
                "give the same features, or learn again",
            )
        rows, pool = self._scaler(rows), self._scaler(pool)
        weights = user_arrays.weights("class_weights", self._class_weights, known)
        objective = self._objective
        if weights is None:
            weights = np.ones(len(known))
            fewest = int(np.bincount(labels, minlength=len(known)).argmin())
            objective = objectives.with_rare_class(objective, fewest)
        fit_weights = user_arrays.weights("fit_weights", self._fit_weights, known)
        fitted = self._fitted(rows, labels, fit_weights)
        n, m = len(rows), len(pool)
        return LearningState(
            X_annotated=rows,
            y_annotated=labels,
            X_pool=pool,
            n_classes=len(known),
            classifier=fitted,
            class_weights=weights,
            fit_weights=fit_weights,
            pool_ids=np.arange(n, n + m),
            annotated_ids=np.arange(n),
            new_classifier=lambda: classifiers.clone(self.classifier),
            reward_scorer=(
                self._reward_scorer(reward, known, weights, objective) if measured else None
            ),
            objective=objective,
            learned=self.learned,
        )

    def _fitted(self, X: FloatArray, y: NDArray[np.int64], weights: FloatArray | None) -> Any:
        try:
            return classifiers.fit(classifiers.clone(self.classifier), X, y, weights)
        except ValueError as error:
            if isinstance(error, UserError) or len(np.unique(y)) > 1:
                raise
            raise UserError(
                "y",
                f"{type(self.classifier).__name__} cannot learn from labels of one class",
                "label a point of another class",
            ) from error

    def _reward_scorer(
        self, reward: Labelled | None, known: Sequence[Any], weights: FloatArray, objective: Any
    ) -> objectives.Scorer | None:
        needs = self.strategy.needs
        if not needs & READS_REWARDS or (reward is None and Need.REWARD_SET not in needs):
            return None
        if not isinstance(reward, tuple | list) or len(reward) != 2:
            raise UserError(
                "reward",
                f"{self._title} measures on labelled points that are not for training",
                "give reward=(X, y)",
            )
        assert self._scaler is not None  # of the state that is being made
        rows = user_arrays.matrix("reward", reward[0], len(self._scaler.mean))
        labels = user_arrays.numbered("reward", reward[1], len(rows), known)
        return objectives.Scorer(self._scaler(rows), labels, weights, objective)


def _classifier(given: Any, seed: int) -> Any:
    try:
        return classifiers.get(given, seed=seed)
    except UserError as error:  # its keys are those of studies
        raise UserError("classifier", error.problem, error.remedy) from None


def _scaler(arrays: Mapping[str, NDArray[Any]]) -> Scaler:
    mean = stored.take(arrays, "scaler.mean", np.float64, None)
    scale = stored.take(arrays, "scaler.scale", np.float64, *mean.shape)
    if (scale <= 0).any():
        raise ValueError("scaler.scale is not positive")
    return Scaler(mean, scale)
