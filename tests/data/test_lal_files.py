"""Credit card fraud, Higgs, striatum and MRI, on small files in the formats of their makers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from lalbench import data
from lalbench.config import DatasetSpec
from lalbench.data.dataset import Dataset
from lalbench.data.lal_files import CREDIT_FEATURES, sample
from lalbench.data.table import Table
from lalbench.errors import UserError
from lalbench.problems import build_problem
from lalbench.study import load_study

HIGGS = (*(f"DER_{place}" for place in range(13)), *(f"PRI_{place}" for place in range(17)))


def spec(name: str, path: Path | str | None, **options: Any) -> DatasetSpec:
    given = {} if path is None else {"path": str(path)}
    return DatasetSpec(name=name, options={**given, **options})


def load(name: str, path: Path | str | None, **options: Any) -> Dataset:
    return data.load(spec(name, path, **options))


def complaint(name: str, path: Path | str | None, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        load(name, path, **options)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


def credit_frame(n: int = 40, frauds: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 30)), columns=list(CREDIT_FEATURES))
    return frame.assign(Class=(np.arange(n) % (n // frauds) == 0).astype(int))


def higgs_frame(n: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(n, 30)), columns=list(HIGGS))
    frame.insert(0, "EventId", np.arange(100_000, 100_000 + n))
    return frame.assign(
        Weight=rng.uniform(0.001, 3, n), Label=np.where(np.arange(n) % 3 == 0, "s", "b")
    )


def write(frame: pd.DataFrame, folder: Path, name: str = "file.csv", **options: Any) -> Path:
    path = folder / name
    frame.to_csv(path, index=False, **options)
    return path


def write_patches(
    folder: Path, d: int, parts: dict[str, int], kind: str = "mat", negative: int = -1
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Files as the authors named theirs; sizes of the partitions in ``parts``."""
    rng = np.random.default_rng(2)
    made = {}
    for part, n in parts.items():
        X = rng.normal(size=(n, d)).astype(np.float32)
        y = np.where(np.arange(n) % 4 == 0, 1, negative).astype(np.int16)[:, None]
        made[part] = X, y
        for name, array in (("features", X), ("labels", y)):
            path = folder / f"striatum_{part}_{name}_mini.{kind}"
            if kind == "mat":
                savemat(path, {name: array})
            else:
                np.savez(path, **{name: array})
    return made


# Credit card fraud


@pytest.mark.parametrize("quoting", [0, 2])  # csv.QUOTE_MINIMAL and QUOTE_NONNUMERIC
def test_credit_card_fraud(tmp_path: Path, quoting: int) -> None:
    frame = credit_frame()
    frame["Class"] = frame["Class"].astype(str)  # quoted in the released file
    dataset = load("credit_card_fraud", write(frame, tmp_path, quoting=quoting))
    np.testing.assert_array_equal(dataset.X, frame[list(CREDIT_FEATURES)])
    np.testing.assert_array_equal(dataset.y, frame["Class"].astype(int))
    assert dataset.n_features == 30
    assert dataset.feature_names == CREDIT_FEATURES
    assert dataset.class_names == ("genuine", "fraud")
    assert dataset.test_mask is None


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    frame = credit_frame()
    mixed = frame[["Class", *reversed(CREDIT_FEATURES)]].assign(extra="text")
    path = write(mixed, tmp_path, "file.csv.gz")
    np.testing.assert_array_equal(load("credit_card_fraud", path).X, frame[list(CREDIT_FEATURES)])


def test_wrong_credit_card_files(tmp_path: Path) -> None:
    frame = credit_frame()
    error = complaint("credit_card_fraud", write(frame.drop(columns="V7"), tmp_path))
    assert 'no column "V7"' in str(error)
    with pytest.raises(UserError, match="V7"):
        data.check(spec("credit_card_fraud", tmp_path / "file.csv"))
    assert "2" in str(complaint("credit_card_fraud", write(frame.assign(Class=2), tmp_path)))
    assert "nan" in str(complaint("credit_card_fraud", write(frame.assign(Class=np.nan), tmp_path)))
    frame.loc[3, "Amount"] = np.nan
    error = complaint("credit_card_fraud", write(frame, tmp_path))
    assert error.key.endswith('column "Amount"')
    assert "data row 4" in error.problem
    assert "cannot be read" in str(
        complaint("credit_card_fraud", write(frame.assign(V1="text"), tmp_path))
    )
    assert "no rows" in str(complaint("credit_card_fraud", write(frame[:0], tmp_path)))
    assert "cannot be read" in str(complaint("credit_card_fraud", tmp_path))


# Higgs


def test_higgs_takes_the_thirty_quantities_alone(tmp_path: Path) -> None:
    frame = higgs_frame()
    dataset = load("higgs", write(frame, tmp_path))
    np.testing.assert_array_equal(dataset.X, frame[list(HIGGS)])
    np.testing.assert_array_equal(dataset.y, frame["Label"] == "s")
    assert dataset.feature_names == HIGGS
    assert dataset.class_names == ("b", "s")
    # the file of CERN Open Data has two columns more
    cern = frame.assign(KaggleSet="t", KaggleWeight=1.0)
    assert load("higgs", write(cern, tmp_path)).source_hash == dataset.source_hash


