"""What the markup of a mail's HTML says of the lines of its text: quoted, or below a separator.

Programs write both alternatives from one source, so the letters of the text are found again in the page, line by
line and in order. Where they aren't, for most lines, the page is another text, and says nothing of this one. Each
compared at its place, and looked for a short way further on: linear.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.mail.html import Kind, Page

_AGREED = 0.8  # of the letters
_AHEAD = 1_000  # letters of the page that may be missing in the text
_LONG = 12  # letters that are no coincidence
_MAX_ASTRAY = 300  # lines in a row that aren't found: another text
_LINK = re.compile(r"<\s?(?:https?|mailto|tel|ftp):[^<>]{1,2000}>|\[(?:cid|image|https?):[^\[\]]{0,2000}\]")


@dataclass(frozen=True, slots=True)
class _Run:
    """Lines of a page in a row of which the markup says the same, as letters: `end` is after the last of them."""

    end: int
    kind: Kind


def kinds(text: str, pages: Sequence[Page]) -> list[Kind]:
    """What the pages' markup says of each line of the text; OWN where it says nothing."""
    lines = text.split("\n")
    none = [Kind.OWN] * len(lines)
    if all(kind is Kind.OWN for page in pages for kind in page.kinds):
        return none
    letters, runs = _runs(pages)
    found = _aligned([_letters(line) for line in lines], letters)
    agreed = sum(end - start for start, end in found)
    if agreed < _AGREED * min(len(letters), len(_letters(text))):
        return none
    return _told(found, runs)


def _letters(line: str) -> str:
    """Letters and digits alone; where links lead is left out, for not all programs write it."""
    return "".join(filter(str.isalnum, _LINK.sub("", line) if "<" in line or "[" in line else line))


def _runs(pages: Sequence[Page]) -> tuple[str, list[_Run]]:
    pieces: list[str] = []
    runs: list[_Run] = []
    end = 0
    for page in pages:
        for line, kind in zip(page.text.split("\n"), page.kinds, strict=True):
            piece = _letters(line)
            pieces.append(piece)
            end += len(piece)
            if runs and runs[-1].kind is kind:
                runs.pop()
            runs.append(_Run(end, kind))
    return "".join(pieces), runs


def _aligned(lines: Sequence[str], letters: str) -> list[tuple[int, int]]:
    """Where each line stands among the letters: (start, end), empty for those that aren't found."""
    found: list[tuple[int, int]] = []
    at = astray = 0
    for line in lines:
        start = at if letters.startswith(line, at) else -1
        if start < 0 and len(line) >= _LONG and astray < _MAX_ASTRAY:
            start = letters.find(line, at, at + _AHEAD + len(line))
            astray = 0 if start >= 0 else astray + 1
        at = start + len(line) if start >= 0 else at
        found.append((at - len(line), at) if start >= 0 else (at, at))
    return found


def _told(found: Sequence[tuple[int, int]], runs: Sequence[_Run]) -> list[Kind]:
    """The kind of each line that was found whole in one run. Below a separator is all that follows the first such."""
    told: list[Kind] = []
    index = 0
    for start, end in found:
        while index < len(runs) - 1 and runs[index].end <= start:
            index += 1
        whole = start < end <= runs[index].end
        told.append(runs[index].kind if whole else Kind.OWN)
    return told
