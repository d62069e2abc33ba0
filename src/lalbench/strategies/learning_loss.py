"""Learning loss: a head of the network predicts its own loss (Yoo and Kweon 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lalbench.errors import UserError
from lalbench.strategies.base import FloatArray, LearningState, Need
from lalbench.strategies.options import NonNegative, Positive, Probability
from lalbench.strategies.ties import Ranked


@dataclass(frozen=True)
class LearningLoss(Ranked):
    r"""The largest loss that a head of the network predicts.

    The head is trained with the network and changes it: pairs of images in a batch cost
    ``weight · max(0, -sign(l_i - l_j) (l̂_i - l̂_j) + margin)`` (equation 2 of the paper). So a study
    should also compare random acquisition with the same training.

    Attributes:
        margin: ξ, by how much the larger of two losses must be predicted larger.
        weight: λ, of that loss beside the network's own.
        detach: share of the epochs after which the head no longer moves the network; 120 of 200 in
            the paper.

    Rule:
        $\arg\max_i \hat{l}(x_i)$, the predicted loss

    Cost:
        $O(n)$ beside the network's own pass over the pool

    Source:
        D. Yoo and I. S. Kweon, *Learning Loss for Active Learning*, 2019.

    Pitfalls:
        - The head changes the training of the network, which starts below the others (0.603
          against 0.631 before the first acquisition in docs/deep.md): compare it with ``random`` on
          a network with ``loss_head: true``.
        - Its initial networks are its own, so that they cannot be shared with other strategies.
        - Large losses are those of wrong labels and hopeless points, too, and a batch is the top of
          one ranking.
    """

    margin: Positive = 1.0
    weight: NonNegative = 1.0
    detach: Probability = 0.6
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PREDICTED_LOSSES})

    def adapt_classifier(self, classifier: Any) -> Any:
        """An unfitted copy of the classifier that has a loss head; it is what a trial must fit.

        Raises:
            UserError: the classifier is no network with a loss head.
        """
        from lalbench.classifiers import clone

        if "loss_head" not in classifier.get_params(deep=False):
            raise UserError(
                "classifiers",
                f"{type(classifier).__name__} has no loss head, which learning_loss trains",
                "use a network, e.g. resnet18",
            )
        return clone(classifier).set_params(
            loss_head=True,
            loss_margin=self.margin,
            loss_weight=self.weight,
            loss_detach_at=self.detach,
        )

    def scores(self, state: LearningState) -> FloatArray:
        """Predicted losses."""
        return state.predicted_losses
