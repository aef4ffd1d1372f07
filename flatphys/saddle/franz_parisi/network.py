"""What a network's patterns see of the overlaps: every Q of the local entropy passed through c(Q).

The patterns of `local_entropy_patterns` know a counted weight only by (p, V, A, D, B) beside a reference of overlap qt.
Behind a tree committee (`kernels.networks`) each of p, q1, t, qt is replaced by c(.), hence, with c_Q = c(Q),

    V = 1 - c_q1,   A = (c_p - c_t)/sqrt(1 - c_qt),   D = (c_t - c_qt c_p)/sqrt(c_qt (1 - c_qt)),   B = 1 - c_p^2 - V - D^2

The conjugates are derivatives with respect to q1 and t and gain their slopes,

    q1_hat = alpha c'(q1) <a^2>/V,   t_hat = alpha c'(t) <a a_ref>/sqrt(V (1 - c_qt)),   slope: alpha c'(p) dG_E/dc_p

and so does the replicon of the counted weights: 1 - alpha [c'(q1)^2 <b^2>/V^2 + c''(q1) <a^2>/V] T4.  The weights' part is what
it was: c' has a power series with coefficients >= 0, so that the matrix of the conjugates stays positive and b^2 >= 0.

Digits.  1 - c comes from 1 - Q.  A and D of a reference close to freezing (qt -> 1) need c_p - c_t relative to p - t, which is
known without cancellation (A sqrt(1-qt) of the weights): in the angle theta = acos Q, in which c is smooth up to Q = 1,

    c_p - c_t = Int_{theta_p}^{theta_t} c'(cos theta) sin theta dtheta,
    sin((theta_t - theta_p)/2) = (p - t)/(2 sin((theta_t + theta_p)/2))

B is a difference of numbers of size V.  That costs nothing: the patterns' average is a smooth function of B on the scale V.
Without patterns q1 = p^2 but c(p^2) > c(p)^2: B stays positive where the perceptron's vanishes.

Source: the tree committee of `kernels.networks` and `docs/theory.md`; the difference of kernels is derived here.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.networks import PERCEPTRON, angle, overlap_curvature, overlap_map, overlap_slope

CLOSE = 0.5  # angles closer than this: the difference of c is an integral
_X, _W = np.polynomial.legendre.leggauss(12)  # 1e-16 for singularities 0.7 away from an interval of length 0.5
_NODES, _WEIGHTS = 0.5 * (1.0 + _X), 0.5 * _W


@jit
def overlap_difference(net, low, eps_low, high, eps_high, gap):
    """c(high) - c(low) to the relative precision of gap = high - low; eps = 1 - Q of both."""
    if net[0] == PERCEPTRON:
        return gap
    wide, narrow = angle(eps_low), angle(eps_high)
    mean = math.sin(0.5 * (wide + narrow))
    if mean > 0.0 and abs(gap) < 2.0 * math.sin(0.5 * CLOSE) * mean:
        turn = 2.0 * math.asin(0.5 * gap / mean)
        total = 0.0
        for i in range(_NODES.size):
            theta = narrow + turn * _NODES[i]
            half = math.sin(0.5 * theta)
            eps = 2.0 * half * half
            total += _WEIGHTS[i] * overlap_slope(net, 1.0 - eps, eps) * math.sin(theta)
        return turn * total
    return overlap_map(net, high, eps_high)[0] - overlap_map(net, low, eps_low)[0]


@jit
def seen_overlaps(net, qt, vt, c_qt, c_vt, distance, v, a_u, d):
    """(p, V, A, D, B) as the patterns see them, and c'(q1), c'(t), c'(p), c''(q1).

    `qt`, `vt` = 1-qt belong to the reference, `c_qt`, `c_vt` are c(qt), 1-c(qt); V, A, D on entry are those of the weights.
    """
    p, eps_p = 1.0 - 2.0 * distance, 2.0 * distance
    c_p, other_p = overlap_map(net, p, eps_p)
    _, c_v = overlap_map(net, 1.0 - v, v)
    gap = math.sqrt(vt) * a_u
    t, eps_t = qt * p + math.sqrt(qt * vt) * d, eps_p + gap
    c_gap = overlap_difference(net, t, eps_t, p, eps_p, gap)
    c_d = 0.0
    if qt > 0.0:
        part = c_p * c_vt - c_gap if c_vt < 0.5 else overlap_map(net, t, eps_t)[0] - c_qt * c_p
        c_d = part / math.sqrt(c_qt * c_vt)
    above = 1.0 + c_p
    if p < 0.0:  # odd kernels approach -1
        mirrored, other = overlap_map(net, -p, 2.0 * (1.0 - distance))
        if abs(mirrored + c_p) < 1e-14:
            above = other
    c_b = max(other_p * above - c_v - c_d * c_d, 0.0)
    slopes = overlap_slope(net, 1.0 - v, v), overlap_slope(net, t, eps_t), overlap_slope(net, p, eps_p)
    return c_p, c_v, c_gap / math.sqrt(c_vt), c_d, c_b, slopes[0], slopes[1], slopes[2], overlap_curvature(net, 1.0 - v, v)
