"""One look for every picture: colours for every kind of colour vision and for grey print, labels with units, two sizes.

`context("paper")` is the column of a two-column page (86 mm, text of 9 points, PDF with embedded, searchable fonts);
`context("notebook")` the same drawing for a screen: 1.7 times as wide, text of 12 points, PNG of 150 dpi.
"""

import matplotlib

from flatphys import validate
from flatphys.quantities import QUANTITIES

COLUMN = 3.386  # inches: one column of a two-column page (86 mm)
PAGE = 7.0  # both columns
GOLDEN = 0.72  # height over width of a single panel
STYLES = ("paper", "notebook")

# Okabe & Ito 2008: told apart with every kind of colour vision; lines that meet differ in dashes too, for grey print.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#7F7F7F"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)

LABELS = {name: quantity.label for name, quantity in QUANTITIES.items()}

_RC = {
    "font.family": "STIXGeneral",  # ships with matplotlib, so that every machine draws the same
    "mathtext.fontset": "stix",
    "figure.figsize": (COLUMN, COLUMN * GOLDEN),
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.labelspacing": 0.3,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # embedded, editable, searchable text
    "figure.constrained_layout.use": True,
}
_SCREEN, _TEXT = 1.7, 4.0 / 3.0  # of the figure's size and of its text, in a notebook
_LARGER = (
    "font.size",
    "axes.labelsize",
    "axes.titlesize",
    "legend.fontsize",
    "xtick.labelsize",
    "ytick.labelsize",
    "lines.linewidth",
    "lines.markersize",
)
_NOTEBOOK = {
    **{name: _RC[name] * _TEXT for name in _LARGER},
    "figure.figsize": tuple(_SCREEN * length for length in _RC["figure.figsize"]),
    "axes.linewidth": 0.8,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "savefig.dpi": 150,
    "figure.dpi": 100,
}


def context(style: str = "paper"):
    """The matplotlib context of a style: its defaults with these settings, whatever the user has set."""
    validate.choice("style", style, STYLES)
    return matplotlib.rc_context({**_defaults(), **_RC, **(_NOTEBOOK if style == "notebook" else {})})


def _defaults():
    machine = ("backend", "interactive", "date.", "toolbar", "webagg")  # not about looks
    return {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(machine)}


def enlargement() -> float:
    """How much larger than on paper the figures of the present context are."""
    return matplotlib.rcParams["figure.figsize"][0] / COLUMN


def new_axes(ax=None):
    """`ax`, or the axes of a new figure of the user's own settings: what every `plot()` draws on."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(constrained_layout=True)[1]


def letter(ax, text: str, x: float = 0.03, y: float = 0.95, ha: str = "left"):
    """A panel's letter or short title, inside it."""
    ax.text(x, y, text, transform=ax.transAxes, ha=ha, va="top")
