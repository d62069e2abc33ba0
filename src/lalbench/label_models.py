"""Label models: calibrated class probabilities of unlabelled points, from every label one may see.

A strategy that looks ahead asks what label a candidate will have. The task classifier is a poor
witness: what it is wrong about it cannot ask about. A label model is another model of the class
probabilities. Candidates of several kinds are fitted to stratified folds; the one with the least
log loss of held-out rows is taken, all are averaged, or mixed with the weights that minimise it.
Margins become probabilities by Platt's sigmoid (Platt 1999), fitted to margins of held-out rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers.folds import stratified_folds
from lalbench.errors import LalbenchError, UserError, suggest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Combine = Literal["choose", "average", "stack"]

_FREE = 1e6
"""C of a sigmoid: next to no penalty."""
_MIXING_STEPS = 500
_MIXING_TOLERANCE = 1e-9


def _logistic_regression(n_features: int, seed: int) -> Any:
    from lalbench.classifiers.logistic import LogisticRegression

    return LogisticRegression()


def _svm(n_features: int, seed: int) -> Any:
    from lalbench.classifiers.rbf_machine import RbfMachine

    return RbfMachine(seed)


def _gaussian_process(n_features: int, seed: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    kernel = ConstantKernel(4.0) * RBF(math.sqrt(n_features))
    return GaussianProcessClassifier(kernel, optimizer=None, random_state=seed)


def _random_forest(n_features: int, seed: int) -> Any:
    from lalbench.classifiers.random_forest import RandomForest

    # a third of the features: many of them may say nothing, and a few trees have to do
    return RandomForest(50, max_features=max(1, n_features // 3), random_state=seed)


def _extra_trees(n_features: int, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(200, min_samples_leaf=2, random_state=seed)


_REGISTRY: Mapping[str, Callable[[int, int], Any]] = MappingProxyType(
    {
        "logistic_regression": _logistic_regression,
        "svm": _svm,
        "gaussian_process": _gaussian_process,
        "random_forest": _random_forest,
        "extra_trees": _extra_trees,
    }
)
DEFAULT = ("svm",)
"""The best by itself on the development data, and cheap (docs/look-ahead.md)."""


def names() -> list[str]:
    """The names of the built-in kinds."""
    return list(_REGISTRY)


@dataclass(frozen=True)
class LabelModel:
    """A fitted label model.

    Attributes:
        n_classes: C.
        prior: (C,) float64 smoothed class shares of the rows it has seen.
        trust: share of the members in what it says; the prior has the rest.
        losses: log loss of held-out rows of every candidate, nats per row; NaN where there were too
            few rows to hold any out.
        shares: weight of each candidate; they sum to 1.
        members: fitted candidates with a share above 0.
    """

    n_classes: int
    prior: FloatArray
    trust: float
    losses: Mapping[str, float]
    shares: Mapping[str, float]
    members: Mapping[str, _Member]

    def probabilities(self, X: FloatArray) -> FloatArray:
        """(n, C) float64 class probabilities of (n, d) rows; no class has probability 0."""
        found = np.tile(self.prior, (len(X), 1))
        if self.members:
            said = sum(self.shares[name] * self._said(name, X) for name in self.members)
            found = self.trust * said + (1 - self.trust) * found
        return found

    def _said(self, name: str, X: FloatArray) -> FloatArray:
        with _told(name):
            return self.members[name](X)

    @property
    def details(self) -> dict[str, Any]:
        """For records: shares above 0 and losses, None where no row could be held out."""
        shares = {name: round(share, 6) for name, share in self.shares.items() if share > 0}
        # JSON has no NaN
        losses = {
            name: round(loss, 6) if np.isfinite(loss) else None
            for name, loss in self.losses.items()
        }
        return {"label_model": shares, "label_model_log_loss": losses}


@dataclass(frozen=True)
class _Member:
    """A fitted candidate and the sigmoids of its margins, if it gives margins."""

    estimator: Any
    n_classes: int
    sigmoids: FloatArray | None

    def __call__(self, X: FloatArray) -> FloatArray:
        return _calibrated(_outputs(self.estimator, X, self.n_classes), self.sigmoids)


def fit_label_model(
    X: FloatArray,
    y: IntArray,
    n_classes: int,
    *,
    candidates: Sequence[str] = DEFAULT,
    combine: Combine = "choose",
    n_folds: int = 5,
    seed: int = 0,
) -> LabelModel:
    """Fits and weighs candidates on labelled rows.

    Args:
        X: (n, d) float64 features, n ≥ 1. Folds follow the order of the rows: sorted by their ids
            they give the same model in whatever order they came.
        y: (n,) int64 labels 0 … n_classes - 1; classes may be absent.
        n_classes: C.
        candidates: names of :func:`names`, or import paths ``"package.module:Class"`` of
            classifiers that are made without arguments.
        combine: ``choose`` the one with the least log loss, ``average`` them all, or ``stack``
            them.
        n_folds: at least 2. A class with one member is never held out.
        seed: of candidates that draw.

    Raises:
        UserError: no candidate, an unknown one, or a class that fails on these rows.
    """
    if not candidates:
        raise UserError("label_model", "no candidates", f"name some of {', '.join(_REGISTRY)}")
    counts = np.bincount(y, minlength=n_classes)
    prior = (counts + 1.0) / (len(y) + n_classes)
    makers = {name: _maker(name) for name in candidates}
    if np.count_nonzero(counts) < 2:  # nothing can be fitted
        unknown = dict.fromkeys(makers, math.nan)
        return LabelModel(n_classes, prior, 0.0, unknown, dict.fromkeys(makers, 0.0), {})
    folds = stratified_folds(y, n_folds)
    held, trust = folds >= 0, len(y) / (len(y) + 1.0)
    trials = []
    for name, make in makers.items():
        with _told(name):
            trials.append(_Trial.of(make, X, y, n_classes, folds, seed))
    own = np.empty((len(trials), held.sum()))
    for k, trial in enumerate(trials):
        said = trust * trial.crossed()[held] + (1 - trust) * prior
        own[k] = said[np.arange(len(said)), y[held]]
    shares = _shares(own, combine)
    losses = -np.log(own).mean(axis=1) if held.any() else np.full(len(own), math.nan)
    members = {}
    for name, trial, share in zip(makers, trials, shares, strict=True):
        if share > 0:
            with _told(name):
                members[name] = trial.finished(X)
    return LabelModel(
        n_classes, prior, trust, dict(zip(makers, losses.tolist(), strict=True)),
        dict(zip(makers, shares.tolist(), strict=True)), members,
    )  # fmt: skip


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What a class of others says when it fails, with its name; our own do not fail."""
    try:
        yield
    except Exception as error:
        if ":" not in name or isinstance(error, LalbenchError):
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            "label_model",
            f'"{name}" failed on standardised features ({said})',
            "name another label model",
        ) from error


