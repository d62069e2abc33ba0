"""Bad input ends at the first stage that can know it, with one sentence: key, value, remedy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lalbench.__main__ import main

STAGES = ("validate", "fetch", "problems", "trials", "again")


@dataclass
class Case:
    """One mistake, the stage that must notice it, and words its sentence must hold."""

    name: str
    stage: str
    words: tuple[str, ...]
    study: dict[str, Any] = field(default_factory=dict)
    csv: str = ""


def table(n: int = 60, bad_row: str = "") -> str:
    """A CSV with two features and a label, and perhaps one bad row."""
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{y:.3f},{i % 2}" for i, (x, y) in enumerate(rng.normal(size=(n, 2)))]
    return "\n".join(["a,b,label", *rows, *([bad_row] if bad_row else [])]) + "\n"


def own(**changes: Any) -> list[dict[str, Any]]:
    """The user's own file as the data set of a study."""
    return [{"name": "mine", "path": "mine.csv", "target": "label"} | changes]


CASES = [
    Case("data set", "validate", ("datasets[0].name", "wnie", '"wine"'), {"datasets": ["wnie"]}),
    Case(
        "strategy",
        "validate",
        ("strategies[1].name", 'unknown strategy "entrpy"', 'did you mean "entropy"?'),
        {"strategies": ["random", "entrpy"]},
    ),
    Case(
        "strategy option",
        "validate",
        ("strategies[0].options", "delt", '"delta"'),
        {"strategies": [{"name": "hal_gauss", "options": {"delt": 1.0}}]},
    ),
    Case(
        "strategy option value",
        "validate",
        ("strategies[0].options.ties", "randm", '"random"'),
        {"strategies": [{"name": "entropy", "options": {"ties": "randm"}}]},
    ),
    Case(
        "own strategy",
        "validate",
        ("strategies[0]", "no_such_module"),
        {"strategies": [{"name": "mine", "class": "no_such_module:Strategy"}]},
    ),
    Case(
        "setting",
        "validate",
        ('settings[0]: unknown setting "balancd"; c',),
        {"settings": ["balancd"]},
    ),
    Case("key", "validate", ("stepz", 'did you mean "steps"?'), {"stepz": 3}),
    Case("type", "validate", ('steps: "many" does not fit; write a whole',), {"steps": "many"}),
    Case("too small", "validate", ("steps: 0 does not fit; use 1 or more",), {"steps": 0}),
    Case("nothing", "validate", ("mirrors: null does not fit; write a list",), {"mirrors": None}),
    Case(
        "too few",
        "validate",
        ("seeds.run: [] does not fit; write at least 1",),
        {"seeds": {"data": [0], "run": []}},
    ),
    Case(
        "no entry",
        "validate",
        ("seeds: 3 does not fit; write keys with values",),
        {"seeds": 3},
    ),
    Case(
        "classifier",
        "validate",
        ("classifiers[0].name", "smv", '"svm"'),
        {"classifiers": ["smv"]},
    ),
    Case(
        "classifier option",
        "validate",
        ("classifiers[0].options", "gama", '"gamma"'),
        {"classifiers": [{"name": "svm", "options": {"gama": 1}}]},
    ),
    Case("objective", "validate", ("objective", "macro_f2", "macro_f1"), {"objective": "macro_f2"}),
    Case(
        "generator option",
        "validate",
        ("datasets[0].options", "size", "n"),
        {"datasets": [{"name": "waveform_generator", "options": {"size": 3}}]},
    ),
    Case(
        "empty file",
        "validate",
        ("datasets[0]: mine.csv: is empty; it needs a header",),
        {"datasets": own()},
        "\n",
    ),
    Case("missing file", "validate", ("datasets[0].path", "mine.csv"), {"datasets": own()}),
    Case(
        "missing target",
        "validate",
        ("datasets[0].target", "lable", "label"),
        {"datasets": own(target="lable")},
        table(),
    ),
    Case("nan", "fetch", ("mine.csv", "a"), {"datasets": own()}, table(bad_row="nan,1,0")),
    Case("infinite", "fetch", ("mine.csv", "a"), {"datasets": own()}, table(bad_row="inf,1,0")),
    Case("text", "fetch", ("mine.csv", "a", "red"), {"datasets": own()}, table(bad_row="red,1,0")),
    Case(
        "one class",
        "fetch",
        ("mine.csv", "class"),
        {"datasets": own()},
        "a,label\n" + "1.0,0\n" * 20,
    ),
    Case(
        "class too small",
        "problems",
        ("mine", "annotated"),
        {"datasets": own(sizes={"test": 20, "reward": 10, "annotated": 3})},
        "a,label\n" + "1.0,0\n" * 100 + "2.0,1\n" * 10,
    ),
    Case(
        "sizes too large",
        "problems",
        ("mine", "sizes"),
        {"datasets": own(sizes={"test": 500, "reward": 10, "annotated": 10})},
        table(),
    ),
    Case(
        "frequencies of another length",
        "problems",
        ("frequencies", "3"),
        {
            "settings": [{"name": "odd", "frequencies": [1, 2, 3]}],
            "datasets": own(sizes={"test": 10, "reward": 10, "annotated": 10}),
        },
        table(),
    ),
    Case(
        "objective of two classes",
        "problems",
        ("objective", "IntersectionOverUnion of 3 classes", "relabel"),
        {"objective": "iou"},
    ),
    Case(
        "objective of two classes, grouped",
        "validate",
        ("objective", "IntersectionOverUnion of 3 classes", "relabel"),
        {
            "objective": "iou",
            "datasets": [{"name": "digits", "relabel": [[0, 1], [2, 3], [4, 5]]}],
        },
    ),
    Case(
        "too few points to learn from",
        "validate",
        ("strategies[0]", "lal_warm_start", "7 annotated points or more", "there are 6"),
        {
            "strategies": ["lal_warm_start"],
            "sizes": {"test": 30, "reward": 0, "annotated": 6},
        },
    ),
    Case(
        "too many steps",
        "trials",
        ("steps", "1000 steps of 1 acquire 1000 points", "lower steps"),
        {"steps": 1000},
    ),
    Case(
        "objective without probabilities",
        "validate",
        ("classifiers[0]", "SVC", "probabilities"),
        {"objective": "log_loss", "classifiers": ["svm"]},
    ),
    Case(
        "weights without sample_weight",
        "validate",
        ("classifiers[0]", "KNeighborsClassifier", "imbalanced_weighted"),
        {
            "settings": ["imbalanced_weighted"],
            "classifiers": [{"name": "knn", "class": "sklearn.neighbors:KNeighborsClassifier"}],
        },
    ),
]


