"""From a classifier's options to a trained network, and from stored weights back to one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lalbench import compute
from lalbench.classifiers.networks import precision
from lalbench.classifiers.networks.batches import Batches
from lalbench.classifiers.networks.loss_head import LossHead, LossTraining
from lalbench.classifiers.networks.network import Network
from lalbench.classifiers.networks.trainer import Examples, Trainer
from lalbench.data.images import Images

if TYPE_CHECKING:
    from lalbench.classifiers.networks.classifier import NetworkClassifier

Parts = tuple[Network, LossHead | None]


def train(
    classifier: NetworkClassifier,
    images: Images,
    codes: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
    resume: Mapping[str, NDArray[Any]] | None,
) -> Parts:
    """The network (and loss head) of ``classifier`` after training, in evaluation mode.

    Args:
        classifier: with its options, ``classes_``, ``mean_`` and ``scale_``.
        images: n of them.
        codes: (n,) classes 0 … K - 1.
        weights: (n,) of the losses, or None.
        resume: what a stopped training carried, or None.
    """
    device = compute.current().torch_device()
    network, loss_head = build(classifier, device)
    examples = Examples(
        Batches(images, classifier.mean_, classifier.scale_, device),
        torch.from_numpy(codes.astype(np.int64)).to(device),
        None if weights is None else torch.from_numpy(weights).to(device),
    )
    trainer = Trainer(
        network,
        classifier.resolved_recipe(),
        examples,
        seed=_seed(classifier),
        augmentation=classifier.augmentation,  # type: ignore[arg-type]
        precision=precision.resolve(classifier.precision, device),  # type: ignore[arg-type]
        loss_head=loss_head,
        loss_training=LossTraining(
            classifier.loss_margin, classifier.loss_weight, classifier.loss_detach_at
        ),
    )
    with compute.torch_threads(), _deterministic(classifier.deterministic, device):
        trainer.run(resume)
    return network, loss_head


def build(classifier: NetworkClassifier, device: torch.device) -> Parts:
    """Fresh parts with the initial weights of the classifier's seed, whatever the device.

    The head that predicts losses is drawn last: the network is the same with and without it.
    """
    height, width, channels = classifier.shape_
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(classifier))
        network = classifier.build((channels, height, width), len(classifier.classes_))
        loss_head = LossHead(network.widths) if classifier.loss_head else None
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval(), loss_head if loss_head is None else loss_head.to(device).eval()


def load_state(classifier: NetworkClassifier, arrays: Mapping[str, NDArray[Any]]) -> Parts:
    """Parts with the weights of :meth:`NetworkClassifier.arrays`."""
    network, loss_head = build(classifier, compute.current().torch_device())
    for name, part in (("network", network), ("loss_head", loss_head)):
        if part is not None:
            own = {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(name)}
            part.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in own.items()})
    return network, loss_head


def _seed(classifier: NetworkClassifier) -> int:
    return 0 if classifier.random_state is None else classifier.random_state


@contextmanager
def _deterministic(wanted: bool, device: torch.device) -> Iterator[None]:
    """Deterministic algorithms inside the block, on a GPU; a CPU has no others."""
    if not wanted or device.type != "cuda":
        yield
        return
    # Without it cuBLAS refuses; it reads this when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
