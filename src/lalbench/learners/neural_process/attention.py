"""Compiled attention of a whole batch over common points, and the encoder of these points.

The problems of a batch are subsets of the same points, so keys, queries, values and the
exponentials ``E[h, c, t] = exp(logit[h, c, t] - max_c logit[h, c, t])`` are computed once; a
problem sums over its own context only. Point lanes are padded: at least one lane behind the n
points is empty and stands for "no point" in lists of context points, whose lengths are multiples of
four.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lalbench.learners.neural_process.kernels import (
    Weights,
    add_relu_to,
    compiled,
    linear,
    linear_backward,
    linear_gradient,
    linear_relu,
    matrix_gradient,
    relu_backward,
)

N_POINT_SLOTS = 9
"""Arrays of activations of the points: see :func:`encode`."""


@compiled
def encode(w: Weights, x: Any, given: Any, y_hidden: Any, slots: Any, wide: Any) -> None:
    """Keys, queries and values of all points.

    Args:
        w: the weights.
        x: (d, lanes) features.
        given: (1 + n_classes, lanes) rewards and classes that enter the y-path.
        y_hidden: (h, lanes) gets the hidden units of the y-path.
        slots: (N_POINT_SLOTS, width, lanes) gets hidden units of the x-encoder, encoded points,
            joint representation, its encoding, keys, queries, values; the rest is for the way back.
        wide: (3, 2 width, lanes) gets both hidden layers of the xy-encoder.
    """
    linear_relu(w.x_encoder[0], x, slots[0])
    linear(w.x_encoder[1], slots[0], slots[1])
    linear_relu(w.y_resizer[0], given, y_hidden)
    linear(w.y_resizer[1], y_hidden, slots[2])
    add_relu_to(slots[2], slots[1])
    linear_relu(w.xy_encoder[0], slots[2], wide[0])
    linear_relu(w.xy_encoder[1], wide[0], wide[1])
    linear(w.xy_encoder[2], wide[1], slots[3])
    np.dot(w.key, slots[1], slots[4])
    linear(w.query, slots[1], slots[5])
    np.dot(w.value, slots[3], slots[6])


@compiled
def encode_backward(
    w: Weights, g: Weights, x: Any, given: Any, y_hidden: Any, slots: Any, wide: Any, d_slots: Any
) -> None:
    """The way back of :func:`encode`.

    ``d_slots`` (4, width, lanes) holds the gradients of encoded points (from the targets), keys,
    queries and values; the first is overwritten.
    """
    d_encoded, d_key, d_query, d_value = d_slots[0], d_slots[1], d_slots[2], d_slots[3]
    one, two = slots[7], slots[8]
    matrix_gradient(g.value, slots[3], d_value)
    np.dot(w.value.T, d_value, one)
    linear_backward(w.xy_encoder[2], g.xy_encoder[2], wide[1], one, wide[2])
    relu_backward(wide[1], wide[2])
    linear_backward(w.xy_encoder[1], g.xy_encoder[1], wide[0], wide[2], wide[1])
    relu_backward(wide[0], wide[1])
    linear_backward(w.xy_encoder[0], g.xy_encoder[0], slots[2], wide[1], one)
    relu_backward(slots[2], one)
    d_encoded += one
    d_hidden = np.empty_like(y_hidden)
    linear_backward(w.y_resizer[1], g.y_resizer[1], y_hidden, one, d_hidden)
    relu_backward(y_hidden, d_hidden)
    linear_gradient(g.y_resizer[0], given, d_hidden)
    matrix_gradient(g.key, slots[1], d_key)
    np.dot(w.key.T, d_key, two)
    d_encoded += two
    linear_backward(w.query, g.query, slots[1], d_query, two)
    d_encoded += two
    linear_backward(w.x_encoder[1], g.x_encoder[1], slots[0], d_encoded, two)
    relu_backward(slots[0], two)
    linear_gradient(g.x_encoder[0], x, two)


@compiled
def shifted_logits(key: Any, query: Any, n_points: int, logits: Any) -> float:
    """``logit[h, c, t] - max_c logit[h, c, t]``, to be exponentiated.

    Args:
        key, query: (width, lanes).
        n_points: n, real points.
        logits: (heads, lanes, lanes); rows behind the n points get -infinity.

    Returns:
        the largest distance below 0 in the rows of points.
    """
    n_heads, n_lanes = logits.shape[0], logits.shape[1]
    depth = len(key) // n_heads
    kind = key.dtype.type
    scale = kind(1 / math.sqrt(depth))
    highest, lowest = np.empty(n_lanes, key.dtype), np.empty(n_lanes, key.dtype)
    spread = kind(0)
    for head in range(n_heads):
        rows = slice(head * depth, (head + 1) * depth)
        table = logits[head]
        np.dot(key[rows].T, query[rows], table)
        highest[:] = table[0]
        lowest[:] = table[0]
        for point in range(1, n_points):
            for lane in range(n_lanes):
                value = table[point, lane]
                highest[lane] = max(highest[lane], value)
                lowest[lane] = min(lowest[lane], value)
        for point in range(n_points):
            for lane in range(n_lanes):
                table[point, lane] = (table[point, lane] - highest[lane]) * scale
        table[n_points:] = kind(-np.inf)
        for lane in range(n_lanes):
            spread = max(spread, (highest[lane] - lowest[lane]) * scale)
    return float(spread)


@compiled
def attend(exponentials: Any, value: Any, context: Any, attended: Any) -> None:
    """Softmax average of values over the context of every problem, at all point lanes.

    Args:
        exponentials: (heads, lanes, lanes) of context point and target; 0 behind the n points.
            These and the averages may have a wider type than the values.
        value: (width, lanes).
        context: (B, length) int64 positions, padded with "no point"; length a multiple of 4.
        attended: (heads, B or more, depth + 1, lanes) gets the averages and, in its last row, the
            reciprocal of the sum of exponentials.
    """
    n_heads, n_lanes = exponentials.shape[0], exponentials.shape[2]
    depth = len(value) // n_heads
    one, zero = attended.dtype.type(1), attended.dtype.type(0)
    for head in range(n_heads):
        table = exponentials[head]
        for problem in range(len(context)):
            found = attended[head, problem]
            found[:] = zero
            for start in range(0, context.shape[1], 4):
                c0, c1 = context[problem, start], context[problem, start + 1]
                c2, c3 = context[problem, start + 2], context[problem, start + 3]
                e0, e1, e2, e3 = table[c0], table[c1], table[c2], table[c3]
                for row in range(depth):
                    values, sums = value[head * depth + row], found[row]
                    v0, v1, v2, v3 = values[c0], values[c1], values[c2], values[c3]
                    for lane in range(n_lanes):
                        sums[lane] += v0 * e0[lane] + v1 * e1[lane] + v2 * e2[lane] + v3 * e3[lane]
                sums = found[depth]
                for lane in range(n_lanes):
                    sums[lane] += e0[lane] + e1[lane] + e2[lane] + e3[lane]
            below = found[depth]
            for lane in range(n_lanes):
                below[lane] = one / below[lane]
            for row in range(depth):
                sums = found[row]
                for lane in range(n_lanes):
                    sums[lane] *= below[lane]


@compiled
def average_backward(attended: Any, d_attended: Any, n_problems: int) -> None:
    """From gradients of averages to those of the sums above and below the fraction, in place.

    With ``a_k = n_k / s``: ``d n_k = d a_k / s`` and ``d s = -sum_k d a_k a_k / s``; the last row
    of ``d_attended`` gets d s. The problem behind the last one gets 0.
    """
    n_heads, _, n_rows, n_lanes = attended.shape
    depth = n_rows - 1
    for head in range(n_heads):
        for problem in range(n_problems):
            found, slope = attended[head, problem], d_attended[head, problem]
            below, total = found[depth], slope[depth]
            total[:] = attended.dtype.type(0)
            for row in range(depth):
                average, of_average = found[row], slope[row]
                for lane in range(n_lanes):
                    scaled = of_average[lane] * below[lane]
                    of_average[lane] = scaled
                    total[lane] -= scaled * average[lane]
        d_attended[head, n_problems] = attended.dtype.type(0)


@compiled
def problems_of_points(context: Any, n_points: int) -> Any:
    """The problems of a batch in which each point is context.

    Args:
        context: (B, length) int64 positions, padded with ``n_points``.
        n_points: n, real points.

    Returns:
        (n, B + 3) int64 problems, padded with B ("no problem"), and (n,) int64 numbers of entries
        to read, rounded up to multiples of four.
    """
    n_problems = len(context)
    found = np.full((n_points, n_problems + 3), n_problems)
    lengths = np.zeros(n_points, np.int64)
    for problem in range(n_problems):
        for point in context[problem]:
            if point < n_points:
                found[point, lengths[point]] = problem
                lengths[point] += 1
    return found, (lengths + 3) // 4 * 4


@compiled
def attend_backward(
    exponentials: Any,
    value: Any,
    problems: Any,
    lengths: Any,
    d_attended: Any,
    d_value: Any,
    d_logits: Any,
) -> None:
    """The way back of :func:`attend` from what :func:`average_backward` left.

    ``P[k, t]`` is the sum of ``d n_k`` over the problems with context point c, and so for ``d s``:
    ``d E[c, t] = sum_k P[k, t] v[k, c] + P[s, t]``, ``d v[k, c] = sum_t P[k, t] E[c, t]``.

    Args:
        exponentials, value: as in :func:`attend`.
        problems, lengths: of :func:`problems_of_points`.
        d_attended: (heads, B + 1, depth + 1, lanes), last problem 0.
        d_value: (width, lanes) is overwritten up to n.
        d_logits: (heads, lanes, lanes) is overwritten up to row n.
    """
    n_heads, n_lanes = exponentials.shape[0], exponentials.shape[2]
    depth = len(value) // n_heads
    sums = np.empty((depth + 1) * n_lanes, d_attended.dtype)
    slope = np.empty(n_lanes, d_attended.dtype)
    zero = d_attended.dtype.type(0)
    rows = d_attended.reshape(n_heads, d_attended.shape[1], (depth + 1) * n_lanes)
    for head in range(n_heads):
        for point in range(len(problems)):
            sums[:] = zero
            for start in range(0, lengths[point], 4):
                b0, b1 = problems[point, start], problems[point, start + 1]
                b2, b3 = problems[point, start + 2], problems[point, start + 3]
                d0, d1, d2, d3 = rows[head, b0], rows[head, b1], rows[head, b2], rows[head, b3]
                for place in range(len(sums)):
                    sums[place] += d0[place] + d1[place] + d2[place] + d3[place]
            known, found = exponentials[head, point], d_logits[head, point]
            slope[:] = sums[depth * n_lanes :]
            for row in range(depth):
                factor = value[head * depth + row, point]
                of_row = sums[row * n_lanes : (row + 1) * n_lanes]
                along = zero
                for lane in range(n_lanes):
                    slope[lane] += factor * of_row[lane]
                    along += of_row[lane] * known[lane]
                d_value[head * depth + row, point] = along
            for lane in range(n_lanes):
                found[lane] = slope[lane] * known[lane]


@compiled
def logits_backward(key: Any, query: Any, d_logits: Any, d_key: Any, d_query: Any) -> None:
    """``d k = sum_t d logit[c, t] q[t] / sqrt(depth)`` and the same for queries, per head."""
    n_heads = len(d_logits)
    depth = len(key) // n_heads
    scale = key.dtype.type(1 / math.sqrt(depth))
    for head in range(n_heads):
        rows = slice(head * depth, (head + 1) * depth)
        np.dot(query[rows], d_logits[head].T, d_key[rows])
        np.dot(key[rows], d_logits[head], d_query[rows])
    for row in range(len(key)):
        for lane in range(key.shape[1]):
            d_key[row, lane] *= scale
            d_query[row, lane] *= scale
