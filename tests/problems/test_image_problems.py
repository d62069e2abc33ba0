"""Problems of images: lazy features, views of pixels, statistics of pixels, and Table 2."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lalbench import data
from lalbench.data.dataset import Dataset
from lalbench.errors import UserError
from lalbench.problems import PARTS, build_problem

SMALL = {"test": 40, "reward": 20, "annotated": 20}
# Bakker et al. 2023, Table 2: annotated 1000, no reward set, the whole test partition
DEEP = {"annotated": 1000, "reward": 0, "test": "all"}
PROTOCOLS = ["clean", "published"]


def build(source, setting="imbalanced", **changes):
    arguments = {"data_seed": 5, "seed": 6, "sizes": SMALL, **changes}
    return build_problem(source, setting, **arguments)


@pytest.fixture(scope="module")
def images(make_images):
    return make_images([300, 200], [120, 90])


def test_nothing_is_scaled_before_it_is_asked_for(images):
    problem = build(images)
    assert problem.is_images
    problem.images.take()
    assert problem.n_shared_rows == 0
    assert problem.warnings is not None
    assert not {"X", "scaler"} & set(vars(problem))
    assert problem.X.shape == (len(problem.row_ids), 36)
    with pytest.raises(ValueError, match="read-only"):
        problem.X[0, 0] = 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_features_are_those_of_the_table_of_the_pixels(images, protocol):
    table = dataclasses.replace(images, X=images.features(slice(None)), feature_names=())
    one, other = build(images, protocol=protocol), build(table, protocol=protocol)
    assert one.X.tobytes() == other.X.tobytes()
    assert one.split_hash == other.split_hash
    assert one.source_hash != other.source_hash
    for part in PARTS:
        assert np.array_equal(getattr(one, part), getattr(other, part))


def test_images_are_a_view_of_the_data_set(images):
    problem = build(images)
    assert problem.images.pixels is problem.source.X
    assert np.shares_memory(problem.images.pixels, images.X)
    assert problem.images.shape == (len(problem.row_ids), 3, 4, 3)
    pool = problem.images[problem.pool]
    assert np.array_equal(pool.take(), images.X[problem.row_ids[problem.pool]])
    raw = problem.X_pool * problem.scaler.scale + problem.scaler.mean
    np.testing.assert_allclose(raw, pool.take().reshape(len(pool), -1), atol=1e-9)


def test_a_table_has_no_images(make_dataset):
    problem = build(make_dataset([300, 200]))
    assert not problem.is_images
    assert problem.pixel_mean is None
    assert problem.pixel_scale is None
    with pytest.raises(UserError, match='a network needs images: "table" is a table'):
        _ = problem.images


@pytest.mark.parametrize("shape", [(3, 4, 3), (5, 2, 1)])
@pytest.mark.parametrize("test_counts", [(), (120, 90)])
def test_pixels_are_measured_where_the_protocol_says(make_images, shape, test_counts):
    source = make_images([300, 200], test_counts, shape=shape)
    clean, published = (build(source, protocol=protocol) for protocol in PROTOCOLS)
    seen = clean.row_ids[np.concatenate([clean.annotated, clean.pool])]
    # reward rows too, and test rows where the test set was drawn from the same rows
    kept = published.row_ids
    if test_counts:
        kept = kept[~source.test_mask[kept]]
    for problem, rows in ((clean, seen), (published, kept)):
        pixels = source.X[rows].astype(float)
        np.testing.assert_allclose(problem.pixel_mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
        np.testing.assert_allclose(problem.pixel_scale, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_clean_statistics_never_see_test_and_reward_rows(images):
    problem = build(images)
    X = images.X.copy()
    hidden = np.concatenate([problem.test, problem.reward])
    X[problem.row_ids[hidden]] = 255
    changed = build(dataclasses.replace(images, X=X))
    assert np.array_equal(changed.pixel_mean, problem.pixel_mean)
    assert np.array_equal(changed.pixel_scale, problem.pixel_scale)
    assert np.array_equal(changed.scaler.mean, problem.scaler.mean)


def test_one_constant_channel_is_scaled_by_one(images):
    X = images.X.copy()
    X[..., 1] = 9
    problem = build(dataclasses.replace(images, X=X))
    assert problem.pixel_mean[1] == 9
    assert problem.pixel_scale[1] == 1
    assert (problem.pixel_scale > 0).all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_copies_of_images_are_counted(images, protocol):
    X = (images.X[:, :1, :1, :1] // 32).astype(np.uint8)  # eight images in all
    source = dataclasses.replace(images, X=X, feature_names=())
    problem = build(source, protocol=protocol)
    where = {}
    for part in PARTS:
        for row in problem.row_ids[getattr(problem, part)]:
            where.setdefault((int(X[row, 0, 0, 0]), int(source.y[row])), []).append(part)
    naive = sum(len(parts) for parts in where.values() if len(set(parts)) > 1)
    assert problem.n_shared_rows == naive > 100


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_problem_without_a_reward_set(images, protocol):
    problem = build(images, protocol=protocol, sizes={**SMALL, "reward": 0})
    assert len(problem.reward) == 0
    assert problem.X_reward.shape == (0, 36)
    assert problem.y_reward.shape == (0,)
    assert len(problem.images[problem.reward]) == 0
    assert problem.class_counts("reward").tolist() == [0, 0]
    assert not any("reward set holds" in warning for warning in problem.warnings)
    assert sorted(np.concatenate([getattr(problem, part) for part in PARTS])) == list(
        range(len(problem.row_ids))
    )


def test_all_needs_a_given_test_partition(make_images):
    with pytest.raises(UserError, match="this data set has none") as caught:
        build(make_images([300, 200]), sizes={**SMALL, "test": "all"})
    assert caught.value.key == "images, imbalanced: sizes.test"


# The real files


@pytest.fixture(scope="module")
def load(mirror, tmp_path_factory):
    """Data sets as a study has them: written once and mapped."""
    loaded = {}

    def load(name):
        if name not in loaded:
            path = tmp_path_factory.mktemp("data") / f"{name}.npz"
            data.load(name, mirrors=[str(mirror)]).save(path)
            loaded[name] = Dataset.load(path)
        return loaded[name]

    return load


def check_table_2(source, setting, protocol, n_pool, n_test):
    problem = build(source, setting, data_seed=42, seed=43, protocol=protocol, sizes=DEEP)
    assert len(problem.pool) == n_pool
    assert len(problem.test) == n_test
    assert len(problem.reward) == 0
    rare, common = (100, 100) if setting == "balanced" else (18, 182)
    assert problem.class_counts("annotated").tolist() == [rare, common] * 5
    pool = problem.class_counts("pool")
    largest = pool[1] + common  # what a common class has in all
    kept = largest if setting == "balanced" else largest // 10
    assert pool.tolist() == [kept - rare, largest - common] * 5
    assert source.test_mask[problem.row_ids[problem.test]].all()
    assert not source.test_mask[problem.row_ids[problem.pool]].any()
    return problem


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("name", "setting", "n_pool", "n_test"),
    [
        ("mnist", "balanced", 53210, 8920),
        ("mnist", "imbalanced", 28815, 4905),
        ("fashion_mnist", "balanced", 59000, 10000),
        ("fashion_mnist", "imbalanced", 32000, 5500),
    ],
)
def test_table_2_on_grey_images(load, name, setting, protocol, n_pool, n_test):
    problem = check_table_2(load(name), setting, protocol, n_pool, n_test)
    assert problem.pixel_mean.shape == (1,)


SVHN_TRAIN = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
SVHN_TEST = (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("setting", "n_pool", "n_test"),
    [("balanced", 45590, 15950), ("imbalanced", 24620, 5 * 1595 + 5 * 159)],
)
def test_table_2_on_the_labels_of_svhn(make_images, setting, protocol, n_pool, n_test):
    source = make_images(SVHN_TRAIN, SVHN_TEST, shape=(1, 1, 3))
    check_table_2(source, setting, protocol, n_pool, n_test)


@pytest.mark.slow
def test_table_2_on_cifar10(load):
    # one test, since unpacking the archive takes most of the time
    source = load("cifar10")
    assert source.X.shape == (60_000, 32, 32, 3)
    assert np.bincount(source.y[~source.test_mask]).tolist() == [5000] * 10
    assert np.bincount(source.y[source.test_mask]).tolist() == [1000] * 10
    assert source.class_names[:3] == ("airplane", "automobile", "bird")
    for protocol in PROTOCOLS:
        balanced = check_table_2(source, "balanced", protocol, 49000, 10000)
        # all train images are in use; the constants that everyone normalises with
        mean, scale = balanced.pixel_mean / 255, balanced.pixel_scale / 255
        np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=5e-5)
        np.testing.assert_allclose(scale, [0.2470, 0.2435, 0.2616], atol=5e-5)
        check_table_2(source, "imbalanced", protocol, 26500, 5500)
