"""The plan of a study: counts what is there and estimates from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lalbench import grid, plan, records
from lalbench.config import Study
from lalbench.study import parse_study


def study(results: Path, **changes: Any) -> Study:
    content: dict[str, Any] = {
        "study": "tiny",
        "results": str(results),
        "datasets": ["wine"],
        "settings": ["balanced"],
        "classifiers": ["svm"],
        "strategies": ["random", "entropy"],
        "seeds": {"data": [1, 2, 3], "run": [1]},
        "blocks": {"cheap": 2},
    }
    return parse_study(content | changes)


def finish(made: Study, cell: grid.Cell, block: grid.Block, seconds: float) -> None:
    """Writes the files of a job that took ``seconds`` per trial."""
    rows = [
        dict.fromkeys(records.COLUMNS["timings"], "")
        | {
            "classifier": cell.classifier,
            "strategy": cell.strategy,
            "data_seed": data_seed,
            "seed": seed,
            "step": step,
            "seconds_select": seconds / 2,
            "seconds_fit": 0.0,
            "seconds_learn": 0.0,
        }
        for data_seed, seed in block.pairs
        for step in (0, 1)
    ]
    records.write(plan.job_file(made, cell, block), "records", [])
    place = made.folder / "timings" / cell.path / f"block-{block.id}.parquet"
    records.write(place, "timings", rows)


def test_nothing_done_yet(tmp_path: Path) -> None:
    text = plan.describe(study(tmp_path))
    assert "6 trials in 4 jobs; 0 trials in 0 jobs are done" in text
    assert "unknown, nothing was measured here yet" in text
    assert "3 seed pairs are no multiple of blocks.cheap = 2" in text


def test_estimate_from_earlier_jobs(tmp_path: Path) -> None:
    made = study(tmp_path)
    every = list(grid.jobs(made))
    finish(made, *every[0], seconds=60.0)
    text = plan.describe(made)
    assert every[0][0].strategy == "random"
    assert "2 trials in 1 jobs are done" in text
    assert "about 1.0 minutes on one core by earlier runs, and 2 jobs of which nothing" in text


def test_all_done(tmp_path: Path) -> None:
    made = study(tmp_path)
    for cell, block in grid.jobs(made):
        finish(made, cell, block, seconds=1.0)
    assert "nothing is left to run" in plan.describe(made)
