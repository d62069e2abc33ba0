"""The catalogue against the real files: contents, counts, published hashes and the raw text."""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lalbench import codehash, data
from lalbench.config import DatasetSpec
from lalbench.data import catalogue, image_sets, lal_sets
from lalbench.data.catalogue import CATALOGUE
from lalbench.data.dataset import Dataset
from lalbench.data.fetch import fetch
from lalbench.errors import UserError
from lalbench.source_facts import store_of

# rows, features, rows per class
TABLES = {
    "waveform": (5000, 21, [3353, 1647]),
    "mushrooms": (8124, 22, [4208, 3916]),
    "adult": (1605, 119, [1210, 395]),
    "australian": (690, 14, [383, 307]),
    "breast_cancer_ljubljana": (263, 9, [186, 77]),
    "diabetis": (768, 8, [500, 268]),
    "flare_solar": (144, 9, [50, 94]),
    "german": (1000, 20, [700, 300]),
    "heart": (270, 13, [150, 120]),
    "wdbc": (569, 30, [212, 357]),
    "banana": (5300, 2, [2924, 2376]),
    "splice": (3190, 240, [1655, 1535]),
}
BUNDLED = {
    "digits": (1797, 64, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
    "breast_cancer": (569, 30, [212, 357]),
    "wine": (178, 13, [59, 71, 48]),
    "iris": (150, 4, [50, 50, 50]),
}
IMAGES = {
    "mnist": (
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ),
    "fashion_mnist": ([6000] * 10, [1000] * 10),
    "kmnist_7011": ([690, 690, 695, 702, 757, 708, 688, 708, 672, 701], [1000] * 10),
}
# As published: by the NPAL study for its three sets, by the authors of the image sets
MD5 = {
    "uci/waveform.p": "a2270f4969d1d2600e43a2011bfdf0c2",
    "uci/mushrooms.p": "35809277f062b3b867a5f1d498270f9d",
    "uci/adult.p": "b5ad73da07859c27b934bd4365b6fe88",
    "mnist/train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "mnist/train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "mnist/t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "mnist/t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    "fashion_mnist/train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "fashion_mnist/train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "fashion_mnist/t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "fashion_mnist/t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "kmnist/kmnist-train-labels.npz": "b0e1d240e8afec72b50437fc3bc5908a",
    "kmnist/kmnist-test-imgs.npz": "dace6de62ca8b90843cc45366337d02e",
    "kmnist/kmnist-test-labels.npz": "3ae489a79983d0fe386152684e3b5412",
}
FILES = {file.path: file for entry in CATALOGUE.values() for file in entry.files}
OFFLINE = Path("/nonexistent")


def load(name: str, mirror: Path) -> Dataset:
    return data.load(name, mirrors=[str(mirror)])


@pytest.mark.parametrize("name", TABLES)
def test_tables(mirror: Path, name: str) -> None:
    dataset = load(name, mirror)
    n, d, counts = TABLES[name]
    assert dataset.X.shape == (n, d)
    assert np.bincount(dataset.y).tolist() == counts
    assert dataset.test_mask is None
    assert dataset.name == name


@pytest.mark.parametrize("name", BUNDLED)
def test_sets_bundled_with_scikit_learn_need_no_mirror(name: str) -> None:
    dataset = load(name, OFFLINE)
    n, d, counts = BUNDLED[name]
    assert dataset.features(slice(None)).shape == (n, d)
    assert dataset.is_images == (name == "digits")
    assert np.bincount(dataset.y).tolist() == counts
    assert len(set(dataset.feature_names)) == d


@pytest.mark.parametrize("name", IMAGES)
def test_image_sets(mirror: Path, name: str) -> None:
    dataset = load(name, mirror)
    train, test = IMAGES[name]
    assert dataset.X.shape == (sum(train) + sum(test), 28, 28, 1)
    assert dataset.X.dtype == np.uint8
    assert dataset.test_mask is not None
    assert np.bincount(dataset.y[~dataset.test_mask]).tolist() == train
    assert np.bincount(dataset.y[dataset.test_mask]).tolist() == test
    assert not dataset.test_mask[: sum(train)].any()
    assert (dataset.X.min(), dataset.X.max()) == (0, 255)
    # the corners of an image are dark: rows and columns are in the right order
    corner = dataset.X[:, [0, 0, 27, 27], [0, 27, 0, 27], 0].mean()
    assert corner < 5 < dataset.X[:, 14, 14, 0].mean()
    assert len(dataset.class_names) == 10


def test_images_are_the_bytes_of_their_raw_file(mirror: Path) -> None:
    dataset = load("fashion_mnist", mirror)
    raw = gzip.decompress((mirror / "fashion_mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert dataset.X[60_000:].tobytes() == raw[16:]


@pytest.mark.parametrize("path", MD5)
def test_files_are_the_published_ones(mirror: Path, path: str) -> None:
    found = fetch(FILES[path], mirrors=[str(mirror)])
    assert found == mirror / path
    assert hashlib.md5(found.read_bytes()).hexdigest() == MD5[path]


def test_waveform_is_the_standardised_uci_text(mirror: Path) -> None:
    # The rows stand in another order and are rounded to eight digits.
    raw = np.loadtxt(mirror / "uci" / "waveform.data", delimiter=",", skiprows=1)
    X = (raw[:, :21] - raw[:, :21].mean(axis=0)) / raw[:, :21].std(axis=0, ddof=1)
    dataset = load("waveform", mirror)
    expected = np.column_stack([X, raw[:, 21] == 1])
    found = np.column_stack([dataset.X, dataset.y])

    def ordered(rows: np.ndarray) -> np.ndarray:
        return rows[np.lexsort(np.round(rows, 5).T)]

    np.testing.assert_allclose(ordered(found), ordered(expected), atol=1e-7)
    np.testing.assert_allclose(dataset.X.std(axis=0, ddof=1), 1, atol=1e-6)


def test_mushrooms_are_the_letters_of_the_uci_text(mirror: Path) -> None:
    lines = (mirror / "uci" / "agaricus-lepiota.data").read_text().split()
    letters = np.array([line.split(",") for line in lines[1:]])
    dataset = load("mushrooms", mirror)
    codes = [np.unique(column, return_inverse=True)[1] for column in letters[:, 1:].T]
    np.testing.assert_array_equal(dataset.X, np.column_stack(codes))
    np.testing.assert_array_equal(dataset.y, letters[:, 0] == "p")
    assert dataset.class_names[1] == "poisonous"
    assert np.flatnonzero(np.ptp(dataset.X, axis=0) == 0).tolist() == [15]


def test_adult_is_binary_with_the_known_constant_columns(mirror: Path) -> None:
    dataset = load("adult", mirror)
    assert set(np.unique(dataset.X)) == {0.0, 1.0}
    constant = np.flatnonzero(np.ptp(dataset.X, axis=0) == 0).tolist()
    assert constant == [11, 59, 88, 95, 110, 115]
    rows = np.column_stack([dataset.X, dataset.y])
    assert len(rows) - len(np.unique(rows, axis=0)) == 33


def test_wdbc_is_the_matrix_of_breast_cancer(mirror: Path) -> None:
    file, bundled = load("wdbc", mirror), load("breast_cancer", mirror)
    assert file.source_hash == bundled.source_hash
    assert file.class_names == bundled.class_names


def test_digits_of_a_group_relabelling() -> None:
    spec = DatasetSpec(name="digits", label="parity", relabel=[[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]])
    parity, digits = data.load(spec), data.load("digits")
    np.testing.assert_array_equal(parity.y, digits.y % 2)
    np.testing.assert_array_equal(parity.X, digits.X)
    assert parity.is_images
    assert parity.name == "parity"


def test_every_entry_is_complete() -> None:
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.licence
        assert entry.citation
        assert entry.description
        for file in entry.files:
            # one excerpt is no file of its makers
            assert file.urls or file.path == "kmnist/kmnist-train-first7011.npz"
            assert all(re.match(r"https?://", url) for url in file.urls)
            assert all(url.endswith(file.path.rsplit("/", 1)[1]) for url in file.urls)
            # a branch name would let the content change under us
            assert all(
                re.search(r"/[0-9a-f]{40}/", url) for url in file.urls if "githubusercontent" in url
            )
    assert len({file.pin for file in FILES.values()}) == len(FILES)


def test_the_manual_lists_every_entry() -> None:
    manual = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text()
    rows = {
        cells[1].strip(" `"): cells
        for line in manual.splitlines()
        if len(cells := line.split("|")) > 5
    }
    for name, entry in CATALOGUE.items():
        assert entry.licence in rows[name][4]
        for file in entry.files:
            for one in (file, *file.alternatives):
                assert f"`{one.path}`" in manual


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_code_of_a_job_holds_the_entries_in_use(name: str) -> None:
    files = [Path(module.__file__) for module in (catalogue, image_sets, lal_sets)]
    store = store_of(codehash.ROOT)
    none, used = (
        [store.code_hash(file, kept) for file in files] for kept in (frozenset(), frozenset({name}))
    )
    assert sum(without != with_ for without, with_ in zip(none, used, strict=True)) == 1


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(UserError, match='unknown data set "adlut"; did you mean "adult"'):
        data.load("adlut")
    with pytest.raises(UserError, match="unknown data set"):
        data.load("../../etc/passwd")
    with pytest.raises(UserError, match='"adult" has no option "n"'):
        data.load(DatasetSpec(name="adult", options={"n": 5}))


def test_importing_and_checking_loads_no_heavy_package() -> None:
    heavy = ["PIL", "pandas", "pooch", "pyarrow", "requests", "scipy", "sklearn", "torch", "tqdm"]
    code = (
        "import sys; from lalbench import data; data.check('mnist'); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_declared_shapes_of_images(name: str, mirror: Path) -> None:
    shape = CATALOGUE[name].image_shape
    assert data.holds_images(DatasetSpec(name=name)) == (shape is not None)
    here = all(
        any((mirror / place.path).is_file() for place in (file, *file.alternatives))
        for file in CATALOGUE[name].files
    )
    if "path" in CATALOGUE[name].options:  # files of the user's
        assert shape is None
    elif here and name != "cifar10":  # which takes ten seconds to unpack
        found = data.load(name, mirrors=[str(mirror)])
        assert found.is_images == (shape is not None)
        assert shape is None or found.X.shape[1:] == shape
    elif name == "cifar10":
        assert shape == (32, 32, 3)


@pytest.mark.parametrize("name", ["gaussian_clouds", "checkerboard_4x4", "waveform_generator"])
def test_a_draw_is_what_its_seed_gives_alone(name: str) -> None:
    spec = DatasetSpec(name=name, options={"n": 60, "seed": 5}, draws=3)
    stack = data.load(spec)
    for place, seed in enumerate((5, 6, 7)):
        alone = data.load(DatasetSpec(name=name, options={"n": 60, "seed": seed}))
        assert stack.drawn(place).source_hash == stack.drawn(place + 3).source_hash
        assert stack.drawn(place).source_hash == alone.source_hash


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DatasetSpec(name="digits", draws=2), '"digits" is no generator; remove it'),
        (DatasetSpec(name="mine", path="a.csv", target="y", draws=2), "belongs to generators"),
        (DatasetSpec(name="splice", draws=2), "is no generator"),
        (
            DatasetSpec(name="gaussian_clouds", options={"seed": 2**32 - 2}, draws=3),
            "use a smaller seed",
        ),
    ],
)
def test_draws_that_cannot_be_had(spec: DatasetSpec, words: str) -> None:
    with pytest.raises(UserError, match=words):
        data.check(spec)
