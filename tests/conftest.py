"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from lalbench.data.fetch import all_mirrors


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder with the real data files: of LALBENCH_MIRROR, or shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    for place in [*map(Path, all_mirrors()), beside]:
        if (place / "uci" / "waveform.p").is_file():
            return place
    pytest.skip("no data mirror: set LALBENCH_MIRROR to a folder laid out as in docs/data.md")
