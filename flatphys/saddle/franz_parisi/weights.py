"""One weight beside its reference: what the conjugates of the local entropy mean for the overlaps.

A counted weight sees the field

    h = a z + b eta + P s + R1_hat w*,      q1_hat = a^2 + b^2,  t_hat = a sqrt(qt_hat),  p_hat = P + t_hat

where s is the reference's own weight, drawn given the field zeta = sqrt(qt_hat) z + R_hat w* that the
reference sees, eta is new Gaussian noise and w* the teacher's weight.  With m = <w | h> and mt = <s | zeta>:

    V = 1 - q1 = E var(w | h),   p = E[s m],   t = E[mt m],   R1 = E[w* m]

The patterns want the part of m that neither mt nor the deviation s - mt explains (orthogonal functions):

    m = (t/qt) mt + A/sqrt(1-qt) (s - mt) + rest,    A = (p - t)/sqrt(1-qt),    B = E rest^2
    D = (t - qt p)/sqrt(qt (1-qt)),                  V + D^2 + B = 1 - p^2
    C = E[rest w*] = R1 - t R/qt,                    v0 = 1 - R^2/qt - C^2/B

so that V, B, D, A are all found without subtracting numbers close to 1.  P is fixed by p.

Binary: m = tanh h, s = +-1 with probability e^(s zeta)/(2 cosh zeta), w* = 1 (gauge).  The average over
the direction of (z, eta) in which h does not change is done once for every P.
Spherical: all Gaussian, m = V h, s = (1-qt) zeta + sqrt(1-qt) xi, w* ~ N(0,1), hence with T^2 = qt - R^2
    V + K V^2 = 1 - p^2,  K = b^2 + (a^2 + R1_hat^2)(1-qt) + (a R - R1_hat T)^2,
    P = p/V - X,  X = a T + R1_hat R,  B = V^2 [b^2 + (a R - R1_hat T)^2/qt],  v0 = (T^2/qt) b^2 V^2/B.

Entropic part: binary -P p - t_hat (p-t) - q1_hat V/2 - R1_hat R1 + E log 2cosh h, spherical [log V + q1_hat V]/2.
T4 = E var(w | h)^2 enters the replicon.

Source: Franz & Parisi 1995; Huang & Kabashima 2014; spherical teacher factors derived here.
"""

import math
import threading
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels import weights as kernel
from flatphys.kernels.codes import RANDOM, SPHERICAL
from flatphys.numerics.gaussian import INV_SQRT_2PI
from flatphys.numerics.quadrature import SHORT_REACH as REACH, panel_nodes, trapezoid_step

DIGITS = 36.0  # trapezoid sums are laid out for an error of e^-36
MAX_NODES = 8192
ROUNDING = 1e-10  # relative
MOST_SUM = 400  # more trapezoid nodes than this, and graded panels are cheaper
X, W, M1, M2, M3, YW, YZ = range(7)  # rows of the table: nodes and weights along h, moments of mt there, weights and fields across
_local = threading.local()


class Conjugates(NamedTuple):
    """The unknowns: h = a z + b eta + ... of the module's docstring."""

    a: float
    b2: float
    r1_hat: float


class Overlaps(NamedTuple):
    """What a pattern's fields are made of: p, V, A, D, B, C, v0 of the module's docstring."""

    p: float
    v: float
    a: float
    d: float
    b: float
    c: float
    v0: float


class Weights(NamedTuple):
    """The overlaps that belong to conjugates, R1, the field P, the entropic part and T4."""

    overlaps: Overlaps
    r1: float
    field: float
    entropic: float
    t4: float


def scratch():
    """This thread's table of one-dimensional averages, allocated once."""
    try:
        return _local.table
    except AttributeError:
        _local.table = np.empty((7, MAX_NODES))
        return _local.table


@jit
def sum_step(width, growth):
    """Trapezoid step for a singularity at distance `width` and a growth exp(growth y^2/2) off the axis."""
    return trapezoid_step(width, growth, DIGITS)


@jit
def finer(h, level):
    """(step, offset) of a rule: level 0 to work with, 1 independent and finer, -1 coarse, good to 1e-7 (a Gaussian) or better."""
    if level == 0:
        return h, 0.0
    return (0.8 * h, 0.3 * h) if level > 0 else (1.6 * h, 0.0)


@jit
def panel_ratio(level):
    """Panel length over distance to a feature, for 16 nodes, by level as in `finer`."""
    return 1.5 if level == 0 else (1.1 if level > 0 else 2.0)


