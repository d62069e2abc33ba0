"""Compiled forward and backward passes of the network's parts, for one model on a CPU core.

All arrays are feature-major, (features, lanes), float32 or float64, C-contiguous; a lane is a point
or a target. Matrix products go to BLAS, everything between two of them is one pass over the lanes,
which the compiler vectorises. Gradients of weights are added to, all others are overwritten.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from lalbench.jit import jit
from lalbench.learners.neural_process.network import MIN_SIGMA

# sums may be reordered and fused; NaN and infinity keep their meaning: a divergence must show
compiled = jit({"reassoc", "contract", "arcp", "nsz"})

LANES = 448
"""Most targets per block: its activations stay in the cache, and BLAS is near its best speed."""

N_SLOTS = 12
"""Arrays of activations of one block."""


class Layer(NamedTuple):
    """Weight (n_out, n_in) and bias (n_out,) of a linear layer, or their gradients."""

    weight: Any
    bias: Any


class Weights(NamedTuple):
    """All weights of the network, or their gradients, as views of one vector."""

    x_encoder: tuple[Layer, ...]
    y_resizer: tuple[Layer, ...]
    xy_encoder: tuple[Layer, ...]
    key: Any
    query: Layer
    value: Any
    attention_norm_weight: Any
    attention_norm_bias: Any
    residual: tuple[Layer, ...]
    residual_norm_weight: Any
    residual_norm_bias: Any
    resizer: tuple[Layer, ...]
    decoder: tuple[Layer, ...]


@compiled
def linear(layer: Layer, x: Any, out: Any) -> None:
    """``out = W x + b``."""
    np.dot(layer.weight, x, out)
    for row in range(len(out)):
        bias = layer.bias[row]
        for lane in range(out.shape[1]):
            out[row, lane] += bias


@compiled
def linear_relu(layer: Layer, x: Any, out: Any) -> None:
    """``out = max(W x + b, 0)``; NaN stays NaN."""
    np.dot(layer.weight, x, out)
    zero = out.dtype.type(0)
    for row in range(len(out)):
        bias = layer.bias[row]
        for lane in range(out.shape[1]):
            value = out[row, lane] + bias
            out[row, lane] = zero if value <= zero else value


@compiled
def linear_backward(layer: Layer, gradient: Layer, x: Any, d_out: Any, d_x: Any) -> None:
    """``d_x = W' d_out``; adds ``d_out x'`` and the row sums of ``d_out`` to the gradients."""
    linear_gradient(gradient, x, d_out)
    np.dot(layer.weight.T, d_out, d_x)


@compiled
def linear_gradient(gradient: Layer, x: Any, d_out: Any) -> None:
    """The part of :func:`linear_backward` that concerns the weights."""
    matrix_gradient(gradient.weight, x, d_out)
    for row in range(len(d_out)):
        total = d_out.dtype.type(0)
        for lane in range(d_out.shape[1]):
            total += d_out[row, lane]
        gradient.bias[row] += total


@compiled
def matrix_gradient(gradient: Any, x: Any, d_out: Any) -> None:
    """Adds ``d_out x'`` to ``gradient``."""
    product = np.dot(d_out, x.T)
    for row in range(gradient.shape[0]):
        for column in range(gradient.shape[1]):
            gradient[row, column] += product[row, column]


@compiled
def relu_backward(out: Any, gradient: Any) -> None:
    """Sets ``gradient`` to 0 where the rectified ``out`` is 0, in place."""
    zero = out.dtype.type(0)
    for row in range(len(out)):
        for lane in range(out.shape[1]):
            gradient[row, lane] = gradient[row, lane] if out[row, lane] > zero else zero


@compiled
def add_to(out: Any, other: Any) -> None:
    """``out += other``."""
    for row in range(len(out)):
        for lane in range(out.shape[1]):
            out[row, lane] += other[row, lane]


