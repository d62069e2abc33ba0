"""Every benchmark runs, small, and both of its sides come to the same results."""

import re
import subprocess
from pathlib import Path
from timeit import repeat

import numpy as np
import pytest
import yaml
from threadpoolctl import threadpool_limits

from benchmarks import (
    acquisition_step,
    forest,
    jobs,
    lal,
    lal_targets,
    limits,
    look_ahead,
    look_ahead_choices,
    look_ahead_learned,
    look_ahead_own_episodes,
    look_ahead_robustness,
    neural_process,
    oracle,
    recipes,
    scale,
    selection,
    svm,
    trainer,
)
from lalbench import run_trial, strategies
from lalbench.problems import build_problem
from lalbench.results.records import load
from lalbench.study import load_study
from lalbench.trials.loop import Loop
from lalbench.trials.trial import Names


def table(text: str, place: int = 0) -> list[dict[str, str]]:
    """The rows of a table in the output, the first unless told, by column."""
    lines = text.splitlines()
    rule = [number for number, line in enumerate(lines) if re.fullmatch(r"(-+ *)+", line)][place]
    spans = [match.span() for match in re.finditer("-+", lines[rule])]

    def cells(line: str) -> list[str]:
        return [line[start:stop].strip() for start, stop in spans]

    rows = [cells(line) for line in lines[rule + 1 :]]
    until = next((number for number, row in enumerate(rows) if not any(row)), len(rows))
    return [dict(zip(cells(lines[rule - 1]), row, strict=True)) for row in rows[:until]]


@pytest.mark.parametrize("title", ["d = 21, imbalanced_weighted", "d = 119, balanced"])
def test_logistic_engine(title, capsys):
    oracle.main(["--sample", "30", "--rounds", "1", "--only", title])
    rows = table(capsys.readouterr().out)
    assert len(rows) == (3 if "21" in title else 1)
    for row in rows:
        assert row["equal tight"] == "100.00%"
        assert float(row["max |diff| tight"]) < 1e-12
        assert float(row["ratio"]) > 1


def test_scale_of_the_logistic_engine(capsys):
    oracle.main(["--scale", "10000"])
    rows = table(capsys.readouterr().out)
    cases = [(row["classes"], row["candidates"]) for row in rows]
    assert cases == [(k, n) for k in ("2", "3") for n in ("1,000", "10,000")]
    total = {"1,000": 0.0, "10,000": 0.0}
    for row in rows:
        n, seconds, each = (float(value.replace(",", "")) for value in list(row.values())[1:])
        assert each * n / 1e6 == pytest.approx(seconds, abs=0.0005 + 0.05 * n / 1e6)
        assert 0 < each < 1000  # refits of scikit-learn, or a compilation, take more
        total[row["candidates"]] += seconds
    assert total["1,000"] < total["10,000"]


@pytest.mark.parametrize("title", ["weighted: 300 episodes", "whole pool", "mnist"])
def test_svm_engine(title, capsys):
    svm.main(["--sample", "10", "--rounds", "1", "--only", title])
    rows = table(capsys.readouterr().out)
    assert rows
    for row in rows:
        assert row["equal tight"] == "100.00%"
        assert float(row["ratio"]) > 1


def test_training(capsys):
    neural_process.main(["--epochs", "2"])
    losses = re.findall(r"loss (-?\d+\.\d+)", capsys.readouterr().out)
    assert len(losses) == 2
    assert losses[0] == losses[1]


def test_trainings_at_once(capsys):
    neural_process.main(["--epochs", "2", "--many", "3"])
    shown = capsys.readouterr().out
    at_once, one_by_one = re.findall(r"mean loss (-?\d+\.\d{6})\n", shown)
    # sums in another order: a unit of the last digit
    assert float(at_once) == pytest.approx(float(one_by_one), abs=1.5e-6)
    (apart,) = re.findall(r"at most apart: (\S+)", shown)
    assert float(apart) < 1e-5


def test_acquisition_step(capsys):
    acquisition_step.main(["--sample", "10", "--rounds", "1", "--epochs", "1"])
    rows = table(capsys.readouterr().out)
    assert [row["setting"] for row in rows] == list(acquisition_step.SETTINGS)
    assert all(float(row["ratio"]) > 1 for row in rows)


def test_forests(capsys):
    seeds = 6
    forest.main(["--seeds", str(seeds), "--candidates", "3"])
    shown = capsys.readouterr().out
    ways = ["common", "same seed", "independent"]
    # (cases, ways, columns): so few seeds tell the ways apart only over all cases
    found = np.array(
        [
            [[float(row[name]) for name in ("mean", "spread", "of ranking")] for row in rows]
            for rows in (table(shown, place) for place in range(5))
            if [row["way"] for row in rows] == ways
        ]
    )
    assert len(found) == 5
    means, (spread, ranking) = found[..., 0].mean(0), (found[..., 1:] ** 2).mean(0).T
    assert spread[0] < 0.8 * spread[2]
    assert ranking[0] < ranking[2]
    # the spread of one candidate: that of the mean of three is no larger
    errors = np.sqrt((spread + spread[2]) / seeds / len(found))
    assert (abs(means - means[2]) < 4 * errors).all()


