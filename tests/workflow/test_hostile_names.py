"""Names that a shell would run, expand or take apart are plain text to every job."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import HERE, Checkout

EVIL = "$(touch canary)`touch canary`;touch canary&&'\"*?[a]|>canary#ünï"
RESULTS = f"res {EVIL}".replace(">", "")  # which Snakemake has a meaning for in paths

PROGRAMS = r"shell=True|os\.system|os\.popen|\beval\(|\bexec\("
STAGES = ("fetch", "problems", "references", "trials", "tables", "figures", "report", "manifest")
STUB = """#!/bin/sh
for word in "$@"; do printf '%s\\0' "$word"; done > "$SEEN"
"""


def shell_lines() -> Iterator[tuple[str, str]]:
    """Rule and command of every ``shell:`` of the workflow."""
    for path in [HERE / "Snakefile", *sorted((HERE / "workflow").rglob("*.smk"))]:
        for rule in re.split(r"^(?= *rule )", path.read_text(), flags=re.MULTILINE):
            _, shell, command = rule.partition("    shell:\n")
            if shell:
                yield rule.split("\n")[0], "".join(re.findall(r'^ {8,12}"(.*)"$', command, re.M))


def test_every_word_that_is_put_into_a_command_is_quoted() -> None:
    commands = dict(shell_lines())
    assert len(commands) == sum(
        path.read_text().count("shell:") for path in (HERE / "workflow").rglob("*.smk")
    )
    for rule, command in commands.items():
        places = re.findall(r"\{([^}]*)\}", command)
        assert places, rule
        assert command.startswith("python -m lalbench "), rule
        assert [place for place in places if not place.endswith(":q")] == [], rule


def test_nothing_else_starts_a_program() -> None:
    """A study could reach a shell by these, too; programs get lists of words."""
    for path in (HERE / "src" / "lalbench").rglob("*.py"):
        assert not re.search(r"shell=True|os\.system|os\.popen|\beval\(|\bexec\(", _code(path)), (
            path
        )
    for path in (HERE / "workflow").rglob("*.smk"):
        assert not re.search(r"^ +(run|script|wrapper|notebook|cwl):", path.read_text(), re.M), path


def _code(path: Path) -> str:
    """A module without calls of methods, such as ``network.eval()``."""
    return re.sub(r"\.(eval|exec)\(", "", path.read_text())


def write(folder: Path) -> str:
    """A study whose every free name is evil, and its data; returns the name of the study file."""
    name, classes = f"study {EVIL}.yaml", [f"`{EVIL}` <script>", "$\\frac{1}{ & % _"]
    with (folder / f"data {EVIL}.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([f"x {EVIL}\n", f"label {EVIL}"])
        writer.writerows([n * 0.37 % 5, classes[n % 2]] for n in range(120))
    (folder / "own.py").write_text(
        "class Own:\n"
        "    needs = frozenset()\n"
        "    def __init__(self, word): ...\n"
        "    def select(self, state, budget, rng): ...\n"
    )
    study = {
        "study": "evil",
        "description": f"{EVIL}\n{{dataset}} <script>",
        "results": RESULTS,
        "mirrors": [EVIL, "{dataset}"],
        "datasets": [
            {
                "name": "mine",
                "path": f"data {EVIL}.csv",
                "target": f"label {EVIL}",
                "relabel": [[classes[0]], [classes[1]]],
            }
        ],
        "settings": ["balanced"],
        "classifiers": ["logistic_regression"],
        "strategies": ["random", {"name": "own", "class": "own:Own", "options": {"word": EVIL}}],
        "sizes": {"test": 20, "reward": 10, "annotated": 10},
        "seeds": {"data": [0], "run": [0]},
        "steps": 1,
    }
    (folder / name).write_text(yaml.safe_dump(study, allow_unicode=True))
    return name


@pytest.mark.workflow
def test_evil_names_are_words_of_commands(fresh: Checkout) -> None:
    """Snakemake writes the commands, a shell reads them, a stub says what it was called with."""
    folder = fresh.folder
    name = write(folder)
    before = {path.name for path in folder.iterdir()}
    output, _ = fresh.run("--config", f"study={name}", "--cores", "1", "-n", "-p")
    commands = re.findall(r"python -m lalbench .*", output)
    stages = sorted(shlex.split(command)[3] for command in commands)
    assert stages == sorted(["trials", *STAGES])
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text(STUB)
    (folder / "bin" / "python").chmod(0o755)
    for command in commands:
        words, log = shlex.split(command)[:-3], shlex.split(command)[-2]
        assert words[words.index("--study") + 1] == name
        assert words[words.index("--output") + 1].startswith(f"{RESULTS}/evil/")
        assert log.startswith(f"{RESULTS}/evil/logs/")
        (folder / log).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env={"PATH": f"{folder}/bin:{os.environ['PATH']}", "SEEN": str(folder / "seen")},
            check=True,
        )
        assert (folder / "seen").read_text().split("\0")[:-1] == words[1:]
    made = {path.name for path in folder.iterdir()} - before
    # byte code of the folder's modules is Python's affair
    assert made - {"__pycache__"} == {"bin", "seen", RESULTS, ".snakemake"} - before
    assert not list(folder.rglob("canary*"))
