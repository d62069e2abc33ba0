"""One update of one model on a CPU core: loss and gradient of a batch, compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lalbench.learners.neural_process.attention import (
    N_POINT_SLOTS,
    attend,
    attend_backward,
    average_backward,
    encode,
    encode_backward,
    logits_backward,
    problems_of_points,
    shifted_logits,
)
from lalbench.learners.neural_process.kernels import (
    LANES,
    N_SLOTS,
    Weights,
    compiled,
    decode,
    decode_backward,
    gaussian,
)


class Space(NamedTuple):
    """Inputs of all points and the arrays that every update writes anew.

    Attributes:
        x, given: (d, lanes) features and (1 + n_classes, lanes) inputs of the y-path.
        y_hidden, points, wide: of :func:`lalbench.learners.neural_process.attention.encode`.
        d_points: (4, width, lanes) gradients of encoded points, keys, queries and values.
        exponentials, d_logits: (heads, lanes, lanes).
        attended, d_attended: (heads, batch size + 1, depth + 1, lanes).
    """

    x: Any
    given: Any
    y_hidden: Any
    points: Any
    wide: Any
    d_points: Any
    exponentials: Any
    d_logits: Any
    attended: Any
    d_attended: Any

    @classmethod
    def of(cls, x: Any, given: Any, width: int, n_heads: int, y_hidden: int, batch: int) -> Space:
        """Arrays for points ``x`` (d, n) with inputs ``given`` of the y-path."""
        kind, n = x.dtype, x.shape[1]
        lanes = n // 16 * 16 + 16  # whole vectors, and one lane at least for "no point"

        def zeros(*shape: int) -> Any:
            return np.zeros(shape, kind)

        def padded(values: Any) -> Any:
            return np.ascontiguousarray(np.pad(values, ((0, 0), (0, lanes - n))))

        table, sums = (n_heads, lanes, lanes), (n_heads, batch + 1, width // n_heads + 1, lanes)
        return cls(
            x=padded(x),
            given=padded(given),
            y_hidden=zeros(y_hidden, lanes),
            points=zeros(N_POINT_SLOTS, width, lanes),
            wide=zeros(3, 2 * width, lanes),
            d_points=zeros(4, width, lanes),
            exponentials=zeros(*table),
            d_logits=zeros(*table),
            attended=zeros(*sums),
            d_attended=zeros(*sums),
        )

    def widened(self) -> Space:
        """The same arrays, but exponentials and what is summed with them in double precision."""
        names = ("exponentials", "attended", "d_attended")
        return self._replace(**{name: np.zeros(getattr(self, name).shape) for name in names})


@compiled
def prepare(w: Weights, space: Space, n_points: int) -> float:
    """Encodes all points and leaves shifted logits in ``space.exponentials``.

    Returns:
        the largest distance of a logit from its maximum: far beyond it all exponentials of a
        problem may underflow.
    """
    points = space.points
    encode(w, space.x, space.given, space.y_hidden, points, space.wide)
    return shifted_logits(points[4], points[5], n_points, space.exponentials)


@compiled
def gradient_of_batch(
    w: Weights,
    g: Weights,
    space: Space,
    n_points: int,
    context: Any,
    targets: Any,
    improvements: Any,
) -> float:
    """Loss of a batch, and its gradient added to ``g``; after :func:`prepare` and exponentials.

    Args:
        w, g: weights and gradients.
        space: the other arrays.
        n_points: n, real points.
        context: (B, length) int64 positions of context points, padded with n to a multiple of 4.
        targets: (B, Nt) int64 positions.
        improvements: (B, Nt) of the targets.

    Returns:
        sum over all targets of the loss without its constant.
    """
    n_problems, n_lanes = len(targets), space.x.shape[1]
    points, d_points = space.points, space.d_points
    n_heads, stride = len(space.attended), space.attended.shape[2] * n_lanes
    attend(space.exponentials, points[6], context, space.attended)
    d_points[0] = points.dtype.type(0)
    for head in range(n_heads):
        space.d_attended[head, : n_problems + 1] = space.d_attended.dtype.type(0)
    place = targets.reshape(-1)
    offset = place + np.repeat(np.arange(n_problems) * stride, targets.shape[1])
    total = decode_targets(w, g, space, place, offset, improvements.reshape(-1))
    average_backward(space.attended, space.d_attended, n_problems)
    problems, lengths = problems_of_points(context, n_points)
    attend_backward(
        space.exponentials,
        points[6],
        problems,
        lengths,
        space.d_attended,
        d_points[3],
        space.d_logits,
    )
    logits_backward(points[4], points[5], space.d_logits, d_points[1], d_points[2])
    encode_backward(w, g, space.x, space.given, space.y_hidden, points, space.wide, d_points)
    return total


@compiled
def decode_targets(
    w: Weights, g: Weights, space: Space, place: Any, offset: Any, improvements: Any
) -> float:
    """Forth and back through everything behind the attention, one block of targets at a time.

    Args:
        w, g, space: as in :func:`gradient_of_batch`.
        place, offset: (all targets of the batch,) int64, see :func:`gather`.
        improvements: (all targets of the batch,).

    Returns:
        sum of the loss without its constant.
    """
    encoded, d_encoded = space.points[1], space.d_points[0]
    width, count = len(encoded), len(place)
    share = encoded.dtype.type(1.0 / count)
    n_blocks = (count + LANES - 1) // LANES
    lanes = ((count + n_blocks - 1) // n_blocks + 15) // 16 * 16  # blocks of equal size
    # N_SLOTS kept by ``decode``, then encoded targets, attended values, and gradients of both
    slots = np.empty((N_SLOTS + 4, width, lanes), encoded.dtype)
    inverse = np.empty((2, lanes), encoded.dtype)
    out = np.empty((2, 2, lanes), encoded.dtype)
    x, attended = slots[N_SLOTS], slots[N_SLOTS + 1]
    d_x, d_attended = slots[N_SLOTS + 2], slots[N_SLOTS + 3]
    total = 0.0
    for start in range(0, count, lanes):
        block = slice(start, min(start + lanes, count))
        gather(encoded, space.attended, place[block], offset[block], x, attended)
        decode(w, x, attended, slots, inverse, out[0])
        total += gaussian(out[0], improvements[block], share, out[1])
        decode_backward(w, g, slots, inverse, out[1], d_x, d_attended)
        scatter(d_x, d_attended, place[block], offset[block], d_encoded, space.d_attended)
    return total


@compiled
def gather(encoded: Any, averages: Any, place: Any, offset: Any, x: Any, attended: Any) -> None:
    """Encoded points and attended values of a block of targets; padding lanes get 0.

    Args:
        encoded: (width, point lanes).
        averages: (heads, B, depth + 1, point lanes).
        place: (targets of the block,) int64 positions among the points.
        offset: the same inside ``averages[head]`` at row 0 of the target's problem.
        x, attended: (width, LANES), written.
    """
    n_heads, n_lanes, count = len(averages), averages.shape[3], len(place)
    depth = len(x) // n_heads
    flat = averages.reshape(n_heads, -1)
    for row in range(len(x)):
        of_row, of_head = encoded[row], flat[row // depth, row % depth * n_lanes :]
        for lane in range(count):
            x[row, lane] = of_row[place[lane]]
        for lane in range(count):
            attended[row, lane] = of_head[offset[lane]]
        x[row, count:] = x.dtype.type(0)
        attended[row, count:] = x.dtype.type(0)


@compiled
def scatter(
    d_x: Any, d_attended: Any, place: Any, offset: Any, d_encoded: Any, d_averages: Any
) -> None:
    """The way back of :func:`gather`: adds to ``d_encoded``, writes ``d_averages``."""
    n_heads, n_lanes, count = len(d_averages), d_averages.shape[3], len(place)
    depth = len(d_x) // n_heads
    flat = d_averages.reshape(n_heads, -1)
    for row in range(len(d_x)):
        of_row, of_head = d_encoded[row], flat[row // depth, row % depth * n_lanes :]
        for lane in range(count):
            of_row[place[lane]] += d_x[row, lane]
        for lane in range(count):
            of_head[offset[lane]] = d_attended[row, lane]
