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

Between two neighbouring points of the polygon a saddle is named by the chord's parameter t: the point t of the way along the
chord, corrected along the chord's normal.

Source: Keller 1977 (pseudo-arclength continuation).
"""

import math

from flatphys._jit import jit
from flatphys.saddle.equilibrium.averages import BINARY, RANDOM, TEACHER, log_alphas, weights_average
from flatphys.saddle.equilibrium.branch import CONVERGED, MAX_STEPS, SETTLED, conjugates, next_root_guess

LOG_HUGE = 28.0  # loads beyond 1e12 patterns per weight are not followed
FIRST, LONGEST, SHORTEST = 0.5, 1.5, 1e-7  # steps, in natural logarithms of the conjugates
NEAR = 1e-6  # of the differences
TURN = 0.2  # largest angle between successive chords, radians
BEND = 0.12  # largest change of d log alpha/d length from chord to chord, relative to 1 + its size
CREEP, PATIENCE = 2e-3, 150  # so many steps in a row below this length follow rounding errors, not a curve
LEAP = 0.3  # longest step across a point where two curves cross
CLOSE = 1e-13  # disagreement of the two loads at a point of the polygon
BESIDE = 0.1  # largest correction along the normal, in steps


@jit
def teacher_state_exists(weights, kind, flip, kappa, beta):
    """Whether q = R = 1 is a solution: binary weights at margin 0 whose teacher is not forbidden."""
    return weights == BINARY and kind != RANDOM and kappa == 0.0 and (flip == 0.0 or beta < math.inf)


@jit
def crossing(weights, kind, flip, kappa, beta, net, s, r, ns, nr, guess, cap, target, side, level, u, w):
    """(log alpha, y, disagreement of the two loads) where the line (s + y ns, r + y nr) meets the curve.

    F rises along the line if `side` is 1, falls if it is -1; 0 leaves that to the first two points.
    `guess` is of y; the first steps are no longer than `cap`, the disagreement sought is `target`.
    """
    if kind != TEACHER:
        la, _ = log_alphas(weights, kind, flip, kappa, beta, net, s, s, level, u, w)
        return la, 0.0, 0.0
    lo, hi = -math.inf, math.inf
    la, lr = log_alphas(weights, kind, flip, kappa, beta, net, r + guess * nr, s + guess * ns, level, u, w)
    sign = -1.0 if side < 0.0 else 1.0
    x0, f0 = guess, sign * (la - lr)
    if math.isnan(f0):
        return math.nan, math.nan, math.inf
    best, best_f, best_la, idle = x0, f0, la, 0
    x1 = x0 - min(max(f0, -0.5 * cap), 0.5 * cap)
    if side == 0.0 and abs(x1 - x0) < 1e-6 * cap:
        x1 = x0 - math.copysign(1e-6 * cap, f0)
    rounding = 1e-16 * (1.0 + abs(s) + abs(r))
    largest = 16.0 * cap
    for _ in range(MAX_STEPS):
        if abs(best_f) <= target or (idle > 2 and abs(best_f) < 100.0 * target):
            break
        la, lr = log_alphas(weights, kind, flip, kappa, beta, net, r + x1 * nr, s + x1 * ns, level, u, w)
        f1 = sign * (la - lr)
        if side == 0.0 and idle == 0 and (f1 - f0) * (x1 - x0) < 0.0:
            sign, f0, f1, best_f = -sign, -f0, -f1, -best_f
        side = sign
        if math.isnan(f1):
            if abs(best_f) < SETTLED:  # a secant through rounding errors may lead anywhere
                break
            return math.nan, math.nan, math.inf
        idle += 1
        if abs(f1) < abs(best_f):
            best, best_f, best_la, idle = x1, f1, la, 0
        if f1 < 0.0:
            lo = max(lo, x1)
        else:
            hi = min(hi, x1)
        x2 = next_root_guess(x0, f0, x1, f1, lo, hi, cap)
        cap = min(1.5 * cap, largest)
        if abs(x2 - x1) <= rounding:
            break
        x0, f0, x1 = x1, f1, x2
    return best_la, best, abs(best_f)


@jit
def chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, t, guess, target, side, level, u, w):
    """(log alpha, s, r, disagreement of the two loads, y) at the parameter t of the chord from (s0, r0) to (s1, r1)."""
    ds, dr = s1 - s0, r1 - r0
    length = math.sqrt(ds * ds + dr * dr)
    ns, nr = -dr / length, ds / length
    s, r = s0 + t * ds, r0 + t * dr
    la, y, inner = crossing(weights, kind, flip, kappa, beta, net, s, r, ns, nr, guess, 0.25 * length, target, side, level, u, w)
    if kind != TEACHER:
        return la, s, s, 0.0, 0.0
    return la, s + y * ns, r + y * nr, inner, y


@jit
def tangent(weights, kind, flip, kappa, beta, net, s, r, u, w):
    """(unit tangent, d log alpha/d length) at a point of the curve, by central differences; F rises on its left."""
    if kind != TEACHER:
        ahead, _ = log_alphas(weights, kind, flip, kappa, beta, net, s + NEAR, s + NEAR, 0, u, w)
        behind, _ = log_alphas(weights, kind, flip, kappa, beta, net, s - NEAR, s - NEAR, 0, u, w)
        return math.sqrt(0.5), math.sqrt(0.5), math.sqrt(0.5) * (ahead - behind) / (2.0 * NEAR)
    q1, r1 = log_alphas(weights, kind, flip, kappa, beta, net, r, s + NEAR, 0, u, w)
    q2, r2 = log_alphas(weights, kind, flip, kappa, beta, net, r, s - NEAR, 0, u, w)
    q3, r3 = log_alphas(weights, kind, flip, kappa, beta, net, r + NEAR, s, 0, u, w)
    q4, r4 = log_alphas(weights, kind, flip, kappa, beta, net, r - NEAR, s, 0, u, w)
    fs, fr = q1 - r1 - q2 + r2, q3 - r3 - q4 + r4
    size = math.sqrt(fs * fs + fr * fr)
    ts, tr = fr / size, -fs / size
    return ts, tr, (ts * (q1 - q2) + tr * (q3 - q4)) / (2.0 * NEAR)


@jit
def follow(weights, kind, flip, kappa, beta, net, s0, r0, v_min, s, r, la, u, w):
    """Fills s, r, log alpha along the curve from the point at log R_hat = s0: (number of points, whether the end was reached, side).

    The end is where 1-q < v_min, where the load has stopped changing, or where it exceeds every use.
    `side` is what `chord_point` wants: 1, or 0 for a curve that leapt.
    """
    largest = LOG_HUGE + (0.5 * kappa * kappa if kappa < 0.0 else 0.0)  # the natural load of a negative margin is exp(kappa^2/2)
    value, y, inner = crossing(weights, kind, flip, kappa, beta, net, s0, r0, 0.0, 1.0, 0.0, 1.0, CLOSE, 1.0, 0, u, w)
    if math.isnan(value) or inner > 1e4 * CLOSE:
        return 0, False, 1.0
    s[0], r[0], la[0] = s0, (r0 + y if kind == TEACHER else s0), value
    n, step = 1, FIRST
    c1s = c1r = math.sqrt(0.5)  # both conjugates are proportional to the load at its start, which rises
    h1, slope, bend_s, bend_r, exact = 0.0, math.sqrt(0.5), 0.0, 0.0, True
    side, leaping, leapt, crept = 1.0, False, 1.0, 0
    while n < s.size:
        if step < (SHORTEST if not leaping else 0.2 * LEAP) or crept > PATIENCE:
            # Two curves that cross, but for rounding: straight on.  F falls along the normal from there.
            if side < 0.0 or not (kind == TEACHER and teacher_state_exists(weights, kind, flip, kappa, beta)):
                return n, False, leapt
            while n > 3 and math.hypot(s[n - 1] - s[n - 2], r[n - 1] - r[n - 2]) < 0.1 * LEAP:
                n -= 1
            ds, dr = s[n - 1] - s[n - 2], r[n - 1] - r[n - 2]
            h1 = math.hypot(ds, dr)
            c1s, c1r, slope = ds / h1, dr / h1, (la[n - 1] - la[n - 2]) / h1
            bend_s, bend_r, exact, step, side, leaping = 0.0, 0.0, True, LEAP, -1.0, True
            leapt, crept = 0.0, 0
        # quadratic extrapolation of the last three points
        along = 0.5 * (h1 + step)
        ts, tr = c1s + along * bend_s, c1r + along * bend_r
        size = math.sqrt(ts * ts + tr * tr)
        ts, tr = ts / size, tr / size
        base_s, base_r = s[n - 1] + step * ts, r[n - 1] + step * tr
        value, y, inner = crossing(weights, kind, flip, kappa, beta, net, base_s, base_r, -tr, ts, 0.0, 0.25 * step, CLOSE, side, 0, u, w)
        if math.isnan(value) or inner > 1e4 * CLOSE or abs(y) > BESIDE * step:
            strain = math.inf
        else:
            strain = 0.0
        new_s = base_s - y * tr
        new_r = base_r + y * ts if kind == TEACHER else new_s
        ds, dr = new_s - s[n - 1], new_r - r[n - 1]
        length = math.sqrt(ds * ds + dr * dr)
        ds, dr = ds / length, dr / length
        rise = (value - la[n - 1]) / length
        angle = math.acos(max(-1.0, min(1.0, c1s * ds + c1r * dr)))
        strain = max(strain, angle / TURN, abs(rise - slope) / (BEND * (1.0 + abs(slope))))
        if not strain <= 1.0:
            step *= max(0.8 if leaping else 0.4, 0.85 / strain)
            if not exact:  # what the chords say of the last point is no longer good enough
                ts, tr, rise = tangent(weights, kind, flip, kappa, beta, net, s[n - 1], r[n - 1], u, w)
                if side * (ts * c1s + tr * c1r) > 0.5:
                    c1s, c1r, slope = side * ts, side * tr, side * rise
                    h1, bend_s, bend_r = 0.0, 0.0, 0.0
                exact = True
            continue
        s[n], r[n], la[n] = new_s, new_r, value
        half = 0.5 * (h1 + length)
        bend_s, bend_r = ((ds - c1s) / half, (dr - c1r) / half) if n > 1 else (0.0, 0.0)
        exact = leaping = False
        crept = crept + 1 if length < CREEP else 0
        still = abs(value - la[n - 1]) < 1e-9
        c1s, c1r, h1, slope = ds, dr, length, rise
        n += 1
        q_hat, r_hat = conjugates(kind, new_s, new_r)
        v = weights_average(weights, kind, q_hat, r_hat, 0, u, w)[0]
        if v < v_min or (v < 1e-6 and still) or (value > largest and (kind == TEACHER or v < 1e-6)):
            return n, True, leapt
        step = min(LONGEST, length * min(1.6, 0.8 / max(strain, 1e-3)))
    return n, False, leapt


@jit
def chord_fold(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, direction, side, u, w):
    """Extremum of log alpha (direction +1: a maximum) between two points, by golden section: (t, s, r, log alpha)."""
    ratio = 0.5 * (math.sqrt(5.0) - 1.0)
    a, b = 0.0, 1.0
    x1, x2 = b - ratio * (b - a), a + ratio * (b - a)
    f1, _, _, _, y = chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, x1, 0.0, CLOSE, side, 0, u, w)
    f2, _, _, _, y = chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, x2, y, CLOSE, side, 0, u, w)
    enough = 3e-8 * (1.0 + abs(s0)) / (abs(s1 - s0) + abs(r1 - r0))  # an extremum is flat: closer than this lies in the noise
    while b - a > enough:
        if direction * f1 > direction * f2:
            b, x2, f2 = x2, x1, f1
            x1 = b - ratio * (b - a)
            f1, _, _, _, y = chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, x1, y, CLOSE, side, 0, u, w)
        else:
            a, x1, f1 = x1, x2, f2
            x2 = a + ratio * (b - a)
            f2, _, _, _, y = chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, x2, y, CLOSE, side, 0, u, w)
    t = 0.5 * (a + b)
    la, s, r, _, _ = chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, t, y, CLOSE, side, 0, u, w)
    return t, s, r, la


@jit
def root_on_chord(weights, kind, flip, kappa, beta, net, log_alpha, s0, r0, la0, s1, r1, la1, side, u, w):
    """The saddle at this load between two points whose loads enclose it: (s, r, residual)."""
    direction = 1.0 if la1 > la0 else -1.0
    span = abs(la1 - la0)
    lo, hi, cap = -1e-7, 1.0 + 1e-7, 1.0
    x0 = min(max(direction * (log_alpha - la0) / span, 0.0), 1.0)
    la, s, r, inner, y = chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, x0, 0.0, CONVERGED, side, 0, u, w)
    f0 = direction * (la - log_alpha)
    best_s, best_r, best_f, idle = s, r, max(abs(f0), inner), 0
    if math.isnan(f0):
        return s, r, math.inf
    if f0 < 0.0:
        lo = max(lo, x0)
    else:
        hi = min(hi, x0)
    x1 = x0 - f0 / span
    if x1 <= lo or x1 >= hi:
        x1 = 0.5 * (lo + hi)
    for _ in range(MAX_STEPS):
        if best_f <= CONVERGED or (idle > 2 and best_f < SETTLED):
            break
        la, s, r, inner, y = chord_point(weights, kind, flip, kappa, beta, net, s0, r0, s1, r1, x1, y, CONVERGED, side, 0, u, w)
        f1 = direction * (la - log_alpha)
        if math.isnan(f1):
            if best_f < SETTLED:
                break
            return best_s, best_r, math.inf
        idle += 1
        if max(abs(f1), inner) < best_f:
            best_s, best_r, best_f, idle = s, r, max(abs(f1), inner), 0
        if f1 < 0.0:
            lo = max(lo, x1)
        else:
            hi = min(hi, x1)
        x2 = next_root_guess(x0, f0, x1, f1, lo, hi, cap)
        if abs(x2 - x1) <= 2e-16:
            break
        x0, f0, x1 = x1, f1, x2
    return best_s, best_r, best_f
