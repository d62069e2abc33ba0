"""What networks will cost before anything was measured, for the plan and the scheduler.

Counts of operations follow from the study, speeds are declared, and both are right to a factor of
a few. Neither torch nor a data set is loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lalbench import protocols
from lalbench.compute import has_cuda
from lalbench.config import Study

CPU_SPEED = 4e10
"""Floating-point operations per second of one CPU thread in training, without matrix units."""
GPU_SPEED = 2e13
"""Those of a GPU of 2020 or later in bfloat16 with small batches."""
VAAL_SHARE = 4.4
"""Operations of VAAL's networks per one of the classifier's (10,000 points, 100 epochs)."""

_MACS = {"resnet18": (555e6, 64), "small_cnn": (3.8e6, 16)}
"""Multiplications per 32 × 32 colour image, at the default width; they grow as its square."""


@dataclass(frozen=True)
class NetworkWork:
    """What one trial of a network computes.

    Attributes:
        trainings: of the classifier.
        operations: floating-point operations in all.
    """

    trainings: int
    operations: float

    def seconds(self, cuda: bool, threads: int = 1) -> float:
        """Seconds on a GPU, or on ``threads`` CPU threads, at the declared speeds."""
        return self.operations / (GPU_SPEED if cuda else CPU_SPEED * threads)


def trial_work(
    study: Study, dataset: str, classifier: str, strategy: str | None = None
) -> NetworkWork:
    """The work of one trial, or of the initial network where there is no strategy."""
    from lalbench import classifiers

    spec = study.classifier(classifier)
    network = classifiers.get(spec, protocol=protocols.get(study.protocol))
    shape = image_shape(study, dataset)
    macs = _macs(spec.name, network.width, shape)
    sizes = study.dataset_sizes(dataset)
    steps = 0 if strategy is None else study.steps
    trained = sum(sizes.annotated + step * study.budget for step in range(steps + 1))
    epochs = network.resolved_recipe().epochs
    training = 6.0 * macs * trained * epochs
    passes = 2.0 * macs * (_pool_size(study, dataset) + 10_000) * (steps + 1)
    if strategy is not None and study.strategy(strategy).name == "vaal":
        training *= 1 + VAAL_SHARE
    return NetworkWork(steps + 1, training + passes)


def resources(
    study: Study, dataset: str, classifier: str, strategy: str | None = None
) -> dict[str, int]:
    """Memory in MB and minutes (four times the declared ones) that a job should be granted."""
    cuda = study.compute.device == "cuda" or (study.compute.device == "auto" and has_cuda())
    work = trial_work(study, dataset, classifier, strategy)
    minutes = study.blocks.network * work.seconds(cuda, study.compute.threads) / 60
    pixels = math.prod(image_shape(study, dataset)) * 70_000 / 2**20
    signals = _pool_size(study, dataset) * 4 * 1024 / 2**20
    return {
        "runtime": max(30, math.ceil(4 * minutes)),
        "mem_mb": math.ceil(3000 + 3 * pixels + 4 * signals),
    }


def image_shape(study: Study, dataset: str) -> tuple[int, int, int]:
    """(H, W, C) of a data set of the catalogue; 32 × 32 × 3 is assumed for others."""
    from lalbench.data.catalogue import CATALOGUE

    entry = CATALOGUE.get(study.dataset(dataset).name)
    return (entry and entry.image_shape) or (32, 32, 3)


def _macs(name: str, width: int | None, shape: tuple[int, int, int]) -> float:
    height, breadth, channels = shape
    if name not in _MACS:
        hidden = width or 256
        return float(hidden * (height * breadth * channels + 3 * hidden))
    macs, usual = _MACS[name]
    return macs * (height * breadth / 1024) * ((width or usual) / usual) ** 2


def _pool_size(study: Study, dataset: str) -> int:
    return study.dataset_sizes(dataset).pool or 50_000
