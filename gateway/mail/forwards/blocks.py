"""Header blocks in a text: « De : / Envoyé : / À : / Objet : » in any order, wrapped, quoted, bold, or on one line.

Each look is bounded: a block has at most 60 lines.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.mail import phrases

_MAX_LINES = 60
_MAX_LABEL = 40
_AHEAD = 15
_WIDTH = 76  # wrapped text is at most about as wide (RFC 3676 §4.2 says 78)
_ADDRESSED = ("from", "to", "cc", "other")
_MAX_COLONS = 40
_MAX_SUBJECT = 200
_SUBJECTS = tuple(label.capitalize() for label, field in phrases.LABELS.items() if field == "subject")
_INVISIBLE = "\ufeff\u200b\u200e\u200f\u2060"


@dataclass(frozen=True, slots=True)
class Block:
    """Values by field: from, date, to, cc, subject, other. `end` is the line below, `depth` counts the `>`.

    `rest` is text that stands on the last line, where all lines were run together.
    """

    fields: dict[str, str]
    end: int
    depth: int
    rest: str = ""


def unquoted(line: str) -> str:
    """A line without what stands before its words: `>`, every kind of space, invisible characters."""
    return line.lstrip("> \t\xa0\u202f" + _INVISIBLE).rstrip()


def block(lines: Sequence[str], start: int, *, colons: bool = True) -> Block | None:
    """The header block that begins at a line: a sender and one or more of date, recipients, subject; else None.

    Without colons (« De X <x@y> ») its sender comes first, with an address: other words begin like labels too.
    """
    reading = _Reading(lines, start, header if colons else _bare)
    first = reading.field(lines[start])
    if first is None or not (colons or (first[0] == "from" and "@" in first[1])):
        return None
    reading.run()
    fields = {name: " ".join(" ".join(pieces).split()) for name, pieces in reading.fields.items()}
    if not fields.get("from") or len(fields.keys() - {"other"}) < 2:
        return None
    return Block(fields, reading.at, depth(lines[start]))


def one_line(text: str, end: int) -> Block | None:
    """A block whose lines were run together, as in Yahoo's plain text: « De: X <x@y>Para: …Asunto: … »."""
    found = sorted(_glued(text))
    fields: dict[str, str] = {}
    for (_, after, name), (until, _, _) in pairwise((*found, (len(text), 0, ""))):
        if name in fields:
            continue
        last = name == "subject"
        fields[name] = text[after : len(text) if last else until].strip()
        if last:
            break
    subject = fields.get("subject", "")
    rest = fields.pop("subject") if len(subject) > _MAX_SUBJECT else ""  # nothing tells where it ends
    return Block(fields, end, 0, rest) if fields.get("from") and len(fields) > 1 else None


def _glued(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, field) of each label in a line: the longest one before a colon; a subject's may lack the colon."""
    folded = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    colons = [at for at, c in enumerate(folded) if c in ":："][:_MAX_COLONS]
    for colon in colons:
        end = colon - (folded[colon - 1 : colon] in (" ", "\xa0"))
        for start in range(max(0, end - 25), end):
            if _is_glued(text, folded, start, end):
                yield start, colon + 1, phrases.LABELS[folded[start:end]]
                break
    for label in _SUBJECTS:
        start = text.find(f"{label} ")
        if start > 0 and ":" not in text[start + len(label) : start + len(label) + 2]:
            yield start, start + len(label), "subject"


def _is_glued(text: str, folded: str, start: int, end: int) -> bool:
    """A label begins with a capital (where the script has them), a short one after a bracket or a space."""
    if folded[start:end] not in phrases.LABELS or text[start].islower():
        return False
    return end - start > 3 or start == 0 or text[start - 1] in "> \xa0)]"


def plain(words: str) -> str:
    """Lower case, NFC, single plain spaces and apostrophes, no bold stars: how labels and separators are compared."""
    folded = unicodedata.normalize("NFC", words.lower().replace("i\u0307", "i")).replace("’", "'")
    return " ".join(folded.strip("*_ \t\xa0\u202f|").split())


