"""Where another mail begins in a text, and everything below belongs to it: separators, header blocks, attributions
whose quote bears no marks, and the marker and layout of our own mails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.mail import phrases
from gateway.mail.forwards.blocks import block
from gateway.mail.quotes import phrases as words
from gateway.mail.quotes.attributions import bare, glued

# Printed at the top of our notifications. Recognised by its letters alone, so that quoting, wrapping and broken
# charsets don't hide it.
REPLY_MARKER = "✂ ---- Répondez au-dessus de cette ligne / Reply above this line ----"
_MARKER_CORES = ("pondezaudessusdecetteligne", "replyabovethisline")

MAX_LINES = 20_000  # below them nothing is looked for
_LETTERS = re.compile(r"[^a-z]+")
_RULES = "-_=*~‐‑‒–—―━─"
_SPACES = " \t\xa0\u202f"
_HINTS = (":", "：", "--", "__", "==", "‐‐", "——", "––", "━━", "──")
_DESK_RULES = ("##", "--", "==", "-=")
_ADDRESS = re.compile(r"[^\s<>@\[\]]{1,64}@[^\s<>@]{2,200}")


@dataclass(frozen=True, slots=True)
class Boundary:
    """The lines from `start` to `end` (excluded) say that another mail follows. `sure`: only our marker is."""

    start: int
    end: int
    sure: bool = False


def is_quote(line: str) -> bool:
    return line.lstrip(" \t\xa0").startswith(">")


def marker(lines: Sequence[str], index: int) -> bool:
    """Our own marker, on this line or broken over it and the next."""
    line = lines[index].lower()
    if "pondez" not in line and "reply" not in line:
        return False
    joined = _LETTERS.sub("", " ".join(lines[index : index + 2]).lower()[:400])
    following = _LETTERS.sub("", " ".join(lines[index + 1 : index + 2]).lower()[:400])
    return any(core in joined and core not in following for core in _MARKER_CORES) and _ruled(lines, index)


def _ruled(lines: Sequence[str], index: int) -> bool:
    """The marker's dashes: the same words in somebody's sentence aren't it."""
    return any("--" in line or "—" in line or "–" in line for line in lines[max(0, index - 1) : index + 3])


def boundary(lines: Sequence[str], index: int) -> Boundary | None:
    """What begins at a line that isn't blank, or None."""
    if marker(lines, index):
        return Boundary(with_thin_line(lines, index), index + 1, sure=True)
    if is_quote(lines[index]):
        return None
    end = _end(lines, index)
    if end is not None:
        return Boundary(with_thin_line(lines, index), end)
    return Boundary(index + 1, index + 1) if glued(lines[index]) else None


def _end(lines: Sequence[str], index: int) -> int | None:
    """Where the other mail's text begins, if this line is a separator, a header block, or such."""
    if separator(lines[index]):
        return _below(lines, index + 1)
    end = bare(lines, index)
    if end is not None:
        return None if _quote_follows(lines, end) else end  # else it's that quote's, and the author may go on below
    return _header_block(lines, index) or _ours(lines, index)


def separator(line: str) -> bool:
    """« -----Message d'origine----- » and its kin: the words between rules, or alone before a colon."""
    bare_line = line.strip(_SPACES).replace("’", "'").removeprefix("?")
    if not 8 <= len(bare_line) <= 120:
        return False
    ruled = bare_line.lstrip("*")[:2] in _HINTS or bare_line[:2] in _DESK_RULES
    if not (ruled or bare_line.endswith(":")):
        return False
    inner = " ".join(bare_line.strip(_RULES + _SPACES + ":>#").lower().split())
    if phrases.SEPARATOR.fullmatch(inner):
        return True
    return bare_line[:2] in _DESK_RULES and bare_line[-1] in "#-=" and words.REPLY_ABOVE.fullmatch(inner) is not None


def _below(lines: Sequence[str], start: int) -> int:
    """Below a separator, and below the header block or attribution that may follow it."""
    at = next((i for i in range(start, min(len(lines), start + 4)) if lines[i].strip()), start)
    if at >= len(lines) or is_quote(lines[at]):
        return start
    found = block(lines, at)
    return found.end if found else bare(lines, at) or start


def _header_block(lines: Sequence[str], index: int) -> int | None:
    """Below a block De/Envoyé/À/Objet: a sender and at least two of the others.

    People write such lines too (« De : Paris / À : Lyon / Date : … », « Objet : » at the head of a letter). So there
    is a subject or an address among them, and the sender's address where the sender doesn't come first.
    """
    first = phrases.LABELS.get(_label(lines[index])) if _may_label(lines[index]) else None
    found = block(lines, index) if first not in (None, "other") else None
    if found is None or found.depth or len(found.fields.keys() - {"other"}) < 3:
        return None
    addressed = _ADDRESS.search(found.fields["from"]) is not None
    told = "subject" in found.fields or "@" in found.fields.get("to", "") if first == "from" else False
    return found.end if addressed or told else None


def _may_label(line: str) -> bool:
    return ":" in line[:60] or "：" in line[:60]


def _label(line: str) -> str:
    return line.replace("：", ":", 1).partition(":")[0].strip(_SPACES + "*_").lower()


def _ours(lines: Sequence[str], index: int) -> int | None:
    """Our own mails, quoted without marks: « X a écrit le 3 février : » above « Expéditeur : X » in those to agents,
    the organisation with its SIRET above the reference in those to usagers."""
    line = lines[index].strip(_SPACES + "*|")
    close = [below.strip(_SPACES + "*|") for below in lines[index + 1 : index + 8]]
    if words.OUR_ORGANISATION.fullmatch(line[:400]):
        return index + 1 if any(words.OUR_REFERENCE.fullmatch(below[:200]) for below in close) else None
    if words.OUR_MESSAGE.fullmatch(line[:400]):
        return index + 1 if any(words.OUR_SENDER.match(below[:200]) for below in close[:3]) else None
    return None


def _quote_follows(lines: Sequence[str], start: int) -> bool:
    """Is the next line that isn't blank a `>` line?"""
    return next((is_quote(line) for line in lines[start : start + 4] if line.strip()), False)


def with_thin_line(lines: Sequence[str], index: int) -> int:
    """Where a separator begins that stands at `index`: with Outlook's rule of underscores, the dashes above our
    signature, or Orange's « Message du 03/02/25 10:12 » above it."""
    above = index - 1
    while above >= 0 and index - above < 3 and not lines[above].strip():
        above -= 1
    if above < 0:
        return index
    line = lines[above].strip(_SPACES + "*")
    rule = (len(line) >= 5 or line == "--") and not line.strip(_RULES)
    return above if rule or phrases.ORIGINAL.fullmatch(line[:120].lower()) else index
