"""local_entropy(state, ...): how many solutions surround a given one, as a function of distance (Franz-Parisi).

A reference w~ is drawn from the state; counted are the weights w with overlap p = w.w~/N (Hamming distance
d = (1-p)/2 per weight) that reach `margin` on the same patterns, or at finite `beta` are weighted by
exp(-beta sum of energies), the energy of a pattern being one of `model.ENERGIES` whatever that of the reference:

    free_entropy(p) = (1/N) E log Z(p),     value = free_entropy + beta energy,     energy = alpha train_loss

Binary: log counts.  Spherical: log volumes relative to the uniform measure on the whole sphere, the
constraint included ((1/2) log(1-p^2) without patterns).
Sources: Franz & Parisi 1995; Huang & Kabashima 2014; Baldassi et al., PRL 127 278301 (2021).
"""

import math
import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.answers import answer_for
from flatphys.display import Table, figure
from flatphys.errors import NegativeEntropyWarning, Unsatisfiable
from flatphys.kernels.channels import walled
from flatphys.kernels.codes import Channel
from flatphys.model import ENERGIES, Gibbs, Teacher
from flatphys.problem import channel_of
from flatphys.saddle.franz_parisi import curve
from flatphys.saddle.franz_parisi.point import TOLERANCE
from flatphys.saddle.franz_parisi.reference import is_teacher
from flatphys.state import NEGATIVE_ENTROPY, State

NUMBERS = (
    "value",
    "free_entropy",
    "slope",
    "energy",
    "train_loss",
    "train_error",
    "q1",
    "t",
    "R1",
    "at_eigenvalue",
    "residual",
    "quadrature_error",
)


@dataclass(frozen=True, eq=False, repr=False)
class LocalEntropy(Table):
    """The local entropy around `reference` at each overlap; all fields are arrays of one shape.

    Attributes
    ----------
    reference : State
    margin, beta : float
        Of the weights that are counted.
    overlap, distance
        p and d = (1-p)/2.
    value, free_entropy
        In nats per weight; value = free_entropy + beta * energy.
    slope
        d free_entropy / d overlap.
    energy, train_loss, train_error
        Of the counted weights: energy = alpha * train_loss, the mean energy of a pattern, the fraction of patterns below the margin.
    q1, t, R1
        Overlaps of a counted weight with another one, with another reference, with the teacher (nan without).
    at_eigenvalue
        Replicon of the counted weights, stable iff > 0.
    residual, quadrature_error
        What the numbers are worth.
    status
        "ok" (also where the value is a negative count), "no_solution" (the saddle does not exist there; for binary
        tree committees of an activation that jumps also: among negative counts too deep to be followed),
        "unsat" (no such weights: the numbers are nan).
    cost : str
        The energy of a pattern by name.
    tolerance, quadrature_tolerance : float
        What `residual` and `quadrature_error` had to stay below.
    """

    reference: State
    margin: float
    beta: float
    overlap: np.ndarray
    distance: np.ndarray
    value: np.ndarray
    free_entropy: np.ndarray
    slope: np.ndarray
    energy: np.ndarray
    train_loss: np.ndarray
    train_error: np.ndarray
    q1: np.ndarray
    t: np.ndarray
    R1: np.ndarray
    at_eigenvalue: np.ndarray
    residual: np.ndarray
    quadrature_error: np.ndarray
    status: np.ndarray
    cost: str = "errors"
    tolerance: float = math.nan
    quadrature_tolerance: float = math.nan
    extra: dict = field(default_factory=dict)

    def __getattr__(self, name):
        extra = self.__dict__.get("extra", {})
        if name in extra:
            return extra[name]
        raise AttributeError(f"a local entropy has no {name!r}")

    def _title(self):
        beta = "" if self.beta == math.inf else f", beta {self.beta:g} of {self.cost}"
        around = f"{self.reference.model!r}, alpha {self.reference.alpha:g} ({self.reference.branch})"
        return f"Local entropy at margin {self.margin:g}{beta} around {around}, nats per weight"

    def _rows(self):
        columns = ("distance", "value", "slope", "q1", "status")
        rows = [("overlap", " ".join(f"{name:>16}" for name in columns))]
        arrays = [np.ravel(getattr(self, name)) for name in columns]
        for i, p in enumerate(np.ravel(self.overlap)):
            rows.append((figure(p), " ".join(f"{a[i] if isinstance(a[i], str) else figure(a[i]):>16}" for a in arrays)))
        return rows

    def plot(self, ax=None, **style):
        """Draw the local entropy against the distance on `ax` or a new figure (broken where there is no value); returns the axes."""
        from flatphys.plotting import LABELS, new_axes

        ax = new_axes(ax)
        order = np.argsort(np.ravel(self.distance))
        ax.plot(np.ravel(self.distance)[order], np.ravel(self.value)[order], **style)
        ax.set(xlabel=LABELS["distance"], ylabel=LABELS["value"])
        return ax


