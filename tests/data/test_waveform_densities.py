"""The true class probabilities of generated waveforms: against quadrature and against labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lalbench import data, strategies
from lalbench.config import DatasetSpec
from lalbench.data.generators import base_waves, waveform, waveform_log_densities
from lalbench.data.table import stacked
from lalbench.errors import UserError
from lalbench.problems import build_problem
from lalbench.trials import simulate_trial

SPEC = DatasetSpec(name="waveform_generator", options={"n": 3000})


def by_quadrature(X: np.ndarray, nodes: int = 40_001) -> np.ndarray:
    """(n, 3) log densities without the normal constant: the mean over the mixing share."""
    u = np.linspace(0, 1, nodes)[:, None]
    weights = np.full(nodes, 1 / (nodes - 1))
    weights[[0, -1]] /= 2
    found = np.empty((len(X), 3))
    for label, (a, b) in enumerate(base_waves()):
        centres = u * a + (1 - u) * b
        for i, x in enumerate(X):
            logs = -((x - centres) ** 2).sum(1) / 2
            found[i, label] = logs.max() + np.log(weights @ np.exp(logs - logs.max()))
    return found


def test_densities_are_integrals_over_the_mixing_share() -> None:
    rng = np.random.default_rng(0)
    first, second = base_waves()[1]
    near = first * 0.3 + second * 0.7 + rng.standard_normal((5, 21))
    far = rng.normal(0, 6, size=(20, 21))
    # beyond either end of the segment, where both probabilities of the difference are tiny
    beyond = second + np.outer([-4.0, 3.0, 9.0], first - second)
    X = np.concatenate([near, far, beyond])
    found, expected = waveform_log_densities(X), by_quadrature(X)
    np.testing.assert_allclose(
        found - found[:, [0]], expected - expected[:, [0]], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_calibrated(classes: int) -> None:
    options = {"n": 60_000, "seed": 3, "classes": classes, "standardise": True}
    table = waveform((), options)
    prior = [1 / 3] * 3 if classes == 3 else [2 / 3, 1 / 3]
    odds = table.log_densities + np.log(prior)
    posterior = np.exp(odds - odds.max(1, keepdims=True))
    posterior /= posterior.sum(1, keepdims=True)
    for label in range(classes):
        said, true = posterior[:, label], table.labels == label
        bins = np.minimum((said * 10).astype(int), 9)
        for place in range(10):
            inside = bins == place
            if inside.sum() < 200:
                continue
            error = 4 * np.sqrt(0.25 / inside.sum())
            assert abs(said[inside].mean() - true[inside].mean()) < error
    # the Bayes error of the three waveforms is about 14 % (Breiman et al. 1984)
    if classes == 3:
        assert 0.12 < (posterior.argmax(1) != table.labels).mean() < 0.15


@pytest.mark.parametrize("setting", ["balanced", "imbalanced", "imbalanced_weighted"])
def test_a_problem_has_the_class_ratio_of_its_setting(setting: str) -> None:
    problem = build_problem(
        DatasetSpec(name="waveform_generator", options={"n": 30_000}), setting, data_seed=1, seed=0
    )
    expected = np.bincount(problem.y, minlength=2) / len(problem.y)
    np.testing.assert_allclose(problem.posterior.sum(1), 1)
    np.testing.assert_allclose(problem.posterior.mean(0), expected, atol=0.01)
    loss = -np.log(problem.posterior[np.arange(len(problem.y)), problem.y]).mean()
    assert loss < 0.8 * -(expected * np.log(expected)).sum()


def test_they_survive_the_file_and_draws(tmp_path: Path) -> None:
    drawn = data.load(SPEC.model_copy(update={"draws": 2}))
    drawn.save(tmp_path / "set.npz")
    again = data.Dataset.load(tmp_path / "set.npz")
    assert np.array_equal(again.log_densities, drawn.log_densities)
    single = data.load(SPEC.model_copy(update={"options": {"n": 3000, "seed": 1}}))
    np.testing.assert_array_equal(again.drawn(1).log_densities, single.log_densities)
    assert replace(single, log_densities=None).source_hash != single.source_hash
    one = waveform((), {"n": 50, "seed": 0, "classes": 2, "standardise": True})
    assert stacked([replace(one, log_densities=None)]).log_densities is None
    for bad in (single.log_densities[:5], single.log_densities * np.nan):
        with pytest.raises(ValueError, match="log_densities"):
            replace(single, log_densities=bad)


def test_what_has_none_says_so() -> None:
    relabelled = SPEC.model_copy(
        update={"relabel": [[0], [1, 2]], "options": {"n": 900, "classes": 3}}
    )
    assert data.has_posterior(SPEC)
    assert not data.has_posterior(relabelled)
    problem = build_problem(relabelled, "balanced", data_seed=0, seed=0)
    with pytest.raises(UserError, match="true class probabilities"):
        _ = problem.posterior
    with pytest.raises(UserError, match="posterior_limit reads true class probabilities"):
        simulate_trial(problem, "logistic_regression", "posterior_limit", steps=1, budget=1)


def test_the_limit_is_look_ahead_with_the_true_probabilities() -> None:
    problem = build_problem(SPEC, "imbalanced", data_seed=2, seed=0)
    limit = strategies.get("posterior_limit", n_candidates=50)
    trial = simulate_trial(problem, "logistic_regression", limit, steps=2, budget=1)
    rows = [record["acquired"][0] for record in trial.records[1:]]
    details = [record["selection_details"] for record in trial.records[1:]]
    position = {int(row): place for place, row in enumerate(problem.row_ids)}
    for row, said in zip(rows, details, strict=True):
        expected = [round(p, 6) for p in problem.posterior[position[row]].tolist()]
        assert f'"expected_labels": [[{expected[0]}, {expected[1]}]]' in said
