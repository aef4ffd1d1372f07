"""Plan: what a sweep computes, as labelled axes over fields of the model, the load and options of the question.

Every axis is one of three kinds: "load" (alpha), "field" (a dotted name such as learner.margin) or "option" (of the
question).  A list or array makes a dimension, a single value a coordinate without one.  The dimension is called by
the last part of the name (margin), or by all of it with underscores (learner_margin) where that is taken.
Points are numbered so that those of one model at consecutive loads follow each other.
"""

import dataclasses
import difflib
import functools
import itertools
import math
import numbers
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model import Model, check_model
from flatphys.questions.question import Question

LOAD, FIELD, OPTION = "load", "field", "option"
RESERVED = ("status", "message", "branch")  # variables of every result


def is_list(value) -> bool:
    """Whether a value stands for several."""
    return isinstance(value, (list, tuple, range)) or (hasattr(value, "__array__") and len(getattr(value, "shape", ())) > 0)


def plain(value):
    """The numbers and strings of arrays as Python's, of a decimal its float."""
    value = float(value) if isinstance(value, Decimal) and value.is_finite() else validate.plain(value)
    return value + 0.0 if isinstance(value, float) else value  # -0.0 becomes 0.0: one point, one key


def is_number(value) -> bool:
    """Whether a value is a real number and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_record(value) -> bool:
    """Whether a value has fields (a class has none yet)."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def listed(name: str, value) -> tuple:
    """The values of a list or one-dimensional array."""
    if hasattr(value, "__array__"):
        if validate.masked(value):
            raise InvalidInput(f"{name} must not have masked elements, got {validate.shown(value)}")
        value = np.asarray(value)
        if value.ndim > 1:
            raise InvalidInput(f"{name} must be one value or a one-dimensional list of values, got an array of shape {value.shape}")
    values = tuple(plain(item) for item in value)
    if not values:
        raise InvalidInput(f"{name} must not be empty")
    return values


@dataclass(frozen=True)
class Axis:
    """One coordinate of the result; `fixed` where a single value was given."""

    key: str
    kind: str
    dim: str
    values: tuple
    fixed: bool

    def labels(self) -> np.ndarray:
        """The coordinate: numbers, truth values or texts (objects by their text, numbered where two read alike)."""
        if all(is_number(value) for value in self.values):
            return np.array(self.values, dtype=float)
        if all(isinstance(value, bool) for value in self.values):
            return np.array(self.values)
        texts = [label(value) for value in self.values]
        numbered = zip(texts, (texts[:i].count(text) for i, text in enumerate(texts)))
        return np.array([f"{text} #{before + 1}" if before else text for text, before in numbered])