def header(line: str) -> tuple[str, str] | None:
    """(field, value) of a header line, or None."""
    bare = unquoted(line[:4_000])
    colon = bare.replace("：", ":", 1).find(":", 0, _MAX_LABEL)
    if colon < 1:
        return None
    name = phrases.LABELS.get(plain(bare[:colon]))
    if name is None:
        return None
    value = bare[colon + 1 :]
    if bare[0] in "*_":
        # « *Objet :* *** Urgent *** »: only the stars of the label are taken off.
        bold = len(bare) - len(bare.lstrip(bare[0]))
        value = value.removeprefix(bare[0] * bold)
    return name, value.strip(" \t\xa0\u202f" + _INVISIBLE)


def _bare(line: str) -> tuple[str, str] | None:
    """(field, value) of a header line whose label has no colon."""
    words = unquoted(line[:4_000]).split(" ", 2)
    for count in (2, 1):
        name = phrases.LABELS.get(plain(" ".join(words[:count])))
        if name and len(words) > count:
            return name, " ".join(words[count:]).strip()
    return None


def depth(line: str) -> int:
    """How many `>` stand before a line's words."""
    return line[: len(line) - len(line.lstrip("> \t\xa0"))].count(">")


class _Reading:
    """The state of one pass over a block."""

    def __init__(self, lines: Sequence[str], start: int, field: Callable[[str], tuple[str, str] | None]) -> None:
        self.lines = lines
        self.field = field
        self.at = start
        self.limit = min(len(lines), start + _MAX_LINES)
        self.fields: dict[str, list[str]] = {}
        self.last = ""
        self.spaced = False  # does a blank line stand between the fields?

    def run(self) -> None:
        while self.at < self.limit and self._step():
            pass

    def _step(self) -> bool:
        """Take the next line, or say that the block ends above it."""
        line = self.lines[self.at]
        if not unquoted(line):
            return self._blank()
        found = self.field(line)
        if found is None:
            return self._continued(line)
        name, value = found
        if name in self.fields and name != "other":
            return False
        self.fields.setdefault(name, []).append(value)
        self.last = name
        self.at += 1
        return True

    def _blank(self) -> bool:
        """A blank line ends the block, unless each of its lines stands apart (paragraphs of HTML)."""
        following = self.field(self.lines[self.at + 1]) if self.at + 1 < self.limit else None
        if len(self.fields) == 1 and following:
            self.spaced = True
        if not self.spaced or not following or following[0] in self.fields:
            return False
        self.at += 1
        return True

    def _continued(self, line: str) -> bool:
        """Does a line that has no label go on with the field above? Then take it."""
        if not (self._field_below() or self._wrapped(line)):
            return False
        self.fields[self.last].append(unquoted(line))
        self.at += 1
        return True

    def _field_below(self) -> bool:
        """A field that is still missing stands below, before a blank line."""
        missing = {"from", "date", "to", "subject"} - self.fields.keys()
        for line in self.lines[self.at + 1 : min(self.limit, self.at + _AHEAD)] if missing else ():
            if not unquoted(line):
                return False
            found = self.field(line)
            if found:
                return found[0] in missing or found[0] == "cc"
        return False

    def _wrapped(self, line: str) -> bool:
        """The last field was too long for its line: it says so by its end, or the next word had no room."""
        above = unquoted(self.lines[self.at - 1])
        if self.last in _ADDRESSED and (above.endswith((",", ";", "<")) or above.count("<") > above.count(">")):
            return True
        if not any(pieces[0] for pieces in self.fields.values()):
            return len(self.fields[self.last]) == 1  # each value stands below its label
        if self.last == "date":
            return False
        words = unquoted(line).split(maxsplit=1)
        below = self.lines[self.at + 1] if self.at + 1 < len(self.lines) else ""
        return len(above) < 100 and len(above) + 1 + len(words[0]) > _WIDTH and not unquoted(below)
