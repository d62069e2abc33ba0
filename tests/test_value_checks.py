"""Numbers that a user may give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lalbench import classifiers
from lalbench.errors import UserError
from lalbench.value_checks import is_count, is_number


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(1)])
def test_counts(value: Any) -> None:
    assert is_count(value)
    assert is_number(value)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, np.float64(2), "1", None, np.bool_(True)])
def test_what_is_no_count(value: Any) -> None:
    assert not is_count(value)


@pytest.mark.parametrize("value", [0, -2.5, np.float32(0.5), np.int64(-1)])
def test_numbers(value: Any) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "1", None, 1j, [1.0], 10**400])
def test_what_is_no_number(value: Any) -> None:
    assert not is_number(value)


def test_networks_take_numpy_counts_and_finite_weights() -> None:
    found = classifiers.get("small_cnn", epochs=np.int64(3))
    assert found.epochs == 3
    with pytest.raises(UserError, match="loss_weight"):
        classifiers.get("small_cnn", loss_head=True, loss_weight=float("inf"))
