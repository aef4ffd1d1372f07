"""Products of patterns with vectors, on the patterns as they are stored: no copy of an int8 or float32 array in floats is made.

    along_weights    out_mu = sum_i x_{i,mu} m_i        along_patterns    out_i = sum_mu x_{i,mu} g_mu

for x (N, P) of int8, float32 or float64 and vectors of either float: arithmetic has the precision of `out`.  A matrix-vector product is
bound by the bytes that it reads; from int8 they are an eighth.

No flag lets the compiler reorder a sum (`flatphys._jit`), so the sums are written in lanes that it can take side by side: eight rows at
once along the weights, `LANES` partial sums for each of four rows along the patterns.
"""

import numpy as np

from flatphys._jit import jit

TILE = 1024  # sums that stay in the first cache while rows go by
LANES = 32


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


@jit
def along_patterns(x, g, out):
    """Fills out (N,)."""
    n, p = x.shape
    whole = p - p % (2 * LANES)
    sums = np.empty((4, LANES), out.dtype)
    first, second, third, fourth = sums[0], sums[1], sums[2], sums[3]
    for i in range(0, n - n % 4, 4):
        sums[:] = 0
        for s in range(0, whole, 2 * LANES):
            near, far = g[s : s + LANES], g[s + LANES : s + 2 * LANES]
            a, b, c, d = x[i, s : s + LANES], x[i + 1, s : s + LANES], x[i + 2, s : s + LANES], x[i + 3, s : s + LANES]
            t = s + LANES
            e, f, q, r = x[i, t : t + LANES], x[i + 1, t : t + LANES], x[i + 2, t : t + LANES], x[i + 3, t : t + LANES]
            for j in range(LANES):
                first[j] += a[j] * near[j] + e[j] * far[j]
                second[j] += b[j] * near[j] + f[j] * far[j]
                third[j] += c[j] * near[j] + q[j] * far[j]
                fourth[j] += d[j] * near[j] + r[j] * far[j]
        for k in range(4):
            out[i + k] = _rest(x[i + k], g, whole, sums[k])
    for i in range(n - n % 4, n):
        sums[:] = 0
        out[i] = _rest(x[i], g, 0, first)


@jit
def _rest(row, g, begin, sums):
    """The lanes' sum and what they have left over."""
    total = sums[0]
    for j in range(1, LANES):
        total += sums[j]
    for j in range(begin, g.size):
        total += row[j] * g[j]
    return total
