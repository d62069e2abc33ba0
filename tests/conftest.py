"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before NumPy is imported: small matrices are slower with threads, and workers share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from lalbench.data.fetch import all_mirrors

settings.register_profile("no deadline", deadline=None)  # machines may be busy
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs of Snakemake first: they are the longest, and no worker should wait for them alone."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder with the real data files: of LALBENCH_MIRROR, or shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    for place in [*map(Path, all_mirrors()), beside]:
        if (place / "uci" / "waveform.p").is_file():
            return place
    pytest.skip("no data mirror: set LALBENCH_MIRROR to a folder laid out as in docs/data.md")
