"""The JSON schema is that of the study model, and every study of ours follows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lalbench.__main__ import main

HERE = Path(__file__).resolve().parents[2]
SCHEMA = HERE / "workflow" / "schemas" / "study.schema.json"
STUDIES = [HERE / "config.yaml", *sorted((HERE / "studies").glob("*.yaml"))]


def errors(content: Any) -> list[Any]:
    schema = yaml.safe_load(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return list(jsonschema.Draft202012Validator(schema).iter_errors(content))


def test_schema_is_that_of_the_model(tmp_path: Path) -> None:
    assert main(["schema", "--output", str(tmp_path / "schema.json")]) == 0
    assert (tmp_path / "schema.json").read_text() == SCHEMA.read_text(), "run: make schema"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_our_studies_follow_the_schema(path: Path) -> None:
    assert not errors(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "change",
    [
        {"stepz": 3},
        {"steps": 0},
        {"steps": "many"},
        {"protocol": "cleen"},
        {"study": "a/b"},
        {"datasets": []},
        {"seeds": {"data": {"first": 1}}},
        {"settings": [{"frequencies": [1.0]}]},
        {"strategies": [{"name": "random", "subsample": 0}]},
        {"figures": {"formats": ["bmp"]}},
    ],
    ids=str,
)
def test_mistakes_are_found_by_the_schema_alone(change: dict[str, Any]) -> None:
    content = yaml.safe_load(STUDIES[0].read_text())
    assert errors(content | change)
