"""What users hand over: types that are taken, and one sentence for those that are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lalbench.errors import UserError
from lalbench.user_arrays import class_names, matrix, numbered, weights, whole_number


@pytest.mark.parametrize(
    "X",
    [
        [[1, 2], [3, 4]],
        [["1", "2"], ["3", "4"]],
        pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
        np.array([[1, 2], [3, 4]], dtype=object),
    ],
)
def test_rows_of_numbers(X: Any) -> None:
    rows = matrix("X", X)
    assert rows.dtype == np.float64
    assert rows.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("X", "words"),
    [
        ([["r", "g"]], "row 0, column 0 is 'r', no number"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "row 0, column 1 is 'x', no number"),
        ([[1, 2], [3]], "rows of different lengths"),
        ([[1, 2], [3, None]], "row 1, column 1 is nan; give finite numbers"),
        ([[1, 2], [np.inf, 3]], "row 1, column 0 is inf"),
        ([[1, 2], [3, -1e308]], r"row 1, column 1 is -1e\+308, too large to be squared; rescale"),
        ([1, 2], r"shape \(2,\); give \(n, d\) rows"),
        ([], r"shape \(0,\)"),
        (np.zeros((3, 0)), r"shape \(3, 0\)"),
        (None, r"shape \(\)"),
        ([[1j]], "complex numbers; give real numbers"),
        (sparse.csr_matrix(np.eye(2)), "a sparse matrix; give its toarray"),
    ],
)
def test_rows_that_are_none(X: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"X: {words}"):
        matrix("X", X)


def test_a_pool_may_be_empty() -> None:
    assert matrix("X_pool", np.zeros((0, 3)), 3).shape == (0, 3)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=2).filter(lambda y: len(set(y)) > 1))
def test_numbers_stand_for_sorted_labels(y: list[str]) -> None:
    known = class_names(y, None)
    assert known == sorted(set(y))
    assert [known[number] for number in numbered("y", y, len(y), known)] == y


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["no", "yes"]),
        pd.Categorical(["no", "yes"]),
        [0, 1],
        [0.5, 1.5],
        [False, True],
        np.array([3, 7]),
        np.array(["no", "yes"], dtype=object),
    ],
)
def test_labels_of_many_types(y: Any) -> None:
    assert numbered("y", y, 2, class_names(y, None)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (["a", None], "label 1 is missing .None.; leave points without a label"),
        ([0.0, float("nan")], "label 1 is missing .nan."),
        (pd.Series(["a", np.nan]), "label 1 is missing"),
        (["a", 1], "labels of different types .'a' and 1.; give all of one type"),
    ],
)
def test_labels_that_are_none(y: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"y: {words}"):
        class_names(y, None)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["a", "b", "a"], "'a' stands twice"),
        (["a"], "name two or more"),
        ("ab", "give a list of labels"),
        (["a", 1], "labels of different types"),
    ],
)
def test_classes_that_are_none(classes: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"classes: .*{words}"):
        class_names((), classes)


def test_whole_numbers() -> None:
    assert whole_number("budget", np.int64(3), 1) == 3
    for wrong in (0, 1.0, True, "1", None):
        with pytest.raises(UserError, match="budget: cannot use"):
            whole_number("budget", wrong, 1)


@pytest.mark.parametrize("given", [[0, 0], {"a": 0, "b": 0.0}, [-0.0, 0]])
def test_weights_must_weigh_something(given: Any) -> None:
    words = "class_weights: all weights are 0; give a positive one to one of a, b"
    with pytest.raises(UserError, match=words):
        weights("class_weights", given, ["a", "b"])
    found = weights("class_weights", [0, 1], ["a", "b"])
    assert found is not None
    assert found.tolist() == [0.0, 1.0]
