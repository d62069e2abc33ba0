"""The grouped training against a plain loop, problem by problem."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch

from lalbench.errors import UserError
from lalbench.learners.neural_process import AttentiveNeuralProcess, TrainingOptions
from lalbench.learners.neural_process.loss import gaussian_loss
from lalbench.learners.neural_process.problems import Problems, Shuffle, batches, group_by_size
from lalbench.learners.neural_process.training import DECAY, limited_threads, train


def make_problems(n_problems: int = 40, n: int = 12, kind: str = "shared") -> Problems:
    rng = np.random.default_rng(0)
    member = np.zeros((n_problems, n), dtype=bool)
    for row in member:
        row[rng.permutation(n)[: rng.integers(2, 5) * 2]] = True
    points = rng.normal(size=(n_problems if kind == "own_points" else 1, n, 3))
    improvements = 0.3 * points[:, :, 0] + 0.05 * rng.normal(size=(n_problems, n))
    improvements[member] = np.nan  # never read
    rewards = rng.normal(size=(n_problems, n))
    return Problems(
        torch.tensor(points, dtype=torch.float32),
        torch.tensor(member),
        torch.tensor(improvements, dtype=torch.float32),
        torch.tensor(rewards, dtype=torch.float32) if kind == "rewards" else None,
        torch.tensor(rng.integers(0, 2, size=(1, n))) if kind == "labels" else None,
    )


def make_network(n_classes: int = 0) -> AttentiveNeuralProcess:
    generator = torch.Generator().manual_seed(0)
    return AttentiveNeuralProcess(3, n_classes=n_classes, generator=generator)


def no_shuffle(items: list[int]) -> None:
    """Keeps the order, so that the plain loop below knows it."""


def plain_training(network: AttentiveNeuralProcess, problems: Problems, epochs: int) -> list[float]:
    """One problem at a time, one Adam state per parameter, the rate set by hand."""
    sizes = problems.member.sum(1)
    optimiser = torch.optim.Adam(network.parameters(), fused=False)
    curve = []
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * 0.1 ** (epoch / 100)
        losses = []
        for size in sorted(set(sizes.tolist())):
            rows = (sizes == size).nonzero().flatten()
            for batch in rows.split(4):
                optimiser.zero_grad()
                of_batch = []
                for row in batch:
                    inside = problems.member[row]
                    x = problems.points[row if len(problems.points) > 1 else 0]
                    y = None if problems.rewards is None else problems.rewards[row, inside][None]
                    labels = None if problems.labels is None else problems.labels[:, inside]
                    mu, sigma = network(x[inside][None], x[~inside][None], y, labels)
                    density = torch.distributions.Normal(mu[0], sigma[0])
                    of_batch.append(-density.log_prob(problems.improvements[row, ~inside]).mean())
                torch.stack(of_batch).mean().backward()
                optimiser.step()
                losses += [loss.item() for loss in of_batch]
        curve.append(float(np.mean(losses)))
    return curve


@pytest.mark.parametrize("kind", ["shared", "labels", "rewards", "own_points"])
def test_training_equals_a_plain_loop(kind: str) -> None:
    """The first two have compiled gradients, the other two come from torch."""
    problems, network = make_problems(kind=kind), make_network(2 if kind == "labels" else 0)
    plain = copy.deepcopy(network)
    curve = train(network, problems, TrainingOptions(epochs=4, batch_size=4), no_shuffle)
    expected = plain_training(plain, problems, 4)
    np.testing.assert_allclose(curve, expected, atol=1e-5)
    for one, other in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)
    assert curve[-1] < curve[0]


def test_learning_rate_falls_tenfold_in_a_hundred_epochs() -> None:
    np.testing.assert_allclose(DECAY**100, 0.1)


def test_loss_is_the_density_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    mu, y = (torch.randn(3, 7, generator=generator) for _ in range(2))
    sigma = 0.01 + torch.rand(3, 7, generator=generator)
    expected = -torch.distributions.Normal(mu, sigma).log_prob(y).mean(1).mean()
    torch.testing.assert_close(gaussian_loss(mu, sigma, y), expected)


def test_loss_floor_of_exact_predictions() -> None:
    exact = torch.zeros(2, 3)
    floor = gaussian_loss(exact, torch.full((2, 3), 0.01), exact)
    assert floor.item() == pytest.approx(-3.69, abs=0.005)


@pytest.mark.parametrize("shuffle", [np.random.default_rng(1).shuffle, random.Random(1).shuffle])
def test_an_epoch_visits_every_problem_once_in_batches_of_equal_sizes(shuffle: Shuffle) -> None:
    problems = make_problems(n_problems=50)
    groups = group_by_size(problems)
    sizes = problems.member.sum(1)
    counts = sizes.unique(return_counts=True)[1].tolist()
    orders = []
    for _ in range(2):
        epoch = batches(groups, 6, shuffle)
        assert len(epoch) == sum(-(-count // 6) for count in counts)
        assert max(len(chosen) for _, chosen in epoch) == 6
        visited: dict[int, list[int]] = {}
        for position, chosen in epoch:
            visited.setdefault(position, []).extend(chosen)
        assert [sorted(visited[position]) for position in range(len(groups))] == [
            list(range(count)) for count in counts
        ]
        orders.append([(position, tuple(chosen)) for position, chosen in epoch])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) != sorted(orders[1])  # also reshuffled inside the sizes


def test_groups_hold_context_and_targets_of_their_problems() -> None:
    problems = make_problems()
    sizes = problems.member.sum(1)
    groups = group_by_size(problems)
    assert sorted(np.concatenate([group.rows for group in groups]).tolist()) == list(range(40))
    for group in groups:
        rows = (sizes == group.context.shape[1]).nonzero().flatten().tolist()
        assert group.rows.tolist() == rows
        for place, row in enumerate(rows):
            inside = problems.member[row].numpy()
            assert group.context[place].tolist() == np.flatnonzero(inside).tolist()
            assert group.targets[place].tolist() == np.flatnonzero(~inside).tolist()
            expected = problems.improvements[row, np.flatnonzero(~inside)]
            assert torch.equal(group.improvements[place], expected)


def test_training_is_deterministic_and_leaves_global_state_alone() -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    python_state, threads = random.getstate(), torch.get_num_threads()
    results = []
    for _ in range(2):
        network = make_network()
        with limited_threads(1):
            shuffle = np.random.default_rng(5).shuffle
            curve = train(network, make_problems(), TrainingOptions(epochs=3), shuffle)
        results.append((curve, [part.detach().clone() for part in network.parameters()]))
        torch.rand(3, generator=torch.Generator().manual_seed(9))
    assert np.array_equal(results[0][0], results[1][0])
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])
    assert python_state == random.getstate()
    assert threads == torch.get_num_threads()


def test_training_works_inside_no_grad() -> None:
    with torch.no_grad():
        curve = train(make_network(), make_problems(), TrainingOptions(epochs=2), no_shuffle)
    assert curve[1] < curve[0]


def test_a_diverging_training_is_one_clear_error() -> None:
    options = TrainingOptions(epochs=5, learning_rate=1e30)
    with pytest.raises(UserError, match="learning_rate: training diverged in epoch"):
        train(make_network(), make_problems(), options, no_shuffle)


def test_threads_are_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    inside = []

    def failing() -> None:
        with limited_threads(before + 1):
            inside.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert inside == [before + 1]
    assert torch.get_num_threads() == before