def test_undefined_quantities_of_higgs(tmp_path: Path) -> None:
    frame = higgs_frame()
    frame.loc[[0, 5, 7], "DER_0"] = -999.0
    frame.loc[3, "PRI_16"] = -999.0
    path = write(frame, tmp_path)
    kept = load("higgs", path, missing="keep")
    np.testing.assert_array_equal(kept.X, frame[list(HIGGS)])
    filled = load("higgs", path)
    for place, name in enumerate(HIGGS):
        column = frame[name].replace(-999.0, np.nan)
        np.testing.assert_array_equal(filled.X[:, place], column.fillna(column.median()))
    # medians are those of the whole file, whatever the sub-sample
    assert load("higgs", path, n=10).X[:, 0].min() > -999
    frame["DER_1"] = -999.0
    error = complaint("higgs", write(frame, tmp_path))
    assert error.key.endswith('column "DER_1"')
    assert complaint("higgs", path, missing="mean").key == "options.missing"


def test_wrong_higgs_files(tmp_path: Path) -> None:
    frame = higgs_frame()
    for changed in (frame.drop(columns="PRI_3"), frame.drop(columns="Label")):
        path = write(changed, tmp_path)
        assert "columns DER_… and PRI_…" in str(complaint("higgs", path))
        with pytest.raises(UserError, match="DER_"):
            data.check(spec("higgs", path))
    frame.loc[1, "Label"] = "x"
    assert "'x' in data row 2" in str(complaint("higgs", write(frame, tmp_path)))


# Striatum and MRI


@pytest.mark.parametrize("kind", ["mat", "npz"])
@pytest.mark.parametrize("negative", [-1, 0])
@pytest.mark.parametrize(("name", "d"), [("striatum", 272), ("mri", 188)])
def test_partitions_in_four_files(
    tmp_path: Path, name: str, d: int, negative: int, kind: str
) -> None:
    made = write_patches(tmp_path, d, {"train": 20, "test": 12}, kind, negative)
    dataset = load(name, tmp_path)
    for part, rows in (("train", slice(0, 20)), ("test", slice(20, 32))):
        X, y = made[part]
        np.testing.assert_array_equal(dataset.X[rows], X.astype(np.float64))
        np.testing.assert_array_equal(dataset.y[rows], y[:, 0] == 1)
    assert dataset.test_mask is not None
    assert dataset.test_mask.tolist() == [False] * 20 + [True] * 12


def test_one_partition_and_one_file(tmp_path: Path) -> None:
    X, y = write_patches(tmp_path, 272, {"train": 8})["train"]
    dataset = load("striatum", tmp_path)
    assert dataset.test_mask is None
    savemat(tmp_path / "both.mat", {"features": X, "labels": y.T})
    np.savez(tmp_path / "both.npz", features=X, labels=y[:, 0])
    for file in ("both.mat", "both.npz"):
        assert load("striatum", tmp_path / file).source_hash == dataset.source_hash


def test_wrong_folders(tmp_path: Path) -> None:
    assert "train_features" in str(complaint("striatum", tmp_path))
    write_patches(tmp_path, 272, {"train": 8, "test": 8})
    (tmp_path / "striatum_test_labels_mini.mat").unlink()
    with pytest.raises(UserError, match="test_labels"):
        data.check(spec("striatum", tmp_path))
    savemat(tmp_path / "striatum_train_labels.mat", {"labels": np.ones((8, 1))})
    assert "folder of its own" in str(complaint("striatum", tmp_path))
    (tmp_path / "notes.txt").write_text("")
    assert "no .mat or .npz" in str(complaint("striatum", tmp_path / "notes.txt"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"features": np.zeros((4, 272))}, "no array labels"),
        ({"labels": np.zeros((4, 1))}, "no array features"),
        ({"features": np.zeros((4, 188)), "labels": np.zeros((4, 1))}, "272 numbers"),
        ({"features": np.zeros((4, 272)), "labels": np.zeros((5, 1))}, "one label per row"),
        ({"features": np.zeros((4, 272)), "labels": np.full((4, 1), 2)}, "one label per row"),
        ({"features": np.zeros((3, 272)), "labels": np.array([-1, 0, 1])}, "one label per row"),
        ({"features": np.full((2, 272), np.nan), "labels": np.array([0, 1])}, "nan in data row 1"),
        ({"features": np.full((2, 272), "a"), "labels": np.array([0, 1])}, "272 numbers"),
        ({"features": np.zeros((2, 272)), "labels": np.array([1, 1])}, "one class only"),
    ],
)
def test_wrong_arrays(tmp_path: Path, content: dict[str, np.ndarray], problem: str) -> None:
    np.savez(tmp_path / "file.npz", **content)
    assert problem in str(complaint("striatum", tmp_path / "file.npz"))


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    for ending in (".mat", ".npz"):
        path = tmp_path / f"file{ending}"
        path.write_bytes(b"nonsense" * 40)
        assert "cannot be read" in str(complaint("striatum", path))
    path = tmp_path / "new.mat"
    # how a MATLAB file of version 7.3 begins: major version 2 and the mark of little endian
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x00" * 600)
    assert "-v7" in str(complaint("striatum", path))


