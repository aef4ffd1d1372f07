"""Figure: what the energy of a pattern does to the weights (Griniasty & Gutfreund 1991; Franz, Parisi, Sevelev, Urbani & Zamponi 2017).

(a) spherical weights above capacity at margin 1/2: mean energy of a pattern in the ground state, in units of that of random weights.
(b) stabilities of binary weights at the same load and temperature: counting errors gives some patterns up, a convex energy leaves many a
little below the margin.
"""

import math
import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import ReplicaSymmetryWarning
from flatphys.kernels.channels import CODES, channel_scalars
from flatphys.kernels.codes import Channel
from flatphys.model import ENERGIES as EVERY
from flatphys.plotting import style

ENERGIES = [one for one in EVERY if one != "logistic"]  # which knows no margin
MARGIN, LOADS = 0.5, (0.5, 6.0)
BETA, LOAD, RANGE = 4.0, 1.0, (-3.0, 4.0)


def _ground_states(points):
    for energy in ENERGIES:
        model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", MARGIN, energy=energy))
        end = fp.capacity(model)
        _, random = channel_scalars(Channel(CODES[energy], MARGIN, 1e-300), MARGIN, 1.0)  # a pattern that no weight has seen
        for alpha in [*np.geomspace(1.0 + 1e-3, LOADS[1] / end, points) * end]:
            state = fp.ground_state(model, float(alpha))
            stability = state.at_eigenvalue if math.isfinite(state.at_eigenvalue) else None  # of counting errors: -inf
            yield {
                "panel": "a",
                "energy": energy,
                "alpha": state.alpha,
                "train_loss": state.train_loss,
                "of_random_weights": state.train_loss / random,
                "at_eigenvalue": stability,
            }


def _laws(points):
    x = np.unique([*np.linspace(*RANGE, points), 0.0, math.nextafter(0.0, -1.0)])
    for energy in ENERGIES:
        law = fp.margins(fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.0, BETA, energy=energy)), LOAD))
        for place, pdf in zip(x.tolist(), law.pdf(x).tolist()):
            yield {"panel": "b", "energy": energy, "stability": place, "pdf": pdf}


def compute(points: int = 60) -> list[dict]:
    """Records panel, energy; (a) alpha, train_loss, its ratio to random weights, at_eigenvalue of ground states, (b) stability, pdf."""
    with warnings.catch_warnings():  # most of these ground states break replica symmetry: the captions say so
        warnings.simplefilter("ignore", ReplicaSymmetryWarning)
        return [*_ground_states(points), *_laws(4 * points + 1)]


def draw(records: list[dict]):
    """Two panels; in (a) a dashed line where replica symmetry is unstable."""
    figure, (left, right) = style.panels(1, 2, width=style.PAGE, height=2.7)
    for energy, colour in zip(ENERGIES, style.CYCLE):
        x, y = style.select(records, "alpha", "of_random_weights", panel="a", energy=energy)
        stable = np.array(style.select(records, "alpha", "at_eigenvalue", panel="a", energy=energy)[1], dtype=float)
        unstable = ~(stable > 0.0)
        left.plot(x, np.where(unstable, math.nan, y), color=colour)
        unstable[:-1] |= unstable[1:]  # the two parts meet
        left.plot(x, np.where(unstable, y, math.nan), color=colour, ls=(0, (4, 1.5)))
        left.plot([], [], color=colour, label=energy)
        right.plot(*style.select(records, "stability", "pdf", panel="b", energy=energy), color=colour, label=energy)
    left.plot([], [], color=style.GREY, ls=(0, (4, 1.5)), label="unstable within the ansatz")
    left.set(xlim=LOADS, ylim=(0.0, 1.0), xlabel=style.LABELS["alpha"], ylabel="energy per pattern / that of random weights")
    right.set(xlim=RANGE, ylim=(0.0, None), xlabel=style.LABELS["x"], ylabel=style.LABELS["pdf"])
    left.legend(title=rf"(a) spherical ground states, $\kappa={MARGIN:g}$", alignment="left", title_fontsize="small", loc="upper left")
    right.legend(
        title=rf"(b) binary, $\alpha={LOAD:g}$, $\beta={BETA:g}$, $\kappa=0$", alignment="left", title_fontsize="small", loc="upper left"
    )
    return figure
