"""The spherical perceptron as q -> 1: capacity, maximum margin, ground state with errors.

Every weight vector in agreement with the constraints is then the same one.  A pattern with cavity
field z keeps Delta = z above kappa, is lifted to Delta = kappa from within the window
(kappa - w, kappa), and is given up (an error) below it; w = inf at or below capacity, and
w = sqrt(2x), x = lim beta (1-q), in the ground state above it.  With D0 = sqrt(1 - R^2) and W the weight
2 [(1-flip) H(-Rz/D0) + flip H(Rz/D0)] (1 with random labels, where R = 0):

    1 - R^2 = alpha Int_window Dz W(z) (kappa - z)^2
    R       = (2 alpha/D0) (1 - 2 flip) Int_window Dz G(Rz/D0) (kappa - z)
    errors  = Int_{z < kappa - w} Dz W(z)

A tree committee with random labels sees c(q) in place of q, and 1-c -> c'(1) (1-q): the first equation becomes
c'(1) = alpha Int_window Dz (kappa-z)^2, the perceptron's at the load alpha/c'(1), with w = sqrt(2 c'(1) x).  Where c'(1) is
infinite (an activation that jumps: 1-c ~ sqrt(1-q)) it has no solution at any load: q < 1 and no errors at zero temperature.

The replicon is 1 - alpha Int_window Dz W without errors; with them the jump of the restored field at the
window's lower edge makes it -inf: the ground state is only approximately replica symmetric.

Sources: Gardner 1988; Gardner & Derrida 1988, 1989; Gyorgyi & Tishby 1990; Bouten 1994.
"""

import math

from flatphys._jit import jit
from flatphys.errors import InvalidInput, NoSolution, NotConverged, Unsatisfiable
from flatphys.model import Model, Teacher
from flatphys.numerics.gaussian import INV_SQRT_2PI, density, tail
from flatphys.numerics.quadrature import buffers, panel_nodes
from flatphys.numerics.roots import bracketed
from flatphys.state import State

LOWEST = -12.0  # the Gaussian measure below is 1e-33


@jit
def second_moment(x):
    """Int_{z < x} Dz (x - z)^2 = (1 + x^2) H(-x) + x G(x), without cancellation for x far below 0."""
    if x > -3.0:
        return (1.0 + x * x) * tail(-x) + x * density(x)
    # Laplace's continued fraction for the repeated integrals of the Gaussian tail: i2/i1, i1/i0
    y = -x
    r2 = r1 = r0 = y
    for j in range(120, 0, -1):
        r2 = y + (j + 2) / r2
        r1 = y + (j + 1) / r1
        r0 = y + j / r0
    return 2.0 * density(y) / (r0 * r1 * r2)


@jit
def random_label_capacity(kappa):
    """Gardner's capacity 1/Int_{z<kappa} Dz (kappa - z)^2."""
    return 1.0 / second_moment(kappa)


@jit
def _marks(k):
    """The teacher's weight H(-kz) varies around z = 0 on the scale 1/k."""
    return (0.0, 3.0 / max(k, 1e-300), 0.0, math.inf, 0.0, math.inf, 0.0, math.inf)


@jit
def window_moments(kappa, width, k, flip, level, u, w):
    """(Int W (kappa-z)^2, (2/D0)(1-2 flip) Int G(kz)(kappa-z)) over the window; k = R/D0 = tan(angle to orthogonality).

    The second integral is in closed form, since Dz G(kz) is a Gaussian of variance D0^2 = 1/(1+k^2).
    """
    d0 = 1.0 / math.sqrt(1.0 + k * k)
    low = max(kappa - width, LOWEST)
    high = max(min(kappa, -LOWEST), low)
    ratio = 1.5 - 0.4 * level
    n = panel_nodes(0, low, high, ratio, ratio, _marks(k), u, w)
    total = 0.0
    for i in range(n):
        z = u[i]
        weight = 2.0 * (flip + (1.0 - 2.0 * flip) * tail(-k * z))
        total += w[i] * density(z) * weight * (kappa - z) ** 2
    lo, hi = low / d0, kappa / d0
    first = kappa * (tail(lo) - tail(hi)) + d0 * (density(hi) - density(lo))
    if lo > -30.0 and hi < 0.0 and hi - lo < 1e-3:
        first = math.nan  # a window this narrow is below the resolution of the closed form
    return total, 2.0 * (1.0 - 2.0 * flip) * INV_SQRT_2PI * first