def check_name(name: str) -> None:
    """Raises :class:`UserError` for an unknown label model, or a class that cannot be one."""
    if name in _REGISTRY:
        return
    if ":" not in name:
        raise UserError("label_model", f'unknown label model "{name}"', suggest(name, _REGISTRY))
    from lalbench import classifiers

    try:
        found = classifiers.get(name)
    except UserError as error:
        raise UserError("label_model", error.problem, error.remedy) from None
    if not any(hasattr(found, method) for method in ("predict_proba", "decision_function")):
        raise UserError(
            "label_model",
            f'"{name}" gives neither probabilities nor margins',
            "name a classifier with predict_proba or decision_function",
        )


def _maker(name: str) -> Callable[[int, int], Any]:
    """What makes an unfitted candidate from the number of features and a seed."""
    if ":" in name:
        from lalbench import classifiers

        return lambda n_features, seed: classifiers.get(name, seed=seed)
    check_name(name)
    return _REGISTRY[name]


@dataclass(frozen=True)
class _Trial:
    """What a candidate said of rows that it had not seen.

    Attributes:
        make: makes it.
        labels: (n,) of the rows.
        folds: (n,) as of :func:`lalbench.classifiers.folds.stratified_folds`.
        outputs: (n, C) of :func:`_outputs`; NaN for rows that were not held out.
        gives_margins: whether they are margins.
        seed: of candidates that draw.
    """

    make: Callable[[int, int], Any]
    labels: IntArray
    folds: IntArray
    outputs: FloatArray
    gives_margins: bool
    seed: int

    @classmethod
    def of(
        cls, make: Callable[[int, int], Any], X: FloatArray, y: IntArray, n_classes: int,
        folds: IntArray, seed: int,
    ) -> _Trial:  # fmt: skip
        """Fits it without each fold in turn."""
        found, estimator = np.full((len(y), n_classes), np.nan), make(X.shape[1], seed)
        for fold in range(folds.max() + 1):
            inside, outside = folds != fold, folds == fold
            estimator = make(X.shape[1], seed).fit(X[inside], y[inside])
            found[outside] = _outputs(estimator, X[outside], n_classes)
        gives_margins = not hasattr(estimator, "predict_proba")
        return cls(make, y, folds, found, gives_margins, seed)

    def crossed(self) -> FloatArray:
        """(n, C) probabilities; the sigmoids of a fold come from the others."""
        if not self.gives_margins:
            return self.outputs
        found = np.full_like(self.outputs, np.nan)
        for fold in range(self.folds.max() + 1):
            others, own = (self.folds >= 0) & (self.folds != fold), self.folds == fold
            sigmoids = _fit_sigmoids(self.outputs[others], self.labels[others])
            found[own] = _calibrated(self.outputs[own], sigmoids)
        return found

    def finished(self, X: FloatArray) -> _Member:
        """Fitted to all rows; its sigmoids come from all that were held out."""
        estimator = self.make(X.shape[1], self.seed).fit(X, self.labels)
        sigmoids = None
        if self.gives_margins:
            held = self.folds >= 0
            sigmoids = _fit_sigmoids(self.outputs[held], self.labels[held])
        return _Member(estimator, self.outputs.shape[1], sigmoids)