def counted_channel(margin, beta, energy="errors") -> Channel:
    """The channel by which weights are counted; raises `InvalidInput`, and `Unsatisfiable` where no weights can have energy 0."""
    margin = validate.number("margin", margin)
    beta = validate.number("beta", beta, 0.0, infinite=True)
    channel = channel_of(validate.choice("energy", energy, ENERGIES), margin, beta)
    if not walled(channel.energy) and beta == math.inf:
        raise Unsatisfiable(
            f"energy {energy!r} at beta = inf asks for weights that cost nothing on every pattern, of which there are none: "
            "give a finite beta, or energy 'squared-hinge'"
        )
    return channel


def around_gibbs(state: State) -> bool:
    """Whether the references are Gibbs-typical weights, or the teacher itself, and not a trained rule."""
    return is_teacher(state) or isinstance(state.model.learner, Gibbs)


def _solved(state, overlap, distance, channel):
    """Columns and status at flat arrays of overlaps."""
    if around_gibbs(state):
        return curve.local_entropies(state, distance, channel)
    from flatphys.saddle.franz_parisi.trained import local_entropies

    return local_entropies(state, overlap, channel)


def local_entropy(
    state: State,
    *,
    overlap: ArrayLike | None = None,
    distance: ArrayLike | None = None,
    margin: float = 0.0,
    beta: float = math.inf,
    energy: str = "errors",
) -> LocalEntropy:
    """The local entropy around a reference drawn from `state`.

    Parameters
    ----------
    state : State
        A Gibbs-typical state (`solve`), of a perceptron or a tree committee, or the teacher itself (`teacher_state`); or a trained rule.
        Or weights on instances (`instances.measure(weights)`): counted by message passing, arrays (count, distances).
    overlap : number or array in (-1, 1)
        p = w.w~/N between the counted weights and the reference; or
    distance : number or array in (0, 1)
        d = (1 - p)/2, for binary weights the fraction that differs.
    margin, beta, energy
        Of the counted weights, as in `Gibbs`; at beta = inf every pattern must reach the margin.

    Returns
    -------
    LocalEntropy
        Arrays of the shape of the argument.  The grid is solved in a stable order, whatever order is given.

    Raises
    ------
    InvalidInput
        An argument is out of its range or of the wrong type.
    Unsatisfiable
        The reference does not exist (its entropy is negative), or no weights can have energy 0 ("square" at beta = inf).
    NotConverged
        The equations could not be solved to tolerance.

    Warns
    -----
    NegativeEntropyWarning
        Where a count of binary weights is negative: the formal value is given, status "ok".

    Examples
    --------
    >>> import flatphys as fp
    >>> state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.5)
    >>> fp.local_entropy(state, distance=[0.2]).value.round(10)
    array([0.2659023886])
    """
    if (answer := answer_for("local_entropy", state)) is not None:
        return answer(state, overlap=overlap, distance=distance, margin=margin, beta=beta, energy=energy)
    validate.instance("state", state, (State,))
    energy = validate.choice("energy", energy, ENERGIES)
    channel = counted_channel(margin, beta, energy)
    distance, overlap = validate.separation(overlap, distance)
    found = _solved(state, overlap.ravel(), distance.ravel(), channel)
    found = {name: np.asarray(column).reshape(distance.shape) for name, column in found.items()}
    status = found.pop("status")
    found["energy"] = state.alpha * found["train_loss"]
    if "m1" in found and isinstance(state.model.data, Teacher):
        found["R1"] = found["m1"]
    arrays = {name: found.pop(name) if name in found else np.full(distance.shape, math.nan) for name in NUMBERS}
    negative = int((arrays["value"] < NEGATIVE_ENTROPY).sum())
    if negative and getattr(state.model.learner, "weights", None) == "binary":
        warnings.warn(
            f"the local entropy of binary weights is negative at {negative} of {distance.size} distances: "
            f"no such weights exist there, the values are the formal continuation",
            NegativeEntropyWarning,
            stacklevel=2,
        )
    worth = dict(zip(("tolerance", "quadrature_tolerance"), TOLERANCE, strict=True))
    at = state, channel.margin, channel.beta, overlap, distance
    return LocalEntropy(*at, **arrays, status=status, cost=energy, **worth, extra=found)


__all__ = ["LocalEntropy", "local_entropy"]
