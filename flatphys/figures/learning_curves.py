"""Figure: generalization error of the teacher-student problem against the load, binary and spherical weights.

Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992; Opper & Haussler 1991 (Bayes); Opper, Kinzel, Kleinz & Nehl 1990
(maximum margin).
"""

import numpy as np

import flatphys as fp
from flatphys.plotting import style


def _record(weights, learner, line, state, error):
    return {"weights": weights, "learner": learner, "line": line, "alpha": state.alpha, "generalization_error": error}


def _binary(points):
    """Every branch of binary weights: the Gibbs and the Bayes error of the same posterior."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    jump = fp.first_order_transition(model)
    near_spinodal = jump.spinodal * (1.0 - np.linspace(0.96, 0.004, points) ** 2)  # the branches meet in a square root
    states = {"student": [], "intermediate": [], "teacher": []}
    start = np.geomspace(1e-4, 0.1, points // 2)  # the Bayes error falls as a square root
    for alpha in sorted([*start.tolist(), *near_spinodal.tolist(), *np.linspace(1.5, 2.0, 6).tolist()]):
        for state in fp.branches(model, alpha):
            states[state.branch].append(state)
    lines = {
        "equilibrium": [s for s in states["student"] if s.alpha < jump.transition] + [jump.at_transition],
        "after the jump": [fp.solve(model, jump.transition + 1e-9)] + [s for s in states["teacher"] if s.alpha > jump.transition],
        "metastable student": [jump.at_transition] + [s for s in states["student"] if s.alpha > jump.transition] + [jump.at_spinodal],
        "intermediate": states["intermediate"] + [jump.at_spinodal],
        "metastable teacher": [s for s in states["teacher"] if s.alpha < jump.transition],
    }
    records = []
    for line, found in lines.items():
        records += [_record("binary", "Gibbs", line, s, s.generalization_error) for s in found]
        records += [_record("binary", "Bayes", line, s, s.bayes_error) for s in found]
    return records


def _spherical(points):
    records = []
    for name, learner in (("Gibbs", fp.Gibbs("spherical")), ("Bayes", fp.Bayes("spherical")), ("max margin", fp.MaxMargin())):
        model = fp.Model(fp.Teacher(), learner)
        found = [fp.solve(model, alpha) for alpha in np.geomspace(0.1, 100.0, points).tolist()]
        records += [_record("spherical", name, "equilibrium", s, s.generalization_error) for s in found]
    return records


def compute(points: int = 60) -> list[dict]:
    """Records weights, learner, line (which branch, in which role), alpha, generalization_error."""
    return _binary(points) + _spherical(points)


def draw(records: list[dict]):
    """Above: binary weights with the jump and every branch; below: spherical weights, both axes logarithmic."""
    figure, (top, bottom) = style.panels(2, 1, height=4.9)
    for learner, colour in (("Gibbs", style.BLUE), ("Bayes", style.VERMILION)):

        def line(name, learner=learner):
            return style.select(records, "alpha", "generalization_error", weights="binary", learner=learner, line=name)

        x, y = line("equilibrium")
        top.plot(x, y, color=colour, label=learner)
        top.plot(*line("metastable student"), color=colour, ls=(0, (4, 1.5)), lw=1.0)
        top.plot(*line("intermediate"), color=colour, ls=(0, (1, 1.2)), lw=1.0)
        top.plot([x[-1], x[-1]], [y[-1], 0.0], color=colour, lw=0.7, alpha=0.6)
    transition, spinodal = x[-1], line("metastable student")[0][-1]
    top.plot(*line("after the jump"), color=style.BLACK, lw=1.6, clip_on=False, zorder=4)
    top.plot(*line("metastable teacher"), color=style.BLACK, ls=(0, (4, 1.5)), lw=1.0, clip_on=False)
    for name, text in (("solid", "equilibrium"), ((0, (4, 1.5)), "metastable"), ((0, (1, 1.2)), "unstable")):
        top.plot([], [], color=style.GREY, ls=name, lw=1.0, label=text)
    for x, text in ((transition, r"$\alpha_{\mathrm{TS}}$"), (spinodal, r"$\alpha_{\mathrm{sp}}$")):
        top.axvline(x, color=style.GREY, lw=0.5, ls=":")
        top.text(x + 0.02, 0.475, f"{text}$ = {x:.3f}$", rotation=90, va="top", fontsize="small")
    top.text(1.98, 0.012, "teacher", ha="right", fontsize="small")
    top.text(0.33, 0.455, "student", fontsize="small")
    top.set(xlim=(0.0, 2.0), ylim=(0.0, 0.5), xlabel=style.LABELS["alpha"], ylabel=style.LABELS["generalization_error"])
    top.legend(loc="lower left", bbox_to_anchor=(0.02, 0.06), title="(a) binary weights", alignment="left", title_fontsize="small")

    limits = {"Gibbs": 0.6247, "max margin": 0.5005, "Bayes": 0.4417}  # alpha * error as alpha -> inf
    for (learner, limit), colour in zip(limits.items(), (style.BLUE, style.GREEN, style.VERMILION)):
        x, y = style.select(records, "alpha", "generalization_error", weights="spherical", learner=learner)
        bottom.loglog(x, y, color=colour, label=learner.replace("max", "maximum"))
        bottom.loglog([3.0, 100.0], [limit / 3.0, limit / 100.0], color=colour, ls=(0, (1, 1.2)), lw=0.8)
    bottom.plot([], [], color=style.GREY, ls=(0, (1, 1.2)), lw=0.8, label=r"$0.625/\alpha$, $0.500/\alpha$, $0.442/\alpha$")
    bottom.set(xlim=(0.1, 100.0), ylim=(0.004, 0.6), xlabel=style.LABELS["alpha"], ylabel=style.LABELS["generalization_error"])
    bottom.legend(loc="lower left", title="(b) spherical weights", alignment="left", title_fontsize="small")
    figure.align_ylabels()
    return figure
