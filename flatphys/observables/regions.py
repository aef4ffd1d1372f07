"""What `replicated_entropy` returns: y replicas at one mutual distance, their regions, and the centre of a region."""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NoSolution
from flatphys.kernels.codes import MIXTURE
from flatphys.model import Model, TreeCommittee
from flatphys.observables.centre import CentreMargins, EffectiveLoss
from flatphys.observables.local_energy import turn_of
from flatphys.observables.margins.dense import FieldMargins
from flatphys.saddle.breaking.averages import patterns_of
from flatphys.saddle.breaking.branch import replicated_problem

_COLUMNS = ("value", "slope", "external_entropy", "q0", "R", "m1", "centre_generalization_error", "status")


@dataclass(frozen=True, eq=False, repr=False)
class ReplicatedEntropy(Table):
    """Entropy of y solutions (at finite beta: of y weights drawn together) all at one distance from each other; one entry per distance.

    With centre="binary" they are all at one distance from their centre, and the local entropy is that around the best centre.

    Attributes
    ----------
    model, alpha, y, centre
        What was asked.
    distance, overlap : array
        Hamming distance per weight of two replicas, and their overlap q1 = 1 - 2 distance (for spherical weights the same); with a
        centre those of a replica with it, S = 1 - 2 distance.
    mutual_distance : array
        Of two replicas.
    value : array
        Entropy per replica and weight, nats (spherical weights: relative to the uniform sphere): free_entropy + beta energy; with a
        centre free_entropy + beta energy - field overlap.
    free_entropy : array
        (1/y) of the logarithm of the regions' partition function per weight; at beta = inf the same as value.  With a centre the
        field's part is in it.
    field : array or None
        With a centre: the field gamma along it, which gives this overlap, 0 beyond the typical distance from the best centre.  Negative
        where nearer centres have more solutions: the value is then a formal one.
    energy, train_error : array
        Energy per weight of a replica, and its fraction of patterns below the margin (0 at beta = inf).
    slope : array
        d free_entropy / d overlap; d free_entropy / d distance = -2 slope.  With a centre that of free_entropy - field overlap: -field.
    external_entropy : array
        -y^2 d free_entropy/dy, the logarithm of the number of such regions per weight; negative: there are none, the
        value is formal.  At y = inf its limit, the coefficient of 1/y in free_entropy.
    region_entropy : array
        Entropy of the solutions within one region, value - external_entropy/y.
    q0, q0_hat, q1_hat, delta_q, delta_q_hat : array
        Overlap of replicas of different regions and the conjugates; delta_q = y (q1-q0), delta_q_hat = y (q1_hat-q0_hat).
    R, R_hat : array
        Overlap of a replica with the teacher and its conjugate (0 without a teacher; R_hat on a mixture: of m1).
    m1 : array or None
        On a mixture: overlap of a replica with the clouds' centre.
    generalization_error : array or None
        Of one replica, with a teacher or on a mixture.
    centre_norm : array
        |c|/sqrt N of the centre c of a region, the mean of its y replicas: sqrt((1 + (y-1) q1)/y) at the mutual overlap q1 (a binary
        centre consists of its signs).
    cosine, centre_generalization_error : array or None
        Of the centre: the cosine of its angle to the teacher or the clouds' centre, R or m1 divided by centre_norm, and its error.
    inner_eigenvalue, outer_eigenvalue : array
        Replicons among the replicas of a region, and between regions; the ansatz is stable iff both are positive.
        At y = inf the outer one is -inf where a replica's field jumps: delta_q_hat >= 1, a centre with a field, or errors counted at
        finite beta.
    status : array of str
        "ok"; "no_solution": finite y at a distance above the typical one, where the form has no real solution, or at y = inf
        spherical solutions of margin kappa > 0 beyond the distance (1 - (kappa/kappa_max)^2)/2, at which their centre, of norm
        sqrt(overlap N), keeps the margin only as the maximum-margin rule does;
        "not_converged": the curve could not be followed so far, as where the conjugates leave the range of double
        precision (at y = inf: very small distances or loads), or two quadrature rules differ by more than the tolerance.
        Every number is nan in the last two.
    residual, quadrature_error : array
        Largest violation of the equations, and their difference between two quadrature rules.
    tolerance, quadrature_tolerance : float
        What they had to stay below.
    """

    model: Model
    alpha: float
    y: float
    distance: np.ndarray
    overlap: np.ndarray
    value: np.ndarray
    free_entropy: np.ndarray
    energy: np.ndarray
    train_error: np.ndarray
    slope: np.ndarray
    external_entropy: np.ndarray
    region_entropy: np.ndarray
    q0: np.ndarray
    q0_hat: np.ndarray
    q1_hat: np.ndarray
    delta_q: np.ndarray
    delta_q_hat: np.ndarray
    R: np.ndarray
    R_hat: np.ndarray
    m1: np.ndarray | None
    generalization_error: np.ndarray | None
    centre_norm: np.ndarray
    cosine: np.ndarray | None
    centre_generalization_error: np.ndarray | None
    inner_eigenvalue: np.ndarray
    outer_eigenvalue: np.ndarray
    status: np.ndarray
    residual: np.ndarray
    quadrature_error: np.ndarray
    mutual_distance: np.ndarray
    centre: str | None = None
    tolerance: float = math.nan
    quadrature_tolerance: float = math.nan

    @property
    def field(self) -> np.ndarray | None:
        return None if self.centre is None else 0.0 - self.slope

    def margins(self, index: int = 0) -> FieldMargins:
        """Law of the training stabilities of one replica at `distance[index]`; of a tree committee, those of its normalised output."""
        index = self._found(index)
        v, q0, dq = 2.0 * float(self.mutual_distance[index]), float(self.q0[index]), float(self.delta_q[index])
        return FieldMargins(replicated_problem(self.model), self.y, v, q0, dq, self._signal(index))

    def centre_margins(self, index: int = 0) -> CentreMargins:
        """At y = inf: the law of the training stabilities of the centre at `distance[index]`, scaled to the norm sqrt N.

        `mean`, `variance`, `pdf(x)`, `cdf(x)`; `mass_below_zero` is its training error.
        """
        problem, index = self._limit("centre_margins", index)
        v, r = 2.0 * float(self.mutual_distance[index]), self._signal(index)
        q1 = 1.0 - v
        k = r / math.sqrt(q1 - r * r)
        patterns = patterns_of(problem, v, q1, k, r, float(self.delta_q[index]) / v)
        return CentreMargins(patterns, q1, r if problem.labels.kind == MIXTURE else 0.0)

    def effective_loss(self, index: int = 0) -> EffectiveLoss:
        """At y = inf: the loss that the centre at `distance[index]` minimises at its norm sqrt(overlap N).

        The energy as the replicas smooth it (divided by beta where that is finite); callable, with `slope` and `curvature`.
        (Of binary weights: the patterns' part, beside which the weights have their own entropy.)
        """
        problem, index = self._limit("effective_loss", index)
        v = 2.0 * float(self.mutual_distance[index])
        return EffectiveLoss(problem.channel, math.sqrt(problem.labels.variance * v), 1.0 - v)

    def _found(self, index):
        """`index` of a distance at which there is a solution."""
        index = validate.integer("index", index, -self.distance.size, self.distance.size - 1)
        if self.status[index] != "ok":
            raise NoSolution(f"no replicated solution was found at distance {self.distance[index]:g}: status {str(self.status[index])!r}")
        return index

    def _limit(self, question, index):
        """(problem, index) where a centre of infinitely many replicas is asked about."""
        if self.y < math.inf:
            raise InvalidInput(f"y must be math.inf for {question}, got {self.y:g}: the centre of finitely many replicas fluctuates")
        if isinstance(self.model.learner.network, TreeCommittee):
            raise InvalidInput(f"network must be Perceptron() for {question}, got {self.model.learner.network!r}")
        return replicated_problem(self.model), self._found(index)

    def _signal(self, index) -> float:
        """Overlap of a replica with the teacher or the clouds' centre."""
        return float((self.R if self.m1 is None else self.m1)[index])

    @property
    def barycentre_error(self) -> np.ndarray | None:
        """`centre_generalization_error`, under the name that it had in version 0.1."""
        warnings.warn(
            "barycentre_error is now called centre_generalization_error; this name goes with the next version", FutureWarning, stacklevel=2
        )
        return self.centre_generalization_error

    def local_energy(self, index: int = 0, *, sigma=None, distance=None):
        """Increase of the training error (stabilities below 0) of one replica at `distance[index]` under a random perturbation.

        sigma >= 0: w_i -> w_i (1 + sigma z_i) with standard normal z_i; distance in [0, 1/2): a fraction of the weights is
        flipped (spherical weights: turned to the overlap 1 - 2 distance).  Arrays in, arrays out.  A tree committee's weights
        are scaled back to |w|^2 = N, as in `local_energy`.
        """
        kind, at = validate.perturbation(sigma, distance, 0.5, "[")
        law, scales = self.margins(index), at.ravel().tolist()
        if isinstance(self.model.learner.network, TreeCommittee):
            rise = [law.rise_after_turn(turn_of(s) if kind == "sigma" else 2.0 * s) for s in scales]
        else:
            if kind == "distance":
                scales = [2.0 * math.sqrt(d * (1.0 - d)) / (1.0 - 2.0 * d) for d in scales]
            width = math.sqrt(replicated_problem(self.model).labels.variance)  # of what noise on the weights meets
            rise = [law.rise_after_noise(width * s) for s in scales]
        out = np.array(rise).reshape(at.shape)
        return float(out) if out.ndim == 0 else out

    def plot(self, ax=None, **style):
        """Draw the entropy per replica against the distance on `ax` or a new figure; returns the axes."""
        from flatphys.plotting import LABELS, new_axes

        ax = new_axes(ax)
        replicas = r"\infty" if self.y == math.inf else f"{self.y:g}"
        around = "" if self.centre is None else f", {self.centre} centre"
        style.setdefault("label", rf"$\alpha={self.alpha:g}$, $y={replicas}${around}")
        order = np.argsort(self.distance)
        ax.plot(self.distance[order], self.value[order], **style)
        ax.set(xlabel=LABELS["distance"], ylabel=LABELS["replicated_entropy.value"])
        return ax

    def _title(self) -> str:
        around = "" if self.centre is None else f" around a {self.centre} centre"
        return f"Replicated entropy of {self.model!r} at alpha={self.alpha:g}, y={self.y:g}{around} (nats per replica and weight)"

    def _rows(self):
        absent = {"R"} if self.generalization_error is None or self.m1 is not None else set()
        names = [name for name in _COLUMNS if getattr(self, name) is not None and name not in absent]
        rows = [("distance", "".join(f"{name:<{_width(name)}}" for name in names).rstrip())]
        for i, d in enumerate(self.distance):
            rows.append((figure(d), "".join(f"{_cell(getattr(self, name)[i]):<{_width(name)}}" for name in names).rstrip()))
        return rows


def _cell(value) -> str:
    return str(value) if isinstance(value, str) else figure(value)


def _width(name: str) -> int:
    return max(18, len(name) + 2)
