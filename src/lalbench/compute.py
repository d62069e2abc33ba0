"""Where and with how much to compute: device, memory, processes, threads and the table cache.

None of it changes more of a result than rounding (a GPU rounds differently, and so do networks with
another number of threads, docs/networks.md), so it is ambient like scikit-learn's configuration: a
stage enters :func:`using` with what the study says, and whatever computes asks :func:`current`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lalbench.errors import UserError, suggest
from lalbench.value_checks import is_count

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[DeviceName, ...] = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Compute:
    """Where and with how much to compute.

    Attributes:
        device: ``auto`` is the first CUDA device if there is one, else the CPU.
        memory: bytes that the temporary arrays of an oracle engine may take.
        processes: of the reference engine; -1 is one per core.
        threads: CPU threads of torch.
        cache: folder of finished oracle tables; None keeps none.

    Raises:
        UserError: a value that cannot be used.
    """

    device: DeviceName = "auto"
    memory: int = 256 * 2**20
    processes: int = 1
    threads: int = 1
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise UserError(
                "device", f"unknown value {self.device!r}", suggest(self.device, DEVICES)
            )
        for name, value in (("memory", self.memory), ("threads", self.threads)):
            if not is_count(value):
                raise UserError(name, f"cannot use {value!r}", "give an integer ≥ 1")
        if self.cache is not None and not isinstance(self.cache, Path):
            raise UserError("cache", f"cannot use {self.cache!r}", "give a pathlib.Path or None")
        if not is_count(self.processes) and self.processes != -1:
            raise UserError("processes", f"cannot use {self.processes!r}", "give 1, 2, … or -1")

    def torch_device(self) -> torch.device:
        """The device; raises :class:`UserError` when CUDA is asked for and absent."""
        import torch

        wanted = self.device != "cpu" and has_cuda()
        if self.device == "cuda" and not wanted:
            raise UserError(
                "device", "cuda is asked for, but torch finds no CUDA device", "use auto or cpu"
            )
        return torch.device("cuda" if wanted else "cpu")


@contextmanager
def torch_threads() -> Iterator[None]:
    """Runs torch with the CPU threads that are in force here, and restores their number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(current().threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def gpu_facts() -> dict[str, float]:
    """Peak memory in MiB since the last call and the load in percent of the GPU in use; or NaN."""
    import sys

    torch = sys.modules.get("torch")  # what does not use torch does not load it for this
    if torch is None or current().device == "cpu" or not torch.cuda.is_initialized():
        return {"gpu_memory_mib": float("nan"), "gpu_utilisation": float("nan")}
    memory = torch.cuda.max_memory_allocated() / 2**20
    torch.cuda.reset_peak_memory_stats()
    try:
        load = float(torch.cuda.utilization())
    except (ModuleNotFoundError, RuntimeError):  # needs NVIDIA's management library
        load = float("nan")
    return {"gpu_memory_mib": memory, "gpu_utilisation": load}


def has_cuda() -> bool:
    """Whether torch can use a CUDA device; torch is imported only where there is a driver."""
    if not _has_driver():
        return False
    import torch

    return bool(torch.cuda.is_available())


def _has_driver() -> bool:
    """Whether an NVIDIA driver is visible; WSL shows none under /proc but has the program."""
    return any(path.exists() for path in _DRIVER_PATHS) or shutil.which("nvidia-smi") is not None


_DRIVER_PATHS = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))
_DEFAULT = Compute()
_current: ContextVar[Compute] = ContextVar("lalbench.compute", default=_DEFAULT)


def current() -> Compute:
    """What is in force here."""
    return _current.get()


@contextmanager
def using(compute: Compute | None = None, **changes: Any) -> Iterator[Compute]:
    """Puts ``compute`` (or what is in force) with ``changes`` in force inside the block.

    >>> with using(device="cpu", processes=2) as inside:
    ...     inside.processes, current() is inside
    (2, True)
    """
    wanted = replace(compute or current(), **changes)
    token = _current.set(wanted)
    try:
        yield wanted
    finally:
        _current.reset(token)