def test_lal(capsys):
    lal.main(["--only", "collection", "--states", "6"])
    common, independent, theirs = table(capsys.readouterr().out)
    assert common["collection"] == "compiled, common random numbers"
    assert float(common["ratio"]) > float(independent["ratio"]) > 1 == float(theirs["ratio"])
    change, error = float(theirs["mean change"]), float(theirs["its error"])
    for row in (common, independent):
        errors = np.hypot(error, float(row["its error"]))
        assert abs(float(row["mean change"]) - change) < 4 * errors
        assert 0.5 < float(row["std"]) / float(theirs["std"]) < 2
        assert float(row["least r"]) > 0.8


def test_limits(capsys):
    limits.main(["--rounds", "10", "--size", "128"])
    found = {row["work"]: row["per second"].split() for row in table(capsys.readouterr().out)}
    square, values, large = np.ones((128, 128)), np.linspace(-9, 0, 4096), np.zeros(2**23)
    single, rows = square.astype(np.float32), np.empty((500, values.size))
    own = {
        "multiply-add, float64": ("GFLOP", 2 * 128**3, lambda: square @ square),
        "multiply-add, float32": ("GFLOP", 2 * 128**3, lambda: single @ single),
        "exponentials, float64": ("G", rows.size, lambda: limits._exponentials(values, rows)),
        "bytes copied": ("GB", 2 * large.nbytes, large.copy),
    }
    assert {work: unit for work, (_, unit) in found.items()} == {
        work: unit for work, (unit, _, _) in own.items()
    }
    for work, (_, amount, run) in own.items():
        with threadpool_limits(1):
            seconds = min(repeat(run, number=1, repeat=10))
        # wide, for a busy machine
        assert 0.1 < float(found[work][0]) / (amount / seconds / 1e9) < 10
    assert rows[0] == pytest.approx(np.exp(values), rel=1e-14)


def test_selection(capsys):
    selection.main(["--small"])
    rows = table(capsys.readouterr().out)
    assert [row["strategy"] for row in rows] == list(selection.NAMES)
    same = {row["strategy"]: row["same picks"] for row in rows if row["same picks"]}
    assert same == dict.fromkeys(["cbal", "k_center_greedy", "hal_gauss", "cbal exact"], "100.0%")


def test_look_ahead(capsys):
    look_ahead.main(["--sample", "40", "--rounds", "1"])
    rows = table(capsys.readouterr().out)
    assert len(rows) == 6
    for row in rows:
        assert float(row["agreement"]) > 0.99
        assert float(row["ratio"]) > 1


def test_choices_of_look_ahead(capsys, monkeypatch):
    monkeypatch.setattr(look_ahead_choices, "N_CANDIDATES", 20)
    look_ahead_choices.main(["--splits", "2", "--only", "heart", "--labels", "reward_apart"])
    rows = {row["arm"]: row for row in table(capsys.readouterr().out)}
    assert max(rows, key=lambda arm: float(rows[arm]["value"])) == "oracle"
    assert {look_ahead_choices.BASE, "entropy", "classifier, T 1"} < set(rows)


def test_learned_look_ahead(capsys, monkeypatch):
    monkeypatch.setattr(look_ahead_choices, "N_CANDIDATES", 20)
    monkeypatch.setattr(look_ahead_learned, "SETTINGS", ("balanced",))
    monkeypatch.setattr(look_ahead_learned, "CANDIDATES", 10)
    monkeypatch.setattr(look_ahead_learned, "EPOCHS", 1)
    given = ["--splits", "2", "--only", "heart", "banana", "--members", "1", "--after", "0", "1"]
    look_ahead_learned.main(given)
    _, first, later = capsys.readouterr().out.split("\nafter ")
    assert first.startswith("0 ")
    assert later.startswith("1 ")
    for shown in first, later:
        rows = {row["arm"]: row for row in table(shown)}
        arms = {look_ahead_learned.BASE, "set model", "ridge regression, without refits"}
        assert arms < set(rows)
        assert not rows[look_ahead_learned.BASE][f"minus {look_ahead_learned.BASE}"]


def test_states_of_later_steps_are_those_of_a_trial():
    (spec,) = (one for one in look_ahead_choices.DATASETS if one.name == "heart")
    problem = build_problem(spec, "balanced", data_seed=3000, seed=0, labels="all_labels")
    strategy = strategies.get("look_ahead")
    trial = Loop(problem, "logistic_regression", strategy, Names())
    one = look_ahead_choices.episode(trial, 2, np.random.default_rng(0))
    record = run_trial(problem, classifier="logistic_regression", strategy="look_ahead", steps=2)
    assert one.after == 2
    assert one.counts.tolist() == list(record["class_counts"].iloc[-1])
    assert len(one.p) == min(look_ahead_choices.N_CANDIDATES, record["n_pool"].iloc[-1])


