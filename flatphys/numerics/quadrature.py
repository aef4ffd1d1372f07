"""Rules for averages over z ~ N(0, 1) of functions that are analytic near the real axis.

The caller names the nearest singularities of its integrand, as pairs (centre, width): a pole or
branch point at centre +- i width.  Two rules follow from that knowledge:

* a trapezoid sum, whose error is exp(-2 pi y/h + c y^2/2) for any y up to the width (the shift of
  the contour; c = 1 for the Gaussian alone, larger when the integrand itself grows off the axis).
  The best y gives the largest step h that reaches `DIGITS`;
* where a singularity comes so close that this takes too many nodes, Gauss-Legendre panels graded
  towards the centres: no panel is longer than 1.5 times its distance to a singularity, for which
  16 nodes have an error of about 3^-32 = 5e-16.

`level` = 0 is the working rule, `level` = 1 an independent, finer one: the difference of the two
is the error estimate that states carry.  `level` = -1 is a coarse one, good to 1e-7, for points on the way to others.
"""

import math
import threading

import numpy as np

from flatphys._jit import jit
from flatphys.numerics.gaussian import density

DIGITS = 42.0  # natural log of the accuracy aimed at: e^-42, room for polynomial factors above 1e-16
COARSE_DIGITS, COARSE_RATIO = 20.0, 3.0  # the same two of coarse rules
MAX_SHIFT = 6.0  # a contour shifted further gains little, and polynomial factors grow along it
MAX_TRAPEZOID = 320  # more nodes than this and the graded panels are cheaper
PANEL_RATIO = 1.5  # panel length over distance to the nearest singularity
MAX_NODES = 16384  # capacity of the node buffers
REACH = 9.6  # Gaussian averages are cut where the density is 1e-20 of its maximum
SHORT_REACH = 8.6  # 1e-16, for sums inside of sums
ORDER = 16
_X, _W = np.polynomial.legendre.leggauss(ORDER)
LEGENDRE_X, LEGENDRE_W = _X.copy(), _W.copy()


@jit
def trapezoid_step(width, growth, digits=DIGITS):
    """Largest step with error exp(-digits): singularity at distance `width`, growth exp(growth y^2/2)."""
    y = min(width, MAX_SHIFT, math.sqrt(2.0 * digits / growth))
    return 2.0 * math.pi * y / (digits + 0.5 * growth * y * y)


_local = threading.local()


def buffers(pair: int = 0):
    """This thread's node buffers (u, w), allocated once: kernels release the interpreter lock."""
    try:
        return _local.pairs[pair]
    except AttributeError:
        _local.pairs = [(np.empty(MAX_NODES), np.empty(MAX_NODES)) for _ in range(2)]
        return _local.pairs[pair]


NOWHERE = (0.0, math.inf, 0.0, math.inf)  # two features that are not there


@jit
def panel_end(p, stop, ratio, cap, marks):
    """End of the longest admissible panel that starts at p; `marks` is (centre, width) four times."""
    length = cap
    for k in range(4):
        c, w = marks[2 * k], marks[2 * k + 1]
        near = ratio * w
        if p < c:
            room = ratio / (1.0 + ratio) * (c - p)  # length <= ratio * (c - p - length)
        else:
            room = ratio * (p - c)
        if room > near:
            near = room
        if near < length:
            length = near
    end = p + length
    # a sliver at the end costs a whole panel: stretch to it
    return stop if end > stop - 1e-3 * length else end


@jit
def spoilt(x, w):
    """What rules that do not fit into their buffers consist of: one node of weight nan, as is then every sum; returns their number."""
    x[0], w[0] = 0.0, math.nan
    return 1


@jit
def panel_nodes(n, start, stop, ratio, cap, marks, x, w):
    """Append the nodes and plain weights of graded panels on [start, stop] to (x, w) from place n.

    Panels are at most `cap` long and at most `ratio` times their distance to a mark (no less than its
    width).  Returns the new count; of `spoilt` nodes when the buffers are full (a width far below the
    spacing of doubles, so that no answer is better than a slow wrong one).
    """
    p = start
    while p < stop:
        e = panel_end(p, stop, ratio, cap, marks)
        if n + ORDER > x.size or not e > p:
            return spoilt(x, w)
        half, mid = 0.5 * (e - p), 0.5 * (e + p)
        for i in range(ORDER):
            x[n] = mid + half * LEGENDRE_X[i]
            w[n] = half * LEGENDRE_W[i]
            n += 1
        p = e
    return n


@jit
def gaussian_nodes(level, reach, growth, origin, poles, narrow, u, w):
    """Nodes and weights (density included) of a rule on |z| <= reach, z = origin + u.

    Nodes are returned as u, exact relative to `origin`, because sharp integrands depend on z - origin
    in units of their width.

    Parameters
    ----------
    poles : (centre, width) twice, in u
        Singularities at centre +- i width (infinite width: none).
    narrow : (centre, width) twice, in u
        Places where the integrand is analytic but varies on the scale of `width`; for the trapezoid sum
        `growth` says the same.
    growth : float
        The integrand grows no faster than exp(growth y^2/2) at distance y from the real axis.

    Returns the number of nodes.
    """
    h = trapezoid_step(min(poles[1], poles[3]), growth, DIGITS if level >= 0 else COARSE_DIGITS)
    n = 0
    if 2.0 * reach <= MAX_TRAPEZOID * h:
        shift = 0.0
        if level == 1:
            h *= 0.8
            shift = 0.37 * h
        half = int(reach / h)
        n = 2 * half + 1
        for i in range(n):
            z = (i - half) * h + shift
            u[i] = z - origin
            w[i] = h * density(z)
        return n
    ratio = PANEL_RATIO if level == 0 else (0.75 * PANEL_RATIO if level > 0 else COARSE_RATIO)
    marks = (poles[0], poles[1], poles[2], poles[3], narrow[0], narrow[1], narrow[2], narrow[3])
    n = panel_nodes(0, -reach - origin, reach - origin, ratio, ratio, marks, u, w)
    for i in range(n):
        w[i] *= density(origin + u[i])
    return n