@jit
def _spherical(ref, p, omega, x):
    """omega = 1 - p^2."""
    qt, vt, r, t2 = ref.q, ref.v, ref.R, ref.t2
    a, b2, r1_hat = x.a, x.b2, x.r1_hat
    root_t = math.sqrt(t2)
    across = a * root_t + r1_hat * r
    cross = a * r - r1_hat * root_t
    if abs(cross) < ROUNDING * abs(a * r):  # with b = 0 the weights are other references, and what is left would look like a teacher's
        cross = 0.0
    k = b2 + (a * a + r1_hat * r1_hat) * vt + cross * cross
    v = 2.0 * omega / (1.0 + math.sqrt(1.0 + 4.0 * omega * k))
    field = p / v - across
    part = cross * cross / qt if qt > 0.0 else 0.0
    big_b = v * v * (b2 + part)
    d = v * math.sqrt(vt) * (across / math.sqrt(qt) if qt > 0.0 else 0.0)
    c = -v * root_t * cross / qt if qt > 0.0 else 0.0
    v0 = t2 / qt * (b2 / (b2 + part) if part > 0.0 else 1.0) if qt > 0.0 else 1.0
    entropic = 0.5 * (math.log(v) + (a * a + b2) * v)
    return Weights(Overlaps(p, v, v * field * math.sqrt(vt), d, big_b, c, v0), v * (r1_hat + field * r), field, entropic, v * v)


