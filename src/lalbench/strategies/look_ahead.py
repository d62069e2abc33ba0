"""Look-ahead: what one more label is expected to bring, by exact refits and a separate label model.

The classifier is refitted with every candidate and every label that it may have
(:mod:`lalbench.oracle`); the smooth companion of the objective (:mod:`lalbench.objectives.smooth`)
scores each refit, and a label model (:mod:`lalbench.label_models`) says how probable the label is.
docs/look-ahead.md says what each part is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from lalbench import label_models
from lalbench.errors import UserError
from lalbench.label_models import Combine, fit_label_model
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need, given
from lalbench.strategies.expectation import ExpectedImprovement
from lalbench.strategies.smoothing import own_probabilities


@dataclass(frozen=True)
class LookAhead(ExpectedImprovement):
    r"""The largest expected improvement of the smooth objective, labels expected by a label model.

    Rule:
        $\arg\max_x \sum_c q(c \mid x) V(\theta(A \cup \lbrace (x, c) \rbrace))$, $\theta$ the
        refitted classifier, $V$ the smooth companion of the objective on evaluation points, $q$ the
        label model

    Cost:
        $nC$ exact refits for $n$ candidates and $C$ classes, and a label model; with a batch as
        many rounds as picks, and a classifier whose ``fit`` takes weights

    Source:
        This package, from expected error reduction (N. Roy and A. McCallum, *Toward Optimal Active
        Learning through Sampling Estimation of Error Reduction*, ICML 2001) and the myopic oracle
        of T. Bakker, H. van Hoof and M. Welling, *Learning Objective-Specific Active Learning
        Strategies with Attentive Neural Processes*, 2023.

    Pitfalls:
        - Where the classifier cannot represent the boundary, a smooth objective can rise while
          the objective falls; ``consensus`` guards against that, a fixed ``sharpness`` does not.
        - With an SVM, balanced classes and all labels in the training it is hardly better than
          random, with fewer than about fifteen labels of a class behind ``quire`` and
          ``k_center_greedy``: docs/look-ahead.md has picture, proof and known failures.
        - With ``points: reward`` or ``both``, and with a label model wherever there is a reward
          set, it reads the reward labels; compare it with strategies that have as many labels.

    Attributes:
        label_model: a candidate of :func:`lalbench.label_models.fit_label_model`, or several;
            ``classifier`` alone: the task classifier's own probabilities.
        combine: ``choose`` one candidate, ``average`` or ``stack`` them.
    """

    label_model: str | tuple[str, ...] = label_models.DEFAULT
    combine: Combine = "choose"

    def __post_init__(self) -> None:
        given: Any = self.label_model
        if isinstance(given, list):  # as YAML has it
            object.__setattr__(self, "label_model", tuple(given))
        super().__post_init__()
        if not self._candidates:
            raise UserError("label_model", "no candidates", "name at least one")
        if "classifier" in self._candidates and not self._own:
            raise UserError(
                "label_model",
                '"classifier" beside other candidates',
                "name it alone, or leave it out",
            )
        for name in () if self._own else self._candidates:
            label_models.check_name(name)

    @property
    def _candidates(self) -> tuple[str, ...]:
        return (self.label_model,) if isinstance(self.label_model, str) else self.label_model

    @property
    def _own(self) -> bool:
        """Whether the labels are expected by the task classifier itself."""
        return self._candidates == ("classifier",)

    @property
    def needs(self) -> frozenset[Need]:
        """A label model reads the reward set where there is one."""
        asks = super().needs | {Need.PROBABILITIES}
        return asks if self._own or Need.REWARD_SET in asks else asks | {Need.REWARD_IF_ANY}

    def _expected_labels(
        self, state: LearningState, slope: float, rng: Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """By a model of every label that may be seen, or the classifier's own probabilities."""
        if self._own:
            return own_probabilities(state, slope), {}
        X, y = seen_labels(state)
        model = fit_label_model(
            X, y, state.n_classes, candidates=self._candidates, combine=self.combine,
            seed=int(rng.integers(2**31)),
        )  # fmt: skip
        return model.probabilities(state.X_pool), model.details


def seen_labels(state: LearningState) -> tuple[FloatArray, IntArray]:
    """(n, d) rows and (n,) labels that a strategy may see: annotated by their ids, then rewards."""
    order = np.argsort(state.annotated_ids, kind="stable")
    X, y = state.X_annotated[order], state.y_annotated[order]
    rewards = state.reward_scorer
    if rewards is None:
        return X, y
    return np.concatenate([X, rewards.X]), np.concatenate([y, rewards.y])


@dataclass(frozen=True)
class PosteriorLimit(ExpectedImprovement):
    r"""Look-ahead that knows the true class probabilities: the limit of strategies of its form.

    Rule:
        $\arg\max_x \sum_c P(c \mid x) V(\theta(A \cup \lbrace (x, c) \rbrace))$, as
        `look_ahead`, $P$ the true class probabilities

    Cost:
        $nK$ exact refits; with a batch as many rounds as picks, and a classifier whose ``fit``
        takes weights

    Source:
        This package; the densities of the waveforms follow L. Breiman, J. Friedman, R. Olshen and
        C. Stone, *Classification and Regression Trees*, 1984, section 2.6.2.

    Pitfalls:
        - Only made data have true class probabilities (``waveform_generator``).
        - It is a limit of looking one label ahead with this objective, not of all strategies.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """The true class probabilities besides."""
        return super().needs | {Need.POSTERIOR}

    def _expected_labels(
        self, state: LearningState, slope: float, rng: Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        found: FloatArray = given(state.posterior, "posterior", "the limit")
        return found, {}
