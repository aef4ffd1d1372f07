"""Figure: the phase diagram of the spherical perceptron with random labels (Gardner 1988; Franz & Parisi 2016)."""

from flatphys.phase_diagrams import PhaseDiagram, phase_diagram
from flatphys.plotting import style

NAME = "spherical-perceptron"


def compute() -> list[dict]:
    """Records plane, boundary, equation, and the vertices of every boundary in its order."""
    return phase_diagram(NAME).records()


def draw(records: list[dict]):
    """Loads on a logarithmic abscissa."""
    figure, ax = style.panels(height=2.9)
    PhaseDiagram.from_records(NAME, records).plot(ax)
    return figure
