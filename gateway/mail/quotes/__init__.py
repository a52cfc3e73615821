"""What the author wrote, apart from what they quoted: a scanner of lines that never goes back.

Every line of the text ends up either in `own` or in `quoted`, in its order. In doubt nothing is cut: keeping a quote
is better than losing a citizen's words. Signatures stay with the author's words (« Envoyé de mon iPhone » too), legal
footers go where a rule sets them off. Of answers between quotes `own` has the answers, `quoted` what they answer.

What is quoted is known, in this order, by

- the markup of the mail's HTML part, where the text agrees with it (`structure`);
- `>`, and the attribution above it (« Le …, X a écrit : », `attributions`);
- a separator (« -----Message d'origine----- », a block De/Envoyé/À/Objet, our own marker, `separators`), from
  which on everything is quoted; unless `>` lines follow, for then the author may go on below them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.mail import notices
from gateway.mail.html import Kind
from gateway.mail.quotes import attributions, separators
from gateway.mail.quotes.footers import footers
from gateway.mail.quotes.separators import is_quote

_MAX_LINK = 2_000
_LINK = re.compile(r"<\s?(?:(?:https?|mailto):\S{0,2000}|[^\s<>@]{1,64}@[^\s<>@]{1,253})$")

Begins = Callable[[int], separators.Boundary | None]  # as `separators.boundary`, of the lines of one text

__all__ = ["Cut", "cut", "has_marker", "quotes"]


@dataclass(frozen=True, slots=True)
class Cut:
    """The author's own lines, and the others. Blank lines at the ends are left out. `because`: what tells them."""

    own: str
    quoted: str
    because: str = ""


def cut(text: str, markup: Sequence[Kind] = (), *, answers: bool = True) -> Cut:
    """Tell the author's lines from quoted ones. `markup`: what the HTML part says of each line, if anything.

    `answers`: does the mail answer or forward another? In one that doesn't, `>` alone may be the author's own mark.
    """
    lines = text.split("\n")
    marks = _marks(lines, answers=answers)
    begins = separators.beginnings(lines)
    quoted, tail = _quoted(lines, [Kind.OWN] * len(lines), marks, begins)
    reasons = _reasons(lines, marks[:tail], tail)
    if any(markup) and len(markup) == len(lines):
        told, _ = _quoted(lines, markup, marks, begins)
        if _written(lines[:tail], told):  # else it's taken back: some write their answer into the quote
            quoted, reasons = told, ["the markup of its HTML part"] if told != quoted else reasons
    shown = _without_footers(lines, quoted)
    reasons += ["a footer of a server or a list"] if shown != quoted else []
    cut_off = _without_notices(lines, shown, tail)
    reasons += ["a copy of a notice"] if cut_off != shown else []
    because = "; ".join(reasons) if any(cut_off) else ""
    return Cut(_together(lines, cut_off, wanted=False), _together(lines, cut_off, wanted=True), because)


def _marks(lines: Sequence[str], *, answers: bool) -> list[bool]:
    """Which lines `>` marks as quoted: all, or none in a mail that answers nothing, as far as attributions tell."""
    marks = [is_quote(line) for line in lines]
    told = answers or any(
        marks[index] and not marks[index - 1] and attributions.above(lines, _above(lines, index)) is not None
        for index in range(1, len(lines))
    )
    return marks if told else [False] * len(lines)


def _above(lines: Sequence[str], index: int) -> int:
    """The line with words above another; a blank line may stand between."""
    return index - 1 if lines[index - 1].strip() else index - 2


def _reasons(lines: Sequence[str], marks: Sequence[bool], tail: int) -> list[str]:
    """What tells the quoted lines, in words."""
    marked = any(marks)
    separator = next((line.strip()[:60] for line in lines[tail:] if line.strip()), "")
    return [
        *(["lines marked with « > »"] if marked else []),
        *([f"« {separator} » begins what is quoted"] if separator else []),
    ]


def _without_notices(lines: Sequence[str], quoted: list[bool], tail: int) -> list[bool]:
    """A notice that was copied without a mark is quoted too, but for one that came alone."""
    copied = list(quoted)
    for span in notices.copies(lines[:tail]):  # only above a separator or our marker
        copied[span.start : span.stop] = [True] * (span.stop - span.start)
    return copied if _written(lines, copied) else quoted


