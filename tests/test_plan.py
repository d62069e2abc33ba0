"""The plan of a study: counts what is there and estimates from what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lalbench import (
    files,
    grid,
    network_cost,
    plan,
    pretraining,
    pretraining_cost,
    provenance,
    records,
    workload,
)
from lalbench.__main__ import main
from lalbench.config import Study
from lalbench.errors import CorruptFileError
from lalbench.stages.trials import trial_file
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
        "steps": 1,
    }
    return parse_study(content | changes)


def row(made: Study, title: str) -> workload.Row:
    """One row of the plan."""
    (found,) = (each for each in workload.rows(made) if each.title == title)
    return found


def line(text: str, title: str) -> str:
    """One line of the table behind its title, single spaces between the cells."""
    (found,) = (each for each in text.splitlines() if each.startswith(f"{title}  "))
    return " ".join(found.removeprefix(title).split())


def benchmark(made: Study, path: str, seconds: float) -> None:
    """What Snakemake writes for a job."""
    place = made.folder / "benchmarks" / f"{path}.tsv"
    files.write_text(place, f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\tNA\n")


def finish(made: Study, cell: grid.Cell, block: grid.Block, seconds: float, steps: int = 1) -> None:
    """Writes the files of a job that took ``seconds`` per trial."""
    rows = [
        dict.fromkeys(records.KEYS[:6], "")
        | {
            "classifier": cell.classifier,
            "strategy": cell.strategy,
            "data_seed": data_seed,
            "seed": seed,
            "step": step,
            "seconds_signals": seconds / (steps + 1) / 4,
            "seconds_select": seconds / (steps + 1) * 3 / 4,
            "seconds_fit": 0.0,
            "seconds_learn": 0.0,
        }
        for data_seed, seed in block.pairs
        for step in range(steps + 1)
    ]
    records.write((made.folder / cell.records(block)), "records", [])
    place = made.folder / "timings" / cell.path / f"block-{block.id}.parquet"
    records.write(place, "timings", rows)


def test_nothing_done_yet(tmp_path: Path) -> None:
    text = plan.describe(study(tmp_path))
    assert line(text, "trials random") == "2 0 3 0 ? unknown"
    assert line(text, "problems") == "2 0 1.33 0.00111 declared"
    assert line(text, "total").startswith("13 0 6 0")
    # 2 for the data set, 4 for the problems, 10 for the references, 12 for the results
    assert "9 jobs left: 0.00778 processor-hours, at best 28 s on 1 core; very roughly" in text
    assert "4 jobs left: time unknown, nothing was measured here yet" in text
    assert "3 seed pairs are no multiple of blocks.cheap = 2" in text


def made_up(results: Path, **changes: Any) -> Study:
    """A study of which a part is done, beside one that is finished, with measured seconds.

    What is left takes 4 (problems) + 65 (random) + 45 (entropy) + 10 (references, declared)
    + 12 (results, declared) = 136 seconds.
    """
    made = study(results, **changes)
    for path in ("data/wine.npz", "problems/wine/balanced/block-000.npz"):
        files.write_npz(made.folder / path, {})
    benchmark(made, "problems/wine/balanced/block-000", 8.0)  # two seed pairs
    random = next(grid.jobs(made))
    assert random[0].strategy == "random"
    finish(made, *random, seconds=60.0)
    benchmark(made, f"trials/{random[0].path}/block-000", 130.0)  # with its start 65 per trial
    # three jobs of another setting and three times the steps; their median is 30 per trial
    old = study(
        results,
        study="old",
        settings=["imbalanced"],
        strategies=["entropy", "margin"],
        blocks={"cheap": 1},
        steps=3,
    )
    seconds = iter((10.0, 30.0, 50.0, 7.0, 7.0, 7.0))
    for job in grid.jobs(old):
        finish(old, *job, seconds=next(seconds), steps=3)
    benchmark(old, "references/wine/imbalanced/svm/block-000", 40.0)  # not finished: does not count
    return made


def test_totals_of_earlier_records(tmp_path: Path) -> None:
    made = made_up(tmp_path)
    found = {each.title: each for each in workload.rows(made)}
    assert {title: each.wall for title, each in found.items()} == pytest.approx(
        {
            "fetch": 0,
            "problems": 4,
            "trials random": 65,
            "trials entropy": 3 * 30 * (1 + 1) / (3 + 1),
            "references": 10,
            "results": 12,
        }
    )
    assert found["trials random"].longest == pytest.approx(65)
    # the job of the last block runs one trial of both
    assert found["trials entropy"].longest == pytest.approx(65 + 15)
    text = plan.describe(made, cores=2, price=3600.0)
    assert line(text, "trials random") == "2 1 3 2 65 0.0181 median of 2 trials"
    assert line(text, "trials entropy") == "2 0 3 0 15 0.0125 median of 3 trials"
    assert line(text, "problems") == "2 1 4 0.00111 median of 1 job"
    assert line(text, "total") == "13 3 6 2 0.0378"
    assert "10 jobs left: 0.0378 processor-hours, at best 80 s on 2 cores; partly by dec" in text
    assert "cost of these: 136.00, at 3600 for a processor-hour" in text
    # no job can be cut: the longest takes 80 seconds
    assert "at best 80 s on 4 cores" in plan.describe(made, cores=4)
    assert "cost of" not in plan.describe(made)


def test_processors_of_jobs_with_several_threads(tmp_path: Path) -> None:
    made = made_up(tmp_path, compute={"processes": 3})
    total = sum(each.processors for each in workload.rows(made))
    assert total == pytest.approx(3 * (65 + 45) + 4 + 10 + 12)


def test_a_finished_study_tells_of_all_its_stages(tmp_path: Path) -> None:
    made = made_up(tmp_path)
    content = json.loads(made.model_copy(update={"study": "old"}).model_dump_json(by_alias=True))
    manifest = {"study": content, "study_hash": files.digest(content), "files": {}}
    files.write_json(tmp_path / "old" / "manifest.json", manifest)
    old = study(tmp_path, study="old")
    benchmark(old, "references/wine/balanced/svm/block-000", 40.0)  # two seed pairs
    benchmark(old, "figures", 100.0)
    assert row(made, "references").wall == pytest.approx(3 * 20)
    assert row(made, "results").wall == pytest.approx(100 + 3 + 4.5 + 0.5)
    # the study's own jobs come first
    benchmark(made, "figures", 10.0)
    assert row(made, "results").wall == pytest.approx(10 + 3 + 4.5 + 0.5)


def test_trials_of_another_configuration_are_not_done(tmp_path: Path) -> None:
    made = study(tmp_path)
    cell, block = next(grid.jobs(made))
    labels = {"dataset": cell.dataset, "setting": cell.setting, "classifier": cell.classifier}
    for steps, done in ((1, 1), (2, 0)):
        other = made.model_copy(update={"steps": steps})
        made_from = provenance.of(other, "trials", **labels, strategy=cell.strategy, block=block.id)
        metadata = {"lalbench": provenance.as_text(made_from)}
        records.write((made.folder / cell.records(block)), "records", [], metadata)
        found = row(made, "trials random")
        assert (found.done, found.cached) == (done, 2 * done)
    assert row(made.model_copy(update={"steps": 2}), "trials random").done == 1


def test_trials_that_a_killed_job_kept_are_cached(tmp_path: Path) -> None:
    made = study(tmp_path)
    cell, block = next(grid.jobs(made))
    about = {"data_seed": 2, "seed": 1, "split_hash": "a", "source_hash": "b"}
    place = made.folder / "problems" / "wine" / "balanced" / "block-000.npz"
    first = about | {"data_seed": 1}
    files.write_npz(
        place, {"1-1.about": np.array(json.dumps(first)), "2-1.about": np.array(json.dumps(about))}
    )
    labels = {"dataset": cell.dataset, "setting": cell.setting, "classifier": cell.classifier}
    made_from = provenance.of(made, "trials", **labels, strategy=cell.strategy, block=block.id)
    problem: Any = SimpleNamespace(**about)
    files.write_text(trial_file(made, made_from, problem), "{}")
    found = row(made, "trials random")
    assert (found.jobs, found.done, found.trials, found.cached) == (2, 0, 3, 1)
    assert row(made, "trials entropy").cached == 0
    finish(made, *list(grid.jobs(made))[1], seconds=8.0)
    assert row(made, "trials random").wall == pytest.approx(8.0)  # of the one trial that is left


def test_the_command_knows_cores_and_a_price(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(made_up(tmp_path).model_dump_json(by_alias=True))
    assert main(["plan", str(path), "--cores", "4", "--price-per-core-hour", "1.8"]) == 0
    out = capsys.readouterr().out
    assert "at best 80 s on 4 cores" in out
    assert "cost of these: 0.07, at 1.8 for" in out
    for wrong, words in (
        (["--cores", "0"], "cores: 0; give an integer from 1"),
        (["--price-per-core-hour", "nan"], "price-per-core-hour: nan; give a number from 0"),
        (["--price-per-core-hour", "-1"], "price-per-core-hour: -1.0; give a number from 0"),
    ):
        assert main(["plan", str(path), *wrong]) == 2
        assert capsys.readouterr().err == f"lalbench: {words}\n"


def test_a_device_that_is_not_here_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for present in (False, True):
        monkeypatch.setattr(plan, "has_cuda", lambda found=present: found)
        asked = plan.describe(study(tmp_path, compute={"device": "cuda"}))
        assert ("no CUDA device" in asked) == (not present)
        assert "CUDA" not in plan.describe(study(tmp_path))


def test_all_done(tmp_path: Path) -> None:
    made = study(tmp_path)
    for paths in grid.output_files(made).values():
        for path in paths:
            files.write_text(made.folder / path, "")
    for cell, block in grid.jobs(made):
        finish(made, cell, block, seconds=1.0)
    assert "4 jobs left: 0.00333 processor-hours" in plan.describe(made)
    for name in ("tables/a.csv", "figures/a.png", "report.html", "manifest.json"):
        files.write_text(made.folder / name, "")
    text = plan.describe(made)
    assert "nothing is left to run" in text
    assert line(text, "total") == "13 13 6 6 0"
    # the report alone is made again, but all results after a trial
    (made.folder / "report.html").unlink()
    assert row(made, "results").done == 3
    (made.folder / cell.records(block)).unlink()
    assert row(made, "results").done == 0


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
        for module in (plan, workload):
            monkeypatch.setattr(module, "has_cuda", lambda found=present: found)
        where = "one GPU" if present else "1 CPU thread"
        trainings = 3 * (made.steps + 1)
        assert f"declared for {where}: {trainings} trainings" in plan.describe(made)
        assert ("there is no GPU here" in "".join(plan.warnings(made))) == (not present)
        work = network_cost.trial_work(made, "digits", "resnet18", "random")
        seconds[present] = work.seconds(present)
    assert work.trainings == made.steps + 1
    assert seconds[False] > 100 * seconds[True]


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
    assert line(text, "pretrain-rows").startswith(f"{one + two} 0 ")
    # 4 sizes of 250 states with 10 candidates, twice; paths of up to 3 points
    refits = 2 * 4 * 250 * 11 + 250 * (1 + 2 + 3)
    assert line(text, "pretrain-rows").endswith(f"declared: {refits:,} refits")
    assert line(text, "pretrain-step").endswith("declared: 1,500 trees")
    assert line(text, "pretrain").endswith("declared: 100 trees")
    alone = plan.describe(lal_study(tmp_path, "lal_independent"))
    assert line(alone, "pretrain-rows").startswith(f"{one} 0 ")
    assert "pretrain-step" not in alone
    assert "pretrain" not in plan.describe(study(tmp_path))


def test_one_regressor_of_two_strategies_is_learned_once(tmp_path: Path) -> None:
    chosen = [
        {"name": "lal_independent", "label": label, "options": {**LAL, "beyond": beyond}}
        for label, beyond in (("near", "clamp"), ("far", "extrapolate"))
    ]
    made = study(tmp_path, classifiers=["random_forest"], strategies=chosen)
    assert len({each.key for each in pretraining.needed(made)}) == 1
    text = plan.describe(made)
    n_parts = len(pretraining.needed(made)[0].parts)
    assert line(text, "pretrain-rows").startswith(f"{n_parts} 0 ")
    assert line(text, "pretrain").startswith("1 0")


def test_measured_speed_is_that_of_the_same_kind_and_regressor(tmp_path: Path) -> None:
    made = lal_study(tmp_path, "lal_iterative")
    (wanted,) = pretraining.needed(made)
    every = pretraining_cost.jobs(made, wanted)
    rows = [job for job in every if job.kind == "rows"]
    learn(rows[0], 30 * rows[0].seconds)
    learn(every[-1])  # its time was not measured
    left = pretraining_cost.remaining(made, [wanted])
    measured = [each for each in left if each.measured]
    assert [each.job for each in measured] == rows[1:]
    assert {each.measured for each in measured} == {1}
    seconds = [30 * job.seconds for job in rows[1:]]
    assert [each.seconds for each in measured] == pytest.approx(seconds)
    assert rows[3].seconds > rows[2].seconds > rows[1].seconds  # longer paths
    assert [each.job.kind for each in left if not each.measured] == ["step"] * 3
    assert [row(made, title).done for title in ("pretrain-rows", "pretrain")] == [1, 1]
    assert row(made, "pretrain-rows").wall == pytest.approx(sum(seconds))
    text = plan.describe(made)
    assert line(text, "pretrain-rows").endswith("median of 1 job")
    assert line(text, "pretrain-step").endswith("declared: 1,500 trees")


def test_done_when_trials_and_regressors_are(tmp_path: Path) -> None:
    made = lal_study(tmp_path, "lal_independent")
    for paths in grid.output_files(made).values():
        for path in paths:
            files.write_text(made.folder / path, "")
    for cell, block in grid.jobs(made):
        finish(made, cell, block, seconds=1.0)
    for name in ("tables/a.csv", "figures/a.png", "report.html", "manifest.json"):
        files.write_text(made.folder / name, "")
    assert "nothing is left to run" not in plan.describe(made)
    every = pretraining_cost.jobs(made, *pretraining.needed(made))
    for job in every:
        learn(job)
    assert "nothing is left to run" in plan.describe(made)


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
