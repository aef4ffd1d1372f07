"""How objects print: aligned text in a terminal, a small table in a notebook."""

import html
from typing import Any


def figure(value: Any) -> str:
    """A number with ten significant digits, anything else as it is."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float) or hasattr(value, "__float__"):
        return f"{float(value):.10g}"
    return str(value)


def text_table(title: str, rows: list[tuple[str, str]]) -> str:
    """Two aligned columns under a title."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([title] + [f"  {name:<{width}}  {value}" for name, value in rows])


class Table:
    """Prints as a titled table of two columns: a subclass gives `_title()` and `_rows()`."""

    def _title(self) -> str:
        return type(self).__name__

    def _rows(self) -> list[tuple[str, str]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return text_table(self._title(), self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._rows())


def html_table(title: str, rows: list[tuple[str, str]]) -> str:
    """The same as an HTML table with a caption."""
    body = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left;font-family:monospace'>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption>{html.escape(title)}</caption><tbody>{body}</tbody></table>"
