"""Compiled sums of sigmoids against SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from lalbench.objectives import Panel, SmoothScorer, get, names
from lalbench.objectives.sigmoids import sigmoid_sums

LADDER = np.array([1.0, 3.0, 10.0, np.inf])


def plain(odds: np.ndarray, labels: np.ndarray, sharpness: np.ndarray) -> np.ndarray:
    found = []
    for T in sharpness:
        second = (odds > 0).astype(float) if np.isinf(T) else expit(T * odds)
        first = (odds <= 0).astype(float) if np.isinf(T) else expit(-T * odds)
        found.append(np.stack([first @ labels, second @ labels], axis=-1))
    return np.stack(found)


@given(
    odds=arrays(np.float64, (3, 7), elements=st.floats(-60, 60)),
    labels=arrays(np.float64, (7, 2), elements=st.floats(0, 1)),
    sharpness=st.lists(st.floats(0.01, 20), min_size=1, max_size=3),
)
def test_sums_are_those_of_scipy(
    odds: np.ndarray, labels: np.ndarray, sharpness: list[float]
) -> None:
    every = np.array([*sharpness, np.inf])
    np.testing.assert_allclose(
        sigmoid_sums(odds, labels, every), plain(odds, labels, every), rtol=1e-13, atol=1e-300
    )


def test_every_magnitude() -> None:
    odds = np.array([[-1e300, -800, -37.5, -1e-300, -0.0, 0.0, 1e-9, 30, 36.7, 709, 1e6, 1e300]])
    labels = np.array([[1.0, 0.0]])
    for each in odds.T:
        found = sigmoid_sums(each[None], labels, LADDER)
        # what is below 1e-303 is as good as 0
        expected = plain(each[None], labels, LADDER)
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-300)


def test_a_panel_scores_what_its_scorers_do_alone() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(40, 3)), rng.normal(size=(15, 3))
    v = rng.dirichlet([1, 1], size=40)
    hard, weights = rng.integers(0, 2, 15), [1.0, 4.0]
    scorers = [SmoothScorer(first, v, weights, sharpness=T) for T in LADDER]
    scorers += [SmoothScorer(second, hard, weights, "log_loss")]
    scorers += [SmoothScorer(second, hard, weights, "f_beta", sharpness=T) for T in (1.0, 2.0)]
    panel = Panel(scorers)
    assert len(panel.X) == 55
    odds = rng.normal(size=(2, 5, 55)) * 3
    found = panel.score_decisions(odds)
    assert found.shape == (2, 5, 7)
    for place, scorer in enumerate(scorers):
        own = odds[..., :40] if place < 4 else odds[..., 40:]
        expected = [scorer.score_decisions(each) for each in own]
        np.testing.assert_allclose(found[..., place], expected, rtol=1e-12)


OF_CLASSES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cost_matrix": ({"matrix": [[0, 5], [1, 0]]}, {"matrix": [[0, 1], [5, 0]]}),
    **dict.fromkeys(("iou", "dice", "ams"), ({"positive_class": 0}, {"positive_class": 1})),
}
"""Options that name classes, and the same with the classes turned round."""


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("sharpness", [1.0, 10.0, np.inf])
def test_the_name_of_a_class_does_not_matter_where_few_are_predicted(
    name: str, sharpness: float
) -> None:
    """Hundreds of points of which none, or next to none, is predicted as the rare class."""
    rng = np.random.default_rng(5)
    odds = 40 + np.abs(rng.normal(size=(6, 500))) * 100
    odds[3:, :2] = [-0.1, 0.2]
    rare = np.clip(rng.normal(0.1, 0.05, size=500), 0.001, 1)
    options, turned = OF_CLASSES.get(name, ({}, {}))
    first = SmoothScorer(
        np.zeros((500, 1)), np.column_stack([rare, 1 - rare]), [9.0, 1.0], get(name, **options),
        sharpness=sharpness,
    )  # fmt: skip
    second = SmoothScorer(
        np.zeros((500, 1)), np.column_stack([1 - rare, rare]), [1.0, 9.0], get(name, **turned),
        sharpness=sharpness,
    )  # fmt: skip
    z = np.nextafter(-odds, np.inf)  # a margin of 0 is of class 0, whatever it is called
    np.testing.assert_allclose(
        first.score_decisions(odds), second.score_decisions(z), rtol=1e-10, atol=1e-14
    )
    by_probabilities = [
        first.score(np.column_stack([expit(-each), expit(each)])) if first.needs != "predictions"
        else first.score((each > 0).astype(int)) for each in odds
    ]  # fmt: skip
    np.testing.assert_allclose(first.score_decisions(odds), by_probabilities, rtol=1e-9, atol=1e-14)
