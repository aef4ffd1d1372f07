"""How commands end and what they print: exit status, warnings, JSON, CSV, tables, progress."""

import functools
import inspect
import json
import math
import pathlib
import re
import sys
import warnings
from contextlib import contextmanager

import typer
from typer.core import TyperCommand

from flatphys.display import is_terminal
from flatphys.errors import FlatphysError, InvalidInput

INTERRUPTED = 130  # as shells report a program that Ctrl-C ended
_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)")


class Command(TyperCommand):
    """A command whose positional arguments may be negative numbers (to be refused by name, not as an unknown option)."""

    def parse_args(self, ctx, args):
        """Move negative numbers that are not the value of an option behind `--`."""
        takes_value = {name for p in self.params if not getattr(p, "is_flag", True) for name in p.opts}
        plain, negative = [], []
        for i, arg in enumerate(args):
            if arg == "--":
                negative += args[i + 1 :]
                break
            loose = _NEGATIVE.match(arg) and not (i and args[i - 1] in takes_value)
            (negative if loose else plain).append(arg)
        return super().parse_args(ctx, [*plain, "--", *negative] if negative else plain)


# The library's message names the functions to call; this names the commands.
_BEYOND = (
    "two questions remain beyond capacity: `flatphys threshold ground-state` asks for the least energy, "
    "`--beta 10` for weights that may err at a price"
)


def fail(message, status: int, hint: str | None = None):
    """One sentence on stderr, perhaps a hint, and out."""
    typer.echo(f"error: {message}", err=True)
    if hint:
        typer.echo(f"hint: {hint}", err=True)
    raise typer.Exit(status) from None


def examples(*lines: str) -> str:
    """The end of a help text: one command a line, not rewrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  flatphys {line}" for line in lines)


def command(app: typer.Typer, name: str, *lines: str):
    """Register a command of `app` with lines of examples: errors become one sentence and an exit status."""

    def register(function):
        @functools.wraps(function)
        def run(**given):
            try:
                return function(**given)
            except typer.Exit:
                raise
            except InvalidInput as error:
                fail(error, 2)
            except FlatphysError as error:
                fail(error, 1, _BEYOND if "ground_state(" in str(error) else None)
            except OSError as error:
                fail(f"cannot write {error.filename or 'the output'}: {error.strerror or error}", 1)
            except Exception as error:
                if hasattr(sys.modules.get("numba"), "njit"):
                    raise
                fail(f"numba cannot be loaded ({error}); look at the environment's variables NUMBA_...", 1)

        run.__signature__ = inspect.signature(function)
        app.command(name, cls=Command, epilog=examples(*lines))(run)
        return function

    return register


@contextmanager
def collected_warnings():
    """Collect the library's warnings in a list of {category, message}; print each kind once, on stderr, at the end."""
    found = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield found
        finally:
            first, more = {}, {}
            for entry in caught:
                if entry.category.__module__ != "flatphys.errors":
                    continue
                name = entry.category.__name__
                more[name] = more.get(name, -1) + 1
                first.setdefault(name, str(entry.message))
            for name, message in first.items():
                message += f" (and at {more[name]} more point{'s' * (more[name] > 1)})" if more[name] else ""
                found.append({"category": name, "message": message})
                typer.echo(f"warning: {message}", err=True)


def plain(value):
    """`value` with everything that JSON lacks spelled out: inf and nan as strings, arrays as lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return float(value) if math.isfinite(value) else str(float(value))


def as_json(value) -> str:
    """Valid JSON, numbers with all their digits."""
    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def as_csv(columns: list[str], records: list[dict]) -> str:
    """A header and one line per record; a missing value is an empty cell, numbers keep all their digits."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow(["" if record.get(name) is None else record[name] for name in columns])
    return out.getvalue()


def write(text: str, path: pathlib.Path | None):
    """To the file, or to stdout where there is none."""
    if path is None:
        typer.echo(text, nl=False)
        return
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    typer.echo(f"wrote {path}", err=True)


def print_table(title: str, header: list[str], rows: list[list[str]]):
    """A drawn table on a terminal, aligned text elsewhere."""
    if is_terminal(sys.stdout):
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", show_header=any(header))
        for i, name in enumerate(header):
            table.add_column(Text(name), no_wrap=i == 0)
        for row in rows:
            table.add_row(*map(Text, row))
        Console().print(table)
        return
    lines = [header, *rows] if any(header) else rows
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    typer.echo(title)
    for line in lines:
        typer.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def track(items: list, what: str):
    """`items`, with a progress bar on stderr where that is a terminal."""
    if not is_terminal(sys.stderr) or len(items) < 2:
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items, description=what)
