"""Table: the result of a sweep while it grows, and the xarray.Dataset at its end."""

import functools
import json
import math
import platform

import numpy as np

from flatphys import quantities
from flatphys.sweeps.grid import LOAD, label
from flatphys.sweeps.keys import solver_version
from flatphys.sweeps.point import INTERRUPTED, STATUSES


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
        inner = plan.question.needs_vector or plan.question.along is not None
        self.vectors = {name: self._empty(True) for name in plan.question.always if inner}
        if not inner:
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

    def _worth(self) -> dict:
        """The largest tolerances with which a value was returned, taken out of the variables."""
        found = {q.name: self.scalars.pop(q.name) for q in quantities.TOLERANCES if q.name in self.scalars}
        return {name: float(np.nanmax(values)) for name, values in found.items() if not np.isnan(values).all()}

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

        worth = self._worth()
        self._explain_absent()
        plan, dims, shape = self.plan, self.plan.dims, self.plan.shape
        inner_dims, inner_shape = dims, shape
        if plan.vector is not None and self.along:
            inner_dims, inner_shape = (*dims, plan.vector.dim), (*shape, self.width)
        coords = {axis.dim: ((), axis.labels()[0]) if axis.fixed else (axis.dim, axis.labels()) for axis in plan.axes}
        if plan.vector is not None:
            coords[plan.vector.dim] = (plan.vector.dim, plan.vector.labels()) if self.along else ((), plan.vector.labels()[0])
        data, question = {}, plan.question.name
        rank = functools.partial(quantities.rank, question=question)
        for name in sorted(self.scalars, key=rank):
            data[name if name not in coords else f"{name}_value"] = (dims, self.scalars[name].reshape(shape), _attrs(name, question))
        for name in sorted(self.vectors, key=rank):
            data[name if name not in coords else f"{name}_value"] = (
                inner_dims,
                self.vectors[name].reshape(inner_shape),
                _attrs(name, question),
            )
        if self.branch.any():
            data["branch"] = (dims, self.branch.reshape(shape), {"long_name": "branch of the saddle-point equations"})
        for name, array in (("status", self.status), ("message", self.message)):
            data[name] = (inner_dims, array.reshape(inner_shape), {"long_name": _TEXTS[name]})
        coords = {name: (dim, values, _attrs(name)) for name, (dim, values) in coords.items()}
        table = xarray.Dataset(data, coords, self._about() | worth)
        if plan.question.along is None:
            return table
        found = np.flatnonzero((~np.isnan(self.vectors[question])).any(axis=0))  # room that no point needs is taken away
        return table.isel({plan.vector.dim: slice(found.max(initial=0) + 1)})

    def _about(self) -> dict:
        """What was computed, by what, to which tolerance: texts and numbers only, as netCDF wants them."""
        import numba

        import flatphys

        plan = self.plan
        varied = {axis.key: label(axis.values[0]) if axis.fixed else f"{len(axis.values)} values" for axis in plan.axes}
        if plan.vector is not None:
            varied[plan.vector.key] = f"{self.width} values"
        return {
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


_TEXTS = {"status": "whether and how the values hold", "message": "why there is no value, or why it is formal"}


def _attrs(name, question="") -> dict:
    """Long name and unit; a name that is none of flatphys' own has no unit."""
    quantity = quantities.of(name, question)
    return {"long_name": quantity.words} | ({"units": quantity.unit} if name in quantities.QUANTITIES or quantity.name != name else {})
