"""One pattern that the reference has learnt: averages over its fields.

Given the field z that all references share, the reference's own field is h = sqrt(qt) z + sqrt(1-qt) u and a
counted weight's mean field is (A, B, D, V of `local_entropy_weights`)

    M = M_z z + A u + sqrt(B) eta,     M_z = sqrt(qt) p + sqrt(1-qt) D

u is weighted by theta(u > k')/H(k'), k' = (kappa_ref - sqrt(qt) z)/sqrt(1-qt); at a finite beta of the
reference by [e^-beta + (1-e^-beta) theta(u > k')]/f(k').  A u + sqrt(B) eta = S m with one Gaussian m, so that
u is averaged in closed form: with c = A/S

    < F > = Int Dz Int Dm F(M_z z + S m) Q(z, m),    Q = H((k' - c m)/sqrt(1-c^2))/H(k')

and the sums are, in the notation of `kernels.counting` at x = (kappa - M)/sqrt V and k',

    q1_hat = alpha <a^2>/V,  t_hat = alpha <a a_ref>/sqrt(V (1-qt)),  G_E = <log f>,  E[g'^2] = <b^2>/V^2.

Nodes.  The z sum runs along a contour that may be shifted in z and m together, z -> z + i y,
m -> m + i lambda y; lambda is chosen for the largest step.  The m sum is a trapezoid, or, where Q turns into
a step (B -> 0: small distances, c -> 1), graded panels that start at the step m = k'/c.

With a teacher a pattern also weighs 2 [flip + (1-2 flip) H(-Y)] (`local_entropy_label`), and R1_hat = alpha <a>_teacher/sqrt V,
the average with 2 (1-2 flip) G(Y)/sqrt(v0) in its place.  Where its dependence on the field left out is strong, the
three-dimensional sums of `local_entropy_explicit` take over.

Slope: d G_E/dp = Int Dz g_ref(z) Int Deta g at u = k' (what p moves is the correlation of M with h).
"""

import math

from flatphys._jit import jit
from flatphys.kernels.channels import H_ZERO_IM, H_ZERO_RE
from flatphys.kernels.codes import RANDOM
from flatphys.kernels.counting import error_counting, f_zero
from flatphys.numerics.gaussian import INV_SQRT_2PI, log_tail, tail
from flatphys.numerics.quadrature import panel_nodes
from flatphys.saddle.franz_parisi.label import half_line, whole_line
from flatphys.saddle.franz_parisi.weights import REACH, finer, panel_ratio, sum_step

MOST_SUM = 170  # more trapezoid nodes than this along m, and the graded panels are cheaper
MOST_OUTER = 200  # the same along z
SHARP = 1e-7  # a step narrower than this is a step: the error is its square
SHARP_TEACHER = 1e-13  # with a teacher, whose sign leans the step to one side, the error is linear
FAINT = -44.0  # logarithm of a weight below which a node is passed over
WHOLE = 1e-5  # coarse sums lack less of the total weight: more, and the nodes have missed the fields (references next to capacity)
DECAY = 12.0  # a panel over which the integrand falls by more than e^-DECAY is too long


@jit
def channel_zero(beta):
    """(place, distance) of the singularity of log f(x) nearest to the real axis, in x."""
    re, im = f_zero(beta)
    return (re, im) if im < H_ZERO_IM else (H_ZERO_RE, H_ZERO_IM)


@jit
def outer_nodes(level, step, smooth, pole, center, ref, reach, u, w):
    """Nodes of the z average: a trapezoid sum, or panels where `step` asks for too many nodes.

    The panels are graded towards `center` (a singularity at distance `pole`); elsewhere they follow `smooth`,
    the step that would do without that singularity.  Weights contain the density.
    """
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
    scale = math.sqrt(ref[4] / ref[3])
    far = ref[9] / math.sqrt(ref[3]) - scale * H_ZERO_RE  # at a finite beta there are zeros near those of H as well
    marks = (center, pole, far, H_ZERO_IM * scale, 0.0, math.inf, 0.0, math.inf)
    n = panel_nodes(0, -reach, reach, ratio, min(ratio, 3.6 * ratio * smooth), marks, u, w)
    for i in range(n):
        w[i] *= INV_SQRT_2PI * math.exp(-0.5 * u[i] * u[i])
    return n


@jit
def outer_step(width, mz, s, kz, c, rest, pole, tilt_z, tilt_m):
    """(step, step without the reference's pole) of the z sum, largest over the shifts lambda of m that go with it."""
    best = smooth = 0.0
    for i in range(41):
        lam = (i - 20) * 0.1
        lam = lam / (1.02 - abs(lam) * 0.5)  # 0 to 100, dense around 0
        for j in range(3):
            if i > 0 and j > 0:
                break
            if j == 1:
                lam = -mz / s if s > 1e-200 else 0.0
            if j == 2:
                lam = kz / c if abs(c) > 1e-3 else 0.0
            move = abs(mz + s * lam)
            q = (kz - c * lam) / rest if rest > 0.0 else (0.0 if kz == c * lam else 1e9)
            reach = width / max(move, 1e-300)
            tilt = tilt_z + tilt_m * lam
            grow = 1.0 + lam * lam + tilt * tilt
            best = max(best, sum_step(min(reach, pole), grow + q * q))
            smooth = max(smooth, sum_step(reach, grow))
    return best, smooth


