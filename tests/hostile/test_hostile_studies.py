"""Study files that are bombs, that name what runs, or that name files which never end."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.hostile.conftest import STUDY, Refused, write_study
from tests.hostile.sandbox import Sandbox

BASE = yaml.safe_dump(STUDY)
TENS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
LAUGHS = f"a0: &a0 [{', '.join('x' * 10)}]\n{TENS}"
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)

TEXTS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "billion laughs": (LAUGHS + BASE, ("line ", "more than 250000 values")),
    "billion laughs as a value": (LAUGHS + "study: *a11\n", ("more than 250000 values",)),
    "billion merges": (MERGES + BASE, ("more than 250000 values",)),
    "many aliases": (
        f"x: &x [{'a, ' * 1000}]\ny: [{'*x, ' * 300}]\n",
        ("more than 250000 values",),
    ),
    "deep in flow": (f"{BASE}description: {'[' * 100_000}", ("more than 30 levels",)),
    "deep in blocks": (f"{BASE}description: \n  {'- ' * 50_000}", ("more than 30 levels",)),
    "deep by aliases": (
        "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [[[*a{n - 1}]]]\n" for n in range(1, 400)),
        ("more than 30 levels",),
    ),
    "deep key": (f"{BASE}? {'[' * 5000}", ("more than 30 levels",)),
    "holds itself": (f"{BASE}description: &a [*a]\n", ("alias inside of what it repeats",)),
    "key holds itself": (f"{BASE}? &a [*a]\n: 1\n", ("alias inside of what it repeats",)),
    "too long": ("#" * (4 * 2**20 + 1), ("more than 4194304 bytes",)),
    "long text": (BASE + f"results: {'x' * 100_000}\n", ("results", "too long")),
    "long key": (BASE + f'? "{"x" * 200_000}"\n: 1\n', ("unknown key", "…")),
    "long number": (BASE.replace("steps: 1", "steps: " + "9" * 10_000), ("no int",)),
    "long sexagesimal": (BASE.replace("steps: 1", "steps: 1" + ":1" * 10**5), ("no int",)),
    "large number": (BASE.replace("steps: 1", "steps: 1" + "0" * 30), ("steps", "100 bits")),
    "number that is none": (BASE.replace("steps: 1", "steps: !!int x"), ("line ", "no int")),
    "flag that is none": (BASE + "x: !!bool maybe\n", ("line ", "no bool")),
    "date that is none": (BASE.replace("steps: 1", "steps: 2020-13-45"), ("steps", "2020-13-45")),
    "character that is none": (BASE + 'description: "\\UFFFFFFFF"\n', ("not valid YAML",)),
    "tag that runs": (
        BASE + "description: !!python/object/apply:os.system [touch canary]\n",
        ("line ", "python/object/apply:os.system"),
    ),
    "tag that imports": (BASE + "x: !!python/name:antigravity.x\n", ("python/name",)),
    "repeated key": (BASE + "steps: 1\nsteps: 2\n", ('key "steps" stands twice',)),
    "key with brackets": (BASE + '"a[b": 1\n', ('unknown key "a[b"',)),
    "key with a line end": (BASE + '"a\\nb": 1\n', ('unknown key "a\\nb"',)),
    "key with terminal codes": (BASE + '"\\e[31mred": 1\n', ("U+001B",)),
    "key from right to left": (BASE + '"\\u202ecba": 1\n', ("\\u202ecba",)),
    "key that is no text": (BASE + "? {a: b}\n: 1\n", ("not valid YAML",)),
    "half a character": (BASE + 'description: "\\ud800"\n', ("description", "U+D800")),
    "zero byte in text": (BASE + 'description: "a\\0b"\n', ("description", "U+0000")),
    "zero bytes": (b"\0" * 1000, ("not valid YAML",)),
    "other encoding": (BASE.encode("utf-16"), ("UTF-8",)),
    "no text": (bytes(range(256)) * 10, ("UTF-8",)),
    "two documents": (f"{BASE}---\n{BASE}", ("another document",)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str, tmp_path: Path, refused: Refused) -> None:
    text, words = TEXTS[name]
    (tmp_path / "study.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(["validate", "study.yaml"], words)


def own(kind: str, path: str, **options: Any) -> dict[str, Any]:
    """A part of the study that is named by import path."""
    if kind == "objective":
        return {kind: {"name": "x", "function": path, "options": options}}
    return {kind: [{"name": "x", "class": path, "options": options}]}


CONTENTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "command as strategy": (
        own("strategies", "os:system", command="touch canary"),
        ("strategies[0].class", "part of Python itself"),
    ),
    "program as strategy": (
        own("strategies", "subprocess:Popen", args=["touch", "canary"]),
        ("part of Python itself",),
    ),
    "command as classifier": (
        own("classifiers", "os:system", command="touch canary"),
        ("classifiers[0].class", "part of Python itself"),
    ),
    "pickle as classifier": (
        own("classifiers", "pandas:read_pickle", filepath_or_buffer="evil.p"),
        ("read_pickle is a function of a library",),
    ),
    "pickle as strategy": (
        own("strategies", "joblib:load", filename="evil.p"),
        ("load is a function of a library",),
    ),
    "deletion as classifier": (
        own("classifiers", "lalbench.files:remove_tree", folder="."),
        ("remove_tree is a function of a library",),
    ),
    "other class as classifier": (
        own("classifiers", "numpy:memmap", filename="written", mode="w+", shape=[3]),
        ("memmap has no fit",),
    ),
    "other class as strategy": (
        own("strategies", "numpy:memmap", filename="written", mode="w+", shape=[3]),
        ("memmap has no select",),
    ),
    "code as objective": (own("objective", "builtins:exec"), ("objective", "part of Python")),
    "shell in an import path": (
        own("classifiers", "$(touch canary);`touch canary`:C"),
        ("no import path",),
    ),
    "module above": (own("classifiers", "..x:Y"), ('"..x:Y" is no import path',)),
    "module with a zero byte": (own("classifiers", "a\0b:C"), ("U+0000",)),
    "module that does not compile": (own("classifiers", "broken:C"), ("SyntaxError",)),
    "module that raises": (own("classifiers", "raises:C"), ("RuntimeError: a\\nb",)),
    "module that ends": (own("classifiers", "ends:C"), ("SystemExit",)),
    "not a number": ({"settings": [{"name": "m", "frequencies": [float("nan")]}]}, ("nan is no",)),
    "infinite": (
        {"classifiers": [{"name": "svm", "options": {"C": float("inf")}}]},
        ("classifiers[0].options.C", "inf is no number"),
    ),
    "a thousand million seeds": (
        {"seeds": {"data": {"first": 0, "count": 10**9}}},
        ("seeds.data.count", "1000000000"),
    ),
    "ten thousand million trials": (
        {"seeds": {key: {"first": 0, "count": 10**5} for key in ("data", "run")}},
        ("10000000000 trials",),
    ),
    "a million combinations": (
        {
            "settings": [{"name": f"s{n}"} for n in range(500)],
            "strategies": [{"name": "random", "label": f"r{n}"} for n in range(500)],
        },
        ("250000 combinations",),
    ),
    "a thousand million draws of rows": (
        {"datasets": [{"name": "waveform_generator", "draws": 10**4, "options": {"n": 10**7}}]},
        ("datasets[0].draws", "GiB of memory"),
    ),
    "a thousand million annotated sets": (
        {"strategies": [{"name": "lal_independent", "options": {"repetitions": 10**9}}]},
        ("strategies[0].options.repetitions", "use at most 20833"),
    ),
    "a thousand million steps": ({"steps": 10**9}, ("steps", "100000")),
    "a million processes": ({"compute": {"processes": 10**6}}, ("compute.processes", "1024")),
    "many strategies": (
        {"strategies": [{"name": "random", "label": f"r{n}"} for n in range(1001)]},
        ("strategies", "at most 1000"),
    ),
    "results with braces": ({"results": "{dataset}"}, ("results", "braces")),
    "results as an option": ({"results": "-rf"}, ("results", "hyphen")),
    "results of two lines": ({"results": "a\nb"}, ("results", "line breaks")),
    "results with a long name": ({"results": "x" * 300}, ("results", "too long")),
    "long path": (
        {"datasets": [{"name": "m", "path": "x" * 5000 + ".csv", "target": "y"}]},
        ("no such file",),
    ),
    "long path of images": (
        {"datasets": [{"name": "m", "path": "x" * 5000, "format": "images"}]},
        ("no such folder",),
    ),
    "device": (
        {"datasets": [{"name": "m", "path": "/dev/zero", "format": "csv", "target": "y"}]},
        ('no such file "/dev/zero"',),
    ),
    "memory of the process": (
        {"datasets": [{"name": "m", "path": "/proc/self/mem", "format": "npz", "target": "y"}]},
        ("cannot be read",),
    ),
}


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch canary",)


@pytest.mark.parametrize("name", CONTENTS)
def test_contents(name: str, tmp_path: Path, refused: Refused) -> None:
    changes, words = CONTENTS[name]
    write_study(tmp_path, **changes)
    (tmp_path / "evil.p").write_bytes(pickle.dumps(_Command()))
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "raises.py").write_text("raise RuntimeError('a\\nb')\n")
    (tmp_path / "ends.py").write_text("raise SystemExit(0)\n")
    refused(["validate", "study.yaml"], words)


def test_the_sandbox_sees_what_is_run_and_written(tmp_path: Path, sandbox: Sandbox) -> None:
    """Modules of the user's own may do such things; files and names may not."""
    (tmp_path / "runs.py").write_text("import os, pickle\nos.system('true')\n")
    (tmp_path / "loads.py").write_text("import os, pickle\npickle.loads(b'cos\\nsystem\\n.')\n")
    (tmp_path / "writes.py").write_text("open('canary', 'w')\n")
    for module, event in (("runs", "os.system"), ("loads", "pickle.find_class")):
        write_study(tmp_path, **own("classifiers", f"{module}:C"))
        outcome = sandbox.run(["validate", "study.yaml"], tmp_path)
        assert [found.split()[0] for found in outcome.events] == [event]
    write_study(tmp_path, **own("classifiers", "writes:C"))
    with pytest.raises(AssertionError, match="outside of the results"):
        sandbox.run(["validate", "study.yaml"], tmp_path)


