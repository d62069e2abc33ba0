"""Whether what a file announces fits into memory: a small file can announce more than any holds.

Rows that repeat one value, compressed zeros and short rows below a wide header take few bytes in a
file and many when they are read.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from lalbench.errors import UserError

_SMALL = 32 * 2**20
"""Bytes that fit anywhere."""
_TAKEN = Path("/proc/self/statm")
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory() -> int:
    """Bytes that this process can have at most: of the machine, its group, or its own limit.

    Of the process's own limit, which counts addresses, what it has taken is subtracted.
    """
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        with suppress(OSError):  # elsewhere than on Linux
            limit -= int(_TAKEN.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        found.append(limit)
    with suppress(OSError, ValueError):  # no such groups here, or no limit
        found.append(int(_GROUP_LIMIT.read_text()))
    return min(found)


def check_memory(where: str, n_bytes: int, copies: int = 1) -> None:
    """Raises :class:`UserError` where ``copies`` of ``n_bytes`` do not fit into the memory."""
    if copies * n_bytes <= _SMALL:
        return
    if copies * n_bytes > memory():
        raise UserError(
            where,
            f"takes {copies * n_bytes / 2**30:.3g} GiB of memory, and there are "
            f"{memory() / 2**30:.3g}",
            "use less of it, or a machine with more memory",
        )
