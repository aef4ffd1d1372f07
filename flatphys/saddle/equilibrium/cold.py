"""Spherical weights at zero temperature on a mixture: the least energy above capacity (responses: `saddle.equilibrium.limit`).

All weights are the same ones.  With x = lim beta (1-q) and c = D x a pattern of cavity field omega = m +- b + sqrt(D) z ends at
t = prox(omega) of (t - omega)^2/(2 c) + energy(t), which is training at the fixed norm |w|^2 = N:

    m = (alpha/D) E[t - omega],    1 - m^2 = (alpha/D) E[(t - omega)^2],    b: both clouds pull alike,
    replicon 1 - alpha E[(1 - dt/d omega)^2]

The norm and the overlap name the same load where (1 - m^2) E[t - omega] = m E[(t - omega)^2]: one equation for m at a given c, and the
load falls as c grows.  Every stability equals the margin kappa up to the load a D of 1 - a D = a w kappa^2/(1 + a w), where
w = 4 share (1 - share) with a bias and 1 without.

Sources: Gardner & Derrida 1988; Mignacco, Krzakala, Lu, Urbani & Zdeborova, ICML 2020.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.errors import NoSolution, NotConverged
from flatphys.kernels.channels import COUNTED
from flatphys.kernels.codes import Labels
from flatphys.kernels.labels import cloud, clouds
from flatphys.numerics.gaussian import density
from flatphys.numerics.newton import Options, newton
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed, outwards
from flatphys.saddle.accept import Tolerance, accept
from flatphys.saddle.equilibrium.limit import FARTHEST, Response, edges, ground_response, lowest, moved, window_nodes
from flatphys.saddle.minimiser.closed import mixture_error
from flatphys.state import State

TOLERANCE = Tolerance(1e-10)
ADVICE = "the equations of zero temperature are ill-conditioned there, move alpha a little"
OPTIONS = Options(goal=1e-14, tolerance=1e-11, steps=60)
SMOOTHEST = 3.0  # longest panel in units of the response's own scale


class Pull(NamedTuple):
    """Averages over one cloud: t - omega and its square, energy, share below the margin, (1 - dt/d omega)^2."""

    first: float
    second: float
    loss: float
    below: float
    stiffness: float


@jit
def pull_of(response, mean, spread, level, nodes):
    """The `Pull` of the cloud of fields mean + spread z."""
    u, w = nodes
    e1, e2 = edges(response)
    kappa = (response.margin - mean) / spread
    top = min(kappa - e2 / spread, FARTHEST)
    bottom = lowest(top)
    cuts = (bottom, max(bottom, min(kappa - e1 / spread, top)), top, FARTHEST)
    first = second = loss = below = stiffness = 0.0
    for piece in range(3):
        n = window_nodes(cuts[piece], cuts[piece + 1], 0.0, min(1.5, SMOOTHEST / spread) * (1.0 - 0.25 * level), u, w)
        for i in range(n):
            there = moved(response, response.margin - mean - spread * u[i])
            plain = w[i] * density(u[i])
            first += plain * there.shift
            second += plain * there.shift * there.shift
            loss += plain * there.loss
            below += plain * there.below
            stiffness += plain * there.stiffness * there.stiffness
    return Pull(first, second, loss, below, stiffness)


class Cold(NamedTuple):
    """The state at one c: m, b, the `Pull` of all patterns, log ratio in which the clouds pull."""

    m: float
    b: float
    pull: Pull
    gap: float


def cold(response: Response, labels: Labels, m: float, b: float, level: int = 0) -> Cold:
    """What the patterns say at an overlap and a bias."""
    parts = [(share, pull_of(response, mean, math.sqrt(labels.variance), level, buffers())) for share, mean in _clouds(labels, m, b)]
    gap = 0.0
    if len(parts) == 2:
        up, down = (share * pull.first for share, pull in parts)
        gap = math.log(up / down) if up > 0.0 and down > 0.0 else math.nan
    return Cold(m, b, Pull(*(sum(share * pull[i] for share, pull in parts) for i in range(5))), gap)


def _clouds(labels, m, b):
    return [cloud(labels, i, m, b) for i in range(clouds(labels))]


def _excess(here: Cold) -> float:
    """log of (1 - m^2) E s over m E s^2."""
    m, (first, second, *_) = here.m, here.pull
    return math.log((1.0 - m * m) * first / (m * second)) if first > 0.0 else -math.inf


def _overlap(response, labels, what) -> Cold:
    """The state of this response without a bias."""

    def excess(logit):
        return _excess(cold(response, labels, 1.0 / (1.0 + math.exp(-logit)), 0.0))

    logit = bracketed(excess, *outwards(excess, -1.0, 1.0, (-60.0, 36.0), what), what)
    return cold(response, labels, 1.0 / (1.0 + math.exp(-logit)), 0.0)


def exact_capacity(margin: float, labels: Labels) -> float:
    """The load up to which every stability can equal the margin."""
    d, w = labels.variance, _weight(labels)
    half = w * margin * margin + d - w
    return 2.0 * d / (half + math.sqrt(half * half + 4.0 * d * w))


def exact_margin(load: float, labels: Labels) -> float:
    """The largest margin that every stability can equal at this load, the inverse of `exact_capacity`."""
    if load >= 1.0:
        raise NoSolution(f"every stability equals the same margin only below one pattern per weight, got alpha={load:g}")
    a, w = load / labels.variance, _weight(labels)
    return math.sqrt((1.0 - load) * (1.0 + a * w) / (a * w))


def _weight(labels) -> float:
    return 4.0 * labels.share * (1.0 - labels.share) if clouds(labels) == 2 else 1.0


def solve_cold(model, alpha: float, channel, labels: Labels) -> State:
    """The ground state of a mixture above capacity."""
    d = labels.variance
    what = f"the ground state of {model!r} at alpha={alpha:g}"
    blind = labels._replace(share=1.0)

    def excess(log_c):
        here = _overlap(ground_response(channel, math.exp(log_c)), blind, what)
        return math.log(d * here.m / (here.pull.first * alpha))

    top = 2.0 * math.log(20.0 + abs(channel.margin))
    log_c = bracketed(excess, *outwards(excess, 0.0, top, (-40.0, 80.0), what), what, 1e-12)
    here = _overlap(ground_response(channel, math.exp(log_c)), blind, what)
    x = np.array([log_c, math.log(here.m / (1.0 - here.m)), 0.0])
    active = (0, 1, 2) if clouds(labels) == 2 else (0, 1)

    def gaps(x, level=0):
        there = cold(ground_response(channel, math.exp(x[0])), labels, 1.0 / (1.0 + math.exp(-x[1])), float(x[2]), level)
        m, (first, second, *_) = there.m, there.pull
        if not first > 0.0:
            return np.full(3, math.nan)
        return np.array([math.log(alpha * first / (d * m)), math.log(alpha * second / (d * (1.0 - m * m))), there.gap])

    root = newton(gaps, x, None, OPTIONS._replace(active=active))
    if not root.residual < math.inf:
        raise NotConverged(f"{what} was lost: {ADVICE}", None)
    return _state(model, alpha, channel, labels, root.x, gaps)


def _state(model, alpha, channel, labels, x, gaps) -> State:
    d, data = labels.variance, model.data
    response = ground_response(channel, math.exp(x[0]))
    found = cold(response, labels, 1.0 / (1.0 + math.exp(-x[1])), float(x[2]))
    m, b, pull = found.m, found.b, found.pull
    error = mixture_error(data.positive, m, b, math.sqrt(d))
    state = State(
        model,
        alpha,
        {"q": 1.0, "beta_one_minus_q": response.c / d, "m": m} | ({"b": b} if model.learner.bias else {}),
        branch="ground_state",
        train_error=pull.below,
        train_loss=pull.loss,
        generalization_error=error,
        centre_generalization_error=error,
        cosine=m,
        at_eigenvalue=-math.inf if response.loss == COUNTED else 1.0 - alpha * pull.stiffness,
        residual=float(np.abs(gaps(x)).max()),
        quadrature_error=float(np.abs(gaps(x, 1)).max()),
    )
    return accept(state, TOLERANCE, ADVICE)
