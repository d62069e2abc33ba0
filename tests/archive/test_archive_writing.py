"""What an archive holds: the results, their sources, the code, and metadata that fit."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lalbench import data, files
from lalbench.__main__ import main
from lalbench.archive import members, writing
from lalbench.config import Study
from lalbench.errors import UserError


def written(study: Study, study_file: Path, name: str = "out.zip") -> zipfile.ZipFile:
    writing.write(study, study_file, Path(name))
    return zipfile.ZipFile(name)


def test_results_and_what_they_came_from(study: Study, study_file: Path) -> None:
    with written(study, study_file) as archive:
        names = set(archive.namelist())
        for name in ("tables/auac.csv", "figures/curves.png", "report.html", "logs/trials.log"):
            assert archive.read(name) == (study.folder / name).read_bytes()
        assert archive.read("study.yaml") == study_file.read_bytes()
        sources = json.loads(archive.read("data.json"))
        code = json.loads(archive.read("code.json"))
        environment = archive.read("environment.txt").decode().splitlines()
    # data sets and the cache stay where they are
    assert not [name for name in names if name.startswith(("data/", "cache/"))]
    assert "tables/.snakemake_timestamp" not in names
    value = hashlib.sha256(Path("mine.csv").read_bytes()).hexdigest()
    assert sources["mine"]["user_files"] == {"mine.csv": f"sha256:{value}"}
    entry = data.CATALOGUE["wdbc"]
    assert [file["hash"] for file in sources["wdbc"]["files"]] == [f.pin for f in entry.files]
    assert sources["wdbc"]["licence"] == entry.licence
    assert set(code) == {"commit", "changed", "version"}
    assert any(line.startswith("numpy==") for line in environment)


def test_the_code_is_there_with_the_users_own(study: Study, study_file: Path) -> None:
    with written(study, study_file) as archive:
        names = set(archive.namelist())
        own = {name for name in names if name.startswith("code/own/")}
        text = archive.read("code/src/lalbench/archive/members.py")
    assert text == Path(members.__file__).read_bytes()
    assert {"code/Snakefile", "code/workflow/rules/common.smk", "code/pyproject.toml"} <= names
    assert own == {f"code/own/my_package/{name}.py" for name in ("__init__", "mine", "other")}
    assert not [name for name in names if "__pycache__" in name]


def test_twice_the_same_bytes(study: Study, study_file: Path) -> None:
    written(study, study_file, "a.zip").close()
    for path in Path().rglob("*.csv"):  # times of files do not count
        os.utime(path, (0, 0))
    written(study, study_file, "b.zip").close()
    assert Path("a.zip").read_bytes() == Path("b.zip").read_bytes()


def test_checksums_are_those_of_sha256sum(study: Study, study_file: Path) -> None:
    with written(study, study_file) as archive:
        lines = archive.read("checksums.txt").decode().splitlines()
        assert len(lines) == len(archive.namelist()) - 1
        for line in lines:
            value, name = line.split("  ", 1)
            assert hashlib.sha256(archive.read(name)).hexdigest() == value


def test_metadata_describe_what_is_there(study: Study, study_file: Path) -> None:
    """The rules of RO-Crate 1.1 that need no vocabulary."""
    with written(study, study_file) as archive:
        names = set(archive.namelist())
        crate: dict[str, Any] = json.loads(archive.read("ro-crate-metadata.json"))
    assert crate["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = entities["./"]
    assert root["@type"] == "Dataset"
    assert root["name"] == "lalbench study small"
    assert root["description"] == "Two strategies."
    for part in root["hasPart"]:
        entity = entities[part["@id"]]
        if entity["@type"] == "Dataset":
            assert entity["@id"].endswith("/")
            assert any(name.startswith(entity["@id"]) for name in names)
        else:
            assert entity["@id"] in names
    assert "ComputationalWorkflow" in entities[root["mainEntity"]["@id"]]["@type"]
    for entity in crate["@graph"]:
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and not one["@id"].startswith("https://"):
                    assert one["@id"] in entities


def test_only_what_the_manifest_knows_is_archived(study: Study, study_file: Path) -> None:
    table = study.folder / "tables" / "auac.csv"
    table.write_text("something else")
    with pytest.raises(
        UserError, match=r"auac\.csv: is not what the manifest says; delete the folder"
    ):
        writing.write(study, study_file, Path("out.zip"))
    table.unlink()
    with pytest.raises(UserError, match=r"auac\.csv: is not what the manifest says"):
        writing.write(study, study_file, Path("out.zip"))
    assert not Path("out.zip").exists()


def test_a_study_must_have_finished(
    study: Study, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.folder / "manifest.json").unlink()
    assert main(["archive", "--study", str(study_file), "--output", "out.zip"]) == 2
    assert "holds no manifest.json" in capsys.readouterr().err


def test_the_log_of_the_archive_is_no_part_of_it(study: Study, study_file: Path) -> None:
    files.write_text(study.folder / "logs" / "archive.log", "")
    with written(study, study_file) as archive:
        assert "logs/archive.log" not in archive.namelist()
