"""Breiman's waveforms: moments in closed form, and the UCI file as witness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.data.generators import CENTRES, base_waves
from lalbench.errors import UserError


def generate(**options: Any) -> Dataset:
    return data.load(DatasetSpec(name="waveform_generator", options=options))


def test_base_waves_are_triangles_of_height_six() -> None:
    waves = base_waves()
    for label, centres in enumerate(CENTRES):
        for side, centre in enumerate(centres):
            wave = waves[label, side]
            assert wave[centre - 1] == 6
            assert wave.sum() == 36  # 6 + 2·(5 + 4 + 3 + 2 + 1): the whole triangle is on 1 … 21
            np.testing.assert_array_equal(np.abs(np.diff(wave)) <= 1, True)


def test_moments_of_every_class() -> None:
    # x = b + u·(a - b) + ε, u ~ U(0, 1): mean (a + b)/2, covariance (a - b)(a - b)ᵀ/12 + I
    dataset = generate(n=120_000, seed=1, classes=3, standardise=False)
    for label in range(3):
        rows = dataset.X[dataset.y == label]
        a, b = base_waves()[label]
        covariance = np.outer(a - b, a - b) / 12 + np.eye(21)
        error = np.sqrt(np.diag(covariance) / len(rows))
        np.testing.assert_array_less(np.abs(rows.mean(axis=0) - (a + b) / 2), 5 * error)
        # 441 entries: five standard errors of a covariance, at most sqrt(2)·largest variance
        bound = 5 * np.sqrt(2 / len(rows)) * np.diag(covariance).max()
        assert np.abs(np.cov(rows.T) - covariance).max() < bound
    shares = np.bincount(dataset.y) / len(dataset.y)
    assert np.abs(shares - 1 / 3).max() < 5 * np.sqrt(2 / 9 / len(dataset.y))


def test_agrees_with_the_uci_file(mirror: Path) -> None:
    real = np.loadtxt(mirror / "uci" / "waveform.data", delimiter=",", skiprows=1)
    for label in range(3):
        rows = real[real[:, -1] == label, :21]
        a, b = base_waves()[label]
        error = np.sqrt(((a - b) ** 2 / 12 + 1) / len(rows))
        np.testing.assert_array_less(np.abs(rows.mean(axis=0) - (a + b) / 2), 5 * error)


def test_two_classes_are_one_against_the_others() -> None:
    three, two = (generate(n=500, seed=3, classes=n, standardise=False) for n in (3, 2))
    np.testing.assert_array_equal(two.X, three.X)
    np.testing.assert_array_equal(two.y, three.y == 1)
    assert two.class_names == ("0 or 2", "1")
    assert three.class_names == ("0", "1", "2")
    assert generate(n=500, seed=3).class_names == two.class_names


def test_standardised_columns() -> None:
    X = generate(n=300).X
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(X.std(axis=0, ddof=1), 1, rtol=1e-13)
    raw = generate(n=300, standardise=False).X
    np.testing.assert_allclose((raw - raw.mean(0)) / raw.std(0, ddof=1), X, rtol=1e-12, atol=1e-12)


def test_the_seed_alone_decides() -> None:
    assert generate(n=50, seed=0).source_hash == generate(n=50).source_hash
    hashes = {generate(n=50, seed=seed).source_hash for seed in range(5)}
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"n": 2}, "options.n"),
        ({"n": 2.5}, "options.n"),
        ({"n": "many"}, "options.n"),
        ({"n": True}, "options.n"),
        ({"n": 10**9}, "options.n"),
        ({"seed": -1}, "options.seed"),
        ({"classes": 4}, "options.classes"),
        ({"standardise": 1}, "options.standardise"),
        ({"standardize": True}, "options"),
        ({"n": 3, "classes": 3, "seed": 1}, "options.n"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError) as caught:
        generate(**options)
    assert caught.value.key == key


def test_too_few_rows_for_every_class_are_told() -> None:
    with pytest.raises(UserError, match=r"options\.n: 3 rows leave a class empty; generate more"):
        generate(n=3, classes=3, seed=1)


def test_a_misspelt_option_gets_a_hint() -> None:
    with pytest.raises(UserError, match='did you mean "standardise"'):
        generate(standardize=True)
