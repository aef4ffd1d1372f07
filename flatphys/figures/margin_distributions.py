"""Figure: distributions of training stabilities (Kepler & Abbott 1988; Gardner & Derrida 1988; Opper 1988).

(a) typical binary solutions, (b) finite temperature, (c) with a teacher, (d) the limits q -> 1 with an atom.
"""

import math
import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import ReplicaSymmetryWarning
from flatphys.plotting import style

RANGE = (-2.5, 4.0)


def _laws():
    """(panel, label, law, places where its density jumps) of every curve."""
    labels, teacher = fp.RandomLabels(), fp.Teacher()

    def binary(alpha, margin=0.0, beta=math.inf):
        return fp.margins(fp.solve(fp.Model(labels, fp.Gibbs("binary", margin, beta)), alpha)), [margin]

    yield "a", r"$\alpha=0.4$, $\kappa=0$", *binary(0.4)
    yield "a", r"$\alpha=0.8$, $\kappa=0$", *binary(0.8)
    yield "a", r"$\alpha=0.4$, $\kappa=0.3$", *binary(0.4, margin=0.3)
    largest = fp.max_margin(fp.Model(labels, fp.Gibbs("binary")), 0.4)
    yield "a", rf"$\alpha=0.4$, $\kappa_{{\max}}={largest:.3f}$", *binary(0.4, margin=largest * (1.0 - 1e-12))
    for beta in (0.5, 1.0, 2.0, 4.0):
        yield "b", rf"$\beta={beta:g}$", *binary(0.8, beta=beta)
    # A student that knows the rule's own prior and margin has the teacher's law: the two curves coincide.
    found = fp.branches(fp.Model(teacher, fp.Gibbs("binary")), 1.0)
    yield "c", r"teacher: $2\,G(\Delta)$, $\Delta>0$", fp.margins(next(s for s in found if s.branch == "teacher")), [0.0]
    for label, data, learner in (
        (r"student, $\kappa=0$", teacher, fp.Gibbs("spherical")),
        (r"student, $\kappa=0.3$", teacher, fp.Gibbs("spherical", margin=0.3)),
        (r"10% noise, $\beta=2$", fp.Teacher(flip=0.1), fp.Gibbs("spherical", beta=2.0)),
    ):
        yield "c", label, fp.margins(fp.solve(fp.Model(data, learner), 1.0)), [learner.margin]
    state = fp.solve(fp.Model(teacher, fp.MaxMargin()), 1.0)
    yield "d", r"maximum margin (teacher, $\alpha=1$)", fp.margins(state), [state.margin]
    state = fp.ground_state(fp.Model(labels, fp.Gibbs("spherical")), 4.0)
    yield "d", r"ground state (random labels, $\alpha=4$)", fp.margins(state), [-math.sqrt(2.0 * state.beta_one_minus_q), 0.0]


def compute(points: int = 261) -> list[dict]:
    """Records panel, law, stability, pdf, cdf; an atom is a record with its mass and no density."""
    with warnings.catch_warnings():  # the ground state above capacity is only approximately replica symmetric
        warnings.simplefilter("ignore", ReplicaSymmetryWarning)
        laws = list(_laws())
    records = []
    for panel, label, law, jumps in laws:
        x = np.unique([*np.linspace(*RANGE, points), *jumps, *np.nextafter(jumps, -math.inf)])
        records += [
            {"panel": panel, "law": label, "stability": a, "pdf": b, "cdf": c, "atom": None}
            for a, b, c in zip(x.tolist(), law.pdf(x).tolist(), law.cdf(x).tolist())
        ]
        records += [{"panel": panel, "law": label, "stability": place, "cdf": law.cdf(place), "atom": mass} for place, mass in law.atoms]
    return records


def draw(records: list[dict]):
    """Four panels; an atom is an arrow as high as its mass."""
    figure, axes = style.panels(2, 2, width=style.PAGE, height=4.6, sharex=True)
    titles = {
        "a": "(a) typical binary solutions, random labels",
        "b": r"(b) binary weights at temperature $1/\beta$, $\alpha=0.8$",
        "c": r"(c) spherical weights with a teacher, $\alpha=1$",
        "d": r"(d) the limit $q\to 1$, spherical weights",
    }
    for ax, (panel, title) in zip(axes.flat, titles.items()):
        mine = [record for record in records if record["panel"] == panel]
        for law, colour in zip(dict.fromkeys(record["law"] for record in mine), style.CYCLE):
            look = dict(color=style.SKY, lw=3.0) if law.startswith("teacher") else dict(color=colour)
            ax.plot(*style.select(mine, "stability", "pdf", law=law, atom=None), label=law, **look)
            for atom in (record for record in mine if record["law"] == law and record["atom"] is not None):
                place, mass = atom["stability"], atom["atom"]
                ax.annotate("", (place, mass), (place, 0.0), arrowprops=dict(arrowstyle="-|>", color=colour, lw=1.6, shrinkA=0, shrinkB=0))
                side = 1.0 if place > 0.0 else -1.0
                text = dict(color=colour, fontsize="small", va="center", ha="left" if side > 0.0 else "right")
                ax.text(place + 0.12 * side, 0.96 * mass, f"atom of mass {mass:.2f}", **text)
        top = max(record.get("pdf") or record["atom"] or 0.0 for record in mine)
        ax.set(xlim=RANGE, ylim=(0.0, (1.45 if panel == "d" else 1.25) * top))
        ax.legend(title=title, alignment="left", title_fontsize="small", loc="upper left", borderaxespad=0.3)
    for ax in axes[1]:
        ax.set_xlabel(style.LABELS["x"])
    for ax in axes[:, 0]:
        ax.set_ylabel(style.LABELS["pdf"])
    return figure
