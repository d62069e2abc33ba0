"""Trials of networks: shared beginnings, checkpoints, stops in the middle of anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lalbench import build_problem, files, interrupts, trials
from lalbench.config import ClassifierSpec, StrategySpec
from lalbench.errors import CorruptFileError, UserError
from lalbench.interrupts import StoppedError
from lalbench.problems import Problem
from lalbench.trials.trial import Trial

SIZES = {"annotated": 40, "reward": 0, "test": 60, "pool": 150}
NETWORK = ClassifierSpec(
    name="small_cnn", label="small_cnn", options={"recipe": "fast", "epochs": 2, "width": 4}
)
STEPS = {"steps": 3, "budget": 10}


def problem(protocol: str = "clean", seed: int = 0) -> Problem:
    return build_problem(
        "digits", "imbalanced_weighted", data_seed=0, seed=seed, sizes=SIZES, protocol=protocol
    )


def run(strategy: str = "margin", protocol: str = "clean", **options: Any) -> Trial:
    spec = StrategySpec(name=strategy, label=strategy)
    return trials.simulate_trial(problem(protocol), NETWORK, spec, **STEPS, **options)


def stop_after(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Pretends that SIGTERM comes when it is asked for the n-th time whether it came."""
    asked = iter(range(10**9))
    monkeypatch.setattr(interrupts, "requested", lambda: next(asked) >= n)


@pytest.mark.parametrize("strategy", ["margin", "random", "k_center_greedy", "learning_loss"])
def test_a_shared_initial_network_changes_nothing(strategy: str) -> None:
    initial = trials.initial_fit(problem(), NETWORK)
    assert run(strategy).records == run(strategy, initial=initial).records


def test_the_initial_network_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = trials.initial_fit(problem(), NETWORK.model_copy(update={"options": {
        **NETWORK.options, "epochs": 1}}))  # fmt: skip
    usual, changed = run().records, run(initial=other).records
    assert usual[0]["weighted_log_loss"] != changed[0]["weighted_log_loss"]


