"""The study loader on anything: a valid study, or one sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench import files, grid, plain_yaml
from lalbench.data.table import check_relabel
from lalbench.errors import UserError, one_line, suggest
from lalbench.study import check_study, load_study, parse_study

VALID: dict[str, Any] = {
    "study": "s",
    "description": "two\nlines",
    "protocol": "clean",
    "results": "results",
    "mirrors": ["/data", "https://x/y"],
    "datasets": [
        "wine",
        {"name": "digits", "label": "d", "relabel": [[0, 1], [2, "3"]], "sizes": {"pool": 90}},
        {"name": "waveform_generator", "options": {"n": 400}, "draws": 3},
    ],
    "settings": ["balanced", {"name": "m", "frequencies": [1, 2.5], "score_weights": "none"}],
    "sizes": {"test": 30, "reward": 15, "annotated": 15},
    "classifiers": ["svm", {"name": "f", "class": "sklearn.svm:SVC", "options": {"C": 2.0}}],
    "strategies": ["random", {"name": "entropy", "options": {"ties": "first"}, "subsample": 9}],
    "objective": {"name": "f_beta", "options": {"beta": 2.0}},
    "seeds": {"data": {"first": 3, "count": 2}, "run": [1, 2], "pairs": "matched", "study": 4},
    "steps": 2,
    "budget": 3,
    "blocks": {"cheap": 2},
    "compute": {"device": "cpu", "memory": 20},
    "figures": {"formats": ["svg"], "dpi": 90, "width": 5.5},
}

ODD = [10**9, 2**63, -1, 0, "$(id)", "a\nb", "\x1b[m", "x" * 300, "os:system", "{x}"]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
plain = st.recursive(
    scalars | st.sampled_from(ODD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to everything in a content but itself."""
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


PLACES = list(places(VALID))


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A valid study with some places replaced, removed or added to."""
    content: dict[str, Any] = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PLACES))
        holder: Any = content
        try:
            for key in path[:-1]:
                holder = holder[key]
            kind = draw(st.sampled_from(["replace", "remove", "add"]))
            if kind == "replace":
                holder[path[-1]] = draw(plain)
            elif kind == "remove":
                del holder[path[-1]]
            elif isinstance(holder, dict):
                holder[draw(st.text(max_size=6))] = draw(plain)
            else:
                holder.append(draw(plain))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return content


def refusal(call: Callable[[], Any]) -> str:
    """What the error says that ``call`` raises; nothing where it raises none."""
    try:
        call()
    except UserError as error:
        return str(error)
    return ""


def is_sentence(text: str) -> bool:
    """One line that can be printed."""
    return text.isprintable() and "; " in text and len(text) < 1300


def load(content: Any) -> None:
    """All that the loader does with the content of a file."""
    check_study(parse_study(content))


@settings(max_examples=80)
@given(content=changed())
def test_changed_studies(content: dict[str, Any]) -> None:
    said = refusal(lambda: load(content))
    if said:
        assert is_sentence(said)
        return
    study = parse_study(content)
    # what is accepted can be kept and read again, and its jobs have names
    kept = json.dumps(study.model_dump(mode="json", by_alias=True), allow_nan=False)
    assert parse_study(json.loads(kept)) == study
    assert files.digest(grid.stage_parameters(study, "tables"))
    assert grid.cells(study)


WORDS = ("study", "datasets", "random", "wine", "a", "1", "~", ".nan", "!!set", "!!int", "=")
SIGNS = ("&a", "*a", "<<", "?", ":", "-", "[", "]", "{", "}", ",", "|", ">", "'", '"', "#", "---")
MARKS = ("\n", "\n  ", " ", "\t", "\\x", "%YAML 1.1", "!", "@", "`", "\u0085", "\ufeff", "...")
tokens = st.lists(st.sampled_from([*WORDS, *SIGNS, *MARKS]), max_size=30).map("".join)


@settings(max_examples=100)
@given(text=tokens | st.text(max_size=60))
def test_texts(text: str) -> None:
    said = refusal(lambda: plain_yaml.parse(text))
    assert is_sentence(said or refusal(lambda: load(plain_yaml.parse(text))))


@settings(max_examples=50)
@given(content=st.binary(max_size=200))
def test_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    assert is_sentence(refusal(lambda: load_study(path)))


@settings(max_examples=60)
@given(content=plain)
def test_plain_yaml_reads_what_others_write(content: Any) -> None:
    """Whatever can be kept comes back as from PyYAML's own loader."""
    said = refusal(lambda: plain_yaml.check(content))
    if said:
        assert is_sentence(said)
        return
    text = yaml.safe_dump(content, allow_unicode=True)
    assert plain_yaml.parse(text) == yaml.safe_load(text) == content


