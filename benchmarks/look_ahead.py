"""One selection of ``look_ahead`` against the same strategy written with scikit-learn's refits.

Run: ``python -m benchmarks.look_ahead [--sample 1000] [--rounds 5] [--million]``. Both sides choose
one point of the pool of generated waveforms (4600 rows): a label model, a refit per candidate and
label, and the consensus of expected weighted accuracies on 1600 pool points. The other side is the
plain program: ``CalibratedClassifierCV(SVC())`` with ``cross_val_predict`` for the label model,
``fit`` and ``decision_function`` per refit; its refits are timed on a sample and scaled.
``agreement`` is the correlation of both sides' scores of fifty candidates, given the same label
probabilities and refits to the optimum. ``--million`` measures our side on a pool of a million
candidates.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.svm import SVC
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.machine import header
from lalbench import strategies, trials
from lalbench.compute import using
from lalbench.config import DatasetSpec
from lalbench.objectives import Panel
from lalbench.objectives.sigmoids import sigmoid_sums
from lalbench.problems import Problem, build_problem
from lalbench.strategies.base import FloatArray, IntArray, LearningState
from lalbench.strategies.expectation import LADDER, expected_improvements
from lalbench.strategies.smoothing import consensus, slope_of, smooth_scorer

SETTINGS = ("balanced", "imbalanced", "imbalanced_weighted")
CLASSIFIERS: dict[str, Any] = {"logistic_regression": LogisticRegression(), "svm": SVC()}
TIGHT: dict[str, Any] = {
    "logistic_regression": LogisticRegression(tol=1e-12, max_iter=10_000),
    "svm": SVC(tol=1e-9),
}
"""Fitted to the optimum, where ours is."""
AGREEING = 50
N_POINTS = 1600


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1000, help="refits of the loop")
    parser.add_argument("--rounds", type=int, default=5, help="runs of our side; the median counts")
    parser.add_argument("--million", action="store_true", help="a pool of a million, our side")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with threadpool_limits(1), using(device="cpu"):
        print(header(1, "scikit-learn", "numba"))
        if given.million:
            million()
            return
        rows = [measure(name, setting, given) for name in CLASSIFIERS for setting in SETTINGS]
    print(f"waveform, d = 21; median of {given.rounds} runs of our side\n")
    head = ["classifier", "setting", "candidates", "scikit-learn s", "ours s", "ratio", "agreement"]
    print(tabulate(rows, head, disable_numparse=True, colalign=["left", "left"] + ["right"] * 5))
    print(f"\n{sums(given.rounds)}")


def measure(name: str, setting: str, given: argparse.Namespace) -> list[str]:
    """One row of the table."""
    problem = problem_of(4600, setting)
    state = trials.first_state(problem, name, strategies.get("look_ahead"))
    seconds = [ours(state) for _ in range(given.rounds + 1)][1:]  # the first one compiles
    loop, agreement = theirs(state, name, given.sample)
    mine = statistics.median(seconds)
    row = [name, setting, f"{state.n_pool}", f"{loop:.2f}", f"{mine:.3f}", f"{loop / mine:.0f}"]
    return [*row, f"{agreement:.4f}"]


def problem_of(n: int, setting: str) -> Problem:
    """Waveform, classes 0 and 2 against class 1."""
    dataset = DatasetSpec(name="waveform_generator", options={"n": n})
    return build_problem(dataset, setting, data_seed=0, seed=0)


def ours(state: LearningState) -> float:
    """Seconds of one selection."""
    fresh = replace(state)  # nothing is computed yet
    started = time.perf_counter()
    strategies.get("look_ahead", n_points=N_POINTS).select(fresh, 1, np.random.default_rng(0))
    return time.perf_counter() - started


def theirs(state: LearningState, name: str, sample: int) -> tuple[float, float]:
    """Seconds of the plain program, its refits scaled from a sample, and how far it agrees."""
    started = time.perf_counter()
    q = label_probabilities(state)
    rng = np.random.default_rng(0)
    points = rng.permutation(state.n_pool)[:N_POINTS]
    slope = slope_of(state)
    before = time.perf_counter() - started
    X, v = state.X_pool[points], q[points]
    candidates = rng.choice(state.n_pool, min(sample // 2, state.n_pool), replace=False)
    started = time.perf_counter()
    refit_values(state, CLASSIFIERS[name], candidates, X, v, slope)
    refits = time.perf_counter() - started
    few = candidates[:AGREEING]
    values = refit_values(state, TIGHT[name], few, X, v, slope)
    expected = np.einsum("nc,ncs->ns", q[few], values)
    panel = Panel([smooth_scorer(state, X, v, sharpness=each, slope=slope) for each in LADDER])
    found = expected_improvements(state, q, panel, few)
    agreement = np.corrcoef(consensus(expected), consensus(found))[0, 1]
    return before + refits * state.n_pool / len(candidates), float(agreement)


def refit_values(
    state: LearningState, classifier: Any, candidates: IntArray, X: FloatArray, v: FloatArray,
    slope: float,
) -> FloatArray:  # fmt: skip
    """(k, 2, S) expected weighted accuracies after a refit with each candidate and label."""
    w = state.class_weights
    weights = np.ones(2) if state.fit_weights is None else state.fit_weights
    values = np.zeros((len(candidates), 2, len(LADDER)))
    for row, place in enumerate(candidates):
        for label in (0, 1):
            rows = np.vstack([state.X_annotated, state.X_pool[place]])
            labels = np.append(state.y_annotated, label)
            fitted = clone(classifier).fit(rows, labels, sample_weight=weights[labels])
            margins = fitted.decision_function(X)
            for step, sharpness in enumerate(LADDER):
                second = expit(min(sharpness, 1e9) * slope * margins)
                p = np.column_stack([1 - second, second])
                values[row, label, step] = (w * v * p).sum() / (w * v).sum()
    return values


def label_probabilities(state: LearningState) -> FloatArray:
    """Those of the label model, fitted to all labels; its cross-validated log loss is recorded."""
    assert state.reward_scorer is not None
    X = np.concatenate([state.X_annotated, state.reward_scorer.X])
    y = np.concatenate([state.y_annotated, state.reward_scorer.y])
    model = CalibratedClassifierCV(SVC(), cv=5, ensemble=False)
    log_loss(y, cross_val_predict(model, X, y, cv=5, method="predict_proba"))
    found: FloatArray = model.fit(X, y).predict_proba(state.X_pool)
    return found


def sums(rounds: int) -> str:
    """The sums of sigmoids of one balanced selection, compiled and by SciPy."""
    rng = np.random.default_rng(0)
    odds, labels = rng.normal(0, 3, size=(2 * 2654, N_POINTS)), rng.dirichlet([1, 1], N_POINTS)
    ladder = np.array(LADDER)

    def by_scipy() -> FloatArray:
        return np.stack([expit(np.minimum(T, 1e9) * odds) @ labels for T in ladder])

    def compiled() -> FloatArray:
        return sigmoid_sums(odds, labels, ladder)[..., 1]

    np.testing.assert_allclose(compiled(), by_scipy(), rtol=1e-12)
    seconds = []
    for each in (by_scipy, compiled):
        started = time.perf_counter()
        for _ in range(rounds):
            each()
        seconds.append((time.perf_counter() - started) / rounds)
    return (
        f"{odds.size * len(ladder) / 1e6:.0f} million sigmoids: SciPy {seconds[0]:.3f} s, "
        f"ours {seconds[1]:.3f} s, ratio {seconds[0] / seconds[1]:.1f}"
    )


def million() -> None:
    """Our side on a million candidates."""
    rows = []
    problem = problem_of(1_501_000, "balanced")
    for name in CLASSIFIERS:
        state = trials.first_state(problem, name, strategies.get("look_ahead"))
        rows.append([name, f"{state.n_pool}", f"{ours(state):.0f}"])
    print(tabulate(rows, ["classifier", "candidates", "s"], disable_numparse=True))


if __name__ == "__main__":
    main()
