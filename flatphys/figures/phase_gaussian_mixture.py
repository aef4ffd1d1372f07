"""Figure: the phase diagrams of two Gaussian clouds, balanced and not (Mignacco, Krzakala, Lu, Urbani & Zdeborova 2020)."""

from flatphys.phase_diagrams import PhaseDiagram, phase_diagram
from flatphys.phase_diagrams.gaussian_mixture import UNBALANCED
from flatphys.plotting import style

NAME = "gaussian-mixture"


def compute() -> list[dict]:
    """Records plane, boundary, equation, and the vertices of every boundary in its order."""
    return phase_diagram(NAME).records()


def draw(records: list[dict]):
    """Left balanced classes, right unbalanced ones with a bias and the contours of the best l2."""
    figure, (left, right) = style.panels(1, 2, width=style.PAGE, height=3.4)
    diagram = PhaseDiagram.from_records(NAME, records)
    diagram.plot(left, "balanced")
    diagram.plot(right, "unbalanced")
    left.set_title(r"(a) balanced: best penalty $\lambda \to \infty$ everywhere", loc="left")
    right.set_title(f"(b) {UNBALANCED:.0%} of labels positive, with a bias", loc="left")
    handles = [line for line in right.lines if not line.get_label().startswith("_")]
    for ax in (left, right):
        ax.get_legend().remove()
    figure.legend(handles, [line.get_label().replace(" (with bias)", "") for line in handles], loc="outside upper center", ncols=3)
    return figure