# All four


@pytest.mark.parametrize("name", ["credit_card_fraud", "higgs", "striatum", "mri"])
def test_a_path_is_needed(name: str) -> None:
    for path in (None, "", "/no/such/file"):
        error = complaint(name, path)
        assert error.key == "options.path"
        with pytest.raises(UserError):
            data.check(spec(name, path))
    assert not data.holds_images(DatasetSpec(name=name))


def test_files_of_the_user_are_known(tmp_path: Path) -> None:
    path = write(credit_frame(), tmp_path)
    assert data.input_files(spec("credit_card_fraud", path)) == [path]
    write_patches(tmp_path / ".", 272, {"train": 8})
    assert len(data.input_files(spec("striatum", tmp_path))) == 3
    assert data.input_files(DatasetSpec(name="wine")) == []
    own = DatasetSpec(name="mine", path=str(path), target="Class")
    assert data.input_files(own) == [path]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"n": 1}, "options.n"),
        ({"n": 41}, "options.n"),
        ({"n": 2.0}, "options.n"),
        ({"seed": -1}, "options.seed"),
        ({"rows": 3}, "options"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], key: str) -> None:
    assert complaint("credit_card_fraud", write(credit_frame(), tmp_path), **options).key == key


def test_a_sub_sample_of_a_file(tmp_path: Path) -> None:
    path = write(credit_frame(n=2000, frauds=10), tmp_path)
    whole, small = (load("credit_card_fraud", path, n=n) for n in (None, 100))
    assert np.bincount(small.y).tolist() == [99, 1]
    places = [int(np.flatnonzero((row == whole.X).all(axis=1))[0]) for row in small.X]
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(whole.y[places], small.y)
    hashes = {load("credit_card_fraud", path, n=100, seed=seed).source_hash for seed in range(3)}
    assert len(hashes) == 3
    assert load("credit_card_fraud", path, n=2000).source_hash == whole.source_hash


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=4),
    st.booleans(),
    st.integers(0, 1000),
    st.data(),
)
def test_sub_samples_keep_the_shares(
    counts: list[int], partitions: bool, seed: int, data_: st.DataObject
) -> None:
    groups = np.repeat(np.arange(len(counts)), counts)
    labels, mask = (groups % 2, groups >= 2) if partitions else (groups, None)
    table = Table(X=np.arange(len(groups), dtype=float)[:, None], labels=labels, test_mask=mask)
    n = data_.draw(st.integers(len(counts), len(groups)))
    found = sample(table, {"n": n, "seed": seed})
    kept = found.X[:, 0].astype(int)
    assert len(kept) == n
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(found.labels, labels[kept])
    if mask is not None:
        np.testing.assert_array_equal(found.test_mask, mask[kept])
    exact = n * np.array(counts) / len(groups)
    wanted = np.bincount(groups[kept], minlength=len(counts))
    assert (wanted >= 1).all()
    if (exact >= 1).all():
        assert (np.abs(wanted - exact) < 1).all()


# The studies


STUDIES = Path(__file__).parents[2] / "studies"


def lay_out(name: str, folder: Path) -> None:
    """Small files where a study looks for them."""
    if name == "credit":
        write(credit_frame(), folder, "creditcard.csv")
    elif name == "higgs":
        write(higgs_frame(), folder, "training.csv")
    else:
        (folder / name).mkdir()
        d = {"striatum": 272, "mri": 188}[name]
        write_patches(folder / name, d, {"train": 1500, "test": 1000})


@pytest.mark.parametrize("name", ["striatum", "mri", "credit", "higgs"])
def test_studies_of_named_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say what is missing, and work once the files are there."""
    monkeypatch.chdir(tmp_path)
    path = STUDIES / f"lal-{name}.yaml"
    with pytest.raises(UserError, match=r"datasets\[0\]\.options\.path: .*data/"):
        load_study(path)
    (tmp_path / "data").mkdir()
    lay_out(name, tmp_path / "data")
    study = load_study(path)
    for wanted in study.datasets:
        source = data.load(wanted)
        assert source.n_classes == 2
        sizes = study.dataset_sizes(wanted.label)
        if sizes.test == "all":
            problem = build_problem(
                source, study.setting("natural"), data_seed=0, seed=0, sizes=sizes
            )
            assert len(problem.annotated) == 2
            assert len(problem.test) == {"striatum_mini": 800, "mri_mini": 800}.get(
                wanted.label, 1000
            )
