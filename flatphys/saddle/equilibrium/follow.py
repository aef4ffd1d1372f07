"""The curve of saddles followed by its length: no conjugate needs to grow along it.

With a teacher the saddles of `saddle.equilibrium.branch` are the points (s, r) = (log R_hat, log q_hat) of a plane curve,

    F(s, r) = log alpha_q - log alpha_R = 0.

At margins between about -0.01 and 0 binary weights make it turn sharply next to q = R = 1 and R_hat shrinks along a part of it;
at every negative margin it ends with R_hat nearly constant and q_hat falling for ever.  So a step goes from a
point along the curve's tangent (extrapolated from the two chords before), and the point is corrected along the normal n, on which F
is one equation in one unknown; n is the tangent turned by +90 degrees, and F rises along it everywhere if it
does at small loads, as F = 0 separates the signs of F.  A step is halved while the chord turns too much, the slope d log alpha/d length
changes too much, or the normal misses the curve.  Where R_hat is zero or bound to q_hat every (s, s) is a saddle, and the same
steps are taken in s.

Between two points of the polygon a saddle is named by the chord's parameter t: the point t of the way, corrected along the normal.

Source: Keller 1977 (pseudo-arclength continuation).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.labels import guided
from flatphys.numerics.secant import CONVERGED, advance, begin
from flatphys.saddle.equilibrium.averages import log_alphas, weights_average
from flatphys.saddle.equilibrium.branch import Root, conjugates, teacher_state_exists

LOG_HUGE = 28.0  # loads beyond 1e12 patterns per weight are not followed
FIRST, LONGEST, SHORTEST = 0.5, 1.5, 1e-7  # steps, in natural logarithms of the conjugates
NEAR = 1e-6  # of the differences
TURN = 0.2  # largest angle between successive chords, radians
BEND = 0.12  # largest change of d log alpha/d length from chord to chord, relative to 1 + its size
CREEP, PATIENCE = 2e-3, 150  # so many steps in a row below this length follow rounding errors, not a curve
LEAP = 0.3  # longest step across a point where two curves cross
CLOSE = 1e-13  # disagreement of the two loads at a point of the polygon
BESIDE = 0.1  # largest correction along the normal, in steps


class Line(NamedTuple):
    """The points (s + y ns, r + y nr)."""

    s: float
    r: float
    ns: float
    nr: float


class Chord(NamedTuple):
    """From the point (s0, r0) of the polygon to (s1, r1)."""

    s0: float
    r0: float
    s1: float
    r1: float


class ChordPoint(NamedTuple):
    """A point of the curve beside a chord: its load, the disagreement of the two loads, how far along the normal it lies."""

    la: float
    s: float
    r: float
    inner: float
    y: float


class Pace(NamedTuple):
    """What the last chords say of a point: unit tangent, last step, d log alpha/d length, curvature."""

    ts: float
    tr: float
    h: float
    slope: float
    bend_s: float
    bend_r: float


class Step(NamedTuple):
    """A step tried: where it leads, the chord's unit vector and length, the slope along it, and how far it exceeds what is allowed."""

    s: float
    r: float
    la: float
    ts: float
    tr: float
    length: float
    slope: float
    strain: float


@jit
def crossing(problem, line, guess, cap, target, side, nodes):
    """(log alpha, y, disagreement of the two loads) where the line meets the curve.

    F rises along the line if `side` is 1, falls if it is -1; 0 leaves that to the first two points.
    `guess` is of y; the first steps are no longer than `cap`, the disagreement sought is `target`.
    """
    s, r, ns, nr = line
    if not guided(problem.labels):
        return log_alphas(problem, s, s, 0, nodes)[0], 0.0, 0.0
    la, lr = log_alphas(problem, r + guess * nr, s + guess * ns, 0, nodes)
    sign = -1.0 if side < 0.0 else 1.0
    f = sign * (la - lr)
    if math.isnan(f):
        return math.nan, math.nan, math.inf
    best, best_la = guess, la
    x = guess - min(max(f, -0.5 * cap), 0.5 * cap)
    if side == 0.0:
        if abs(x - guess) < 1e-6 * cap:
            x = guess - math.copysign(1e-6 * cap, f)
        ahead, behind = log_alphas(problem, r + x * nr, s + x * ns, 0, nodes)
        if (ahead - behind - f) * (x - guess) < 0.0:
            sign, f = -sign, -f
    rounding = 1e-16 * (1.0 + abs(s) + abs(r))
    search = begin(guess, f, x, (-math.inf, math.inf), (cap, 16.0 * cap), abs(f), target)
    while search.going:
        x = search.x
        la, lr = log_alphas(problem, r + x * nr, s + x * ns, 0, nodes)
        search = advance(search, sign * (la - lr), 0.0, target, rounding)
        if search.improved:
            best, best_la = x, la
    if search.failed:
        return math.nan, math.nan, math.inf
    return best_la, best, search.best


