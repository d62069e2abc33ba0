"""Whether a learned strategy chooses better than ``look_ahead`` on data it has not seen.

Run: ``python -m benchmarks.look_ahead_learned [--splits 24] [--classifier svm]
[--labels reward_apart] [--members 3] [--after 0 5 10]``. Episodes are those of
``benchmarks.look_ahead_choices``, with ``--after`` those of later steps of a trial, too: learners
are trained on all of them, and judged on those of each step apart.
Each learner sees, of every candidate, what ``look_ahead`` knows by five label models and four
sharpnesses, the label models' and the classifier's probabilities, distances to annotated points,
and how many points of each class are annotated; none of this depends on the number of features. Its
target is what the candidate's true label improves. It is judged on the episodes of data sets that
it was not trained on, all groupings of the digits together, by what its choice is worth.

``without refits`` leaves out all that ``look_ahead`` computes by refits: what remains costs next to
nothing for each candidate.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.look_ahead_choices import (
    DATASETS,
    KINDS,
    SETTINGS,
    USUAL,
    Episode,
    entropy,
    episodes,
    ladder_of,
    rows,
)
from lalbench.compute import using
from lalbench.strategies.base import FloatArray, IntArray
from lalbench.strategies.smoothing import consensus

BASE = "look_ahead: SVM, consensus"
WIDTH = 48
EPOCHS = 8
CANDIDATES = 100  # of each episode in one step of training


@dataclass(frozen=True)
class Example:
    """An episode as a learner sees it.

    Attributes:
        place: data set and setting.
        group: data set; groupings of the digits are one.
        cheap: (k, f) inputs that need no refit.
        ladders: (k, g) standardised expected improvements.
        hand: (k,) the consensus of the SVM's label model, standardised.
        target: (k,) mean of the standardised true improvements by sharpness.
    """

    episode: Episode
    place: str
    group: str
    cheap: FloatArray
    ladders: FloatArray
    hand: FloatArray
    target: FloatArray

    def inputs(self, refits: bool) -> FloatArray:
        """(k, f) or (k, f + g), all of them with ``refits``."""
        return np.concatenate([self.cheap, self.ladders], axis=1) if refits else self.cheap


Scores = Sequence[FloatArray]
Values = dict[str, dict[str, list[float]]]
Learner = Callable[[Sequence[Example], Sequence[Example], bool], Scores]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=24)
    parser.add_argument("--classifier", default="logistic_regression")
    parser.add_argument("--labels", choices=("all_labels", "reward_apart"), default="all_labels")
    parser.add_argument("--members", type=int, default=3, help="networks of an ensemble")
    parser.add_argument("--after", nargs="+", type=int, default=[0], help="acquisitions")
    parser.add_argument("--only", nargs="+", help="data sets, of two groups at least")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with threadpool_limits(1), using(device="cpu"):
        examples = [
            example(one, f"{dataset.label}, {setting}", dataset.name)
            for dataset in DATASETS
            if not given.only or dataset.label in given.only
            for setting in SETTINGS
            for one in episodes(
                dataset, setting, given.classifier, given.labels, given.splits, given.after
            )
        ]
        values = judge(examples, learners(given.members))
    print(f"{given.classifier}, {given.labels}, {len(examples)} episodes")
    head = ["arm", "value", f"minus {BASE}", "worst", "where"]
    for after in sorted(values):
        print(f"\nafter {after} acquisitions\n")
        print(tabulate(rows(values[after], BASE), head, disable_numparse=True))


def example(one: Episode, place: str, group: str) -> Example:
    rare = int(np.argmin(one.counts))
    opinions = [one.q[kind] for kind in KINDS] + [one.p]
    odds = [np.log(each[:, rare] + 1e-9) - np.log1p(1e-9 - each[:, rare]) for each in opinions]
    facts = [
        *one.losses.values(),
        np.log(one.counts.sum()),
        one.counts.min() / one.counts.sum(),
    ]
    cheap = [
        np.clip(np.column_stack(odds), -8, 8),
        np.column_stack([entropy(each) for each in opinions]),
        _standard(np.log(one.distances + 1e-9)),
        np.tile(facts, (len(one.p), 1)),
    ]
    by_kind = {kind: _standard(ladder_of(one, kind, USUAL)) for kind in KINDS}
    return Example(
        episode=one,
        place=place,
        group=group,
        cheap=np.concatenate(cheap, axis=1),
        ladders=np.concatenate(list(by_kind.values()), axis=1),
        hand=_standard(consensus(ladder_of(one, "svm", USUAL))),
        target=_standard(one.truths).mean(axis=1),
    )


def _standard(values: FloatArray) -> FloatArray:
    """Standardised over the candidates of an episode, without far outliers."""
    found: FloatArray = np.clip(
        (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-12), -5, 5
    )
    return found


def judge(examples: Sequence[Example], learners: Mapping[str, Learner]) -> dict[int, Values]:
    """Acquisitions → arm → place → what choices are worth, by learners of the other data sets."""
    values: dict[int, Values] = {}

    def note(arm: str, one: Example, score: FloatArray) -> None:
        arms = values.setdefault(one.episode.after, {})
        arms.setdefault(arm, {}).setdefault(one.place, []).append(one.episode.worth(score))

    for group in sorted({one.group for one in examples}):
        seen = [one for one in examples if one.group != group]
        unseen = [one for one in examples if one.group == group]
        for one in unseen:
            note(BASE, one, one.hand)
            note("look_ahead: sum over all label models", one, one.ladders.sum(axis=1))
            note("entropy", one, entropy(one.episode.p))
        for name, learner in learners.items():
            for refits in (True, False):
                arm = name if refits else f"{name}, without refits"
                for one, score in zip(unseen, learner(seen, unseen, refits), strict=True):
                    note(arm, one, score)
        print(f"judged on {group}: {len(unseen)} episodes", flush=True)
    return values


def learners(members: int) -> dict[str, Learner]:
    """Each learns from the first examples and scores the candidates of the second ones."""

    def ensemble(seen: Sequence[Example], unseen: Sequence[Example], refits: bool) -> Scores:
        found = [set_model(seen, unseen, refits, seed) for seed in range(members)]
        return [np.mean(each, axis=0) for each in zip(*found, strict=True)]

    return {"ridge regression": ridge, "boosted trees": boosted_trees, "set model": ensemble}


def ridge(seen: Sequence[Example], unseen: Sequence[Example], refits: bool) -> Scores:
    """Linear in the inputs, by squared error."""
    return _regress(Ridge(alpha=100.0), seen, unseen, refits)


def boosted_trees(seen: Sequence[Example], unseen: Sequence[Example], refits: bool) -> Scores:
    """Small trees with large leaves, by squared error."""
    trees = HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=200,
        l2_regularization=10.0, random_state=0,
    )  # fmt: skip
    return _regress(trees, seen, unseen, refits)


def _regress(
    model: Ridge | HistGradientBoostingRegressor,
    seen: Sequence[Example],
    unseen: Sequence[Example],
    refits: bool,
) -> Scores:
    X = np.concatenate([one.inputs(refits) for one in seen])
    model.fit(X, np.concatenate([one.target for one in seen]))
    return [np.asarray(model.predict(one.inputs(refits))) for one in unseen]


class SetModel(torch.nn.Module):
    """Candidates attend to each other; the output corrects a score, and is nothing at first."""

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.embed = torch.nn.Sequential(
            torch.nn.Linear(n_inputs, WIDTH), torch.nn.GELU(), torch.nn.Linear(WIDTH, WIDTH)
        )
        self.blocks = torch.nn.ModuleList(
            torch.nn.TransformerEncoderLayer(
                WIDTH, 4, 2 * WIDTH, dropout=0.1, batch_first=True, norm_first=True
            )
            for _ in range(2)
        )
        last = torch.nn.Linear(WIDTH, 1)
        torch.nn.init.zeros_(last.weight)
        self.score = torch.nn.Sequential(torch.nn.LayerNorm(WIDTH), last)
        self.trust = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs: torch.Tensor, hand: torch.Tensor) -> torch.Tensor:
        """(B, k) scores of (B, k, f) inputs and (B, k) scores made by hand."""
        hidden = self.embed(inputs)
        for block in self.blocks:
            hidden = block(hidden)
        found: torch.Tensor = self.trust * hand + self.score(hidden)[..., 0]
        return found


def set_model(
    seen: Sequence[Example], unseen: Sequence[Example], refits: bool, seed: int
) -> list[FloatArray]:
    """Learns to rank: cross entropy of the scores' softmax to that of the targets.

    Every place is as likely as any other, each step sees ``CANDIDATES`` of sixteen episodes.
    """
    X = np.concatenate([one.inputs(refits) for one in seen])
    mean, spread = X.mean(axis=0), X.std(axis=0) + 1e-9
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    network = SetModel(X.shape[1])
    steps = EPOCHS * len(seen) // 16 + 1
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    places = [one.place for one in seen]
    weights = np.array([1.0 / places.count(place) for place in places])

    def tensors(one: Example, chosen: IntArray) -> tuple[torch.Tensor, torch.Tensor]:
        hand = one.hand if refits else np.zeros_like(one.hand)
        inputs = (one.inputs(refits) - mean) / spread
        return torch.tensor(inputs[chosen]).float(), torch.tensor(hand[chosen]).float()

    for _ in range(steps):
        batch = [seen[i] for i in rng.choice(len(seen), 16, p=weights / weights.sum())]
        chosen = [rng.choice(len(one.hand), CANDIDATES) for one in batch]
        given = [tensors(one, each) for one, each in zip(batch, chosen, strict=True)]
        targets = [one.target[each] for one, each in zip(batch, chosen, strict=True)]
        scores = network(torch.stack([a for a, _ in given]), torch.stack([b for _, b in given]))
        aim = torch.softmax(torch.tensor(np.stack(targets)).float(), dim=1)
        loss = torch.nn.functional.cross_entropy(scores, aim)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rate.step()
    network.eval()
    with torch.no_grad():
        every = [tensors(one, np.arange(len(one.hand))) for one in unseen]
        return [network(a[None], b[None])[0].double().numpy() for a, b in every]


if __name__ == "__main__":
    main()