@jit
def reference_pole(ref):
    """(distance, place) in z of the singularity of 1/f(k') nearest to the real axis."""
    qt, vt, margin, beta = ref[3], ref[4], ref[9], ref[10]
    if qt == 0.0:
        return math.inf, 0.0
    re, im = channel_zero(beta)
    scale = math.sqrt(vt / qt)
    return im * scale, (margin - math.sqrt(vt) * re) / math.sqrt(qt)


@jit
def pattern_sums(ref, kappa, beta, p, v, a_u, d, big_b, c_t, v0, level, u, w, y, yw):
    """(<a^2>, <a a_ref>, <log f>, <b^2>, counted train error, evaluations, <a>_teacher) of the module's docstring."""
    flip, qt, vt, r, margin, beta_ref = ref[2], ref[3], ref[4], ref[6], ref[9], ref[10]
    teacher = ref[1] != RANDOM
    root_q, root_t, root_v = math.sqrt(qt), math.sqrt(vt), math.sqrt(v)
    s = math.sqrt(a_u * a_u + big_b)
    c = a_u / s if s > 0.0 else 0.0
    rest = math.sqrt(big_b) / s if s > 0.0 else 1.0
    mz = root_q * p + root_t * d
    tilt_z = r / math.sqrt(qt * v0) if teacher else 0.0
    tilt_e = c_t / math.sqrt(big_b * v0) if teacher and big_b > 0.0 else 0.0
    tilt_m, gamma = tilt_e * rest, tilt_e * c
    turn = 2.0 * (1.0 - 2.0 * flip) / math.sqrt(v0)
    sum_t = 0.0
    place, width = channel_zero(beta)
    width *= root_v
    reach = REACH + max(0.0, -kappa - 2.0 if kappa > -32.0 else 30.0)
    if qt > 0.0:
        pole, center = reference_pole(ref)
        kz = -root_q / root_t
        h, smooth = outer_step(width, mz, s, kz, c, rest, pole, tilt_z, tilt_m)
        n = outer_nodes(level, h, smooth, pole, center, ref, reach, u, w)
    else:
        n = 1
        u[0], w[0] = 0.0, 1.0
    hard = beta_ref == math.inf
    stay = 0.0 if hard else math.exp(-beta_ref)
    gain = 1.0 if hard else -math.expm1(-beta_ref)
    step = sum_step(width / s if s > 0.0 else math.inf, tilt_m * tilt_m + (1.0 / (rest * rest) if rest > 0.0 else math.inf))
    span = 2.0 * reach * rest + reach * abs(c)
    sharp = not span <= MOST_SUM * step
    step, offset = finer(step, level)
    ratio = panel_ratio(level)
    narrow = rest / abs(c) if sharp else 1.0
    resolved = narrow > (SHARP_TEACHER if teacher else SHARP)
    rate = s / root_v
    sum_aa = sum_ar = sum_f = sum_bb = sum_e = mass = 0.0
    count = 0
    for i in range(n):
        z = u[i]
        k = (margin - root_q * z) / root_t
        log_f_ref, a_ref, _, _ = error_counting(k, beta_ref)
        x0 = (kappa - mz * z) / root_v
        # where u lives, and with it m
        low = max(k, -reach) if hard else -reach
        high = math.sqrt(reach * reach + k * k) if k > 0.0 else reach
        if c >= 0.0:
            lo, hi = c * low - reach * rest, c * high + reach * rest
        else:
            lo, hi = c * high - reach * rest, c * low + reach * rest
        origin = 0.0
        if not sharp:
            first = int(math.ceil((lo - offset) / step))
            nodes = int((hi - lo) / step) + 1
            for j in range(nodes):
                y[j] = (first + j) * step + offset
                yw[j] = step
        else:
            origin = k / c
            place_m, spot_m = (x0 - place) / rate - origin, (x0 - H_ZERO_RE) / rate - origin
            marks = (0.0, 3.0 * narrow if resolved else math.inf, place_m, width / s, spot_m, H_ZERO_IM * root_v / s, 0.0, math.inf)
            start, stop = lo - origin, hi - origin
            cap = min(ratio, DECAY / max(k, 1e-9))
            if hard:
                edge = (9.0 + rest * max(k, 0.0)) * narrow if resolved else 0.0  # given u > k', e0 lies around rest k'
                if c > 0.0:
                    start = max(start, -edge)
                else:
                    stop = min(stop, edge)
                nodes = panel_nodes(0, start, stop, ratio, cap, marks, y, yw) if stop > start else 0
            elif resolved:
                nodes = panel_nodes(0, start, stop, ratio, cap, marks, y, yw)
            else:
                nodes = panel_nodes(0, min(start, 0.0), 0.0, ratio, cap, marks, y, yw)
                if nodes >= 0:
                    nodes = panel_nodes(nodes, 0.0, max(stop, 0.0), ratio, cap, marks, y, yw)
            if nodes < 0:
                return math.nan, math.nan, math.nan, math.nan, math.nan, 0, math.nan
            x0 -= rate * origin
        count += nodes
        t_aa = t_a = t_f = t_bb = t_e = t_t = t_w = 0.0
        for j in range(nodes):
            m = origin + y[j]
            e0 = -c * y[j] / rest if sharp and resolved else ((k - c * m) / rest if not sharp else -1e30 * c * y[j])
            bound = -0.5 * m * m - log_f_ref
            if hard and e0 > 0.0:
                bound -= 0.5 * e0 * e0
            if bound < FAINT:
                continue
            turned = 0.0
            if not teacher:
                if hard:
                    weight = math.exp(bound) if e0 < -9.0 else (math.exp(log_tail(e0) - 0.5 * m * m - log_f_ref))
                else:
                    inside = gain * tail(e0) if abs(e0) < 40.0 else (gain if e0 < 0.0 else 0.0)
                    weight = math.exp(bound) * (stay + inside)
            else:
                alpha = tilt_z * z + tilt_m * m
                share = toward = 0.0
                if e0 < 40.0:
                    i0, share, toward = half_line(max(e0, -40.0), alpha, gamma)
                    scale = gain if hard or e0 <= 0.0 else gain * math.exp(-0.5 * e0 * e0)
                    share = scale * (flip * i0 + (1.0 - 2.0 * flip) * share)
                    toward *= scale
                if not hard:
                    full, full_turn = whole_line(alpha, gamma)
                    share += stay * (flip + (1.0 - 2.0 * flip) * full)
                    toward += stay * full_turn
                weight = 2.0 * math.exp(bound)
                turned = 0.5 * weight * turn * toward * yw[j]
                weight *= share
            weight *= yw[j]
            x = x0 - rate * y[j]
            log_f, ga, gb, free = error_counting(x, beta)
            t_w += weight
            t_aa += weight * ga * ga
            t_a += weight * ga
            t_t += turned * ga
            t_f += weight * log_f
            t_bb += weight * gb * gb
            if free > 0.0:
                t_e += weight * free * tail(-x)
        weight = w[i] * INV_SQRT_2PI
        mass += weight * t_w
        sum_aa += weight * t_aa
        sum_ar += weight * a_ref * t_a
        sum_f += weight * t_f
        sum_bb += weight * t_bb
        sum_e += weight * t_e
        sum_t += weight * t_t
    if not abs(mass - 1.0) < WHOLE:
        return math.nan, math.nan, math.nan, math.nan, math.nan, count, math.nan
    return sum_aa, sum_ar, sum_f, sum_bb, sum_e, count, sum_t


