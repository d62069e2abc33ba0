"""The bookkeeping around a recorded step; a stand-in for CUDA graphs replays it by calling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lalbench.classifiers.networks import captured
from lalbench.classifiers.networks.batches import Batches, EpochPlan
from lalbench.classifiers.networks.loss_head import LossHead
from lalbench.classifiers.networks.recipes import RECIPES
from lalbench.classifiers.networks.small import small_cnn
from lalbench.classifiers.networks.trainer import Examples, Trainer
from lalbench.data.images import Images

Made = tuple[Images, NDArray[np.int64]]
CPU = torch.device("cpu")


def make_trainer(made: Made) -> Trainer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = small_cnn((1, 8, 8), 3, width=4)
        head = LossHead(network.widths)
    batches = Batches(made[0], np.array([100.0]), np.array([50.0]), CPU)
    recipe = replace(RECIPES["fast"], epochs=2, batch_size=16)
    examples = Examples(batches, torch.from_numpy(made[1]), None)
    return Trainer(network.train(), recipe, examples, seed=1, loss_head=head)


class Recording:
    """Calls of a step while a graph is recorded; recording computes nothing on a GPU."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.calls: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        self.on = False

    def step(self, positions: torch.Tensor, moves: torch.Tensor | None) -> None:
        if self.on:
            self.calls.append((positions, moves))
        else:
            self.trainer.step(positions, moves)

    def replay(self) -> None:
        for positions, moves in self.calls:
            self.trainer.step(positions, moves)

    @contextmanager
    def graph(self, _: Any) -> Iterator[None]:
        self.on = True
        yield
        self.on = False


@pytest.mark.parametrize("augmentation", ["none", "crop_flip"])
def test_a_recorded_training_is_the_training(
    augmentation: Any, make_images: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_images(64)
    plain, recorded = make_trainer(made), make_trainer(made)
    recording = Recording(recorded)
    stream = SimpleNamespace(wait_stream=lambda _: None)
    cuda = SimpleNamespace(
        Stream=lambda: stream,
        current_stream=lambda: stream,
        stream=lambda _: nullcontext(),
        CUDAGraph=lambda: SimpleNamespace(replay=recording.replay),
        graph=recording.graph,
    )
    monkeypatch.setattr(captured.torch, "cuda", cuda)
    step: captured.CapturedStep | None = None
    for epoch in range(2):
        plan = EpochPlan.draw(64, 1, epoch, augmentation, CPU)
        for part in (slice(0, 16), slice(16, 32), slice(32, 48), slice(48, 64)):
            moves = None if plan.moves is None else plan.moves[part]
            plain.step(plan.order[part], moves)
            if part.start == 48:  # like the last, smaller batch of an epoch
                recorded.step(plan.order[part], moves)
                continue
            if step is None:
                step = captured.CapturedStep(
                    recording.step, recorded._tensors, plan.order[part], moves
                )
            step(plan.order[part], moves)
    for name, value in plain._tensors().items():
        assert torch.equal(value, recorded._tensors()[name]), name
