"""Class schemes: frequencies, weights and the rare class."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench.config import SETTINGS, SettingSpec
from lalbench.errors import UserError
from lalbench.problems.settings import (
    class_scheme,
    inverse_frequency_weights,
    resolve_setting,
)

factors = st.lists(
    st.floats(0.01, 1000, allow_nan=False).map(lambda f: round(f, 2)), min_size=2, max_size=12
)


def test_published_weights_are_exact():
    scheme = class_scheme(SETTINGS["imbalanced"], [1] * 2)
    assert scheme.class_weights.tolist() == [20 / 11, 2 / 11]
    assert scheme.fit_weights is None
    assert scheme.rare_class == 0
    ten = class_scheme(SETTINGS["imbalanced_weighted"], [1] * 10)
    assert ten.class_weights.tolist() == [20 / 11, 2 / 11] * 5
    assert ten.fit_weights is not None
    assert ten.fit_weights.tolist() == ten.class_weights.tolist()
    assert class_scheme(SETTINGS["balanced"], [1] * 3).class_weights.tolist() == [1.0, 1.0, 1.0]


def test_frequencies_repeat_cyclically_and_mean_what_was_typed():
    scheme = class_scheme(SettingSpec(name="s", frequencies=[0.1, 0.3]), [1] * 5)
    tenth, three = Fraction(1, 10), Fraction(3, 10)
    assert scheme.frequencies == (tenth, three, tenth, three, tenth)


@given(factors)
def test_weights_have_mean_one_and_balance_the_classes(frequencies):
    weights = inverse_frequency_weights(frequencies)
    assert np.mean(weights) == pytest.approx(1, rel=1e-12)
    shares = weights * np.array(frequencies)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-12)


@given(factors, st.randoms(use_true_random=False))
def test_permuting_the_factors_permutes_the_weights(frequencies, rnd):
    order = list(range(len(frequencies)))
    rnd.shuffle(order)
    permuted = inverse_frequency_weights([frequencies[i] for i in order])
    assert permuted.tolist() == inverse_frequency_weights(frequencies)[order].tolist()


@given(factors)
def test_the_scale_of_the_factors_does_not_matter(frequencies):
    exact = [Fraction(repr(f)) for f in frequencies]
    scaled = inverse_frequency_weights([7 * f for f in exact])
    assert scaled.tolist() == inverse_frequency_weights(exact).tolist()


def test_a_setting_of_the_users_own():
    spec = SettingSpec(
        name="mine",
        frequencies=[10.0, 1.0, 2.0],
        score_weights=[1.0, 5.0, 0.0],
        fit_weights=[1.0, 2.0, 3.0],
        rare_class=2,
    )
    scheme = class_scheme(spec, [1] * 3)
    assert scheme.class_weights.tolist() == [1, 5, 0]
    assert scheme.fit_weights is not None
    assert scheme.fit_weights.tolist() == [1, 2, 3]
    assert scheme.rare_class == 2


def test_rare_class_is_the_first_with_the_smallest_factor():
    assert class_scheme(SettingSpec(name="s", frequencies=[3.0, 1.0, 1.0]), [1] * 3).rare_class == 1
    assert class_scheme(SettingSpec(name="s", score_weights="none"), [1] * 3).rare_class == 0
    none = class_scheme(
        SettingSpec(name="s", frequencies=[1.0, 9.0], score_weights="none"), [1] * 2
    )
    assert none.class_weights.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"frequencies": [1.0, 2.0, 3.0]}, "settings.s.frequencies"),
        ({"score_weights": [1.0]}, "settings.s.score_weights"),
        ({"fit_weights": [1.0, 2.0, 3.0]}, "settings.s.fit_weights"),
        ({"rare_class": 2}, "settings.s.rare_class"),
    ],
)
def test_what_does_not_fit_two_classes_is_refused(changes, key):
    with pytest.raises(UserError) as caught:
        class_scheme(SettingSpec(name="s", **changes), [1] * 2)
    assert caught.value.key == key


@pytest.mark.parametrize(
    "changes",
    [
        {"frequencies": [0.0, 1.0]},
        {"frequencies": [float("nan"), 1.0]},
        {"score_weights": [-1.0, 1.0]},
        {"fit_weights": [0.0, 0.0]},
    ],
)
def test_numbers_that_are_no_weights_are_refused_even_unvalidated(changes):
    spec = SettingSpec(name="s").model_copy(update=changes)
    with pytest.raises(UserError) as caught:
        class_scheme(spec, [1] * 2)
    assert next(iter(changes)) in caught.value.key


def test_unknown_setting_suggests_the_closest():
    with pytest.raises(UserError, match='unknown setting "balancd"; did you mean "balanced"'):
        resolve_setting("balancd")
    own = SettingSpec(name="own")
    assert resolve_setting(own) is own


def test_natural_frequencies_are_those_of_the_data() -> None:
    spec = SettingSpec(name="s", frequencies="natural")
    scheme = class_scheme(spec, [30, 10, 60])
    assert [int(factor) for factor in scheme.frequencies] == [30, 10, 60]
    assert scheme.rare_class == 1
    inverse = np.array([1 / 30, 1 / 10, 1 / 60])
    assert np.allclose(scheme.class_weights, inverse / inverse.mean())
    assert class_scheme(SETTINGS["natural"], [3, 1]).class_weights.tolist() == [1.0, 1.0]
