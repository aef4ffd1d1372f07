"""Figures as files: panels in the sizes of a page, PNG, PDF and CSV without dates, the same in every run."""

import csv
import io
import os
import pathlib
import tempfile

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from flatphys.plotting import (
    BLACK,
    BLUE,
    COLUMN,
    CYCLE,
    GOLDEN,
    GREEN,
    GREY,
    LABELS,
    ORANGE,
    PAGE,
    PURPLE,
    SKY,
    STYLES,
    VERMILION,
    YELLOW,
    context,
    enlargement,
    letter,
)


def paper():
    """The context in which a figure is drawn and saved for print."""
    return context("paper")


def panels(rows: int = 1, columns: int = 1, width: float = COLUMN, height: float | None = None, **options):
    """(figure, axes) without pyplot, so that no window system is touched; sizes in inches on paper."""
    scale = enlargement()
    figure = Figure(figsize=(scale * width, scale * (width * GOLDEN if height is None else height)))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def plain_ticks(axis, places):
    """Ticks of a logarithmic axis at `places`, written as plain numbers."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def save_figure(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    """PNG or PDF by the suffix, without dates or versions in it."""
    nothing = {".png": {"Software": None}, ".pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:], metadata=nothing[path.suffix])
    return _write(path, picture.getvalue())


def _write(path: pathlib.Path, content: bytes) -> pathlib.Path:
    """The file appears whole or not at all, whenever the process is killed."""
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
            (pathlib.Path(folder) / path.name).write_bytes(content)
            os.replace(pathlib.Path(folder) / path.name, path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None  # the name that the user knows
    return path


def save(figure: Figure, records: list[dict], stem: pathlib.Path) -> list[pathlib.Path]:
    """stem.png, stem.pdf and stem.csv, in a folder made where missing."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [save_figure(figure, stem.with_suffix(suffix)) for suffix in (".png", ".pdf")]
    columns = list(dict.fromkeys(name for record in records for name in record))
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if record.get(name) is None else record[name] for name in columns] for record in records])
    return [*paths, _write(stem.with_suffix(".csv"), table.getvalue().encode())]


def select(records: list[dict], x: str, y: str, **wanted) -> tuple[list, list]:
    """Columns x and y of the records whose other columns have the wanted values."""
    found = [record for record in records if all(record.get(key) == value for key, value in wanted.items())]
    return [record[x] for record in found], [record[y] for record in found]
