"""Learning from scored episodes: planted improvements, invariances, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from lalbench import files, strategies
from lalbench.compute import Compute, using
from lalbench.errors import CorruptFileError, UserError, naming
from lalbench.learners.neural_process import (
    Examples,
    InputScaler,
    LearnedNeuralProcess,
    LearnerOptions,
    LearningTask,
    Points,
    TrainingOptions,
    fit_neural_process,
    fit_neural_processes,
)
from lalbench.learners.neural_process.learner import _distinct


def make_examples(n_problems: int, n: int = 30, d: int = 3, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    member = np.zeros((n_problems, n), dtype=bool)
    for row in member:
        row[rng.permutation(n)[: int(rng.integers(1, 10) * n / 10)]] = True
    improvements = np.where(member, np.nan, 0.05 * X[:, 0])
    return Examples(X, member, improvements)


def fit(
    examples: Examples, *, epochs: int = 3, seed: int = 0, standardise: bool = False
) -> LearnedNeuralProcess:
    options = LearnerOptions(standardise=standardise, training=TrainingOptions(epochs=epochs))
    scaler = InputScaler.fit(examples.X, "per_feature")
    shuffle = np.random.default_rng(seed).shuffle
    return fit_neural_process(examples, scaler, options, seed, shuffle)


@pytest.fixture(scope="module")
def learned() -> LearnedNeuralProcess:
    return fit(make_examples(60), epochs=5)


def test_planted_improvements_are_found() -> None:
    """100 annotated points, five features, improvements 0.05 x_1, 300 simulations, 100 epochs."""
    examples = make_examples(300, n=100, d=5)
    learned = fit(examples, epochs=100)
    new = np.random.default_rng(1).normal(size=(300, 5))
    mu, sigma = learned.predict(Points(examples.X), Points(new))
    assert spearmanr(mu, new[:, 0]).statistic > 0.95
    assert learned.curve.shape == (100,)
    assert learned.curve[-1] < -3.0 < 0.0 < learned.curve[0]
    assert sigma.min() >= 0.01


def test_permuting_targets_permutes_predictions_exactly(learned: LearnedNeuralProcess) -> None:
    context = Points(make_examples(1).X)
    rng = np.random.default_rng(2)
    X = rng.normal(size=(5000, 3))  # more than one chunk
    X[100:200] = X[:100]  # duplicates
    order = rng.permutation(len(X))
    mu, sigma = learned.predict(context, Points(X))
    mu_permuted, sigma_permuted = learned.predict(context, Points(X[order]))
    assert np.array_equal(mu[order], mu_permuted)
    assert np.array_equal(sigma[order], sigma_permuted)
    assert np.array_equal(mu[100:200], mu[:100])
    few, _ = learned.predict(context, Points(X[:7]))
    np.testing.assert_allclose(few, mu[:7], atol=1e-6)


def test_permuting_the_context_changes_nothing(learned: LearnedNeuralProcess) -> None:
    X, targets = make_examples(1).X, np.random.default_rng(2).normal(size=(50, 3))
    mu, _ = learned.predict(Points(X), Points(targets))
    again, _ = learned.predict(Points(X[::-1]), Points(targets))
    np.testing.assert_allclose(again, mu, atol=1e-6)


def test_the_context_matters(learned: LearnedNeuralProcess) -> None:
    X, targets = make_examples(1).X, np.random.default_rng(2).normal(size=(50, 3))
    mu, _ = learned.predict(Points(X), Points(targets))
    other, _ = learned.predict(Points(X[:3]), Points(targets))
    assert np.abs(mu - other).max() > 1e-4


def test_standardised_training_follows_any_units() -> None:
    """Improvements ``a v + b`` give predictions ``a mu + b`` and a loss higher by ``log a``."""
    examples = make_examples(40)
    other = Examples(examples.X, examples.member, 7 * examples.improvements - 2)
    one, two = (fit(given, epochs=3, standardise=True) for given in (examples, other))
    points = Points(examples.X), Points(np.random.default_rng(2).normal(size=(50, 3)))
    mu, sigma = one.predict(*points)
    mu_two, sigma_two = two.predict(*points)
    np.testing.assert_allclose(mu_two, 7 * mu - 2, atol=1e-4)
    np.testing.assert_allclose(sigma_two, 7 * sigma, rtol=1e-4)
    np.testing.assert_allclose(two.curve, one.curve + np.log(7), atol=1e-4)


def test_constant_improvements_can_be_standardised() -> None:
    examples = make_examples(20)
    constant = np.where(examples.member, np.nan, 0.25)
    learned = fit(Examples(examples.X, examples.member, constant), standardise=True)
    assert (learned.center, learned.spread) == (0.25, 1.0)
    assert np.isfinite(learned.curve).all()


def test_same_seed_same_network_whatever_the_global_state() -> None:
    examples = make_examples(20)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = fit(examples)
        torch.manual_seed(2)
        second = fit(examples)
    third = fit(examples, seed=1)
    for name, values in first.weights.items():
        assert np.array_equal(values, second.weights[name])
    assert np.array_equal(first.curve, second.curve)
    assert not np.array_equal(first.curve, third.curve)


def test_files_hold_everything_and_have_the_same_bytes(
    learned: LearnedNeuralProcess, tmp_path: Path
) -> None:
    paths = tmp_path / "a.npz", tmp_path / "b.npz"
    for path in paths:
        files.write_npz(path, learned.to_arrays())
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = LearnedNeuralProcess.from_arrays(files.read_npz(paths[0]))
    points = Points(make_examples(1).X), Points(np.random.default_rng(2).normal(size=(50, 3)))
    for one, other in zip(learned.predict(*points), again.predict(*points), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(again.curve, learned.curve)


@pytest.mark.parametrize("missing", ["weights.key.weight", "sizes", "curve", "improvement"])
def test_damaged_arrays_are_one_clear_error(learned: LearnedNeuralProcess, missing: str) -> None:
    arrays = learned.to_arrays()
    del arrays[missing]
    with pytest.raises(CorruptFileError, match="delete it and run again"):
        LearnedNeuralProcess.from_arrays(arrays)


@pytest.mark.parametrize(
    "changed",
    [
        {"sizes": np.array([10**9, 10**9, 10**9, 10**9])},
        {"sizes": np.array([3, 32, 0, 10**9])},
        {"sizes": np.array([-3, 32, 0, 1])},
        {"sizes": np.array([3, 32])},
        {"improvement": np.array([np.nan, 1.0])},
        {"scale": np.ones(7)},
        {"weights.key.weight": np.full((32, 32), np.nan, dtype=np.float32)},
        {"weights.key.weight": np.zeros((32, 32))},
        {"weights.decoder.0.bias": np.zeros(3, dtype=np.float32)},
        {"weights.more": np.zeros(3, dtype=np.float32)},
    ],
    ids=str,
)
def test_arrays_that_are_no_network_are_refused(
    learned: LearnedNeuralProcess, changed: dict[str, Any]
) -> None:
    """Before a network of the sizes that they announce is built."""
    with pytest.raises(CorruptFileError, match="a stored neural process is damaged"):
        LearnedNeuralProcess.from_arrays(learned.to_arrays() | changed)


def test_points_of_another_data_set_are_refused(learned: LearnedNeuralProcess) -> None:
    with pytest.raises(UserError, match=r"trained on 3 \+ 0 features, asked about 4 \+ 0"):
        learned.predict(Points(np.zeros((5, 3))), Points(np.zeros((5, 4))))
    with pytest.raises(UserError, match=r"asked about 3 \+ 2"):
        learned.predict(Points(np.zeros((5, 3)), np.zeros((5, 2))), Points(np.zeros((5, 3))))


def test_improvements_of_targets_must_be_finite() -> None:
    examples = make_examples(5)
    examples.improvements[~examples.member] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        fit(examples)


def test_cuda_that_is_absent_is_one_clear_error(
    learned: LearnedNeuralProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device: cuda is asked for"), using(device="cuda"):
        learned.predict(Points(np.zeros((5, 3))), Points(np.zeros((5, 3))))
    assert Compute("auto").torch_device().type == "cpu"


def test_device_names() -> None:
    found = torch.cuda.is_available()
    assert Compute("cpu").torch_device().type == "cpu"
    assert Compute("auto").torch_device().type == ("cuda" if found else "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_learns_the_same() -> None:
    examples = make_examples(60)
    points = Points(examples.X), Points(np.random.default_rng(2).normal(size=(50, 3)))
    scaler = InputScaler.fit(examples.X, "per_feature")
    found = []
    for device in ("cpu", "cuda"):
        options = LearnerOptions(training=TrainingOptions(epochs=3))
        shuffle = np.random.default_rng(0).shuffle
        with using(device=device):
            learned = fit_neural_process(examples, scaler, options, 0, shuffle)
            found.append((learned.curve, *learned.predict(*points)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def make_task(seed: int, n: int = 30, start: LearnedNeuralProcess | None = None) -> LearningTask:
    examples = make_examples(20 + seed, n=n, seed=seed)
    scaler = InputScaler.fit(examples.X, "per_feature")
    return LearningTask(examples, scaler, seed, np.random.default_rng(seed).shuffle, start)


def fit_task(task: LearningTask, options: LearnerOptions) -> LearnedNeuralProcess:
    return fit_neural_process(
        task.examples, task.scaler, options, task.seed, task.shuffle, task.start
    )


def test_many_are_those_fitted_alone_in_their_order() -> None:
    """Two shapes, so that the tasks of one shape are not neighbours."""
    options = LearnerOptions(standardise=True, training=TrainingOptions(epochs=2))
    sizes = [(0, 30), (1, 24), (2, 30)]
    with using(device="cpu"):
        many = fit_neural_processes([make_task(*size) for size in sizes], options)
        alone = [fit_task(make_task(*size), options) for size in sizes]
    for one, other in zip(many, alone, strict=True):
        arrays = other.to_arrays()
        assert one.to_arrays().keys() == arrays.keys()
        for name, values in one.to_arrays().items():
            assert np.array_equal(values, arrays[name]), name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_many_on_cuda_are_those_fitted_alone_on_a_cpu() -> None:
    options = LearnerOptions(training=TrainingOptions(epochs=3))
    points = Points(make_examples(1).X), Points(np.random.default_rng(2).normal(size=(50, 3)))
    with using(device="cuda"):
        many = fit_neural_processes([make_task(seed) for seed in range(5)], options)
    for seed, one in enumerate(many):
        with using(device="cpu"):
            alone = fit_task(make_task(seed), options)
            expected, found = alone.predict(*points), one.predict(*points)
        np.testing.assert_allclose(one.curve, alone.curve, atol=1e-3)
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_training_can_start_from_another_one(learned: LearnedNeuralProcess) -> None:
    """A rate of almost 0 keeps the weights, so the draw of the seed cannot have been used."""
    still = LearnerOptions(training=TrainingOptions(epochs=1, learning_rate=1e-12))
    kept = fit_task(make_task(3, start=learned), still)
    for name, values in learned.weights.items():
        np.testing.assert_allclose(kept.weights[name], values, atol=1e-9)
    options = LearnerOptions(training=TrainingOptions(epochs=3, learning_rate=1e-4))
    again = make_task(0)
    again = replace(again, examples=make_examples(60))  # those of ``learned``
    warm, cold = (fit_task(replace(again, start=start), options) for start in (learned, None))
    assert warm.curve[0] < cold.curve[0] - 1
    assert not np.array_equal(warm.weights["key.weight"], learned.weights["key.weight"])


def test_a_start_of_another_shape_is_refused(learned: LearnedNeuralProcess) -> None:
    with pytest.raises(UserError, match=r"start: .*another shape"):
        fit_task(make_task(0, start=learned), LearnerOptions(width=16))


def test_distinct_rows_do_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(-1, 2, size=(60, 3)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = -0.0
    order = rng.permutation(60)
    distinct, position = _distinct(rows)
    np.testing.assert_array_equal(distinct[position], rows)
    assert len(distinct) == len(np.unique(rows, axis=0)) < 60
    again, moved = _distinct(rows[order])
    np.testing.assert_array_equal(again, distinct)
    np.testing.assert_array_equal(moved, position[order])


def test_the_file_of_damaged_arrays_is_named() -> None:
    """Messages that name no file do not say what to delete."""
    named = r"here\.npz: .* damaged \(.*\); delete it and run again"
    strategy = strategies.get("neural_process")
    for build in (strategy.learned_from_arrays, strategy.episodes_from_arrays):
        with pytest.raises(CorruptFileError, match=named), naming(Path("here.npz")):
            build({})