def _outputs(estimator: Any, X: FloatArray, n_classes: int) -> FloatArray:
    """(n, C) probabilities, or margins of an estimator without; for classes unseen 0 or -inf."""
    from lalbench.classifiers import decision, probabilities

    if hasattr(estimator, "predict_proba"):
        return probabilities(estimator, X, n_classes)
    margins = decision(estimator, X, n_classes)
    return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins


def _fit_sigmoids(margins: FloatArray, y: IntArray) -> FloatArray:
    """(C, 2) slope and offset of each class against the others, with Platt's targets.

    For two classes those of class 0 are those of class 1 turned round. A class without members, or
    without others, keeps its margins as log-odds.
    """
    n_classes = margins.shape[1]
    found = np.tile([1.0, 0.0], (n_classes, 1))
    for label in range(n_classes)[-1:] if n_classes == 2 else range(n_classes):
        own = y == label
        known = np.isfinite(margins[:, label])
        if (own & known).any() and (~own & known).any():
            found[label] = _fit_sigmoid(margins[known, label], own[known])
    if n_classes == 2:
        found[0] = found[1] * [1.0, -1.0]
    return found


def _fit_sigmoid(margins: FloatArray, positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope a and offset b of p = σ(a f + b)."""
    from lalbench.classifiers.logistic import LogisticRegression

    n_positive = int(positive.sum())
    target = np.where(
        positive, (n_positive + 1) / (n_positive + 2), 1 / (len(margins) - n_positive + 2)
    )
    spread = margins.std()
    scale = spread if spread > 0 else 1.0
    # a soft target is a row of each class with its share of the weight
    rows, labels = np.tile(margins / scale, 2)[:, None], np.repeat([1, 0], len(margins))
    fitted = LogisticRegression(C=_FREE).fit(rows, labels, np.append(target, 1 - target))
    return float(fitted.coef_[0, 0]) / scale, float(fitted.intercept_[0])


def _calibrated(outputs: FloatArray, sigmoids: FloatArray | None) -> FloatArray:
    """(n, C) probabilities, rows sum to 1."""
    if sigmoids is None:
        return outputs
    from scipy.special import expit

    slopes, offsets = sigmoids.T
    unseen = ~np.isfinite(outputs)
    found = np.where(unseen, 0.0, expit(slopes * np.where(unseen, 0.0, outputs) + offsets))
    total = found.sum(axis=1, keepdims=True)
    even = np.full_like(found, 1 / found.shape[1])
    return np.divide(found, total, out=even, where=total > 0)


def _shares(own: FloatArray, combine: Combine) -> FloatArray:
    """(k,) weights of candidates from the (k, n) probabilities that they gave the true labels."""
    n_candidates, n = own.shape
    if combine == "average":
        return np.full(n_candidates, 1 / n_candidates)
    if n == 0:  # nothing was held out: the first one
        return np.eye(n_candidates)[0]
    if combine == "choose":
        return np.eye(n_candidates)[int(np.log(own).sum(axis=1).argmax())]
    # expectation maximisation of the weights of a mixture: the log loss is convex in them
    shares = np.full(n_candidates, 1 / n_candidates)
    for _ in range(_MIXING_STEPS):
        new = shares * (own / (shares @ own)).mean(axis=1)
        change = np.abs(new - shares).max()
        shares = new
        if change < _MIXING_TOLERANCE:
            break
    return shares / shares.sum()
