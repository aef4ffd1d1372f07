"""The objective of a learner with real weights on one instance, its force on the weights, and its largest curvature.

With patterns x (N, P) and t_mu the stability of pattern mu, the objective is

    L(w) = sum_mu cost(t_mu) + (l2/2) |w|^2,          force_i = -dL/dw_i,

per weight of order one.  The cost is an ERM learner's loss, or an energy of stabilities below a = margin + slack:

    hinge, squared-hinge, square     that loss at 1 + t - a
    errors                           H((t - a)/sigma + foot): a count whose step has the width sigma

With foot = 0 and the width fixed this is the local energy.  It pulls least at the worst patterns, and as sigma falls they are given up;
where the middle of the step lies some widths below the margin, all errors stand on its convex side and are pulled back.

A perceptron has t = sum_i x_i w_i/sqrt N on signed patterns; a tree committee t = y sum_l c_l phi(h_l)/unit with fixed c_l
(`finite_size.hidden`), h_l = sum_i x_i w_i/sqrt(N/K).  Both directions run on the patterns as they are stored (`messages.products`).
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.errors import InvalidInput
from flatphys.finite_size.hidden import committee_unit, output_signs
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.messages.products import along_patterns, along_weights
from flatphys.kernels.codes import ERF, HINGE, LOGISTIC, RELU, SIGN, Loss
from flatphys.kernels.losses import CODES, coded, point
from flatphys.kernels.networks import network_code, phi
from flatphys.model import ERM, CustomLoss, Gibbs, TreeCommittee, spread_of
from flatphys.numerics.gaussian import density, tail

COUNTED = -1  # in place of a loss's code: errors, smoothed
TURNS = 16  # of the power iteration
ROOM = 1.1  # by which its largest curvature is enlarged


class Cost(NamedTuple):
    """What a pattern costs (sigma: the width of a step, or of noise), and where: the loss is taken at t + shift; `margin` counts errors."""

    loss: Loss
    shift: float
    margin: float


class Net(NamedTuple):
    """What the weights drive: code (-1: a perceptron), the units' output weights, sqrt of their inputs, and the unit of the stability."""

    code: int
    signs: np.ndarray
    root: float
    unit: float


@jit
def cost_point(cost, t):
    """(cost, -d cost/dt) of a stability."""
    if cost.loss.code == COUNTED:
        u = (t - cost.margin + cost.shift) / cost.loss.sigma
        return tail(u), density(u) / cost.loss.sigma
    value, slope, _ = point(cost.loss, t + cost.shift)
    return value, -slope


@jit
def add_up(cost, t, force):
    """(sum of costs, number of errors); `force` becomes -d cost/dt."""
    total, errors = 0.0, 0
    for mu in range(t.size):
        value, force[mu] = cost_point(cost, t[mu])
        total += value
        errors += t[mu] < cost.margin
    return total, errors


@jit
def slope_of(code, h):
    """phi'(h)."""
    if code == ERF:
        return 2.0 / math.sqrt(math.pi) * math.exp(-h * h)
    if code == RELU:
        return 1.0 if h > 0.0 else 0.0
    return math.nan


@jit
def stabilities(net, x, labels, w, fields, t):
    """Fills the units' fields (K, P) and t (P,)."""
    size = x.shape[0] // net.signs.size
    for unit in range(net.signs.size):
        along_weights(x[unit * size : (unit + 1) * size], w[unit * size : (unit + 1) * size], fields[unit])
    if net.code < 0:
        for mu in range(t.size):
            t[mu] = fields[0, mu] / net.root
        return
    for mu in range(t.size):
        total = 0.0
        for unit in range(net.signs.size):
            fields[unit, mu] /= net.root
            total += net.signs[unit] * phi(net.code, fields[unit, mu])
        t[mu] = labels[mu] * total / net.unit


@jit
def pull(net, x, labels, fields, force, out):
    """out_i = sum_mu force_mu dt_mu/dw_i; `fields` are spent."""
    size = x.shape[0] // net.signs.size
    for unit in range(net.signs.size):
        row = fields[unit]
        for mu in range(force.size):
            if net.code < 0:
                row[mu] = force[mu] / net.root
            else:
                row[mu] = force[mu] * labels[mu] * net.signs[unit] * slope_of(net.code, row[mu]) / (net.root * net.unit)
        along_patterns(x[unit * size : (unit + 1) * size], row, out[unit * size : (unit + 1) * size])


@jit
def gather(x, labels, chosen, block, signs):
    """Fills block (N, b) and signs (b,) with some of the patterns."""
    for i in range(x.shape[0]):
        row, to = x[i], block[i]
        for j in range(chosen.size):
            to[j] = row[chosen[j]]
    for j in range(chosen.size):
        signs[j] = labels[chosen[j]]


