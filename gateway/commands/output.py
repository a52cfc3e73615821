"""What a command shows: one JSON document, or lines and tables that fit a terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(frozen=True, slots=True)
class Table:
    """Columns that share the width of the terminal; long cells are folded, but for those of the first `whole`."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    whole: int


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
    for line in shown.lines:
        # What people wrote is text, never control sequences for the terminal.
        print(harmless(line)) if isinstance(line, str) else _draw(line)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], whole: int = 1) -> Table:
    """A table of cells that are shown as people read them."""
    return Table(tuple(headings), tuple(tuple(harmless(_cell(value)) for value in row) for row in rows), whole)


def _draw(table: Table) -> None:
    from rich import console, text  # noqa: PLC0415 (a quarter of what a command costs that draws none)
    from rich import table as drawn  # noqa: PLC0415

    made = drawn.Table(*table.headings, box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(made.columns):
        column.overflow, column.no_wrap = "fold", place < table.whole
    for row in table.rows:
        made.add_row(*map(text.Text, row))
    # Where nobody looks at it, in a pipe or a file, lines are as long as they are.
    console.Console(highlight=False, width=None if sys.stdout.isatty() else 10_000).print(made)


def harmless(text: str) -> str:
    """Without the control and format characters that could move a terminal's cursor or turn its text around."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})


def many(count: int, one: str, several: str = "") -> str:
    """So many of something: « 1 mail », « 3 mails », « 2 deliveries »."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def when(time: datetime) -> str:
    """A time in the zone of whoever looks, to the minute."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def progress() -> Progress:
    """A bar on standard error, where somebody looks at it."""
    from rich.console import Console  # noqa: PLC0415 (as above)
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

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
