"""Exponentials that the compiler turns into vector instructions, for compiled kernels.

The library's ``exp`` is a call per element; these are straight-line code without branches, so loops
over arrays that use them run with SIMD lanes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: the first has trailing zeros, so that a multiple of it is exact
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0
"""1.5 · 2⁵²: adding it rounds to an integer, which then sits in the lowest bits."""
# Inlined by LLVM (forceinline), not by Numba (inline="always"), so that a kernel's own flags do not
# reach this code: reassociation would take the rounding to an integer away.
_FLAGS = {"contract"}
_LARGEST, _SMALLEST = 709.782712893384, -745.2
_ENOUGH = 700.0
"""Next to 1 its e⁻ˣ is nothing."""


def _bits(context: Any, value: Any) -> Any:
    """The bits of a float64 as int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


def _from_bits(context: Any, value: Any) -> Any:
    """The float64 of these int64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


# as calls, not decorators: the calls of kernels lack the context
_bits_of: Any = intrinsic(_bits)
_of_bits: Any = intrinsic(_from_bits)


@njit(forceinline=True, error_model="numpy", fastmath=_FLAGS)
def _series(r: float, last: float) -> float:
    """The Taylor series of eʳ, ``last`` what stands at its twelfth power."""
    value = last * r + 2.505210838544172e-08  # 1 / 11!
    value = value * r + 2.755731922398589e-07
    value = value * r + 2.7557319223985893e-06
    value = value * r + 2.48015873015873e-05
    value = value * r + 0.0001984126984126984
    value = value * r + 0.001388888888888889
    value = value * r + 0.008333333333333333
    value = value * r + 0.041666666666666664
    value = value * r + 0.16666666666666666
    value = value * r + 0.5
    return (value * r) * r + r + 1.0


@njit(forceinline=True, error_model="numpy", fastmath=_FLAGS)
def exp(x: float) -> float:
    """eˣ to 2 units in the last place; 0 below -745.2, infinity above 709.78, NaN for NaN.

    With k the integer closest to x / ln 2 it is 2ᵏ eʳ, |r| ≤ ln 2 / 2; eʳ by its Taylor series.
    """
    held = _SMALLEST if x < _SMALLEST else x  # a NaN passes
    held = _LARGEST if held > _LARGEST else held
    shifted = held * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (held - k * _LN2_HIGH) - k * _LN2_LOW
    value = _series(r, 1.6059043836821613e-10 * r + 2.08767569878681e-09)  # 1 / 13!, 1 / 12!
    # in two factors: 2ᵏ alone leaves the range of normal numbers at both ends
    whole = _bits_of(shifted) - _bits_of(_ROUND)
    half = whole >> 1
    value = value * _of_bits((half + 1023) << 52) * _of_bits((whole - half + 1023) << 52)
    value = float("inf") if x > _LARGEST else value
    return 0.0 if x < _SMALLEST else value


@njit(forceinline=True, error_model="numpy", fastmath=_FLAGS)
def falling_exp(x: float) -> float:
    """e⁻ˣ of x ≥ 0 to a relative error of 1e-15 up to 700, and that of 700, 1e-304, from there on.

    It is what :func:`exp` is, in fewer instructions: no ends of the range to look after.
    """
    held = min(x, _ENOUGH)
    shifted = held * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (k * _LN2_HIGH - held) + k * _LN2_LOW
    value = _series(r, 2.08767569878681e-09)  # 1 / 12!
    whole = _bits_of(shifted) - _bits_of(_ROUND)
    return value * _of_bits((1023 - whole) << 52)


@njit(forceinline=True, error_model="numpy", fastmath=_FLAGS)
def expit(x: float) -> float:
    """1 / (1 + e⁻ˣ) to 4 units in the last place, for small values too."""
    return 1.0 / (1.0 + exp(-x))


@njit(forceinline=True, error_model="numpy", fastmath=_FLAGS)
def tanh(x: float) -> float:
    """Hyperbolic tangent to an absolute error of 3e-16."""
    power = exp(-2.0 * abs(x))
    value = (1.0 - power) / (1.0 + power)
    return -value if x < 0 else value