@jit
def error_mass(top, k, flip, u, w):
    """Int_{z < top} Dz W(z): the patterns given up; k = inf is the teacher itself."""
    if top <= LOWEST:
        return 0.0
    if k == 0.0:
        return tail(-top)
    if k == math.inf:
        return 2.0 * flip * tail(-top) if top < 0.0 else flip + (1.0 - flip) * (1.0 - 2.0 * tail(top))
    n = panel_nodes(0, LOWEST, min(top, -LOWEST), 1.5, 1.5, _marks(k), u, w)
    total = 0.0
    for i in range(n):
        total += w[i] * density(u[i]) * 2.0 * (flip + (1.0 - 2.0 * flip) * tail(-k * u[i]))
    return total


def _loads(kappa, width, k, flip, level=0):
    """The loads that the norm equation and the overlap equation name at overlap ratio k."""
    second, first = window_moments(kappa, width, k, flip, level, *buffers())
    # below kappa = 0 the overlap's integral vanishes exponentially as R -> 1: no load supports such an R
    overlap = k / math.sqrt(1.0 + k * k) / first if first > 0.0 else math.inf
    return 1.0 / (second * (1.0 + k * k)), overlap


def _disagreement(log_k, kappa, width, flip):
    norm, overlap = _loads(kappa, width, math.exp(log_k), flip)
    return math.log(norm) - math.log(overlap)


def _overlap_ratio(kappa, width, flip):
    """k = R/D0 at which both equations name the same load, and that load."""
    lo, hi = -20.0, 20.0
    if not _disagreement(lo, kappa, width, flip) > 0.0 > _disagreement(hi, kappa, width, flip):
        raise NoSolution(f"no overlap with the teacher solves the equations of the largest margin at margin {kappa:g}, flip {flip:g}")
    k = math.exp(bracketed(_disagreement, lo, hi, args=(kappa, width, flip)))
    return k, _loads(kappa, width, k, flip)[0]


def capacity_teacher(kappa, flip):
    """(alpha_c, R/D0) of spherical weights with a spherical teacher; (inf, inf) where the teacher itself fulfils the margin."""
    if flip == 0.0 and kappa <= 0.0:
        return math.inf, math.inf
    k, alpha = _overlap_ratio(kappa, math.inf, flip)
    return alpha, k


def largest_margin_random(alpha):
    """Margin at which Gardner's capacity is alpha."""
    lo, hi = -1.0, 1.0
    while random_label_capacity(lo) < alpha:
        lo *= 2.0
    while random_label_capacity(hi) > alpha:
        hi *= 2.0
    target = math.log(alpha)
    return bracketed(lambda x: math.log(random_label_capacity(x)) - target, lo, hi)


def largest_margin_teacher(alpha, flip):
    """(kappa_max, R/D0) of spherical weights with a spherical teacher at load alpha."""
    target = math.log(alpha)

    def excess(kappa):
        return math.log(capacity_teacher(kappa, flip)[0]) - target

    hi = 1.0
    while excess(hi) > 0.0:
        hi *= 2.0
    if flip == 0.0:
        lo = 0.5 * hi
        while excess(lo) < 0.0:
            lo *= 0.5
    else:
        lo = -1.0
        while excess(lo) < 0.0:
            lo *= 2.0
            if lo < -8.0:
                raise NoSolution(f"alpha={alpha:g} is too large for a margin above -8 with flip={flip:g}")
    kappa = bracketed(excess, lo, hi)
    return kappa, capacity_teacher(kappa, flip)[1]


