"""One vector instruction over eight lanes per step, for compiled kernels.

The compiler keeps sums over products in memory when the innermost loop runs over lanes; here they
stay in registers, in four parts because a sum waits for its last term.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
_PARTS = 4


def _subtract_products(
    context: Any, out: Any, o: Any, left: Any, a: Any, right: Any, b: Any, count: Any
) -> Any:
    """``out[o] -= Σ_{k < count} left[a + k] right[b + k]``.

    All three are C-contiguous float64 arrays with a last axis of LANES, and are indexed as if they
    had that axis and one other. Nothing is checked.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.DoubleType(), LANES)

        def pointer(array: int, index: Any) -> Any:
            made = context.make_array(signature.args[array])(context, builder, arguments[array])
            at = builder.mul(index, ir.Constant(ir.IntType(64), LANES))
            return builder.bitcast(builder.gep(made.data, [at]), vector.as_pointer())

        def load(array: int, index: Any) -> Any:
            return builder.load(pointer(array, index), align=8)

        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f64"
        )

        def add(part: Any, k: Any) -> None:
            product = (
                builder.fneg(load(2, builder.add(arguments[3], k))),
                load(4, builder.add(arguments[5], k)),
            )
            builder.store(builder.call(fma, [*product, builder.load(part)]), part)

        parts = [cgutils.alloca_once(builder, vector) for _ in range(_PARTS)]
        builder.store(load(0, arguments[1]), parts[0])
        for part in parts[1:]:
            builder.store(ir.Constant(vector, [0.0] * LANES), part)
        size = ir.Constant(ir.IntType(64), _PARTS)
        whole = builder.sdiv(arguments[6], size)
        with cgutils.for_range(builder, whole) as loop:
            first = builder.mul(loop.index, size)
            for number, part in enumerate(parts):
                add(part, builder.add(first, ir.Constant(ir.IntType(64), number)))
        done = builder.mul(whole, size)
        with cgutils.for_range(builder, builder.sub(arguments[6], done)) as loop:
            add(parts[0], builder.add(done, loop.index))
        values = [builder.load(part) for part in parts]
        total = builder.fadd(builder.fadd(values[0], values[1]), builder.fadd(values[2], values[3]))
        builder.store(total, pointer(0, arguments[1]), align=8)
        return context.get_dummy_value()

    numbers = types.int64
    return types.void(out, numbers, left, numbers, right, numbers, numbers), generate


# as a call, not a decorator: the calls of kernels lack the context
subtract_products: Any = intrinsic(_subtract_products)


def _add_multiple(context: Any, out: Any, o: Any, share: Any, line: Any, a: Any, count: Any) -> Any:
    """``out[o + i] += share line[a + i]`` for i < ``count``, a multiple of LANES.

    Both are C-contiguous float64 arrays, indexed as if flat. Nothing is checked.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.DoubleType(), LANES)

        def pointer(array: int, index: Any) -> Any:
            made = context.make_array(signature.args[array])(context, builder, arguments[array])
            return builder.bitcast(builder.gep(made.data, [index]), vector.as_pointer())

        one = builder.insert_element(
            ir.Constant(vector, ir.Undefined), arguments[2], ir.Constant(ir.IntType(32), 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        shares = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f64"
        )
        size = ir.Constant(ir.IntType(64), LANES)
        with cgutils.for_range(builder, builder.sdiv(arguments[5], size)) as loop:
            first = builder.mul(loop.index, size)
            at = pointer(0, builder.add(arguments[1], first))
            values = builder.load(pointer(3, builder.add(arguments[4], first)), align=8)
            found = builder.call(fma, [shares, values, builder.load(at, align=8)])
            builder.store(found, at, align=8)
        return context.get_dummy_value()

    numbers = types.int64
    return types.void(out, numbers, types.float64, line, numbers, numbers), generate


add_multiple: Any = intrinsic(_add_multiple)
