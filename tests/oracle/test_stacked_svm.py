"""Support vector machines in torch: the predictions of the compiled engine, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.svm import SVC

from lalbench import compute, oracle
from lalbench.objectives import Scorer
from lalbench.oracle import place, stacked_svm, svm, svm_refits
from lalbench.oracle.svm_smo import solve_one


def problem(seed: int, n: int, d: int, n_classes: int):
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    y[:n_classes] = np.arange(n_classes)
    X = rng.normal(size=(n, d)) + np.eye(n_classes, d)[y]
    masks = rng.random((4, n)) < np.array([0.2, 0.5, 0.8, 0.5])[:, None]
    masks[:, :n_classes] = True
    scorer = Scorer(rng.normal(size=(40, d)), rng.integers(n_classes, size=40), [1.0] * n_classes)
    return X, y, masks, scorer, rng.uniform(0.5, 3.0, size=n)


@pytest.fixture
def in_torch(monkeypatch):
    """Torch's tensors on the CPU, which take the code of a CUDA device."""
    used = []

    def choose() -> list[int]:
        monkeypatch.setattr(place, "_device", lambda n_refits: torch.device("cpu"))
        ours = stacked_svm.predict

        def predict(*args):
            found, known = ours(*args)
            used.append(known)
            return found, known

        monkeypatch.setattr(stacked_svm, "predict", predict)
        return used

    return choose


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"C": 20.0, "gamma": 0.3},
        {"C": 0.2, "class_weight": {0: 3.0}},
        {"kernel": "poly", "degree": 2, "coef0": 1.0, "C": 0.5},
        {"kernel": "linear", "C": 0.1},
    ],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_those_of_the_compiled_engine(in_torch, options, n_classes):
    X, y, masks, scorer, weights = problem(1, 50, 6, n_classes)
    args = (SVC(**options), X, y, masks, scorer)
    expected = oracle.refit_scores(*args, sample_weight=weights, engine="svm")
    used = in_torch()
    found = oracle.refit_scores(*args, sample_weight=weights, engine="svm")
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.base_scores, expected.base_scores)
    known = np.concatenate(used)
    assert known.mean() > 0.9 or options.get("kernel") == "linear"
    # another layout of an array would compile all kernels once more, for a minute
    assert len(svm_refits.refit_subsets.signatures) == 1


def test_classes_and_rows_that_it_leaves_to_the_compiled_engine(in_torch):
    """A class that only candidates have, a subset of one class, and weights of 0."""
    X, y, masks, scorer, weights = problem(2, 40, 4, 3)
    masks[0, y == 2] = False
    masks[1, y != 1] = False
    weights[::7] = 0.0
    args = (SVC(), X, y, masks, scorer)
    expected = oracle.refit_scores(*args, sample_weight=weights, engine="svm")
    used = in_torch()
    found = oracle.refit_scores(*args, sample_weight=weights, engine="svm")
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert not np.concatenate(used).all()


def test_memory_changes_no_score(in_torch):
    X, y, masks, scorer, _ = problem(3, 40, 4, 2)
    in_torch()
    expected = oracle.refit_scores(SVC(), X, y, masks, scorer, engine="svm")
    with compute.using(memory=2**20):
        found = oracle.refit_scores(SVC(), X, y, masks, scorer, engine="svm")
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_solved_machines_are_at_the_optimum():
    """Against sequential minimal optimisation, from states that know nothing."""
    rng = np.random.default_rng(0)
    n_solved = 0
    for _ in range(20):
        X, y = rng.normal(size=(15, 3)), np.where(np.arange(15) % 2 == 0, 1.0, -1.0)
        K = np.exp(-np.square(X[:, None] - X[None]).sum(axis=2))
        lo, hi = np.where(y > 0, 0.0, -1.0), np.where(y > 0, 1.0, 0.0)
        expected = np.zeros(15)
        bias, _ = solve_one(K, y, lo, hi, expected, 10**6)
        given = [torch.as_tensor(a[None]) for a in (y, lo, hi, np.zeros(15), K)]
        beta, found, solved = stacked_svm.solve_stack(*given, torch)
        if solved[0]:
            np.testing.assert_allclose(beta[0].numpy(), expected, atol=1e-9)
            assert found[0].item() == pytest.approx(bias, abs=1e-9)
            n_solved += 1
    assert n_solved > 10


def test_a_singular_machine_is_not_solved():
    K = torch.ones((1, 4, 4), dtype=torch.float64)
    y = torch.tensor([[1.0, 1.0, -1.0, -1.0]], dtype=torch.float64)
    lo, hi = torch.where(y > 0, 0.0, -1.0), torch.where(y > 0, 1.0, 0.0)
    assert not stacked_svm.solve_stack(y, lo, hi, 0 * y, K, torch)[2].any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_scores():
    X, y, masks, scorer, weights = problem(4, 60, 6, 3)
    args = (SVC(), X, y, masks, scorer)
    expected = oracle.refit_scores(*args, sample_weight=weights, engine="svm")
    with compute.using(device="cuda"):
        found = oracle.refit_scores(*args, sample_weight=weights, engine="svm")
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_small_call_stays_on_the_cpu():
    X, y, masks, scorer, _ = problem(5, 20, 3, 2)
    assert svm.place_for(masks.size).is_host
    assert oracle.refit_scores(SVC(), X, y, masks, scorer, engine="svm").scores.shape == masks.shape