@compiled
def add_relu_to(out: Any, other: Any) -> None:
    """``out = max(out + other, 0)``; NaN stays NaN."""
    zero = out.dtype.type(0)
    for row in range(len(out)):
        for lane in range(out.shape[1]):
            value = out[row, lane] + other[row, lane]
            out[row, lane] = zero if value <= zero else value


@compiled
def layer_norm(scaled: Any, weight: Any, bias: Any, inverse: Any, out: Any) -> None:
    """``out = w s + b`` with ``s = (x - mean) / sqrt(variance + 1e-5)`` over the features.

    ``scaled`` holds x before and s after; ``inverse`` (lanes,) gets the reciprocal of the root.
    """
    n_rows, n_lanes = scaled.shape
    kind = scaled.dtype.type
    share, epsilon, one = kind(1.0 / n_rows), kind(1e-5), kind(1)
    mean = np.zeros(n_lanes, scaled.dtype)
    for row in range(n_rows):
        for lane in range(n_lanes):
            mean[lane] += scaled[row, lane]
    for lane in range(n_lanes):
        mean[lane] *= share
    inverse[:] = kind(0)
    for row in range(n_rows):
        for lane in range(n_lanes):
            centered = scaled[row, lane] - mean[lane]
            scaled[row, lane] = centered
            inverse[lane] += centered * centered
    for lane in range(n_lanes):
        inverse[lane] = one / np.sqrt(inverse[lane] * share + epsilon)
    for row in range(n_rows):
        factor, shift = weight[row], bias[row]
        for lane in range(n_lanes):
            value = scaled[row, lane] * inverse[lane]
            scaled[row, lane] = value
            out[row, lane] = factor * value + shift


@compiled
def layer_norm_backward(
    weight: Any, scaled: Any, inverse: Any, d_weight: Any, d_bias: Any, d_out: Any
) -> None:
    """``d_x = (g - mean(g) - s mean(g s)) / root`` with ``g = w d_out``, written to ``d_out``."""
    n_rows, n_lanes = d_out.shape
    kind = d_out.dtype.type
    share = kind(1.0 / n_rows)
    mean, along = np.zeros(n_lanes, d_out.dtype), np.zeros(n_lanes, d_out.dtype)
    for row in range(n_rows):
        factor, of_weight, of_bias = weight[row], kind(0), kind(0)
        for lane in range(n_lanes):
            given, value = d_out[row, lane], scaled[row, lane]
            of_weight += given * value
            of_bias += given
            mean[lane] += factor * given
            along[lane] += factor * given * value
            d_out[row, lane] = factor * given
        d_weight[row] += of_weight
        d_bias[row] += of_bias
    for lane in range(n_lanes):
        mean[lane] *= share
        along[lane] *= share
    for row in range(n_rows):
        for lane in range(n_lanes):
            rest = d_out[row, lane] - mean[lane] - scaled[row, lane] * along[lane]
            d_out[row, lane] = rest * inverse[lane]


@compiled
def gaussian(out: Any, improvements: Any, share: Any, d_out: Any) -> float:
    """Loss of the lanes that carry targets and its gradient times ``share``.

    ``out`` holds mu and the raw scale r: ``sigma = 0.01 + 0.99 log(1 + exp(r))``. Lanes behind
    ``len(improvements)`` are padding: their gradient is 0.

    Returns:
        sum over the targets of ``log sigma + ((v - mu) / sigma)^2 / 2``.
    """
    kind = out.dtype.type
    least, rest, one, half = kind(MIN_SIGMA), kind(1 - MIN_SIGMA), kind(1), kind(0.5)
    d_out[:] = kind(0)
    total = 0.0
    for lane in range(len(improvements)):
        mu, raw = out[0, lane], out[1, lane]
        small = math.exp(-abs(raw))  # log(1 + exp(r)) = max(r, 0) + log(1 + exp(-|r|))
        sigma = least + rest * ((raw if raw > 0 else kind(0)) + math.log1p(small))
        slope = (one if raw > 0 else small) / (one + small)
        residual = (improvements[lane] - mu) / sigma
        total += half * residual * residual + math.log(sigma)
        d_out[0, lane] = -share * residual / sigma
        d_out[1, lane] = share * (one - residual * residual) / sigma * rest * slope
    return total


