"""The small deep study from download to report: twelve strategies around a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from lalbench.records import read

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "studies" / "npal-deep-small.yaml"
QUICK = {"classifiers": [{"name": "small_cnn", "options": {"recipe": "fast", "epochs": 4}}]}


def deep_study() -> dict[str, Any]:
    """The study with one data set (real images where the mirror is at hand) and less of all."""
    study: dict[str, Any] = yaml.safe_load(SMALL.read_text())
    dataset = "fashion_mnist" if os.environ.get("LALBENCH_MIRROR") else "digits"
    sizes = {"annotated": 60, "reward": 0, "pool": 250, "test": 100}
    changes = {"study": "tiny", "datasets": [dataset], "sizes": sizes, "steps": 2, "budget": 20}
    return study | changes | QUICK | {"figures": {"formats": ["svg"]}}


def test_twelve_strategies_end_to_end(fresh: Any) -> None:
    study = deep_study()
    fresh.edit("config.yaml", lambda _: yaml.safe_dump(study))
    _, messages = fresh.run("--cores", "2")
    frames = [read(path, "records") for path in fresh.results.glob("trials/*/*/*/*/*.parquet")]
    records = pd.concat(frames)
    names = [entry if isinstance(entry, str) else entry["name"] for entry in study["strategies"]]
    assert len(names) == 12
    assert sorted(records["strategy"].unique()) == sorted(names)
    assert (records["status"] == "ok").all()
    assert (records.groupby("strategy")["step"].max() == 2).all()
    for _, trial in records.groupby("strategy"):
        acquired = [row for step in trial["acquired"] for row in step]
        assert len(set(acquired)) == 2 * 20
        assert trial["label_budget"].tolist() == [60, 80, 100]
    # All start from one network, except where the strategy changes the training.
    first = records[records["step"] == 0].set_index("strategy")["weighted_log_loss"]
    shared = first.drop("learning_loss")
    assert shared.nunique() == 1
    assert first["learning_loss"] != shared.iloc[0]
    assert records[records["step"] == 1]["acquired"].map(tuple).nunique() > 6
    assert (fresh.results / "report.html").stat().st_size > 10_000
    table = pd.read_csv(fresh.results / "tables" / "auac.csv")
    assert sorted(table["strategy"]) == sorted(names)
    assert any((fresh.results / "figures").glob("balance-*.svg"))
    if "CUDA" not in messages:
        assert "there is no GPU here; 12 jobs: very roughly" in messages
    assert fresh.planned() == set()
    # Another option of a strategy leaves the initial network alone, another training does not.
    others = [entry for entry in study["strategies"] if entry != "margin"]
    margin = {"name": "margin", "options": {"ties": "first"}}
    fresh.edit("config.yaml", lambda _: yaml.safe_dump(study | {"strategies": [*others, margin]}))
    planned = fresh.planned()
    assert "trials margin 000" in planned
    assert not any(name.startswith(("initial", "trials entropy")) for name in planned)
    network = {"name": "small_cnn", "options": {"recipe": "fast", "epochs": 5}}
    fresh.edit("config.yaml", lambda _: yaml.safe_dump(study | {"classifiers": [network]}))
    assert any(name.startswith("initial") for name in fresh.planned())


def test_a_changed_image_folder_is_read_again(fresh: Any) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    folder = fresh.folder / "pictures"
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(30):
            pixels = rng.integers(0, 256, size=(8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    study = deep_study() | {
        "datasets": [{"name": "pictures", "path": "pictures", "format": "images"}],
        "settings": ["balanced"],
        "sizes": {"annotated": 12, "reward": 0, "pool": 20, "test": 20},
        "strategies": ["random"],
        "budget": 2,
    }
    fresh.edit("config.yaml", lambda _: yaml.safe_dump(study))
    fresh.run("--cores", "2", "--until", "fetch")
    before = (fresh.results / "data" / "pictures.npz").read_bytes()
    assert "fetch" not in fresh.planned()
    pixels = rng.integers(0, 256, size=(8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a" / "new.png")  # below the folder itself
    assert "fetch" in fresh.planned()
    fresh.run("--cores", "2", "--until", "fetch")
    assert (fresh.results / "data" / "pictures.npz").read_bytes() != before
