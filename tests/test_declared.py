"""Declared costs: refits, trainings and operations that follow from the study alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lalbench import classifiers, declared, files, grid, network_cost, workload
from lalbench.classifiers.networks.network import count_macs
from lalbench.config import Study
from lalbench.study import parse_study


def study(results: Path, **changes: Any) -> Study:
    content: dict[str, Any] = {
        "study": "tiny",
        "results": str(results),
        "datasets": ["wine"],
        "settings": ["balanced"],
        "classifiers": ["svm"],
        "strategies": ["random"],
        "seeds": {"data": [1, 2, 3], "run": [1]},
    }
    return parse_study(content | changes)


def counted(made: Study) -> dict[str, dict[str, int]]:
    """Declared refits and trainings of each stage that has some, for all seed pairs."""
    return {row.title: row.work for row in workload.rows(made) if any(row.work.values())}


def work(made: Study) -> declared.Work | None:
    """Of one seed pair of the study's only cell, all stages together."""
    (cell,) = grid.cells(made)
    parts = declared.of_cells(made, [cell])[cell].values()
    if not parts:
        return None
    return declared.Work(
        sum(part.refits for part in parts),
        sum(part.trainings for part in parts),
        sum(part.seconds for part in parts),
    )


def test_an_oracle_over_few_candidates_is_declared_before_the_data_are_there(
    tmp_path: Path,
) -> None:
    made = study(tmp_path, strategies=[{"name": "oracle", "subsample": 30}], steps=4)
    done = work(made)
    assert done is not None
    assert (done.refits, done.trainings) == (4 * 31, 0)
    assert counted(made) == {"trials oracle": {"refit": 3 * 4 * 31, "training": 0}}
    assert not any(row.unknown for row in workload.rows(made))


def test_a_greedy_batch_costs_a_round_per_point(tmp_path: Path) -> None:
    oracle = {"name": "oracle", "subsample": 30, "options": {"batch": "greedy"}}
    done = work(study(tmp_path, strategies=[oracle], steps=4, budget=3))
    assert done is not None
    assert done.refits == 4 * 3 * 31


def test_a_pool_is_counted_once_the_data_are_fetched(tmp_path: Path) -> None:
    sizes = {"test": 20, "reward": 12, "annotated": 10}
    made = study(tmp_path, strategies=["reward_oracle"], steps=2, sizes=sizes)
    assert work(made) is None
    assert sum(row.unknown for row in workload.rows(made)) == 1
    # wine has 59, 71 and 48 rows: balanced keeps 48 each, and 102 are left for the pool
    fetch(made, np.repeat([0, 1, 2], [59, 71, 48]))
    done = work(made)
    assert done is not None
    assert done.refits == (1 + 102) + (1 + 101)
    smaller = study(tmp_path, strategies=["reward_oracle"], steps=1, sizes={**sizes, "pool": 50})
    assert work(smaller) == declared.Work(51, 0, pytest.approx(51 / 205 * done.seconds, rel=0.05))


def test_a_given_test_partition_takes_nothing_from_the_pool(tmp_path: Path) -> None:
    made = study(tmp_path, strategies=["oracle"], steps=1, sizes={"test": 4, "annotated": 10})
    fetch(made, np.repeat([0, 1], 200), test_mask=np.arange(400) % 10 == 0)
    done = work(made)
    assert done is not None
    assert done.refits == 1 + 360 - 100 - 10


def fetch(made: Study, y: NDArray[np.int64], **more: Any) -> None:
    """What is read of a fetched data set."""
    files.write_npz(made.folder / "data" / "wine.npz", {"y": y, **more})


def test_neural_processes_count_episodes_and_trainings(tmp_path: Path) -> None:
    options = {"n_simulations": 20, "epochs": 50, "fractions": [0.5]}
    common = {"steps": 3, "budget": 2, "sizes": {"annotated": 40}}
    often = work(
        study(tmp_path, strategies=[{"name": "neural_process", "options": options}], **common)
    )
    once = work(
        study(
            tmp_path,
            strategies=[{"name": "neural_process", "options": {**options, "refit": "once"}}],
            **common,
        )
    )
    assert often is not None
    assert once is not None
    assert (often.refits, often.trainings) == (20 * (21 + 22 + 23), 3)
    assert (once.refits, once.trainings) == (20 * 21, 1)
    assert once.seconds > declared.SECONDS_PER_TRAINING * 20 / 300 / 2


def test_the_first_step_of_a_learned_strategy_has_stages_of_its_own(tmp_path: Path) -> None:
    options = {"n_simulations": 20, "epochs": 50, "fractions": [0.5]}
    made = study(
        tmp_path,
        strategies=[{"name": "neural_process", "options": options}],
        steps=3,
        budget=2,
        sizes={"annotated": 40},
    )
    assert counted(made) == {  # three seed pairs
        "episodes": {"refit": 3 * 20 * 21, "training": 0},
        "learn": {"refit": 0, "training": 3},
        "trials neural_process": {"refit": 3 * 20 * (22 + 23), "training": 3 * 2},
    }


def test_the_price_of_a_refit_is_that_of_its_engine(tmp_path: Path) -> None:
    forest = {"name": "rf", "class": "sklearn.ensemble:RandomForestClassifier"}
    seconds = []
    for classifier in (
        "logistic_regression",
        {"name": "bayes", "class": "sklearn.naive_bayes:GaussianNB"},
        {**forest, "options": {"n_estimators": 10}},
        {**forest, "options": {"n_estimators": 100}},
    ):
        oracle = {"name": "oracle", "subsample": 30}
        done = work(study(tmp_path, strategies=[oracle], classifiers=[classifier]))
        assert done is not None
        seconds.append(done.seconds)
    fast, bayes, small, large = seconds
    assert fast < bayes / 20
    assert bayes < small
    assert large == pytest.approx(10 * small)


def test_the_users_own_strategy_is_unknown(tmp_path: Path) -> None:
    own = {"name": "own", "class": "lalbench.strategies.random_sampling:RandomSampling"}
    assert work(study(tmp_path, strategies=[own])) is None


def test_declared_operations_are_those_of_the_architectures(tmp_path: Path) -> None:
    torch_free = {"resnet18": (32, 32, 3), "small_cnn": (32, 32, 3), "mlp": (28, 28, 1)}
    for name, (height, width, channels) in torch_free.items():
        network = classifiers.get(name).build((channels, height, width), 10)
        true = count_macs(network, (channels, height, width))
        assert network_cost._macs(name, None, (height, width, channels)) == pytest.approx(
            true, rel=0.1
        )


def test_jobs_of_networks_ask_for_more_when_they_do_more(tmp_path: Path) -> None:
    changes = {
        "datasets": ["digits", "cifar10"],
        "sizes": {"test": 100, "reward": 0, "annotated": 500},
        "classifiers": ["resnet18"],
        "strategies": ["random", "vaal"],
        "steps": 3,
    }
    made = study(tmp_path, **changes)
    small = network_cost.resources(made, "digits", "resnet18", "random")
    large = network_cost.resources(made, "cifar10", "resnet18", "random")
    vaal = network_cost.resources(made, "cifar10", "resnet18", "vaal")
    first = network_cost.resources(made, "cifar10", "resnet18")
    assert 30 <= small["runtime"] < large["runtime"] < vaal["runtime"]
    assert first["runtime"] < large["runtime"]
    assert small["mem_mb"] < large["mem_mb"] < 64_000
