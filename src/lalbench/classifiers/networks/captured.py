"""A training step recorded once as a CUDA graph and replayed: no launch costs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_WARM_UP = 3
"""Runs before recording, as torch asks for: they fill caches and choose algorithms."""

Step = Callable[[Tensor, Tensor | None], None]


class CapturedStep:
    """Replays ``step`` for batches of one size.

    Recording needs warm-up runs, which are steps like any other; everything they change is put back
    afterwards, so that the captured training is the uncaptured one.

    Args:
        step: takes positions and moves, and changes only what ``tensors`` gives.
        tensors: everything that a step changes, by name. Called before and after the warm-up: what
            only the latter has (momentum) starts at zero.
        positions: (B,) an example of what is passed to ``step``.
        moves: (B, 3) likewise, or None.
    """

    def __init__(
        self,
        step: Step,
        tensors: Callable[[], dict[str, Tensor]],
        positions: Tensor,
        moves: Tensor | None,
    ) -> None:
        self._positions = positions.clone()
        self._moves = None if moves is None else moves.clone()
        before = {name: tensor.clone() for name, tensor in tensors().items()}
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                step(self._positions, self._moves)
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for name, tensor in tensors().items():
                tensor.copy_(before[name]) if name in before else tensor.zero_()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            step(self._positions, self._moves)

    def __call__(self, positions: Tensor, moves: Tensor | None) -> None:
        """One step on these examples."""
        self._positions.copy_(positions)
        if self._moves is not None and moves is not None:
            self._moves.copy_(moves)
        self._graph.replay()
