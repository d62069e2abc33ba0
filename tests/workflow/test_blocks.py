"""The sizes of blocks decide how many jobs there are, and change no bit of a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lalbench import files, grid, records
from lalbench.__main__ import main
from lalbench.config import Study
from lalbench.study import parse_study

CONTENT = {
    "study": "s",
    "datasets": [{"name": "waveform_generator", "label": "waves", "options": {"n": 400}}],
    "settings": ["imbalanced"],
    "sizes": {"test": 60, "reward": 30, "annotated": 20},
    "classifiers": ["svm"],
    "strategies": [
        "random",
        {"name": "oracle", "subsample": 3},
        {
            "name": "neural_process",
            "options": {"n_simulations": 5, "epochs": 2, "width": 8, "batch_size": 4},
        },
    ],
    "seeds": {"data": [3, 4], "run": [5, 6]},
    "steps": 2,
}


def run_all(study_file: Path) -> Study:
    """Runs every stage up to the trials, as the workflow does."""
    study = parse_study(yaml.safe_load(study_file.read_text()))

    def call(stage: str, *arguments: str) -> None:
        assert main([stage, "--study", str(study_file), *arguments]) == 0

    data = str(study.folder / "data" / "waves.npz")
    call("fetch", "--dataset", "waves", "--output", data)
    shared = ["--dataset", "waves", "--setting", "imbalanced", "--data", data]
    for block in grid.blocks(study, "cheap"):
        output = study.folder / f"problems/waves/imbalanced/block-{block.id}.npz"
        call("problems", *shared, "--block", block.id, "--output", str(output))
    for cell, block in grid.jobs(study):
        folder = study.folder / "problems/waves/imbalanced"
        problems = [str(folder / f"block-{n}.npz") for n in grid.problem_blocks(study, block)]
        names = [*shared, "--classifier", cell.classifier, "--strategy", cell.strategy]
        names += ["--block", block.id, "--problems", *problems]
        paths = {
            kind: str(study.folder / kind / cell.path / f"block-{block.id}.{ending}")
            for kind, ending in (
                ("episodes", "npz"),
                ("strategies", "npz"),
                ("trials", "parquet"),
                ("timings", "parquet"),
                ("curves", "parquet"),
            )
        }
        last = ["--output", paths["trials"], "--timings", paths["timings"]]
        if cell.learned:
            call("episodes", *names, "--output", paths["episodes"])
            made = ["--episodes", paths["episodes"], "--output", paths["strategies"]]
            call("learn", *names, *made)
            last += ["--learned", paths["strategies"], "--curves", paths["curves"]]
        call("trials", *names, *last)
    return study


def rows(study: Study, kind: str) -> pd.DataFrame:
    """All rows of one kind of file, in the order of the blocks."""
    paths = [study.folder / path for path in grid.output_files(study)[kind]]
    return pd.concat(
        [records.read(path, {"trials": "records"}.get(kind, kind)) for path in paths],
        ignore_index=True,
    )


def arrays(study: Study, kind: str) -> dict[str, np.ndarray]:
    """All arrays of one kind of file, whose names hold their seeds."""
    found: dict[str, np.ndarray] = {}
    for path in grid.output_files(study)[kind]:
        found |= files.read_npz(study.folder / path)
    found.pop("provenance")
    return found


@pytest.mark.workflow
def test_sizes_of_blocks_change_no_bit(tmp_path: Path) -> None:
    studies = []
    for number, blocks in enumerate(
        ({"cheap": 4, "oracle": 4, "learned": 4}, {"cheap": 3, "oracle": 1, "learned": 2})
    ):
        path = tmp_path / f"{number}.yaml"
        content = CONTENT | {"blocks": blocks, "results": str(tmp_path / str(number))}
        path.write_text(yaml.safe_dump(content))
        studies.append(run_all(path))
    whole, cut = studies
    assert len(list(grid.jobs(whole))) == 3
    assert len(list(grid.jobs(cut))) == 2 + 4 + 2
    for kind in ("trials", "curves"):
        assert len(rows(whole, kind)) > 0
        pd.testing.assert_frame_equal(rows(whole, kind), rows(cut, kind), check_exact=True)
    for kind in ("episodes", "strategies"):
        expected, found = arrays(whole, kind), arrays(cut, kind)
        assert expected.keys() == found.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)
