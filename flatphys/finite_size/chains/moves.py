"""What a proposed move does to the energy, and the tables that it is accepted by.

Energy = number of stabilities below the margin.  With +-1 patterns and weights the fields h = sum_i w_i x_i are integers, a flip
moves each by +-2 and a pair of flips by 0 or +-4, so that only the patterns whose field lies within one move of the threshold T
can change side.  They are marked by bits, 64 patterns a word,

    U: T <= h < T + s (may fall below),     L: T - s <= h < T (may rise above),     s = 2 or 4,

and the energy of a proposal follows from the marks and the bits of the patterns (1 for +1), the fields untouched:

    flip of weight i:       dE = |U & ~y| - |L & y|,              y = the bits of -w_i x_i
    flips of i and j:       dE = |U & ~y & ~z| - |L & y & z|,     z = the bits of -w_j x_j

Fields and marks change when a move is accepted.  `flip_word` and `pair_word` do that for 64 patterns at once; they are written as
vectors in LLVM's language, because its vectoriser does not find the packing of 64 comparisons into a word by itself.

With real patterns or weights the shifted fields are written to a second array, which takes the place of the first when the
move is accepted (`shift_one`, `shift_two`; `shift_bits` for +-1 patterns, whose bits are an eighth of the bytes to fetch).

Other energies than errors are counted in quanta of 2^-32 or so (`Cost.scale`), every pattern's rounded up: the sum is exact in any order,
on every device, and it is 0 only where every pattern's is.  The chain samples the rounded energy.

A move that raises the energy by d is accepted if a random 32-bit word lies below floor(2^32 exp(-beta d)): integers made once on
the host where they are few (errors), so that every device takes the same decisions.
"""

import math
from fractions import Fraction

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from flatphys._jit import inlined, jit
from flatphys.kernels.codes import ERRORS
from flatphys.kernels.cost import cost as energy_cost

WORD = 2.0**32
LANES = 64  # patterns a word


# --- tables, on the host ----------------------------------------------------------------------------
def boltzmann_words(beta, largest: int) -> np.ndarray:
    """floor(2^32 exp(-beta d)) for d = 0, ..., largest, as uint64; beta = inf gives 0 for every d > 0."""
    d = np.arange(largest + 1, dtype=np.float64)
    d[0] = 0.0
    words = np.empty(largest + 1, np.uint64)
    words[0] = np.uint64(WORD)
    words[1:] = 0 if math.isinf(beta) else np.floor(WORD * np.exp(-beta * d[1:])).astype(np.uint64)
    return words


