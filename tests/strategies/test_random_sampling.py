"""Random sampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lalbench.errors import UserError
from lalbench.seeds import PublishedGenerator
from lalbench.strategies.base import LearningState
from lalbench.strategies.random_sampling import RandomSampling


def test_a_budget_of_the_whole_pool_returns_every_point_once(
    make_state: Callable[..., LearningState],
) -> None:
    found = RandomSampling().select(make_state(), 30, np.random.default_rng(0)).indices
    assert sorted(found.tolist()) == list(range(30))


def test_every_point_is_equally_likely(make_state: Callable[..., LearningState]) -> None:
    state = make_state(n_pool=10)
    counts = np.zeros(10)
    for seed in range(2000):
        chosen = RandomSampling().select(state, 3, np.random.default_rng(seed)).indices
        counts[chosen] += 1
    # without replacement the counts vary less than multinomial ones: by a factor 7 / 9
    chi_squared = ((counts - 600) ** 2 / 600).sum() / (7 / 9)
    assert chi_squared < 29.7  # 0.9995 quantile for 9 degrees of freedom


def test_released_draws_are_those_of_the_legacy_generator(
    make_state: Callable[..., LearningState],
) -> None:
    ours, legacy = PublishedGenerator(43), np.random.RandomState(43)
    for n_pool in (30, 29, 28, 27):
        found = RandomSampling(draws="released").select(make_state(n_pool=n_pool), 1, ours)
        expected = legacy.choice(range(n_pool), size=1, replace=False)
        assert found.indices.tolist() == expected.tolist()


def test_released_draws_need_their_generator(make_state: Callable[..., LearningState]) -> None:
    with pytest.raises(UserError, match=r"draws: .*no legacy streams; use the protocol published"):
        RandomSampling(draws="released").select(make_state(), 1, np.random.default_rng(0))