def solve_max_margin(model: Model, alpha: float) -> State:
    """The maximum-margin solution with a teacher: m = R, q = 1, b = 0, margin."""
    flip = model.data.flip
    if flip > 0.0:
        limit, _ = capacity_teacher(0.0, flip)
        if alpha >= limit:
            raise Unsatisfiable(
                f"alpha={alpha:g} is beyond the separability threshold {limit:.10g} of {model.data!r}: "
                f"no weights classify every pattern; lower alpha, or use ERM"
            )
    kappa, k = largest_margin_teacher(alpha, flip)
    r = k / math.sqrt(1.0 + k * k)
    residual, error = _worth(alpha, kappa, math.inf, k, flip)
    if not residual < 1e-10:
        raise NotConverged(
            f"the maximum margin at alpha={alpha:g} was found only to a residual of {residual:.1e}", {"margin": kappa, "R": r}, residual
        )
    support = error_mass(kappa, k, flip, *buffers())
    return State(
        model,
        alpha,
        {"m": r, "q": 1.0, "b": 0.0, "margin": kappa, "R": r},
        branch="max_margin",
        train_error=0.0,
        generalization_error=math.atan2(1.0, k) / math.pi,
        cosine=r,
        at_eigenvalue=1.0 - alpha * support,
        residual=residual,
        quadrature_error=error,
    )


def _worth(alpha, kappa, width, k, flip):
    """(residual of both equations, their change under a finer rule), relative."""
    norm, overlap = _loads(kappa, width, k, flip) if k > 0.0 else (1.0 / window_moments(kappa, width, 0.0, 0.0, 0, *buffers())[0], alpha)
    fine = window_moments(kappa, width, k, flip if k > 0.0 else 0.0, 1, *buffers())[0]
    return max(abs(norm / alpha - 1.0), abs(overlap / alpha - 1.0)), abs(fine * norm * (1.0 + k * k) - 1.0)


def solve_ground_state(model: Model, alpha: float, last_slope: float = 1.0) -> State:
    """Spherical weights above capacity: the least fraction of errors, replica symmetric (a lower bound); last_slope is c'(1)."""
    kappa = model.learner.margin
    teacher = isinstance(model.data, Teacher)
    flip = model.data.flip if teacher else 0.0
    capacity = capacity_teacher(kappa, flip)[0] if teacher else last_slope * random_label_capacity(kappa)
    if last_slope == math.inf:
        raise InvalidInput(
            f"network must not be a tree committee of an activation that jumps for the ground state of spherical weights, got {model!r}: "
            f"every pattern can be satisfied at every load, use solve"
        )
    if not alpha > capacity:
        raise InvalidInput(
            f"alpha must be > {capacity:.10g}, the capacity of {model!r}, got {alpha:g}: "
            f"at lower loads every pattern can be satisfied, use solve"
        )

    load = alpha / last_slope  # of the perceptron with the same window

    def excess(log_width):
        width = math.exp(log_width)
        if teacher:
            return math.log(_overlap_ratio(kappa, width, flip)[1] / load)
        return -math.log(load * window_moments(kappa, width, 0.0, 0.0, 0, *buffers())[0])

    lo, hi = 0.0, math.log(20.0 + abs(kappa))
    while excess(lo) < 0.0:
        lo -= 1.0
        if lo < -9.0:
            raise NoSolution(f"alpha={alpha:g} is too large for the ground state's equations in double precision")
    width = math.exp(bracketed(excess, lo, hi))
    k = _overlap_ratio(kappa, width, flip)[0] if teacher else 0.0
    residual, error = _worth(load, kappa, width, k, flip)
    if not residual < 1e-10:
        raise NotConverged(
            f"the ground state at alpha={alpha:g} was found only to a residual of {residual:.1e}", {"window": width}, residual
        )
    order = {"q": 1.0, "beta_one_minus_q": 0.5 * width * width / last_slope}
    r = k / math.sqrt(1.0 + k * k)
    if teacher:
        order["R"] = r
    return State(
        model,
        alpha,
        order,
        branch="ground_state",
        train_error=error_mass(kappa - width, k, flip, *buffers()),
        generalization_error=math.atan2(1.0, k) / math.pi if teacher else None,
        cosine=r if teacher else None,
        at_eigenvalue=-math.inf,
        residual=residual,
        quadrature_error=error,
    )