def test_limits_of_plain_yaml_are_those_that_it_names() -> None:
    deep = "[" * plain_yaml.DEEPEST + "]" * plain_yaml.DEEPEST
    assert plain_yaml.parse(deep)
    with pytest.raises(UserError, match="more than 30 levels"):
        plain_yaml.parse(f"[{deep}]")
    # an alias stands for all that it repeats: 1 + (1 + n) + n values
    n = 500
    row = f"a: &a [{'x, ' * n}]\n"
    parsed = plain_yaml.parse(row + "b: [" + "*a, " * 400 + "]\n")
    assert parsed["b"][399] == parsed["a"]
    with pytest.raises(UserError, match=r"line 2: .*more than 250000 values"):
        plain_yaml.parse(row + "b: [" + "*a, " * 500 + "]\n")


def test_dates_and_merge_keys_are_text() -> None:
    found = plain_yaml.parse("a: 2020-01-01\nb: 12:30:00\nc: {<<: 1}\nd: =\n")
    assert found == {"a": "2020-01-01", "b": 45000, "c": {"<<": 1}, "d": "="}


def test_long_lists_take_no_longer_than_they_are() -> None:
    """What repeats is found in one pass: these lists took minutes when every pair was compared."""
    seeds = {"data": {"first": 0, "count": 100_000}, "run": [0]}
    study = parse_study(VALID | {"seeds": seeds, "datasets": ["wine"]})
    assert len(study.seeds.data) == 100_000
    with pytest.raises(UserError, match=r'relabel: label "7" stands twice'):
        check_relabel([[*range(100_000)], [7]])


def test_one_line_is_one_line() -> None:
    assert one_line("a b") == "a b"
    assert one_line("größe ≤ 3…") == "größe ≤ 3…"
    assert one_line("a\nb\r\x1b[31m\u202e\ud800") == r"a\nb\r\x1b[31m\u202e\ud800"
    assert one_line("x" * 500 + "end", 100) == "x" * 75 + "…" + "x" * 22 + "end"
    assert len(one_line("\0" * 1000)) <= 401


def test_suggestions_look_at_bounded_names() -> None:
    many = [f"c{n}" for n in range(100_000)]
    assert suggest("c1", many).startswith("did you mean")
    assert suggest("zzz", many).endswith(", …")
    assert len(suggest("zzz", ["x" * 10**6, "y" * 10**6])) < 300


def test_an_engine_goes_with_every_classifier() -> None:
    for engine, allowed in (("auto", True), ("reference", True), ("svm", False)):
        options = {"name": "look_ahead", "options": {"engine": engine}}
        classifiers = ["svm", "logistic_regression"]
        content = VALID | {"classifiers": classifiers, "strategies": ["random", options]}
        if allowed:
            check_study(parse_study(content))
            continue
        words = r'strategies\[1\].options.engine: "svm" with LogisticRegression.*; use "auto"'
        with pytest.raises(UserError, match=words):
            check_study(parse_study(content))
        check_study(parse_study(content | {"classifiers": ["svm"]}))
    # the options of an objective may be about classes that two do not have
    objective = {"name": "f_beta", "options": {"rare_class": 2}}
    options = {"name": "look_ahead", "options": {"engine": "svm"}}
    many = {"objective": objective, "classifiers": ["svm"], "datasets": ["wine"]}
    many["strategies"] = ["random", options]
    check_study(parse_study(VALID | many))


def no_companion(y: Any, predictions: Any, class_weights: Any) -> float:
    return float((y == predictions).mean())


def wrong_companion(y: Any, predictions: Any, class_weights: Any) -> float:
    return no_companion(y, predictions, class_weights)


wrong_companion.smooth = lambda v, p: 1.0  # type: ignore[attr-defined]


def test_what_look_ahead_needs_is_there_before_anything_runs() -> None:
    smooth = {"name": "oracle", "label": "smooth", "options": {"score": "smooth"}}
    for name, words in (
        ("no_companion", "has no smooth companion"),
        ("wrong_companion", "cannot be called: too"),
    ):
        objective = {"name": "mine", "function": f"tests.test_study_loader:{name}"}
        content = VALID | {"objective": objective}
        check_study(parse_study(content | {"strategies": ["random", "oracle"]}))
        for strategy in ("look_ahead", smooth):
            with pytest.raises(UserError, match=f"objective: .*{words}"):
                check_study(parse_study(content | {"strategies": ["random", strategy]}))
    knn = {"name": "knn", "class": "sklearn.neighbors:KNeighborsClassifier"}
    content = VALID | {"classifiers": [knn], "strategies": ["random", "look_ahead"]}
    content |= {"settings": ["natural"]}
    check_study(parse_study(content | {"budget": 1}))
    words = r"strategies\[1\].*KNeighborsClassifier.fit takes no sample_weight, which a batch"
    with pytest.raises(UserError, match=words):
        check_study(parse_study(content | {"budget": 2}))


def test_a_file_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no file; name a YAML file"):
        load_study(tmp_path)