@jit
def boundary_sum(ref, kappa, beta, p, v, a_u, d, big_b, c_t, v0, level, u, w, y, yw):
    """d G_E/dp of the module's docstring; with a teacher (c_t, v0) its weight at (z, eta) is included."""
    kind, flip, qt, vt, r, margin, beta_ref = ref[1], ref[2], ref[3], ref[4], ref[6], ref[9], ref[10]
    root_q, root_t, root_v, root_b = math.sqrt(qt), math.sqrt(vt), math.sqrt(v), math.sqrt(big_b)
    width = channel_zero(beta)[1] * root_v
    turn = d / root_t  # how M moves with z while h stays at the margin
    teacher = kind != RANDOM
    rho = c_t / root_b if big_b > 0.0 else 0.0
    tilt_z = r / root_q / math.sqrt(v0) if teacher else 0.0
    tilt_e = rho / math.sqrt(v0) if teacher else 0.0
    h, offset = finer(sum_step(width / max(root_b, 1e-300), 1.0 + tilt_e * tilt_e), level)
    half = int(REACH / h)
    if 2 * half + 1 > y.size:
        return math.nan
    for j in range(2 * half + 1):
        y[j] = (j - half) * h + offset
        yw[j] = h * INV_SQRT_2PI * math.exp(-0.5 * y[j] * y[j])
    if qt > 0.0:
        pole, center = reference_pole(ref)
        grow = 1.0 + tilt_z * tilt_z
        open_width = width / max(abs(turn), 1e-300)
        h = sum_step(min(open_width, pole), grow + qt / vt)
        n = outer_nodes(level, h, sum_step(open_width, grow), pole, center, ref, REACH, u, w)
    else:
        n = 1
        u[0], w[0] = 0.0, 1.0
    total = 0.0
    for i in range(n):
        z = u[i]
        k = (margin - root_q * z) / root_t
        a_ref = error_counting(k, beta_ref)[1]
        x0 = (kappa - (root_q * p + root_t * d) * z - a_u * k) / root_v
        inner = 0.0
        for j in range(2 * half + 1):
            weight = yw[j]
            if teacher:
                weight *= 2.0 * (flip + (1.0 - 2.0 * flip) * tail(-(tilt_z * z + tilt_e * y[j])))
            inner += weight * error_counting(x0 - root_b / root_v * y[j], beta)[1]
        total += w[i] * a_ref * inner
    return total / (root_t * root_v)
