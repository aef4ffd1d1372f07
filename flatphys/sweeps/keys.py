"""Where a point lies in a store: a problem (everything that is not a number) and a place (every number of the model).

The problem is a JSON text: question, options, the model without its numbers, and the fingerprint of the sources that computed it.
The place is the load and the model's numbers as binary floats, so that equal numbers are the same point and no others.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.sweeps.grid import LOAD, OPTION, is_number, label

_PACKAGE = pathlib.Path(__file__).parents[1]
# Rooms in which no number of a point arises.  Any other source counts, a new room from its first day: forgetting one would
# mean stale numbers, counting one too many costs a computation.
SILENT = ("__main__.py", "cli", "comparison", "display.py", "figures", "phase_diagrams", "plotting")


@functools.cache
def fingerprint(without: tuple = ()) -> str:
    """Hash of the package's sources but for some rooms."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        place = path.relative_to(_PACKAGE)
        if place.parts[0] not in without:
            digest.update(place.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def solver_version() -> str:
    """Hash of the sources that compute numbers."""
    return fingerprint(SILENT)


def canonical(value, name: str):
    """An option or field as JSON, every float with all its digits; functions have no key."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if is_number(value):
        return repr(float(value))
    if isinstance(value, (tuple, list, np.ndarray)):
        return [canonical(item, name) for item in value]
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith("flatphys.model"):
        return {"kind": type(value).__name__, **{f.name: canonical(getattr(value, f.name), name) for f in dataclasses.fields(value)}}
    raise InvalidInput(
        f"{name}={label(value)} cannot be stored: a function or object of one's own has no key that tells its versions apart; drop store"
    )


def _numbers(value, prefix=""):
    """(dotted name, number) of every number of a model."""
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if is_number(inner):
            yield prefix + field.name, float(inner)
        elif dataclasses.is_dataclass(inner) and type(inner).__module__.startswith("flatphys.model"):
            yield from _numbers(inner, f"{prefix}{field.name}.")


def _without_numbers(value):
    """A model as JSON without its numbers."""
    out = {"kind": type(value).__name__}
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if dataclasses.is_dataclass(inner) and type(inner).__module__.startswith("flatphys.model"):
            out[field.name] = _without_numbers(inner)
        elif not is_number(inner):
            out[field.name] = canonical(inner, field.name)
    return out


class Keys:
    """The keys of a plan's points."""

    def __init__(self, plan):
        if plan.question.own and plan.question.version is None:
            raise InvalidInput(
                f"a question of one's own is stored only with a version: set {plan.question.name}.version = '1', "
                f"another text whenever it changes, or drop store"
            )
        self._plan = plan
        self._bases = {}
        self._load = next((i for i, axis in enumerate(plan.axes) if axis.kind == LOAD), None)
        # Axes whose values are all numbers move a place; any other axis changes the problem.
        self._moving = [i for i in plan._fields if all(is_number(value) for value in plan.axes[i].values)]
        self._naming = [i for i in range(len(plan.axes)) if i not in self._moving and i != self._load]

    def of(self, points):
        """[(problem, places in `points`, places as bytes)], one entry per problem that occurs."""
        plan, indices = self._plan, self._plan.indices(points)
        if self._naming:
            combos, inverse = np.unique(indices[:, self._naming], axis=0, return_inverse=True)
        else:
            combos, inverse = np.zeros((1, 0)), np.zeros(len(indices), dtype=int)
        for number, combo in enumerate(combos.tolist()):
            rows = np.flatnonzero(inverse.ravel() == number)
            if not rows.size:
                continue
            key = tuple(combo)
            if key not in self._bases:
                self._bases[key] = self._base(indices[rows[0]].tolist())
            problem, base, columns = self._bases[key]
            places = np.tile(base, (rows.size, 1))
            for i, column in columns.items():
                places[:, column] = np.array(plan.axes[i].values, dtype=float)[indices[rows, i]]
            raw, width = (places + 0.0).astype("<f8").tobytes(), 8 * base.size
            yield problem, rows, [raw[j : j + width] for j in range(0, len(raw), width)]

    def _base(self, index):
        """(problem as text, its place at this index, column of every moving axis)."""
        plan = self._plan
        model = plan.model_at(index)
        numbers = dict(_numbers(model))
        names = [*(["alpha"] if self._load is not None else []), *numbers]
        base = np.array([0.0] * (self._load is not None) + list(numbers.values()))
        columns = {i: names.index(plan.axes[i].key) for i in self._moving}
        if self._load is not None:
            columns[self._load] = 0
        options = dict(plan.options) | {axis.key: axis.values[index[i]] for i, axis in enumerate(plan.axes) if axis.kind == OPTION}
        if plan.vector is not None:
            options[plan.vector.key] = plan.vector.values
        question = plan.question
        problem = {
            "question": question.name,
            "own": question.version,
            "options": {name: canonical(value, name) for name, value in sorted(options.items())},
            "model": _without_numbers(model),
            "place": names,
            "solver": solver_version(),
        }
        return json.dumps(problem, sort_keys=True, separators=(",", ":")), base, columns
