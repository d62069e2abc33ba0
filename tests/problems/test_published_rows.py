"""Published rows and counts of the data sets of the paper (needs the data files)."""

from __future__ import annotations

import numpy as np
import pytest

from lalbench import data
from lalbench.problems import build_problem

ORDER = ("test", "reward", "annotated", "pool")
# data seed 42, run seed 42: first five zero-based rows of kept, test, reward, annotated, pool
GOLDEN = {
    ("waveform", "balanced"): (
        (3909, 666, 158, 4531, 1641),
        (1816, 472, 257, 487, 3599),
        (174, 1950, 414, 1287, 2834),
        (3443, 643, 1925, 56, 40),
        (4225, 4049, 641, 3449, 2922),
    ),
    ("waveform", "imbalanced"): (
        (3909, 666, 158, 4531, 1641),
        (3497, 4078, 538, 2994, 2512),
        (1053, 902, 3689, 4929, 3411),
        (1866, 1442, 2370, 1313, 1490),
        (61, 24, 1300, 1593, 4697),
    ),
    ("mushrooms", "balanced"): (
        (1015, 230, 2520, 2260, 2070),
        (2132, 3584, 5178, 2799, 6188),
        (6766, 6691, 6929, 2129, 2938),
        (7708, 3306, 4376, 4864, 774),
        (293, 1693, 7970, 7998, 160),
    ),
    ("mushrooms", "imbalanced"): (
        (1015, 230, 2520, 2260, 2070),
        (5340, 4829, 6534, 1243, 908),
        (6548, 1506, 6653, 5532, 5273),
        (7160, 6064, 5685, 6273, 6724),
        (6024, 6622, 4840, 3858, 5929),
    ),
    ("adult", "balanced"): (
        (290, 61, 743, 655, 591),
        (1292, 1380, 1203, 365, 1221),
        (1167, 679, 701, 543, 994),
        (1525, 1546, 872, 526, 70),
        (1191, 747, 167, 1348, 1555),
    ),
    ("adult", "imbalanced"): (
        (290, 61, 743, 655, 591),
        (966, 1403, 1368, 758, 1152),
        (58, 968, 1363, 716, 1383),
        (199, 1518, 266, 999, 847),
        (690, 1557, 1250, 590, 192),
    ),
}
# rows of class 0 and 1: kept, test, reward, annotated, pool
COUNTS = {
    ("waveform", "balanced"): ((1647, 1647), (100, 100), (50, 50), (50, 50), (1447, 1447)),
    ("waveform", "imbalanced"): ((164, 1647), (18, 182), (9, 91), (9, 91), (128, 1283)),
    ("mushrooms", "balanced"): ((3916, 3916), (100, 100), (50, 50), (50, 50), (3716, 3716)),
    ("mushrooms", "imbalanced"): ((391, 3916), (18, 182), (9, 91), (9, 91), (355, 3552)),
    ("adult", "balanced"): ((395, 395), (100, 100), (50, 50), (50, 50), (195, 195)),
    ("adult", "imbalanced"): ((39, 395), (18, 182), (9, 91), (9, 91), (3, 31)),
}
MNIST_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
FASHION_TRAIN, FASHION_TEST = (6000,) * 10, (1000,) * 10


@pytest.fixture(scope="module")
def load(mirror):
    tables = {}

    def load(name):
        if name not in tables:
            tables[name] = data.load(name, mirrors=[str(mirror)])
        return tables[name]

    return load


@pytest.mark.parametrize(("name", "setting"), GOLDEN)
def test_published_rows(load, name, setting):
    problem = build_problem(load(name), setting, data_seed=42, seed=42, protocol="published")
    found = [problem.row_ids, *(problem.row_ids[getattr(problem, part)] for part in ORDER)]
    assert tuple(tuple(rows[:5].tolist()) for rows in found) == GOLDEN[name, setting]


