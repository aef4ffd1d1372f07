"""Vectors of 64 weights, written in LLVM's language: signs of hidden weights as bits, sums of replicas, the hold of a centre on them.

LLVM's vectoriser finds neither the packing of 64 comparisons into a word nor a small table that is looked up lane by lane; here a table
of y + 1 values is a chain of y selections.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 64


def _vector(kind):
    return ir.VectorType(kind, LANES)


def _splat(builder, value):
    """A vector of equal entries."""
    vector = _vector(value.type)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_vector(ir.IntType(32)), [0] * LANES))


def _constant(kind, value):
    return ir.Constant(_vector(kind), [value] * LANES)


class _Place:
    """64 entries of an array, to load and to store."""

    def __init__(self, context, builder, kind, array, at):
        data = context.make_array(kind)(context, builder, array).data
        self.builder, self.align = builder, kind.dtype.bitwidth // 8
        element = ir.FloatType() if isinstance(kind.dtype, types.Float) else ir.IntType(kind.dtype.bitwidth)
        self.pointer = builder.bitcast(builder.gep(data, [at]), _vector(element).as_pointer())

    def load(self):
        out = self.builder.load(self.pointer)
        out.align = self.align
        return out

    def store(self, value):
        self.builder.store(value, self.pointer, align=self.align)


@intrinsic
def sign_word(typingctx, h, at):
    """A word of ones where h[at : at+64] >= 0 (float32)."""

    def codegen(context, builder, signature, args):
        values = _Place(context, builder, signature.args[0], *args).load()
        return builder.bitcast(builder.fcmp_ordered(">=", values, _constant(ir.FloatType(), 0.0)), ir.IntType(64))

    return types.uint64(h, types.intp), codegen


@intrinsic
def add_signs(typingctx, h, at, word, step):
    """h[at : at+64] += step where the bit of the word is one, -= step elsewhere (float32)."""

    def codegen(context, builder, signature, args):
        h, at, word, step = args
        hidden = _Place(context, builder, signature.args[0], h, at)
        up = builder.bitcast(word, _vector(ir.IntType(1)))
        moved = builder.select(up, _splat(builder, step), _splat(builder, builder.fneg(step)))
        hidden.store(builder.fadd(hidden.load(), moved))
        return context.get_dummy_value()

    return types.void(h, types.intp, types.uint64, types.float32), codegen


@intrinsic
def turn(typingctx, signs, sums, at, word):
    """signs[at : at+64] = +-1 by the bits of the word; sums (int8 both) follow what has changed."""

    def codegen(context, builder, signature, args):
        signs, sums, at, word = args
        own = _Place(context, builder, signature.args[0], signs, at)
        total = _Place(context, builder, signature.args[1], sums, at)
        byte = ir.IntType(8)
        mask = builder.bitcast(word, _vector(ir.IntType(1)))
        new = builder.select(mask, _constant(byte, 1), _constant(byte, -1))
        total.store(builder.add(total.load(), builder.sub(new, own.load())))
        own.store(new)
        return context.get_dummy_value()

    return types.void(signs, sums, types.intp, types.uint64), codegen


@intrinsic
def draw(typingctx, h, sums, at, pulls, back):
    """h[at : at+64] += pulls[k] - back sign(h), k = (y + S)/2 of the y + 1 pulls, S the sum there (int8)."""

    def codegen(context, builder, signature, args):
        h, sums, at, pulls, back = args
        hidden, total = _Place(context, builder, signature.args[0], h, at), _Place(context, builder, signature.args[1], sums, at).load()
        table = context.make_array(signature.args[3])(context, builder, pulls)
        y = builder.sub(cgutils.unpack_tuple(builder, table.shape, 1)[0], ir.Constant(ir.IntType(64), 1))
        held = cgutils.alloca_once_value(builder, _splat(builder, builder.load(table.data)))
        with cgutils.for_range(builder, y) as loop:
            k = builder.add(loop.index, ir.Constant(ir.IntType(64), 1))
            least = builder.trunc(builder.sub(builder.add(k, k), y), ir.IntType(8))
            reached = builder.icmp_signed(">=", total, _splat(builder, least))
            builder.store(builder.select(reached, _splat(builder, builder.load(builder.gep(table.data, [k]))), builder.load(held)), held)
        values = hidden.load()
        positive = builder.fcmp_ordered(">=", values, _constant(ir.FloatType(), 0.0))
        held_back = builder.select(positive, _splat(builder, back), _splat(builder, builder.fneg(back)))
        hidden.store(builder.fadd(values, builder.fsub(builder.load(held), held_back)))
        return context.get_dummy_value()

    return types.void(h, sums, types.intp, pulls, types.float32), codegen
