"""Trial files of an invented study: nothing here was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench import grid, records
from lalbench.config import Study
from lalbench.results.analysis import Analysis
from lalbench.results.published import MEMBERS
from lalbench.results.report import write_report

STRATEGIES = [
    "random",
    "entropy",
    "k_center_greedy",
    "hal_gauss",
    "oracle",
    "reward_oracle",
    "neural_process",
]

# How much faster than random each strategy learns in this invented world.
GAIN = {
    "random": 0.0,
    "entropy": 0.006,
    "k_center_greedy": 0.002,
    "hal_gauss": -0.004,
    "oracle": 0.02,
    "reward_oracle": 0.008,
    "neural_process": 0.005,
}

DEEP_STRATEGIES = [*MEMBERS["resnet18"], "random"]

# How many times likelier than chance each strategy takes a point of a rare class (others: 1).
TASTE = {"entropy": 3.0, "margin": 2.5, "least_confident": 2.0, "cbal": 6.0, "hal_gauss": 0.5}

LINES = {"annotated": (100, 0.0), "annotated_reward": (200, 0.03), "all_labels": (1511, 0.06)}
"""Fits without active learning: labels, and how much better than the start."""

Key = tuple[str, str, str, str, int, int]
Write = Callable[..., Path]
Rows = Callable[[Study, Key], list[dict[str, Any]]]


def make_study(folder: Path, **changes: Any) -> Study:
    content = {
        "study": "invented",
        "description": "Curves drawn from a formula.",
        "protocol": "published",
        "results": str(folder),
        "seeds": {"data": [0, 1, 2], "run": [0, 1, 2]},
        "datasets": ["waveform", "mushrooms", "adult"],
        "settings": ["balanced", "imbalanced"],
        "classifiers": ["logistic_regression", "svm"],
        "strategies": STRATEGIES,
        "blocks": {"cheap": 9, "oracle": 3, "learned": 3},
    }
    return Study.model_validate(content | changes)


def make_deep_study(folder: Path, **changes: Any) -> Study:
    """The shape of the deep study: four image sets, twelve strategies, three seeds, no reward set.

    The strategies with networks of their own are named by a class, so that this needs none of them.
    """
    networks = {"learning_loss", "vaal", "uncertain_gcn", "core_gcn"}
    stand_in = "lalbench.strategies.uncertainty:Entropy"
    content = {
        "study": "deep",
        "datasets": ["cifar10", "svhn", "fashion_mnist", "mnist"],
        "settings": ["balanced", "imbalanced", "imbalanced_weighted"],
        "classifiers": ["resnet18"],
        "seeds": {"data": [0, 1, 2], "run": [0, 1, 2], "pairs": "matched"},
        "sizes": {"annotated": 1000},
        "strategies": [
            {"name": name, "class": stand_in} if name in networks else name
            for name in DEEP_STRATEGIES
        ],
        "budget": 1000,
    }
    return make_study(folder, **(content | changes))


def split_hash(study: Study, *parts: object) -> str:
    """Depends on both seeds in ``published`` and on the data seed alone in ``clean``."""
    kept = parts if study.protocol == "published" else parts[:-1]
    return hashlib.sha256(repr(kept).encode()).hexdigest()


def trial_rows(study: Study, key: Key) -> list[dict[str, Any]]:
    """A curve that rises with the strategy's gain, in multiples of 1/200 as test scores are."""
    dataset, setting, classifier, strategy, data_seed, seed = key
    shared = _stream(dataset, setting, data_seed, seed)
    start = 0.7 + 0.15 * shared.random() - 0.1 * (setting != "balanced")
    own = _stream(*key)
    steps = np.arange(study.steps + 1)
    gain = GAIN.get(strategy, 0.0)
    rise = (0.004 + gain) * steps + np.cumsum(own.normal(0, 0.004, len(steps))) * (steps > 0)
    scores = np.round(np.clip(start + rise, 0, 1) * 200) / 200
    rare_start = 50 if setting == "balanced" else 9
    chance = 0.5 if setting == "balanced" else 0.1
    rare = np.concatenate([[0], np.cumsum(own.random(study.steps) < chance + 15 * gain)])
    reads_rewards = strategy in ("reward_oracle", "neural_process")
    asks = strategy in ("oracle", "reward_oracle")
    sizes = {"waveform": 1411, "mushrooms": 3907, "adult": 34}
    pool = sizes.get(dataset, 400) if setting == "imbalanced" else 2894
    rare_in_pool = 3 if dataset == "adult" and setting == "imbalanced" else 128
    rare = np.minimum(rare, rare_in_pool)
    return [
        {
            "study": study.study,
            "protocol": study.protocol,
            "dataset": dataset,
            "setting": setting,
            "classifier": classifier,
            "strategy": strategy,
            "data_seed": data_seed,
            "seed": seed,
            "step": int(step),
            "n_annotated": 100 + int(step),
            "n_pool": pool - int(step),
            "acquired": [] if step == 0 else [int(own.integers(5000))],
            "acquired_probability": said_of_acquired(key, int(step)),
            **dict.fromkeys(records.METRICS, float(scores[step])),
            "rare_precision": float(min(1.0, scores[step] + 0.05)),
            "rare_recall": float(scores[step] - 0.1),
            "weighted_log_loss": float("nan") if classifier == "svm" else 0.4,
            "rare_average_precision": float("nan") if classifier == "svm" else 0.8,
            "class_recall": [float(scores[step])] * 2,
            "class_counts": [
                rare_start + int(rare[step]),
                100 + int(step) - rare_start - int(rare[step]),
            ],
            "rare_in_pool": int(rare_in_pool - rare[step]),
            "rare_in_test": 100 if setting == "balanced" else 18,
            "labels_asked": pool if asks and step else 0,
            "selection_details": "",
            "label_budget": 100 + int(step) + 100 * reads_rewards,
            "engine": "",
            "split_hash": split_hash(study, dataset, setting, data_seed, seed),
            "status": "ok",
            "message": "",
        }
        for step in steps
    ]


