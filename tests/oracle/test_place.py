"""The logistic engine in torch: the optima of the compiled kernel and NumPy, and who decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lalbench import compute, oracle
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.errors import NotConvergedError, UserError
from lalbench.objectives import Scorer
from lalbench.oracle import logistic_binary, logistic_multinomial
from lalbench.oracle import place as places
from lalbench.oracle.place import place_for


def problem(seed: int, n: int, d: int, n_classes: int):
    """Rows, subsets of which some have equal sizes and one has a single class, and weights."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), rng.integers(n_classes, size=n)
    y[:n_classes] = np.arange(n_classes)
    X[:, :n_classes] += np.eye(n_classes)[y]
    masks = np.zeros((5, n), dtype=bool)
    for mask, size in zip(masks, (n // 2, n // 3, n // 2, n // 3), strict=False):
        mask[:n_classes] = True
        mask[rng.choice(np.arange(n_classes, n), size - n_classes, replace=False)] = True
    masks[4, np.flatnonzero(y == 1)[:3]] = True
    return X, y, masks, rng.uniform(0.5, 3.0, size=n)


def scorer_of(seed: int, d: int, n_classes: int, objective: str) -> Scorer:
    rng = np.random.default_rng(seed + 1)
    weights = rng.uniform(0.5, 2.0, size=n_classes)
    return Scorer(rng.normal(size=(40, d)), rng.integers(n_classes, size=40), weights, objective)


@pytest.fixture
def in_torch(monkeypatch):
    """Torch's tensors on the CPU, which take the code of a CUDA device."""

    def choose() -> None:
        monkeypatch.setattr(places, "_device", lambda n_refits: torch.device("cpu"))

        def never(*args):
            raise AssertionError("the compiled kernel was used")

        monkeypatch.setattr(logistic_binary.BinaryRefits, "_score_block", never)

    return choose


CASES = [
    (2, 60, 5, LogisticRegression(10.0)),
    (2, 30, 40, LogisticRegression()),
    (3, 60, 5, LogisticRegression(10.0)),
    (4, 40, 60, LogisticRegression()),
]


@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
@pytest.mark.parametrize(("n_classes", "n", "d", "classifier"), CASES)
@pytest.mark.parametrize("memory", [30_000, 2**28])
def test_torch_gives_the_same(in_torch, objective, n_classes, n, d, classifier, memory):
    X, y, masks, weights = problem(1, n, d, n_classes)
    scorer = scorer_of(1, d, n_classes, objective)
    args = (classifier, X, y, masks, scorer)
    expected = oracle.refit_scores(*args, sample_weight=weights, engine="logistic")
    in_torch()
    with compute.using(memory=memory):
        found = oracle.refit_scores(*args, sample_weight=weights, engine="logistic")
    np.testing.assert_allclose(found.base_scores, expected.base_scores, atol=1e-8)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-8)
    assert np.nanstd(found.improvements) > 1e-3


def test_torch_gives_the_same_without_an_intercept(in_torch):
    from sklearn.linear_model import LogisticRegression as TheirLogisticRegression

    X, y, masks, _ = problem(2, 50, 6, 2)
    args = (TheirLogisticRegression(fit_intercept=False), X, y, masks)
    scorer = scorer_of(2, 6, 2, "log_loss")
    expected = oracle.refit_scores(*args, scorer)
    in_torch()
    found = oracle.refit_scores(*args, scorer)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-8)


def test_tensors_are_used(in_torch, monkeypatch):
    kinds = []
    for module, name in ((logistic_binary, "minimise"), (logistic_multinomial, "refine")):
        function = getattr(module, name)

        def spy(*args, function=function):
            found = function(*args)
            kinds.append(found[0].dtype)
            return found

        monkeypatch.setattr(module, name, spy)
    in_torch()
    for n_classes in (2, 3):
        X, y, masks, _ = problem(3, 30, 4, n_classes)
        scorer = scorer_of(3, 4, n_classes, "log_loss")
        oracle.refit_scores(LogisticRegression(), X, y, masks, scorer)
        assert set(kinds) == {torch.float64}
        kinds.clear()


def test_an_unconverged_refit_is_an_error(in_torch, monkeypatch):
    monkeypatch.setattr("lalbench.oracle.stacked_newton._STEPS", 2)
    X, y, masks, _ = problem(4, 30, 4, 2)
    in_torch()
    with pytest.raises(NotConvergedError, match="did not converge; scale the features"):
        oracle.refit_scores(LogisticRegression(), X, y, masks, scorer_of(4, 4, 2, "log_loss"))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_cuda_asked_for_and_absent(monkeypatch, n_classes):
    monkeypatch.setattr(compute, "has_cuda", lambda: False)
    X, y, masks, _ = problem(5, 30, 4, n_classes)
    scorer = scorer_of(5, 4, n_classes, "log_loss")
    message = "device: cuda is asked for, but torch finds no CUDA device"
    with compute.using(device="cuda"), pytest.raises(UserError, match=message):
        oracle.refit_scores(LogisticRegression(), X, y, masks, scorer)


@pytest.mark.parametrize(
    ("device", "n_refits", "kind"),
    [
        ("cpu", 10**9, None),
        ("auto", places.WORTH - 1, None),
        ("auto", places.WORTH, "cuda"),
        ("cuda", 1, "cuda"),
    ],
)
def test_who_gets_a_gpu_that_is_there(monkeypatch, device, n_refits, kind):
    monkeypatch.setattr(compute, "has_cuda", lambda: True)
    monkeypatch.setattr(places, "has_cuda", lambda: True)
    with compute.using(device=device):
        place = place_for(n_refits)
    assert place.is_host == (kind is None)
    assert (place.device and place.device.type) == kind


def test_without_a_gpu_auto_stays_with_the_kernel(monkeypatch):
    monkeypatch.setattr(places, "has_cuda", lambda: False)
    with compute.using(device="auto"):
        assert place_for(10**9).is_host


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("n_classes", "n", "d", "classifier"), CASES)
def test_cuda_gives_the_same(n_classes, n, d, classifier):
    X, y, masks, weights = problem(6, n, d, n_classes)
    scorer = scorer_of(6, d, n_classes, "log_loss")
    found = []
    for device in ("cpu", "cuda"):
        with compute.using(device=device):
            found.append(
                oracle.refit_scores(classifier, X, y, masks, scorer, sample_weight=weights)
            )
    np.testing.assert_allclose(found[0].scores, found[1].scores, atol=1e-8)
