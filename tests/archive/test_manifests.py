"""The manifest of a finished study: its files are checked before and after."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lalbench import files, grid, manifests, records
from lalbench.__main__ import main
from lalbench.config import Study
from lalbench.data.dataset import Dataset
from lalbench.errors import CorruptFileError
from lalbench.study import parse_study


def test_the_folder_of_a_study_is_verified(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manifests.check(study.folder) == 6
    assert main(["verify", str(study.folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{study.folder}: 6 files, each with its hash",
        "not checked, as the manifest has no hashes of them: cache/ (1), logs/ (1), report.html, "
        "timings/ (1)",
    ]
    trial = study.folder / "trials/mine/balanced/svm/random/block-000.parquet"
    trial.write_bytes(b"PAR2")
    assert main(["verify", str(study.folder)]) == 1
    assert f"{trial}: does not have its hash; delete it and run" in capsys.readouterr().err
    trial.unlink()
    with pytest.raises(CorruptFileError, match="is missing; run the study again"):
        manifests.check(study.folder)


def test_what_has_no_hash_is_named(study: Study) -> None:
    beside = {"cache/": 1, "logs/": 1, "report.html": 1, "timings/": 1}
    assert manifests.uncovered(study.folder) == beside
    files.write_text(study.folder / "tables" / "mine.csv", "")
    files.write_text(study.folder / "tables" / ".hidden", "")
    files.write_text(study.folder / "notes.txt", "")
    assert manifests.uncovered(study.folder) == beside | {"tables/": 1, "notes.txt": 1}


def test_a_changed_table_takes_its_folder_with_it(study: Study) -> None:
    (study.folder / "tables" / "auac.csv").write_text("better")
    words = r"auac\.csv: does not have its hash; delete the folder .*tables and run again"
    with pytest.raises(CorruptFileError, match=words):
        manifests.check(study.folder)


@pytest.fixture
def whole(tmp_path: Path) -> Study:
    """A study whose files are of the right kinds."""
    study = parse_study(
        {
            "study": "small",
            "results": str(tmp_path),
            "datasets": ["wine"],
            "settings": ["balanced"],
            "classifiers": ["svm"],
            "strategies": ["random"],
        }
    )
    found = grid.output_files(study)
    rng = np.random.default_rng(0)
    Dataset("wine", rng.random((20, 2)), np.arange(20) % 2, ("a", "b")).save(
        study.folder / found["data"][0]
    )
    for path in found["problems"]:
        files.write_npz(study.folder / path, {"rows": rng.integers(99, size=500)})
    for kind, name in (("trials", "records"), ("references", "references")):
        for path in found[kind]:
            rows = [{"accuracy": rng.random(), "seed": seed} for seed in range(50)]
            records.write(study.folder / path, name, rows)
    for part in ("tables", "figures"):
        files.write_text(study.folder / part / "a.csv", part)
        files.seal(study.folder / part)
    return study


def test_a_manifest_knows_every_result(whole: Study) -> None:
    content = manifests.content(whole)
    assert list(content["files"]) == sorted(map(str, manifests.result_files(whole)))
    files.write_json(whole.folder / manifests.NAME, content)
    assert manifests.check(whole.folder) == len(content["files"])


@pytest.mark.parametrize("kind", ["data", "problems", "trials", "references"])
def test_no_manifest_confirms_a_changed_file(whole: Study, kind: str) -> None:
    path = whole.folder / grid.output_files(whole)[kind][0]
    content, expected = path.read_bytes(), read(path)
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=40):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        problem = ""
        try:
            manifests.content(whole)
        except CorruptFileError as error:
            problem = str(error)
        if problem:
            assert str(path) in problem
            assert "delete it and run again" in problem
        else:  # only bits that no reader looks at
            pd.testing.assert_frame_equal(read(path), expected)


def read(path: Path) -> pd.DataFrame:
    """What a file holds."""
    if path.suffix == ".npz":
        arrays = files.read_npz(path)
        return pd.DataFrame({name: [array.tolist()] for name, array in sorted(arrays.items())})
    return records.read(path, "records" if "trials" in path.parts else "references")


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "tables" / "a.csv").write_text("x"),
        lambda folder: (folder / "figures" / "b.png").write_text("x"),
    ],
)
def test_no_manifest_confirms_a_changed_table(whole: Study, harm: Callable[[Path], object]) -> None:
    harm(whole.folder)
    with pytest.raises(CorruptFileError, match="is not what was written; delete the folder"):
        manifests.content(whole)


def test_a_damaged_manifest_is_to_be_deleted(whole: Study) -> None:
    """Running the study again would not write it anew: Snakemake does not look inside."""
    path = whole.folder / manifests.NAME
    text = json.dumps(manifests.content(whole))
    for damaged in (text[: len(text) // 2], text.replace('"random"', '"rondam"', 1)):
        path.write_text(damaged)
        with pytest.raises(CorruptFileError, match="delete it and run again"):
            manifests.check(whole.folder)