def integer_threshold(margin: float, n: int) -> int:
    """The smallest integer that is >= margin sqrt(n), exactly: h < margin sqrt(n) is h < this for integers h."""
    square = Fraction(margin) ** 2 * n
    if margin > 0.0:
        return math.isqrt((square.numerator - 1) // square.denominator) + 1
    return -math.isqrt(square.numerator // square.denominator)


# --- vectors of 64 fields ---------------------------------------------------------------------------
@intrinsic
def popcount(typingctx, word):
    """Number of ones of a uint64."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


def _splat(builder, vector, value):
    """A vector of equal entries."""
    if isinstance(value, int):
        return ir.Constant(vector, [value] * vector.count)
    nothing, places = ir.Constant(vector, ir.Undefined), ir.VectorType(ir.IntType(32), vector.count)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(places, [0] * vector.count))


def _shift_word(context, builder, signature, args, flips):
    """h[at : at+64] += the sum over `flips` words of +-2, + where the bit is one; returns the words of marks (U, L)."""
    h, at, *bits, threshold = args
    step = 2 * flips
    kind = signature.args[0].dtype
    lane = ir.IntType(kind.bitwidth)
    vector, mask, word = ir.VectorType(lane, LANES), ir.VectorType(ir.IntType(1), LANES), ir.IntType(64)
    data = context.make_array(signature.args[0])(context, builder, h).data
    pointer = builder.bitcast(builder.gep(data, [at]), vector.as_pointer())
    fields = builder.load(pointer)
    fields.align = kind.bitwidth // 8
    for one in bits:
        up = builder.bitcast(one, mask)
        fields = builder.add(fields, builder.select(up, _splat(builder, vector, 2), _splat(builder, vector, -2)))
    builder.store(fields, pointer, align=kind.bitwidth // 8)
    above = builder.sub(fields, _splat(builder, vector, threshold))
    window = _splat(builder, vector, step)
    upper = builder.icmp_unsigned("<", above, window)
    lower = builder.icmp_unsigned("<", builder.add(above, window), window)
    return context.make_tuple(builder, signature.return_type, [builder.bitcast(upper, word), builder.bitcast(lower, word)])


@intrinsic
def flip_word(typingctx, h, at, y, threshold):
    """h[at : at+64] += 2 where the bit of y is one, -2 elsewhere; returns the marks (U, L) for flips."""

    def codegen(context, builder, signature, args):
        return _shift_word(context, builder, signature, args, 1)

    return types.UniTuple(types.uint64, 2)(h, types.intp, types.uint64, h.dtype), codegen


@intrinsic
def pair_word(typingctx, h, at, y, z, threshold):
    """h[at : at+64] += +-2 by the bits of y, +-2 by the bits of z; returns the marks (U, L) for pairs of flips."""

    def codegen(context, builder, signature, args):
        return _shift_word(context, builder, signature, args, 2)

    return types.UniTuple(types.uint64, 2)(h, types.intp, types.uint64, types.uint64, h.dtype), codegen


@intrinsic
def turn_word(typingctx, h, out, at, y, a, z, b, threshold):
    """out[at : at+64] = h[at : at+64] + (+-a +- b), + where the bits of y and z are one; returns a word of ones where out < threshold."""

    def codegen(context, builder, signature, args):
        h, out, at, y, a, z, b, threshold = args
        vector, mask = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(ir.IntType(1), LANES)

        def pointer(array, kind):
            return builder.bitcast(builder.gep(context.make_array(kind)(context, builder, array).data, [at]), vector.as_pointer())

        def either(word, value):
            plus, minus = _splat(builder, vector, value), _splat(builder, vector, builder.fneg(value))
            return builder.select(builder.bitcast(word, mask), plus, minus)

        fields = builder.load(pointer(h, signature.args[0]))
        fields.align = 8
        fields = builder.fadd(fields, builder.fadd(either(y, a), either(z, b)))
        builder.store(fields, pointer(out, signature.args[1]), align=8)
        return builder.bitcast(builder.fcmp_ordered("<", fields, _splat(builder, vector, threshold)), ir.IntType(64))

    arguments = (h, out, types.intp, types.uint64, types.float64, types.uint64, types.float64, types.float64)
    return types.uint64(*arguments), codegen


# --- integer fields ---------------------------------------------------------------------------------
@jit
def mark(h, threshold, step, valid, upper, lower):
    """Fill the marks of the fields for moves by up to `step`; `valid` has a one for every field that is not padding."""
    upper[:] = np.uint64(0)
    lower[:] = np.uint64(0)
    for mu in range(h.size):
        above = np.int64(h[mu]) - np.int64(threshold[0])
        bit = (valid[mu // LANES] >> np.uint64(mu % LANES) & np.uint64(1)) << np.uint64(mu % LANES)
        if 0 <= above < step:
            upper[mu // LANES] |= bit
        elif -step <= above < 0:
            lower[mu // LANES] |= bit


@jit
def flip_change(x, sign, upper, lower):
    """dE of the flip of a weight with patterns x; `sign` is all ones where the weight is +1, else 0."""
    total = np.uint64(0)
    for k in range(x.size):
        y = x[k] ^ sign
        total += popcount(upper[k] & ~y) - popcount(lower[k] & y)
    return np.int64(total)


@jit
def pair_change(x, sign, z, other, upper, lower):
    """dE of the flips of two weights with patterns x and z."""
    total = np.uint64(0)
    for k in range(x.size):
        a, b = x[k] ^ sign, z[k] ^ other
        total += popcount(upper[k] & ~(a | b)) - popcount(lower[k] & (a & b))
    return np.int64(total)


@jit
def flip_fields(h, x, sign, threshold, valid, upper, lower):
    """Flip: fields and marks."""
    t = threshold[0]
    for k in range(x.size):
        u, v = flip_word(h, LANES * k, x[k] ^ sign, t)
        upper[k], lower[k] = u & valid[k], v & valid[k]


@jit
def pair_fields(h, x, sign, z, other, threshold, valid, upper, lower):
    """Two flips: fields and marks."""
    t = threshold[0]
    for k in range(x.size):
        u, v = pair_word(h, LANES * k, x[k] ^ sign, z[k] ^ other, t)
        upper[k], lower[k] = u & valid[k], v & valid[k]


# --- real fields ---------------------------------------------------------------------------------
@inlined
def price(cost, field):
    """Quanta of energy of a pattern with this field."""
    if cost.energy == ERRORS:
        return np.int64(field < cost.threshold)
    return np.int64(math.ceil(energy_cost(cost.energy, (cost.threshold - field) / cost.unit) * cost.scale))


@jit
def row_prices(cost, fields):
    """Energy of every row of fields, in quanta."""
    out = np.zeros(len(fields), np.int64)
    for row in range(len(fields)):
        for mu in range(fields.shape[1]):
            out[row] += price(cost, fields[row, mu])
    return out


@inlined
def accepts(words, rate, rise, word):
    """Whether a random word lets the energy rise by so many quanta; `words` has one entry where they are too many for a table."""
    if rise <= 0:
        return True
    if words.size > 1:
        return np.uint64(word) < words[rise]
    return np.float64(word) < WORD * math.exp(-rate * rise)


@jit
def shift_one(h, out, x, a, cost):
    """out = h + a x; returns its energy."""
    total = 0
    for mu in range(h.size):
        t = h[mu] + a * x[mu]
        out[mu] = t
        total += price(cost, t)
    return total


@jit
def shift_two(h, out, x, a, z, b, cost):
    """out = h + (a x + b z); returns its energy."""
    total = 0
    for mu in range(h.size):
        t = h[mu] + (a * x[mu] + b * z[mu])
        out[mu] = t
        total += price(cost, t)
    return total


@jit
def shift_bits(h, out, x, a, z, b, threshold, valid):
    """The same for +-1 patterns given by their bits; returns how many entries lie below the threshold."""
    below = np.uint64(0)
    for k in range(x.size):
        below += popcount(turn_word(h, out, LANES * k, x[k], a, z[k], b, threshold) & valid[k])
    return np.int64(below)
