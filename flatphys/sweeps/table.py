"""Table: the result of a sweep while it grows, and the xarray.Dataset at its end."""

import json
import math
import platform

import numpy as np

from flatphys.model import ERM, Bayes, Hebb, MaxMargin
from flatphys.sweeps.grid import LOAD, label
from flatphys.sweeps.keys import solver_version
from flatphys.sweeps.point import INTERRUPTED, STATUSES

# variable or coordinate -> (long name, unit)
LABELS = {
    "alpha": ("load P/N", "patterns per weight"),
    "margin": ("stability that counts as correct", "1"),
    "beta": ("inverse temperature", "1"),
    "flip": ("probability of an inverted label", "1"),
    "variance": ("variance of each cloud", "1"),
    "positive": ("probability of the label +1", "1"),
    "l2": ("strength of the regularisation", "1"),
    "sigma": ("strength of multiplicative noise on the weights", "1"),
    "distance": ("distance per weight", "1"),
    "overlap": ("overlap", "1"),
    "x": ("stability", "1"),
    "q": ("overlap of two weight vectors (ERM: squared norm per weight)", "1"),
    "one_minus_q": ("1 - q, with all its digits", "1"),
    "q_hat": ("conjugate of q", "1"),
    "R": ("overlap with the teacher", "1"),
    "R_hat": ("conjugate of R", "1"),
    "m": ("overlap with the teacher or the centroids", "1"),
    "V": ("response", "1"),
    "b": ("bias", "1"),
    "free_entropy": ("free entropy", "nats per weight"),
    "entropy": ("entropy", "nats per weight"),
    "value": ("local entropy", "nats per weight"),
    "slope": ("derivative of the free entropy with respect to the overlap", "nats per weight"),
    "external_entropy": ("logarithm of the number of regions", "nats per weight"),
    "region_entropy": ("entropy within one region", "nats per weight"),
    "energy": ("number of errors", "errors per weight"),
    "train_error": ("training error", "fraction of patterns"),
    "train_loss": ("training loss", "per pattern"),
    "generalization_error": ("error on a new example", "probability"),
    "bayes_error": ("Bayes-optimal error on a new example", "probability"),
    "local_energy": ("increase of the training error", "fraction of patterns"),
    "cosine": ("cosine of the angle to the teacher or the centroids", "1"),
    "at_eigenvalue": ("replicon, stable if positive", "1"),
    "residual": ("largest relative violation of the equations", "1"),
    "quadrature_error": ("relative difference between two quadrature rules", "1"),
    "pdf": ("density of the stabilities", "1"),
    "cdf": ("distribution function of the stabilities", "1"),
    "mass_below_zero": ("fraction of stabilities below 0", "1"),
    "relative_flatness": ("|w|^2 Tr Hessian / N of the mean loss", "per pattern"),
    "capacity": ("capacity", "patterns per weight"),
    "at_line": ("load at which the replicon vanishes", "patterns per weight"),
    "separability_threshold": ("separability threshold", "patterns per weight"),
    "flatness_threshold": ("flatness threshold", "patterns per weight"),
    "transition": ("load of the first-order transition", "patterns per weight"),
    "spinodal": ("load at which the student branch ends", "patterns per weight"),
    "lower_spinodal": ("load from which the teacher branch exists", "patterns per weight"),
    "max_margin": ("largest margin", "1"),
    "freezing_beta": ("inverse temperature of vanishing entropy", "1"),
    "optimal_l2": ("regularisation of the smallest generalization error", "1"),
    "largest_overlap": ("largest overlap with error-free weights", "1"),
}

# The same names as variables of some questions mean something else.
_OTHER = {
    ("margins", "mean"): ("mean stability", "1"),
    ("margins", "variance"): ("variance of the stabilities", "1"),
    ("margins", "skewness"): ("skewness of the stabilities", "1"),
    ("margins", "atom_place"): ("place of the heaviest point mass", "1"),
    ("margins", "atom_mass"): ("heaviest point mass", "probability"),
    ("replicated_entropy", "value"): ("entropy per replica", "nats per weight"),
    ("replicated_entropy", "slope"): ("derivative of the entropy per replica with respect to the overlap", "nats per weight"),
    ("solve", "margin"): ("largest smallest stability", "1"),
}


def _tolerances(plan) -> tuple[float, float]:
    """(largest residual, largest quadrature error) of what is returned; nan where the question says nothing of the kind."""
    if plan.question.own:
        return math.nan, math.nan
    learner = plan.model.learner
    if isinstance(learner, (ERM, MaxMargin, Hebb, Bayes)):
        from flatphys.saddle.minimiser.newton import GOOD
        from flatphys.saddle.minimiser.states import QUADRATURE

        return (GOOD, QUADRATURE) if isinstance(learner, ERM) else (1e-10, math.nan)
    if plan.question.name in ("local_entropy", "replicated_entropy"):
        from flatphys.saddle.franz_parisi.point import TOLERANCE

        return TOLERANCE, math.nan
    from flatphys.saddle.equilibrium.states import TOLERANCE

    return tuple(TOLERANCE)


