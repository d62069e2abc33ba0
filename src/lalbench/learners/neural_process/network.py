"""The network: an attentive conditional neural process over annotated and pool points.

Context = annotated points, targets = pool points, output = a Gaussian over the improvement of
each target (Bakker et al. 2023, section 3.2). The output does not depend on the order of the
context, follows the order of the targets, and treats every target on its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

MIN_SIGMA = 0.01
"""Least standard deviation: ``sigma = 0.01 + 0.99 softplus(.)``."""

SAFE_SPREAD = 60.0
"""Largest spread of attention logits of a target for which sums of their exponentials
cannot underflow."""


class AttentiveNeuralProcess(nn.Module):
    """Attentive conditional neural process with ``32 d + 21252`` parameters by default.

    Args:
        n_features: d, number of features of a point.
        width: r, width of every representation; a multiple of ``n_heads``.
        n_heads: attention heads, each ``width / n_heads`` wide.
        n_classes: 0, or the number of class labels that context points carry (beyond the paper: the
            published network sees no labels).
        y_hidden: hidden units of the y-resizer. None: 1 as published, or ``width`` with classes,
            since one rectified unit cannot tell all labels, or rewards of both signs, apart.
        generator: draws the initial weights; None takes torch's global generator.

    Raises:
        ValueError: sizes that do not fit together.
    """

    def __init__(
        self,
        n_features: int,
        width: int = 32,
        n_heads: int = 8,
        n_classes: int = 0,
        y_hidden: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if min(n_features, width, n_heads) < 1 or width % n_heads or n_classes < 0:
            raise ValueError(
                f"n_features={n_features}, width={width}, n_heads={n_heads}, n_classes={n_classes}"
            )
        self.n_features, self.width = n_features, width
        self.n_heads, self.n_classes = n_heads, n_classes
        self.y_hidden = y_hidden or (width if n_classes else 1)
        self.x_encoder = _mlp(n_features, width, width)
        self.y_resizer = _mlp(1 + n_classes, self.y_hidden, width)
        self.xy_encoder = _mlp(width, 2 * width, 2 * width, width)
        self.key = _linear(width, width, bias=False)
        self.query = _linear(width, width)
        self.value = _linear(width, width, bias=False)
        self.attention_norm = nn.LayerNorm(width)
        self.residual = _mlp(width, width, width)
        self.residual_norm = nn.LayerNorm(width)
        self.resizer = _mlp(width, width, width)
        self.decoder = _mlp(width, width, width, width, width, 2)
        self._initialise(generator)

    def forward(
        self,
        context_x: Tensor,
        target_x: Tensor,
        context_y: Tensor | None = None,
        context_labels: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Gaussians over the improvements of the targets.

        Args:
            context_x: (B, Nc, d) float32, Nc ≥ 1.
            target_x: (B, Nt, d) float32.
            context_y: (B, Nc) float32 rewards of the context; None is 0 everywhere, as published.
            context_labels: (B, Nc) int64 labels 0 … n_classes - 1; ignored by a network without
                classes, which is the published one.
            context_mask: (B, Nc) bool, True for real points, False for padding; at least one real
                point per problem.

        Returns:
            mu and sigma, both (B, Nt) float32.

        Raises:
            ValueError: an empty context, or a network with classes that got no labels.
        """
        if context_x.shape[-2] == 0:
            raise ValueError("the context is empty")
        encoded = self.x_encoder(context_x)
        values = self._values(encoded, context_y, context_labels)
        targets = self.x_encoder(target_x)
        attended = self._attend(targets, encoded, values, context_mask)
        return self._decode(attended, targets)

    def forward_points(
        self,
        points: Tensor,
        member: Tensor,
        targets: Tensor,
        rewards: Tensor | None = None,
        labels: Tensor | None = None,
        stable: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The same Gaussians for problems that are subsets of common points, much faster.

        Every point is encoded once, whether it plays context or target. With shared points and no
        rewards, keys, queries and values are shared too, and so are the exponentials of the
        attention logits: the attention of all problems is one matrix product with ``member``.

        Args:
            points: (1, n, d) float32 shared by the B problems, or (B, n, d).
            member: (B, n) float32, 1 for context points, 0 for others; at least one 1 per row.
            targets: (B, Nt) int64 positions of the targets among the n points.
            rewards: (B, n) float32 rewards of context points, or None for 0 everywhere.
            labels: (1, n) int64 labels, or None.
            stable: whether to do without sums of shared exponentials, which underflow beyond
                :data:`SAFE_SPREAD`; None looks at :meth:`logit_spread`.

        Returns:
            mu and sigma, both (B, Nt) float32.
        """
        shared = points.shape[0] == 1 and rewards is None
        if shared and stable is None:
            stable = bool(self.logit_spread(points).max() > SAFE_SPREAD)
        encoded = self.x_encoder(points)
        values = self._values(encoded, rewards, labels)
        if encoded.shape[0] == 1:
            chosen = encoded[0].index_select(0, targets.flatten())
            chosen = chosen.view(*targets.shape, self.width)
        else:
            index = targets.unsqueeze(-1).expand(-1, -1, self.width)
            chosen = encoded.gather(1, index)
        if shared and not stable:
            attended = self._attend_shared(encoded[0], values[0], member, targets)
        else:
            attended = self._attend(chosen, encoded, values, member.bool())
        return self._decode(attended, chosen)

    @torch.no_grad()
    def logit_spread(self, points: Tensor) -> Tensor:
        """(…) largest range of a target's attention logits among ``points`` (…, n, d)."""
        logits = self._logits(self.x_encoder(points))
        return (logits.amax(-2) - logits.amin(-2)).amax((-2, -1))

    def _logits(self, encoded: Tensor) -> Tensor:
        """(…, heads, n context, n targets) attention logits of all pairs of encoded points."""
        query, key = (
            part.unflatten(-1, (self.n_heads, -1)).transpose(-3, -2)
            for part in (self.query(encoded), self.key(encoded))
        )
        return key @ query.transpose(-2, -1) / math.sqrt(self.width // self.n_heads)

    def _values(self, encoded: Tensor, y: Tensor | None, labels: Tensor | None) -> Tensor:
        """(…, n, width) attention values of context points; broadcasts over problems."""
        # with y = 0 and no labels the y-path is one learned constant
        given = (encoded.new_zeros(1, 1) if y is None else y).unsqueeze(-1)
        if self.n_classes:
            if labels is None:
                raise ValueError("a network with classes needs context_labels")
            every = torch.arange(self.n_classes, device=labels.device)
            classes = (labels.unsqueeze(-1) == every).to(encoded.dtype)
            shape = torch.broadcast_shapes(given.shape[:-1], classes.shape[:-1])
            given = torch.cat([given.expand(*shape, -1), classes.expand(*shape, -1)], dim=-1)
        return self.value(self.xy_encoder(functional.relu(encoded + self.y_resizer(given))))

    def _attend(
        self, targets: Tensor, context: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        """(B, Nt, width) multi-head attention of the targets over the context."""
        size = len(targets)
        query, key, value = (
            part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2).expand(size, -1, -1, -1)
            for part in (self.query(targets), self.key(context), values)
        )
        keep = None if mask is None else mask[:, None, None, :]
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=keep)
        return attended.transpose(1, 2).flatten(2)

    def _attend_shared(
        self, points: Tensor, values: Tensor, member: Tensor, targets: Tensor
    ) -> Tensor:
        """:meth:`_attend` for shared points whose logits do not exceed :data:`SAFE_SPREAD`.

        With ``E[c, t] = exp(logit[c, t] - max_c logit[c, t])`` over all n points, the softmax over
        the context of problem b is ``E[c, t] member[b, c] / sum_c E[c, t] member[b, c]``.
        """
        n, size = len(points), len(member)
        value = values.view(n, self.n_heads, -1).permute(1, 2, 0)
        logits = self._logits(points)
        exponentials = (logits - logits.detach().amax(1, keepdim=True)).exp()
        weighted = exponentials.unsqueeze(1) * value.unsqueeze(-1)
        below = (member @ exponentials).reciprocal().unsqueeze(1)
        attended = (member @ weighted) * below  # (heads, head width, B, n targets)
        rows = targets + n * torch.arange(size, device=targets.device).unsqueeze(-1)
        chosen = attended.reshape(self.width, -1).index_select(1, rows.flatten())
        return chosen.t().reshape(*targets.shape, self.width)

    def _decode(self, attended: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.attention_norm(attended + targets)
        hidden = self.residual_norm(hidden + self.residual(hidden))
        output = self.decoder(functional.relu(targets + self.resizer(hidden)))
        return output[..., 0], MIN_SIGMA + (1 - MIN_SIGMA) * functional.softplus(output[..., 1])

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        """The initial weights of the published network."""

        def uniform(tensor: Tensor, bound: float) -> None:
            tensor.uniform_(-bound, bound, generator=generator)

        for part in self.children():
            if isinstance(part, nn.Sequential):
                layers = [layer for layer in part if isinstance(layer, nn.Linear)]
                for layer in layers:
                    last = layer is layers[-1]
                    uniform(layer.weight, math.sqrt((6 if last else 1) / layer.in_features))
                    layer.bias.zero_()
        for projection in (self.key, self.query, self.value):
            scale = math.sqrt(2 / (self.width + self.width // self.n_heads))
            projection.weight.normal_(0.0, scale, generator=generator)
        uniform(self.query.bias, 1 / math.sqrt(self.width))


def check_sizes(
    weights: Mapping[str, NDArray[Any]], n_features: int, width: int, n_classes: int, y_hidden: int
) -> None:
    """Raises ValueError unless a network of these sizes takes no more memory than its weights."""
    layers = {
        "x_encoder.0.weight": (width, n_features),
        "y_resizer.0.weight": (y_hidden, 1 + n_classes),
        "key.weight": (width, width),
    }
    for name, shape in layers.items():
        if weights[name].shape != shape:
            raise ValueError(f"{name} has the shape {weights[name].shape}, not {shape}")


def _linear(n_in: int, n_out: int, bias: bool = True) -> nn.Linear:
    # skip_init: the constructor's own weights would consume random numbers of the global generator
    return nn.utils.skip_init(nn.Linear, n_in, n_out, bias=bias)


def _mlp(*sizes: int) -> nn.Sequential:
    layers: Sequence[nn.Module] = [
        layer for n_in, n_out in pairwise(sizes) for layer in (_linear(n_in, n_out), nn.ReLU())
    ]
    return nn.Sequential(*layers[:-1])
