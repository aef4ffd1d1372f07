"""The minimiser of the square loss in closed form: no quadrature, no iteration, no digits lost at interpolation.

The response is linear, f = (1 - omega)/(1 + c), k = 1/(1 + c), c = V D.  With g = alpha V/(1 + c), h = alpha D V^2/(1 + c)^2,
mu = E y and r = (1 - 2 eta) sqrt(2/pi) (D = 1 with a teacher) the saddle point of `saddle.minimiser.newton` is

    l2 D V^2 + (l2 + (alpha - 1) D) V = 1,       1 - h D = (1 + l2 c V)/(1 + c) > 0
    mixture   m = g s/(1 + g s),   T^2 (1 - h D) = h [s (1 - m)^2 + D m^2],   b = mu (1 - m) with s = 1 - mu^2 (no bias: s = 1)
    teacher   m = g r,             T^2 (1 - h) = h [1 - r^2 + (r - m)^2]

where nothing is subtracted from anything of its size.  l2 = 0: V = inf below alpha = 1 (the smallest norm among the exact fits).
Source: Dobriban & Wager, Ann. Stat. 46 (2018) 247, for the mixture without a bias.
"""

import math

from flatphys.kernels.codes import MIXTURE, Minimiser
from flatphys.saddle.minimiser.newton import Setting, Solution


def response_and_rate(d: float, alpha: float, l2: float) -> tuple[float, float]:
    """(V, d log V/d log l2)."""
    lack = l2 + (alpha - 1.0) * d
    root = math.hypot(lack, 2.0 * math.sqrt(l2) * math.sqrt(d))
    if lack >= 0.0:
        v = 2.0 / (lack + root)
    else:
        v = (root - lack) / (2.0 * d * l2) if l2 > 0.0 else math.inf
    rate = -l2 * (1.0 + v * d) / root if v < math.inf else -1.0
    return v, rate


def _moments(p: Minimiser) -> tuple[float, float, float]:
    """(s, mu, r) of the module's docstring, r = 1 for the mixture."""
    if p.labels.kind != MIXTURE:
        return 1.0, 0.0, (1.0 - 2.0 * p.labels.flip) * math.sqrt(2.0 / math.pi)
    mu = 2.0 * p.positive - 1.0 if p.bias else 0.0
    return 1.0 - mu * mu, mu, 1.0


def solve_point(p: Minimiser, alpha: float, l2: float) -> Solution:
    """The solution at one setting; the residual and the error of its quadrature are 0."""
    d, (s, mu, r) = p.variance, _moments(p)
    v, _ = response_and_rate(d, alpha, l2)
    c = v * d
    share = c / (1.0 + c) if v < math.inf else 1.0
    g, root_h = alpha * share / d, math.sqrt(alpha / d) * share
    free = (1.0 + l2 * c * v) / (1.0 + c) if v < math.inf else 1.0 - alpha  # 1 - h D
    if p.labels.kind == MIXTURE:
        m, off = g * s / (1.0 + g * s), 1.0 / (1.0 + g * s)
        spread = math.hypot(math.sqrt(s) * off, math.sqrt(d) * m)
    else:
        m = g * r
        spread = math.sqrt(1.0 - r * r + (r - m) ** 2)
    t = root_h * spread / math.sqrt(free)
    if not 0.0 < t < math.inf:
        return Solution(0.0, math.nan, math.nan, 0.0, math.nan, math.nan, math.nan, math.nan)
    k = 1.0 / (1.0 + c) if v < math.inf else 1.0  # as the response of l2 -> 0 counts
    loss = 0.5 * ((t / v) ** 2 / (alpha * d) + p.loss.sigma**2)  # E f^2 = T^2/(alpha D V^2)
    return Solution(m / t, math.log(t), math.log(v) if v < math.inf else math.inf, -mu * m / t, 0.0, 0.0, loss, k * k)


def solve_from(p: Minimiser, start: Setting, known: Solution, alpha: float, l2: float) -> Solution:
    """`solve_point`: a closed form needs no start."""
    return solve_point(p, alpha, l2)


def sensitivity(p: Minimiser, alpha: float, l2: float, x, dx) -> bool:
    """dx = d x/d log l2 at the solution x."""
    d, (s, mu, r) = p.variance, _moments(p)
    v, rate = response_and_rate(d, alpha, l2)
    c = v * d
    tau, t = float(x[0]), math.exp(float(x[1]))
    m, gain = tau * t, rate / (1.0 + c)  # d log g
    if p.labels.kind == MIXTURE:
        dm = gain * m * (1.0 - m)
        spread, moved = s * (1.0 - m) ** 2 + d * m * m, 2.0 * dm * (d * m - s * (1.0 - m))
    else:
        dm = gain * m
        spread, moved = 1.0 - r * r + (r - m) ** 2, 2.0 * dm * (m - r)
    own = l2 * c * v
    log_t = gain + 0.5 * (moved / spread - own * (1.0 + 2.0 * rate) / (1.0 + own) + c * rate / (1.0 + c))
    dx[0] = dm / t - tau * log_t
    dx[1], dx[2], dx[3] = log_t, rate, -mu * dx[0]
    return True
