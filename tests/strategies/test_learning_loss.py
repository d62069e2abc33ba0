"""Learning loss: planted losses, and the classifier that it wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lalbench import classifiers, strategies
from lalbench.errors import UserError
from lalbench.strategies.base import LearningState
from lalbench.strategies.subsample import Subsample


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("size", [None, 4])
def test_the_largest_predicted_losses_in_order(
    size: int | None, given_signals: Callable[..., LearningState]
) -> None:
    losses = np.array([9.0, 0.3, -2.0, 5.0, 1.0, 4.0, 0.2])  # the first is of an annotated point
    state = given_signals(np.zeros((7, 2)), losses=losses, y_annotated=[0])
    ranking = [2, 4, 3, 0, 5, 1]
    strategy = strategies.get("learning_loss")
    if size is None:
        found = strategy.select(state, 6, rng())
        assert found.indices.tolist() == ranking
        assert found.scores.tolist() == losses[1:].tolist()
        return
    found = Subsample(strategy, size).select(state, 3, rng(2))
    part = np.flatnonzero(np.isfinite(found.scores))
    assert len(part) == size
    assert found.indices.tolist() == [place for place in ranking if place in part][:3]


def test_a_network_without_predicted_losses(given_signals: Callable[..., LearningState]) -> None:
    state = given_signals(np.zeros((5, 2)), y_annotated=[0])
    with pytest.raises(UserError, match=r"predicts no losses; fit a network with loss_head=True"):
        strategies.get("learning_loss").select(state, 1, rng())


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_classifier_gets_a_loss_head(
    wrapped: bool, make_image_state: Callable[..., LearningState]
) -> None:
    state = make_image_state()
    strategy = strategies.get("learning_loss", margin=0.5, weight=2.0, detach=0.25)
    given = (Subsample(strategy, 9) if wrapped else strategy).adapt_classifier(state.classifier)
    assert not hasattr(given, "means_")  # unfitted
    assert type(given) is type(state.classifier)
    assert given.get_params() == {
        "loss_head": True,
        "loss_margin": 0.5,
        "loss_weight": 2.0,
        "loss_detach_at": 0.25,
    }
    assert state.classifier.get_params()["loss_head"] is False


def test_the_options_fit_the_networks_of_the_package() -> None:
    network = classifiers.get("resnet18")
    adapted = strategies.get("learning_loss", detach=0.5).adapt_classifier(network)
    found = adapted.get_params()
    assert (found["loss_head"], found["loss_detach_at"]) == (True, 0.5)


def test_other_classifiers_have_no_loss_head() -> None:
    for name in ("logistic_regression", "svm"):
        with pytest.raises(UserError, match=r"classifiers: .*no loss head.*use a network"):
            strategies.get("learning_loss").adapt_classifier(classifiers.get(name))


def test_strategies_alone_may_lack_it() -> None:
    with pytest.raises(AttributeError):
        Subsample(strategies.get("random"), 9).adapt_classifier(None)
    assert replace(strategies.get("learning_loss"), detach=1.0).detach == 1.0
