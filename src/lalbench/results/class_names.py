"""What the classes are called that tables and figures number."""

from __future__ import annotations

import json
from pathlib import Path

from lalbench import files, grid
from lalbench.config import Study

MOST = 20
"""Classes that are named; of more, the number is said."""


def class_rows(study: Study, results_dir: Path) -> list[tuple[str, str]]:
    """Per data set its classes by number, and which of them the rare-class metrics are about.

    Data sets whose files are not in ``results_dir`` are left out.

    Raises:
        CorruptFileError: a file that is damaged.
    """
    rows = []
    rare = _rare_classes(study, results_dir)
    for dataset in study.datasets:
        path = results_dir / "data" / f"{dataset.label}.npz"
        if path.exists():
            names = [str(name) for name in files.read_npz(path, "class_names")["class_names"]]
            words = ", ".join(f"{number} = {name}" for number, name in enumerate(names[:MOST]))
            if len(names) > MOST:
                words += f" and {len(names) - MOST} more"
            if found := rare.get(dataset.label):
                words += f"; rare class: {_said({s: names[c] for s, c in found.items()})}"
            rows.append((f"Classes of {dataset.label}", words))
    return rows


def _rare_classes(study: Study, results_dir: Path) -> dict[str, dict[str, int]]:
    """Data set → setting → number of its rare class, from the first problem of each."""
    first = grid.blocks(study, "cheap")[0]
    data_seed, seed = first.pairs[0]
    found: dict[str, dict[str, int]] = {}
    for dataset in study.datasets:
        for setting in study.settings:
            place = Path(dataset.label, setting.name, f"block-{first.id}.npz")
            path, name = results_dir / "problems" / place, f"{data_seed}-{seed}.about"
            if path.exists():
                about = json.loads(str(files.read_npz(path, name)[name]))
                found.setdefault(dataset.label, {})[setting.name] = int(about["rare_class"])
    return found


def _said(by_setting: dict[str, str]) -> str:
    """``sick``, or ``sick (balanced), well (natural)`` where settings differ."""
    if len(set(by_setting.values())) == 1:
        return next(iter(by_setting.values()))
    return ", ".join(f"{name} ({setting})" for setting, name in by_setting.items())
