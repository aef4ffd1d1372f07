"""Where the fields of a pattern are summed: rules along z and along m for the averages of `patterns` and `explicit`.

The z sum runs along a contour that may be shifted in z and m together, z -> z + i y, m -> m + i lambda y; lambda is chosen for the
largest step.  The m sum is a trapezoid, or, where the reference's likelihood turns into a step or a kink (B -> 0: small
distances, c -> 1), graded panels that start there, at m = k'/c.  The likelihood exp(-beta energy) of a pattern, smoothed by a
Gaussian, grows no faster than exp(y^2/2) at distance y from the real axis, whatever its energy; its zeros, the counted
channel's and the reference's, are the singularities (`kernels.channels.features`).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.channels import features, growth, nearest, steps
from flatphys.kernels.codes import TEACHER
from flatphys.kernels.cost import cost
from flatphys.numerics.gaussian import INV_SQRT_2PI
from flatphys.numerics.quadrature import SHORT_REACH as REACH, panel_nodes
from flatphys.saddle.franz_parisi.weights import finer, panel_ratio, sum_step

MOST_SUM = 170  # more trapezoid nodes than this along m, and the graded panels are cheaper
MOST_OUTER = 200  # the same along z
LEVEL = 1e-3  # correlation c of u and m below which the likelihood is smooth along m
SHARP = 1e-7  # a step narrower than this is a step: the error is its square
SHARP_TEACHER = 1e-13  # with a teacher, whose sign leans the step to one side, the error is linear
DECAY = 12.0  # a panel over which the integrand falls by more than e^-DECAY is too long
ENOUGH = 6_000_000  # evaluations at which a single sum is given up: a point has no budget for more
STEP = 1e-30  # width of a step that is one


class Fields(NamedTuple):
    """How the fields of a pattern hang together: M = mz z + s m, u = c m + rest e, teacher's field tilt_z z + tilt_m m - gamma e.

    `bend` is the growth of the counted channel's averages off the axis of M.  On a mixture of variance D these are the fields over sqrt D,
    measured from their means: the margins are (kappa_ref - m)/sqrt D and (kappa - m1)/sqrt D, and wide_t, wide_v the widths in channels.
    """

    root_q: float
    root_t: float
    root_v: float
    mz: float
    s: float
    c: float
    rest: float
    tilt_z: float
    tilt_m: float
    gamma: float
    root_0: float
    bend: float
    wide_t: float
    wide_v: float


class Along(NamedTuple):
    """The rule along m: a trapezoid (step, offset), or panels around the step (`sharp`) of width `narrow`; poles are `features`,
    `scalars` says whether shares and energies are summed as well."""

    reach: float
    step: float
    offset: float
    sharp: bool
    narrow: float
    ratio: float
    poles: tuple
    scalars: bool


class Line(NamedTuple):
    """One value of z: log f of the reference there, k' - c m at m = origin, the counted x there, and the number of nodes m - origin."""

    z: float
    gap: float
    log_f: float
    x: float
    origin: float
    count: int


@jit
def fields_of(ref, ch, o):
    """The `Fields` at overlaps o (`weights.Overlaps`) for the counted channel ch."""
    root_q, root_t, root_0 = math.sqrt(ref.q), math.sqrt(ref.v), math.sqrt(o.v0)
    s = math.sqrt(o.a * o.a + o.b)
    c = o.a / s if s > 0.0 else 0.0
    rest = math.sqrt(o.b) / s if s > 0.0 else 1.0
    tilt_z = tilt_e = 0.0
    if ref.labels.kind == TEACHER:
        tilt_z = ref.R / math.sqrt(ref.q * o.v0)
        tilt_e = o.c / math.sqrt(o.b * o.v0) if o.b > 0.0 else 0.0
    root_v, unit = math.sqrt(o.v), math.sqrt(ref.labels.variance)
    mz, bend = root_q * o.p + root_t * o.d, growth(ch, unit * root_v) / o.v
    return Fields(root_q, root_t, root_v, mz, s, c, rest, tilt_z, tilt_e * rest, tilt_e * c, root_0, bend, unit * root_t, unit * root_v)


