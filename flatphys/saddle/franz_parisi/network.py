"""What a network's patterns see of the overlaps: every Q of the local entropy passed through c(Q).

The patterns of `patterns` know a counted weight only by (p, V, A, D, B) beside a reference of overlap qt.
Behind a tree committee (`kernels.networks`) each of p, q1, t, qt is replaced by c(.), hence, with c_Q = c(Q),

    V = 1 - c_q1,   A = (c_p - c_t)/sqrt(1 - c_qt),   D = (c_t - c_qt c_p)/sqrt(c_qt (1 - c_qt)),   B = 1 - c_p^2 - V - D^2

The conjugates are derivatives with respect to q1 and t and gain their slopes,

    q1_hat = alpha c'(q1) <a^2>/V,   t_hat = alpha c'(t) <a a_ref>/sqrt(V (1 - c_qt)),   slope: alpha c'(p) dG_E/dc_p

and so does the replicon of the counted weights: 1 - alpha [c'(q1)^2 <b^2>/V^2 + c''(q1) <a^2>/V] T4.  The weights' part is what
it was: c' has a power series with coefficients >= 0, so that the matrix of the conjugates stays positive and b^2 >= 0.

Digits.  1 - c comes from 1 - Q.  A and D of a reference close to freezing (qt -> 1) need c_p - c_t relative to p - t, which is
known without cancellation (A sqrt(1-qt) of the weights): `kernels.networks.overlap_difference`.

B is a difference of numbers of size V.  That costs nothing: the patterns' average is a smooth function of B on the scale V.
Without patterns q1 = p^2 but c(p^2) > c(p)^2: B stays positive where the perceptron's vanishes.

Source: the tree committee of `kernels.networks` and `docs/theory.md`; the difference of kernels is derived here.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.networks import overlap_curvature, overlap_difference, overlap_map, overlap_slope
from flatphys.saddle.franz_parisi.weights import Overlaps


class Seen(NamedTuple):
    """The overlaps that patterns see, and what they pass back: c'(q1), c'(t), c'(p), c''(q1)."""

    overlaps: Overlaps
    slope_q1: float
    slope_t: float
    slope_p: float
    curvature: float


@jit
def seen_overlaps(net, ref, seen_ref, distance, o):
    """`Seen` of the overlaps o (`weights.Overlaps`) of weights at `distance` from `ref`; seen_ref has q = c(qt), v = 1 - c(qt)."""
    p, eps_p = o.p, 2.0 * distance
    c_p, other_p = overlap_map(net, p, eps_p)
    _, c_v = overlap_map(net, 1.0 - o.v, o.v)
    gap = math.sqrt(ref.v) * o.a
    t, eps_t = ref.q * p + math.sqrt(ref.q * ref.v) * o.d, eps_p + gap
    c_gap = overlap_difference(net, t, eps_t, p, eps_p, gap)
    c_d = 0.0
    if ref.q > 0.0:
        part = c_p * seen_ref.v - c_gap if seen_ref.v < 0.5 else overlap_map(net, t, eps_t)[0] - seen_ref.q * c_p
        c_d = part / math.sqrt(seen_ref.q * seen_ref.v)
    above = 1.0 + c_p
    if p < 0.0:  # odd kernels approach -1
        mirrored, other = overlap_map(net, -p, 2.0 * (1.0 - distance))
        if abs(mirrored + c_p) < 1e-14:
            above = other
    c_b = max(other_p * above - c_v - c_d * c_d, 0.0)
    q1 = 1.0 - o.v
    return Seen(
        Overlaps(c_p, c_v, c_gap / math.sqrt(seen_ref.v), c_d, c_b, o.c, o.v0),
        overlap_slope(net, q1, o.v),
        overlap_slope(net, t, eps_t),
        overlap_slope(net, p, eps_p),
        overlap_curvature(net, q1, o.v),
    )
