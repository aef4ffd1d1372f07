"""Elementary functions without a branch, which LLVM packs into lanes, with explicit fused multiply-adds.

A loop over an array whose body is made of these functions and of plain arithmetic runs in as many lanes as the processor has; one call to
the system's mathematics library, one table or one branch inside prevents that.  Both sides of a choice are evaluated and one is selected.

    exp(x) = 2^k (1 + r + r^2 EXP(r)),  x = k log 2 + r          log x = k log 2 + 2 s + s^3 LOG(s^2),  x = 2^k (1+s)/(1-s)
                                                                                       (`numerics.coefficients`)

`fma(a, b, c)` is a b + c rounded once, an operation of its own (`llvm.fma`): it is fused whatever the optimiser decides.  Together with a
fixed number of lanes in `dot` a result has the same bits from every instruction set, packed or not, compiled here or loaded.  On a
processor without fused multiply-adds LLVM calls the C library's `fma` instead: the same bits, slowly.

Errors against mpmath: below 4e-16 relative for exp and log over the whole range (denormal results: half a unit of theirs), below 1e-15 for
the Gaussian functions made of them (`numerics.gaussian`).  Infinities and nan give what the functions' limits are.
"""

import math
import struct

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from flatphys._jit import inlined, jit
from flatphys.numerics.coefficients import EXP, LOG

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471805598903, 5.4979230187083712e-14  # the first has 42 bits: k times it is exact
MAGIC = 6755399441055744.0  # 1.5 2^52: what is added to it is rounded to an integer, in its last bits
MAGIC_BITS = 0x4338000000000000
ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
LEAST_NORMAL, TWO_54 = 2.0**-1022, 2.0**54
LANES = 8


@intrinsic
def fma(typingctx, a, b, c):
    """a b + c, rounded once."""

    def codegen(context, builder, signature, args):
        double = ir.DoubleType()
        return builder.call(builder.module.declare_intrinsic("llvm.fma", (double,), ir.FunctionType(double, [double] * 3)), args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@intrinsic
def bits_of(typingctx, x):
    """The 64 bits of a double, as an integer."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def double_of(typingctx, n):
    """The double that has these 64 bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@intrinsic
def select(typingctx, condition, a, b):
    """a where the condition holds, else b; both have been evaluated."""

    def codegen(context, builder, signature, args):
        return builder.select(args[0], args[1], args[2])

    return types.float64(types.boolean, types.float64, types.float64), codegen


@intrinsic
def _lanes(typingctx, w, f, n):
    """Sums of w_i f_i over i = j modulo 8, j = 0 ... 7, of the first n/8 (rounded down) eights; of arrays without gaps only."""
    if not all(isinstance(kind, types.Array) and kind.layout == "C" and kind.ndim == 1 for kind in (w, f)):
        return None  # memory is read as it lies: numba says that there is no such function

    def codegen(context, builder, signature, args):
        double, index = ir.DoubleType(), ir.IntType(64)
        vector = ir.VectorType(double, LANES)
        left, right = (context.make_array(kind)(context, builder, value).data for kind, value in zip(signature.args[:2], args))
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES))
        fused = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), "llvm.fma.v8f64")

        def eight(pointer, place):
            loaded = builder.load(builder.bitcast(builder.gep(pointer, [place]), vector.as_pointer()))
            loaded.align = 8
            return loaded

        with cgutils.for_range(builder, builder.lshr(args[2], ir.Constant(index, 3))) as loop:
            place = builder.shl(loop.index, ir.Constant(loop.index.type, 3))
            builder.store(builder.call(fused, [eight(left, place), eight(right, place), builder.load(total)]), total)
        sums = builder.load(total)
        parts = [builder.extract_element(sums, ir.Constant(ir.IntType(32), j)) for j in range(LANES)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.float64, LANES)(w, f, types.intp), codegen


if config.DISABLE_JIT:  # plain Python, for a debugger: a product is rounded there before it is added to

    def fma(a, b, c):
        return float(a) * float(b) + c

    def bits_of(x):
        return struct.unpack("<q", struct.pack("<d", x))[0]

    def double_of(n):
        return struct.unpack("<d", struct.pack("<Q", n & (2**64 - 1)))[0]

    def select(condition, a, b):
        return a if condition else b

    def _lanes(w, f, n):
        return tuple(float(np.dot(w[j : n & ~(LANES - 1) : LANES], f[j : n & ~(LANES - 1) : LANES])) for j in range(LANES))