def said_of_acquired(key: Key, step: int) -> list[float]:
    """One probability per step, in fiftieths as of a forest; an SVM gives none."""
    _, _, classifier, strategy, *_ = key
    if classifier == "svm" or step == 0:
        return []
    votes = _stream("said", *key, step).binomial(50, 0.5 if strategy == "entropy" else 0.3)
    return [float(votes) / 50]


def deep_rows(study: Study, key: Key) -> list[dict[str, Any]]:
    """A trial of the deep study: ten classes, 1000 points per step, drawn by the strategy's taste.

    The acquired ids are left out: nobody reads them here, and they would be five million numbers.
    """
    dataset, setting, _, strategy, data_seed, seed = key
    own = _stream(*key)
    even = np.arange(10) % 2 == 0
    balanced = setting == "balanced"
    counts = np.where(even, 100 if balanced else 18, 100 if balanced else 182)
    pool = np.where(even, 4900 if balanced else 482, 4900 if balanced else 4818)
    start = 0.2 + 0.3 * _stream(dataset, setting, data_seed, seed).random()
    gain = 0.01 * TASTE.get(strategy, 1.0) * (setting != "balanced")
    rows = []
    for step in range(study.steps + 1):
        if step:
            taste = np.where(even, TASTE.get(strategy, 1.0), 1.0) * pool
            drawn = np.minimum(own.multinomial(study.budget, taste / taste.sum()), pool)
            drawn[np.argmax(pool - drawn)] += study.budget - drawn.sum()
            counts, pool = counts + drawn, pool - drawn
        noise = own.normal(0, 0.01) if step else 0.0
        score = round(start + (0.03 + gain) * step**0.7 + noise, 4)
        rows.append(
            {
                "study": study.study,
                "protocol": study.protocol,
                **dict(zip(records.KEYS[2:], key, strict=True)),
                "step": step,
                "n_annotated": int(counts.sum()),
                "n_pool": int(pool.sum()),
                "acquired": [],
                "acquired_probability": [],
                **dict.fromkeys(records.METRICS, score),
                "class_recall": [score] * 10,
                "class_counts": [int(count) for count in counts],
                "rare_in_pool": int(pool[0]),
                "rare_in_test": 1000 if balanced else 100,
                "labels_asked": 0,
                "selection_details": "",
                "label_budget": int(counts.sum()),
                "engine": "",
                "split_hash": split_hash(study, dataset, setting, data_seed, seed),
                "status": "ok",
                "message": "",
            }
        )
    return rows


def failed_rows(study: Study, key: Key, status: str = "error") -> list[dict[str, Any]]:
    first = rows_of(study)(study, key)[0]
    unknown = dict.fromkeys(records.METRICS, float("nan"))
    return [first | unknown | {"status": status, "message": "LinAlgError: Singular matrix"}]


def curve_rows(study: Study, key: Key) -> list[dict[str, Any]]:
    names = ("dataset", "setting", "classifier", "strategy", "data_seed", "seed")
    head = {"study": study.study, "protocol": study.protocol, **dict(zip(names, key, strict=True))}
    draws = _stream("curve", *key)
    losses = 3.3 * np.exp(-np.arange(1, 41) / 8) - 2.8
    return [
        head | {"step": step, "epoch": epoch, "loss": float(loss + draws.normal(0, 0.03))}
        for step in (1, study.steps)
        for epoch, loss in enumerate(losses, start=1)
    ]


def timing_rows(study: Study, key: Key) -> list[dict[str, Any]]:
    names = ("dataset", "setting", "classifier", "strategy", "data_seed", "seed")
    head = {"study": study.study, "protocol": study.protocol, **dict(zip(names, key, strict=True))}
    seconds = {"seconds_select": 0.01, "seconds_fit": 0.002, "seconds_learn": 0.0}
    return [head | {"step": step} | seconds for step in range(study.steps + 1)]


def reference_rows(study: Study, key: Key) -> list[dict[str, Any]]:
    base = rows_of(study)(study, (*key[:3], "random", *key[4:]))[0]
    # without a reward set and with a pool too large to fit at once only the first is there
    lines = {"annotated": (1000, 0.0)} if study.study == "deep" else LINES
    kept = {name: base[name] for name in records.COLUMNS["references"] if name in base}
    return [
        kept
        | {"strategy": line, "n_labels": labels, "shared_rows": 2, "warnings": ""}
        | dict.fromkeys(records.METRICS, base["objective"] + more)
        for line, (labels, more) in lines.items()
    ]


