"""One pattern that the reference has learnt, its field u kept explicit: with a teacher.

In the notation of `local_entropy_patterns`, the teacher's own field on the pattern is

    y* = (R/sqrt qt) z + rho eta + sqrt(v0) nu,    rho = C/sqrt(B),   v0 = 1 - R^2/qt - rho^2

(u is independent of it), so that a pattern weighs W = 2 [flip + (1-2 flip) H(-Y)], Y = (R z/sqrt qt + rho eta)/sqrt v0:

    < F > = Int Dz Int_{u>k'} Du/H(k') Int Deta W(z, eta) F(M_z z + A u + sqrt(B) eta)
    R1_hat = alpha <2 (1-2 flip) G(Y)/(W sqrt v0) a>/sqrt V

W ties eta down, and the closed form in u of the two-dimensional sum would be a bivariate normal integral;
three nested sums are as fast.  The eta sum needs the fewest nodes exactly where the two-dimensional form
degenerates (B -> 0), which makes this the independent check of that corner: with R = 0 both agree.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.channels import H_ZERO_IM, H_ZERO_RE
from flatphys.kernels.counting import error_counting
from flatphys.numerics.gaussian import INV_SQRT_2PI, density, tail
from flatphys.numerics.quadrature import panel_nodes
from flatphys.saddle.franz_parisi.patterns import DECAY, channel_zero, outer_nodes, reference_pole
from flatphys.saddle.franz_parisi.weights import REACH, finer, panel_ratio, sum_step


@jit
def _outer_step(width, turn, root_b, tilt_z, tilt_e, boost, pole):
    """(step, step without the reference's pole) of the z sum, largest over the shifts of eta that go with it at fixed u - k'."""
    best = smooth = 0.0
    for i in range(42):
        lam = (i - 20) * 0.1
        lam = lam / (1.02 - abs(lam) * 0.5)
        if i == 41:
            lam = -turn / root_b if root_b > 1e-200 else 0.0
        q = tilt_z + tilt_e * lam
        reach = width / max(abs(turn + root_b * lam), 1e-300)
        grow = 1.0 + lam * lam + q * q
        best = max(best, sum_step(min(reach, pole), grow + boost))
        smooth = max(smooth, sum_step(reach, grow))
    return best, smooth


@jit
def teacher_sums(ref, kappa, beta, p, v, a_u, d, big_b, c_t, v0, level, u, w, y, yw, table):
    """(<a^2>, <a a_ref>, <log f>, <b^2>, counted train error, evaluations, teacher's share) at the overlaps given."""
    flip, qt, vt, r, margin, beta_ref = ref[2], ref[3], ref[4], ref[6], ref[9], ref[10]
    root_q, root_t, root_v, root_b = math.sqrt(qt), math.sqrt(vt), math.sqrt(v), math.sqrt(big_b)
    nan = math.nan
    if not v0 > 0.0:  # b = 0 away from the reference's own overlap: no such weights
        return nan, nan, nan, nan, nan, 0, nan
    mz = root_q * p + root_t * d
    place, width = channel_zero(beta)
    width *= root_v
    root_0 = math.sqrt(v0)
    tilt_z = r / (root_q * root_0)
    tilt_e = c_t / (root_b * root_0) if big_b > 0.0 else 0.0
    reach = REACH + max(0.0, -kappa - 2.0 if kappa > -32.0 else 30.0)
    pole, center = reference_pole(ref)
    h, smooth = _outer_step(width, d / root_t, root_b, tilt_z, tilt_e, qt / vt, pole)
    n = outer_nodes(level, h, smooth, pole, center, ref, reach, u, w)
    he, oe = finer(sum_step(width / max(root_b, 1e-300), 1.0 + tilt_e * tilt_e), level)
    half = int(REACH / he)
    if n < 0 or 2 * half + 1 > table.shape[1]:
        return nan, nan, nan, nan, nan, 0, nan
    for j in range(2 * half + 1):
        e = (j - half) * he + oe
        table[0, j] = e
        table[1, j] = he * INV_SQRT_2PI * math.exp(-0.5 * e * e)
    ratio = panel_ratio(level)
    size = abs(a_u)
    blur = max(width, 2.0 * root_b) / max(size, 1e-300)
    hard = beta_ref == math.inf
    stay = 0.0 if hard else math.exp(-beta_ref)
    sum_aa = sum_ar = sum_f = sum_bb = sum_e = sum_t = 0.0
    count = 0
    for i in range(n):
        z = u[i]
        k = (margin - root_q * z) / root_t
        log_f_ref, a_ref, _, _ = error_counting(k, beta_ref)
        most = 0.0
        for j in range(2 * half + 1):
            arg = tilt_z * z + tilt_e * table[0, j]
            table[2, j] = table[1, j] * 2.0 * (flip + (1.0 - 2.0 * flip) * tail(-arg))
            most = max(most, table[2, j])
            table[3, j] = table[1, j] * 2.0 * (1.0 - 2.0 * flip) * density(arg) / root_0
        if w[i] * most < 1e-20:
            continue
        x_edge = (kappa - mz * z - a_u * k) / root_v
        spot = (x_edge - place) * root_v / a_u if size > 0.0 else math.inf
        other = (x_edge - H_ZERO_RE) * root_v / a_u if size > 0.0 else math.inf
        marks = (spot, blur, other, max(H_ZERO_IM * root_v, 2.0 * root_b) / max(size, 1e-300), 0.0, math.inf, 0.0, math.inf)
        top = (math.sqrt(reach * reach + k * k) if k > 0.0 else reach) - k
        cap = min(2.0 * ratio, DECAY / max(k, 1e-9))
        nodes = 0
        if not hard:
            nodes = panel_nodes(0, min(-reach - k, 0.0), 0.0, ratio, cap, marks, y, yw)
        below = nodes
        if nodes >= 0:
            nodes = panel_nodes(nodes, max(0.0, -reach - k), max(top, 0.0), ratio, cap, marks, y, yw)
        if nodes < 0:
            return nan, nan, nan, nan, nan, 0, nan
        count += nodes * (2 * half + 1)
        z_aa = z_a = z_f = z_bb = z_e = z_t = 0.0
        for m in range(nodes):
            field = k + y[m]
            weight = yw[m] * math.exp(-0.5 * field * field - log_f_ref) * (stay if m < below else 1.0)
            if weight < 1e-19:
                continue
            x0 = x_edge - a_u / root_v * y[m]
            t_aa = t_a = t_f = t_bb = t_e = t_t = 0.0
            for j in range(2 * half + 1):
                x = x0 - root_b / root_v * table[0, j]
                log_f, ga, gb, free = error_counting(x, beta)
                we = table[2, j]
                t_aa += we * ga * ga
                t_a += we * ga
                t_f += we * log_f
                t_bb += we * gb * gb
                t_t += table[3, j] * ga
                if free > 0.0:
                    t_e += we * free * tail(-x)
            z_aa += weight * t_aa
            z_a += weight * t_a
            z_f += weight * t_f
            z_bb += weight * t_bb
            z_e += weight * t_e
            z_t += weight * t_t
        weight = w[i] * INV_SQRT_2PI
        sum_aa += weight * z_aa
        sum_ar += weight * a_ref * z_a
        sum_f += weight * z_f
        sum_bb += weight * z_bb
        sum_e += weight * z_e
        sum_t += weight * z_t
    return sum_aa, sum_ar, sum_f, sum_bb, sum_e, count, sum_t