@jit
def _nodes_along(slope, sigma, shift, field, level, table):
    """Nodes x and plain weights along h = sigma x + shift + s P: (number, whether they are panels adapted to the guess `field` of P)."""
    h = sum_step(0.5 * math.pi / max(sigma, abs(slope), 1e-300), 1.0)
    if 2.0 * REACH > MOST_SUM * h:  # tanh h is too steep for a trapezoid sum
        smooth = sum_step(0.5 * math.pi / max(abs(slope), 1e-300), 1.0)
        ratio = panel_ratio(level)
        width = 0.5 * math.pi / sigma
        marks = (-(shift + field) / sigma, width, -(shift - field) / sigma, width, 0.0, math.inf, 0.0, math.inf)
        return panel_nodes(0, -REACH, REACH, ratio, min(ratio, 3.6 * ratio * smooth), marks, table[X], table[W]), True
    h, offset = finer(h, level)
    n = 2 * int(REACH / h) + 1
    for i in range(n):
        table[X, i], table[W, i] = (i - n // 2) * h + offset, h
    return n, False


@jit
def _moments(ref, x, field, level, table):
    """Nodes along h and, at each, the first three moments of mt: (number, sigma, whether adapted to `field`)."""
    b = math.sqrt(x.b2)
    sigma = math.hypot(x.a, b)
    along, across = (x.a / sigma, b / sigma) if sigma > 0.0 else (1.0, 0.0)
    root = math.sqrt(ref.q_hat)
    slope_x, slope_y = root * along, root * across
    hy, oy = finer(sum_step(0.5 * math.pi / max(slope_y, 1e-300), 1.0), level)
    ny = int(REACH / hy)
    yw, yz = table[YW], table[YZ]
    if 2 * ny + 1 > MAX_NODES:
        ny, hy = 0, math.nan
    nx, adapted = _nodes_along(slope_x, sigma, x.r1_hat, field, level, table)
    for j in range(2 * ny + 1):
        y = (j - ny) * hy + oy
        yz[j] = -slope_y * y + ref.R_hat
        yw[j] = hy * INV_SQRT_2PI * math.exp(-0.5 * y * y)
    for i in range(nx):
        place = table[X, i]
        m1 = m2 = m3 = 0.0
        if root == 0.0:
            pass
        elif slope_y <= 1e-8 * slope_x:  # nothing varies across: small alone is not enough, because E mt^2 = q may be as small
            m1 = math.tanh(slope_x * place + ref.R_hat)
            m2 = m1 * m1
            m3 = m2 * m1
        else:
            for j in range(2 * ny + 1):
                tau = kernel.mean(slope_x * place + yz[j])
                wt = yw[j] * tau
                m1 += wt
                wt *= tau
                m2 += wt
                m3 += wt * tau
        table[W, i] *= INV_SQRT_2PI * math.exp(-0.5 * place * place)
        table[M1, i], table[M2, i], table[M3, i] = m1, m2, m3
    return nx, sigma, adapted


@jit
def _flip_fraction(n, sigma, r1_hat, field, sides, table):
    """E[(1 - s m)/2], the same of the opposite, and the derivative with respect to P."""
    low = high = slope = 0.0
    for i in range(n):
        for k in range(sides):
            s = 1.0 - 2.0 * k
            up, down = kernel.chances(field + s * (sigma * table[X, i] + r1_hat))
            w = table[W, i] * 0.5 * (1.0 + s * table[M1, i])
            low += w * up
            high += w * down
            slope -= w * 2.0 * up * down
    factor = 2.0 / sides
    return factor * low, factor * high, factor * slope


@jit
def _fitted_field(ref, x, distance, field, level, table):
    """(number of nodes, sigma, P at which the weights are at `distance`, nan where there is none)."""
    sides = 1 if ref.labels.kind == RANDOM else 2
    target = math.log(distance / (1.0 - distance))
    n, sigma = 0, 0.0
    for _ in range(8):
        guess = field
        n, sigma, adapted = _moments(ref, x, guess, level, table)
        for _ in range(60):  # the logit of the distance is nearly linear in P
            low, high, slope = _flip_fraction(n, sigma, x.r1_hat, field, sides, table)
            step = (math.log(low / high) - target) * low * high / -slope
            if math.isnan(step):
                return n, sigma, math.nan
            field += min(max(step, -3.0), 3.0)
            if abs(step) < 1e-14 * (1.0 + abs(field)):
                break
        if not adapted or abs(field - guess) < 0.5:
            break
    return n, sigma, field


@jit
def _sums(ref, p, shift, field, n, sigma, table):
    """(V, p - t, t - qt p, R1, T4, E log 2cosh h, B) over the nodes of the table."""
    qt, vt = ref.q, ref.v
    sides = 1 if ref.labels.kind == RANDOM else 2
    factor = 2.0 / sides
    v = gap = delta = r1 = t4 = logz = 0.0
    for i in range(n):
        m1, m2 = table[M1, i], table[M2, i]
        for k in range(sides):
            s = 1.0 - 2.0 * k
            w = table[W, i] * factor
            h = sigma * table[X, i] + shift + s * field
            log_z, t, sech2, _ = kernel.binary(h)
            m = math.copysign(t, h)
            l0, l1 = 0.5 * (1.0 + s * m1), 0.5 * (m1 + s * m2)
            v += w * l0 * sech2
            t4 += w * l0 * sech2 * sech2
            gap += w * 0.5 * (1.0 - m2) * s * m
            delta += w * (s * m - p) * (s * l1 - qt * l0)
            r1 += w * l0 * m
            logz += w * l0 * log_z
    c2 = gap / vt
    c12 = delta / (qt * vt) if qt > 0.0 else 0.0  # t/qt - (p-t)/(1-qt)
    big_b = 0.0
    for i in range(n):
        m1, m2, m3 = table[M1, i], table[M2, i], table[M3, i]
        for k in range(sides):
            s = 1.0 - 2.0 * k
            dev = math.tanh(sigma * table[X, i] + shift + s * field) - c2 * s
            l0, l1, l2 = 0.5 * (1.0 + s * m1), 0.5 * (m1 + s * m2), 0.5 * (m2 + s * m3)
            big_b += table[W, i] * factor * (l0 * dev * dev - 2.0 * c12 * dev * l1 + c12 * c12 * l2)
    return v, gap, delta, r1, t4, logz, max(big_b, 0.0)


@jit
def _binary(ref, p, distance, x, field, level, table):
    n, sigma, field = _fitted_field(ref, x, distance, field, level, table)
    v, gap, delta, r1, t4, logz, big_b = _sums(ref, p, x.r1_hat, field, n, sigma, table)
    qt, vt = ref.q, ref.v
    c, v0 = 0.0, 1.0
    if ref.labels.kind == RANDOM:
        r1 = 0.0
    elif qt > 0.0:
        c = r1 - (qt * p + delta) * ref.R / qt
        full = ref.t2 / qt  # 1 - R^2/qt
        c = 0.0 if big_b < 1e-26 else c
        bound = 0.999999999999 * math.sqrt(full * big_b)
        c = min(max(c, -bound), bound)
        v0 = full - (c * c / big_b if big_b > 0.0 else 0.0)
    d = delta / math.sqrt(qt * vt) if qt > 0.0 else 0.0
    entropic = logz - field * p - x.a * math.sqrt(ref.q_hat) * gap - 0.5 * (x.a * x.a + x.b2) * v - x.r1_hat * r1
    return Weights(Overlaps(p, v, gap / math.sqrt(vt), d, big_b, c, v0), r1, field, entropic, t4)


@jit
def weights_part(ref, distance, x, field, level, table):
    """The `Weights` of conjugates x beside the reference `ref` (`reference.Reference`); `field` is a guess of P."""
    p = 1.0 - 2.0 * distance
    if ref.weights == SPHERICAL:
        return _spherical(ref, p, 4.0 * distance * (1.0 - distance), x)
    return _binary(ref, p, distance, x, field, level, table)