def _quoted(
    lines: Sequence[str], kinds: Sequence[Kind], marks: Sequence[bool], begins: Begins
) -> tuple[list[bool], int]:
    """Which lines are quoted, and at which line the quoted end of the mail begins."""
    marked = _marked(lines, [kind is Kind.QUOTED or mark for kind, mark in zip(kinds, marks, strict=True)])
    tail = _tail(lines, marked, kinds, begins)
    if tail.start < len(lines) and not _bare_marker(lines, tail) and not _written(lines[: tail.start], marked):
        # A separator at the very top: a bare forward, or an answer below. What is the author's can't be told; but an
        # attribution isn't.
        if attributions.bare(lines, tail.start) == tail.end:
            marked[tail.start : tail.end] = [True] * (tail.end - tail.start)
        return marked, len(lines)
    return marked[: tail.start] + [True] * (len(lines) - tail.start), tail.start


def _without_footers(lines: Sequence[str], quoted: list[bool]) -> list[bool]:
    """With the footers of servers and lists among the quoted lines, unless nothing else is left."""
    cut = list(quoted)
    for footer in footers(lines):
        cut[footer.start : footer.stop] = [True] * len(footer)
    return cut if _written(lines, cut) else quoted


def _written(lines: Sequence[str], quoted: Sequence[bool]) -> bool:
    """Is there a line of the author's?"""
    return any(not told and line.strip() for line, told in zip(lines, quoted, strict=False))


def quotes(text: str) -> bool:
    """Does a text quote a mail?"""
    lines = text.split("\n")
    own = [Kind.OWN] * len(lines)
    quoted, _ = _quoted(lines, own, _marks(lines, answers=True), separators.beginnings(lines))
    return any(told and any(map(str.isalnum, line)) for line, told in zip(lines, quoted, strict=True))


def has_marker(text: str) -> bool:
    """Does our marker stand in the text, quoted or not?"""
    lines = text.split("\n")
    return any(separators.marker(lines, index) for index in range(len(lines)))


def _together(lines: Sequence[str], quoted: Sequence[bool], *, wanted: bool) -> str:
    kept = [line for line, told in zip(lines, quoted, strict=True) if told is wanted]
    words = [index for index, line in enumerate(kept) if line.strip()]
    return "\n".join(kept[words[0] : words[-1] + 1]) if words else ""


def _marked(lines: Sequence[str], quoted: list[bool]) -> list[bool]:
    """Also the lines that introduce what's quoted by `>` or by markup. Blank ones go with what's above them."""
    for index in range(1, len(lines)):
        if quoted[index] and not quoted[index - 1] and _ends_link(lines, index):
            quoted[index] = False
        elif quoted[index - 1] and not lines[index].strip():
            quoted[index] = True
    for index in range(1, len(lines)):
        if quoted[index] and not quoted[index - 1] and lines[index].strip():
            _introduced(lines, quoted, index)
    return quoted


def _ends_link(lines: Sequence[str], index: int) -> bool:
    """Does this line's `>` but close the « <https://… » or « <x@y » that a wrapped line above left open?"""
    above = " ".join(lines[max(0, index - 2) : index])[-_MAX_LINK:]
    return above.rfind("<") > above.rfind(">") and _LINK.match(above, above.rfind("<")) is not None


def _introduced(lines: Sequence[str], quoted: list[bool], index: int) -> None:
    """Mark the attribution above the quote that begins at `index`; a blank line may stand between."""
    first = attributions.above(lines, _above(lines, index))
    if first is not None:
        quoted[first:index] = [True] * (index - first)


def _tail(lines: Sequence[str], marked: list[bool], kinds: Sequence[Kind], begins: Begins) -> separators.Boundary:
    """Where the quoted end of the mail begins; `len(lines)` where it has none.

    Where marked lines follow a separator, the author may go on below those: it ends nothing, and its own lines are
    added to `marked`. Unless headers without marks stand between, below an answer: then the marks are older ones.
    """
    index = 0
    answered = False
    while index < min(len(lines), separators.MAX_LINES):
        if kinds[index] is Kind.BELOW:
            return separators.Boundary(separators.with_thin_line(lines, index), index)
        found = begins(index) if lines[index].strip() else None
        if found is None:
            answered = answered or not (marked[index] or not lines[index].strip())
            index += 1
        elif found.sure or (answered and found.end > index + 1) or not _quote_at(marked, lines, found.end):
            return found
        else:
            marked[found.start : found.end] = [True] * (found.end - found.start)
            index = found.end
    return separators.Boundary(len(lines), len(lines))


def _quote_at(marked: Sequence[bool], lines: Sequence[str], start: int) -> bool:
    """Is the next line with words, of four, marked as a quote?"""
    return next((marked[i] for i in range(start, min(len(lines), start + 4)) if lines[i].strip()), False)


def _bare_marker(lines: Sequence[str], tail: separators.Boundary) -> bool:
    """Our marker without a `>`: our own words follow, and nothing tells them from an answer below them."""
    return tail.sure and not is_quote(lines[tail.end - 1])
