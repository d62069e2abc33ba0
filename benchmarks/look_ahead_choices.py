"""What one choice of ``look_ahead`` is worth, by its options, on the development data.

Run: ``python -m benchmarks.look_ahead_choices [--splits 24] [--classifier svm]
[--labels reward_apart] [--only banana]``. Every refit of 250 candidates with each label is scored
once by all companions and label models, and by the objective itself on the test set and the rest of
the pool with their true labels. So every set of options chooses from the same candidates, and the
value of a choice is what its true label improves the objective by: in standard deviations of the
candidates' improvements, above their mean, which is what a random choice is worth. The table has
the mean over all places (data set, setting), the paired difference to one arm with its
standard error, and the worst place. One choice is not a trial of ten: docs/look-ahead.md.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from lalbench import label_models, strategies
from lalbench.compute import using
from lalbench.config import DatasetSpec, Labels, Sizes
from lalbench.errors import UserError
from lalbench.objectives import AnyScorer, Panel
from lalbench.problems import build_problem
from lalbench.strategies.base import FloatArray, IntArray, LearningState
from lalbench.strategies.expectation import improvements_by_label
from lalbench.strategies.look_ahead import seen_labels
from lalbench.strategies.smoothing import (
    consensus,
    own_probabilities,
    slope_of,
    smooth_scorer,
)
from lalbench.trials.loop import Loop
from lalbench.trials.trial import Names

SETTINGS = ("balanced", "imbalanced", "imbalanced_weighted")
KINDS = ("svm", "gaussian_process", "random_forest", "extra_trees", "logistic_regression")
AVERAGES = (
    ("svm", "gaussian_process"),
    ("svm", "random_forest"),
    ("svm", "extra_trees"),
    ("svm", "gaussian_process", "random_forest"),
)
SHARPNESS = (1.0, 3.0, 10.0, np.inf)
N_CANDIDATES = 250
N_POINTS = (100, 400, 1600)
SHARES = (0.5, 0.25, 0.1, 0.04)
HALVES = "half by entropy of p + q, half random"
USUAL = 400
FIRST_SEED = 3000
MAIN = "svm + random_forest"
BASE = f"{MAIN}, consensus"


def _digits(name: str, first: list[int], second: list[int], sizes: Sizes | None) -> DatasetSpec:
    return DatasetSpec(name="digits", label=name, relabel=[first, second], sizes=sizes)


def _small(name: str, size: int) -> DatasetSpec:
    return DatasetSpec(name=name, sizes=Sizes(test=100, reward=size, annotated=size))


DATASETS = (
    DatasetSpec(name="waveform_generator", options={"n": 4600}),
    _digits("digits_low", [0, 1, 2, 3, 4], [5, 6, 7, 8, 9], None),
    _digits("digits_even", [0, 2, 4, 6, 8], [1, 3, 5, 7, 9], None),
    _digits("digits_3", [0, 1, 2, 4, 5, 6, 7, 8, 9], [3], Sizes(test=100, reward=50, annotated=50)),
    DatasetSpec(name="banana"),
    DatasetSpec(name="splice"),
    _small("australian", 40),
    _small("breast_cancer", 40),
    _small("diabetis", 40),
    _small("german", 50),
    DatasetSpec(name="heart", sizes=Sizes(test=30, reward=30, annotated=30)),
)
"""Development data: no row of it is in the proof, whose waveforms follow the same law."""


@dataclass(frozen=True)
class Episode:
    """One state, its candidates refitted with each label.

    Attributes:
        after: acquisitions of ``look_ahead`` before this state.
        expected: (label model, sharpness, number of points) → (k,) expected improvements; points
            is 0 for the reward set.
        losses: label model → cross-validated log loss.
        truths: (k, S) improvements by the true labels, a column for each sharpness; the last one is
            that of the objective.
        q: label model → (k, C) class probabilities.
        p: (k, C) those of the classifier.
        distances: (k, 3) to the nearest annotated points.
        counts: (C,) annotated points of each class.
    """

    after: int
    expected: Mapping[tuple[str, float, int], FloatArray]
    losses: Mapping[str, float]
    truths: FloatArray
    q: Mapping[str, FloatArray]
    p: FloatArray
    distances: FloatArray
    counts: IntArray

    @property
    def truth(self) -> FloatArray:
        """(k,) improvements of the objective."""
        return self.truths[:, -1]

    def worth(self, score: FloatArray) -> float:
        """The choice by a score, in standard deviations of the improvements above their mean."""
        truth = self.truth
        return float((truth[np.argmax(score)] - truth.mean()) / truth.std())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=24)
    parser.add_argument("--classifier", default="logistic_regression")
    parser.add_argument("--labels", choices=("all_labels", "reward_apart"), default="all_labels")
    parser.add_argument("--only", nargs="+", help="data sets")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    values: dict[str, dict[str, list[float]]] = {}
    with threadpool_limits(1), using(device="cpu"):
        for dataset in DATASETS:
            if given.only and dataset.label not in given.only:
                continue
            for setting in SETTINGS:
                place = f"{dataset.label}, {setting}"
                for one in episodes(dataset, setting, given.classifier, given.labels, given.splits):
                    for arm, value in arm_values(one).items():
                        values.setdefault(arm, {}).setdefault(place, []).append(value)
    print(f"{given.classifier}, {given.labels}, at most {given.splits} splits of each place\n")
    head = ["arm", "value", f"minus {BASE}", "worst", "where"]
    print(tabulate(rows(values), head, disable_numparse=True))


def episodes(
    dataset: DatasetSpec,
    setting: str,
    classifier: str,
    labels: Labels,
    splits: int,
    after: Sequence[int] = (0,),
) -> Iterator[Episode]:
    """The states of each split after so many acquisitions of ``look_ahead``.

    None where the data set is too small for the setting.
    """
    for split in range(splits):
        try:
            problem = build_problem(
                dataset, setting, data_seed=FIRST_SEED + split, seed=0, labels=labels
            )
        except UserError as error:
            print(f"left out: {error}")
            return
        trial = Loop(problem, classifier, strategies.get("look_ahead"), Names())
        for acquisitions in sorted(after):
            found = episode(trial, acquisitions, np.random.default_rng(split))
            if found.truth.std() > 0:
                yield found


def episode(trial: Loop, after: int, rng: np.random.Generator) -> Episode:
    """Refits ``N_CANDIDATES`` candidates with each label, after so many steps of a trial."""
    while trial.next_step <= after:
        trial.run_step(1)
    problem, state = trial.problem, trial.state(after + 1)
    candidates = rng.permutation(state.n_pool)[:N_CANDIDATES]
    fitted = label_models_of(state)
    q = {kind: model.probabilities(state.X_pool) for kind, model in fitted.items()}
    for kinds in AVERAGES:
        q[" + ".join(kinds)] = np.mean([q[kind] for kind in kinds], axis=0)
    q["classifier"] = own_probabilities(state, slope_of(state))
    if problem.source.log_densities is not None:
        q["true"] = problem.posterior[trial.pool]
    known = problem.y[trial.pool]
    rest = np.setdiff1d(np.arange(state.n_pool), candidates)
    X = np.concatenate([problem.X_test, state.X_pool[rest]])
    y = np.concatenate([problem.y_test, known[rest]])
    losses = {kind: model.losses[kind] for kind, model in fitted.items()}
    return refitted(state, candidates, known[candidates], (X, y), q, losses, rng)


def refitted(
    state: LearningState,
    candidates: IntArray,
    labels: IntArray,
    evaluation: tuple[FloatArray, FloatArray | IntArray],
    q: Mapping[str, FloatArray],
    losses: Mapping[str, float],
    rng: np.random.Generator,
) -> Episode:
    """The episode of (k,) candidates with these labels, judged on evaluation points."""
    scorers, keys = companions(state, q, rng.permutation(state.n_pool))
    slope = slope_of(state)
    scorers += [smooth_scorer(state, *evaluation, sharpness=T, slope=slope) for T in SHARPNESS]
    gains = improvements_by_label(state, state.probabilities, Panel(scorers), candidates)
    expected = {
        key: np.einsum("kc,kc->k", q[key[0]][candidates], gains[:, :, place])
        for place, key in enumerate(keys)
    }
    return Episode(
        after=state.step - 1,
        expected=expected,
        losses=losses,
        truths=gains[np.arange(len(candidates)), labels, -len(SHARPNESS) :],
        q={kind: each[candidates] for kind, each in q.items()},
        p=state.probabilities[candidates],
        distances=np.sort(cdist(state.X_pool[candidates], state.X_annotated), axis=1)[:, :3],
        counts=np.bincount(state.y_annotated, minlength=state.n_classes),
    )


def entropy(p: FloatArray) -> FloatArray:
    """(k,) of (k, C) probabilities, in nats."""
    found: FloatArray = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
    return found


def label_models_of(state: LearningState) -> dict[str, label_models.LabelModel]:
    """One of every kind, fitted to all labels that a strategy may see."""
    X, y = seen_labels(state)
    return {
        kind: label_models.fit_label_model(X, y, state.n_classes, candidates=[kind])
        for kind in KINDS
    }


def companions(
    state: LearningState, q: Mapping[str, FloatArray], order: IntArray
) -> tuple[list[Any], list[tuple[str, float, int]]]:
    """A scorer for each label model, sharpness and set of points, and what they are called."""
    slope = slope_of(state)
    scorers: list[AnyScorer] = []
    keys = []
    samples = {n: state.X_pool[order[:n]] for n in N_POINTS}
    for kind, labels in q.items():
        for sharpness in SHARPNESS:
            for n, X in samples.items():
                if n != USUAL and kind != MAIN:
                    continue
                v = labels[order[:n]]
                scorers.append(smooth_scorer(state, X, v, sharpness=sharpness, slope=slope))
                keys.append((kind, sharpness, n))
    rewards = state.reward_scorer
    for sharpness in SHARPNESS if rewards is not None else ():
        assert rewards is not None
        shared = smooth_scorer(state, rewards.X, rewards.y, sharpness=sharpness, slope=slope)
        for kind in q:  # the same score, expected by each label model
            scorers.append(shared)
            keys.append((kind, sharpness, 0))
    return scorers, keys


def arm_values(one: Episode) -> dict[str, float]:
    """What the choice of every arm is worth."""
    known = {kind for kind, _, n in one.expected if n == USUAL}
    chosen = {
        "choose of svm, gaussian_process": _least(one, KINDS[:2]),
        "choose of svm, gaussian_process, random_forest": _least(one, KINDS[:3]),
        "choose of all": _least(one, KINDS),
    }
    arms = {kind: kind for kind in sorted(known)} | chosen
    scores = {"entropy": entropy(one.p), "oracle": one.truth}
    for name, kind in arms.items():
        ladder = ladder_of(one, kind, USUAL)
        for place, sharpness in enumerate(SHARPNESS):
            scores[f"{name}, {_shown(sharpness)}"] = ladder[:, place]
        scores[f"{name}, consensus"] = consensus(ladder)
    by_points = {
        n: ladder_of(one, MAIN, n) for n in (*N_POINTS, 0) if (MAIN, 1.0, n) in one.expected
    }
    if 0 in by_points:
        by_points[-1] = by_points[0] + by_points[USUAL]
    for n, ladder in by_points.items():
        shown = {0: "reward set", -1: "both"}.get(n, f"{n} points")
        scores[f"{MAIN}, consensus, {shown}"] = consensus(ladder)
        for place, sharpness in enumerate(SHARPNESS):
            scores[f"{MAIN}, {_shown(sharpness)}, {shown}"] = ladder[:, place]
    scores |= shortlists(one)
    return {arm: one.worth(score) for arm, score in scores.items()}


def shortlists(one: Episode) -> dict[str, FloatArray]:
    """Scores where only a part of the candidates is refitted, the part that something cheap likes.

    The candidates are in a random order already, so the first of them are a random part.
    """
    ladder, k = ladder_of(one, "svm", USUAL), len(one.p)
    q = one.q["svm"]
    likes = {
        "random": -np.arange(k, dtype=float),
        "by entropy": entropy(one.p),
        "by entropy of q": entropy(q),
        "by entropy of p + q": entropy((one.p + q) / 2),
        HALVES: entropy((one.p + q) / 2),
    }
    found = {}
    for name, liked in likes.items():
        for share in SHARES:
            kept = np.argsort(-liked, kind="stable")[: max(2, round(share * k))]
            if name == HALVES:  # the first ones are random, and may be liked, too
                kept = np.union1d(kept[: len(kept) // 2], np.arange((len(kept) + 1) // 2))
            score = np.full(k, -np.inf)
            score[kept] = consensus(ladder[kept])
            found[f"svm, consensus, {share:.0%} of the candidates {name}"] = score
    return found


def ladder_of(one: Episode, kind: str, n: int) -> FloatArray:
    """(k, S) expected improvements, a column for each sharpness."""
    return np.column_stack([one.expected[kind, sharpness, n] for sharpness in SHARPNESS])


def _least(one: Episode, kinds: Sequence[str]) -> str:
    return min(kinds, key=lambda kind: one.losses[kind])


def _shown(sharpness: float) -> str:
    return "hard" if np.isinf(sharpness) else f"T {sharpness:g}"


def rows(values: Mapping[str, Mapping[str, Sequence[float]]], base: str = BASE) -> list[list[str]]:
    """Arms from the best to the worst: mean over places, difference to ``base``, worst place."""
    found = []
    for arm, places in values.items():
        means = {place: float(np.mean(each)) for place, each in places.items()}
        pairs = [np.subtract(each, values[base][place]) for place, each in places.items()]
        difference = np.mean([pair.mean() for pair in pairs])
        error = np.sqrt(sum(pair.var() / len(pair) for pair in pairs)) / len(pairs)
        worst = min(means, key=lambda place: means[place])
        value = float(np.mean(list(means.values())))
        shown = f"{difference:+.3f} ± {error:.3f}" if arm != base else ""
        found.append((value, [arm, f"{value:.3f}", shown, f"{means[worst]:+.2f}", worst]))
    return [row for _, row in sorted(found, key=lambda each: -each[0])]


if __name__ == "__main__":
    main()
