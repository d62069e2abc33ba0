"""Seed pairs and blocks: stable when seeds are added; stage parameters hold what a stage reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench import grid
from lalbench.config import Study
from lalbench.errors import UserError
from lalbench.study import parse_study


def study(**changes: Any) -> Study:
    content: dict[str, Any] = {
        "study": "tiny",
        "datasets": ["wine", "digits"],
        "settings": ["balanced", "imbalanced"],
        "classifiers": ["logistic_regression"],
        "strategies": ["random", "oracle", "neural_process"],
        "seeds": {"data": [1, 2], "run": [7, 8]},
        "blocks": {"cheap": 4, "oracle": 2, "learned": 1},
    }
    return parse_study(content | changes)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 7))
def test_blocks_hold_every_pair_once(n_data: int, n_run: int, size: int) -> None:
    made = study(
        seeds={"data": list(range(n_data)), "run": list(range(n_run))},
        blocks={"cheap": size},
    )
    held = [pair for block in grid.blocks(made, "cheap") for pair in block.pairs]
    assert held == grid.pairs(made)
    assert sorted(held) == [(i, j) for i in range(n_data) for j in range(n_run)]


@given(st.integers(1, 4))
def test_one_more_seed_in_each_list_only_appends(n: int) -> None:
    small = study(seeds={"data": list(range(n)), "run": list(range(n))})
    large = study(seeds={"data": list(range(n + 1)), "run": list(range(n + 1))})
    assert grid.pairs(large)[: n * n] == grid.pairs(small)


def test_matched_pairs_go_together() -> None:
    made = study(seeds={"data": [1, 2], "run": [7, 8], "pairs": "matched"})
    assert grid.pairs(made) == [(1, 7), (2, 8)]


def test_cost_classes_decide_block_sizes() -> None:
    made = study()
    assert [len(grid.blocks(made, cost)) for cost in ("cheap", "oracle", "learned")] == [1, 2, 4]  # type: ignore[arg-type]
    assert {cell.strategy: cell.cost_class for cell in grid.cells(made)} == {
        "random": "cheap",
        "oracle": "oracle",
        "neural_process": "learned",
    }
    assert len(grid.cells(made)) == 2 * 2 * 1 * 3
    assert len(list(grid.jobs(made))) == 4 * (1 + 2 + 4)


def test_problem_blocks_cover_a_block_of_another_size() -> None:
    made = study(blocks={"cheap": 1, "oracle": 3})
    wanted = grid.block(made, "oracle", "000")
    assert grid.problem_blocks(made, wanted) == ["000", "001", "002"]


def test_unknown_block() -> None:
    with pytest.raises(UserError, match='no block "9"'):
        grid.block(study(), "cheap", "9")


LABELS = {
    "dataset": "wine",
    "setting": "balanced",
    "classifier": "logistic_regression",
    "strategy": "random",
    "block": "000",
}

CHANGES: list[tuple[dict[str, Any], set[str]]] = [
    ({"steps": 3}, {"trials", "tables", "figures", "report"}),
    ({"budget": 2}, {"trials", "tables", "figures", "report"}),
    ({"figures": {"dpi": 99}}, {"figures", "report"}),
    ({"mirrors": ["/somewhere"]}, set()),
    (
        {"strategies": ["random", "entropy", "oracle", "neural_process"]},
        {"tables", "figures", "report"},
    ),
    ({"objective": "macro_f1"}, {"episodes", "trials", "tables", "figures", "report"}),
    ({"sizes": {"test": 50}}, {"problems", "episodes", "trials", "tables", "figures", "report"}),
    ({"protocol": "published"}, {"problems", "episodes", "trials", "tables", "figures", "report"}),
    ({"seeds": {"data": [1, 2, 3], "run": [7, 8, 9]}}, {"tables", "figures", "report"}),
]


@pytest.mark.parametrize(("change", "stages"), CHANGES, ids=[str(c[0]) for c in CHANGES])
def test_a_change_reaches_only_the_stages_that_read_it(
    change: dict[str, Any], stages: set[str]
) -> None:
    before, after = study(), study(**change)
    every = ("fetch", "problems", "episodes", "trials", "tables", "figures", "report")
    moved = {
        stage
        for stage in every
        if grid.stage_parameters(before, stage, **LABELS)  # type: ignore[arg-type]
        != grid.stage_parameters(after, stage, **LABELS)  # type: ignore[arg-type]
    }
    assert moved == stages
