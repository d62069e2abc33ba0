"""The network against a loop written from the formulas, and its symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench.learners.neural_process import AttentiveNeuralProcess
from lalbench.learners.neural_process.network import SAFE_SPREAD

TOLERANCE = 1e-5


def make_network(n_features: int = 5, seed: int = 0, **options: int) -> AttentiveNeuralProcess:
    network = AttentiveNeuralProcess(
        n_features, generator=torch.Generator().manual_seed(seed), **options
    )
    # trained networks have other norms and biases than new ones
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def n_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("n_features", "expected"), [(21, 21_924), (22, 21_956), (119, 25_060), (784, 46_340)]
)
def test_parameter_counts_are_the_published_ones(n_features: int, expected: int) -> None:
    assert n_parameters(AttentiveNeuralProcess(n_features=n_features)) == expected


def test_every_part_has_the_published_size() -> None:
    network = AttentiveNeuralProcess(21)
    sizes = {name: n_parameters(part) for name, part in network.named_children()}
    assert sizes == {
        "x_encoder": 32 * 21 + 32 + 1056,
        "y_resizer": 2 + 64,
        "xy_encoder": 2112 + 4160 + 2080,
        "key": 1024,
        "query": 1056,
        "value": 1024,
        "attention_norm": 64,
        "residual": 2112,
        "residual_norm": 64,
        "resizer": 2112,
        "decoder": 4 * 1056 + 66,
    }


def naive_forward(
    network: AttentiveNeuralProcess, context: np.ndarray, y: np.ndarray, target: np.ndarray
) -> tuple[float, float]:
    """One target of one problem in float64, one attention head after the other."""
    p = {k: v.detach().numpy().astype(np.float64) for k, v in network.named_parameters()}

    def mlp(name: str, x: np.ndarray) -> np.ndarray:
        layers = sorted({int(key.split(".")[1]) for key in p if key.startswith(name + ".")})
        for layer in layers:
            x = p[f"{name}.{layer}.weight"] @ x + p[f"{name}.{layer}.bias"]
            if layer != layers[-1]:
                x = np.maximum(x, 0)
        return x

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        scaled = (x - x.mean()) / math.sqrt(x.var() + 1e-5)
        return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]

    x = mlp("x_encoder", target)
    query = p["query.weight"] @ x + p["query.bias"]
    keys, values = [], []
    for point, reward in zip(context, y, strict=True):
        encoded = mlp("x_encoder", point)
        joint = np.maximum(encoded + mlp("y_resizer", np.array([reward])), 0)
        keys.append(p["key.weight"] @ encoded)
        values.append(p["value.weight"] @ mlp("xy_encoder", joint))
    attended = np.zeros(32)
    for head in range(8):
        part = slice(4 * head, 4 * head + 4)
        weights = np.exp([float(key[part] @ query[part]) / math.sqrt(4) for key in keys])
        weights /= weights.sum()
        attended[part] = sum(w * v[part] for w, v in zip(weights, values, strict=True))
    hidden = norm("attention_norm", attended + x)
    hidden = norm("residual_norm", hidden + mlp("residual", hidden))
    mu, raw = mlp("decoder", np.maximum(x + mlp("resizer", hidden), 0))
    return mu, 0.01 + 0.99 * math.log1p(math.exp(raw))


def test_forward_follows_the_formulas() -> None:
    network = make_network()
    context, targets, y = normal(1, 2, 6, 5), normal(2, 2, 4, 5), normal(3, 2, 6)
    mu, sigma = network(context, targets, y)
    assert mu.shape == sigma.shape == (2, 4)
    for problem in range(2):
        for place in range(4):
            expected = naive_forward(
                network,
                context[problem].numpy(),
                y[problem].numpy(),
                targets[problem, place].numpy(),
            )
            found = mu[problem, place].item(), sigma[problem, place].item()
            assert found == pytest.approx(expected, abs=TOLERANCE)


def test_context_rewards_are_zero_unless_given() -> None:
    network, context, targets = make_network(), normal(1, 1, 6, 5), normal(2, 1, 4, 5)
    by_default = network(context, targets)
    zero = network(context, targets, torch.zeros(1, 6))
    assert torch.equal(by_default[0], zero[0])


@pytest.mark.parametrize("seed", range(5))
def test_rewards_of_both_signs_matter_with_more_hidden_units(seed: int) -> None:
    network = make_network(seed=seed, y_hidden=32)
    context, targets = normal(1, 1, 6, 5), normal(2, 1, 4, 5)
    found = [network(context, targets, torch.full((1, 6), y))[0] for y in (-1.0, 0.0, 1.0)]
    assert (found[0] - found[1]).abs().max() > 1e-4
    assert (found[2] - found[1]).abs().max() > 1e-4


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    n_context=st.integers(1, 40),
    n_targets=st.integers(1, 40),
    labelled=st.booleans(),
)
def test_symmetries(seed: int, n_context: int, n_targets: int, labelled: bool) -> None:
    network = make_network(3, seed, n_classes=2 if labelled else 0)
    rng = np.random.default_rng(seed)
    context, y = normal(seed, 2, n_context, 3), normal(seed + 1, 2, n_context)
    labels = torch.from_numpy(rng.integers(0, 2, size=(2, n_context)))
    targets = normal(seed + 2, 2, n_targets, 3)
    with torch.no_grad():
        found = torch.stack(network(context, targets, y, labels))
        order = torch.from_numpy(rng.permutation(n_context))
        shuffled = network(context[:, order], targets, y[:, order], labels[:, order])
        torch.testing.assert_close(torch.stack(shuffled), found, atol=TOLERANCE, rtol=TOLERANCE)
        some = torch.from_numpy(rng.permutation(n_targets)[: int(rng.integers(1, n_targets + 1))])
        part = network(context, targets[:, some], y, labels)
        torch.testing.assert_close(
            torch.stack(part), found[:, :, some], atol=TOLERANCE, rtol=TOLERANCE
        )
        more = torch.cat([normal(seed + 3, 2, 7, 3), targets], dim=1)
        added = torch.stack(network(context, more, y, labels))[:, :, 7:]
        torch.testing.assert_close(added, found, atol=TOLERANCE, rtol=TOLERANCE)


def test_class_labels_change_nothing_by_default() -> None:
    network, context, targets = make_network(), normal(1, 1, 6, 5), normal(2, 1, 4, 5)
    without = network(context, targets)
    for labels in (torch.zeros(1, 6, dtype=torch.long), torch.ones(1, 6, dtype=torch.long)):
        with_labels = network(context, targets, context_labels=labels)
        assert torch.equal(without[0], with_labels[0])
        assert torch.equal(without[1], with_labels[1])


def test_class_labels_matter_to_a_network_that_takes_them() -> None:
    context, targets = normal(1, 1, 6, 5), normal(2, 1, 4, 5)
    for seed in range(5):
        network = make_network(seed=seed, n_classes=3)
        found = [
            network(context, targets, context_labels=torch.full((1, 6), label))[0]
            for label in range(3)
        ]
        assert (found[0] - found[1]).abs().max() > 1e-4
        assert (found[1] - found[2]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="context_labels"):
        network(context, targets)


def test_padding_changes_nothing() -> None:
    network, context, targets = make_network(), normal(1, 2, 9, 5), normal(2, 2, 4, 5)
    y = normal(3, 2, 9)
    mask = torch.zeros(2, 9, dtype=torch.bool)
    mask[0, :6] = mask[1, 2:4] = True
    padded = torch.stack(network(context, targets, y, context_mask=mask))
    for problem in range(2):
        keep = mask[problem]
        alone = network(
            context[problem, keep][None], targets[problem][None], y[problem, keep][None]
        )
        torch.testing.assert_close(
            padded[:, problem], torch.stack(alone)[:, 0], atol=TOLERANCE, rtol=0
        )


def test_sigma_is_never_below_its_floor() -> None:
    network = make_network()
    with torch.no_grad():
        network.decoder[-1].bias[1] = -1000.0
    _, sigma = network(normal(1, 1, 6, 5), normal(2, 1, 4, 5))
    assert sigma.min().item() == pytest.approx(0.01, abs=1e-9)


@pytest.mark.parametrize("kind", ["shared", "labels", "rewards", "own_points", "large_logits"])
def test_grouped_forward_equals_one_forward_per_problem(kind: str) -> None:
    """Values and gradients; ``large_logits`` would underflow in sums of shared exponentials."""
    n, size, n_context = 20, 7, 8
    network = make_network(n_classes=2 if kind == "labels" else 0)
    if kind == "large_logits":
        with torch.no_grad():
            network.query.weight.mul_(300)
    points = normal(1, size if kind == "own_points" else 1, n, 5)
    rewards = normal(2, size, n) if kind == "rewards" else None
    labels = (normal(3, 1, n) > 0).long() if kind == "labels" else None
    rng = np.random.default_rng(0)
    member = torch.zeros(size, n, dtype=torch.bool)
    for row in member:
        row[rng.permutation(n)[:n_context]] = True
    targets = (~member).nonzero()[:, 1].view(size, -1)
    grouped = network.forward_points(points, member.float(), targets, rewards, labels)
    grouped[0].square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    for problem, inside in enumerate(member):
        x = points[problem if kind == "own_points" else 0]
        mu, sigma = network(
            x[inside][None],
            x[~inside][None],
            None if rewards is None else rewards[problem, inside][None],
            None if labels is None else labels[:, inside],
        )
        mu.square().sum().backward()
        torch.testing.assert_close(grouped[0][problem], mu[0], atol=TOLERANCE, rtol=1e-4)
        torch.testing.assert_close(grouped[1][problem], sigma[0], atol=TOLERANCE, rtol=1e-4)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        largest = gradient.abs().max().item()
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-4 * (1 + largest), rtol=1e-3)


def test_large_logits_need_and_get_the_stable_form() -> None:
    """The previous test compares two forms only if the shared one is refused here."""
    network = make_network()
    points, member = normal(1, 1, 20, 5), torch.ones(1, 20)
    targets = torch.arange(20)[None]
    assert network.logit_spread(points).item() < SAFE_SPREAD
    shared, stable = (
        torch.stack(network.forward_points(points, member, targets, stable=stable))
        for stable in (False, True)
    )
    torch.testing.assert_close(shared, stable, atol=TOLERANCE, rtol=TOLERANCE)
    assert not torch.equal(shared, stable)  # two forms
    with torch.no_grad():
        network.query.weight.mul_(300)
    assert network.logit_spread(points).item() > SAFE_SPREAD
    found = torch.stack(network.forward_points(points, member, targets))
    stable = torch.stack(network.forward_points(points, member, targets, stable=True))
    assert torch.equal(found, stable)


def test_initial_weights_have_the_published_distributions() -> None:
    network = AttentiveNeuralProcess(784, generator=torch.Generator().manual_seed(0))
    hidden, output = network.x_encoder[0], network.x_encoder[-1]
    assert hidden.weight.abs().max().item() == pytest.approx(1 / math.sqrt(784), rel=0.01)
    assert output.weight.abs().max().item() == pytest.approx(math.sqrt(6 / 32), rel=0.01)
    last = network.xy_encoder[-1].weight
    assert last.abs().max().item() == pytest.approx(math.sqrt(6 / 64), rel=0.01)
    assert last.std().item() == pytest.approx(math.sqrt(6 / 64 / 3), rel=0.05)
    for part in (network.key, network.query, network.value):
        assert part.weight.std().item() == pytest.approx(math.sqrt(2 / 36), rel=0.1)
        assert part.weight.abs().max().item() > 0.6  # a normal, not a uniform distribution
    assert 0.1 < network.query.bias.abs().max().item() <= 1 / math.sqrt(32)
    for name, parameter in network.named_parameters():
        if name.endswith("bias") and name != "query.bias":
            assert not parameter.any()


def test_initialisation_uses_its_own_generator() -> None:
    before = torch.get_rng_state()
    first, second = (
        AttentiveNeuralProcess(4, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(before, torch.get_rng_state())
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    third = AttentiveNeuralProcess(4, generator=torch.Generator().manual_seed(4))
    assert not torch.equal(first.key.weight, third.key.weight)


def test_unusable_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="width=30"):
        AttentiveNeuralProcess(4, width=30)
    with pytest.raises(ValueError, match="n_features=0"):
        AttentiveNeuralProcess(0)
    with pytest.raises(ValueError, match="empty"):
        AttentiveNeuralProcess(4)(torch.zeros(1, 0, 4), torch.zeros(1, 3, 4))
