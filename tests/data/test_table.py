"""Original labels become classes: sorted, or grouped as the study says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lalbench.data.table import Table, to_dataset
from lalbench.errors import UserError

LABELS = st.one_of(
    st.lists(st.integers(-20, 20), min_size=2),
    st.lists(st.booleans(), min_size=2),
    st.lists(st.text("ab1 é", max_size=3), min_size=2),
)


def table(labels: Any, **changes: Any) -> Table:
    labels = np.asarray(labels)
    X = np.arange(len(labels), dtype=np.float64)[:, None]
    return Table(X=X, labels=labels, feature_names=("row",), **changes)


@given(labels=LABELS)
def test_labels_are_mapped_in_sorted_order(labels: list[Any]) -> None:
    distinct = sorted(set(labels))
    if len(distinct) < 2:
        with pytest.raises(UserError, match="one class only"):
            to_dataset(table(labels), "toy", None, "toy")
        return
    dataset = to_dataset(table(labels), "toy", None, "toy")
    assert [distinct[k] for k in dataset.y] == labels
    assert dataset.class_names == tuple(str(label) for label in distinct)
    np.testing.assert_array_equal(dataset.X[:, 0], np.arange(len(labels)))


def test_numbers_are_sorted_by_value_and_text_as_text() -> None:
    assert to_dataset(table([10, 9, -1]), "t", None, "t").class_names == ("-1", "9", "10")
    assert to_dataset(table(["10", "9"]), "t", None, "t").class_names == ("10", "9")


@given(data=st.data())
def test_relabel_against_a_naive_loop(data: st.DataObject) -> None:
    labels = data.draw(st.permutations([*range(6), *data.draw(st.lists(st.integers(0, 5)))]))
    order = data.draw(st.permutations(range(6)))
    cuts = sorted(data.draw(st.sets(st.integers(1, 6), min_size=2, max_size=4)))
    groups = [order[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]
    mask = np.array([label % 2 == 0 for label in labels])

    dataset = to_dataset(table(labels, test_mask=mask), "toy", groups, "toy")

    rows, classes = [], []
    for row, label in enumerate(labels):
        for number, group in enumerate(groups):
            if label in group:
                rows.append(row)
                classes.append(number)
    assert dataset.y.tolist() == classes
    assert dataset.X[:, 0].tolist() == rows
    assert dataset.test_mask is not None
    assert dataset.test_mask.tolist() == mask[rows].tolist()
    assert dataset.class_names == tuple("+".join(map(str, sorted(group))) for group in groups)


def test_classes_go_by_label_or_by_name() -> None:
    named = table([0, 1, 2, 1], class_names=("setosa", "versicolor", "virginica"))
    by_name = to_dataset(named, "t", [["virginica"], ["setosa", "versicolor"]], "t")
    by_label = to_dataset(named, "t", [[2], [0, 1]], "t")
    assert by_name.y.tolist() == by_label.y.tolist() == [1, 1, 0, 1]
    assert by_name.class_names == by_label.class_names == ("virginica", "setosa+versicolor")
    assert to_dataset(named, "t", None, "t").class_names == ("setosa", "versicolor", "virginica")


@pytest.mark.parametrize(
    ("groups", "key", "problem"),
    [
        ([[1], [7]], "relabel[1]", '"7" is no label of my.csv; its labels are 1, 2, 3'),
        ([[1], ["two"]], "relabel[1]", '"two" is no label'),
        ([[1, 2]], "relabel", "1 group"),
        ([], "relabel", "0 group"),
        ([[1], []], "relabel[1]", "is empty"),
        ([[1], [2, 1]], "relabel", 'label "1" stands twice'),
        ([[1, "1"], [2]], "relabel", 'label "1" stands twice'),
    ],
)
def test_unusable_groups(groups: Any, key: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        to_dataset(table([1, 2, 3]), "toy", groups, "my.csv")
    assert caught.value.key == key
    assert problem in str(caught.value)


def test_one_class_under_two_names() -> None:
    named = table([0, 1, 2], class_names=("a", "b", "c"))
    with pytest.raises(UserError, match='"b" and "b" are the same class'):
        to_dataset(named, "t", [[1], ["b"]], "t")
