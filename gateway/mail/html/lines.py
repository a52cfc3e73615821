"""Lines of text as tags make them: blocks, paragraphs, lists, tables, quotes. The state of one pass over a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.mail.html.marks import Kind

MAX_QUOTE = 20
_MAX_ROWS = 8  # tables in tables; what is deeper is taken for layout
_MAX_LISTS = 10
_WIDE = 200
_GAP = "  "  # between the cells of a row


@dataclass(frozen=True, slots=True)
class Line:
    """`depth`: how many quotes it stands in. `introduces`: a quote should follow. `block`: headers may begin."""

    text: str
    depth: int = 0
    kind: Kind = Kind.OWN
    introduces: bool = False
    block: bool = False


@dataclass(slots=True)
class _Row:
    """A table's row: its finished cells; what stood before it."""

    before: list[Line]
    gap: bool
    cells: list[list[Line]] = field(default_factory=list)


class Lines:
    """Collects lines; `gap` says that a blank one comes before the next."""

    def __init__(self) -> None:
        self.done: list[Line] = []
        self.pieces: list[str] = []
        self.gap = False
        self.quote = 0
        self.kind = Kind.OWN
        self.introduces = False
        self.block = False
        self.prefix = ""  # of a list's item, for its first line
        self.lists: list[int] = []  # of each open list the number of its next item; -1: it has bullets
        self.rows: list[_Row] = []
        self.tables: list[int] = []  # of each open table, how many rows were open around it

    # --- lines -----------------------------------------------------------------------------------------

    def end_line(self, always: bool = False, verbatim: bool = False) -> None:
        """End the line. An empty one counts only where the author asked for it."""
        if not self.pieces and not always:
            return
        text = "".join(self.pieces)
        self.pieces = []
        text = text.rstrip(" ") if verbatim else text.strip(" ")
        if not text.strip():
            if always or "\xa0" in text:
                self._blank()
            return
        if self.gap and self.done and self.done[-1].text.strip():
            self._blank()
        self.gap = False
        prefix, self.prefix = self.prefix, ""
        self.done.append(Line(prefix + text, self.quote, self.kind, self.introduces, self.block))
        self.block = False

    def _blank(self) -> None:
        """An empty line. Between two others it's in no deeper quote than both, so that a quote ends above it."""
        above = self.done[-1] if self.done else Line("", self.quote, self.kind)
        self.done.append(Line("", min(self.quote, above.depth), min(self.kind, above.kind)))
        self.gap = False

    def paragraph(self) -> None:
        """The next line stands apart; but not in lists, where the items show it."""
        self.end_line()
        self.gap = self.gap or (bool(self.done) and not self.lists)

    # --- lists -----------------------------------------------------------------------------------------

    def open_list(self, first: int) -> None:
        self.end_line() if self.lists else self.paragraph()
        del self.lists[_MAX_LISTS:]
        self.lists.append(first)

    def close_list(self) -> None:
        self.end_line()
        self.prefix = ""
        if self.lists:
            self.lists.pop()
        if not self.lists:
            self.paragraph()

    def item(self, number: int | None = None) -> None:
        self.end_line()
        at = self.lists[-1] if self.lists else -1
        indent = "  " * (len(self.lists) - 1)
        if at < 0:
            self.prefix = f"{indent}- "
            return
        at = at if number is None else number
        self.prefix = f"{indent}{at}. "
        self.lists[-1] = at + 1

    # --- tables ----------------------------------------------------------------------------------------

    def open_table(self) -> None:
        self.paragraph()
        self.tables.append(len(self.rows))

    def close_table(self) -> None:
        self.end_line()
        level = self.tables.pop() if self.tables else 0
        while len(self.rows) > level:
            self.end_row()
        self.paragraph()

    @property
    def in_row(self) -> bool:
        """Is a row of the innermost table open?"""
        return len(self.rows) > (self.tables[-1] if self.tables else 0)

    def row(self) -> None:
        self.end_row()
        if len(self.rows) < _MAX_ROWS:
            self.rows.append(_Row(self.done, self.gap, []))
            self.done, self.gap = [], False

    def end_row(self) -> None:
        """Put the row's cells on one line if they're short; else below one another."""
        self.end_line()
        if not self.in_row:
            return
        self.end_cell()
        row = self.rows.pop()
        self.done, gap = row.before, row.gap or (self.gap and not row.cells)
        lines = _side_by_side([cell for cell in row.cells if cell])
        self.gap = gap
        if lines:
            if gap and self.done and self.done[-1].text.strip():
                self._blank()
            self.gap = False
            self.done.extend(lines)

    def cell(self) -> None:
        if self.in_row:
            self.end_cell()
        elif any(piece.strip() for piece in self.pieces[-3:]):
            self.pieces.append(_GAP)  # no row is open

    def end_cell(self) -> None:
        if self.in_row:
            self.end_line()
            self.rows[-1].cells.append(_trimmed(self.done))
            self.done, self.gap = [], False

    def finish(self) -> list[Line]:
        self.end_line()
        self.tables = []
        while self.rows:
            self.end_row()
        return _trimmed(self.done)


def _trimmed(lines: list[Line]) -> list[Line]:
    """Without blank lines at the ends."""
    first, last = 0, len(lines)
    while first < last and not lines[first].text.strip():
        first += 1
    while last > first and not lines[last - 1].text.strip():
        last -= 1
    return lines[first:last]


def _side_by_side(cells: Sequence[list[Line]]) -> list[Line]:
    """Cells of one short line each as one line, the last may go on below; others one below the other."""
    firsts = [cell[0] for cell in cells]
    short = sum(len(line.text) for line in firsts) < _WIDE and all(len(cell) == 1 for cell in cells[:-1])
    alike = len({(line.depth, line.kind) for line in firsts}) == 1
    if len(cells) < 2 or not (short and alike):
        return [line for cell in cells for line in cell]
    texts = [line.text for line in firsts]
    return [replace(firsts[0], text=_GAP.join(texts)), *cells[-1][1:]]
