"""VAAL: variational adversarial active learning (Sinha, Ebrahimi and Darrell 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field

from lalbench.strategies.base import FloatArray, LearningState, Need, Selection
from lalbench.strategies.options import NonNegative, Options, Positive
from lalbench.strategies.ties import Ranking, Ties

Count = Annotated[int, Field(ge=1)]
Reduction = Literal["mean", "released"]
"""Of the autoencoder's loss; ``released`` makes the posterior collapse."""

_HASHED = 4096
"""Images that are hashed at once."""


@dataclass(frozen=True)
class Vaal(Options):
    r"""Images whose latent code a discriminator tells best from those of annotated ones.

    A variational autoencoder reconstructs annotated and pool images and tries to make a
    discriminator take both for annotated; the discriminator tries to tell their codes apart
    (equations 1 to 4 of the paper; two steps of the former for one of the latter). Images are
    scaled to [0, 1], never augmented, and scored in evaluation mode.

    Attributes:
        epochs: passes over pool and annotated images together, rounded up to whole batches.
        batch_size: images of each kind per step.
        width: factor of the numbers of channels (128, 256, 512, 1024 at 1).
        latent: dimensions of the code; None: 28 for images of 28 × 28, else 32.
        beta: weight of the divergence.
        adversary: weight of the discriminator in the autoencoder's loss.
        lr: of Adam, for both.
        reduction: of the autoencoder's loss: ``mean`` averages squared errors and Kullback–Leibler
            divergences over batch and dimensions; ``released`` sums the latter, as the authors'
            code does, and then little of an image is left in its code.
        ties: order among equal scores (:data:`lalbench.strategies.ties.Ties`).

    Rule:
        $\arg\min_i D(\mu(x_i))$, the probability of "annotated" for the mean code $\mu$

    Cost:
        ``epochs`` · $(n + m)$ images through autoencoder and discriminator, three times; with
        10,000 images some 4.4 times the operations of a ResNet-18

    Source:
        S. Sinha, S. Ebrahimi and T. Darrell, *Variational Adversarial Active Learning*, 2019.

    Pitfalls:
        - It is by far the most expensive strategy: at full width one of 8,600 training steps took
          49 seconds on two processor cores (docs/performance.md). Give it a ``subsample``.
        - Made cheap it says little about the method: with an eighth of the channels and five epochs
          on 2,000 images it is the last of those ahead of random sampling in docs/deep.md, and
          balanced the classes in one run of three.
        - It never sees labels or classifier, so that it does nothing for rare classes as such.
    """

    epochs: Count = 100
    batch_size: Annotated[int, Field(ge=2)] = 128
    width: Positive = 1.0
    latent: Count | None = None
    beta: NonNegative = 1.0
    adversary: NonNegative = 1.0
    lr: Positive = 5e-4
    reduction: Reduction = "mean"
    ties: Ties = "random"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.IMAGES})

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The ``budget`` largest scores ``-logit D(μ)``; all are 0 without annotated images."""
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        scores = self._scores(state, rng)
        return Selection(ranking.top(scores, budget), scores)

    def _scores(self, state: LearningState, rng: Generator) -> FloatArray:
        from lalbench.strategies import vaal_training
        from lalbench.strategies.single_distances import representatives, row_hashes

        images, annotated = state.images, state.annotated_images
        if not len(annotated):
            return np.zeros(len(images))
        # by row id, so that the order of the pool has no influence
        order = np.argsort(state.pool_ids)
        found = np.empty(len(images))
        found[order] = -vaal_training.annotated_logits(self, images[order], annotated, rng)
        blocks = (block.take().reshape(len(block), -1) for block in images.blocks(_HASHED))
        hashes = np.concatenate([row_hashes(block) for block in blocks])
        return found[representatives(hashes, state.pool_ids)]
