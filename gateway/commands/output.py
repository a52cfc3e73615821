"""What a command shows: one JSON document, or lines and tables that fit a terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Shown:
    """`document` is the JSON; `lines` the same for people: text, or tables.

    `printed`: standard output holds something else already.
    """

    document: Any
    lines: tuple[str | Table, ...] = ()
    status: int = 0
    printed: bool = False


def show(shown: Shown, *, as_json: bool) -> None:
    """Print to standard output."""
    if shown.printed:
        return
    if as_json:
        print(json.dumps(shown.document, default=_plain, ensure_ascii=False, indent=2))
        return
    # Where nobody looks at it, in a pipe or a file, lines are as long as they are.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 10_000)
    for line in shown.lines:
        # What people wrote is text, never markup or control sequences for the terminal.
        console.print(harmless(line) if isinstance(line, str) else line, markup=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], whole: int = 1) -> Table:
    """Columns that share the width of the terminal; long cells are folded, but for those of the first `whole`."""
    made = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(made.columns):
        column.overflow, column.no_wrap = "fold", place < whole
    for row in rows:
        made.add_row(*(Text(harmless(_cell(value))) for value in row))
    return made


def harmless(text: str) -> str:
    """Without the control and format characters that could move a terminal's cursor or turn its text around."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})


def when(time: datetime) -> str:
    """A time in the zone of whoever looks, to the minute."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def progress() -> Progress:
    """A bar on standard error, where somebody looks at it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return when(value) if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> str:
    """RFC 3339 in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(type(value).__name__)
