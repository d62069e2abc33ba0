"""The plan of a study: counts what is there and estimates from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lalbench import (
    classifiers,
    declared,
    files,
    grid,
    network_cost,
    plan,
    pretraining,
    pretraining_cost,
    records,
)
from lalbench.classifiers.networks.network import count_macs
from lalbench.config import Study
from lalbench.errors import CorruptFileError
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
        dict.fromkeys(records.KEYS[:6], "")
        | {
            "classifier": cell.classifier,
            "strategy": cell.strategy,
            "data_seed": data_seed,
            "seed": seed,
            "step": step,
            "seconds_signals": seconds / 8,
            "seconds_select": seconds * 3 / 8,
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
    assert "6 trials in 4 jobs; 0 trials in 0 jobs done" in text
    assert "4 jobs: time unknown, nothing was measured here yet" in text
    assert "3 seed pairs are no multiple of blocks.cheap = 2" in text


def test_a_device_that_is_not_here_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for present in (False, True):
        monkeypatch.setattr(plan, "has_cuda", lambda found=present: found)
        asked = plan.describe(study(tmp_path, compute={"device": "cuda"}))
        assert ("no CUDA device" in asked) == (not present)
        assert "CUDA" not in plan.describe(study(tmp_path))


def test_estimate_from_earlier_jobs(tmp_path: Path) -> None:
    made = study(tmp_path)
    every = list(grid.jobs(made))
    finish(made, *every[0], seconds=60.0)
    text = plan.describe(made)
    assert every[0][0].strategy == "random"
    assert "2 trials in 1 job done" in text
    assert "1 job: about 1.0 minutes on one core by earlier runs" in text
    assert "2 jobs: time unknown" in text
    assert "declared" not in text


def test_all_done(tmp_path: Path) -> None:
    made = study(tmp_path)
    for cell, block in grid.jobs(made):
        finish(made, cell, block, seconds=1.0)
    assert "nothing is left to run" in plan.describe(made)


def work(made: Study) -> declared.Work | None:
    """Of a trial of the study's only cell."""
    (cell,) = grid.cells(made)
    return declared.trials(made, [cell])[cell]


def test_an_oracle_over_few_candidates_is_declared_before_the_data_are_there(
    tmp_path: Path,
) -> None:
    made = study(tmp_path, strategies=[{"name": "oracle", "subsample": 30}], steps=4)
    done = work(made)
    assert done is not None
    assert (done.refits, done.trainings) == (4 * 31, 0)
    text = plan.describe(made)
    # three seed pairs in one job
    assert "1 job: very roughly" in text
    assert "by declared costs, not by measurement (372 refits)" in text
    assert "earlier runs" not in text
    assert "unknown" not in text


def test_a_greedy_batch_costs_a_round_per_point(tmp_path: Path) -> None:
    oracle = {"name": "oracle", "subsample": 30, "options": {"batch": "greedy"}}
    done = work(study(tmp_path, strategies=[oracle], steps=4, budget=3))
    assert done is not None
    assert done.refits == 4 * 3 * 31


def test_a_pool_is_counted_once_the_data_are_fetched(tmp_path: Path) -> None:
    sizes = {"test": 20, "reward": 12, "annotated": 10}
    made = study(tmp_path, strategies=["reward_oracle"], steps=2, sizes=sizes)
    assert work(made) is None
    assert "1 job: time unknown" in plan.describe(made)
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


def test_measured_and_declared_stand_apart(tmp_path: Path) -> None:
    made = study(tmp_path, strategies=["random", {"name": "oracle", "subsample": 5}, "entropy"])
    every = list(grid.jobs(made))
    finish(made, *every[0], seconds=60.0)
    lines = plan.describe(made).splitlines()
    assert lines[2] == "1 job: about 1.0 minutes on one core by earlier runs"
    assert lines[3].startswith("1 job: very roughly a minute on one core by declared costs")
    assert lines[4] == "2 jobs: time unknown, nothing was measured here yet"


def test_the_users_own_strategy_is_unknown(tmp_path: Path) -> None:
    own = {"name": "own", "class": "lalbench.strategies.random_sampling:RandomSampling"}
    assert work(study(tmp_path, strategies=[own])) is None


def test_networks_are_estimated_and_noted_where_there_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "datasets": ["digits"],
        "sizes": {"test": 100, "reward": 0, "annotated": 50},
        "classifiers": [{"name": "resnet18", "options": {"width": 8}}],
        "strategies": ["random", "margin"],
        "compute": {"device": "auto"},
    }
    made = study(tmp_path, **changes)
    seconds = {}
    for present in (False, True):
        monkeypatch.setattr(plan, "has_cuda", lambda found=present: found)
        text = plan.describe(made)
        where = "one GPU" if present else "1 CPU thread"
        assert f"on {where} by declared costs" in text
        assert ("there is no GPU here" in "".join(plan.warnings(made))) == (not present)
        work = network_cost.trial_work(made, "digits", "resnet18", "random")
        seconds[present] = work.seconds(present)
    assert work.trainings == made.steps + 1
    assert seconds[False] > 100 * seconds[True]


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


LAL = {"repetitions": 250, "last_size": 5, "candidates": 10, "trees": 50}