PLACES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "pipe": (os.mkfifo, ("is no file",)),
    "folder": (Path.mkdir, ("is no file",)),
    "device": (lambda path: path.symlink_to("/dev/zero"), ("is no file",)),
    "loop": (lambda path: path.symlink_to(path.name), ("symbolic links",)),
    "link to nowhere": (lambda path: path.symlink_to("gone"), ("no such study file",)),
}


@pytest.mark.parametrize("name", PLACES)
def test_places_of_a_study(name: str, tmp_path: Path, refused: Refused) -> None:
    make, words = PLACES[name]
    make(tmp_path / "study.yaml")
    refused(["validate", "study.yaml"], words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-x.yaml", ("dash", "./-x.yaml")),
        ("{dataset}.yaml", ("braces",)),
        ("a\nb.yaml", ("a\\nb.yaml: steps",)),
        ("$(touch canary).yaml", ("steps",)),
        (os.fsdecode(b"\xff.yaml"), ("udcff", "steps")),
    ],
)
def test_names_of_a_study(
    name: str, words: tuple[str, ...], tmp_path: Path, refused: Refused
) -> None:
    write_study(tmp_path, steps=0)
    (tmp_path / "study.yaml").rename(tmp_path / name)
    refused(["validate", "--", name], words)


def test_a_study_of_a_name_that_no_file_can_have(refused: Refused) -> None:
    refused(["validate", "x" * 300], ("cannot be read", "too long"))


def test_a_folder_given_to_the_command_is_checked_like_that_of_the_study(
    tmp_path: Path, refused: Refused
) -> None:
    write_study(tmp_path)
    refused(["status", "study.yaml", "--results", "{x}"], ("results", "braces"))


@pytest.mark.parametrize("value", ["{a: &a [*a]}", "!!python/name:os.system", "9" * 5000, ".nan"])
def test_options_of_the_command_line(value: str, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "mine.csv").write_text("a,label\n1,x\n2,y\n3,\n")
    command = ["suggest", "--data", "mine.csv", "--target", "label", "--option", f"ties={value}"]
    refused(command, ("--option ties: ",))
