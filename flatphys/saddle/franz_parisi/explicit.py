"""One pattern that the reference has learnt, its field u kept explicit: with a teacher.

In the notation of `patterns`, the teacher's own field on the pattern is

    y* = (R/sqrt qt) z + rho eta + sqrt(v0) nu,    rho = C/sqrt(B),   v0 = 1 - R^2/qt - rho^2

(u is independent of it), so that a pattern weighs W = 2 [flip + (1-2 flip) H(-Y)], Y = (R z/sqrt qt + rho eta)/sqrt v0:

    < F > = Int Dz Int Du exp(-beta_ref energy_ref)/f_ref Int Deta W(z, eta) F(M_z z + A u + sqrt(B) eta)
    R1_hat = alpha <2 (1-2 flip) G(Y)/(W sqrt v0) a>/sqrt V

W ties eta down, and the closed form in u of the two-dimensional sum would be a bivariate normal integral;
three nested sums are as fast.  The eta sum needs the fewest nodes exactly where the two-dimensional form
degenerates (B -> 0), which makes this the independent check of that corner: with R = 0 both agree.

The slope of `patterns` is integrated by parts in u, which needs no derivative of the energy,

    d G_E/dp = < u a/sqrt V - A b/V >/sqrt(1-qt).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.channels import channel, channel_scalars, features, nearest, steps
from flatphys.kernels.cost import cost
from flatphys.kernels.labels import label_slope, label_weight
from flatphys.numerics.gaussian import INV_SQRT_2PI
from flatphys.numerics.quadrature import SHORT_REACH as REACH, panel_nodes
from flatphys.saddle.franz_parisi.patterns import Patterns, lost
from flatphys.saddle.franz_parisi.rules import DECAY, ENOUGH, breadth, counted_reach, fields_of, outer_nodes, reference_pole
from flatphys.saddle.franz_parisi.weights import finer, panel_ratio, sum_step

ETA, DENSITY, LABEL, TURN = range(4)  # rows of the table: nodes of eta and their weights, alone, with W and with its turn
NEGLIGIBLE, FAINT = 1e-20, 1e-19  # weights below which a value of z, of u is passed over


class Etas(NamedTuple):
    """The sum over eta: how many nodes, and whether shares and energies are summed as well."""

    count: int
    scalars: bool


class Places(NamedTuple):
    """Where the u integrand of one z has its features, in y = u - k', and how far it reaches."""

    marks: tuple
    low: float
    high: float
    cap: float


@jit
def _outer_step(width, turn, root_b, tilt_e, g, pole):
    """(step, step without the reference's pole and the teacher's turn, its tilt) of the z sum, largest over the shifts of eta with z."""
    best = smooth = tilt = 0.0
    for i in range(42):
        lam = (i - 20) * 0.1
        lam = lam / (1.02 - abs(lam) * 0.5)
        if i == 41:
            lam = -turn / root_b if root_b > 1e-200 else 0.0
        q = g.tilt_z + tilt_e * lam
        move = turn + root_b * lam
        reach = width / max(abs(move), 1e-300)
        grow = 1.0 + lam * lam + g.bend * move * move
        best = max(best, sum_step(min(reach, pole), grow + q * q + (g.root_q / g.root_t) ** 2))
        free = sum_step(reach, grow)
        if free > smooth:
            smooth, tilt = free, abs(q)
    return best, smooth, tilt


@jit
def _label_rows(ref, g, tilt_e, z, count, table):
    """Fill the rows LABEL and TURN at z; returns the largest weight."""
    most = 0.0
    for j in range(count):
        arg = g.tilt_z * z + tilt_e * table[ETA, j]
        table[LABEL, j] = table[DENSITY, j] * label_weight(ref.labels, 1.0, arg)
        table[TURN, j] = table[DENSITY, j] * label_slope(ref.labels, 1.0, arg) / g.root_0
        most = max(most, table[LABEL, j])
    return most


@jit
def _places(ref, ch, o, g, k, edge, ratio):
    """`Places` at k', `edge` = x of the counted channel there."""
    size = abs(o.a)
    reach = counted_reach(ch)
    re, im, other, other_im = features(ch, g.root_v)
    turn = g.root_v / o.a if size > 0.0 else math.inf
    least = 2.0 * math.sqrt(o.b) / max(size, 1e-300)
    unit = g.root_v / max(size, 1e-300)
    fall = 2.0 * breadth(ref.channel, g.root_t)
    marks = ((edge - re) * turn, max(im * unit, least), (edge - other) * turn, max(other_im * unit, least), 0.0, fall, 0.0, math.inf)
    low = 0.0 if ref.channel.beta == math.inf else min(-reach - k, 0.0)
    high = (math.sqrt(reach * reach + k * k) if k > 0.0 else reach) - k
    return Places(marks, low, high, min(2.0 * ratio, DECAY / max(k, 1e-9)))


@jit
def _nodes(places, k, reach, ratio, y, yw):
    """Panels in y = u - k' on both sides of the margin."""
    n = 0
    if places.low < 0.0:
        n = panel_nodes(0, places.low, 0.0, ratio, places.cap, places.marks, y, yw)
    return panel_nodes(n, max(0.0, -reach - k), max(places.high, 0.0), ratio, places.cap, places.marks, y, yw)


