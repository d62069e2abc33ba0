"""Whether episodes drawn from the labels at hand teach to choose better than ``look_ahead``.

Run: ``python -m benchmarks.look_ahead_own_episodes [--splits 8] [--classifier svm]
[--labels reward_apart] [--episodes 8] [--only banana]``. In every first state of
``benchmarks.look_ahead_choices`` the labels that a strategy may see are divided at random, several
times: three fifths are annotated, the rest are candidates, whose labels are known then. What such a
label improves is measured on the candidates themselves and on pool points with the labels that the
label model of all labels expects: the model of more labels teaches what to do with fewer. Learners
see what those of ``benchmarks.look_ahead_learned`` see and choose among the true candidates:

``chosen options``: label model and sharpness whose choices were worth most in the episodes;
``ridge, own episodes``: a ridge regression on these episodes;
``ridge, other data``: the same on the true states of the other data sets;
``ridge, both``: on other data, and the own episodes as often.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import Ridge
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.look_ahead_choices import (
    DATASETS,
    FIRST_SEED,
    KINDS,
    SETTINGS,
    SHARPNESS,
    USUAL,
    episode,
    label_models_of,
    ladder_of,
    refitted,
    rows,
)
from benchmarks.look_ahead_learned import BASE, Example, example
from lalbench import classifiers, strategies
from lalbench.compute import using
from lalbench.config import DatasetSpec, Labels
from lalbench.errors import UserError
from lalbench.problems import build_problem
from lalbench.strategies.base import FloatArray, IntArray, LearningState
from lalbench.strategies.look_ahead import seen_labels
from lalbench.strategies.smoothing import consensus
from lalbench.trials.loop import Loop
from lalbench.trials.trial import Names

ANNOTATED = 0.6
EPISODES = 8
ALPHA = 100.0


@dataclass(frozen=True)
class Lesson:
    """A true state and the episodes drawn from its labels."""

    state: Example
    own: Sequence[Example]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--classifier", default="logistic_regression")
    parser.add_argument("--labels", choices=("all_labels", "reward_apart"), default="all_labels")
    parser.add_argument("--episodes", type=int, default=EPISODES, help="of each state")
    parser.add_argument("--only", nargs="+", help="data sets, of two groups at least")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with threadpool_limits(1), using(device="cpu"):
        found = [
            one
            for dataset in DATASETS
            if not given.only or dataset.label in given.only
            for setting in SETTINGS
            for one in lessons(dataset, setting, given)
        ]
    print(f"{given.classifier}, {given.labels}, {len(found)} states\n")
    head = ["arm", "value", f"minus {BASE}", "worst", "where"]
    print(tabulate(rows(judge(found), BASE), head, disable_numparse=True))


def lessons(dataset: DatasetSpec, setting: str, given: argparse.Namespace) -> Iterator[Lesson]:
    """Of every split; none where the data set is too small for the setting."""
    labels: Labels = given.labels
    place = f"{dataset.label}, {setting}"
    for split in range(given.splits):
        seed = FIRST_SEED + split
        try:
            problem = build_problem(dataset, setting, data_seed=seed, seed=0, labels=labels)
        except UserError as error:
            print(f"left out: {error}")
            return
        trial = Loop(problem, given.classifier, strategies.get("look_ahead"), Names())
        state = episode(trial, 0, np.random.default_rng(split))
        own = own_episodes(trial.state(1), given.episodes, split)
        if state.truth.std() > 0 and own:
            yield Lesson(
                example(state, place, dataset.name), [example(one, place, "") for one in own]
            )
    print(f"done: {place}", flush=True)


def own_episodes(state: LearningState, n: int, seed: int) -> list:
    """Up to ``n``; none of those in which no label improves anything."""
    X, y = seen_labels(state)
    teacher = label_models_of(state)["svm"].probabilities(state.X_pool)
    rng = np.random.default_rng((seed, 1))
    found = []
    for _ in range(n):
        annotated = divided(y, rng)
        one = own_episode(state, X, y, annotated, teacher, rng)
        if one.truth.std() > 0:
            found.append(one)
    return found


def divided(y: IntArray, rng: np.random.Generator) -> IntArray:
    """Ascending positions to annotate; of every class one at least."""
    order = rng.permutation(len(y))
    first = [order[y[order] == label][0] for label in np.unique(y)]
    rest = order[~np.isin(order, first)]
    return np.sort([*first, *rest[: round(ANNOTATED * len(y)) - len(first)]])


def own_episode(
    state: LearningState,
    X: FloatArray,
    y: IntArray,
    annotated: IntArray,
    teacher: FloatArray,
    rng: np.random.Generator,
):
    """What would have been seen with some labels only, and what the others improved then."""
    hidden = np.setdiff1d(np.arange(len(y)), annotated)
    pool = np.concatenate([X[hidden], state.X_pool])
    assert state.new_classifier is not None
    fitted = classifiers.fit(state.new_classifier(), X[annotated], y[annotated], state.fit_weights)
    earlier = replace(
        state,
        X_annotated=X[annotated],
        y_annotated=y[annotated],
        X_pool=pool,
        classifier=fitted,
        annotated_ids=annotated,
        pool_ids=np.arange(len(y), len(y) + len(pool)),
        reward_scorer=None,
    )
    models = label_models_of(earlier)
    some = rng.permutation(state.n_pool)[:USUAL]
    known = np.eye(state.n_classes)[y[hidden]]
    return refitted(
        earlier,
        np.arange(len(hidden)),
        y[hidden],
        (
            np.concatenate([X[hidden], state.X_pool[some]]),
            np.concatenate([known, teacher[some]]),
        ),
        {kind: model.probabilities(pool) for kind, model in models.items()},
        {kind: model.losses[kind] for kind, model in models.items()},
        rng,
    )


def judge(lessons: Sequence[Lesson]) -> dict[str, dict[str, list[float]]]:
    """Arm → place → what its choices are worth."""
    values: dict[str, dict[str, list[float]]] = {}

    def note(arm: str, one: Lesson, score: FloatArray) -> None:
        worth = one.state.episode.worth(score)
        values.setdefault(arm, {}).setdefault(one.state.place, []).append(worth)

    for group in sorted({one.state.group for one in lessons}):
        others = [one.state for one in lessons if one.state.group != group]
        for one in (one for one in lessons if one.state.group == group):
            inputs = one.state.inputs(refits=True)
            repeats = max(1, round(len(others) / max(1, len(one.own))))
            note(BASE, one, one.state.hand)
            note("chosen options", one, options_of(one))
            note("ridge, own episodes", one, ridge(one.own, inputs))
            note("ridge, other data", one, ridge(others, inputs))
            note("ridge, both", one, ridge([*others, *list(one.own) * repeats], inputs))
    return values


def options_of(one: Lesson) -> FloatArray:
    """Scores by the label model and the sharpness that did best in the own episodes."""

    def scores(example: Example) -> dict[tuple[str, int], FloatArray]:
        found = {}
        for kind in KINDS:
            ladder = ladder_of(example.episode, kind, USUAL)
            found |= {(kind, place): ladder[:, place] for place in range(len(SHARPNESS))}
            found[kind, -1] = consensus(ladder)
        return found

    worth: dict[tuple[str, int], float] = {}
    for each in one.own:
        for option, score in scores(each).items():
            worth[option] = worth.get(option, 0.0) + each.episode.worth(score)
    return scores(one.state)[max(worth, key=lambda option: worth[option])]


def ridge(seen: Sequence[Example], inputs: FloatArray) -> FloatArray:
    """(k,) predicted improvements."""
    X = np.concatenate([one.inputs(refits=True) for one in seen])
    model = Ridge(alpha=ALPHA).fit(X, np.concatenate([one.target for one in seen]))
    found: FloatArray = model.predict(inputs)
    return found


if __name__ == "__main__":
    main()
