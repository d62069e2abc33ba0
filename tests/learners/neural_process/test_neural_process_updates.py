"""Compiled and stacked updates against torch's own gradients, and against each other."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from lalbench.errors import UserError
from lalbench.learners.neural_process import AttentiveNeuralProcess, TrainingOptions
from lalbench.learners.neural_process.compiled import WIDE_SPREAD, CompiledUpdate
from lalbench.learners.neural_process.kernels import LANES
from lalbench.learners.neural_process.network import SAFE_SPREAD
from lalbench.learners.neural_process.problems import Problems, group_by_size
from lalbench.learners.neural_process.stacked import StackedUpdate
from lalbench.learners.neural_process.training import run_epochs, train, train_many

EXACT = 1e-10
N_FEATURES = 3
KINDS = ["shared", "labels", "large_logits", "huge_logits", "rewards", "own_points"]
FACTORS = {"large_logits": 20.0, "huge_logits": 300.0}
"""On the queries: logits too far apart for single, and for double precision."""


def make_problems(
    kind: str, n_problems: int = 40, n: int = 21, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Problems:
    """Problems of 2, 5 or 11 context points."""
    rng = np.random.default_rng(seed)
    member = np.zeros((n_problems, n), dtype=bool)
    for row in member:
        row[rng.permutation(n)[: rng.choice([2, 5, 11])]] = True
    points = rng.normal(size=(n_problems if kind == "own_points" else 1, n, N_FEATURES))
    improvements = points[:, :, 0] + rng.normal(size=member.shape)
    improvements[member] = np.nan  # never read
    return Problems(
        torch.tensor(points, dtype=dtype),
        torch.tensor(member),
        torch.tensor(improvements, dtype=dtype),
        torch.tensor(rng.normal(size=member.shape), dtype=dtype) if kind == "rewards" else None,
        torch.tensor(rng.integers(0, 3, size=(1, n))) if kind == "labels" else None,
    )


def make_network(
    kind: str, seed: int = 0, dtype: torch.dtype = torch.float64
) -> AttentiveNeuralProcess:
    """Weights of a trained network's size: no bias is 0 and no norm is the identity."""
    generator = torch.Generator().manual_seed(seed)
    network = AttentiveNeuralProcess(
        N_FEATURES, n_classes=3 if kind == "labels" else 0, generator=generator
    ).to(dtype)
    with torch.no_grad():
        for part in network.parameters():
            part.add_(0.1 * torch.randn(part.shape, generator=generator, dtype=torch.float64))
        network.query.weight.mul_(FACTORS.get(kind, 1.0))
    return network


def expected_loss_and_gradient(
    network: AttentiveNeuralProcess, problems: Problems, rows: list[int]
) -> tuple[float, torch.Tensor]:
    """One problem after the other, by ``forward``, torch's density and its gradients."""
    network = copy.deepcopy(network)
    network.zero_grad()
    losses = []
    for row in rows:
        inside = problems.member[row]
        x = problems.points[row if len(problems.points) > 1 else 0]
        y = None if problems.rewards is None else problems.rewards[row, inside][None]
        labels = None if problems.labels is None else problems.labels[:, inside]
        mu, sigma = network(x[inside][None], x[~inside][None], y, labels)
        density = torch.distributions.Normal(mu[0], sigma[0])
        losses.append(-density.log_prob(problems.improvements[row, ~inside]).mean())
    loss = torch.stack(losses).mean()
    loss.backward()
    return loss.item(), torch.cat([part.grad.flatten() for part in network.parameters()])


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """To 1e-10 of the largest entry."""
    torch.testing.assert_close(found, expected, rtol=0, atol=EXACT * expected.abs().max().item())
    assert expected.abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [15, 16, 40])
def test_compiled_gradient_is_torchs(kind: str, n: int) -> None:
    problems, network = make_problems(kind, 120, n), make_network(kind)
    spread = network.logit_spread(problems.points).max()
    assert (spread > SAFE_SPREAD) == (kind in FACTORS)
    assert (spread > WIDE_SPREAD) == (kind == "huge_logits")
    groups = group_by_size(problems)
    assert max(group.targets.numel() for group in groups) > LANES  # more than one block
    update = CompiledUpdate(network, problems, groups, 64)
    for position, group in enumerate(groups):
        for chosen in ([0], list(range(len(group.rows)))[::-1]):
            loss = update.gradient(position, chosen)
            found = torch.cat([part.grad.flatten() for part in network.parameters()])
            rows = group.rows[chosen].tolist()
            expected, gradient = expected_loss_and_gradient(network, problems, rows)
            assert loss == pytest.approx(expected, rel=EXACT)
            assert_close(found, gradient)


