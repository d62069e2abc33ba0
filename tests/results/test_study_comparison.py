"""Two studies beside each other, against a plain calculation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from lalbench import files, grid, manifests, provenance, records
from lalbench.__main__ import main
from lalbench.config import Study
from lalbench.errors import CorruptFileError, UserError
from lalbench.results.analysis import Analysis
from lalbench.results.study_comparison import as_text, compare_studies

Write = Callable[..., Path]
NewStudy = Callable[..., Study]


def made(folder: Path, new_study: NewStudy, write: Write, **changes: object) -> Analysis:
    given = {"classifiers": ["svm"], "datasets": ["waveform", "adult"], "settings": ["balanced"]}
    study = new_study(folder, **(given | changes))
    return Analysis.of(study, write(study))


def test_a_study_does_not_differ_from_itself(whole: Analysis) -> None:
    table = compare_studies(whole, whole)
    assert len(table) == len(whole.places) * len(whole.strategies)
    assert (table["difference"] == 0).all()
    assert (table["p_holm"] == 1).all()
    assert as_text(table, "auac").endswith(f"0 of {len(table)} differ (p_holm below 0.05)")


def test_differences_are_paired_by_split(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    first = made(tmp_path / "a", new_study, write, strategies=["random", "entropy"])
    second = made(tmp_path / "b", new_study, write, strategies=["entropy", "margin"])
    rng = np.random.default_rng(0)
    second.records.trials["objective"] += rng.normal(0.01, 0.01, len(second.records.trials))
    table = compare_studies(first, second)
    assert list(table["strategy"]) == ["entropy", "entropy"]
    for row in table.itertuples():
        values = []
        for analysis in (first, second):
            trials = analysis.records.trials
            here = trials[(trials["dataset"] == row.dataset) & (trials["strategy"] == "entropy")]
            curves = here.sort_values("step").groupby(["split_hash", "data_seed", "seed"])
            areas = curves["objective"].apply(np.trapezoid)
            values.append(areas.groupby(level="split_hash").mean())
        gaps = (values[1] - values[0]).to_numpy()
        assert row.pairs == len(gaps)
        assert row.first == pytest.approx(values[0].mean())
        assert row.second == pytest.approx(values[1].mean())
        assert row.difference == pytest.approx(gaps.mean())
        assert row.p == pytest.approx(wilcoxon(gaps, zero_method="pratt").pvalue)
        assert row.low < row.difference < row.high
        assert row.p_holm >= row.p


def test_what_cannot_be_compared(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    first = made(tmp_path / "a", new_study, write, strategies=["random", "entropy"])
    other = made(tmp_path / "b", new_study, write, strategies=["margin"])
    with pytest.raises(UserError, match="they share no strategy"):
        compare_studies(first, other)
    longer = first.study.model_copy(update={"steps": first.study.steps + 1})
    with pytest.raises(UserError, match=r"steps: \d+ in the first study, \d+ in the second"):
        compare_studies(first, Analysis(longer, first.records, first.roles))


def test_other_splits_have_no_pairs(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    first = made(tmp_path / "a", new_study, write, strategies=["random"])
    second = made(tmp_path / "b", new_study, write, strategies=["random"])
    second.records.trials["split_hash"] = "other " + second.records.trials["split_hash"]
    table = compare_studies(first, second)
    assert (table["pairs"] == 0).all()
    assert table["difference"].isna().all()
    assert "–" in as_text(table, "auac")
    assert as_text(table, "auac").endswith("2 of 2 have no data split in common")


def test_trials_of_another_description_are_not_compared(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_study: NewStudy,
    write: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    study = made(tmp_path / "a", new_study, write, strategies=["random", "margin"]).study
    for cell, block in grid.jobs(study):
        labels = {"dataset": cell.dataset, "setting": cell.setting, "classifier": cell.classifier}
        about = provenance.of(study, "trials", **labels, strategy=cell.strategy, block=block.id)
        path = study.folder / cell.records(block)
        rows = records.read(path, "records").to_dict("records")
        records.write(path, "records", rows, {"lalbench": provenance.as_text(about)})
    content = study.model_dump(mode="json", by_alias=True, exclude_unset=True)
    files.write_json(Path("same.json"), content)
    for name, changes in (
        ("other", {"strategies": ["random", {"name": "entropy", "label": "margin"}]}),
        ("longer", {"steps": study.steps + 1}),
        ("shifted", {"seeds": {"data": [5, 6, 7], "run": [0, 1, 2]}}),
    ):
        files.write_json(Path(f"{name}.json"), content | changes)
        assert main(["compare", "same.json", f"{name}.json"]) == 2
        error = capsys.readouterr().err
        assert "was made from another description of study" in error
        assert "run the study again" in error
    assert main(["compare", "same.json", "same.json"]) == 0


def test_the_command_takes_files_and_folders(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_study: NewStudy,
    write: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    analysis = made(tmp_path / "a", new_study, write, strategies=["random", "entropy"])
    study, folder = analysis.study, analysis.study.folder
    files.write_text("s.yaml", study.model_dump_json(by_alias=True))
    resolved = study.model_dump(mode="json", by_alias=True)
    content = {"study": resolved, "study_hash": files.digest(resolved), "files": {}}
    files.write_json(folder / "manifest.json", content)
    assert main(["compare", "s.yaml", str(folder), "--output", "out.csv"]) == 0
    assert "0 of 4 differ" in capsys.readouterr().out
    assert len(pd.read_csv("out.csv")) == 4
    assert main(["compare", "s.yaml", str(folder), "--final"]) == 0
    assert main(["compare", "s.yaml", str(tmp_path)]) == 2
    assert "holds no manifest.json; name the folder of a finished study" in capsys.readouterr().err
    assert main(["compare", "s.yaml", "none.yaml"]) == 2
    files.write_json(folder / "manifest.json", content | {"study_hash": "0"})
    with pytest.raises(CorruptFileError, match="does not have its hash"):
        manifests.read(folder)
    files.write_text(folder / "manifest.json", "[")
    with pytest.raises(CorruptFileError, match="cannot be read"):
        manifests.read(folder)
