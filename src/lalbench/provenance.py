"""What a file was made from: parameters, code, software.

No dates and no machine names, so that the same configuration gives the same bytes.
"""

from __future__ import annotations

import json
from typing import Any

from lalbench import codehash, grid
from lalbench.config import Study


def of(study: Study, stage: grid.Stage, **labels: str) -> dict[str, Any]:
    """The provenance of one job's output: stage, parameters, hash of its code, package versions."""
    return {
        "stage": stage,
        "parameters": grid.stage_parameters(study, stage, **labels),
        "code": grid.stage_code(study, stage, **labels),
        "software": codehash.software_versions(),
    }


def as_text(provenance: dict[str, Any]) -> str:
    """Canonical JSON of a provenance, to be stored inside a file."""
    return json.dumps(provenance, sort_keys=True)
