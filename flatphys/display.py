"""How objects print: aligned text in a terminal, a small table in a notebook."""

import html
from typing import Any, TextIO

from flatphys.values import Value


def figure(value: Any) -> str:
    """A number with ten significant digits, anything else as it is."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float) or hasattr(value, "__float__"):
        return f"{float(value):.10g}"
    return str(value)


def text_table(title: str, lines: list) -> str:
    """Aligned columns under a title."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([title, *("  " + line for line in aligned)])


class Table(Value):
    """A result that prints as a titled table of two columns: a subclass gives `_title()` and `_rows()`."""

    def _title(self) -> str:
        return type(self).__name__

    def _rows(self) -> list[tuple[str, str]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return text_table(self._title(), self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._rows())


def html_table(title: str, lines: list) -> str:
    """An HTML table with a caption; the first cell of a line is its head."""
    body = "".join(
        f"<tr><th style='text-align:left'>{html.escape(head)}</th>"
        + "".join(f"<td style='text-align:left;font-family:monospace'>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for head, *cells in lines
    )
    return f"<table><caption>{html.escape(title)}</caption><tbody>{body}</tbody></table>"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at a standard stream (None where it is closed)."""
    return stream is not None and stream.isatty()
