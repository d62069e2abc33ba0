"""Random streams: one per role, the same for the same seeds, and equivariant numbers per row id."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench.seeds import PublishedGenerator, Streams, pack_python_state, uniforms_by_id

ROLES = ("data", "initial_set", "episodes", "strategy", "learner", "model")


def first_numbers(streams: Streams, role: str, step: int = 0) -> list[float]:
    return list(streams.generator(role, step).random(3))  # type: ignore[arg-type]


def test_every_role_and_step_has_its_own_stream() -> None:
    streams = Streams(data_seed=1, seed=2)
    drawn = {tuple(first_numbers(streams, role, step)) for role in ROLES for step in range(3)}
    assert len(drawn) == len(ROLES) * 3


def test_run_seed_never_touches_data_but_all_else() -> None:
    first, second = Streams(1, 2), Streams(1, 3)
    assert first_numbers(first, "data") == first_numbers(second, "data")
    assert first_numbers(first, "initial_set") == first_numbers(second, "initial_set")
    for role in ROLES[2:]:
        assert first_numbers(first, role) != first_numbers(second, role)


@pytest.mark.parametrize("other", [Streams(9, 2), Streams(1, 2, study_seed=9)])
def test_data_seed_and_study_seed_touch_everything(other: Streams) -> None:
    base = Streams(1, 2)
    for role in ROLES:
        assert first_numbers(base, role) != first_numbers(other, role)


@given(
    ids=st.lists(st.integers(0, 2**40), min_size=1, max_size=50, unique=True),
    seed=st.integers(0, 2**31),
    data=st.data(),
)
def test_uniforms_follow_their_ids(ids: list[int], seed: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(ids))))
    array = np.array(ids)
    straight = uniforms_by_id(np.random.default_rng(seed), array)
    shuffled = uniforms_by_id(np.random.default_rng(seed), array[order])
    np.testing.assert_array_equal(straight[order], shuffled)
    assert ((straight >= 0) & (straight < 1)).all()


def test_uniforms_are_uniform_and_change_from_draw_to_draw() -> None:
    rng = np.random.default_rng(0)
    ids = np.arange(100_000)
    first, second = uniforms_by_id(rng, ids), uniforms_by_id(rng, ids)
    # Standard errors: mean 0.0009, correlation 0.003; five of them leave room for no luck.
    assert abs(first.mean() - 0.5) < 0.005
    assert abs(np.var(first) - 1 / 12) < 0.005
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.016
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.016


def test_published_generator_replays_the_legacy_generators() -> None:
    python = random.Random(42)
    python.sample(range(50), 50)
    state = pack_python_state(python)
    published = PublishedGenerator(42, state)
    assert [published.python_legacy.random() for _ in range(5)] == [
        python.random() for _ in range(5)
    ]
    expected = np.random.RandomState(42)
    np.testing.assert_array_equal(published.numpy_legacy.uniform(size=5), expected.uniform(size=5))
