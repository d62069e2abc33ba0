"""Runs blocks of refits in this process or in a pool, with one thread each.

The pool is joblib's loky: workers are started afresh (never forked), arrays above 1 MB are mapped
read-only from one temporary file instead of being copied, and classes of ``__main__`` travel by
value. Which process runs a block, and how many there are, changes no bit of a result: BLAS, OpenMP
and torch have one thread here as there.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from lalbench.compute import Compute, current, using
from lalbench.errors import LalbenchError, UserError
from lalbench.progress import progress

Block = TypeVar("Block")
Result = TypeVar("Result")

_BLOCKS_PER_PROCESS = 16
"""Enough for a bar that moves and for processes that end together."""
_IDLE_SECONDS = 60
"""How long a pool waits for the next call: the steps of a trial share one."""

_alone: ContextVar[bool] = ContextVar("one_thread", default=False)
"""Whether :func:`one_thread` is in force."""


def n_processes() -> int:
    """Processes that :func:`lalbench.compute.current` asks for, at least 1."""
    wanted = current().processes
    if wanted == -1:
        from joblib import cpu_count

        return int(cpu_count())  # of this job: it knows affinities and containers
    return wanted


def n_blocks(n_items: int) -> int:
    """Into how many blocks ``n_items`` pieces of work are best cut."""
    return max(1, min(n_items, _BLOCKS_PER_PROCESS * n_processes()))


def run_blocks(
    work: Callable[..., Result], shared: tuple[Any, ...], blocks: Sequence[Block], what: str
) -> list[Result]:
    """``work(*shared, block)`` for every block, in their order.

    Args:
        work: a function of a module; it must not depend on what ran before it.
        shared: arguments that all blocks have in common.
        blocks: what the blocks differ in.
        what: said in front of the progress.

    Raises:
        LalbenchError: a process of the pool was killed.
        UserError: with several processes, an argument that cannot be sent to another one.
        Exception: what ``work`` raised.
    """
    workers = min(n_processes(), len(blocks))
    if workers <= 1:
        with one_thread():
            return [work(*shared, block) for block in progress(blocks, what, len(blocks))]
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    inside = (work, shared, current())
    try:
        with parallel_config(
            backend="loky", inner_max_num_threads=1, idle_worker_timeout=_IDLE_SECONDS
        ):
            pool = Parallel(n_jobs=workers, return_as="generator")
            results = pool(delayed(_run_in_worker)(*inside, block) for block in blocks)
            return list(progress(results, what, len(blocks)))
    except TerminatedWorkerError as error:
        raise LalbenchError(
            f"{what}: one of {workers} processes was killed (out of memory?); use fewer processes, "
            "or 1 to see what the classifier does"
        ) from error
    except (pickle.PicklingError, BrokenProcessPool) as error:  # lost when sent, lost when received
        reason = error.__cause__ or error
        raise UserError(
            "processes", f"{what} cannot be sent to other processes ({_last_line(reason)})", "use 1"
        ) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS, OpenMP and, where it is loaded, torch have one thread inside the block."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    if _alone.get() and (torch is None or torch.get_num_threads() == 1):
        yield  # to look for the libraries takes a millisecond, as much as many small refits
        return
    before = torch.get_num_threads() if torch else 0
    with threadpool_limits(1):
        if torch:
            torch.set_num_threads(1)
        token = _alone.set(True)
        try:
            yield
        finally:
            _alone.reset(token)
            if torch:
                torch.set_num_threads(before)


def _run_in_worker(
    work: Callable[..., Result], shared: tuple[Any, ...], compute: Compute, block: Block
) -> Result:
    try:
        with using(compute, processes=1), one_thread():
            return work(*shared, block)
    except Exception as error:
        if _survives_pickling(error):
            raise
        # Its arguments are lost on the way; unsaid, the pool would break without a reason.
        raise RuntimeError(f"{type(error).__name__}: {error}") from None


def _survives_pickling(error: Exception) -> bool:
    from joblib.externals.loky.backend.reduction import dumps

    try:
        return str(pickle.loads(dumps(error))) == str(error)
    except Exception:  # noqa: BLE001 - the user's exceptions may do anything
        return False


def _last_line(error: BaseException) -> str:
    """What an error says; of a traceback in its text, which loky makes, the end."""
    lines = str(error).strip().strip('"').strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
