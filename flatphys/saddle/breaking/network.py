"""What a network's patterns see of one step of replica-symmetry breaking: (q0, q1) passed through c(Q).

Pattern averages (`saddle.breaking.averages`, `saddle.breaking.limit`) of a tree committee (`kernels.networks`, random labels) take

    c_0 = c(q0) for q0,    1 - c(q1) for V = 1-q1,    (c(q1) - c(q0))/(1 - c(q1)) for (q1-q0)/V

and everything that is a derivative with respect to q0 or q1 gains c'.  At y = inf q0 = q1 - dq/y, so that
y (c_1 - c_0) = c'(q1) dq - c''(q1) dq^2/(2y) + ...

Replicas (`saddle.breaking.replicas`).  The conjugates gain the slopes,

    q0_hat = alpha c'(q0) E<a>^2/(1-c_1),   q1_hat -> alpha c'(q1) E<a^2>/(1-c_1) in d phi/dq1,

at y = inf d phi/dq1 the change of dq_c = c'(q1) dq with q1, alpha c''(q1) dq E a^2/(2 (1-c_1)), and Sigma the second order
of y (c_1 - c_0), -alpha c''(q1) dq^2 E a^2/(4 (1-c_1)).  Replicons: inside a region
1 - alpha [c'(q1)^2 E<g'^2> + c''(q1) E<g^2>] E<sech^4>, between regions c'(q0)^2 E[(d<g>/dh)^2] + c''(q0) E<g>^2 likewise.
"""

from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.networks import PERCEPTRON, overlap_curvature, overlap_difference, overlap_map, overlap_slope


class Seen(NamedTuple):
    """1-c(q1), c(q0), what turns (q1-q0)/V into what patterns see (at q1 = q0 its limit), c'(q1), c'(q0), c''(q1), c''(q0)."""

    v: float
    q0: float
    stretch: float
    rise1: float
    rise0: float
    bend1: float
    bend0: float


@jit
def block_overlaps(net, v, q0, gap):
    """The overlaps that patterns see at 1-q1 = v, q1 - q0 = gap."""
    if net[0] == PERCEPTRON:
        return Seen(v, q0, 1.0, 1.0, 1.0, 0.0, 0.0)
    q1, eps0 = 1.0 - v, v + gap
    _, cv = overlap_map(net, q1, v)
    rise1, bend1 = overlap_slope(net, q1, v), overlap_curvature(net, q1, v)
    if gap == 0.0:
        return Seen(cv, 1.0 - cv, rise1 * v / cv, rise1, rise1, bend1, bend1)
    chord = overlap_difference(net, q0, eps0, q1, v, gap) / gap
    c0, _ = overlap_map(net, q0, eps0)
    return Seen(cv, c0, chord * v / cv, rise1, overlap_slope(net, q0, eps0), bend1, overlap_curvature(net, q0, eps0))
