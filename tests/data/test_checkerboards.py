"""Checkerboards: the rules against the authors' files, and against squares counted one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data import checkerboards
from lalbench.data.checkerboards import RULES, board_labels, rotated_labels
from lalbench.data.dataset import Dataset
from lalbench.errors import UserError

FILES = {
    "checkerboard_2x2": "checkerboard2x2",
    "checkerboard_4x4": "checkerboard4x4",
    "rotated_checkerboard_2x2": "rotated_checkerboard2x2",
}


def generate(board: str, **options: Any) -> Dataset:
    return data.load(DatasetSpec(name=board, options=options))


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("board", RULES)
def test_the_rule_gives_every_label_of_the_authors(mirror: Path, board: str, part: str) -> None:
    with np.load(mirror / "checkerboard" / f"{FILES[board]}_{part}.npz") as content:
        X, y = content["x"], content["y"]
    assert (X.shape, y.shape) == ((1000, 2), (1000, 1))
    np.testing.assert_array_equal(RULES[board](X), y[:, 0])


@pytest.mark.parametrize("board", RULES)
def test_the_authors_files_as_a_data_set(mirror: Path, board: str) -> None:
    name = f"{board}_released"
    scaled = data.load(name, mirrors=[str(mirror)])
    raw = data.load(DatasetSpec(name=name, options={"standardise": False}), mirrors=[str(mirror)])
    assert raw.X.shape == (2000, 2)
    assert raw.test_mask is not None
    assert raw.test_mask.tolist() == [False] * 1000 + [True] * 1000
    for part, rows in (("train", slice(0, 1000)), ("test", slice(1000, 2000))):
        with np.load(mirror / "checkerboard" / f"{FILES[board]}_{part}.npz") as content:
            np.testing.assert_array_equal(raw.X[rows], content["x"])
            np.testing.assert_array_equal(raw.y[rows], content["y"][:, 0])
    train = raw.X[:1000]
    np.testing.assert_allclose(
        scaled.X, (raw.X - train.mean(axis=0)) / train.std(axis=0), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_array_equal(scaled.y, raw.y)
    assert abs(raw.y.mean() - 0.5) < 0.05


@pytest.mark.parametrize("board", RULES)
def test_boards_made_by_rule(board: str) -> None:
    raw, scaled = (generate(board, standardise=choice) for choice in (False, True))
    assert raw.X.shape == (2000, 2)
    assert raw.test_mask is not None
    assert raw.test_mask.tolist() == [False] * 1000 + [True] * 1000
    assert raw.X.min() >= 0
    assert raw.X.max() < 1
    np.testing.assert_array_equal(raw.y, RULES[board](raw.X))
    np.testing.assert_array_equal(scaled.y, raw.y)
    np.testing.assert_allclose(scaled.X[:1000].mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(scaled.X[:1000].std(axis=0), 1, rtol=1e-13)
    slope = np.ptp(scaled.X, axis=0) / np.ptp(raw.X, axis=0)
    np.testing.assert_allclose(
        scaled.X, (raw.X - raw.X[:1000].mean(axis=0)) * slope, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("board", RULES)
def test_class_shares_are_near_a_half(board: str) -> None:
    y = generate(board, n=20_000, n_test=20_000).y
    assert abs(y.mean() - 0.5) < 5 * 0.5 / np.sqrt(len(y))


@given(st.integers(1, 6), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_neighbouring_squares_differ(squares: int, across: float, up: float) -> None:
    point = np.array([[across, up]])
    column = sum(across * squares >= edge for edge in range(1, squares))
    row = sum(up * squares >= edge for edge in range(1, squares))
    same_colour_as_the_origin = (column + row) % 2 == 0
    assert board_labels(point, squares)[0] == same_colour_as_the_origin


def test_turning_the_points_turns_the_board() -> None:
    X = np.random.default_rng(0).uniform(size=(2000, 2))
    turn = np.array([[1.0, 1.0], [-1.0, 1.0]])
    turned = (X - 0.5) @ turn.T
    np.testing.assert_array_equal(rotated_labels(X), (turned[:, 0] > 0) ^ (turned[:, 1] > 0))
    corners = {(0.5, 0.9): 0, (0.5, 0.1): 0, (0.1, 0.5): 1, (0.9, 0.5): 1}
    np.testing.assert_array_equal(rotated_labels(np.array([*corners])), [*corners.values()])


def test_the_seed_alone_decides() -> None:
    hashes = {generate(board, seed=seed).source_hash for board in RULES for seed in range(3)}
    assert len(hashes) == 9
    assert generate("checkerboard_4x4", seed=2).source_hash in hashes
    sizes = generate("checkerboard_2x2", n=30, n_test=7)
    assert sizes.test_mask is not None
    assert (len(sizes.y), sizes.test_mask.sum()) == (37, 7)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"n": 1}, "options.n"),
        ({"n_test": 0}, "options.n_test"),
        ({"seed": "0"}, "options.seed"),
        ({"standardise": "no"}, "options.standardise"),
        ({"squares": 3}, "options"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError) as caught:
        generate("checkerboard_2x2", **options)
    assert caught.value.key == key


@pytest.mark.parametrize(
    "content",
    [
        {"x": np.zeros((3, 2))},
        {"x": np.zeros((3, 3)), "y": np.zeros((3, 1))},
        {"x": np.zeros((3, 2)), "y": np.zeros((2, 1))},
        {"x": np.zeros((3, 2)), "y": np.full((3, 1), 2.0)},
    ],
)
def test_files_with_other_content(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "board.npz"
    np.savez(path, **content)
    with pytest.raises(UserError, match="get it anew"):
        checkerboards.released((path, path), {"standardise": True})
    with pytest.raises(UserError, match="cannot be read"):
        checkerboards.released((tmp_path / "none.npz", path), {"standardise": True})
