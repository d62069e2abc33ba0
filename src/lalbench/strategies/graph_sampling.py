"""UncertainGCN and CoreGCN: choice by a graph network (Caramalau, Bhattarai and Kim 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.random import Generator
from pydantic import Field

from lalbench.strategies.base import LearningState, Need, Selection
from lalbench.strategies.distances import nearest_squared_distances
from lalbench.strategies.graph_network import Nodes, Training, train
from lalbench.strategies.k_center_greedy import farthest_first
from lalbench.strategies.options import NonNegative, Options, Positive, Probability
from lalbench.strategies.ties import Ranking, Ties

Count = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class _GraphSampling(Options):
    """Training of the graph network (:mod:`lalbench.strategies.graph_network`).

    Attributes:
        hidden: width of its hidden layer.
        dropout: share of hidden values dropped in training.
        epochs: full-batch steps of Adam.
        lr, weight_decay: of Adam.
        weight: λ, of the pool's part of the loss.
        ties: order among equal points (:data:`lalbench.strategies.ties.Ties`).
    """

    hidden: Count = 128
    dropout: Dropout = 0.3
    epochs: Count = 200
    lr: Positive = 1e-3
    weight_decay: NonNegative = 5e-4
    weight: NonNegative = 1.2
    ties: Ties = "random"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EMBEDDINGS})

    def _nodes(self, state: LearningState, rng: Generator) -> Nodes:
        options = Training(
            self.hidden, self.dropout, self.epochs, self.lr, self.weight_decay, self.weight
        )
        return train(state, options, rng)


@dataclass(frozen=True)
class UncertainGcn(_GraphSampling):
    r"""Points of which a graph network is least sure that they are annotated, but for a margin.

    Attributes:
        s_margin: confidence of the best point.

    Rule:
        $\arg\min_i \vert s_i - s_{\mathrm{margin}} \vert$, $s_i$ the network's probability of
        "annotated"

    Cost:
        $O((n + m) D h)$ per epoch, with $h$ = ``hidden``

    Source:
        R. Caramalau, B. Bhattarai and T.-K. Kim, *Sequential Graph Convolutional Network for Active
        Learning*, 2021.

    Pitfalls:
        - No better than random sampling in docs/deep.md: the difference of AUAC is -0.14, with the
          95 % interval from -0.38 to +0.11.
        - It knows which points are annotated, and neither their classes nor what the classifier
          says.
        - On a CPU a network for a million points takes hours; use a ``subsample``.
    """

    s_margin: Probability = 0.1

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """The ``budget`` smallest distances to the margin; scores are minus these."""
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        scores = -np.abs(self._nodes(state, rng).confidence - self.s_margin)
        return Selection(ranking.top(scores, budget), scores)


@dataclass(frozen=True)
class CoreGcn(_GraphSampling):
    r"""K-center greedy on the hidden layer of a graph network that tells annotated points apart.

    Rule:
        $\arg\max_i \min_{j \in A \cup S} \Vert h_i - h_j \Vert$, $h_i$ the hidden layer at point
        $i$, point by point

    Cost:
        $O((n + m) D h)$ per epoch, with $h$ = ``hidden``; then $O(mnh)$ and $O(nh)$ per pick

    Source:
        R. Caramalau, B. Bhattarai and T.-K. Kim, *Sequential Graph Convolutional Network for Active
        Learning*, 2021.

    Pitfalls:
        - Beside ``k_center_greedy`` on the embeddings themselves the network brings little: AUAC
          8.08 ± 0.14 and 8.02 ± 0.08 in docs/deep.md.
        - It is drawn to outliers of the hidden layer, and knows neither classes nor classifier.
        - On a CPU a network for a million points takes hours; use a ``subsample``.
    """

    def select(self, state: LearningState, budget: int, rng: Generator) -> Selection:
        """Greedy picks; scores are squared distances to the nearest annotated point.

        Without annotated points the first pick is random and all scores are inf.
        """
        ranking = Ranking.draw(self.ties, state.pool_ids, rng)
        nodes = self._nodes(state, rng)
        if len(nodes.annotated_hidden):
            scores = nearest_squared_distances(nodes.hidden, nodes.annotated_hidden)
        else:
            scores = np.full(state.n_pool, np.inf)
        return Selection(farthest_first(nodes.hidden, scores, budget, ranking), scores)
