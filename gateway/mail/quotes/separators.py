"""Where another mail begins in a text, and everything below belongs to it: separators, header blocks, attributions
whose quote bears no marks, and the marker and layout of our own mails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

from gateway.mail import phrases
from gateway.mail.forwards.blocks import block
from gateway.mail.quotes import phrases as words
from gateway.mail.quotes.attributions import MAX_LINES as MAX_ATTRIBUTION
from gateway.mail.quotes.attributions import bare, glued

# The line of our notifications (`mail.mark`), recognised by its letters alone: quoting, wrapping and broken charsets
# don't hide it.
_MARKER = re.compile(r"r?[a-z]{0,8}pondezaudessusdecetteligne(?:replyabovethisline)?|replyabovethisline")
_MARKERS_WORDS = ("pondez", "reply")
_WHOLE_MARKER = "pondezaudessusdecettelignereplyabovethisline"
_MARKER_LINES = 3
_DASHES = ("--", "—", "–")

MAX_LINES = 20_000  # below them nothing is looked for
_LETTERS = re.compile(r"[^a-z]+")
_RULES = "-_=*~‐‑‒–—―━─"
_SPACES = " \t\xa0\u202f"
_HINTS = ("--", "__", "==", "‐‐", "——", "––", "━━", "──")
_DESK_RULES = ("##", "--", "==", "-=")
_RULED = frozenset("-_=‐—–━─#*?")  # how a line with a rule begins
# A full date with its time.
_TIMED = re.compile(
    r"(?<!\d)(?:(?:19|20)\d{2}(?!\d).{0,20}?(?<!\d)\d{1,2} ?[:.h] ?\d{2}|\d{1,2}/\d{1,2}/\d{2} .{0,4}\d{1,2}:\d{2})"
)
_OUTLOOKS_RULE = "_" * 20
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
    """Our own marker alone, on this line or broken over it and the next ones."""
    line = lines[index].lower()
    if not any(word in line for word in _MARKERS_WORDS):
        return False
    windows = (lines[index : index + count] for count in range(1, _MARKER_LINES + 1))
    return any(_is_marker(window) for window in windows)


def _is_marker(lines: Sequence[str]) -> bool:
    """The marker's words and its dashes right beside them; in a sentence, or quotation marks, they aren't it.

    What a program ran together with the line above (« … a écrit : ✂ ---- … ») may stand before the whole marker.
    """
    joined = " ".join(lines).lower()[-400:]
    letters = _LETTERS.sub("", joined)
    alone = _MARKER.fullmatch(letters) is not None
    if not (alone or letters.endswith(_WHOLE_MARKER)) or not _LETTERS.sub("", lines[-1].lower()):
        return False
    if any(mark in joined for mark in "«»“”"):
        return False
    places = [at for at, c in enumerate(joined) if "a" <= c <= "z"]
    before = joined[: places[0]] if alone else ""
    return any(dashes in joined[places[-1] :] or dashes in before for dashes in _DASHES)


def beginnings(lines: Sequence[str]) -> Callable[[int], Boundary | None]:
    """As `boundary`, for the first `MAX_LINES` lines of one text: each is looked at once, however often it is asked.

    Most are no beginning: none begins with a rule, has a colon or is close above one, in a text without our marker.
    """
    text = "\n".join(lines).lower()
    marked = any(word in text for word in _MARKERS_WORDS)
    looked_at = lines[: MAX_LINES + MAX_ATTRIBUTION]
    colons = [index for index, line in enumerate(looked_at) if ":" in line or "：" in line]
    near = {first for index in colons for first in range(index - MAX_ATTRIBUTION + 1, index + 1)}

    @cache
    def begins(index: int) -> Boundary | None:
        may = marked or index in near or lines[index].lstrip(_SPACES)[:1] in _RULED
        return boundary(lines, index) if may else None

    return begins


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
    if separator(lines[index]) and (_ruled(lines[index]) or _mail_follows(lines, index)):
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
    if not (bare_line.endswith(":") or _ruled(line)):
        return False
    inner = " ".join(bare_line.strip(_RULES + _SPACES + ":>#").lower().split())
    if phrases.SEPARATOR.fullmatch(inner):
        return True
    return bare_line[:2] in _DESK_RULES and bare_line[-1] in "#-=" and words.REPLY_ABOVE.fullmatch(inner) is not None


def _ruled(line: str) -> bool:
    bare_line = line.strip(_SPACES).removeprefix("?")
    return bare_line.lstrip("*")[:2] in _HINTS or bare_line[:2] in _DESK_RULES


def _mail_follows(lines: Sequence[str], index: int) -> bool:
    """Does a mail follow words that only a colon ends? A person's sentence is above a quote, too, but not apart."""
    at = next((i for i in range(index + 1, min(len(lines), index + 4)) if lines[i].strip()), None)
    if at is None:
        return False
    if is_quote(lines[at]):
        return index == 0 or not lines[index - 1].strip()
    return _header_block(lines, at) is not None or bare(lines, at) is not None


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
    is a date, and the sender's address; or, where the sender comes first, another address, or a subject with the
    time. Or a subject below Outlook's rule, or below Orange's « Message du 03/02/25 10:12 ».
    """
    first = phrases.LABELS.get(_label(lines[index])) if _may_label(lines[index]) else None
    found = block(lines, index) if first not in (None, "other") else None
    if found is None or found.depth or len(found.fields.keys() - {"other"}) < 3:
        return None
    return found.end if _is_programs(found.fields, first == "from", _line_above(lines, index)) else None


def _is_programs(fields: dict[str, str], sender_first: bool, above: str) -> bool:
    titled = sender_first and "subject" in fields
    if titled and (above.startswith(_OUTLOOKS_RULE) or phrases.ORIGINAL.fullmatch(above[:120].lower())):
        return True
    date = fields.get("date", "")[:200]
    if not any(map(str.isdigit, date)):
        return False
    if _ADDRESS.search(fields["from"]) or (sender_first and "@" in fields.get("to", "")):
        return True
    return titled and _TIMED.search(date) is not None


def _line_above(lines: Sequence[str], index: int) -> str:
    """The line with words above another; a blank line may stand between."""
    return next(
        (lines[i].strip(_SPACES + "*") for i in range(index - 1, max(-1, index - 3), -1) if lines[i].strip()), ""
    )


def _may_label(line: str) -> bool:
    return ":" in line[:60] or "：" in line[:60]


def _label(line: str) -> str:
    return line.replace("：", ":", 1).partition(":")[0].strip(_SPACES + "*_").lower()


def _ours(lines: Sequence[str], index: int) -> int | None:
    """Our own mails, quoted without marks: « X a écrit le 3 février : » above « Expéditeur : X » in those to agents,
    the organisation with its SIRET above the reference in those to usagers."""
    if ":" not in lines[index]:
        return None
    line = lines[index].strip(_SPACES + "*|")
    close = (below.strip(_SPACES + "*|")[:200] for below in lines[index + 1 : index + 8])
    if words.OUR_ORGANISATION.fullmatch(line[:400]):
        return index + 1 if any(map(words.OUR_REFERENCE.fullmatch, close)) else None
    if words.OUR_MESSAGE.fullmatch(line[:400]):
        return index + 1 if any(map(words.OUR_SENDER.match, islice(close, 3))) else None
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
