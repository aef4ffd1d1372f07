"""Products of patterns with vectors, on the patterns as they are stored: no copy of an int8 or float32 array in floats is made.

    along_weights    out_mu = sum_i x_{i,mu} m_i        along_patterns    out_i = sum_mu x_{i,mu} g_mu

for x (N, P) of int8, float32 or float64 and vectors of either float: arithmetic has the precision of `out`.  A matrix-vector product is
bound by the bytes that it reads; from int8 they are an eighth.

No flag lets the compiler reorder a sum (`flatphys._jit`), so the sums are written in lanes that it can take side by side: eight rows at
once along the weights, and along the patterns `LANES` partial sums for each of four rows, as vectors in LLVM's language.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from flatphys._jit import jit

TILE = 1024  # sums that stay in the first cache while rows go by
LANES = 16


@jit
def along_weights(x, m, out):
    """Fills out (P,)."""
    n, p = x.shape
    out[:] = 0
    for low in range(0, p, TILE):
        high = min(p, low + TILE)
        sums = out[low:high]
        for i in range(0, n - 7, 8):
            a, b, c, d = x[i, low:high], x[i + 1, low:high], x[i + 2, low:high], x[i + 3, low:high]
            e, f, g, h = x[i + 4, low:high], x[i + 5, low:high], x[i + 6, low:high], x[i + 7, low:high]
            ma, mb, mc, md, me, mf, mg, mh = m[i], m[i + 1], m[i + 2], m[i + 3], m[i + 4], m[i + 5], m[i + 6], m[i + 7]
            for j in range(high - low):
                near = (a[j] * ma + b[j] * mb) + (c[j] * mc + d[j] * md)
                sums[j] += near + ((e[j] * me + f[j] * mf) + (g[j] * mg + h[j] * mh))
        for i in range(n - n % 8, n):
            row, mi = x[i, low:high], m[i]
            for j in range(high - low):
                sums[j] += row[j] * mi


@intrinsic
def four_dots(typingctx, x, row, g):
    """Scalar products of rows `row` to row + 3 of x (contiguous rows) with g, up to the last whole `LANES`, in the precision of g."""
    kind = g.dtype

    def codegen(context, builder, signature, args):
        arrays = [context.make_array(one)(context, builder, value) for one, value in zip(signature.args[::2], args[::2])]
        single = ir.FloatType() if kind.bitwidth == 32 else ir.DoubleType()
        vector, count = ir.VectorType(single, LANES), ir.Constant(ir.IntType(64), LANES)
        stride = cgutils.unpack_tuple(builder, arrays[0].strides)[0]
        start = builder.ptrtoint(arrays[0].data, ir.IntType(64))
        rows = []
        for k in range(4):
            place = builder.add(start, builder.mul(builder.add(args[1], ir.Constant(ir.IntType(64), k)), stride))
            rows.append(builder.inttoptr(place, arrays[0].data.type))
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES)) for _ in rows]

        def lanes(data, at, item):
            stored = context.get_data_type(item)
            loaded = builder.load(builder.bitcast(builder.gep(data, [at]), ir.VectorType(stored, LANES).as_pointer()))
            loaded.align = item.bitwidth // 8
            if isinstance(item, types.Integer):
                return builder.sitofp(loaded, vector)
            if item.bitwidth == kind.bitwidth:
                return loaded
            return builder.fpext(loaded, vector) if item.bitwidth < kind.bitwidth else builder.fptrunc(loaded, vector)

        with cgutils.for_range(builder, builder.sdiv(cgutils.unpack_tuple(builder, arrays[1].shape)[0], count)) as loop:
            at = builder.mul(loop.index, count)
            weights = lanes(arrays[1].data, at, kind)
            for data, total in zip(rows, sums):
                term = builder.fmul(lanes(data, at, signature.args[0].dtype), weights)
                builder.store(builder.fadd(builder.load(total), term), total)
        return context.make_tuple(builder, signature.return_type, [_sum(builder, builder.load(total)) for total in sums])

    return types.UniTuple(kind, 4)(x, types.intp, g), codegen


def _sum(builder, vector):
    """The sum of all lanes, halves added to halves."""
    count = vector.type.count
    while count > 1:
        count //= 2
        index = ir.VectorType(ir.IntType(32), count)
        low, high = (ir.Constant(index, list(range(begin, begin + count))) for begin in (0, count))
        vector = builder.fadd(builder.shuffle_vector(vector, vector, low), builder.shuffle_vector(vector, vector, high))
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


@jit
def along_patterns(x, g, out):
    """Fills out (N,); arithmetic has the precision of g."""
    n, p = x.shape
    whole = p - p % LANES
    for i in range(0, n - n % 4, 4):
        a, b, c, d = four_dots(x, i, g)
        out[i] = _rest(x[i], g, whole, a)
        out[i + 1] = _rest(x[i + 1], g, whole, b)
        out[i + 2] = _rest(x[i + 2], g, whole, c)
        out[i + 3] = _rest(x[i + 3], g, whole, d)
    for i in range(n - n % 4, n):
        out[i] = _rest(x[i], g, 0, g[0] * 0)


@jit
def _rest(row, g, begin, total):
    """`total` and the products from `begin` on."""
    for j in range(begin, g.size):
        total += row[j] * g[j]
    return total