class Session:
    """Runs the stages of one study by the command line, in a folder of its own."""

    def __init__(self, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
        content: dict[str, Any] = {
            "study": "bad",
            "datasets": ["wine"],
            "settings": ["balanced"],
            "classifiers": ["logistic_regression"],
            "strategies": ["random"],
            "sizes": {"test": 30, "reward": 15, "annotated": 15},
            "seeds": {"data": [0], "run": [0]},
            "steps": 1,
        }
        Path("study.yaml").write_text(yaml.safe_dump(content | case.study))
        if case.csv:
            Path("mine.csv").write_text(case.csv)
        made = content | case.study
        name = made["datasets"][0]
        labels = {
            "dataset": name if isinstance(name, str) else name["name"],
            "setting": _name(made["settings"][0]),
            "classifier": _name(made["classifiers"][0]),
            "strategy": _name(made["strategies"][0]),
            "block": "000",
        }
        self.capsys = capsys
        self.words = {key: [f"--{key}", value] for key, value in labels.items()}

    def run(self, stage: str) -> tuple[int, str]:
        """Exit code and standard error of one stage."""
        out = ["--study", "study.yaml", "--output", f"out/{stage}.npz"]
        data, problems = ["--data", "out/fetch.npz"], ["--problems", "out/problems.npz"]
        every = [word for pair in self.words.values() for word in pair]
        cell = [*data, *problems, "--timings", "out/timings.parquet"]
        problem = [*self.words["dataset"], *self.words["setting"], *self.words["block"]]
        arguments = {
            "validate": ["study.yaml"],
            "fetch": [*out, *self.words["dataset"]],
            "problems": [*out, *problem, *data],
            "trials": [*out, *every, *cell],
        }[stage]
        code = main([stage, *arguments])
        return code, self.capsys.readouterr().err


def _name(entry: str | dict[str, Any]) -> str:
    return entry if isinstance(entry, str) else entry["name"]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bad_input(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session(case, capsys)
    for stage in STAGES[: STAGES.index(case.stage)]:
        code, error = session.run(stage)
        assert (code, error) == (0, ""), f"{stage}: {error}"
    code, error = session.run(case.stage)
    assert code == 2
    assert_one_sentence(error)
    for word in case.words:
        assert word in error
    assert not Path("out", f"{case.stage}.npz").exists()


def assert_one_sentence(error: str) -> None:
    """One line with a remedy and no traceback."""
    assert error.startswith("lalbench: ")
    assert error.count("\n") == 1
    assert "; " in error
    assert "Traceback" not in error


def test_unwritable_results_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where the folder should be: nobody can write below it, not even root."""
    monkeypatch.chdir(tmp_path)
    Path("blocked").write_text("")
    session = Session(Case("", "validate", (), {"results": "blocked"}), capsys)
    code, error = session.run("validate")
    assert code == 2
    assert_one_sentence(error)
    assert "results" in error
    assert "blocked" in error


@pytest.mark.parametrize("what", ["data", "problems", "trial cache"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "changed"])
def test_corrupt_intermediate_file(
    what: str,
    damage: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A damaged file stops the stage that reads it, or the damage is where it changes nothing."""
    monkeypatch.chdir(tmp_path)
    session = Session(Case("", "again", ()), capsys)
    for stage in STAGES[:4]:
        assert session.run(stage) == (0, "")
    path = {
        "data": Path("out/fetch.npz"),
        "problems": Path("out/problems.npz"),
        "trial cache": next(Path("results/bad/cache/trials").rglob("*.json")),
    }[what]
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "truncated": content[:middle],
            "garbage": b"garbage",
            "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        }[damage]
    )
    undisturbed = Path("out/trials.npz").read_bytes()
    Path("out/trials.npz").unlink()
    code, error = session.run("trials")
    if damage == "changed" and code == 0:
        assert Path("out/trials.npz").read_bytes() == undisturbed
        return
    assert code == 1
    assert_one_sentence(error)
    assert path.name in error
    assert "delete it" in error or "run" in error
    assert not Path("out/trials.npz").exists()
