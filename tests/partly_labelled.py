"""Small tables of which some rows have a label, and questions about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lalbench.suggestions import Question


def frame(n: int = 60, n_labelled: int = 20) -> pd.DataFrame:
    """Two numbers and a name per row; the first rows have labels, one in four of them "yes"."""
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(n, 2)).round(3), columns=["a", "b"])
    made.insert(0, "id", [f"r{place}" for place in range(n)])
    labels = np.where(np.arange(n) % 4 == 0, "yes", "no").astype(object)
    labels[n_labelled:] = ""
    return made.assign(label=labels)


def written(folder: Path, made: pd.DataFrame, name: str = "my.csv") -> Path:
    path = folder / name
    if path.suffix == ".csv":
        made.to_csv(path, index=False)
    else:
        made.to_parquet(path, index=False)
    return path


def question(path: Path, **changes: Any) -> Question:
    return Question(
        **{"data": path, "target": "label", "leave_out": ["id"], "budget": 3, **changes}
    )
