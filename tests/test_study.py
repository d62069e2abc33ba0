"""Study files: what is accepted, and one sentence with key, value and remedy for what is not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lalbench.__main__ import main
from lalbench.config import SETTINGS, Study
from lalbench.errors import UserError
from lalbench.study import load_study, parse_study, with_results

BASE: dict[str, Any] = {
    "study": "tiny",
    "datasets": ["wine"],
    "settings": ["balanced"],
    "classifiers": ["logistic_regression"],
    "strategies": ["random", "entropy"],
}


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(BASE) | changes


def test_names_stand_for_mappings_and_labels_default_to_names() -> None:
    short = parse_study(BASE)
    long = parse_study(changed(strategies=[{"name": "random"}, {"name": "entropy"}]))
    assert short == long
    assert [entry.label for entry in short.strategies] == ["random", "entropy"]
    assert short.settings[0] is SETTINGS["balanced"]


def test_seed_ranges_expand() -> None:
    study = parse_study(changed(seeds={"data": {"first": 5, "count": 3}, "run": [1]}))
    assert study.seeds.data == [5, 6, 7]


def test_own_setting() -> None:
    study = parse_study(changed(settings=[{"name": "mine", "frequencies": [1, 20]}]))
    assert study.setting("mine").frequencies == [1.0, 20.0]


BAD = [
    (changed(stduy=1), "stduy", "did you mean"),
    (changed(strategies=[{"name": "random", "optoins": {}}]), "strategies[0].optoins", "options"),
    (changed(strategies=[]), "strategies", "[]"),
    (changed(strategies="random"), "strategies", '"random"'),
    (changed(steps="ten"), "steps", '"ten"'),
    (changed(steps=0), "steps", "0"),
    (changed(steps=2.5), "steps", "2.5"),
    (changed(protocol="publishd"), "protocol", '"publishd"'),
    (changed(settings=["imbalancd"]), "settings[0]", "imbalancd"),
    (changed(settings=[{"name": "m", "frequencies": [1, -2]}]), "settings[0].frequencies", "posit"),
    (changed(settings=[{"name": "m", "score_weights": [0, 0]}]), "settings[0].score_w", "zero"),
    (changed(study="a/b"), "study", '"a/b"'),
    (changed(results="r{x}"), "results", "leave out braces"),
    (changed(results="<here>"), "results", "angle brackets"),
    (changed(results="-r"), "results", "hyphen"),
    (changed(results="a\nb"), "results", "line breaks"),
    (changed(study="$(touch x)"), "study", "letters"),
    (changed(strategies=["random", "random"]), "strategies", "label"),
    (changed(seeds={"data": [1, 1]}), "seeds.data", "twice"),
    (changed(seeds={"data": [-1]}), "seeds.data", "-1"),
    (changed(seeds={"data": [1, 2], "run": [1], "pairs": "matched"}), "seeds", "equally long"),
    (changed(datasets=[{"name": "mine", "path": "x.csv"}]), "datasets[0]", "target"),
    (changed(sizes={"test": 1}), "sizes.test", "1"),
    (changed(blocks={"cheep": 3}), "blocks.cheep", 'did you mean "cheap"'),
    ({k: v for k, v in BASE.items() if k != "datasets"}, "datasets", "missing"),
    ([1, 2], "", "mapping"),
    (None, "", "mapping"),
]


@pytest.mark.parametrize(("content", "key", "hint"), BAD, ids=[str(bad[1]) for bad in BAD])
def test_bad_study_is_one_sentence(content: Any, key: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_study(content)
    message = str(caught.value)
    assert caught.value.key.startswith(key)
    assert hint in message
    assert "\n" not in message
    assert "pydantic" not in message


def test_file_name_leads_the_sentence(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(changed(stpes=3)))
    with pytest.raises(
        UserError, match=r's\.yaml: stpes: unknown key "stpes"; did you mean "steps'
    ):
        load_study(path)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("study: a\nstudy: b\n", 'line 2: key "study" stands twice'),
        ("study: [a\n", "not valid YAML"),
        ("study: !!python/object/apply:os.system [touch x]\n", "not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_bad_yaml(tmp_path: Path, text: str, hint: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such study file"):
        load_study(tmp_path / "none.yaml")


def test_schema_accepts_what_the_model_accepts() -> None:
    import jsonschema

    schema = Study.model_json_schema(by_alias=True)
    for path in [Path("config.yaml"), *Path("studies").glob("*.yaml")]:
        content = yaml.safe_load(path.read_text())
        jsonschema.validate(content, schema)
        parse_study(content)


def test_a_pool_that_the_study_sizes_holds_what_is_acquired(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(changed(sizes={"pool": 5}, steps=3, budget=2)))
    with pytest.raises(UserError, match=r"sizes\.pool: 5 points .* 3 steps of 2 acquire 6"):
        load_study(path)
    path.write_text(yaml.safe_dump(changed(sizes={"pool": 6}, steps=3, budget=2)))
    load_study(path)


@pytest.mark.parametrize(
    ("strategy", "least"),
    [
        ("lal_warm_start", 7),
        ("neural_process", 3),
        ({"name": "neural_process", "options": {"simulation_size": "truncate"}}, 20),
    ],
)
def test_what_learns_from_the_annotated_set_says_how_many_it_needs(
    strategy: Any, least: int, tmp_path: Path
) -> None:
    path = tmp_path / "s.yaml"
    sizes = {"reward": 20, "annotated": least - 1}
    path.write_text(yaml.safe_dump(changed(strategies=[strategy], sizes=sizes)))
    words = (
        rf"strategies\[0\]: .* learns from {least} annotated .*are {least - 1}; set sizes.annotat"
    )
    with pytest.raises(UserError, match=words):
        load_study(path)
    path.write_text(
        yaml.safe_dump(changed(strategies=[strategy], sizes=sizes | {"annotated": least}))
    )
    load_study(path)


@pytest.mark.parametrize("results", ["r{x}", "r}", "<a>", "-r", "a\tb", "a\0b"])
def test_a_results_folder_of_the_command_is_checked_like_that_of_the_study(
    results: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(json.dumps(changed()))
    assert main(["plan", str(path), f"--results={results}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lalbench: results: {json.dumps(results)} names no folder")
    assert "leave out braces, angle brackets, line breaks and a hyphen" in error
    with pytest.raises(UserError, match="results"):
        parse_study(changed(results=results))


@pytest.mark.parametrize("results", ["a b", "../é", "/x/it's", "a-b", "a$b", "a*[1]?", 'a"b', "~"])
def test_other_results_folders_are_taken(results: str) -> None:
    assert parse_study(changed(results=results)).results == results
    assert with_results(parse_study(changed()), results).folder.parent == Path(results)
    assert with_results(parse_study(changed()), "").results == "results"
