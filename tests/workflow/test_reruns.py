"""What Snakemake plans after each kind of change: all that depends on it, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.workflow

RESULTS = {"tables", "figures", "report", "manifest"}
BLOCKS = {
    "random": ["000"],
    "entropy": ["000"],
    "patient": ["000"],
    "neural_process": ["000", "001"],
}


def jobs(stage: str, *strategies: str) -> set[str]:
    return {f"{stage} {strategy} {block}" for strategy in strategies for block in BLOCKS[strategy]}


EPISODES = jobs("episodes", "neural_process")
LEARN = jobs("learn", "neural_process")
EVERY_TRIAL = jobs("trials", *BLOCKS)
CHEAP_TRIALS = jobs("trials", "random", "entropy")
"""They share a job; what it has finished is taken from the cache."""
EVERYTHING = {"fetch", "problems 000", "references 000"} | EPISODES | LEARN | EVERY_TRIAL | RESULTS

Change = Callable[[Any], None]


def source(name: str, old: str = "", new: str = "") -> Change:
    """Code is added to a module of the package, or some of it replaced."""

    def change(text: str) -> str:
        return text.replace(old, new, 1) if old else f"{text}\n_ADDED = 1\n"

    return lambda checkout: checkout.edit(f"src/lalbench/{name}", change)


def study(**changes: Any) -> Change:
    """Keys of the study file are changed."""
    return lambda checkout: checkout.edit_study(**changes)


def strategy_options(**options: Any) -> Change:
    """Options of the neural process are changed."""

    def change(checkout: Any) -> None:
        *others, learned = checkout.study["strategies"]
        learned = learned | {"options": learned["options"] | options}
        checkout.edit_study(strategies=[*others, learned])

    return change


def nothing(checkout: Any) -> None:
    pass


def touch_all(checkout: Any) -> None:
    for path in checkout.folder.rglob("*.*"):
        if not {"results", ".snakemake", "__pycache__"} & set(path.parts):
            os.utime(path)


def comment_all(checkout: Any) -> None:
    """Every module gets another docstring, comments and blank lines."""
    for path in (checkout.folder / "src").rglob("*.py"):
        text = re.sub(r'^( *""")(?=\w)', r"\1In other words: ", path.read_text(), flags=re.M)
        text = re.sub(r"^(from __future__ .*)$", r"\1\n# A comment.\n", text, flags=re.M)
        path.write_text(f"{text}\n\n# The end.\n")


def remove_trials(checkout: Any) -> None:
    (folder,) = checkout.results.glob("trials/*/*/*/entropy")
    (folder / "block-000.parquet").unlink()


def own_strategy(checkout: Any) -> None:
    checkout.edit(
        "patient.py", lambda text: text.replace("np.arange(budget)", "np.arange(budget) + 1")
    )


CHANGES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (nothing, set()),
    "files touched": (touch_all, set()),
    "comments and docstrings": (comment_all, set()),
    "mirrors": (study(mirrors=["/nowhere"]), set()),
    "another strategy in the registry": (
        source("strategies/__init__.py", "    {\n", '    {\n        "new": "lalbench.new:New",\n'),
        set(),
    ),
    "another data set in the catalogue": (
        source(
            "data/catalogue.py", "_ENTRIES = (\n", '_ENTRIES = (\n    _bundled("new", "", ""),\n'
        ),
        set(),
    ),
    "messages": (source("errors.py"), set()),
    "source of a strategy": (
        source("strategies/uncertainty.py"),
        CHEAP_TRIALS | RESULTS,
    ),
    "the user's own strategy": (own_strategy, jobs("trials", "patient") | RESULTS),
    "source of the network": (
        source("learners/neural_process/network.py"),
        EPISODES | LEARN | jobs("trials", "neural_process") | RESULTS,
    ),
    "source of the data": (source("data/dataset.py"), EVERYTHING),
    "source of the trial stage": (source("stages/trials.py"), EVERY_TRIAL | RESULTS),
    "source of the reference stage": (
        source("stages/references.py"),
        {"references 000"} | RESULTS,
    ),
    "source of the tables": (source("stages/tables.py"), {"tables", "report", "manifest"}),
    "source of the figures": (source("stages/figures.py"), {"figures", "report", "manifest"}),
    "template of the report": (source("results/report.html.j2", "<body", "<body id=x"), {"report"}),
    "style of the figures": (
        study(figures={"formats": ["svg"], "width": 5.0}),
        {"figures", "report", "manifest"},
    ),
    "description": (study(description="Tiny."), {"report", "manifest"}),
    "number of steps": (study(steps=3), EVERY_TRIAL | RESULTS),
    "option of the episodes": (
        strategy_options(n_simulations=7),
        EPISODES | LEARN | jobs("trials", "neural_process") | RESULTS,
    ),
    "option of the training": (
        strategy_options(epochs=3),
        LEARN | jobs("trials", "neural_process") | RESULTS,
    ),
    "trials removed": (remove_trials, CHEAP_TRIALS | RESULTS),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_reruns_what_depends_on_it(copy: Any, change: Change, expected: set[str]) -> None:
    change(copy)
    assert copy.planned() == expected


