"""Files of problems."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lalbench import data
from lalbench.config import DatasetSpec, ObjectiveSpec, Sizes
from lalbench.data.dataset import Dataset
from lalbench.errors import CorruptFileError, UserError
from lalbench.problems import Problem, build_problem, load_problem, save_problems

SEEDS = ((0, 0), (0, 1), (1, 10))
SMALL_DICT = {"test": 40, "reward": 20, "annotated": 20}
SMALL = Sizes(**SMALL_DICT)


@pytest.fixture(scope="module", params=["clean", "published"])
def protocol(request):
    return request.param


@pytest.fixture(scope="module", params=[(), (120, 90)], ids=["one_table", "test_partition"])
def table(request, make_dataset):
    return make_dataset([300, 200], request.param)


@pytest.fixture(scope="module")
def problems(table, protocol):
    return [
        build_problem(
            table, "imbalanced_weighted", data_seed=a, seed=b, protocol=protocol, sizes=SMALL
        )
        for a, b in SEEDS
    ]


def assert_equal(one, other):
    for field in dataclasses.fields(Problem):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "scaling":
            assert a.method == b.method
            assert np.array_equal(a.rows, b.rows)
            assert a.rows.dtype == b.rows.dtype
        elif isinstance(a, np.ndarray):
            assert np.array_equal(a, b), field.name
            assert a.dtype == b.dtype, field.name
        else:
            assert a == b, field.name
    assert np.array_equal(one.X, other.X)
    assert one.X.tobytes() == other.X.tobytes()


def test_problems_come_back_as_they_were(tmp_path, table, problems):
    path = tmp_path / "deep" / "block-000.npz"
    save_problems(path, problems)
    for problem, (data_seed, seed) in zip(problems, SEEDS, strict=True):
        assert_equal(load_problem(path, table, data_seed, seed), problem)
    objective = ObjectiveSpec(name="macro_f1")
    assert load_problem(path, table, 0, 1, objective=objective).objective == objective


@pytest.mark.parametrize("sizes", [{"pool": 30}, {"reward": 0}])
def test_parts_of_unusual_sizes_come_back(tmp_path, table, protocol, sizes):
    # a limited pool: the published scaling is fitted on rows that are not in use
    problem = build_problem(
        table, "imbalanced", data_seed=1, seed=2, protocol=protocol, sizes={**SMALL_DICT, **sizes}
    )
    save_problems(tmp_path / "a.npz", [problem])
    assert_equal(load_problem(tmp_path / "a.npz", table, 1, 2), problem)
    fitted_on = set(problem.scaling.rows) - set(problem.row_ids)
    assert bool(fitted_on) == (protocol == "published" and "pool" in sizes)


def test_problems_of_images_come_back(tmp_path, make_images, protocol):
    source = make_images([150, 130], [90, 80], shape=(4, 3, 3))
    source.save(tmp_path / "data.npz")
    problem = build_problem(
        source, "imbalanced", data_seed=1, seed=2, protocol=protocol, sizes=SMALL
    )
    save_problems(tmp_path / "a.npz", [problem])
    mapped = Dataset.load(tmp_path / "data.npz")
    loaded = load_problem(tmp_path / "a.npz", mapped, 1, 2)
    assert "X" not in vars(loaded)
    assert_equal(dataclasses.replace(loaded, source=problem.source), problem)
    assert np.array_equal(loaded.images.take(), problem.images.take())
    assert loaded.X.tobytes() == problem.X.tobytes()


def test_same_problems_same_bytes_without_features(tmp_path, table, problems):
    save_problems(tmp_path / "a.npz", problems)
    save_problems(tmp_path / "b.npz", problems)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as content:
        assert max(content[name].size for name in content.files) <= max(len(table.y), 625)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_unknown_seeds_and_repeated_seeds(tmp_path, table, problems):
    save_problems(tmp_path / "a.npz", problems)
    with pytest.raises(UserError, match="no problem with data_seed 1 and seed 1;"):
        load_problem(tmp_path / "a.npz", table, 1, 1)
    with pytest.raises(ValueError, match="two problems have the seeds 0, 0"):
        save_problems(tmp_path / "a.npz", [problems[0], problems[0]])


def test_other_data_are_refused(tmp_path, make_dataset, problems):
    save_problems(tmp_path / "a.npz", problems)
    with pytest.raises(UserError, match="made from other data"):
        load_problem(tmp_path / "a.npz", make_dataset([300, 200], seed=1), 0, 0)


def test_damaged_files_name_the_file(tmp_path, table, problems):
    path = tmp_path / "a.npz"
    save_problems(path, problems)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError, match=r"a\.npz"):
        load_problem(path, table, 0, 0)
    with pytest.raises(CorruptFileError, match=r"gone\.npz"):
        load_problem(tmp_path / "gone.npz", table, 0, 0)


@pytest.mark.parametrize("change", ["swap", "drop", "out_of_range"])
def test_changed_rows_are_noticed(tmp_path, table, problems, change):
    path = tmp_path / "a.npz"
    save_problems(path, problems)
    with np.load(path) as content:
        arrays = dict(content)
    if change == "swap":
        arrays["0-0.pool"] = arrays["0-0.pool"][::-1]
    elif change == "drop":
        del arrays["0-0.reward"]
    else:
        arrays["0-0.test"] = arrays["0-0.test"] + 10**6
    np.savez(path, **arrays)
    with pytest.raises(CorruptFileError, match=r"a\.npz.*delete it"):
        load_problem(path, table, 0, 0)
    assert_equal(load_problem(path, table, 1, 10), problems[2])


def test_a_problem_of_draws_is_that_of_its_draw(tmp_path):
    spec = DatasetSpec(name="gaussian_clouds", options={"n": 60, "n_test": 50}, draws=3)
    stack = data.load(spec)
    sizes = {"test": "all", "reward": 0, "annotated": 2}
    made = [
        build_problem(stack, "natural", data_seed=seed, seed=seed, sizes=sizes)
        for seed in (1, 2, 4)
    ]
    save_problems(tmp_path / "problems.npz", made)
    for problem in made:
        options = spec.options | {"seed": problem.seed % 3}
        alone = DatasetSpec(name="gaussian_clouds", options=options)
        same = build_problem(
            alone, "natural", data_seed=problem.data_seed, seed=problem.seed, sizes=sizes
        )
        assert_equal(problem, dataclasses.replace(same, source=problem.source))
        seeds = (problem.data_seed, problem.seed)
        loaded = load_problem(tmp_path / "problems.npz", stack, *seeds)
        assert_equal(problem, dataclasses.replace(loaded, source=problem.source))
    assert made[0].source_hash == made[2].source_hash != made[1].source_hash
