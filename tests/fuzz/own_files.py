"""Readers of what lalbench writes as arrays: data sets, problems, episodes, what was learned."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.fuzz.packing import Build, members, spliced
from tests.fuzz.targets import Target, target

QUICK = {"trees": 3, "repetitions": 3, "candidates": 3}


def _points(n: int = 24) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return rng.normal(size=(n, 2)) + y[:, None], y


def _of_file(write: Any) -> tuple[list[bytes], Build]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.npz")
        write(path)
        with np.load(path) as content:
            return spliced(members(dict(content)))


@cache
def _dataset_object() -> Any:
    from lalbench.data import Dataset

    X, y = _points()
    mask = np.arange(24) > 15
    return Dataset("d", X, y.astype(np.int64), ("n", "y"), ("a", "b"), mask)


@cache
def _dataset() -> tuple[list[bytes], Build]:
    return _of_file(_dataset_object().save)


def _read_dataset(path: Path) -> object:
    from lalbench.data import Dataset

    return Dataset.load(path)


@cache
def _whole() -> Any:
    from lalbench import data

    return data.load("wine")


@cache
def _problem() -> tuple[list[bytes], Build]:
    import lalbench
    from lalbench.problems import save_problems

    sizes = {"test": 30, "reward": 15, "annotated": 15}
    problem = lalbench.build_problem(_whole(), "balanced", data_seed=0, seed=0, sizes=sizes)
    return _of_file(lambda path: save_problems(path, [problem]))


def _read_problem(path: Path) -> object:
    from lalbench.problems import load_problem

    return load_problem(path, _whole(), 0, 0)


@cache
def _episodes() -> tuple[list[bytes], Build]:
    from lalbench.episodes import Episodes

    made = Episodes(np.eye(4) > 0, np.zeros((4, 4)), np.zeros(4), 1, "reference")
    return _of_file(made.save)


def _read_episodes(path: Path) -> object:
    from lalbench.episodes import Episodes

    return Episodes.load(path)


@cache
def _regressor() -> tuple[list[bytes], Build]:
    import lalbench

    active = lalbench.ActiveLearner("lal_warm_start", "random_forest", **QUICK)
    return _of_file(active.learn(*_points()).save)


def _ask(path: Path) -> object:
    """Loads a regressor and asks it, since its trees are walked by compiled code."""
    import lalbench

    active = lalbench.ActiveLearner("lal_warm_start", "random_forest", **QUICK).load(path)
    return active.learned.predict(np.zeros((3, len(active.learned.columns))))


@cache
def _network() -> tuple[list[bytes], Build]:
    import lalbench

    active = lalbench.ActiveLearner("neural_process", n_simulations=3, epochs=1, width=8)
    return _of_file(active.learn(*_points(), reward=_points()).save)


def _ask_network(path: Path) -> object:
    import lalbench

    return lalbench.ActiveLearner("neural_process").load(path).learned


@cache
def _oracle_table() -> tuple[list[bytes], Build]:
    from lalbench.oracle import tables

    return _of_file(lambda path: tables.save(path, (np.zeros(3), np.zeros((3, 2)))))


def _read_oracle_table(path: Path) -> object:
    from lalbench.oracle import tables

    return tables.load(path)


def _cached_trial() -> list[bytes]:
    from lalbench import files

    trial = json.dumps({"records": [], "timings": [], "curves": []})
    return [json.dumps({"sha256": files.digest(trial), "trial": trial}).encode()]


def _read_trial(path: Path) -> object:
    from lalbench.stages import trials

    return trials._load(path)


OWN: dict[str, Target] = {
    "dataset": target(_dataset, _read_dataset),
    "problem": target(_problem, _read_problem),
    "episodes": target(_episodes, _read_episodes),
    "regressor": target(_regressor, _ask),
    "network": target(_network, _ask_network),
    "oracle-table": target(_oracle_table, _read_oracle_table),
    "cached-trial": Target(_cached_trial, _read_trial, ".json"),
}
"""Targets by name."""
