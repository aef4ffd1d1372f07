"""Figure: the phase diagram of the binary perceptron with random labels (Krauth & Mezard 1989; Baldassi et al. 2015, 2021)."""

from flatphys.phase_diagrams import PhaseDiagram, phase_diagram
from flatphys.plotting import style

NAME = "binary-perceptron"


def compute() -> list[dict]:
    """Records plane, boundary, equation, and the vertices of every boundary in its order."""
    return phase_diagram(NAME).records()


def draw(records: list[dict]):
    """Left the whole plane, right the loads and margins at which typical solutions stop being flat."""
    figure, (left, right) = style.panels(1, 2, width=style.PAGE, height=3.0)
    diagram = PhaseDiagram.from_records(NAME, records)
    diagram.plot(left, "margin")
    diagram.plot(right, "flatness")
    left.set_title("(a) capacity, stability, dense regions", loc="left")
    right.set_title("(b) around typical solutions", loc="left")
    return figure