class Landscape:
    """The objective of one instance: patterns, the kind of weights, cost and l2, with room for what is computed."""

    def __init__(self, instances: Instances, k: int, slack: float, foot: float = 0.0):
        learner, self.x, self.labels = instances.model.learner, instances.patterns[k], instances.labels[k]
        self.n, self.p = self.x.shape
        self.net, self.units = net_of(instances), instances.hidden or 1
        self.free = isinstance(learner, ERM)  # else |w|^2 = N, in a committee that of every unit N/K
        self.l2 = learner.l2 if self.free else 0.0
        self.cost, self.slack, self.foot = cost_of(instances.model, slack), slack, foot
        self._room, self._blocks = {}, {}

    @property
    def counted(self) -> bool:
        """Whether errors are counted, by a step of a width that moves."""
        return self.cost.loss.code == COUNTED

    def widen(self, sigma: float) -> None:
        """Set the width of the step of a count."""
        self.cost = self.cost._replace(loss=Loss(COUNTED, sigma), shift=self.foot * sigma - self.slack)

    def _buffers(self, p):
        if p not in self._room:
            self._room[p] = np.empty((self.units, p)), np.empty(p), np.empty(p)
        return self._room[p]

    def batch(self, chosen):
        """(patterns, labels) of the numbers `chosen`, None for all of them."""
        if chosen is None:
            return self.x, self.labels
        size = chosen.size
        if size not in self._blocks:
            self._blocks[size] = np.empty((self.n, size), self.x.dtype), np.empty(size, self.labels.dtype)
        gather(self.x, self.labels, chosen, *self._blocks[size])
        return self._blocks[size]

    def force(self, w, out, chosen=None) -> tuple[float, int]:
        """(sum of costs, errors) of a batch; `out` becomes the force, l2 in the batch's share, along the sphere where there is one."""
        x, labels = self.batch(chosen)
        fields, t, f = self._buffers(labels.size)
        stabilities(self.net, x, labels, w, fields, t)
        found = add_up(self.cost, t, f)
        pull(self.net, x, labels, fields, f, out)
        if self.free:
            out -= (self.l2 * labels.size / self.p) * w
        else:
            units, forces = w.reshape(self.units, -1), out.reshape(self.units, -1)
            forces -= units * (np.sum(units * forces, axis=1, keepdims=True) / np.sum(units * units, axis=1, keepdims=True))
        return found

    def value(self, w) -> tuple[float, float]:
        """(objective per weight, share of errors) on all patterns."""
        fields, t, f = self._buffers(self.p)
        stabilities(self.net, self.x, self.labels, w, fields, t)
        total, errors = add_up(self.cost, t, f)
        return (total + 0.5 * self.l2 * float(w @ w)) / self.n, errors / self.p

    def settle(self, w) -> None:
        """Bring weights to the sphere, where there is one."""
        if not self.free:
            units = w.reshape(self.units, -1)
            units *= math.sqrt(units.shape[1]) / np.linalg.norm(units, axis=1, keepdims=True)

    def stretch(self, w, chosen=None) -> float:
        """The largest eigenvalue of J'J, J = dt/dw, by a power iteration from a fixed vector."""
        x, labels = self.batch(chosen)
        fields, t, f = self._buffers(labels.size)
        v, out, ratio = np.cos(np.arange(self.n) + 0.5), np.empty(self.n), 0.0
        stabilities(self.net, x, labels, w, fields, t)
        at = fields.copy()
        for _ in range(TURNS):
            v /= np.linalg.norm(v)
            turned = np.empty_like(fields)
            size = self.n // self.units
            for unit in range(self.units):
                part = slice(unit * size, (unit + 1) * size)
                along_weights(x[part], v[part], turned[unit])
            f[:] = 0.0
            for unit in range(self.units):
                f += turned[unit] / self.net.root * self._slope(unit, at)
            f *= labels if self.net.code >= 0 else 1.0
            fields[:] = at
            pull(self.net, x, labels, fields, f, out)
            ratio = float(np.linalg.norm(out))
            v = out.copy()
        return ROOM * ratio

    def _slope(self, unit, fields):
        if self.net.code < 0:
            return 1.0
        slopes = np.array([slope_of(self.net.code, h) for h in fields[unit].tolist()])
        return self.net.signs[unit] * slopes / self.net.unit

    def bend(self) -> float:
        """The largest second derivative of the cost; of a ramp, which has none, 1."""
        code, sigma = self.cost.loss
        if code == COUNTED:
            return 0.25 / (sigma * sigma)
        if code == HINGE and sigma > 0.0:
            return min(1.0 / (sigma * math.sqrt(2.0 * math.pi)), 1e6)
        return 0.25 if code == LOGISTIC else 1.0


def net_of(instances: Instances) -> Net:
    """The network of the weights."""
    if instances.hidden is None:
        return Net(-1, np.ones(1), math.sqrt(instances.n), 1.0)
    network, hidden = instances.model.learner.network, instances.hidden
    return Net(int(network_code(network)[0]), output_signs(hidden), math.sqrt(instances.n // hidden), committee_unit(network, hidden))


def cost_of(model, slack: float) -> Cost:
    """The cost of a pattern; of counted errors at the width 1."""
    learner = model.learner
    if isinstance(learner, ERM):
        return Cost(coded(learner.loss, spread_of(model.data)), 0.0, 0.0)
    if learner.energy == "errors":
        return Cost(Loss(COUNTED, 1.0), -slack, learner.margin)
    return Cost(CODES[learner.energy], 1.0 - learner.margin - slack, learner.margin)


def smooth(model) -> bool:
    """Whether the force is a continuous function of the weights."""
    learner = model.learner
    name = learner.loss if isinstance(learner, ERM) else learner.energy
    return name != "hinge"


def check_real(model, name: str) -> None:
    """`InvalidInput` unless the learner has real weights with an objective that can be descended."""
    learner = model.learner
    if isinstance(learner, ERM):
        if isinstance(learner.loss, CustomLoss):
            raise InvalidInput(f"loss must be a built-in one or one of them smoothed for {name}, got {learner.loss!r}")
        if learner.bias:
            raise InvalidInput(f"bias must be False for {name}, got {learner!r}")
        return
    if not isinstance(learner, Gibbs) or learner.weights != "spherical":
        raise InvalidInput(f"learner must be ERM or Gibbs with spherical weights for {name}, got {learner!r}")
    if isinstance(learner.network, TreeCommittee) and network_code(learner.network)[0] == SIGN:
        raise InvalidInput(f"activation must be 'erf' or 'relu' for {name}, whose forces need slopes, got {learner.network!r}")