@compiled
def decode(w: Weights, x: Any, attended: Any, slots: Any, inverse: Any, out: Any) -> None:
    """From encoded targets ``x`` and their ``attended`` values to mu and the raw scale.

    ``slots`` (N_SLOTS, width, lanes) and ``inverse`` (2, lanes) keep what the way back needs.
    """
    slots[0] = attended
    add_to(slots[0], x)
    layer_norm(slots[0], w.attention_norm_weight, w.attention_norm_bias, inverse[0], slots[1])
    linear_relu(w.residual[0], slots[1], slots[2])
    linear(w.residual[1], slots[2], slots[3])
    add_to(slots[3], slots[1])
    layer_norm(slots[3], w.residual_norm_weight, w.residual_norm_bias, inverse[1], slots[4])
    linear_relu(w.resizer[0], slots[4], slots[5])
    linear(w.resizer[1], slots[5], slots[6])
    add_relu_to(slots[6], x)
    for depth in range(4):
        linear_relu(w.decoder[depth], slots[6 + depth], slots[7 + depth])
    linear(w.decoder[4], slots[10], out)


@compiled
def decode_backward(
    w: Weights, g: Weights, slots: Any, inverse: Any, d_out: Any, d_x: Any, d_attended: Any
) -> None:
    """The way back of :func:`decode`, with the gradients of ``x`` and ``attended``."""
    one, two = slots[11], d_attended
    linear_backward(w.decoder[4], g.decoder[4], slots[10], d_out, one)
    for step in range(4):
        depth = 3 - step
        relu_backward(slots[7 + depth], one)
        linear_backward(w.decoder[depth], g.decoder[depth], slots[6 + depth], one, two)
        one, two = two, one
    # an even number of swaps: ``one`` is slots[11] again
    relu_backward(slots[6], one)
    d_x[:] = one
    linear_backward(w.resizer[1], g.resizer[1], slots[5], one, two)
    relu_backward(slots[5], two)
    linear_backward(w.resizer[0], g.resizer[0], slots[4], two, one)
    layer_norm_backward(
        w.residual_norm_weight,
        slots[3],
        inverse[1],
        g.residual_norm_weight,
        g.residual_norm_bias,
        one,
    )
    linear_backward(w.residual[1], g.residual[1], slots[2], one, two)
    relu_backward(slots[2], two)
    linear_backward(w.residual[0], g.residual[0], slots[1], two, slots[4])
    d_attended[:] = one
    add_to(d_attended, slots[4])
    layer_norm_backward(
        w.attention_norm_weight,
        slots[0],
        inverse[0],
        g.attention_norm_weight,
        g.attention_norm_bias,
        d_attended,
    )
    add_to(d_x, d_attended)


@compiled
def adam(parameters: Any, gradient: Any, moments: Any, rate: float, step: int) -> None:
    """One step of Adam (Kingma and Ba 2015, Algorithm 1) with beta 0.9, 0.999, epsilon 1e-8.

    Args:
        parameters, gradient: (P,).
        moments: (2, P), first and second.
        rate: learning rate.
        step: 1, 2, …
    """
    kind = parameters.dtype.type
    keep, fresh = kind(0.9), kind(0.1)
    keep_square, fresh_square = kind(0.999), kind(0.001)
    factor, epsilon = kind(rate / (1 - 0.9**step)), kind(1e-8)
    root = kind(1 / math.sqrt(1 - 0.999**step))
    first, second = moments[0], moments[1]
    for place in range(len(parameters)):
        slope = gradient[place]
        first[place] = keep * first[place] + fresh * slope
        second[place] = keep_square * second[place] + fresh_square * slope * slope
        parameters[place] -= factor * first[place] / (np.sqrt(second[place]) * root + epsilon)
