"""Problems as a whole: both protocols on small tables."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from lalbench.config import DatasetSpec, ObjectiveSpec, SettingSpec, Sizes
from lalbench.data.dataset import Dataset
from lalbench.errors import UserError
from lalbench.problems import PARTS, build_problem
from lalbench.protocols import CLEAN, PUBLISHED
from lalbench.seeds import PublishedGenerator

SMALL = Sizes(test=40, reward=20, annotated=20)


def ids(problem, part):
    return problem.row_ids[getattr(problem, part)].tolist()


def test_published_is_the_released_procedure_on_any_table(make_dataset):
    table = make_dataset([150, 260, 90])
    problem = build_problem(
        table, "imbalanced", data_seed=7, seed=8, protocol="published", sizes=SMALL
    )
    # wanted: 260 * (0.1, 1, 0.1), and every class has that many
    generator, kept = random.Random(8), []
    for label, count in enumerate((26, 260, 26)):
        rows = np.flatnonzero(table.y == label).tolist()
        kept += generator.sample(rows, len(rows))[:count]
    assert problem.row_ids.tolist() == kept
    X, y = table.X[kept], table.y[kept]
    X = (X - X.mean()) / X.std()
    X, X_test, y, y_test = train_test_split(X, y, test_size=40, random_state=7, stratify=y)
    X, X_reward, y, y_reward = train_test_split(X, y, test_size=20, random_state=7, stratify=y)
    X_annotated, X_pool, y_annotated, y_pool = train_test_split(
        X, y, train_size=20, random_state=7, stratify=y
    )
    assert np.array_equal(problem.X_test, X_test)
    assert np.array_equal(problem.X_reward, X_reward)
    assert np.array_equal(problem.X_annotated, X_annotated)
    assert np.array_equal(problem.X_pool, X_pool)
    assert np.array_equal(problem.y_test, y_test)
    assert np.array_equal(problem.y_reward, y_reward)
    assert np.array_equal(problem.y_annotated, y_annotated)
    assert np.array_equal(problem.y[problem.pool], y_pool)
    going_on = PublishedGenerator(8, problem.python_random_state).python_legacy
    assert going_on.getstate() == generator.getstate()


def test_published_with_a_given_test_partition(make_dataset):
    table = make_dataset([150, 130], [90, 80])
    problem = build_problem(
        table, "imbalanced", data_seed=1, seed=2, protocol="published", sizes=SMALL
    )
    generator, partitions = random.Random(2), []
    for mask, counts in ((~table.test_mask, (13, 130)), (table.test_mask, (8, 80))):
        kept = []
        for label, count in enumerate(counts):
            rows = np.flatnonzero(mask & (table.y == label)).tolist()
            kept += generator.sample(rows, len(rows))[:count]
        partitions.append(kept)
    train, test = partitions
    test_rows = train_test_split(test, test_size=40, random_state=1, stratify=table.y[test])[1]
    assert ids(problem, "test") == test_rows
    rest = [row for part in ("annotated", "pool", "reward") for row in ids(problem, part)]
    assert sorted(rest) == sorted(train)
    assert problem.row_ids.tolist() == train + [row for row in test if row in test_rows]
    # one mean and one deviation over the surviving train partition, reward rows included
    assert problem.scaler.mean == table.X[train].mean()
    assert problem.scaler.scale == table.X[train].std()
    assert np.array_equal(
        problem.X_test, (table.X[test_rows] - table.X[train].mean()) / table.X[train].std()
    )


@pytest.mark.parametrize("test_counts", [(), (120, 100)])
@pytest.mark.parametrize("protocol", ["clean", "published"])
@settings(max_examples=15, deadline=None)
@given(
    data_seed=st.integers(0, 2**32 - 1),
    seed=st.integers(0, 2**32 - 1),
    frequencies=st.sampled_from([[1.0], [1.0, 3.0], [2.0, 1.0]]),
    pool=st.sampled_from([None, 30]),
)
def test_parts_are_disjoint_and_cover_the_rows_in_use(
    make_dataset, protocol, test_counts, data_seed, seed, frequencies, pool
):
    table = make_dataset([300, 200], test_counts)
    problem = build_problem(
        table,
        SettingSpec(name="s", frequencies=frequencies),
        data_seed=data_seed,
        seed=seed,
        protocol=protocol,
        sizes=SMALL.model_copy(update={"pool": pool}),
    )
    positions = np.concatenate([getattr(problem, part) for part in PARTS])
    assert sorted(positions) == list(range(len(problem.y)))
    assert len(set(problem.row_ids.tolist())) == len(problem.row_ids)
    assert np.array_equal(problem.y, table.y[problem.row_ids])
    for part, size in (("test", 40), ("reward", 20), ("annotated", 20)):
        assert len(getattr(problem, part)) == size
    used = np.bincount(problem.y) / problem.frequencies
    if pool is None and not test_counts:
        assert abs(used[0] - used[1]) <= 1 / problem.frequencies.min()
    if test_counts:
        assert table.test_mask[ids(problem, "test")].all()
        assert not table.test_mask[ids(problem, "pool")].any()


def test_clean_never_looks_at_the_run_seed(make_dataset):
    table = make_dataset([300, 200])
    first, other = (
        build_problem(table, "imbalanced", data_seed=5, seed=seed, sizes=SMALL) for seed in (0, 99)
    )
    assert first.split_hash == other.split_hash
    assert np.array_equal(first.row_ids, other.row_ids)
    assert np.array_equal(first.X, other.X)
    assert first.python_random_state is None


def test_published_split_depends_on_both_seeds(make_dataset):
    table = make_dataset([300, 200])
    hashes = {
        build_problem(
            table, "balanced", data_seed=a, seed=b, protocol="published", sizes=SMALL
        ).split_hash
        for a in (0, 1)
        for b in (0, 1)
    }
    assert len(hashes) == 4


def test_clean_depends_on_data_seed_and_study_seed(make_dataset):
    table = make_dataset([300, 200])
    hashes = {
        build_problem(table, "balanced", data_seed=a, seed=0, study_seed=b, sizes=SMALL).split_hash
        for a in (0, 1)
        for b in (0, 1)
    }
    assert len(hashes) == 4


def test_clean_split_is_pinned(make_dataset):
    # Guards the promise that an archived study can be rebuilt from its seeds.
    problem = build_problem(
        make_dataset([300, 200]), "imbalanced", data_seed=1, seed=2, study_seed=3, sizes=SMALL
    )
    assert ids(problem, "annotated")[:8] == [50, 413, 187, 495, 249, 309, 448, 460]
    assert problem.split_hash == (
        "a00ada8d04a86f6a8ac09beac100b8b98d268b6c542af2cb1d38268b6ee12b64"
    )


def _with_features(table, X):
    return dataclasses.replace(table, X=X)


def test_clean_scaler_sees_annotated_and_pool_rows_alone(make_dataset):
    table = make_dataset([300, 200])
    problem = build_problem(table, "imbalanced", data_seed=5, seed=0, sizes=SMALL)
    seen = ids(problem, "annotated") + ids(problem, "pool")
    np.testing.assert_allclose(problem.scaler.mean, table.X[seen].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(problem.scaler.scale, table.X[seen].std(axis=0), rtol=1e-12)
    for part in ("test", "reward"):
        X = table.X.copy()
        X[ids(problem, part)] = 1e6
        changed = build_problem(
            _with_features(table, X), "imbalanced", data_seed=5, seed=0, sizes=SMALL
        )
        assert np.array_equal(changed.scaler.mean, problem.scaler.mean)
        assert np.array_equal(changed.scaler.scale, problem.scaler.scale)
        assert np.array_equal(changed.X_pool, problem.X_pool)
        assert not np.array_equal(changed.X, problem.X)


def test_published_scaler_sees_the_test_rows_too(make_dataset):
    table = make_dataset([300, 200])
    keys = {"data_seed": 5, "seed": 0, "sizes": SMALL, "protocol": "published"}
    problem = build_problem(table, "imbalanced", **keys)
    X = table.X.copy()
    X[ids(problem, "test")] = 1e6
    changed = build_problem(_with_features(table, X), "imbalanced", **keys)
    assert changed.scaler.mean > problem.scaler.mean


def test_options_are_read_one_by_one_not_by_protocol_name(make_dataset):
    table = make_dataset([300, 200])
    mixed = dataclasses.replace(CLEAN, name="mixed", imbalancing="run_seed_legacy")
    keys = {"data_seed": 5, "seed": 1, "sizes": SMALL}
    problem = build_problem(table, "imbalanced", protocol=mixed, **keys)
    published = build_problem(table, "imbalanced", protocol=PUBLISHED, **keys)
    assert problem.protocol == "mixed"
    assert problem.row_ids.tolist() == published.row_ids.tolist()
    assert problem.scaler.mean.shape == (3,)
    assert published.scaler.mean.shape == ()
    assert problem.split_hash != published.split_hash


def test_weights_settings_and_names_reach_the_problem(make_dataset):
    setting = SettingSpec(
        name="mine", frequencies=[5.0, 1.0], fit_weights=[1.0, 3.0], score_weights="none"
    )
    problem = build_problem(
        make_dataset([300, 200]), setting, data_seed=1, seed=2, sizes=SMALL, objective="macro_f1"
    )
    assert (problem.dataset, problem.setting, problem.protocol) == ("table", "mine", "clean")
    assert problem.objective == ObjectiveSpec(name="macro_f1")
    assert problem.class_weights.tolist() == [1, 1]
    assert problem.fit_weights.tolist() == [1, 3]
    assert problem.rare_class == 1
    assert problem.n_classes == 2
    assert problem.class_counts("annotated").tolist() == [17, 3]
    assert (problem.X.dtype, problem.y.dtype, problem.pool.dtype) == (
        np.float64,
        np.int64,
        np.int64,
    )
    with pytest.raises(ValueError, match="read-only"):
        problem.X[0, 0] = 0


def test_sizes_come_from_the_call_then_the_specification(make_dataset, monkeypatch):
    table = make_dataset([300, 200])
    seen = []

    def load(spec, mirrors):
        seen.append(mirrors)
        return table

    monkeypatch.setattr("lalbench.data.load", load)
    spec = DatasetSpec(name="table", label="mine", sizes=Sizes(test=30, reward=20, annotated=10))
    problem = build_problem(spec, "balanced", data_seed=0, seed=0, mirror="a")
    assert [len(getattr(problem, part)) for part in ("test", "reward", "annotated")] == [30, 20, 10]
    assert problem.dataset == "mine"
    problem = build_problem(
        "table", "balanced", data_seed=0, seed=0, mirror=["a", "b"], sizes={"test": 50}
    )
    assert [len(getattr(problem, part)) for part in PARTS] == [100, 150, 100, 50]
    build_problem("table", "balanced", data_seed=0, seed=0, sizes=SMALL)
    assert seen == [["a"], ["a", "b"], []]


@pytest.mark.parametrize("protocol", ["clean", "published"])
def test_all_labels_annotates_the_reward_set_of_the_same_split(make_dataset, protocol):
    options = {"data_seed": 3, "seed": 4, "protocol": protocol, "sizes": SMALL}
    dataset = make_dataset([300, 200])
    apart = build_problem(dataset, "imbalanced", **options)
    every = build_problem(dataset, "imbalanced", labels="all_labels", **options)
    assert len(apart.reward)
    assert len(every.reward) == 0
    joined = np.concatenate([apart.row_ids[apart.annotated], apart.row_ids[apart.reward]])
    np.testing.assert_array_equal(every.row_ids[every.annotated], joined)
    for part in ("pool", "test"):
        one, other = getattr(apart, part), getattr(every, part)
        np.testing.assert_array_equal(apart.row_ids[one], every.row_ids[other])
    assert every.split_hash != apart.split_hash


def test_few_rare_points_are_flagged(make_dataset):
    sizes = Sizes(test=40, reward=20, annotated=20)
    problem = build_problem(
        make_dataset([300, 100]), "imbalanced", data_seed=0, seed=0, sizes=sizes
    )
    assert problem.class_counts("pool").tolist() == [2, 28]
    assert problem.warnings == (
        'the pool set holds only 2 points of the rare class "c0" (naturally the most frequent one, '
        "300 of 400 rows)",
        'the test set holds only 4 points of the rare class "c0" (naturally the most frequent one, '
        "300 of 400 rows)",
    )
    minority = build_problem(
        make_dataset([30, 300]),
        "imbalanced",
        data_seed=0,
        seed=0,
        sizes=Sizes(test=200, reward=50, annotated=50),
    )
    assert minority.warnings == ('the pool set holds only 3 points of the rare class "c0"',)
    milder = SettingSpec(name="milder", frequencies=[1.0, 2.0])
    problem = build_problem(make_dataset([300, 300]), milder, data_seed=0, seed=0, sizes=sizes)
    assert problem.warnings == ()


def test_a_reward_set_without_a_class_is_flagged(make_dataset):
    setting = SettingSpec(name="s", frequencies=[1.0, 20.0])
    problem = build_problem(
        make_dataset([40, 800]),
        setting,
        data_seed=0,
        seed=0,
        sizes=Sizes(test=200, reward=4, annotated=100),
    )
    assert problem.class_counts("reward").tolist() == [0, 4]
    assert problem.warnings == ('the reward set holds no point of class "c0"',)


@pytest.mark.parametrize("protocol", ["clean", "published"])
def test_copies_across_the_parts_are_counted(make_dataset, protocol):
    table = make_dataset([200, 200], n_features=1)
    X = np.round(table.X)  # many equal rows
    problem = build_problem(
        _with_features(table, X), "balanced", data_seed=0, seed=0, sizes=SMALL, protocol=protocol
    )
    where = {}
    for part in PARTS:
        for row in ids(problem, part):
            where.setdefault((float(X[row, 0]), int(table.y[row])), []).append(part)
    naive = sum(len(parts) for parts in where.values() if len(set(parts)) > 1)
    assert problem.n_shared_rows == naive > 100
    assert problem.warnings[-1].startswith(f"{naive} rows have an exact copy in another")
    assert build_problem(table, "balanced", data_seed=0, seed=0, sizes=SMALL).n_shared_rows == 0


@pytest.mark.parametrize(
    ("counts", "test_counts", "changes", "key", "words"),
    [
        ((50, 50), (), {}, "table, balanced: sizes", "401 rows are wanted, but only 100"),
        ((300, 0), (), {}, "table", 'no row of class "c1"'),
        ((300, 300), (10, 0), {}, "table", 'no row of class "c1" in the test partition'),
        ((300,), (), {}, "table", "1 class"),
        ((300, 300), (), {"setting": "imbalance"}, "setting", 'did you mean "imbalanced"'),
        ((300, 300), (), {"protocol": "cleen"}, "protocol", 'did you mean "clean"'),
        ((300, 300), (), {"data_seed": -1}, "data_seed", "-1 is no seed"),
        ((300, 300), (), {"seed": 1.5}, "seed", "1.5 is no seed"),
        ((300, 300), (), {"study_seed": 2**32}, "study_seed", "is no seed"),
        ((300, 300), (), {"sizes": {"test": 1}}, "table, balanced: sizes.test", "1 does not fit"),
        ((300, 300), (), {"sizes": {"tset": 9}}, "table, balanced: sizes.tset", "9 does not fit"),
        ((300, 300), (), {"objective": "a b"}, "objective.name", "'a b' does not fit"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    make_dataset, counts, test_counts, changes, key, words
):
    arguments = {"setting": "balanced", "data_seed": 0, "seed": 0, **changes}
    with pytest.raises(UserError, match=words) as caught:
        build_problem(make_dataset(counts, test_counts), **arguments)
    assert caught.value.key == key
    assert caught.value.remedy


def test_frequencies_that_leave_no_row_of_a_class(make_dataset):
    setting = SettingSpec(name="s", frequencies=[1.0, 1000.0])
    with pytest.raises(UserError, match='no row of class "c0" survives') as caught:
        build_problem(make_dataset([300, 300]), setting, data_seed=0, seed=0)
    assert caught.value.key == "table, s: frequencies"


@pytest.mark.parametrize("protocol", ["clean", "published"])
@pytest.mark.parametrize("test_counts", [(), (30, 90)])
def test_natural_frequencies_drop_no_row(
    make_dataset: Callable[..., Dataset], protocol: str, test_counts: tuple[int, ...]
) -> None:
    source = make_dataset((40, 160), test_counts)
    sizes = {"test": "all" if test_counts else 50, "reward": 20, "annotated": 10}
    made = build_problem(source, "natural", data_seed=1, seed=2, protocol=protocol, sizes=sizes)
    parts = [made.annotated, made.pool, made.reward, made.test]
    used = np.concatenate([made.row_ids[part] for part in parts])
    assert np.array_equal(np.sort(used), np.arange(len(source.y)))
    assert made.rare_class == 0
    assert made.class_weights.tolist() == [1.0, 1.0]
    # splits are stratified, so every part has a fifth of class 0, a given test set its own share
    assert np.mean(made.y[made.pool] == 0) == pytest.approx(0.2, abs=0.02)
    assert np.mean(made.y[made.test] == 0) == (0.25 if test_counts else 0.2)
