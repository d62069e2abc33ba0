"""What a study of very many trials costs beside its trials: planning, scheduling and the results.

    python -m benchmarks.scale                      # 100,000 trials in the shipped blocks
    python -m benchmarks.scale --pairs 15 --steps 3 --results-only

Nothing is trained: records with made-up curves stand where the trials of a study would put theirs,
with the same columns, blocks and names. Then every command that a user would wait for is run and
measured: its time and the largest memory of one of its processes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks import machine
from lalbench import files, grid, records
from lalbench.config import Study
from lalbench.grid import Block, Cell
from lalbench.study import load_study

ROOT = Path(__file__).resolve().parents[1]
STRATEGIES = [
    *("random", "entropy", "margin", "least_confident", "f_score", "k_center_greedy"),
    *("hal_uniform", "hal_gauss", "cbal", "quire", "albl"),
]
DATASETS = ["adult", "australian", "banana", "breast_cancer", "diabetis", "german", "heart"]
DATASETS += ["mushrooms", "splice", "waveform"]


def study_of(pairs: int, steps: int, blocks: dict[str, int]) -> dict[str, Any]:
    """A study of 10 data sets × 3 settings × 2 classifiers × 11 strategies × pairs."""
    return {
        "study": "scale",
        "datasets": DATASETS,
        "settings": ["balanced", "imbalanced", "imbalanced_weighted"],
        "sizes": {"test": 200, "reward": 100, "annotated": 100},
        "classifiers": ["logistic_regression", "svm"],
        "strategies": STRATEGIES,
        "seeds": {"data": list(range(pairs // 5)), "run": list(range(5))},
        "steps": steps,
        "blocks": blocks,
    }


def main() -> None:
    """Makes the study, measures, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=150, help="seed pairs, a multiple of 5")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--cheap", type=int, default=50, help="trials per job")
    parser.add_argument("--results-only", action="store_true", help="no Snakemake")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blocks = {"cheap": arguments.cheap, "oracle": arguments.cheap}
        content = study_of(arguments.pairs, arguments.steps, blocks)
        (folder / "study.yaml").write_text(yaml.safe_dump(content))
        study = load_study(folder / "study.yaml").model_copy(
            update={"results": str(folder / "results")}
        )
        n_jobs = make_up(study)
        trials = len(grid.cells(study)) * len(grid.pairs(study))
        print(machine.header(1, "pandas", "pyarrow", "snakemake"))
        print(f"{trials:,} trials of {study.steps} steps in {n_jobs:,} jobs\n")
        print(f"{'':44} seconds   GiB")
        if not arguments.results_only:
            measure_workflow(folder)
        for stage in ("tables", "figures"):  # a report also reads the data, which is not there
            call = [sys.executable, "-m", "lalbench", stage, "--study", "study.yaml"]
            call += ["--results", str(study.results), "--output", str(study.folder / stage)]
            measure(f"lalbench {stage}", call, folder)


def measure_workflow(folder: Path) -> None:
    """Planning and scheduling, by Snakemake with the shipped profile."""
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    snakemake += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    snakemake += ["--config", "study=study.yaml", f"results={folder / 'nothing'}"]
    plan = [sys.executable, "-m", "lalbench", "plan", "study.yaml"]
    measure("lalbench plan", plan, folder)
    measure("dry run of all jobs", [*snakemake, "--dry-run", "--quiet"], folder)
    tenth = ["--batch", "tables=1/10"]
    measure("dry run of a tenth (--batch tables=1/10)", [*snakemake, "--dry-run", *tenth], folder)


def measure(name: str, call: list[str], folder: Path) -> None:
    """Prints seconds and the peak memory of a command."""
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:  # the peak is that of all children of one process
        peak = pool.apply(_run, (call, folder))
    print(f"{name:44} {time.perf_counter() - start:7.1f} {peak / 2**30:5.2f}", flush=True)


def _run(call: list[str], folder: Path) -> int:
    done = subprocess.run(
        call, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def make_up(study: Study) -> int:
    """Writes the records and timings of all trials; returns the number of jobs."""
    rng = np.random.default_rng(0)
    together = grid.together(study)
    jobs = set()
    for cell, block in grid.jobs(study):
        for kind, columns in (
            ("records", _records(study, cell, block, rng)),
            ("timings", _timings(study, cell, block, rng)),
        ):
            stage = {"records": "trials"}.get(kind, kind)
            _write(study.folder / cell.records(block, stage), kind, columns)
        jobs.add((cell.path.parent if cell.strategy in together else cell.path, block.id))
    return len(jobs)


def _write(path: Path, kind: str, columns: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: columns[name] for name in records.COLUMNS[kind]},
                     schema=records.schema(kind))  # fmt: skip
    with files.atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def _keys(study: Study, cell: Cell, block: Block) -> dict[str, Any]:
    n_steps = study.steps + 1
    rows = len(block.pairs) * n_steps
    names = {"study": study.study, "protocol": study.protocol, "dataset": cell.dataset}
    names |= {"setting": cell.setting, "classifier": cell.classifier, "strategy": cell.strategy}
    data, run = (np.repeat([pair[place] for pair in block.pairs], n_steps) for place in (0, 1))
    step = np.tile(np.arange(n_steps), len(block.pairs))
    keys = {name: [value] * rows for name, value in names.items()}
    return keys | {"data_seed": data, "seed": run, "step": step}


def _records(study: Study, cell: Cell, block: Block, rng: np.random.Generator) -> dict[str, Any]:
    keys = _keys(study, cell, block)
    step = keys["step"]
    rows = len(step)
    score = 60 + 2 * np.sqrt(step) + rng.normal(size=rows)
    splits = [f"{cell.dataset}-{cell.setting}-{data}-{run}"
              for data, run in zip(keys["data_seed"], keys["seed"], strict=True)]  # fmt: skip
    rare = rng.integers(0, 2, size=rows)
    counts = np.stack([90 + step - rare, 10 + rare], axis=1)
    return keys | dict.fromkeys(records.METRICS, score) | {
        "n_annotated": 100 + step, "n_pool": 1000 - step,
        "acquired": [[int(s)] if s else [] for s in step],
        "acquired_probability": [[0.5] if s else [] for s in step],
        "class_recall": [[0.6, 0.6]] * rows, "class_counts": counts.tolist(),
        "rare_in_pool": 50 - rare, "rare_in_test": np.full(rows, 100),
        "labels_asked": np.zeros(rows, dtype=int), "label_budget": 100 + step,
        "selection_details": [""] * rows,
        "engine": [""] * rows, "split_hash": splits,
        "status": ["ok"] * rows, "message": [""] * rows,
    }  # fmt: skip


def _timings(study: Study, cell: Cell, block: Block, rng: np.random.Generator) -> dict[str, Any]:
    keys = _keys(study, cell, block)
    seconds = ("seconds_signals", "seconds_select", "seconds_fit", "seconds_learn")
    rows = len(keys["step"])
    nothing = dict.fromkeys(("gpu_memory_mib", "gpu_utilisation"), np.full(rows, np.nan))
    return keys | {name: rng.random(rows) for name in seconds} | nothing


if __name__ == "__main__":
    main()
