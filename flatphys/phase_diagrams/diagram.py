"""PhaseDiagram: the boundaries of a plane of parameters as arrays, and how they are drawn."""

import importlib
from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.values import Value

TITLES = {
    "binary-perceptron": "Binary perceptron: capacity, stability and flatness in the plane of load and margin",
    "spherical-perceptron": "Spherical perceptron: capacity, stability and one-step RSB in the plane of load and margin",
    "teacher-student": "Binary student of a binary teacher: first-order transition and spinodals against margin and temperature",
    "gaussian-mixture": "Gaussian mixture: separability, Bayes error and best regularisation in the plane of load and variance",
}


def names() -> tuple[str, ...]:
    """The diagrams' names, as on the command line."""
    return tuple(TITLES)


def check(name: str) -> str:
    """`name` as it is listed (underscores are read as hyphens); raises `InvalidInput` where it is unknown."""
    return validate.choice("phase diagram", name.replace("_", "-") if isinstance(name, str) else name, names())


def load(name: str):
    """The module of a diagram.

    PLANES (name -> Frame), SHOWN (plane -> names of the boundaries drawn in it), `look(name)` (how a boundary is drawn),
    `boundaries()` (plane, name, equation, rows of each) and `decorate(axes, plane, boundaries)` (regions, labels, legend).
    """
    return importlib.import_module(f"flatphys.phase_diagrams.{check(name).replace('-', '_')}")


@dataclass(frozen=True, eq=False)
class Boundary(Value):
    """One curve of a phase diagram.

    Attributes
    ----------
    plane, name : str
        The plane in which it lies, and what it is.
    equation : str
        What holds at every vertex.
    columns : dict of arrays
        The plane's two coordinates and what else is known at the vertices, in the curve's order; also attributes.
    """

    plane: str
    name: str
    equation: str
    columns: dict

    def __getattr__(self, name):
        columns = self.__dict__.get("columns", {})
        if name in columns:
            return columns[name]
        raise AttributeError(f"this boundary has no {name!r}; its columns are {', '.join(columns)}")

    def __len__(self):
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True, eq=False, repr=False)
class PhaseDiagram(Table):
    """The boundaries of one model's phases.

    Attributes
    ----------
    name, title : str
    boundaries : tuple of Boundary
        `diagram[name]` is the boundary of that name.
    """

    name: str
    title: str
    boundaries: tuple

    def __getitem__(self, name: str) -> Boundary:
        found = {boundary.name: boundary for boundary in self.boundaries}
        return found[validate.choice("boundary", name, tuple(found))]

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes' names."""
        return tuple(load(self.name).PLANES)

    def records(self) -> list[dict]:
        """One dict a vertex, as in the CSV."""
        out = []
        for b in self.boundaries:
            for values in zip(*(column.tolist() for column in b.columns.values())):
                out.append({"plane": b.plane, "boundary": b.name, "equation": b.equation, **dict(zip(b.columns, values))})
        return out

    @classmethod
    def from_records(cls, name: str, records: list[dict]) -> "PhaseDiagram":
        """The diagram whose `records` these are."""
        groups = {}
        for record in records:
            groups.setdefault((record["plane"], record["boundary"], record["equation"]), []).append(record)
        own = ("plane", "boundary", "equation")
        boundaries = tuple(
            Boundary(*key, {column: np.array([row[column] for row in rows], dtype=float) for column in rows[0] if column not in own})
            for key, rows in groups.items()
        )
        return cls(check(name), TITLES[check(name)], boundaries)

    def plot(self, ax=None, plane: str | None = None):
        """Draw one plane (the first one if none is named) with its regions on `ax` or a new figure; returns the axes."""
        from flatphys.plotting import new_axes

        module = load(self.name)
        plane = next(iter(module.PLANES)) if plane is None else validate.choice("plane", plane, tuple(module.PLANES))
        ax = new_axes(ax)
        frame = module.PLANES[plane]
        mine = {name: self[name] for name in module.SHOWN[plane]}
        ax.set(xlim=frame.xlim, ylim=frame.ylim, xscale="log" if frame.xlog else "linear", yscale="log" if frame.ylog else "linear")
        for name, boundary in mine.items():
            ax.plot(boundary.columns[frame.x], boundary.columns[frame.y], **module.look(name))
        module.decorate(ax, plane, mine)
        return ax

    def _title(self):
        return self.title

    def _rows(self):
        module, rows = load(self.name), []
        for b in self.boundaries:
            frame = module.PLANES[b.plane]
            spans = [
                f"{name} {figure(float(b.columns[name].min()))} to {figure(float(b.columns[name].max()))}" for name in (frame.x, frame.y)
            ]
            rows.append((b.name, f"{len(b)} vertices, {', '.join(spans)}; {b.equation}"))
        return rows


def phase_diagram(name: str) -> PhaseDiagram:
    """The boundaries of a phase diagram, each a curve whose vertices solve its equation to 1e-8.

    Parameters
    ----------
    name : str
        "binary-perceptron", "spherical-perceptron", "teacher-student" or "gaussian-mixture".

    Examples
    --------
    >>> import flatphys as fp
    >>> diagram = fp.phase_diagram("spherical-perceptron")
    >>> gardner = diagram["Gardner capacity"]
    >>> bool(abs(gardner.alpha[gardner.margin == 0.0][0] - 2.0) < 1e-12)
    True
    """
    module = load(name)
    found = []
    for plane, boundary, equation, rows in module.boundaries():
        columns = {key: np.array([row[key] for row in rows], dtype=float) for key in rows[0]}
        found.append(Boundary(plane, boundary, equation, columns))
    return PhaseDiagram(check(name), TITLES[check(name)], tuple(found))
