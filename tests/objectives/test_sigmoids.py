"""Compiled sums of sigmoids against SciPy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from lalbench.objectives import Panel, SmoothScorer
from lalbench.objectives.sigmoids import sigmoid_sums

LADDER = np.array([1.0, 3.0, 10.0, np.inf])


def plain(odds: np.ndarray, labels: np.ndarray, sharpness: np.ndarray) -> np.ndarray:
    found = []
    for T in sharpness:
        second = (odds > 0).astype(float) if np.isinf(T) else expit(T * odds)
        found.append(second @ labels)
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
    found = sigmoid_sums(odds, np.eye(12), LADDER)
    # what is below 1e-303 is as good as 0
    np.testing.assert_allclose(found, plain(odds, np.eye(12), LADDER), rtol=1e-14, atol=1e-300)


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