def label(value) -> str:
    """A value as a text that is the same in every process: functions by their names."""
    if isinstance(value, str):
        return str(value)
    if is_record(value) and type(value).__module__.startswith("flatphys.model"):
        inner = ", ".join(f"{f.name}={_inner(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{type(value).__name__}({inner})"
    if callable(value):
        return getattr(value, "__name__", None) or type(value).__name__
    return validate.shown(value)


def _inner(value):
    return repr(value) if isinstance(value, str) else label(value)


def field_names(value, prefix: str = "") -> list[str]:
    """Dotted names of every field of a model and of what it holds."""
    out = []
    for field in dataclasses.fields(value):
        name = prefix + field.name
        out.append(name)
        inner = getattr(value, field.name)
        if dataclasses.is_dataclass(inner) and type(inner).__module__.startswith("flatphys.model"):
            out += field_names(inner, name + ".")
    return out


def _tree(keys) -> dict:
    """Dotted names as a tree: {"learner": {"margin": {"": index}}}."""
    root = {}
    for i, key in enumerate(keys):
        node = root
        for part in key.split("."):
            node = node.setdefault(part, {})
        node[""] = i
    return root


def _applied(value, tree: dict, new: tuple):
    """`value` with the fields of the tree replaced, each object made once from all its new fields."""
    if "" in tree:
        value = new[tree[""]]
    changes = {}
    for name, inner in tree.items():
        if name:
            if not (is_record(value) and name in {f.name for f in dataclasses.fields(value)}):
                raise InvalidInput(f"{label(value)} has no field {name!r}")
            changes[name] = _applied(getattr(value, name), inner, new)
    return dataclasses.replace(value, **changes) if changes else value


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything a worker needs to compute a point by its number.

    Attributes
    ----------
    model : Model
        The fields that no axis changes.
    question : Question
    axes : tuple of Axis
        In the order of the result's dimensions, the fixed ones included.
    vector : Axis or None
        An option that the question takes whole; the innermost dimension.
    options : dict
        Options that no axis changes.
    """

    model: Model
    question: Question
    axes: tuple
    vector: Axis | None
    options: dict

    def __post_init__(self):
        fields = [i for i, axis in enumerate(self.axes) if axis.kind == FIELD]
        order = {OPTION: 0, FIELD: 1, LOAD: 2}
        rank = sorted(range(len(self.axes)), key=lambda i: order[self.axes[i].kind])
        for name, value in {
            "_fields": fields,
            "_tree": _tree([self.axes[i].key for i in fields]),
            "_rank": rank,
            "_sizes": tuple(len(self.axes[i].values) for i in rank),
            "shape": tuple(len(axis.values) for axis in self.axes if not axis.fixed),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(self._sizes)

    @property
    def dims(self) -> tuple:
        """Names of the dimensions of a scalar."""
        return tuple(axis.dim for axis in self.axes if not axis.fixed)

    def indices(self, points) -> np.ndarray:
        """Index along every axis, one row per point number."""
        points = np.asarray(points)
        out = np.empty((points.size, len(self.axes)), dtype=np.int64)
        if self._rank:
            out[:, self._rank] = np.stack(np.unravel_index(points, self._sizes), axis=1)
        return out

    def positions(self, points) -> np.ndarray:
        """Places in the flattened result, by point number."""
        if not self.shape:
            return np.zeros(np.size(points), dtype=np.int64)
        indices = self.indices(points)
        return np.ravel_multi_index([indices[:, i] for i, axis in enumerate(self.axes) if not axis.fixed], self.shape)

    def model_at(self, index) -> Model:
        """The model at one row of `indices`."""
        return _applied(self.model, self._tree, tuple(self.axes[i].values[index[i]] for i in self._fields))

    def inputs(self, points):
        """(point, model, alpha, options) one after the other; a model is made once for consecutive points that share it."""
        last, model = None, None
        varying = [i for i, axis in enumerate(self.axes) if axis.kind == OPTION]
        load = next((i for i, axis in enumerate(self.axes) if axis.kind == LOAD), None)
        options = dict(self.options)
        if self.vector is not None and self.question.along is None:
            options[self.vector.key] = np.array(self.vector.values, dtype=float)
        for point, index in zip(np.asarray(points).tolist(), self.indices(points).tolist()):
            fields = [index[i] for i in self._fields]
            if fields != last:
                model, last = self.model_at(index), fields
            here = options | {self.axes[i].key: self.axes[i].values[index[i]] for i in varying} if varying else options
            yield point, model, None if load is None else self.axes[load].values[index[load]], here


def plan(model: Model, alpha, question: Question, given: dict) -> Plan:
    """The plan of a sweep; refuses every wrong name and value before any work."""
    check_model(model)
    names = field_names(model)
    axes, options, vector = [], {}, None
    if question.loads is True and alpha is None:
        raise InvalidInput(f"{question.name} is asked at a load: give alpha, a number > 0 or a list of them")
    if question.loads is False and alpha is not None:
        raise InvalidInput(f"{question.name} is not asked at a load: alpha must be left out, got {validate.shown(alpha)}")
    if alpha is not None:
        fixed = not is_list(alpha)
        loads = tuple(validate.load(value) for value in ((alpha,) if fixed else listed("alpha", alpha)))
        axes.append(Axis("alpha", LOAD, "alpha", loads, fixed))
    question.check_names(given, names)
    for key, value in given.items():
        kind = FIELD if key in names or "." in key or key in ("data", "learner") else OPTION
        if kind == OPTION and key in question.vectors:
            many = listed(key, value) if is_list(value) else (plain(value),)
            vector = Axis(key, OPTION, key, question.checked(key, many), not is_list(value))
            continue
        values = listed(key, value) if is_list(value) else (plain(value),)
        if kind == OPTION:
            values = tuple(question.checked(key, item) for item in values)
            if not is_list(value):
                options[key] = values[0]
                continue
        axes.append(Axis(key, kind, key, values, not is_list(value)))
    if question.along is not None:
        name, size = question.along
        vector = Axis(name, OPTION, name, tuple(range(1, size + 1)), False)
    axes, vector = _named(axes, vector)
    out = Plan(model, question, axes, vector, options)
    _check_models(out, names)
    return dataclasses.replace(out, axes=tuple(_spelled(axis, i, out) for i, axis in enumerate(axes)))


def _spelled(axis: Axis, at: int, plan: Plan) -> Axis:
    """The axis with names as the model spells them (`squared_hinge` is `squared-hinge`), for coordinates that can be selected."""
    if axis.kind != FIELD or not any(isinstance(value, str) for value in axis.values):
        return axis
    first = [0] * len(plan.axes)
    models = [plan.model_at(first[:at] + [i] + first[at + 1 :]) for i in range(len(axis.values))]
    return dataclasses.replace(axis, values=tuple(functools.reduce(getattr, axis.key.split("."), model) for model in models))


def check_field(key: str, names: list[str], model: Model) -> None:
    """Refuse a dotted name that no field has."""
    if key not in names:
        near = difflib.get_close_matches(key, names, 1) or [n for n in names if n.rpartition(".")[2] == key.rpartition(".")[2]]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(f"{key!r} is no field of {model!r}; its fields are {', '.join(names)}{hint}")


def _named(axes, vector):
    """The axes with dimension names: the last part of a name, all of it where that is taken."""
    taken = [a.key for a in axes if a.kind != FIELD] + ([vector.key] if vector else []) + list(RESERVED)
    short = [a.key.rpartition(".")[2] for a in axes if a.kind == FIELD]
    out = []
    for axis in axes:
        last = axis.key.rpartition(".")[2]
        clash = axis.kind == FIELD and (last in taken or short.count(last) > 1)
        out.append(dataclasses.replace(axis, dim=axis.key.replace(".", "_") if clash else last))
    return tuple(out), vector


def _check_models(plan: Plan, names) -> None:
    """Make every model once: a value out of its range, or a pair that excludes each other, is refused here."""
    fields = [plan.axes[i] for i in plan._fields]
    allowed = list(names)
    for axis in fields:  # objects on an axis bring fields of their own
        for value in axis.values:
            if is_record(value):
                allowed += [f"{axis.key}.{name}" for name in field_names(value)]
    for axis in fields:
        check_field(axis.key, list(dict.fromkeys(allowed)), plan.model)
    for values in itertools.product(*(axis.values for axis in fields)):
        try:
            _applied(plan.model, plan._tree, values)
        except InvalidInput as error:
            where = ", ".join(f"{axis.key}={label(value)}" for axis, value in zip(fields, values))
            raise InvalidInput(f"{error} (at {where})") from None