def rows_of(study: Study) -> Rows:
    """What makes the rows of a trial of ``study``."""
    return deep_rows if study.study == "deep" else trial_rows


def write_trials(
    study: Study,
    *,
    drop: Iterable[Key] = (),
    fail: Iterable[Key] = (),
    time_out: Iterable[Key] = (),
    skip_strategies: Iterable[str] = (),
    references: bool = True,
) -> Path:
    """Writes the files of every planned trial except those dropped; returns ``results/<study>``."""
    drop, fail, time_out = set(drop), set(fail), set(time_out)
    for cell, block in grid.jobs(study):
        if cell.strategy in set(skip_strategies):
            continue
        place = (cell.dataset, cell.setting, cell.classifier, cell.strategy)
        keys = [(*place, *pair) for pair in block.pairs if (*place, *pair) not in drop]
        rows = [
            row
            for key in keys
            for row in (
                failed_rows(study, key)
                if key in fail
                else failed_rows(study, key, "timeout")
                if key in time_out
                else rows_of(study)(study, key)
            )
        ]
        path = study.folder / cell.records(block)
        software = '{"software": {"numpy": "2.4.0", "scipy": "1.17.0"}}'
        records.write(path, "records", rows, {"lalbench": software})
        beside = {"timings": timing_rows, "curves": curve_rows}
        for kind, make in beside.items():
            if kind == "curves" and not cell.learned:
                continue
            target = study.folder / kind / path.relative_to(study.folder / "trials")
            records.write(target, kind, [row for key in keys for row in make(study, key)])
    if references:
        _write_references(study)
    return study.folder


def _write_references(study: Study) -> None:
    for place in {cell.path.parent for cell in grid.cells(study)}:
        for block in grid.blocks(study, "cheap"):
            dataset, setting, classifier = place.parts
            keys = [(dataset, setting, classifier, "", *pair) for pair in block.pairs]
            rows = [row for key in keys for row in reference_rows(study, key)]
            path = study.folder / "references" / place / f"block-{block.id}.parquet"
            records.write(path, "references", rows)


def _stream(*parts: object) -> np.random.Generator:
    seed = hashlib.sha256(repr(parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(seed[:8], "little"))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A small ``published`` study: nine runs on nine splits per cell."""
    return make_study(tmp_path)


@pytest.fixture(scope="session")
def invented(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A complete study and its results folder; read only."""
    whole = make_study(tmp_path_factory.mktemp("whole"))
    return whole, write_trials(whole)


@pytest.fixture(scope="session")
def incomplete(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A study with a failed cell, a failed run, a missing run, a timeout and a strategy not run."""
    part = make_study(tmp_path_factory.mktemp("part"), classifiers=["svm"])
    svm = ("adult", "imbalanced", "svm")
    folder = write_trials(
        part,
        fail=[(*svm, "entropy", d, s) for d in range(3) for s in range(3)]
        + [("waveform", "balanced", "svm", "hal_gauss", 0, 0)],
        drop=[("waveform", "balanced", "svm", "entropy", 1, 2)],
        time_out=[("mushrooms", "imbalanced", "svm", "neural_process", 2, 2)],
        skip_strategies=["k_center_greedy"],
        references=False,
    )
    return part, folder


@pytest.fixture(scope="session")
def whole(invented: tuple[Study, Path]) -> Analysis:
    """The analysis of the complete study; what it computed once is kept."""
    return Analysis.of(*invented)


@pytest.fixture(scope="session")
def part(incomplete: tuple[Study, Path]) -> Analysis:
    """The analysis of the incomplete study."""
    return Analysis.of(*incomplete)


@pytest.fixture(scope="session")
def deep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A complete study of the shape of the deep one, and its results folder; read only."""
    study = make_deep_study(tmp_path_factory.mktemp("deep"))
    return study, write_trials(study)


@pytest.fixture(scope="session")
def deep_analysis(deep: tuple[Study, Path]) -> Analysis:
    """The analysis of the deep-shaped study."""
    return Analysis.of(*deep)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small study with a cell that failed and a hostile description; read only."""
    study = make_study(
        tmp_path_factory.mktemp("rendered"),
        description="A <script>alert(1)</script> study",
        datasets=["adult"],
        settings=["balanced", "imbalanced"],
        classifiers=["svm"],
        strategies=["random", "entropy", "hal_gauss", "oracle", "neural_process"],
    )
    fail = [("adult", "imbalanced", "svm", "entropy", d, s) for d in range(3) for s in range(3)]
    folder = write_trials(study, fail=fail)
    write_report(study, folder, folder / "report.html")
    return folder / "report.html"


@pytest.fixture
def write() -> Write:
    """:func:`write_trials` for tests that need their own study."""
    return write_trials


@pytest.fixture
def new_study() -> Callable[..., Study]:
    """:func:`make_study` for tests that need their own study."""
    return make_study
