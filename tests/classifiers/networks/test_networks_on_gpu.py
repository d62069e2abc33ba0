"""What only a GPU has: the recorded step, the resident data set, deterministic mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lalbench import classifiers, compute
from lalbench.classifiers.networks import captured, trainer
from lalbench.classifiers.networks.batches import resident
from lalbench.data.images import Images

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not compute.has_cuda(), reason="no CUDA device"),
]
Made = tuple[Images, NDArray[np.int64]]


@pytest.fixture(autouse=True)
def on_cuda() -> Any:
    with compute.using(device="cuda"):
        yield


def build(quick: dict[str, Any], **options: Any) -> Any:
    return classifiers.get("small_cnn", **{"width": 8, **quick, **options})


@pytest.mark.parametrize("options", [{}, {"augmentation": "crop_flip"}, {"loss_head": True}])
def test_the_recorded_step_is_the_step(
    quick: dict[str, Any],
    options: dict[str, Any],
    make_images: Callable[..., Made],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = make_images(300)
    recorded = build(quick, deterministic=True, epochs=4, **options).fit(X, y).arrays()

    class Plain:
        def __init__(self, step: captured.Step, *_: Any) -> None:
            self.step = step

        def __call__(self, positions: torch.Tensor, moves: torch.Tensor | None) -> None:
            self.step(positions, moves)

    monkeypatch.setattr(trainer, "CapturedStep", Plain)
    plain = build(quick, deterministic=True, epochs=4, **options).fit(X, y).arrays()
    for name, value in recorded.items():
        np.testing.assert_allclose(value, plain[name], rtol=1e-3, atol=1e-4)


def test_it_learns_in_bfloat16(quick: dict[str, Any], make_images: Callable[..., Made]) -> None:
    train, test = make_images(400, seed=1), make_images(200, seed=2)
    fitted = build(quick, epochs=12, precision="auto").fit(*train)
    assert (fitted.predict(test[0]) == test[1]).mean() > 0.95


def test_a_data_set_is_moved_once(images: Made) -> None:
    device = torch.device("cuda")
    one = resident(images[0].pixels, device)
    assert one.device.type == "cuda"
    assert resident(images[0][3:9].pixels, device) is one


def test_gpu_facts_are_there(quick: dict[str, Any], images: Made) -> None:
    build(quick).fit(*images)
    assert compute.gpu_facts()["gpu_memory_mib"] > 0
