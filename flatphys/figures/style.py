"""One look for every figure: sizes of a paper's column, colour-blind-safe colours, labels with units, files without dates."""

import csv
import pathlib

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

COLUMN = 3.386  # inches: one column of a two-column page (86 mm)
PAGE = 7.0  # both columns
GOLDEN = 0.72  # height over width of a single panel

# Okabe & Ito 2008: told apart with every kind of colour vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#7F7F7F"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)

LABELS = {
    "alpha": r"load $\alpha = P/N$",
    "margin": r"margin $\kappa$",
    "stability": r"stability $\Delta$",
    "entropy": "entropy per weight [nats]",
    "free_entropy": "free entropy per weight [nats]",
    "energy": "errors per weight",
    "train_error": "training error",
    "generalization_error": r"generalization error $\epsilon_{\mathrm{g}}$",
    "bayes_error": "error of the majority vote",
    "at_eigenvalue": "replicon eigenvalue",
    "q": "overlap $q$",
    "one_minus_q": "$1 - q$",
    "R": "overlap with the teacher $R$",
    "q_hat": r"conjugate overlap $\hat q$",
    "R_hat": r"conjugate overlap $\hat R$",
    "cosine": "cosine with the teacher",
    "local_energy": r"local energy $\delta E(\sigma)$",
    "relative_flatness": "relative flatness",
}

_RC = {
    "font.family": "STIXGeneral",  # ships with matplotlib, so that every machine draws the same
    "mathtext.fontset": "stix",
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
    "pdf.fonttype": 42,  # editable, searchable text
    "figure.constrained_layout.use": True,
}


def paper():
    """The context in which a figure is drawn and saved: matplotlib's defaults with this style, whatever the user has set."""
    return matplotlib.rc_context({**_defaults(), **_RC})


def _defaults():
    machine = ("backend", "interactive", "date.", "toolbar", "webagg")  # not about looks
    return {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(machine)}


def panels(rows: int = 1, columns: int = 1, width: float = COLUMN, height: float | None = None, **options):
    """(figure, axes) without pyplot, so that no window system is touched."""
    figure = Figure(figsize=(width, width * GOLDEN if height is None else height))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def letter(ax, text: str, x: float = 0.03, y: float = 0.95, ha: str = "left"):
    """A panel's letter or short title, inside it."""
    ax.text(x, y, text, transform=ax.transAxes, ha=ha, va="top")


def plain_ticks(axis, places):
    """Ticks of a logarithmic axis at `places`, written as plain numbers."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def save_figure(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    """PNG or PDF by the suffix, without dates or versions in it."""
    nothing = {".png": {"Software": None}, ".pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    figure.savefig(path, metadata=nothing[path.suffix])
    return path


def save(figure: Figure, records: list[dict], stem: pathlib.Path) -> list[pathlib.Path]:
    """stem.png, stem.pdf and stem.csv, in a folder made where missing."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [save_figure(figure, stem.with_suffix(suffix)) for suffix in (".png", ".pdf")]
    columns = list(dict.fromkeys(name for record in records for name in record))
    table = stem.with_suffix(".csv")
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if record.get(name) is None else record[name] for name in columns] for record in records])
    return [*paths, table]


def select(records: list[dict], x: str, y: str, **wanted) -> tuple[list, list]:
    """Columns x and y of the records whose other columns have the wanted values."""
    found = [record for record in records if all(record.get(key) == value for key, value in wanted.items())]
    return [record[x] for record in found], [record[y] for record in found]