def lal_study(results: Path, *names: str, **options: Any) -> Study:
    chosen = [{"name": name, "options": {**LAL, **options}} for name in names]
    return study(results, classifiers=["random_forest"], strategies=chosen)


def learn(job: pretraining_cost.Job, seconds: float | None = None) -> None:
    """Writes the file of a job and, with ``seconds``, its benchmark as Snakemake does."""
    files.write_npz(job.output, {})
    if seconds is not None:
        job.benchmark.parent.mkdir(parents=True, exist_ok=True)
        job.benchmark.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\tNA\n")


def test_what_is_learned_before_is_counted_and_declared(tmp_path: Path) -> None:
    made = lal_study(tmp_path, "lal_independent", "lal_iterative")
    text = plan.describe(made)
    one, two = (len(each.parts) for each in pretraining.needed(made))
    expected = "regressors learned before the trials: 0 of 2 there; parts of their data: 0 of "
    assert f"{expected}{one + two}, steps: 0 of 3" in text
    # 4 sizes of 250 states with 10 candidates, twice; paths of up to 3 points
    refits = 2 * 4 * 250 * 11 + 250 * (1 + 2 + 3)
    assert f"{one + two + 3 + 2} jobs before the trials: very roughly" in text
    assert f"declared costs, not by measurement ({refits:,} refits, 1,600 trees)" in text
    alone = plan.describe(lal_study(tmp_path, "lal_independent"))
    assert f"0 of 1 there; parts of their data: 0 of {one}\n" in alone
    assert "learned before" not in plan.describe(study(tmp_path))


def test_one_regressor_of_two_strategies_is_learned_once(tmp_path: Path) -> None:
    chosen = [
        {"name": "lal_independent", "label": label, "options": {**LAL, "beyond": beyond}}
        for label, beyond in (("near", "clamp"), ("far", "extrapolate"))
    ]
    made = study(tmp_path, classifiers=["random_forest"], strategies=chosen)
    assert len({each.key for each in pretraining.needed(made)}) == 1
    n_parts = len(pretraining.needed(made)[0].parts)
    assert f"trials: 0 of 1 there; parts of their data: 0 of {n_parts}\n" in plan.describe(made)


def test_measured_speed_is_that_of_the_same_kind_and_regressor(tmp_path: Path) -> None:
    made = lal_study(tmp_path, "lal_iterative")
    (wanted,) = pretraining.needed(made)
    every = pretraining_cost.jobs(made, wanted)
    rows = [job for job in every if job.kind == "rows"]
    learn(rows[0], 30 * rows[0].seconds)
    learn(every[-1])  # its time was not measured
    left = pretraining_cost.remaining(made, [wanted])
    assert left.measured == tuple(rows[1:])
    assert left.measured_seconds == pytest.approx(30 * sum(job.seconds for job in rows[1:]))
    assert rows[3].seconds > rows[2].seconds > rows[1].seconds  # longer paths
    assert [job.kind for job in left.declared] == ["step"] * 3
    text = plan.describe(made)
    assert "1 of 1 there; parts of their data: 1 of 4, steps: 0 of 3" in text
    minutes = left.measured_seconds / 60
    assert f"3 jobs before the trials: about {minutes:.1f} minutes one after another" in text
    assert "3 jobs before the trials: very roughly a minute" in text


def test_done_when_trials_and_regressors_are(tmp_path: Path) -> None:
    made = lal_study(tmp_path, "lal_independent")
    for cell, block in grid.jobs(made):
        finish(made, cell, block, seconds=1.0)
    assert "nothing is left to run" not in plan.describe(made)
    every = pretraining_cost.jobs(made, *pretraining.needed(made))
    for job in every:
        learn(job)
    text = plan.describe(made)
    n_parts = len(every) - 1
    assert f"1 of 1 there; parts of their data: {n_parts} of {n_parts}\n" in text
    assert "nothing is left to run" in text


def test_the_published_grid_of_steps_is_much_work(tmp_path: Path) -> None:
    made = lal_study(tmp_path, "lal_iterative")
    published = made.model_copy(update={"protocol": "published"})
    small, large = (
        pretraining_cost.jobs(one, *pretraining.needed(one))[-2] for one in (made, published)
    )
    assert small.kind == large.kind == "step"
    assert small.trees == 500
    assert large.trees == 9 * 5000  # forests of fewer trees are the beginning of these
    start = pretraining_cost.SECONDS_PER_JOB
    assert large.seconds - start > 50 * (small.seconds - start)
    shared = made.model_copy(update={"compute": made.compute.model_copy(update={"processes": 4})})
    faster = pretraining_cost.jobs(shared, *pretraining.needed(shared))[-1]
    assert faster.seconds < pretraining_cost.jobs(made, *pretraining.needed(made))[-1].seconds


@pytest.mark.parametrize("content", ["", "s\n", "s\nNA\n", "h:m:s\n0:00:01\n"])
def test_a_damaged_benchmark_is_named(tmp_path: Path, content: str) -> None:
    made = lal_study(tmp_path, "lal_independent")
    job = pretraining_cost.jobs(made, *pretraining.needed(made))[0]
    learn(job, 1.0)
    job.benchmark.write_text(content)
    with pytest.raises(CorruptFileError, match=r"rows-all-000\.tsv: .* delete it"):
        plan.describe(made)