def test_far_logits_of_a_network_in_single_precision() -> None:
    """Its exponentials underflow in single precision; its gradient does not suffer."""
    problems, network = make_problems("shared", 120, 40), make_network("large_logits")
    narrow = copy.deepcopy(network).to(torch.float32)
    assert SAFE_SPREAD < network.logit_spread(problems.points).max() < WIDE_SPREAD
    given = make_problems("shared", 120, 40, dtype=torch.float32)
    groups = group_by_size(given)
    update = CompiledUpdate(narrow, given, groups, 64)
    for position, group in enumerate(groups):
        rows = list(range(len(group.rows)))
        loss = update.gradient(position, rows)
        found = torch.cat([part.grad.flatten() for part in narrow.parameters()])
        expected, gradient = expected_loss_and_gradient(network, problems, group.rows.tolist())
        assert loss == pytest.approx(expected, rel=1e-4)
        largest = gradient.abs().max().item()
        torch.testing.assert_close(found.double(), gradient, rtol=0, atol=1e-3 * largest)


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_gradients_are_those_of_each_model(kind: str) -> None:
    """Batches of unequal sizes and targets, and one model without a batch."""
    problems = [make_problems(kind, 30 + seed, seed=seed) for seed in range(4)]
    networks = [make_network(kind, seed) for seed in range(4)]
    originals = copy.deepcopy(networks)
    groups = [group_by_size(each) for each in problems]
    rows = [groups[0][0].rows.tolist(), groups[1][2].rows.tolist()[:3], [], [0]]
    update = StackedUpdate(networks, problems, groups)
    losses = update.gradient(rows)
    for model in (0, 1, 3):
        loss, gradient = expected_loss_and_gradient(originals[model], problems[model], rows[model])
        assert losses[model].item() == pytest.approx(loss, rel=EXACT)
        assert_close(update.gradient_of(model), gradient)
    assert not update.gradient_of(2).any()


@pytest.mark.parametrize(
    ("kind", "dtype", "tolerance"),
    [(kind, torch.float64, 1e-9) for kind in KINDS]
    + [(kind, torch.float32, 1e-4) for kind in KINDS if kind not in FACTORS],
)
def test_training_at_once_is_training_alone(
    kind: str, dtype: torch.dtype, tolerance: float
) -> None:
    """Unequal numbers of problems, so some models have fewer updates in an epoch."""
    numbers = (9, 25, 40)
    problems = [make_problems(kind, size, seed=size, dtype=dtype) for size in numbers]
    together = [make_network(kind, seed, dtype) for seed in range(3)]
    alone = copy.deepcopy(together)
    options = TrainingOptions(epochs=3, batch_size=4)
    groups = [group_by_size(each) for each in problems]
    shuffles = [np.random.default_rng(seed).shuffle for seed in range(3)]
    curves = run_epochs(StackedUpdate(together, problems, groups), groups, options, shuffles)
    for model, network in enumerate(alone):
        shuffle = np.random.default_rng(model).shuffle
        curve = train(network, problems[model], options, shuffle)
        np.testing.assert_allclose(curves[model], curve, rtol=0, atol=tolerance)
        for one, other in zip(together[model].parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance)


def test_training_many_on_a_cpu_is_training_each_to_the_bit() -> None:
    problems = [make_problems("shared", 12, seed=seed, dtype=torch.float32) for seed in range(3)]
    many = [make_network("shared", seed, torch.float32) for seed in range(3)]
    alone = copy.deepcopy(many)
    options = TrainingOptions(epochs=2, batch_size=4)
    shuffles = [np.random.default_rng(seed).shuffle for seed in range(3)]
    curves = train_many(many, problems, options, shuffles)
    assert curves.shape == (3, 2)
    for model, network in enumerate(alone):
        shuffle = np.random.default_rng(model).shuffle
        assert np.array_equal(train(network, problems[model], options, shuffle), curves[model])
        for one, other in zip(many[model].parameters(), network.parameters(), strict=True):
            assert torch.equal(one, other)


def test_a_divergence_among_many_is_one_clear_error() -> None:
    problems = [make_problems("shared", 9, seed=seed) for seed in range(2)]
    groups = [group_by_size(each) for each in problems]
    networks = [make_network("shared", seed) for seed in range(2)]
    options = TrainingOptions(epochs=5, learning_rate=1e150)
    with pytest.raises(UserError, match="learning_rate: training diverged"):
        run_epochs(StackedUpdate(networks, problems, groups), groups, options, [list] * 2)
