"""Figure: the phase diagrams of a binary student with a binary teacher (Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992)."""

from flatphys.phase_diagrams import PhaseDiagram, phase_diagram
from flatphys.plotting import style

NAME = "teacher-student"


def compute() -> list[dict]:
    """Records plane, boundary, equation, and the vertices of every boundary in its order."""
    return phase_diagram(NAME).records()


def draw(records: list[dict]):
    """Left hard constraints against margin, right margin 0 against temperature."""
    figure, (left, right) = style.panels(1, 2, width=style.PAGE, height=3.0)
    diagram = PhaseDiagram.from_records(NAME, records)
    diagram.plot(left, "margin")
    diagram.plot(right, "temperature")
    left.set_title(r"(a) hard constraints, $\beta = \infty$", loc="left")
    right.set_title(r"(b) margin $\kappa = 0$", loc="left")
    return figure
