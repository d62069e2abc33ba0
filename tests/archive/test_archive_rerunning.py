"""What is compared after a rerun; tests/workflow runs one for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lalbench import files
from lalbench.__main__ import main
from lalbench.archive import rerunning, writing
from lalbench.config import Study
from lalbench.errors import LalbenchError, UserError


def test_results_are_compared_by_hash() -> None:
    before = {"tables/a.csv": "1", "tables/b.csv": "2", "figures/c.png": "3", "trials/d": "4"}
    whole = rerunning.compare(before, before)
    assert whole.same == {"tables": 2, "figures": 1, "trials": 1}
    assert whole.tables_agree
    other = rerunning.compare(before, {"tables/a.csv": "1", "figures/c.png": "0", "new": "5"})
    assert other.same == {"tables": 1}
    assert other.changed == ("figures/c.png",)
    assert other.missing == ("tables/b.csv", "trials/d")
    assert not other.tables_agree
    assert rerunning.compare(before, before | {"figures/c.png": "0"}).tables_agree


@pytest.fixture
def archive(study: Study, study_file: Path) -> Path:
    writing.write(study, study_file, Path("whole.zip"))
    return Path("whole.zip")


def test_the_workflow_gets_the_archived_study(
    archive: Path, study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Snakemake itself is replaced: a copy of the results, one table of them with other bytes."""
    table = b""

    def run(command: list[str]) -> int:
        given = dict(word.split("=", 1) for word in command[command.index("--config") + 1 :])
        assert Path(given["study"]).read_bytes() == Path("study.yaml").read_bytes()
        assert command[command.index("--cores") + 1] == "3"
        target = Path(given["results"]) / "small"
        manifest = json.loads((study.folder / "manifest.json").read_text())
        if table:
            manifest["files"]["tables/auac.csv"] = "other"
        files.write_json(target / "manifest.json", manifest)
        return 0

    monkeypatch.setattr(rerunning, "_run", run)
    words = ["rerun", str(archive), "--folder", "again", "--cores", "3"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "all results have the same bytes" in said
    assert "tables: 2 the same" in said
    assert "note: numpy: 0.0 in the archive" in said
    table = b"other"
    assert main(words) == 1
    shown = capsys.readouterr()
    assert "other bytes: tables/auac.csv" in shown.out
    assert "tables differ from those of the archive" in shown.err


@pytest.mark.parametrize("unlock", [True, False])
def test_the_lock_of_a_killed_run_goes_first_when_asked(
    unlock: bool, archive: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str]) -> int:
        commands.append(command)
        target = Path("again") / "results" / "small" / "manifest.json"
        files.write_bytes(target, (study.folder / "manifest.json").read_bytes())
        return 0

    monkeypatch.setattr(rerunning, "_run", run)
    words = ["rerun", str(archive), "--folder", "again", *(["--unlock"] if unlock else [])]
    assert main(words) == 0
    plain = commands[-1]
    assert plain[1:3] == ["-m", "snakemake"]
    assert "--unlock" not in plain
    # of the same study and results, or it would be another run's lock
    assert commands[:-1] == ([[*plain, "--unlock"]] if unlock else [])


def test_a_workflow_that_fails_is_no_result(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerunning, "_run", lambda command: 1)
    with pytest.raises(LalbenchError, match="the workflow failed"):
        rerunning.rerun(archive, Path("again"), 1)


def test_data_of_the_user_must_be_those_of_the_archive(archive: Path) -> None:
    Path("mine.csv").write_text("a,label\n" + "1,x\n2,z\n" * 50)
    with pytest.raises(UserError, match=r"mine\.csv: is not the file that mine was made of"):
        rerunning.rerun(archive, Path("again"), 1)