@pytest.mark.parametrize("protocol", ["clean", "published"])
@pytest.mark.parametrize("seeds", [(42, 42), (43, 44)])
@pytest.mark.parametrize(("name", "setting"), COUNTS)
def test_class_counts_of_every_part(load, name, setting, seeds, protocol):
    problem = build_problem(
        load(name), setting, data_seed=seeds[0], seed=seeds[1], protocol=protocol
    )
    found = [np.bincount(problem.y), *(problem.class_counts(part) for part in ORDER)]
    assert tuple(tuple(counts.tolist()) for counts in found) == COUNTS[name, setting]


def test_weighted_setting_has_the_same_rows(load):
    plain, weighted = (
        build_problem(load("adult"), setting, data_seed=42, seed=43, protocol="published")
        for setting in ("imbalanced", "imbalanced_weighted")
    )
    assert plain.split_hash == weighted.split_hash
    assert plain.fit_weights is None
    assert weighted.fit_weights.tolist() == [20 / 11, 2 / 11]


def test_adult_imbalanced_is_flagged_and_can_be_turned_round(load):
    problem = build_problem(load("adult"), "imbalanced", data_seed=42, seed=42)
    assert "the pool set holds only 3 points" in problem.warnings[0]
    assert "naturally the most frequent one, 1210 of 1605 rows" in problem.warnings[0]


def test_duplicates_of_adult_are_counted(load):
    table = load("adult")
    rows = np.column_stack([table.X, table.y])
    assert len(rows) - len(np.unique(rows, axis=0)) == 33
    problem = build_problem(table, "balanced", data_seed=42, seed=42, protocol="published")
    naive = 0
    part_of = {int(r): part for part in ORDER for r in problem.row_ids[getattr(problem, part)]}
    for row, part in part_of.items():
        twins = np.flatnonzero((rows == rows[row]).all(axis=1))
        naive += any(part_of.get(int(twin), part) != part for twin in twins)
    assert problem.n_shared_rows == naive > 0


@pytest.mark.parametrize("protocol", ["clean", "published"])
@pytest.mark.parametrize(
    ("train", "test", "setting", "annotated", "reward", "n_test", "n_pool"),
    [
        (MNIST_TRAIN, MNIST_TEST, "balanced", 100, 100, 200, 54010),
        (MNIST_TRAIN, MNIST_TEST, "imbalanced", 100, 100, 200, 29615),
    ],
)
def test_pools_of_the_image_sets(
    make_dataset, protocol, train, test, setting, annotated, reward, n_test, n_pool
):
    problem = build_problem(
        make_dataset(train, test, n_features=1),
        setting,
        data_seed=42,
        seed=42,
        protocol=protocol,
        sizes={"test": n_test, "reward": reward, "annotated": annotated},
    )
    assert len(problem.pool) == n_pool
    rare, common = (1, 1) if setting == "balanced" else (1, 10)
    ideal = np.array([rare, common] * 5) / (5 * (rare + common))
    for part, size in (("test", n_test), ("annotated", annotated), ("reward", reward)):
        np.testing.assert_allclose(problem.class_counts(part), ideal * size, atol=2)
    assert problem.class_weights.tolist() == (
        [1.0] * 10 if setting == "balanced" else [20 / 11, 2 / 11] * 5
    )


def test_mnist_as_published(load):
    table = load("mnist")
    problem = build_problem(table, "imbalanced", data_seed=42, seed=42, protocol="published")
    assert len(problem.pool) == 29615
    assert table.test_mask[problem.row_ids[problem.test]].all()
    kept = problem.row_ids[~table.test_mask[problem.row_ids]]
    # bit for bit what the authors' matrix of float64 gives
    X = table.features(kept)
    assert X.shape == (29815, 784)
    assert problem.scaler.mean == X.mean()
    assert problem.scaler.scale == X.std()
    expected = (X[:500] - X.mean()) / X.std()
    assert problem.X[:500].tobytes() == expected.tobytes()