@jit
def chord_point(problem, chord, t, guess, target, side, nodes):
    """The `ChordPoint` at the parameter t of the chord; `guess` is of y."""
    ds, dr = chord.s1 - chord.s0, chord.r1 - chord.r0
    length = math.sqrt(ds * ds + dr * dr)
    line = Line(chord.s0 + t * ds, chord.r0 + t * dr, -dr / length, ds / length)
    la, y, inner = crossing(problem, line, guess, 0.25 * length, target, side, nodes)
    if not guided(problem.labels):
        return ChordPoint(la, line.s, line.s, 0.0, 0.0)
    return ChordPoint(la, line.s + y * line.ns, line.r + y * line.nr, inner, y)


@jit
def tangent(problem, s, r, nodes):
    """(unit tangent, d log alpha/d length) at a point of the curve, by central differences; F rises on its left."""
    if not guided(problem.labels):
        ahead, _ = log_alphas(problem, s + NEAR, s + NEAR, 0, nodes)
        behind, _ = log_alphas(problem, s - NEAR, s - NEAR, 0, nodes)
        return math.sqrt(0.5), math.sqrt(0.5), math.sqrt(0.5) * (ahead - behind) / (2.0 * NEAR)
    q1, r1 = log_alphas(problem, r, s + NEAR, 0, nodes)
    q2, r2 = log_alphas(problem, r, s - NEAR, 0, nodes)
    q3, r3 = log_alphas(problem, r + NEAR, s, 0, nodes)
    q4, r4 = log_alphas(problem, r - NEAR, s, 0, nodes)
    fs, fr = q1 - r1 - q2 + r2, q3 - r3 - q4 + r4
    size = math.sqrt(fs * fs + fr * fr)
    ts, tr = fr / size, -fs / size
    return ts, tr, (ts * (q1 - q2) + tr * (q3 - q4)) / (2.0 * NEAR)


@jit
def _try_step(problem, last, pace, step, side, nodes):
    """The `Step` of this length from the point `last` = (s, r, log alpha), by quadratic extrapolation of the last three points."""
    s, r, la = last
    along = 0.5 * (pace.h + step)
    ts, tr = pace.ts + along * pace.bend_s, pace.tr + along * pace.bend_r
    size = math.sqrt(ts * ts + tr * tr)
    ts, tr = ts / size, tr / size
    line = Line(s + step * ts, r + step * tr, -tr, ts)
    value, y, inner = crossing(problem, line, 0.0, 0.25 * step, CLOSE, side, nodes)
    missed = math.isnan(value) or inner > 1e4 * CLOSE or abs(y) > BESIDE * step
    new_s = line.s - y * tr
    new_r = line.r + y * ts if guided(problem.labels) else new_s
    ds, dr = new_s - s, new_r - r
    length = math.sqrt(ds * ds + dr * dr)
    ds, dr = ds / length, dr / length
    rise = (value - la) / length
    angle = math.acos(max(-1.0, min(1.0, pace.ts * ds + pace.tr * dr)))
    strain = max(math.inf if missed else 0.0, angle / TURN, abs(rise - pace.slope) / (BEND * (1.0 + abs(pace.slope))))
    return Step(new_s, new_r, value, ds, dr, length, rise, strain)


@jit
def _straight_on(s, r, la, n):
    """(points kept, pace) before a leap across a point where two curves cross, but for rounding: straight on."""
    while n > 3 and math.hypot(s[n - 1] - s[n - 2], r[n - 1] - r[n - 2]) < 0.1 * LEAP:
        n -= 1
    ds, dr = s[n - 1] - s[n - 2], r[n - 1] - r[n - 2]
    h = math.hypot(ds, dr)
    return n, Pace(ds / h, dr / h, h, (la[n - 1] - la[n - 2]) / h, 0.0, 0.0)


@jit
def _end_reached(problem, s, r, value, before, v_min, nodes):
    """Whether 1-q < v_min, the load has stopped changing, or it exceeds every use (a negative margin's natural load is exp(kappa^2/2))."""
    margin = problem.channel.margin
    largest = LOG_HUGE + (0.5 * margin * margin if margin < 0.0 else 0.0)
    q_hat, r_hat = conjugates(problem, s, r)
    v = weights_average(problem, q_hat, r_hat, 0, nodes).v
    still = abs(value - before) < 1e-9
    return v < v_min or (v < 1e-6 and still) or (value > largest and (guided(problem.labels) or v < 1e-6))