def test_another_cheap_strategy_joins_the_job_of_the_others(copy: Any) -> None:
    copy.edit_study(strategies=["margin", *copy.study["strategies"]])
    assert copy.planned() == {"trials margin 000"} | CHEAP_TRIALS | RESULTS


def test_another_strategy_that_refits_adds_its_own_trials(copy: Any) -> None:
    copy.edit_study(strategies=["reward_oracle", *copy.study["strategies"]])
    assert copy.planned() == {"trials reward_oracle 000"} | RESULTS


def test_more_seeds_add_blocks(copy: Any) -> None:
    copy.edit_study(seeds={"data": [0, 1, 2], "run": [0, 1, 2]})
    # Nine pairs instead of four: blocks of four end at 002, blocks of two at 004.
    large, small = ["001", "002"], ["002", "003", "004"]
    added = {f"{stage} {block}" for stage in ("problems", "references") for block in large}
    added |= {
        f"trials {name} {block}" for name in ("random", "entropy", "patient") for block in large
    }
    added |= {
        f"{stage} neural_process {block}"
        for stage in ("episodes", "learn", "trials")
        for block in small
    }
    assert copy.planned() == added | RESULTS


@pytest.mark.parametrize("library", ["numpy", "scipy", "scikit-learn", "torch"])
def test_another_version_of_a_library_reruns_everything(copy: Any, library: str) -> None:
    folder = copy.folder / "newer"
    (folder / f"{library.replace('-', '_')}-999.dist-info").mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {library}\nVersion: 999\n"
    (folder / f"{library.replace('-', '_')}-999.dist-info" / "METADATA").write_text(metadata)
    assert copy.planned(PYTHONPATH=str(folder)) == EVERYTHING


def test_bad_study_ends_in_one_sentence(copy: Any) -> None:
    copy.edit_study(strategies=["random", "entrpy"])
    _, messages = copy.run("--dry-run", code=1)
    sentence = 'strategies[1].name: unknown strategy "entrpy"; did you mean "entropy"?'
    lines = [line for line in messages.splitlines() if line and "profile" not in line]
    assert lines == [f"lalbench: config.yaml: {sentence}"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("studdy=mine.yaml", '--config: unknown key "studdy"; did you mean "study"?'),
        ("study=", "--config: study= is empty; name a study file: study=PATH"),
    ],
)
def test_misspelt_config_does_not_run_the_default_study(
    copy: Any, given: str, sentence: str
) -> None:
    _, messages = copy.run("--dry-run", "--config", given, code=1)
    lines = [line for line in messages.splitlines() if line and "profile" not in line]
    assert lines == [f"lalbench: {sentence}"]


def test_named_study_and_results_folder(copy: Any) -> None:
    (copy.folder / "mine.yaml").write_text(yaml.safe_dump(copy.study | {"study": "mine"}))
    output, _ = copy.run("--summary", "--config", "study=mine.yaml", "results=elsewhere")
    outputs = [line.split("\t")[0] for line in output.splitlines()[1:]]
    assert outputs
    assert all(name.startswith("elsewhere/mine/") for name in outputs)
