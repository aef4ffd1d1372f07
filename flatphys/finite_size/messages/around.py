"""The local entropy of an instance: how many weights surround given ones, by messages in a field along them.

With h_i = gamma w~_i the weights have the overlap p(gamma) = m.w~/N with the reference and, as d phi/d gamma = p,

    free_entropy(p) = phi(gamma) - gamma p,   slope = d free_entropy/dp = -gamma,   value = free_entropy + beta energy

gamma is found for each distance in turn, from far to near, each from the messages of the one before.  Where none leads to the
overlap (messages run into the reference: the weights around it are too few to be typical of anything) the status says so.

Source: Baldassi et al., PRL 115 128101 (2015).
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import NotConverged
from flatphys.finite_size.found import Found
from flatphys.finite_size.messages.amp import Task, amp
from flatphys.finite_size.messages.committee import check_committee, signed_patterns
from flatphys.finite_size.messages.passing import DAMPINGS
from flatphys.finite_size.messages.sites import Site
from flatphys.kernels.codes import BINARY, SPHERICAL
from flatphys.model import ENERGIES, GaussianMixture, Gibbs
from flatphys.numerics.roots import bracketed
from flatphys.problem import channel_of

TOLERANCE = 1e-12  # of the messages
STEPS, PATIENCE = 1500, 150  # without half the residual in 150 steps, 1500 would not do
FIRST_STEP, LAST_STEP = 0.1, 1e-4  # of gamma: it grows while messages follow, and halves where they do not
MET = 1e-11  # difference of overlaps that counts as met
LARGEST = 60.0  # field: weights are frozen along the reference long before
NUMBERS = ("value", "free_entropy", "slope", "energy", "train_loss", "train_error", "q1", "residual")


class InstanceLocalEntropy(Table):
    """The local entropy around the weights of every instance; arrays are (count, distances), nan where `status` is not "ok".

    Attributes
    ----------
    found : Found
    margin, beta : float;  cost : str
        Of the weights that are counted.
    overlap, distance : (distances,)
    value, free_entropy, slope, energy, train_loss, train_error, q1, residual, status : (count, distances)
        As of `LocalEntropy`; slope = d free_entropy/d overlap, minus the field.
    mean, error : (distances,)
        Of `value`, over the instances that have one; nan where fewer than two do (error).
    """

    def __init__(self, found, channel, separation, values):
        self.found, self.margin, self.beta, self.cost = found, *channel
        self.distance, self.overlap = separation
        self.__dict__.update(values)

    @property
    def mean(self) -> np.ndarray:
        count = (self.status == "ok").sum(axis=0)
        return np.where(count > 0, np.nansum(self.value, axis=0) / np.maximum(count, 1), math.nan)

    @property
    def error(self) -> np.ndarray:
        count = (self.status == "ok").sum(axis=0)
        spread = np.nansum((self.value - self.mean) ** 2, axis=0)
        return np.where(count > 1, np.sqrt(spread / np.maximum(count * (count - 1), 1)), math.nan)

    def plot(self, ax=None, **style):
        """The mean over instances with error bars against the distance on `ax` or a new figure; returns the axes."""
        from flatphys.plotting import LABELS, new_axes

        ax = new_axes(ax)
        order = np.argsort(self.distance)
        ax.errorbar(self.distance[order], self.mean[order], np.nan_to_num(self.error[order]), **{"fmt": "o", "ms": 3, **style})
        ax.set(xlabel=LABELS["distance"], ylabel=LABELS["value"])
        return ax

    def _title(self):
        beta = "" if self.beta == math.inf else f", beta {self.beta:g} of {self.cost}"
        return f"Local entropy of {self.found.instances.count} instances at margin {self.margin:g}{beta}, nats per weight"

    def _rows(self):
        rows = [("overlap", f"{'distance':>16} {'value':>16} {'error':>12} {'instances':>9}")]
        for i, p in enumerate(self.overlap):
            good = int((self.status[:, i] == "ok").sum())
            rows.append((figure(p), f"{figure(self.distance[i]):>16} {figure(self.mean[i]):>16} {self.error[i]:>12.2g} {good:>9}"))
        return rows


def local_entropy(
    found: Found,
    *,
    overlap: ArrayLike | None = None,
    distance: ArrayLike | None = None,
    margin: float = 0.0,
    beta: float = math.inf,
    energy: str = "errors",
) -> InstanceLocalEntropy:
    """How many weights surround those that were found, on every instance.

    Parameters and fields are those of `fp.local_entropy` of a state.  Raises `InvalidInput`.
    """
    learner = validate.instance("learner", found.instances.model.learner, (Gibbs,))
    name, given = validate.exactly_one(overlap=overlap, distance=distance)
    low, high = (-1.0, 1.0) if name == "overlap" else (0.0, 1.0)
    asked = np.atleast_1d(validate.array(name, given, low, high, dimensions=1))
    distances, overlaps = (0.5 * (1.0 - asked), asked) if name == "overlap" else (asked, 1.0 - 2.0 * asked)
    margin = validate.number("margin", margin)
    beta, energy = validate.number("beta", beta, 0.0, infinite=True), validate.choice("energy", energy, ENERGIES)
    check_committee(learner, found.instances.hidden, "the local entropy of an instance", margin, energy)
    rows = [_around(found, k, overlaps, channel_of(energy, margin, beta)) for k in range(found.instances.count)]
    values = {name: np.array([[point[i] for point in row] for row in rows]) for i, name in enumerate(NUMBERS)}
    values["status"] = np.where(np.isnan(values["value"]), "no_fixed_point", "ok")
    return InstanceLocalEntropy(found, (margin, beta, energy), (distances, overlaps), values)


def _around(found, k, overlaps, channel) -> list:
    """One row of `NUMBERS` for every overlap, on instance k."""
    instances = found.instances
    data, learner = instances.model.data, instances.model.learner
    spread = data.variance if isinstance(data, GaussianMixture) else 1.0
    site = Site(BINARY if learner.weights == "binary" else SPHERICAL, 0.0, 0.0, 1.0)
    task = Task(signed_patterns(instances, k), None, spread, instances.hidden or 1, channel, site, np.zeros(instances.n))
    search = _Search(task, found.weights[k].astype(np.float64))
    rows: list = [(math.nan,) * len(NUMBERS)] * len(overlaps)
    for i in np.argsort(overlaps):
        hit = search.reach(float(overlaps[i]))
        if hit is None:
            continue
        gamma, point, residual = hit
        free = point.free_entropy - gamma * float(overlaps[i])
        energy = instances.alpha * point.train_loss
        value = free + (channel.beta * energy if channel.beta < math.inf else 0.0)
        rows[i] = (value, free, -gamma, energy, point.train_loss, point.train_error, point.q, residual)
    return rows


class _Search:
    """The field along a reference at which messages have a given overlap with it, each from the last that was found."""

    def __init__(self, task, reference):
        self.task, self.reference = task, reference
        self.gamma = 0.0
        self.point, self.residual = self._solve(0.0, None)

    def _solve(self, gamma, start):
        task = self.task._replace(field=gamma * self.reference)
        for damping in DAMPINGS if start is None else DAMPINGS[:2]:  # from close by, more damping has not helped
            point, residual, _ = amp(task, damping, TOLERANCE, STEPS, start, PATIENCE)
            if point is not None:
                return point, residual
        return None, math.inf

    def reach(self, target: float):
        """(gamma, `Point`, residual) at the overlap `target`, None where messages do not lead there."""
        if self.point is None:
            return None
        met = {}

        def gap(gamma):
            point, residual = self._solve(gamma, self.point)
            if point is None:
                return math.nan
            met[gamma] = gamma, point, residual
            return float(np.mean(point.m * self.reference)) - target

        first = gap(self.gamma)
        if abs(first) > MET:
            side = -math.copysign(1.0, first)
            near, step = self.gamma, FIRST_STEP
            while step > LAST_STEP and abs(near) < LARGEST:
                far = near + side * step
                value = gap(far)
                if math.isnan(value):  # messages run away: the reference holds them
                    step *= 0.5
                    continue
                self.gamma, self.point, self.residual = met[far]
                if value * first <= 0.0:
                    break
                near, step = far, 1.7 * step
            else:
                return None
            try:
                self.gamma, self.point, self.residual = met[bracketed(gap, min(near, far), max(near, far), "the field")]
            except NotConverged:  # a jump of the overlap, or lost messages
                return None
        found = self.gamma, self.point, self.residual
        return found if abs(float(np.mean(self.point.m * self.reference)) - target) <= MET else None
