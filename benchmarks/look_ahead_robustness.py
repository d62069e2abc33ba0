"""Where the gain of ``look_ahead`` begins and ends: noise, reward labels, ratios, initial labels.

Run: ``python -m benchmarks.look_ahead_robustness [--splits 30] [--classifier svm] [--only noise]``.
One condition is changed at a time from the usual one: classes 1:10, 100 + 100 labels, all of them
annotated, no noise, a pool of 500 and 600 test points. Rows are mean areas under the curve of ten
steps divided by ten, in hundredths of the weighted accuracy, as paired differences with their
standard errors. The *best hand-made* strategy is the one with the highest mean of the row. Noise
replaces the labels of annotated, reward and pool points by the other class, never those of the test
set. Data: generated waveforms, and splice.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from lalbench import trials
from lalbench.compute import using
from lalbench.config import DatasetSpec, Labels, SettingSpec
from lalbench.errors import UserError
from lalbench.problems import Problem, build_problem
from lalbench.results.summaries import auac
from lalbench.strategies.base import FloatArray

FIRST_SEED = 20_000
STEPS = 10
HAND_MADE = ("entropy", "cbal", "hal_gauss", "k_center_greedy", "quire")
TEST, POOL = 600, 500
DATASETS = (
    DatasetSpec(name="waveform_generator", options={"n": 20_000}),
    DatasetSpec(name="splice"),
)


@dataclass(frozen=True)
class Condition:
    """One row of the table, the usual case but for what it names."""

    name: str
    noise: float = 0.0
    ratio: int = 10
    annotated: int = 100
    reward: int = 100
    labels: Labels = "all_labels"


CONDITIONS = (
    Condition("usual"),
    Condition("noise 10 %", noise=0.1),
    Condition("noise 20 %", noise=0.2),
    *(Condition(f"ratio 1:{ratio}", ratio=ratio) for ratio in (1, 2, 5, 20, 50)),
    *(Condition(f"{n} initial labels", annotated=n, reward=0) for n in (20, 50, 100, 200, 500)),
    Condition("reward set of 100 apart", labels="reward_apart"),
    Condition("reward set of 20 apart", labels="reward_apart", reward=20),
    Condition("no reward set", reward=0),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=30)
    parser.add_argument("--classifier", default="logistic_regression")
    parser.add_argument("--only", help="conditions whose name holds this text")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    rows = []
    with threadpool_limits(1), using(device="cpu"):
        for dataset in DATASETS:
            for condition in CONDITIONS:
                if given.only and given.only not in condition.name:
                    continue
                try:
                    areas = measure(dataset, condition, given.classifier, given.splits)
                except UserError as error:
                    rows.append([dataset.label, condition.name, f"not possible: {error.problem}"])
                    continue
                rows.append([dataset.label, condition.name, *shown(areas)])
                print(*rows[-1], sep=" | ", flush=True)
    head = ["data set", "condition", "random", "look_ahead - random", "best hand-made"]
    head += ["look_ahead - best"]
    print(f"\n{given.classifier}, {given.splits} splits\n")
    print(tabulate(rows, head, tablefmt="github", disable_numparse=True))


def measure(
    dataset: DatasetSpec, condition: Condition, classifier: str, splits: int
) -> dict[str, FloatArray]:
    """Strategy → (splits,) areas under its curve."""
    names = ("random", "look_ahead", *HAND_MADE)
    found: dict[str, list[float]] = {name: [] for name in names}
    for split in range(splits):
        problem = noisy(problem_of(dataset, condition, FIRST_SEED + split), condition.noise, split)
        for name in names:
            curve = trials.run_trial(problem, classifier=classifier, strategy=name, steps=STEPS)
            scores = curve["objective"].to_numpy(dtype=float)
            found[name].append(100 * float(auac(scores[None])[0]) / STEPS)
    return {name: np.array(values) for name, values in found.items()}


def problem_of(dataset: DatasetSpec, condition: Condition, seed: int) -> Problem:
    """The split of one seed."""
    setting = SettingSpec(name="ratio", frequencies=[1, condition.ratio])
    sizes: Mapping[str, Any] = {
        "test": TEST, "pool": POOL, "annotated": condition.annotated, "reward": condition.reward,
    }  # fmt: skip
    labels = condition.labels if condition.reward else "reward_apart"
    return build_problem(dataset, setting, data_seed=seed, seed=seed, sizes=sizes, labels=labels)


def noisy(problem: Problem, share: float, seed: int) -> Problem:
    """With the other label of a random share of all points but the test points; two classes."""
    flipped = np.random.default_rng(seed).random(len(problem.y)) < share
    flipped[problem.test] = False
    return replace(problem, y=np.where(flipped, 1 - problem.y, problem.y))


def shown(areas: Mapping[str, FloatArray]) -> list[str]:
    """The columns of one row."""
    best = max(HAND_MADE, key=lambda name: areas[name].mean())
    own = areas["look_ahead"]
    return [
        f"{areas['random'].mean():.2f}",
        _difference(own - areas["random"]),
        best,
        _difference(own - areas[best]),
    ]


def _difference(pairs: FloatArray) -> str:
    return f"{pairs.mean():+.2f} ± {pairs.std(ddof=1) / np.sqrt(len(pairs)):.2f}"


if __name__ == "__main__":
    main()
