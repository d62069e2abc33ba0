"""Trials of networks that survive preemption: the state of the loop in a file after every step."""

from __future__ import annotations

from pathlib import Path

from lalbench import files, interrupts
from lalbench.interrupts import StoppedError
from lalbench.progress import progress
from lalbench.trials.loop import Arrays, Loop
from lalbench.trials.trial import Trial


def run(loop: Loop, steps: int, budget: int, path: Path) -> Trial:
    """Runs a trial to its end, from its checkpoint if there is one.

    SIGTERM writes a checkpoint in the middle of a training; the resumed trial leaves the same
    records as an undisturbed one.

    Args:
        loop: at its beginning.
        steps: acquisition steps.
        budget: points per step.
        path: npz file of the checkpoint; replaced atomically, deleted at the end.

    Raises:
        StoppedError: SIGTERM came, and the checkpoint is written.
        CorruptFileError: the checkpoint is damaged.
    """
    if path.exists():
        loop.restore(files.read_npz(path))
    with interrupts.deferring():
        left = range(loop.next_step, steps + 1)
        for _ in progress(left, "rounds", steps + 1, done=loop.next_step, every=0.0):
            try:
                loop.run_step(budget)
            except StoppedError as stopped:
                if stopped.progress:
                    _write(path, loop.snapshot(stopped.progress))
                raise
            _write(path, loop.snapshot())
            interrupts.check()
    path.unlink(missing_ok=True)
    return loop.trial


def _write(path: Path, arrays: Arrays) -> None:
    # Weights hardly get smaller by compression, and it would take longer than to write them.
    files.write_npz(path, arrays, stored=list(arrays))
