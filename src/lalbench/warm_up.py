"""Compiles every kernel once and keeps the machine code, so that the first jobs need not."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from lalbench import oracle, strategies, trials
from lalbench.compute import using
from lalbench.objectives import Scorer
from lalbench.problems import build_problem
from lalbench.seeds import Streams

_SIZES = {"test": 20, "reward": 20, "annotated": 20, "pool": 5}


def compile_kernels() -> None:
    """Small calls of everything that is compiled, in two processes at once."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for part in [pool.submit(each) for each in (_refit_svm, _refit_logistic_and_train)]:
            part.result()


def _refit_logistic_and_train() -> None:
    """In one process: episodes for the training are refits with logistic regression, too."""
    _refit("logistic_regression", "weighted_accuracy", "log_loss")
    _train()
    _sum_sigmoids()
    _fit_label_model()
    _compare_rows()
    _grow()


def _sum_sigmoids() -> None:
    """What smooth companions of two classes are made of."""
    from lalbench.objectives.sigmoids import sigmoid_sums

    sigmoid_sums(np.zeros((1, 2)), np.ones((2, 2)), np.ones(1))


def _fit_label_model() -> None:
    """Decisions of its SVM."""
    from lalbench.label_models import fit_label_model

    X, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 2
    fit_label_model(X, y, 2).probabilities(X)


def _compare_rows() -> None:
    """Distances and hashes of embeddings."""
    from lalbench.strategies.distance_kernels import hash_rows, lower

    rows, one = np.ones((2, 8), dtype=np.float32), np.zeros(1, dtype=np.int64)
    lower(rows, one, rows, one, np.full(2, np.inf))
    hash_rows(np.ones((2, 8), dtype=np.uint64))


def _grow() -> None:
    """Forests: refits, states of candidates, LAL's regressor."""
    from lalbench import classifiers
    from lalbench.learners.lal import states

    _refit("random_forest", "weighted_accuracy")
    X, y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2
    fitted = classifiers.get("random_forest").fit(X, y)
    fitted.predict(X)
    states(fitted, y, X, 2)


def _refit_svm() -> None:
    _refit("svm", "weighted_accuracy")


def _refit(classifier: str, *objectives: str) -> None:
    from lalbench import classifiers

    rng = np.random.default_rng(0)
    masks = np.arange(30)[None] < 14
    with using(device="cpu", cache=None):
        for n_classes, n_features in ((2, 3), (2, 40), (3, 3)):
            y = np.arange(30) % n_classes
            X = rng.normal(size=(30, n_features)) + y[:, None]
            for objective in objectives:
                scorer = Scorer(X[:10], y[:10], np.ones(n_classes), objective)
                oracle.refit_scores(classifiers.get(classifier), X, y, masks, scorer)


def _train() -> None:
    problem = build_problem("waveform_generator", "balanced", data_seed=0, seed=0, sizes=_SIZES)
    strategy = strategies.get("neural_process", n_simulations=3, epochs=1)
    with using(device="cpu", cache=None):
        state = trials.first_state(problem, "logistic_regression", strategy)
        trials.learn(strategy, state, Streams(0, 0), step=1)