def test_own_episodes(capsys, monkeypatch):
    monkeypatch.setattr(look_ahead_choices, "N_CANDIDATES", 20)
    monkeypatch.setattr(look_ahead_own_episodes, "SETTINGS", ("balanced",))
    look_ahead_own_episodes.main(["--splits", "1", "--episodes", "1", "--only", "heart", "banana"])
    rows = {row["arm"]: row for row in table(capsys.readouterr().out)}
    assert {look_ahead_learned.BASE, "chosen options", "ridge, both"} < set(rows)


def test_a_part_of_the_labels_has_every_class():
    y = np.repeat([0, 1, 2], [40, 9, 1])
    found = look_ahead_own_episodes.divided(y, np.random.default_rng(0))
    assert len(found) == len(set(found.tolist())) == 30
    assert np.array_equal(found, np.sort(found))
    assert set(y[found]) == {0, 1, 2}


def test_robustness_of_look_ahead(capsys, monkeypatch):
    monkeypatch.setattr(look_ahead_robustness, "POOL", 40)
    monkeypatch.setattr(look_ahead_robustness, "STEPS", 1)
    look_ahead_robustness.main(["--splits", "2", "--only", "noise"])
    rows = [line for line in capsys.readouterr().out.splitlines() if "noise" in line]
    assert len(rows) == 2 * 4  # as they come, and in the table


def test_noise_leaves_the_test_set_alone():
    (condition,) = (one for one in look_ahead_robustness.CONDITIONS if one.name == "usual")
    problem = look_ahead_robustness.problem_of(look_ahead_robustness.DATASETS[0], condition, 1)
    changed = look_ahead_robustness.noisy(problem, 0.2, 0).y != problem.y
    assert not changed[problem.test].any()
    assert changed[problem.pool].mean() == pytest.approx(0.2, abs=0.06)


def test_trainer(capsys):
    # three batches: their order matters
    trainer.main(["--images", "300", "--rounds", "1", "--only", "small_cnn", "--device", "cpu"])
    rows = table(capsys.readouterr().out)
    assert [row["loop"] for row in rows] == ["lalbench, float32", "lalbench, auto", "plain"]
    single, auto, plain = (float(row["loss"]) for row in rows)
    assert plain < np.log(10)  # it has learned
    assert single == pytest.approx(plain, abs=1e-4)
    assert auto == pytest.approx(plain, abs=0.03)  # may be bfloat16


def test_recipes(capsys, mirror, monkeypatch):
    monkeypatch.setenv("LALBENCH_MIRROR", str(mirror))
    recipes.main(["--seeds", "1", "--epochs", "1", "--only", "1,000"])
    (row,) = table(capsys.readouterr().out)
    assert 0.1 < float(row["published"]) < 0.9


def test_targets_of_lal(capsys):
    lal_targets.main(
        ["--repetitions", "4", "--last-size", "5", "--trees", "3", "--leaves", "1", "2"]
    )
    rows = table(capsys.readouterr().out)
    assert [row["rows per leaf"] for row in rows] == ["", "1", "2", "1", "2"]


def test_made_up_records_are_those_of_a_study(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "DATASETS", ["waveform"])
    monkeypatch.setattr(scale, "STRATEGIES", ["random", "entropy"])
    blocks = {"cheap": 2, "oracle": 2}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(scale.study_of(5, 2, blocks)))
    results = {"results": str(tmp_path / "results")}
    study = load_study(tmp_path / "study.yaml").model_copy(update=results)
    # settings, classifiers, blocks; both strategies share a job
    assert scale.make_up(study) == 3 * 2 * 3
    found = load(study, study.folder)
    assert (found.coverage["finished"] == found.coverage["planned"]).all()
    assert len(found.coverage) == 12
    assert len(found.trials) == 12 * 5 * 3


@pytest.mark.workflow
def test_jobs(capsys, monkeypatch):
    """The jobs are those that Snakemake plans, each with an empty file for its times."""
    really, planned = subprocess.run, []

    def plan(call, **options):
        done = really([*call, "--dry-run"], **options)
        counts = re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)
        planned.append({job: int(count) for job, count in counts})
        folder = Path(call[call.index("--directory") + 1])
        for name in re.findall(r"^ +benchmark: (.+)$", done.stdout, re.MULTILINE):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        return done

    monkeypatch.setattr(subprocess, "run", plan)
    jobs.main(["--cores", "1"])
    assert [counts["cheap_trials"] for counts in planned] == [1, 25]
    rows = [line.rsplit(maxsplit=5) for line in capsys.readouterr().out.splitlines()[-2:]]
    for (_, trials, count, seconds, _, each), counts in zip(rows, planned, strict=True):
        assert int(trials) == 100
        assert int(count) == counts["total"] - counts["all"]  # which runs nothing
        assert float(each) == pytest.approx(float(seconds) / 100, abs=0.001)


def test_a_study_that_fails_is_no_time(capsys, monkeypatch):
    def fail(call, **options):
        return subprocess.CompletedProcess(call, 1, "", "no such rule")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(RuntimeError, match="no such rule"):
        jobs.main([])
    assert "blocks" not in capsys.readouterr().out
