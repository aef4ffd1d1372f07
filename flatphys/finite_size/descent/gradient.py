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

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.finite_size.descent.forces import COUNTED, Cost, Ground, Net, add_up, force_on, gather, pull, slope_of, stabilities, to_sphere
from flatphys.finite_size.hidden import committee_unit, output_signs
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.messages.products import along_weights
from flatphys.kernels.codes import HINGE, LOGISTIC, SIGN, Loss
from flatphys.kernels.losses import CODES, coded
from flatphys.kernels.networks import network_code
from flatphys.model import ERM, CustomLoss, Gibbs, TreeCommittee, spread_of

TURNS = 16  # of the power iteration
ROOM = 1.1  # by which its largest curvature is enlarged


class Landscape:
    """The objective of one instance: patterns, the kind of weights, cost and l2, with room for what is computed."""

    def __init__(self, instances: Instances, k: int, slack: float, foot: float = 0.0):
        learner, self.x, self.labels = instances.model.learner, instances.patterns[k], instances.labels[k]
        self.n, self.p = self.x.shape
        self.net, self.units = net_of(instances), instances.hidden or 1
        self.free = isinstance(learner, ERM)  # else |w|^2 = N, in a committee that of every unit N/K
        self.l2 = learner.l2 if self.free else 0.0
        self.cost, self.slack, self.foot = cost_of(instances.model, slack), slack, foot
        self._rooms, self._blocks = {}, {}

    @property
    def counted(self) -> bool:
        """Whether errors are counted, by a step of a width that moves."""
        return self.cost.loss.code == COUNTED

    def widen(self, sigma: float) -> None:
        """Set the width of the step of a count."""
        self.cost = self.cost._replace(loss=Loss(COUNTED, sigma), shift=self.foot * sigma - self.slack)

    def room(self, p: int):
        """Buffers for so many patterns: fields, stabilities, forces on them."""
        if p not in self._rooms:
            self._rooms[p] = np.empty((self.units, p)), np.empty(p), np.empty(p)
        return self._rooms[p]

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
        return force_on(self.ground(labels.size), x, labels, w, self.room(labels.size), out)

    def ground(self, patterns: int) -> Ground:
        """What the force of so many of the patterns is made of."""
        return Ground(self.net, self.cost, self.l2 * patterns / self.p, self.units, self.free)

    def value(self, w) -> tuple[float, float]:
        """(objective per weight, share of errors) on all patterns."""
        fields, t, f = self.room(self.p)
        stabilities(self.net, self.x, self.labels, w, fields, t)
        total, errors = add_up(self.cost, t, f)
        return (total + 0.5 * self.l2 * float(w @ w)) / self.n, errors / self.p

    def settle(self, w) -> None:
        """Bring weights to the sphere, where there is one."""
        if not self.free:
            to_sphere(w, self.units)

    def stretch(self, w, chosen=None) -> float:
        """The largest eigenvalue of J'J, J = dt/dw, by a power iteration from a fixed vector."""
        x, labels = self.batch(chosen)
        fields, t, f = self.room(labels.size)
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
