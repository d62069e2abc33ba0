"""The metadata of an archive: a Workflow RO-Crate 1.0 (RO-Crate 1.1)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import lalbench
from lalbench.archive import members
from lalbench.config import Study

_FOLDERS = {
    "tables": "statistics of all trials as CSV, Markdown and LaTeX",
    "figures": "learning curves, ranks and other figures",
    "trials": "one row per step of every trial, Parquet",
    "references": "fits without active learning, Parquet",
    "problems": "rows of every split, npz",
    "episodes": "simulated annotation problems with their scores, npz",
    "strategies": "trained strategies, npz",
    "curves": "losses of training, Parquet",
    "initial": "networks trained on initial annotated sets, npz",
    "timings": "seconds of every step, Parquet",
    "logs": "what the jobs said",
    "benchmarks": "time and memory of the jobs",
    "code": "workflow and package as they ran",
}
_FILES = {
    members.README: ("what this archive holds and how to check it", "text/markdown"),
    members.STUDY: ("the study", "text/yaml"),
    "manifest.json": ("resolved study and the hash of every result", "application/json"),
    "report.html": ("the report", "text/html"),
    "data.json": ("sources of the data sets, with hashes and licences", "application/json"),
    "environment.txt": ("installed packages", "text/plain"),
    "code.json": ("version of the code", "application/json"),
    "code.diff": ("difference of the code from its commit", "text/x-diff"),
    members.CHECKSUMS: ("sha256 of every other file", "text/plain"),
}
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_LICENCE = "https://spdx.org/licenses/BSD-3-Clause"


def metadata(study: Study, names: Collection[str], finished: float) -> dict[str, Any]:
    """The JSON-LD of ``ro-crate-metadata.json``.

    Args:
        study: the study.
        names: of all members but the metadata themselves.
        finished: when the study was, in seconds since 1970.
    """
    when = datetime.fromtimestamp(finished, UTC).isoformat(timespec="seconds")
    files = [name for name in _FILES if name in names]
    tops = {PurePosixPath(name).parts[0] for name in names if "/" in name}
    folders = [name for name in _FOLDERS if name in tops]
    parts = [members.WORKFLOW, *files, *(f"{name}/" for name in folders)]
    results = [f"{name}/" for name in ("tables", "figures") if name in folders]
    graph = [
        _descriptor(),
        _crate(study, when, parts),
        _workflow(),
        _run(study, when, [*results, "report.html"]),
        _snakemake(),
        _licence(),
    ]
    graph += [_file(name) for name in files] + [_folder(name) for name in folders]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def _descriptor() -> dict[str, Any]:
    """The file of the metadata itself, by which a reader knows what it has."""
    return {
        "@id": members.METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [
            {"@id": "https://w3id.org/ro/crate/1.1"},
            {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
        ],
    }


def _crate(study: Study, when: str, parts: Collection[str]) -> dict[str, Any]:
    """The archive as a whole: the study with all its parts."""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"lalbench study {study.study}",
        "description": study.description or f"The study {study.study}, run by lalbench.",
        "datePublished": when,
        "license": {"@id": _LICENCE},
        "hasPart": [{"@id": part} for part in parts],
        "mainEntity": {"@id": members.WORKFLOW},
        "mentions": {"@id": "#run"},
    }


def _workflow() -> dict[str, Any]:
    return {
        "@id": members.WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "lalbench",
        "description": "Learns how to choose labels, and compares strategies of it.",
        "version": lalbench.__version__,
        "license": {"@id": _LICENCE},
        "programmingLanguage": {"@id": _SNAKEMAKE},
        "encodingFormat": "text/x-snakemake",
        "conformsTo": {"@id": _BIOSCHEMAS},
    }


def _run(study: Study, when: str, results: Collection[str]) -> dict[str, Any]:
    """What the workflow made of the study."""
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"run of the study {study.study}",
        "endTime": when,
        "instrument": {"@id": members.WORKFLOW},
        "object": {"@id": members.STUDY},
        "result": [{"@id": part} for part in results],
    }


def _snakemake() -> dict[str, Any]:
    return {
        "@id": _SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
        "url": {"@id": "https://snakemake.readthedocs.io"},
    }


def _licence() -> dict[str, Any]:
    return {
        "@id": _LICENCE,
        "@type": "CreativeWork",
        "name": "BSD 3-Clause, of the code; data sets have the licences in data.json",
    }


def _file(name: str) -> dict[str, Any]:
    text, form = _FILES[name]
    about = {"about": {"@id": "./"}} if name == members.README else {}
    entity = {"@id": name, "@type": "File", "name": name, "description": text}
    return entity | {"encodingFormat": form} | about


def _folder(name: str) -> dict[str, Any]:
    return {"@id": f"{name}/", "@type": "Dataset", "name": name, "description": _FOLDERS[name]}