@jit
def dot(w, f, n):
    """sum_i w_i f_i over i < n, in eight partial sums: the same bits whatever the processor."""
    a, b, c, d, e, g, h, k = _lanes(w, f, n)
    rest = 0.0
    for i in range(n & ~(LANES - 1), n):
        rest = fma(w[i], f[i], rest)
    return ((a + e) + (c + h)) + ((b + g) + (d + k)) + rest


def polynomial(name, powers, chains):
    """A compiled polynomial as several interleaved Horner schemes in x^chains: one alone would wait for each of its own steps."""
    lines = [f"def {name}(x):", "    x = float(x)", "    x2 = x * x"]
    if chains == 4:
        lines.append("    x4 = x2 * x2")
    step, fused = f"x{chains}", "{} * {} + {}" if config.DISABLE_JIT else "fma({}, {}, {})"
    for j in range(chains):
        own = powers[j::chains]
        lines.append(f"    p{j} = {own[-1]!r}")
        lines += [f"    p{j} = " + fused.format(f"p{j}", step, repr(c)) for c in reversed(own[:-1])]
    if chains == 4:
        lines.append("    return fma(x2, fma(x, p3, p2), fma(x, p1, p0))")
    else:
        lines.append("    return fma(x, p1, p0)")
    space = {"fma": fma, "__name__": __name__}
    exec("\n".join(lines), space)
    return inlined(space[name])


_exp_polynomial, _log_polynomial = polynomial("_exp_polynomial", EXP, 2), polynomial("_log_polynomial", LOG, 2)


@inlined
def _power_of_two(k):
    """2^k for an integer k between -1022 and 1023."""
    return double_of((bits_of(k + MAGIC) + 1023) << 52)


@inlined
def _reduced(x):
    """(k, r, e^r - 1) of x = k log 2 + r."""
    k = fma(x, LOG2_E, MAGIC) - MAGIC
    r = fma(k, -LN2_LOW, fma(k, -LN2_HIGH, x))
    return k, fma(r * r, _exp_polynomial(r), r)


@inlined
def exp(x):
    """e^x."""
    x = select(x > 710.0, 710.0, x)
    x = select(x < -746.0, -746.0, x)
    k, rise = _reduced(x)
    half = fma(k, 0.5, MAGIC) - MAGIC  # in two steps, for results beyond the normal ones
    return (1.0 + rise) * _power_of_two(half) * _power_of_two(k - half)


@inlined
def decay(x):
    """(e^x, 1 - e^x) for x <= 0, each to full relative accuracy."""
    x = select(x < -746.0, -746.0, x)
    k, rise = _reduced(x)
    half = fma(k, 0.5, MAGIC) - MAGIC
    first, second = _power_of_two(half), _power_of_two(k - half)
    scale = first * second
    return (1.0 + rise) * first * second, (1.0 - scale) - scale * rise


@inlined
def log(x):
    """log x."""
    tiny = x < LEAST_NORMAL
    y = select(tiny, x * TWO_54, x)
    bits = bits_of(y)
    e = (bits - ROOT_HALF_BITS) >> 52
    m = double_of(bits - (e << 52))  # between sqrt(1/2) and sqrt 2
    k = double_of(e + MAGIC_BITS) - MAGIC - select(tiny, 54.0, 0.0)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    small = fma(k, LN2_LOW, s * z * _log_polynomial(z))
    found = fma(k, LN2_HIGH, fma(2.0, s, small))
    found = select(x < math.inf, found, x)
    return select(x > 0.0, found, select(x == 0.0, -math.inf, math.nan))


@inlined
def log1p(x):
    """log(1 + x)."""
    w = 1.0 + x
    lost = (x - (w - 1.0)) / w  # of x, by the rounding of w
    return log(w) + select((w > 0.0) & (w < math.inf), lost, 0.0)


if config.DISABLE_JIT:  # the C library's, which is what takes the time there

    def exp(x):
        return math.exp(x) if x < 709.78 or math.isnan(x) else math.inf