@jit
def breadth(ch, sigma):
    """Scale in x on which exp(-beta energy) falls below the margin, where that is less than 1; inf otherwise, and for a step."""
    width = 1.0
    if not steps(ch):
        while ch.beta * cost(ch.energy, sigma * width) > 1.0:
            width *= 0.5
    return width if width < 1.0 else math.inf


@jit
def counted_reach(ch):
    """How far the fields are summed: a constraint that nearly all weights fulfil is felt far out."""
    return REACH + max(0.0, -ch.margin - 2.0 if ch.margin > -32.0 else 30.0)


@jit
def turn_of(ref, g, lean):
    """(centre, width) twice in z of the turn of the teacher's sign: where m leans on z as `lean` z, and along m = c k'."""
    if ref.labels.kind != TEACHER:
        return 0.0, math.inf, 0.0, math.inf
    edge = g.tilt_z - g.tilt_m * g.c * g.root_q / g.root_t
    centre = -g.tilt_m * g.c * ref.channel.margin / g.root_t / edge if edge != 0.0 else 0.0
    return 0.0, 3.0 / max(abs(g.tilt_z + g.tilt_m * lean), 1e-300), centre, 3.0 / max(abs(edge), 1e-300)


@jit
def outer_nodes(level, steps, turn, ref, reach, u, w):
    """Nodes of the z average: a trapezoid sum, or panels where the first of `steps` asks for too many nodes.

    The panels are graded towards the zeros of the reference's f and the turn of the teacher's sign (`turn_of`); elsewhere
    they follow the second, the step that would do without them.  Weights contain the density.
    """
    step, smooth = steps
    n = 0
    if 2.0 * reach <= MOST_OUTER * step:
        h, offset = finer(step, level)
        half = int(reach / h)
        for k in range(-half, half + 1):
            z = k * h + offset
            u[n] = z
            w[n] = h * INV_SQRT_2PI * math.exp(-0.5 * z * z)
            n += 1
        return n
    ratio = panel_ratio(level)
    root_q, root_t = math.sqrt(ref.q), math.sqrt(ref.v)
    scale = math.sqrt(ref.v / ref.q)
    re, im, other, other_im = features(ref.channel, root_t * math.sqrt(ref.labels.variance))
    margin = ref.channel.margin
    marks = ((margin - root_t * re) / root_q, im * scale, (margin - root_t * other) / root_q, other_im * scale, *turn)
    n = panel_nodes(0, -reach, reach, ratio, min(ratio, 3.6 * ratio * smooth), marks, u, w)
    for i in range(n):
        w[i] *= INV_SQRT_2PI * math.exp(-0.5 * u[i] * u[i])
    return n


@jit
def reference_pole(ref):
    """Distance in z of the singularity of 1/f(k') nearest to the real axis."""
    if ref.q == 0.0:
        return math.inf
    return nearest(ref.channel, math.sqrt(ref.labels.variance * ref.v))[1] * math.sqrt(ref.v / ref.q)


@jit
def outer_step(width, g, pole):
    """(step, step without the reference's pole and the teacher's turn, shift) of the z sum, largest over the shifts lambda of m with z."""
    kz = -g.root_q / g.root_t
    best = smooth = lean = 0.0
    for i in range(41):
        lam = (i - 20) * 0.1
        lam = lam / (1.02 - abs(lam) * 0.5)  # 0 to 100, dense around 0
        for j in range(3):
            if i > 0 and j > 0:
                break
            if j == 1:
                lam = -g.mz / g.s if g.s > 1e-200 else 0.0
            if j == 2:
                lam = kz / g.c if abs(g.c) > 1e-3 else 0.0
            move = abs(g.mz + g.s * lam)
            q = (kz - g.c * lam) / g.rest if g.rest > 0.0 else (0.0 if kz == g.c * lam else 1e9)
            reach = width / max(move, 1e-300)
            tilt = g.tilt_z + g.tilt_m * lam
            grow = 1.0 + lam * lam + g.bend * move * move
            best = max(best, sum_step(min(reach, pole), grow + tilt * tilt + q * q))
            free = sum_step(reach, grow)
            if free > smooth:
                smooth, lean = free, lam
    return best, smooth, lean