class Table:
    """Arrays of a plan's shape, filled block by block."""

    def __init__(self, plan):
        self.plan = plan
        self.size = plan.size
        self.width = None if plan.vector is None else len(plan.vector.values)
        self.along = plan.vector is not None and not plan.vector.fixed
        shape = (self.size,) if self.width is None else (self.size, self.width)
        self.status = np.full(shape, INTERRUPTED, dtype="<U16")
        self.message = np.full(shape, STATUSES[INTERRUPTED].partition(": ")[2], dtype=object)
        self.branch = np.full(self.size, "", dtype="<U16")
        self.scalars = {}
        self.vectors = {name: self._empty(True) for name in plan.question.always if plan.vector is not None and plan.question.needs_vector}
        if not self.vectors:
            self.scalars = {name: self._empty(False) for name in plan.question.always}
        self.known = {}  # names of a point's values -> number
        self.layout = np.full(self.size, -1, dtype=np.int16)

    def _empty(self, vector):
        return np.full((self.size, self.width) if vector else self.size, math.nan)

    def put(self, block) -> None:
        """Fill in the points of a block."""
        at = self.plan.positions(block.points)
        for names, vector_names, places, scalars, vectors in block.groups:
            rows = at[places]
            for j, name in enumerate(names):
                if name not in self.scalars:
                    self.scalars[name] = self._empty(False)
                self.scalars[name][rows] = scalars[:, j]
            for j, name in enumerate(vector_names):
                if name not in self.vectors:
                    self.vectors[name] = self._empty(True)
                self.vectors[name][rows] = vectors[:, j]
            if names or vector_names:
                self.layout[rows] = self.known.setdefault((names, vector_names), len(self.known))
        for i, row in enumerate(at.tolist()):
            self.status[row] = block.status[i]
            self.message[row] = block.message[i]
        self.branch[at] = block.branch

    def _explain_absent(self):
        """Where a point lacks a variable that others have, its message says that it has none."""
        every = [*self.scalars, *self.vectors]
        for (names, vector_names), number in self.known.items():
            absent = [name for name in every if name not in names and name not in vector_names]
            if absent:
                rows = self.layout == number
                text = f"not defined here: {', '.join(sorted(absent))}"
                silent = rows if self.message.ndim == 1 else rows[:, None]
                self.message[np.broadcast_to(silent, self.message.shape) & (self.message == "")] = text

    def dataset(self):
        """The labelled result."""
        import xarray

        self._explain_absent()
        plan, dims, shape = self.plan, self.plan.dims, self.plan.shape
        inner_dims, inner_shape = dims, shape
        if plan.vector is not None and self.along:
            inner_dims, inner_shape = (*dims, plan.vector.dim), (*shape, self.width)
        coords = {axis.dim: ((), axis.labels()[0]) if axis.fixed else (axis.dim, axis.labels()) for axis in plan.axes}
        if plan.vector is not None:
            coords[plan.vector.dim] = (plan.vector.dim, plan.vector.labels()) if self.along else ((), plan.vector.labels()[0])
        data = {}
        for name in sorted(self.scalars, key=_rank):
            data[name if name not in coords else f"{name}_value"] = (dims, self.scalars[name].reshape(shape), self._attrs(name))
        for name in sorted(self.vectors, key=_rank):
            data[name if name not in coords else f"{name}_value"] = (inner_dims, self.vectors[name].reshape(inner_shape), self._attrs(name))
        if self.branch.any():
            data["branch"] = (dims, self.branch.reshape(shape), {"long_name": "branch of the saddle-point equations"})
        for name, array in (("status", self.status), ("message", self.message)):
            data[name] = (inner_dims, array.reshape(inner_shape), {"long_name": _TEXTS[name]})
        return xarray.Dataset(data, {name: (dim, values, _attrs(name)) for name, (dim, values) in coords.items()}, self._about())

    def _attrs(self, name):
        """Long name and unit of a variable."""
        other = _OTHER.get((self.plan.question.name, name))
        return _attrs(name) if other is None else dict(zip(("long_name", "units"), other))

    def _about(self) -> dict:
        """What was computed, by what, to which tolerance: texts and numbers only, as netCDF wants them."""
        import numba

        import flatphys

        plan = self.plan
        varied = {axis.key: label(axis.values[0]) if axis.fixed else f"{len(axis.values)} values" for axis in plan.axes}
        if plan.vector is not None:
            varied[plan.vector.key] = f"{self.width} values"
        residual, quadrature = _tolerances(plan)
        out = {
            "title": f"flatphys.sweep: {plan.question.name}",
            "model": label(plan.model),
            "question": plan.question.name,
            "options": json.dumps({name: label(value) for name, value in plan.options.items()}, sort_keys=True),
            "axes": json.dumps(varied),
            "loads": "axis" if any(axis.kind == LOAD for axis in plan.axes) else "none",
            "flatphys_version": flatphys.__version__,
            "solver_version": solver_version(),
            "numpy_version": np.__version__,
            "numba_version": numba.__version__,
            "python_version": platform.python_version(),
            "status_meanings": "; ".join(f"{name} - {text}" for name, text in STATUSES.items()),
        }
        for name, value in (("tolerance_residual", residual), ("tolerance_quadrature", quadrature)):
            if not math.isnan(value):
                out[name] = value
        return out


_ORDER = list(LABELS)
_TEXTS = {"status": "whether and how the values hold", "message": "why there is no value, or why it is formal"}


def _rank(name):
    return (_ORDER.index(name), name) if name in LABELS else (len(_ORDER), name)


def _attrs(name):
    if name in LABELS:
        return dict(zip(("long_name", "units"), LABELS[name]))
    return {"long_name": name.replace("_", " ")}
