"""One pass over images in evaluation mode: everything that strategies ask a network for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lalbench import interrupts
from lalbench.classifiers.networks.batches import Batches
from lalbench.classifiers.networks.loss_head import LossHead
from lalbench.classifiers.networks.network import Network
from lalbench.classifiers.networks.precision import autocast
from lalbench.classifiers.networks.signals import Signals

BLOCK = 512
"""Images per block."""


def signals(
    network: Network,
    batches: Batches,
    n: int,
    classes: NDArray[np.int64],
    *,
    loss_head: LossHead | None = None,
    stages: bool = False,
    half: bool = False,
    precision: torch.dtype | None = None,
) -> Signals:
    """The signals of ``n`` images, in blocks; the network is left as it was.

    Evaluation mode and no augmentation: batch-norm buffers are read, never written.

    Args:
        network: in evaluation mode.
        batches: the images.
        n: how many there are.
        classes: (K,) labels of the logits.
        loss_head: predicts losses, if there is one.
        stages: also keep the averaged stage outputs.
        half: keep embeddings and stages in float16.
        precision: type of the products; None for float32.

    Raises:
        StoppedError: SIGTERM came.
    """
    device = next(network.parameters()).device
    kept = torch.float16 if half else torch.float32
    widths = network.widths
    logits = torch.empty(n, network.head.out_features)
    embeddings = torch.empty(n, widths[-1], dtype=kept)
    averages = [torch.empty(n, width, dtype=kept) for width in widths] if stages else []
    losses = None if loss_head is None else torch.empty(n, dtype=torch.float64)
    with torch.inference_mode():
        for start in range(0, n, BLOCK):
            interrupts.check()
            rows = slice(start, min(start + BLOCK, n))
            positions = torch.arange(rows.start, rows.stop, device=device)
            with autocast(device, precision):
                found = network(batches.take(positions))
            logits[rows].copy_(found.logits)
            embeddings[rows].copy_(found.embedding)
            for average, stage in zip(averages, found.stages, strict=False):
                average[rows].copy_(stage)
            if loss_head is not None and losses is not None:
                losses[rows].copy_(loss_head(found.stages))
    return Signals(
        logits=logits.numpy(),
        embeddings=embeddings.numpy(),
        classes=classes,
        losses=None if losses is None else losses.numpy(),
        stages=tuple(average.numpy() for average in averages) if stages else None,
    )
