"""A few of the faults of ``make test-faults`` on a smaller study, in every run of the tests."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.faults import faults
from tests.faults.__main__ import inject
from tests.faults.laboratory import Laboratory, laboratory

pytestmark = pytest.mark.workflow


def test_tables_after_faults_are_those_of_an_undisturbed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ["machine_lost", "job_killed", "file_corrupted", "disk_full"]
    with laboratory(tmp_path / "lab", strategies=["random"]) as lab:
        counts, _ = inject(lab, 3, Random(0), kinds)
        assert sum(counts.values()) >= 3
        assert set(counts) <= set(kinds)

        # what would go unnoticed is noticed: a table that is not the one of the first run
        def changed(lab: Laboratory, rng: Random, seconds: float) -> str:
            faults.recover(lab)
            monkeypatch.setattr(Laboratory, "tables", lambda self: {"auac.csv": "other"})
            return "the tables are others"

        monkeypatch.setitem(faults.FAULTS, "changed", changed)
        with pytest.raises(AssertionError, match="differ"):
            inject(lab, 1, Random(0), ["changed"])