@jit
def follow(problem, start, ends, points, nodes):
    """Fills points = (s, r, log alpha) along the curve from start = (log R_hat, guess of log q_hat); ends = (least 1-q, past folds?).

    Returns (number of points, whether the end was reached, `side` of `chord_point`: 1, or 0 for a curve that leapt).
    """
    s, r, la = points
    v_min, whole = ends
    teacher = guided(problem.labels)
    value, y, inner = crossing(problem, Line(start[0], start[1], 0.0, 1.0), 0.0, 1.0, CLOSE, 1.0, nodes)
    if math.isnan(value) or inner > 1e4 * CLOSE:
        return 0, False, 1.0
    s[0], r[0], la[0] = start[0], (start[1] + y if teacher else start[0]), value
    n, step, exact = 1, FIRST, False
    pace = Pace(math.sqrt(0.5), math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0, 0.0)  # both conjugates are proportional to the load at its start
    side, leaping, leapt, crept = 1.0, False, 1.0, 0
    while n < s.size:
        if step < (SHORTEST if not leaping else 0.2 * LEAP) or crept > PATIENCE:
            if side < 0.0 or not (teacher and teacher_state_exists(problem)):
                return n, False, leapt
            n, pace = _straight_on(s, r, la, n)
            exact, step, side, leaping, leapt, crept = True, LEAP, -1.0, True, 0.0, 0  # F falls along the normal from there
        new = _try_step(problem, (s[n - 1], r[n - 1], la[n - 1]), pace, step, side, nodes)
        if not new.strain <= 1.0:
            step *= max(0.8 if leaping else 0.4, 0.85 / new.strain)
            if not exact:  # what the chords say of the last point is no longer good enough
                ts, tr, rise = tangent(problem, s[n - 1], r[n - 1], nodes)
                if side * (ts * pace.ts + tr * pace.tr) > 0.5:
                    pace = Pace(side * ts, side * tr, 0.0, side * rise, 0.0, 0.0)
                exact = True
            continue
        s[n], r[n], la[n] = new.s, new.r, new.la
        half = 0.5 * (pace.h + new.length)
        bend_s, bend_r = ((new.ts - pace.ts) / half, (new.tr - pace.tr) / half) if n > 1 else (0.0, 0.0)
        pace = Pace(new.ts, new.tr, new.length, new.slope, bend_s, bend_r)
        exact = leaping = False
        crept = crept + 1 if new.length < CREEP else 0
        n += 1
        if _end_reached(problem, new.s, new.r, new.la, la[n - 2], v_min, nodes):
            return n, True, leapt
        if not whole and n > 3 and la[n - 1] < la[n - 2] < la[n - 3]:
            return n, False, leapt
        step = min(LONGEST, new.length * min(1.6, 0.8 / max(new.strain, 1e-3)))
    return n, False, leapt


@jit
def chord_fold(problem, chord, direction, side, nodes):
    """Extremum of log alpha (direction +1: a maximum) between two points, by golden section: (t, s, r, log alpha)."""
    ratio = 0.5 * (math.sqrt(5.0) - 1.0)
    a, b = 0.0, 1.0
    x1, x2 = b - ratio * (b - a), a + ratio * (b - a)
    one = chord_point(problem, chord, x1, 0.0, CLOSE, side, nodes)
    two = chord_point(problem, chord, x2, one.y, CLOSE, side, nodes)
    y = two.y
    # an extremum is flat: closer than this lies in the noise
    enough = 3e-8 * (1.0 + abs(chord.s0)) / (abs(chord.s1 - chord.s0) + abs(chord.r1 - chord.r0))
    while b - a > enough:
        if direction * one.la > direction * two.la:
            b, x2, two = x2, x1, one
            x1 = b - ratio * (b - a)
            one = chord_point(problem, chord, x1, y, CLOSE, side, nodes)
            y = one.y
        else:
            a, x1, one = x1, x2, two
            x2 = a + ratio * (b - a)
            two = chord_point(problem, chord, x2, y, CLOSE, side, nodes)
            y = two.y
    t = 0.5 * (a + b)
    fold = chord_point(problem, chord, t, y, CLOSE, side, nodes)
    return t, fold.s, fold.r, fold.la


@jit
def root_on_chord(problem, chord, loads, log_alpha, side, nodes):
    """The `Root` at this load between two points whose loads (log alpha0, log alpha1) enclose it."""
    direction = 1.0 if loads[1] > loads[0] else -1.0
    span = abs(loads[1] - loads[0])
    lo, hi = -1e-7, 1.0 + 1e-7
    x = min(max(direction * (log_alpha - loads[0]) / span, 0.0), 1.0)
    point = chord_point(problem, chord, x, 0.0, CONVERGED, side, nodes)
    f = direction * (point.la - log_alpha)
    best_s, best_r = point.s, point.r
    if math.isnan(f):
        return Root(best_s, best_r, math.inf)
    x0 = x
    if f < 0.0:
        lo = max(lo, x0)
    else:
        hi = min(hi, x0)
    x = x0 - f / span
    if x <= lo or x >= hi:
        x = 0.5 * (lo + hi)
    search = begin(x0, f, x, (lo, hi), (1.0, 1.0), max(abs(f), point.inner), CONVERGED)
    while search.going:
        point = chord_point(problem, chord, search.x, point.y, CONVERGED, side, nodes)
        search = advance(search, direction * (point.la - log_alpha), point.inner, CONVERGED, 2e-16)
        if search.improved:
            best_s, best_r = point.s, point.r
    return Root(best_s, best_r, math.inf if search.failed else search.best)