@jit
def rule_along(ref, ch, g, level):
    """The `Along` of fields g for the counted channel ch."""
    reach = counted_reach(ch)
    width = nearest(ch, g.wide_v)[1] * g.root_v
    grow = g.tilt_m * g.tilt_m + g.bend * g.s * g.s + (1.0 / (g.rest * g.rest) if g.rest > 0.0 else math.inf)
    step = sum_step(width / g.s if g.s > 0.0 else math.inf, grow)
    span = 2.0 * reach * g.rest + reach * abs(g.c)
    sharp = not span <= MOST_SUM * step
    step, offset = finer(step, level)
    narrow = g.rest / abs(g.c) if sharp and g.c != 0.0 else 1.0
    if not narrow > (SHARP_TEACHER if ref.labels.kind == TEACHER else SHARP):
        narrow = 0.0
    return Along(reach, step, offset, sharp, narrow, panel_ratio(level), features(ch, g.wide_v), level > 0 and ch.beta < math.inf)


@jit
def _panels_along(ref, g, rule, line, ends, y, yw):
    """Graded panels in y = m - origin on `ends`, for `line` = (z, k, x0, origin): returns the number of nodes."""
    z, k, x0, origin = line
    rate = g.s / g.root_v
    re, im, other, other_im = rule.poles
    near = 3.0 * rule.narrow if rule.narrow > 0.0 else 2.0 * breadth(ref.channel, g.wide_t) / abs(g.c)
    tilt = max(abs(g.tilt_m), 1e-3)
    turn = -g.tilt_z * z / math.copysign(tilt, g.tilt_m) - origin
    marks = (0.0, near, (x0 - re) / rate - origin, im / rate, (x0 - other) / rate - origin, other_im / rate, turn, 3.0 / tilt)
    start, stop = ends[0] - origin, ends[1] - origin
    cap = min(rule.ratio, DECAY / max(k, 1e-9))
    if abs(g.c) < LEVEL:
        return panel_nodes(0, start, stop, rule.ratio, cap, marks, y, yw)
    if ref.channel.beta == math.inf:  # given u > k', e0 lies around rest k'
        edge = (9.0 + g.rest * max(k, 0.0)) * rule.narrow
        if g.c > 0.0:
            start = max(start, -edge)
        else:
            stop = min(stop, edge)
        return panel_nodes(0, start, stop, rule.ratio, cap, marks, y, yw) if stop > start else 0
    if rule.narrow > 0.0:
        return panel_nodes(0, start, stop, rule.ratio, cap, marks, y, yw)
    n = panel_nodes(0, min(start, 0.0), 0.0, rule.ratio, cap, marks, y, yw)
    return panel_nodes(n, 0.0, max(stop, 0.0), rule.ratio, cap, marks, y, yw)


@jit
def nodes_along(ref, g, rule, at, y, yw):
    """(number, origin, k' - c origin): nodes m = origin + y of the line `at` = (z, k', x at m = 0), exact relative to a sharp step."""
    z, k, x0 = at
    # where u lives, and with it m
    low = max(k, -rule.reach) if ref.channel.beta == math.inf else -rule.reach
    high = math.sqrt(rule.reach * rule.reach + k * k) if k > 0.0 else rule.reach
    wide = rule.reach * g.rest
    if g.c >= 0.0:
        ends = (g.c * low - wide, g.c * high + wide)
    else:
        ends = (g.c * high - wide, g.c * low + wide)
    if rule.sharp:
        origin, gap = (k / g.c, 0.0) if abs(g.c) >= LEVEL else (0.0, k)
        return _panels_along(ref, g, rule, (z, k, x0, origin), ends, y, yw), origin, gap
    first = int(math.ceil((ends[0] - rule.offset) / rule.step))
    n = int((ends[1] - ends[0]) / rule.step) + 1
    for j in range(n):
        y[j] = (first + j) * rule.step + rule.offset
        yw[j] = rule.step
    return n, 0.0, k
