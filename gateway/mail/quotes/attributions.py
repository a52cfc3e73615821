"""« Le …, X a écrit : »: the line or lines with which a mail program introduces what it quotes.

Programs write a date or an address into them, people who quote by hand seldom do: « ce que le maire m'a écrit : » is
somebody's sentence, and stays theirs. Each look is bounded: five lines, 500 characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from gateway.mail.quotes import phrases as words

MAX_LINES = 5
MAX_CHARS = 500
_MAX_GENERIC = 250
_FEW_WORDS = 5
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_ADDRESS = re.compile(r"[<(\[]\s?(?:mailto:)?[^\s<>@]{1,100}@[^\s<>@]{1,200}|[^\s<>@]{1,64}@[^\s<>@]{1,200}\s?>")
_TIME = re.compile(r"(?<!\d)\d{1,2}\s?[:.h]\s?\d{2}(?!\d)")
_QUOTATION = ("«", "“", "„", "‟", "‘", '"')
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
_GLUED = re.compile(r"\S {3,8}(?=\S)")


def plain(text: str) -> str:
    """Lower case, single plain spaces, nothing invisible, no bold stars: how attributions are compared."""
    visible = text[: 2 * MAX_CHARS]
    if not visible.isascii():
        visible = _INVISIBLE.sub("", unicodedata.normalize("NFC", visible))
    return " ".join(visible.split()).strip(" *_").lower()


def above(lines: Sequence[str], last: int) -> int | None:
    """Where the attribution that ends at line `last`, above a quote, begins; None where it is none.

    It begins with the line that opens as attributions do (« Le 3 févr. … »), else with the one that names a date.
    """
    if last < 0 or not _ends(lines[last]) or glued(lines[last]):
        return None
    found: int | None = None
    dated = False
    joined = ""
    for first in range(last, max(-1, last - MAX_LINES), -1):
        if not lines[first].strip() or len(joined) + len(lines[first]) > MAX_CHARS:
            break
        joined = f"{lines[first]} {joined}"
        text = plain(joined)
        if not _is_attribution(text):
            continue
        if _opens(lines[first]):
            return first
        if found is None or (not dated and _dated(text)):
            found, dated = first, _dated(text)
    return found


def bare(lines: Sequence[str], first: int) -> int | None:
    """The line below an attribution that begins here and whose quote bears no marks, or None.

    Nothing but it tells where the author's words end, so more is asked: an address, and an opening, a date and a
    verb (or, in a language that isn't known here, a year and a time). People write dates, times and names too: « Le
    3 février à 10h12, Marie a écrit : ». What stands in quotation marks below it is reported by somebody.
    """
    last = _ending(lines, first)
    if last is None:
        return None
    opens = _opens(lines[first])
    if not opens and not lines[first].startswith("    "):
        return None
    sure = _is_sure(plain(" ".join(lines[first : last + 1])), opens=opens) and not _reported(lines, last + 1)
    return last + 1 if sure else None


def _ending(lines: Sequence[str], first: int) -> int | None:
    """The first line from `first` on that ends as attributions do, as far as one reaches; most texts have none."""
    length = 0
    for last in range(first, min(len(lines), first + MAX_LINES)):
        line = lines[last]
        if length + len(line) > MAX_CHARS or not line.strip():
            return None
        if _ends(line):
            return last
        length += len(line) + 1
    return None


def glued(line: str) -> bool:
    """Does a line end with an attribution that stood below it? Yahoo's plain text loses the line break."""
    if not _ends(line):
        return False
    gap = None
    for gap in _GLUED.finditer(line[-MAX_CHARS:]):  # noqa: B007 - the last one is wanted
        pass
    return gap is not None and bare([line[-MAX_CHARS:][gap.end() :]], 0) is not None


def _ends(line: str) -> bool:
    end = line[-40:]
    return (":" in end or "：" in end) and plain(end).endswith((":", "："))


def _opens(line: str) -> bool:
    return words.ATTRIBUTION_OPENER.match(plain(line[:80]).lstrip("- ")) is not None  # Zimbra writes « ----- Le 3 … »


def _dated(text: str) -> bool:
    return sum(c.isdigit() for c in text) >= 3


def _is_attribution(text: str) -> bool:
    """Plain text that ends with a colon, above a quote: a verb and a date, an address or a short name; or both."""
    if not text.endswith((":", "：")):
        return False
    told = _dated(text) or _ADDRESS.search(text) is not None
    if _says(text):
        return told or len(text.split()) <= _FEW_WORDS
    return len(text) < _MAX_GENERIC and _names(text)


def _names(text: str) -> bool:
    """Without a verb that is known here: an address and a date, or « Quoting X <x@y>: »."""
    if "@" not in text:
        return False
    return _dated(text) or text.startswith(words.ATTRIBUTION_NOUNS)


def _is_sure(text: str, *, opens: bool) -> bool:
    if _ADDRESS.search(text) is None:
        return False
    if _says(text):
        return opens and _dated(text)
    return len(text) < _MAX_GENERIC and _TIME.search(text) is not None and _YEAR.search(text) is not None


def _reported(lines: Sequence[str], start: int) -> bool:
    """Do quotation marks open what follows?"""
    following = next((line.strip() for line in lines[start : start + 4] if line.strip()), "")
    return following.startswith(_QUOTATION)


def _says(text: str) -> bool:
    """Is there « a écrit » at the end, or before a date or (in German, Dutch, …) a name?"""
    verb = None
    for verb in words.ATTRIBUTION_VERB.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    if verb is None or not words.TO_SOMEONE.isdisjoint(text[: verb.start()].split()[-1:]):
        return False
    after = text[verb.end() :].rstrip(" :：")
    if not after or verb[0] in words.VERBS_BEFORE_NAMES:
        return True
    return words.ATTRIBUTION_DATE.match(after) is not None
