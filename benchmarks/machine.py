"""What a benchmark ran on: printed above every table."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def processor() -> str:
    """The processor's name, and its widest vector instructions where the system tells them."""
    table = Path("/proc/cpuinfo")
    if not table.is_file():
        return platform.processor() or platform.machine()
    lines = [line.partition(":") for line in table.read_text().splitlines()]
    content = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    name = content.get("model name") or platform.machine()
    flags = content.get("flags", "").split()
    widest = next((flag for flag in ("avx512f", "avx2") if flag in flags), "")
    cores = os.cpu_count() or 1
    details = [f"{cores} core{'s' if cores > 1 else ''}", *([widest.upper()] if widest else [])]
    return f"{name} ({', '.join(details)})"


def header(threads: int, *packages: str) -> str:
    """Machine, threads and versions, in two lines."""
    names = ("numpy", "scipy", *packages)
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    plural = "" if threads == 1 else "s"
    return (
        f"{processor()}, {threads} thread{plural} on both sides\n"
        f"Python {platform.python_version()}, {versions}"
    )
