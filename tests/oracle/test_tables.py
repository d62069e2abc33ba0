"""Oracle tables: kept under everything they depend on, found again, safe for concurrent jobs."""

import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lalbench import oracle
from lalbench.__main__ import main
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.compute import using
from lalbench.errors import CorruptFileError
from lalbench.objectives import Scorer
from lalbench.oracle import reference, tables

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = (X[:, 0] + 0.3 * RNG.normal(size=30) > 0).astype(np.int64)
MASK = np.zeros((2, 30), dtype=bool)
MASK[0, :12] = MASK[1, 5:20] = True


def scorer(seed=1, objective="weighted_accuracy", weights=(1.0, 3.0)):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(40, 3))
    return Scorer(points, (points[:, 0] > 0).astype(np.int64), weights, objective)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.npz") if not path.name.startswith("."))


def test_a_table_is_found_again_instead_of_computed(tmp_path, monkeypatch):
    with using(cache=tmp_path):
        first = oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())
        monkeypatch.setattr(reference, "score_refits", None)  # computing again would fail
        again = oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())
    assert len(files_in(tmp_path)) == 1
    np.testing.assert_array_equal(first.scores, again.scores)
    np.testing.assert_array_equal(first.base_scores, again.base_scores)
    assert first.engine == again.engine == "reference"


def test_nothing_is_kept_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())
    assert not files_in(tmp_path)


def test_single_calls_and_strategies_share_tables(tmp_path):
    with using(cache=tmp_path):
        whole = oracle.improvements("logistic_regression", X[:9], Y[:9], X[9:], Y[9:], scorer())
        mask = np.arange(30)[None] < 9
        found = oracle.refit_scores(LogisticRegression(), X, Y, mask, scorer())
    assert len(files_in(tmp_path)) == 1
    np.testing.assert_array_equal(found.improvements[0, 9:], whole)


def variants():
    """One call, and calls that differ from it in one thing each."""
    other = X.copy()
    other[20, 1] += 1e-12
    turned = MASK.copy()
    turned[0, 29] = True
    base = {"classifier": KNeighborsClassifier(3), "X": X, "y": Y, "masks": MASK}
    base |= {"scorer": scorer(), "sample_weight": None}
    yield base
    yield base | {"X": other}
    yield base | {"y": 1 - Y}
    yield base | {"masks": turned}
    yield base | {"classifier": KNeighborsClassifier(4)}
    yield base | {"classifier": make_pipeline(StandardScaler(), KNeighborsClassifier(3))}
    yield base | {"classifier": make_pipeline(StandardScaler(), KNeighborsClassifier(4))}
    yield base | {"scorer": scorer(seed=2)}
    yield base | {"scorer": scorer(weights=(1.0, 2.0))}
    yield base | {"scorer": scorer(objective="macro_f1")}
    yield base | {"scorer": scorer(objective="log_loss")}


def test_everything_that_matters_is_part_of_the_name(tmp_path):
    names = set()
    for number, call in enumerate(variants(), start=1):
        arrays = (call["X"], call["y"], call["masks"], call["sample_weight"])
        path = tables.table_file(tmp_path, "reference", call["classifier"], arrays, call["scorer"])
        names.add(path)
        assert len(names) == number
    call = next(variants())
    arrays = (X, Y, MASK, np.ones(30))
    names.add(tables.table_file(tmp_path, "reference", call["classifier"], arrays, scorer()))
    names.add(tables.table_file(tmp_path, "svm", call["classifier"], arrays, scorer()))
    assert len(names) == number + 2
    assert None not in names


def test_another_version_of_the_engine_is_another_table(tmp_path, monkeypatch):
    def name():
        return tables.table_file(tmp_path, "logistic", LogisticRegression(), (X, Y, MASK), scorer())

    before = name()
    monkeypatch.setattr(tables.codehash, "stage_hash", lambda *_: "changed")
    assert name() != before


def test_what_cannot_be_described_is_not_kept(tmp_path):
    odd = KNeighborsClassifier(3, metric=lambda a, b: float(np.abs(a - b).sum()))
    assert tables.table_file(tmp_path, "reference", odd, (X, Y, MASK), scorer()) is None
    with using(cache=tmp_path):
        kept = oracle.refit_scores(odd, X, Y, MASK, scorer())
    plain = oracle.refit_scores(odd, X, Y, MASK, scorer())
    assert not files_in(tmp_path)
    np.testing.assert_array_equal(kept.scores, plain.scores)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no table at all"])
def test_a_damaged_table_is_an_error_that_names_the_file(tmp_path, content):
    with using(cache=tmp_path):
        oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())
        (path,) = files_in(tmp_path)
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match="delete it and run again"):
            oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())
        path.unlink()
        oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())
    np.savez(path, something=np.zeros(3))
    with using(cache=tmp_path), pytest.raises(CorruptFileError, match="no oracle table"):
        oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())


def compute_table(folder: Path) -> bytes:
    with using(cache=folder):
        oracle.refit_scores(GaussianNB(), X, Y, MASK, scorer())
    (path,) = files_in(folder)
    return path.read_bytes()


def test_concurrent_jobs_write_the_same_bytes(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        contents = set(pool.map(compute_table, [tmp_path] * 8))
    assert len(contents) == 1
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".npz"]


def test_each_command_deletes_its_own(tmp_path, capsys):
    shared = tmp_path / "results" / ".cache"
    compute_table(shared / "oracle")
    regressor = shared / "pretrained" / "abc" / "regressor.npz"
    rows = regressor.parent / "rows" / "all-000.npz"
    rows.parent.mkdir(parents=True)
    for path in (regressor, rows):
        path.write_bytes(bytes(2**19))
    study = str(Path(__file__).parents[2] / "config.yaml")
    where = [study, "--results", str(tmp_path / "results")]
    for number in (1, 0):
        assert main(["clean-cache", *where]) == 0
        assert f"removed {number} oracle tables" in capsys.readouterr().out
        assert not (shared / "oracle").exists()
    assert regressor.exists()  # learned in minutes: only when asked for by name
    compute_table(shared / "oracle")
    for message in ("1 learned regressors, 2 files in all, 1.0 MiB", "0 learned regressors"):
        assert main(["clean-pretrained", *where]) == 0
        assert message in capsys.readouterr().out
        assert not (shared / "pretrained").exists()
    assert files_in(shared / "oracle")


def test_make_has_a_target_for_each_command():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    for name in ("clean-cache", "clean-pretrained"):
        target = rf"^{name}: install ## .+\n\tpython -m lalbench {name} \$\(STUDY\)$"
        assert re.search(target, makefile, re.MULTILINE)
        assert name in makefile.split(".PHONY: ")[1].splitlines()[0].split()


class Kernel:
    def __init__(self, gamma):
        self.gamma = gamma

    def of(self, A, B):
        return np.exp(-self.gamma * ((A[:, None] - B[None]) ** 2).sum(-1))


def test_what_has_a_state_is_not_kept(tmp_path):
    fitted = StandardScaler().fit(X)
    for classifier in (
        SVC(kernel=Kernel(1.0).of),
        make_pipeline(FrozenEstimator(fitted), KNeighborsClassifier(3)),
        RandomForestClassifier(3),
    ):
        arrays = (X, Y, MASK)
        assert tables.table_file(tmp_path, "reference", classifier, arrays, scorer()) is None
    seeded = RandomForestClassifier(3, random_state=0)
    assert tables.table_file(tmp_path, "forest", seeded, (X, Y, MASK), scorer()) is not None
    plain = SVC(random_state=0)
    assert tables.table_file(tmp_path, "svm", plain, (X, Y, MASK), scorer()) is not None