@jit
def _eta_sums(ch, x0, rate, root_v, etas, table):
    """(aa, a, log f, bb, share, loss, a turned, b) over eta, with the label's weight."""
    t_aa = t_a = t_f = t_bb = t_s = t_e = t_t = t_b = 0.0
    for j in range(etas.count):
        x = x0 - rate * table[ETA, j]
        log_f, a, b = channel(ch, x, root_v)
        we = table[LABEL, j]
        t_aa += we * a * a
        t_a += we * a
        t_f += we * log_f
        t_bb += we * b * b
        t_b += we * b
        t_t += table[TURN, j] * a
        if etas.scalars:
            share, loss = channel_scalars(ch, x, root_v)
            t_s += we * share
            t_e += we * loss
    return t_aa, t_a, t_f, t_bb, t_s, t_e, t_t, t_b


@jit
def _u_sums(ref, ch, o, g, line, y, table):
    """The averages over u and eta of one line: (aa, a, log f, bb, share, loss, turned, response).

    `line` = (k, log f of the reference, x of the counted channel at y = 0, number of u, `Etas`); y holds nodes, then weights.
    """
    k, log_ref, edge, count, etas = line
    rate, stepped = math.sqrt(o.b) / g.root_v, steps(ref.channel)
    z_aa = z_a = z_f = z_bb = z_s = z_e = z_t = z_r = 0.0
    for i in range(count):
        field = k + y[0][i]
        burden = ref.channel.beta * cost(ref.channel.energy, -g.root_t * y[0][i]) if y[0][i] < 0.0 or not stepped else 0.0
        weight = y[1][i] * math.exp(-0.5 * field * field - log_ref - burden)
        if weight < FAINT:
            continue
        t_aa, t_a, t_f, t_bb, t_s, t_e, t_t, t_b = _eta_sums(ch, edge - o.a / g.root_v * y[0][i], rate, g.root_v, etas, table)
        z_aa += weight * t_aa
        z_a += weight * t_a
        z_f += weight * t_f
        z_bb += weight * t_bb
        z_s += weight * t_s
        z_e += weight * t_e
        z_t += weight * t_t
        z_r += weight * (field * t_a - o.a / g.root_v * t_b)
    return z_aa, z_a, z_f, z_bb, z_s, z_e, z_t, z_r


@jit
def teacher_sums(ref, ch, o, level, outer, inner, table):
    """`Patterns` at overlaps o of weights counted by ch; outer and inner are node buffers, table that of `weights.scratch`."""
    u, w = outer
    y, yw = inner
    if not o.v0 > 0.0:  # b = 0 away from the reference's own overlap: no such weights
        return lost(0)
    g = fields_of(ref, ch, o)
    root_b = math.sqrt(o.b)
    width = nearest(ch, g.root_v)[1] * g.root_v
    tilt_e = o.c / (root_b * g.root_0) if o.b > 0.0 else 0.0
    reach = counted_reach(ch)
    h, smooth, tilt = _outer_step(width, o.d / g.root_t, root_b, tilt_e, g, reference_pole(ref))
    n = outer_nodes(level, (h, smooth), (0.0, 3.0 / max(tilt, 1e-300), 0.0, math.inf), ref, reach, u, w)
    he, oe = finer(sum_step(width / max(root_b, 1e-300), 1.0 + tilt_e * tilt_e + g.bend * o.b), level)
    half = int(REACH / he)
    etas = Etas(2 * half + 1, level > 0 and ch.beta < math.inf)
    if etas.count > table.shape[1]:
        return lost(0)
    for j in range(etas.count):
        e = (j - half) * he + oe
        table[ETA, j] = e
        table[DENSITY, j] = he * INV_SQRT_2PI * math.exp(-0.5 * e * e)
    ratio = panel_ratio(level)
    aa = ar = log_f = bb = share = loss = turned = response = 0.0
    evaluations = 0
    for i in range(n):
        z = u[i]
        k = (ref.channel.margin - g.root_q * z) / g.root_t
        log_ref, a_ref, _ = channel(ref.channel, k, g.root_t)
        if w[i] * _label_rows(ref, g, tilt_e, z, etas.count, table) < NEGLIGIBLE:
            continue
        edge = (ch.margin - g.mz * z - o.a * k) / g.root_v
        count = _nodes(_places(ref, ch, o, g, k, edge, ratio), k, reach, ratio, y, yw)
        evaluations += count * etas.count
        if evaluations > ENOUGH:
            return lost(evaluations)
        t_aa, t_a, t_f, t_bb, t_s, t_e, t_t, t_r = _u_sums(ref, ch, o, g, (k, log_ref, edge, count, etas), inner, table)
        weight = w[i] * INV_SQRT_2PI
        aa += weight * t_aa
        ar += weight * a_ref * t_a
        log_f += weight * t_f
        bb += weight * t_bb
        share += weight * t_s
        loss += weight * t_e
        turned += weight * t_t
        response += weight * t_r
    return Patterns(aa, ar, log_f, bb, share, loss, turned, response / (g.root_t * g.root_v), evaluations)