@pytest.mark.parametrize("protocol", ["clean", "published"])
@pytest.mark.parametrize("strategy", ["margin", "random", "hal_uniform", "learning_loss"])
def test_a_trial_stopped_anywhere_ends_the_same(
    strategy: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(strategy, protocol)
    path = tmp_path / "trial.npz"
    stops = 0
    # 1 asks at the first step of the first training, 3 and 5 inside later ones, 7 … between rounds.
    for patience in (0, 1, 3, 5, 7, 4, 6, 9, 2, 11, 10**6):
        stop_after(monkeypatch, patience)
        try:
            resumed = run(strategy, protocol, checkpoint=path)
        except StoppedError:
            stops += 1
            assert path.exists()
        else:
            break
        finally:
            monkeypatch.undo()
    assert stops >= 4
    assert resumed.records == whole.records
    assert [row["step"] for row in resumed.timings] == [0, 1, 2, 3]
    assert not path.exists()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trial.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(CorruptFileError, match=r"trial\.npz.*delete it and run again"):
        run(checkpoint=path)


def test_a_checkpoint_holds_plain_arrays_and_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trial.npz"
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # keep the last one
    trial = run(checkpoint=path)
    monkeypatch.undo()
    held = files.read_npz(path)
    acquired = [row for record in trial.records for row in record["acquired"]]
    rows = problem().row_ids[held["annotated"]]
    assert rows[SIZES["annotated"] :].tolist() == acquired
    assert "fitted.network.head.weight" in held
    assert len(set(held["annotated"]) | set(held["pool"])) == 40 + 150


def test_networks_refuse_tables() -> None:
    with pytest.raises(ValueError, match="images"):
        trials.run_trial(
            build_problem("wine", "balanced", data_seed=0, seed=0, sizes={
                "test": 30, "reward": 15, "annotated": 15}),
            classifier=NETWORK, strategy="random", steps=1,
        )  # fmt: skip


def test_sigterm_ends_a_job_in_seconds_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """The real thing: a job of the command line, SIGTERM, the same job again."""
    study = {
        "study": "stopped",
        "results": str(tmp_path / "results"),
        "seeds": {"data": [0], "run": [0]},
        "datasets": ["digits"],
        "settings": ["imbalanced"],
        "sizes": SIZES,
        "classifiers": [
            {"name": "small_cnn", "options": {"recipe": "fast", "epochs": 300, "width": 4}}
        ],
        "strategies": ["margin"],
        "steps": 2,
        "budget": 10,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    cell = ["--dataset", "digits", "--setting", "imbalanced"]
    python = [sys.executable, "-m", "lalbench"]
    common = ["--study", str(tmp_path / "study.yaml")]

    def made(*arguments: str) -> None:
        subprocess.run([*python, *arguments], check=True, cwd=tmp_path)

    data, split = tmp_path / "digits.npz", tmp_path / "problems.npz"
    made("fetch", *common, "--dataset", "digits", "--output", str(data))
    made("problems", *common, *cell, "--block", "000", "--data", str(data), "--output", str(split))

    def job(folder: str) -> list[str]:
        out = tmp_path / folder
        return [
            *[*python, "trials", *common, *cell, "--classifier", "small_cnn"],
            *["--strategy", "margin", "--block", "000", "--data", str(data)],
            *["--problems", str(split), "--output", str(out / "trials.parquet")],
            *["--timings", str(out / "timings.parquet"), "--results", str(out)],
        ]

    whole = subprocess.Popen(job("whole"), cwd=tmp_path)
    stops = 0
    while True:
        running = subprocess.Popen(job("stopped"), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        # The handler is there once the first step has begun; before that SIGTERM kills.
        while running.poll() is None and time.monotonic() < deadline and not _training(running.pid):
            time.sleep(0.02)
        time.sleep(0.3 + stops)  # ever later, from the import of torch to the last round
        running.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        code = running.wait(timeout=60)
        if code == 0:
            break
        assert time.monotonic() - asked < 10
        stops += 1
        if code == -signal.SIGTERM:  # after the last round, when the files were being written
            continue
        assert code == interrupts.EXIT_CODE
        assert "stopped by SIGTERM" in running.stderr.read()  # type: ignore[union-attr]
    assert whole.wait() == 0
    assert stops >= 1
    one, other = (tmp_path / folder / "trials.parquet" for folder in ("whole", "stopped"))
    assert one.read_bytes() == other.read_bytes()


def _training(pid: int) -> bool:
    """Whether the process catches SIGTERM by now (Linux)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_interrupts_only_inside_the_block() -> None:
    assert not interrupts.requested()
    with interrupts.deferring():
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.requested()
        with pytest.raises(StoppedError):
            interrupts.check()
    assert not interrupts.requested()
    interrupts.check()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_state_of_the_published_generators() -> None:
    from lalbench.seeds import PublishedGenerator

    one = PublishedGenerator(3)
    one.random(5), one.numpy_legacy.normal(size=3), one.python_legacy.random()
    other = PublishedGenerator(9)
    other.restore(one.state())
    assert np.array_equal(one.random(4), other.random(4))
    assert np.array_equal(one.numpy_legacy.normal(size=4), other.numpy_legacy.normal(size=4))
    assert one.python_legacy.random() == other.python_legacy.random()


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("vaal", {"width": 0.05, "epochs": 2, "batch_size": 16}),
        ("core_gcn", {"epochs": 5}),
        ("k_center_greedy", {}),
        ("hal_gauss", {}),
        ("cbal", {}),
    ],
)
def test_selections_stop_and_start_anew(
    strategy: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = StrategySpec(name=strategy, label=strategy, options=options)

    def trial(**more: Any) -> Trial:
        return trials.simulate_trial(problem(), NETWORK, spec, steps=1, budget=10, **more)

    whole, path = trial(), tmp_path / "trial.npz"
    inside = trials.resolve_strategy(problem(), spec).__class__
    select = inside.select

    def stopped(self: Any, *arguments: Any) -> Any:
        stop_after(monkeypatch, 1)  # the pass over the pool or the strategy's own loop
        return select(self, *arguments)

    monkeypatch.setattr(inside, "select", stopped)
    with pytest.raises(StoppedError):
        trial(checkpoint=path)
    monkeypatch.undo()
    assert len(json.loads(str(files.read_npz(path)["about"]))["trial"]["records"]) == 1
    assert trial(checkpoint=path).records == whole.records


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (StrategySpec(name="oracle", label="oracle"), "refits the classifier"),
        (StrategySpec(name="neural_process", label="np"), "refits the classifier"),
        (
            StrategySpec(name="badge", label="badge", **{"class": "skactiveml.pool:Badge"}),
            "passes features to the classifier",
        ),
    ],
)
def test_strategies_that_cannot_work_with_networks(strategy: StrategySpec, message: str) -> None:
    with pytest.raises(UserError, match=message):
        trials.run_trial(problem(), classifier=NETWORK, strategy=strategy, steps=1)


def test_strategies_that_cannot_work_without() -> None:
    for name, message in (("vaal", "needs a network"), ("reward_oracle", "reward set")):
        with pytest.raises(UserError, match=message):
            trials.run_trial(problem(), classifier="logistic_regression", strategy=name, steps=1)


def test_geometry_of_scikit_activeml_works_on_embeddings() -> None:
    spec = StrategySpec(name="core", label="core", **{"class": "skactiveml.pool:CoreSet"})
    found = trials.run_trial(problem(), classifier=NETWORK, strategy=spec, steps=1, budget=5)
    assert len(found["acquired"].iloc[1]) == 5
